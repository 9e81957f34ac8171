"""What travels between processes, as bytes; and what cannot, by its name.

Whatever was defined in a notebook or inside a function travels by value (cloudpickle), everything
else by reference: the module it is in must be there on the other side.
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

from ...errors import EngineError
from ...flow.graph import nodes_of

_NO_LONGER = 160  # characters of an error's text


def dumped(value: Any) -> bytes:
    """Return a value as bytes. Anything that its own code raises while it is pickled."""
    try:
        fast = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - cloudpickle says it again, if it cannot either
        return by_value(value)
    # What belongs to a notebook or a script exists on no other side.
    return by_value(value) if b"__main__" in fast else fast


def by_value(value: Any) -> bytes:
    """Return a value as bytes with everything in it that the other side could not import."""
    import cloudpickle  # noqa: PLC0415 - optional: comes with distributed

    content: bytes = cloudpickle.dumps(value)
    return content


def classes_of(flow: Any) -> list[type]:
    """Return the node classes of a flow, in an order that is the same wherever the flow is."""
    return list(dict.fromkeys(map(type, nodes_of(flow))))


def packed(flow: Any, shared: Any) -> bytes:
    """Return a flow, a shared store and the flow's node classes as bytes.

    Raises:
        EngineError: something in them cannot travel; it is named.
    """
    try:
        return by_value((flow, shared, classes_of(flow)))
    except Exception as error:
        raise EngineError(_why(flow, shared, error)) from error


class Sources:
    """In which files the functions of a flow's classes are written.

    Code that has travelled by value no longer knows it, and a traceback needs it.
    """

    def __init__(self, flow: Any) -> None:
        self._codes: dict[str, list[CodeType]] = {}
        waiting: list[Any] = [
            getattr(value, "__func__", value)
            for kind in classes_of(flow)
            for base in kind.__mro__
            for value in vars(base).values()
        ]
        seen = set()
        while waiting:
            function = waiting.pop()
            if not isinstance(function, FunctionType) or function in seen:
                continue
            seen.add(function)
            waiting += [held for _, held in _used(function)]
            for code in _codes(function.__code__):
                self._codes.setdefault(code.co_name, []).append(code)

    def file(self, known: str, name: str, line: int) -> str:
        """Return the file of a line of a function; `known` where it is one."""
        if not known.startswith("<"):
            return known
        for code in self._codes.get(name, ()):
            if line in {number for _, _, number in code.co_lines()}:
                return code.co_filename
        return known


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Give a function's code, and that of the functions in it."""
    codes = [code]
    while codes:
        code = codes.pop()
        yield code
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]


def _why(flow: Any, shared: Any, error: BaseException) -> str:
    for name, culprit, hint in _suspects(flow, shared):
        reason = _refused(culprit)
        if reason:
            return f"{name} is {_kind(culprit)}, which cannot travel to a worker ({reason}). {hint}"
    return f"The flow cannot travel to a worker ({_text(error)}). Run it with engine='local'."


_MAKE = "Make it where it is used, in exec, or in prep."


def _suspects(flow: Any, shared: Any) -> Iterator[tuple[str, Any, str]]:
    """Give what a flow and a store consist of: its name, itself, and what to do about it."""
    for node in nodes_of(flow):
        for name, value in vars(node).items():
            if name not in ("successors", "start_node"):
                yield f"{type(node).__name__}.{name}", value, _MAKE
    for kind in classes_of(flow):
        yield from _of_class(kind)
    if isinstance(shared, dict):
        for key, value in shared.items():
            yield f"shared[{key!r}]", value, f"Take it out of the shared store. {_MAKE}"


def _of_class(kind: type) -> Iterator[tuple[str, Any, str]]:
    for name, value in vars(kind).items():
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            for used, held in _used(function):
                yield f"{used!r}, which {kind.__name__}.{name} uses,", held, _MAKE
        elif not name.startswith("__"):
            yield f"{kind.__name__}.{name}", value, _MAKE


def _used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Give what a function uses from around it: its closure, and the globals it names."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for code in _codes(function.__code__):
        for name in code.co_names:
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _refused(value: Any) -> str:
    """Say why a value cannot travel; empty if it can."""
    try:
        by_value(value)
    except Exception as error:  # noqa: BLE001 - ditto
        return _text(error)
    return ""


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:_NO_LONGER]}"


_RPC_TIMEOUT = 60.0  # seconds
_MOST_PACKAGES = 8


async def leave(client: Any, key: str, content: bytes) -> Any:
    """Give the scheduler what `packed` made of a run; return the future that keeps it there."""
    # With the scheduler, where a worker that dies takes nothing along, and under the key of a task,
    # so that it is forgotten with this client at the latest.
    held = client.submit(bool, key=key, pure=False)
    await client.set_metadata([key], {"open": True, "content": content})
    return held


# On a worker, in the threads of its tasks


class _Package:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any, list[type]] | None = None

    def opened(self, worker: Any, key: str) -> tuple[Any, Any, list[type]]:
        with self._lock:
            if self._opened is None:
                content = _on_loop(worker, worker.scheduler.get_metadata(keys=[key, "content"]))
                self._opened = pickle.loads(content)  # noqa: S301 - of the user's own run
            return self._opened


_packages: OrderedDict[str, _Package] = OrderedDict()
_sharing = threading.Lock()


def opened(worker: Any, key: str) -> tuple[Any, Any, list[type]]:
    """Return flow, store and classes; the first chunk fetches them from the scheduler."""
    with _sharing:
        package = _packages.setdefault(key, _Package())
        _packages.move_to_end(key)
        while len(_packages) > _MOST_PACKAGES:
            _packages.popitem(last=False)
    return package.opened(worker, key)


def forget(key: str) -> None:
    """Let go of the flow and the store of a run that has ended."""
    with _sharing:
        _packages.pop(key, None)


def claim(worker: Any, key: str, number: int) -> bool:
    """Whether a chunk may run here: its run goes on, and it has begun nowhere else."""
    return bool(_on_loop(worker, _claim(worker, key, number)))


async def _claim(worker: Any, key: str, number: int) -> bool:
    scheduler, claims, mine = worker.scheduler, [key, f"chunk {number}"], uuid.uuid4().hex
    # All in one turn, for which a worker stands idle. The claim is there before anything begins, so
    # that whoever comes after this one finds it, whether or not this one has seen its own.
    goes_on, claimed, _ = await asyncio.gather(
        scheduler.get_metadata(keys=[key, "open"], default=False),
        scheduler.get_metadata(keys=claims, default=None),
        scheduler.set_metadata(keys=[*claims, mine], value=worker.address),
    )
    return goes_on and set(claimed or ()) <= {mine}


def _on_loop(worker: Any, call: Coroutine[Any, Any, Any]) -> Any:
    """Await something in a worker's loop."""
    return asyncio.run_coroutine_threadsafe(call, worker.loop.asyncio_loop).result(_RPC_TIMEOUT)
