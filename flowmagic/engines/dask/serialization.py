"""Pickles what is sent between processes, and names the part of a flow or store that cannot be pickled.

Whatever was defined in a notebook or inside a function is pickled by value, by cloudpickle. Everything
else is pickled by reference: the process that reads it must be able to import it.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import uuid
from collections import OrderedDict
from collections.abc import Coroutine, Iterator
from types import CodeType, FunctionType
from typing import Any

from ...errors import EngineError, describe
from ...flow.graph import nodes_of

_MAX_TEXT = 160  # characters of an error's text
_CREATE_IN_NODE = "Create it in prep or exec, where it is used."


def dump(value: Any) -> bytes:
    """Pickle a value.

    Raises:
        Exception: whatever the value's own code raises while it is pickled.
    """
    try:
        content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - cloudpickle raises it again if it cannot pickle the value either
        return dump_by_value(value)
    # `__main__` is another module in every process.
    return dump_by_value(value) if b"__main__" in content else content


def dump_by_value(value: Any) -> bytes:
    """Pickle a value with cloudpickle, including everything in it that no other process can import."""
    import cloudpickle  # noqa: PLC0415 - optional: comes with distributed

    content: bytes = cloudpickle.dumps(value)
    return content


def dump_flow(flow: Any, shared: Any) -> bytes:
    """Pickle a flow, a shared store and the flow's node classes, as a tuple.

    Raises:
        EngineError: something in them cannot be pickled; the message names it.
    """
    try:
        return dump_by_value((flow, shared, node_classes_of(flow)))
    except Exception as error:
        raise EngineError(_refusal(flow, shared, error)) from error


def _refusal(flow: Any, shared: Any, error: Exception) -> str:
    """Return the message about what in a flow or store cannot be pickled."""
    for name, value, hint in _parts_of(flow, shared):
        try:
            dump_by_value(value)
        except Exception as reason:  # noqa: BLE001 - raised by the user's objects
            return (
                f"{name} is {describe(value)}, which cannot be sent to a worker ({_text_of(reason)}). "
                f"{hint}"
            )
    return f'The flow cannot be sent to a worker ({_text_of(error)}). Write engine="local".'


def _parts_of(flow: Any, shared: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield the parts of a flow and a store: a name, the value, and what to do if it cannot be pickled."""
    for node in nodes_of(flow):
        for name, value in vars(node).items():
            if name not in ("successors", "start_node"):
                yield f"{type(node).__name__}.{name}", value, _CREATE_IN_NODE
    for kind in node_classes_of(flow):
        for name, value in _attributes_of(kind):
            yield name, value, _CREATE_IN_NODE
    if isinstance(shared, dict):
        for key, value in shared.items():
            yield f"shared[{key!r}]", value, f"Remove it from the shared store. {_CREATE_IN_NODE}"


def _attributes_of(kind: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(kind).items():
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            for used, used_value in names_used_by(function):
                yield f"{used!r}, which {kind.__name__}.{name} uses,", used_value
        elif not name.startswith("__"):
            yield f"{kind.__name__}.{name}", value


def _text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:_MAX_TEXT]}"


class SourceFiles:
    """The source files of the methods of a flow's node classes, and of the functions that they use.

    A function that was pickled by value has lost the name of its file.
    """

    def __init__(self, flow: Any) -> None:
        self._codes: dict[str, list[CodeType]] = {}
        waiting: list[Any] = [
            getattr(value, "__func__", value)
            for kind in node_classes_of(flow)
            for base in kind.__mro__
            for value in vars(base).values()
        ]
        seen = set()
        while waiting:
            function = waiting.pop()
            if not isinstance(function, FunctionType) or function in seen:
                continue
            seen.add(function)
            waiting += [value for _, value in names_used_by(function)]
            for code in _codes_in(function.__code__):
                self._codes.setdefault(code.co_name, []).append(code)

    def find(self, file: str, function: str, line: int) -> str:
        """Return the source file of a line of a function.

        Args:
            file: the file that its traceback names; it is returned if it is a real one, or if no
                function matches.
            function: the name of the function.
            line: the number of the line.
        """
        if not file.startswith("<"):
            return file
        for code in self._codes.get(function, ()):
            if line in {number for _, _, number in code.co_lines()}:
                return code.co_filename
        return file


def node_classes_of(flow: Any) -> list[type]:
    """Return the node classes of a flow, each once, in the same order in every process."""
    return list(dict.fromkeys(map(type, nodes_of(flow))))


def names_used_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables of a function's closure and the globals that it names, with their values."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # the variable is not bound yet
            continue
    for code in _codes_in(function.__code__):
        for name in code.co_names:
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function, and that of the functions defined in it."""
    codes = [code]
    while codes:
        code = codes.pop()
        yield code
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]


_RPC_TIMEOUT = 60.0  # seconds
_MAX_PAYLOADS = 8


async def publish(client: Any, key: str, content: bytes) -> Any:
    """Store what `dump_flow` returned on the scheduler, and return a future that keeps it there.

    The client cancels that future when it loses the scheduler, and at no other time before it closes.
    """
    # Metadata of a task: no worker that dies takes it along, and the scheduler deletes it with the
    # task, when this client disconnects at the latest.
    anchor = client.submit(bool, key=key, pure=False)
    await client.set_metadata([key], {"open": True, "content": content})
    return anchor


# On a worker, in the threads of its tasks


class _CachedPayload:
    """The payload of one run in this process, fetched from the scheduler when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payload: tuple[Any, Any, list[type]] | None = None

    def load(self, worker: Any, key: str) -> tuple[Any, Any, list[type]]:
        with self._lock:
            if self._payload is None:
                content = _on_loop(worker, worker.scheduler.get_metadata(keys=[key, "content"]))
                self._payload = pickle.loads(content)  # noqa: S301 - sent by the run itself
            return self._payload


_payloads: OrderedDict[str, _CachedPayload] = OrderedDict()
_payloads_lock = threading.Lock()


def load(worker: Any, key: str) -> tuple[Any, Any, list[type]]:
    """Return flow, shared store and node classes; all chunks of a run in this process share them."""
    with _payloads_lock:
        cached = _payloads.setdefault(key, _CachedPayload())
        _payloads.move_to_end(key)
        while len(_payloads) > _MAX_PAYLOADS:
            _payloads.popitem(last=False)
    return cached.load(worker, key)


def forget(key: str) -> None:
    """Remove the payload of an ended run from this process."""
    with _payloads_lock:
        _payloads.pop(key, None)


def claim(worker: Any, key: str, chunk: int) -> bool:
    """Claim a chunk; return whether it may run: its run has not ended, and nobody else claimed it."""
    return bool(_on_loop(worker, _claim(worker, key, chunk)))


async def _claim(worker: Any, key: str, chunk: int) -> bool:
    scheduler, claims, own = worker.scheduler, [key, f"chunk {chunk}"], uuid.uuid4().hex
    # All three in one round trip, during which the worker is idle. The claim is written before the
    # chunk starts, so a later claimant finds it, whether or not this one has read its own.
    is_open, claimed, _ = await asyncio.gather(
        scheduler.get_metadata(keys=[key, "open"], default=False),
        scheduler.get_metadata(keys=claims, default=None),
        scheduler.set_metadata(keys=[*claims, own], value=worker.address),
    )
    return is_open and set(claimed or ()) <= {own}


def _on_loop(worker: Any, call: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in the event loop of a worker, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(call, worker.loop.asyncio_loop).result(_RPC_TIMEOUT)
