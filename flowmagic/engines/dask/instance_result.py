"""How an instance ended on a worker, as it travels back: result or error, writes, and what it read."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Mapping
from typing import Any

from ...errors import RemoteError, describe
from ...records.trace import Trace
from .serialization import Sources, by_value, dumped


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
    read = frozenset() if trace.params is None else frozenset(trace.params.read)
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
    if trace.params is not None:
        trace.params.read.update(read)
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
            f"{what} is {describe(value)}, which cannot travel back from its worker "
            f"({type(error).__name__}: {error}). Return or write what can be pickled."
        ) from error


_MOST_CAUSES = 10


def dump_error(error: BaseException, depth: int = 0) -> bytes:
    """Return an error as bytes."""
    cause, context = error.__cause__, error.__context__
    if depth >= _MOST_CAUSES:
        cause = context = None
    return pickle.dumps(
        (
            _content(error),
            [
                (
                    entry.f_code.co_filename,
                    entry.f_code.co_name,
                    line,
                    entry.f_globals.get("__name__"),
                )
                for entry, line in traceback.walk_tb(error.__traceback__)
            ],
            None if cause is None else dump_error(cause, depth + 1),
            # The same error is often both.
            None if context is None or context is cause else dump_error(context, depth + 1),
            error.__suppress_context__,
        )
    )


def load_error(content: bytes, sources: Sources) -> BaseException:
    """Return the error that `dump_error` wrote, with a traceback that leads to the source here."""
    inner, trail, cause, context, suppressed = pickle.loads(content)  # noqa: S301 - of our own worker
    error = _made(inner)
    if cause is not None:
        error.__cause__ = error.__context__ = load_error(cause, sources)
    if context is not None:
        error.__context__ = load_error(context, sources)
    error.__suppress_context__ = suppressed
    return error.with_traceback(_traceback(trail, sources)) if trail else error


def _traceback(trail: list[tuple[str, str, int, str | None]], sources: Sources) -> Any:
    import tblib  # noqa: PLC0415 - optional: comes with distributed

    entry = None
    for file, name, line, module in reversed(trail):
        frame = {
            "f_globals": {"__name__": module},
            "f_lineno": line,
            "f_code": {"co_filename": sources.file(file, name, line), "co_name": name},
        }
        entry = {"tb_frame": frame, "tb_lineno": line, "tb_next": entry}
    return tblib.Traceback.from_dict(entry).as_traceback()


def _content(error: BaseException) -> tuple[str, Any]:
    try:
        # As pickle would do it, but for what tblib may have told pickle to add: traceback and causes.
        reduced: Any = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        make, arguments, *state = reduced
        whole = dumped((make, arguments, state))
        if type(_remade(*pickle.loads(whole))) is type(error):  # noqa: S301 - some cannot be read
            return "whole", whole
    except Exception:  # noqa: BLE001, S110 - its own code; the next way follows
        pass
    try:
        parts = (type(error), _that_travel(error.args), _that_travel(vars(error)))
        content = by_value(parts)
        _put_together(*pickle.loads(content))  # noqa: S301 - ditto
    except Exception as why:  # noqa: BLE001 - ditto
        return "text", (_said(error), f"{type(why).__name__}: {why}")
    return "parts", content


def _that_travel(values: Any) -> Any:
    """Return a tuple or dict with the text of each value in it that cannot travel, in its place."""
    if isinstance(values, dict):
        return dict(zip(values, _that_travel(tuple(values.values())), strict=True))
    return tuple(value if _travels(value) else repr(value) for value in values)


def _travels(value: Any) -> bool:
    try:
        pickle.loads(dumped(value))  # noqa: S301 - ditto
    except Exception:  # noqa: BLE001 - ditto
        return False
    return True


def _remade(make: Any, arguments: tuple[Any, ...], state: list[Any]) -> BaseException:
    error: BaseException = make(*arguments)
    for each in state:
        if each is not None:
            error.__setstate__(each)
    return error


def _put_together(
    kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(attributes)
    return error


def _made(content: tuple[str, Any]) -> BaseException:
    way, inner = content
    if way == "text":
        said, why = inner
        return RemoteError(f"{said} (This error itself could not travel from its worker: {why})")
    value = pickle.loads(inner)  # noqa: S301 - ditto
    return _remade(*value) if way == "whole" else _put_together(*value)


def _said(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()
