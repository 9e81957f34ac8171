"""How an instance ended on a worker, as it travels back: result or error, writes, and what it read."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from ..errors import RemoteError, found
from ..trace import Trace
from .carried import dump_error, load_error
from .pickling import Sources, dumped


def dump_outcome(
    trace: Trace, result: Any, raised: BaseException | None, written: Mapping[Any, Any]
) -> tuple[bytes, BaseException | None]:
    """Return an outcome as bytes, and the error in it.

    Args:
        trace: of the instance.
        result: its last action.
        raised: its error; None: there is a result.
        written: what it wrote to the shared store.

    Returns:
        The error is `raised`, or that of a result or a write which cannot travel.
    """
    error, content, writes = raised, b"", []
    if error is None:
        try:
            content = _travelling("Its result", result)
        except BaseException as refusal:  # noqa: BLE001 - its own code
            error = refusal
    for key, value in written.items():
        try:
            writes.append((key, _travelling(f"What it wrote to shared[{key!r}]", value)))
        except RemoteError as refusal:
            if error is None:
                error = refusal
    if error is not None:
        content = dump_error(error)
    read = frozenset() if trace.received is None else trace.received.reading.read
    return dumped((error is None, content, writes, read)), error


def load_outcome(outcome: bytes, trace: Trace, view: Any, sources: Sources) -> Any:
    """Take over what an instance wrote and read, and return its last action, or raise its error.

    Args:
        outcome: what `dump_outcome` gave.
        trace: of the instance, here.
        view: its view of the shared store; None: it has none.
        sources: of the run's flow.
    """
    ok, content, writes, read = pickle.loads(outcome)  # noqa: S301 - of our own worker
    if view is not None:
        view.update({key: pickle.loads(value) for key, value in writes})  # noqa: S301 - ditto
    received = trace.received
    if received is not None:
        received.reading = received.reading.also(read)
    if ok:
        return pickle.loads(content)  # noqa: S301 - ditto
    error = load_error(content, sources)
    for extra in (trace.extras or {}).values():
        if extra.get("error", error) is None:
            extra["error"] = error
    raise error


def _travelling(what: str, value: Any) -> bytes:
    try:
        return dumped(value)
    except Exception as error:
        raise RemoteError(
            f"{what} is {found(value)}, which cannot travel back from its worker "
            f"({type(error).__name__}: {error}). Return or write what can be pickled."
        ) from error
