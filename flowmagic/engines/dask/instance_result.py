"""Pickles what comes back of an instance from a worker: how it ended, and the outputs of its nodes."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import OutputLostError, RemoteError, describe
from ...records.trace import Trace
from ...text.user_objects import or_none
from .serialization import SourceFiles, dump, dump_by_value

_MAX_CAUSES = 10


def dump_outcome(
    trace: Trace,
    result: Any,
    error: BaseException | None,
    writes: Mapping[Any, Any],
    outputs: Mapping[int, bytes],
) -> tuple[bytes, BaseException | None]:
    """Pickle the outcome of an instance.

    Args:
        trace: its trace.
        result: its last action.
        error: the exception that it raised; None if it has a result.
        writes: what it wrote to the shared store.
        outputs: pickled outputs of its node copies, by offset.

    Returns:
        The pickled outcome, and the exception in it: `error`, or a RemoteError if the result or a write
        cannot be pickled.
    """
    content, pickled_writes = b"", []
    if error is None:
        try:
            content = _dump_named("The result", result)
        except BaseException as refusal:  # noqa: BLE001 - raised by the user's objects
            error = refusal
    for key, value in writes.items():
        try:
            pickled = _dump_named(f"The value written to shared[{key!r}]", value)
        except RemoteError as refusal:
            error = refusal if error is None else error
        else:
            pickled_writes.append((key, pickled))
    if error is not None:
        content = dump_error(error)
    read = frozenset() if trace.params is None else frozenset(trace.params.read)
    return dump((error is None, content, pickled_writes, read, outputs)), error


def load_outcome(outcome: bytes, trace: Trace, view: Any, source_files: SourceFiles) -> Any:
    """Apply the outcome of an instance in the process of its run, and return its last action.

    Args:
        outcome: what `dump_outcome` returned.
        trace: the trace of the instance in this process.
        view: its view of the shared store, which gets the writes; None if it has none.
        source_files: those of the run's flow.

    Raises:
        BaseException: the error of the instance.
    """
    ok, content, writes, read, outputs = pickle.loads(outcome)  # noqa: S301 - sent by a worker of the run
    if view is not None:
        view.update({key: pickle.loads(value) for key, value in writes})  # noqa: S301 - part of it
    if trace.params is not None:
        trace.params.read.update(read)
    for offset, output in outputs.items():
        trace.note_output(offset, load_output(output))
    if ok:
        return pickle.loads(content)  # noqa: S301 - part of it
    error = load_error(content, source_files)
    for extra in (trace.extras or {}).values():
        if extra.get("error", error) is None:
            extra["error"] = error
    raise error


def _dump_named(name: str, value: Any) -> bytes:
    try:
        return dump(value)
    except Exception as error:
        raise RemoteError(
            f"{name} is {describe(value)}, which cannot be sent back from the worker "
            f"({type(error).__name__}: {error}). Return or write a value that can be pickled."
        ) from error


def dump_output(output: Any) -> bytes:
    """Pickle an output of a node copy; an OutputLostError in its place, if it cannot be pickled."""
    try:
        return dump(output)
    except Exception as error:  # noqa: BLE001 - raised by the user's objects
        return dump(
            OutputLostError(
                f"This output is {describe(output)}, which cannot be sent back from the worker "
                f"({type(error).__name__}: {or_none(str, error)}). Return what can be pickled."
            )
        )


def load_output(content: bytes) -> Any:
    """Return the output that `dump_output` pickled; an OutputLostError, if it cannot be unpickled."""
    try:
        return pickle.loads(content)  # noqa: S301 - sent by a worker of the run
    except Exception as error:  # noqa: BLE001 - raised by the user's objects
        return OutputLostError(
            "This output was sent back from the worker, but cannot be unpickled here "
            f"({type(error).__name__}: {or_none(str, error)})."
        )


def dump_error(error: BaseException, depth: int = 0) -> bytes:
    """Pickle an exception with its traceback and at most `_MAX_CAUSES` causes, as far as is possible."""
    cause, context = error.__cause__, error.__context__
    if depth >= _MAX_CAUSES:
        cause = context = None
    return pickle.dumps(
        (
            _dump_bare(error),
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
            # Often the cause and the context are the same exception.
            None if context is None or context is cause else dump_error(context, depth + 1),
            error.__suppress_context__,
        )
    )


def load_error(content: bytes, source_files: SourceFiles) -> BaseException:
    """Return the exception that `dump_error` pickled; its traceback shows the source in this process."""
    bare, frames, cause, context, suppressed = pickle.loads(content)  # noqa: S301 - sent by a worker of the run
    error = _load_bare(*bare)
    if cause is not None:
        error.__cause__ = error.__context__ = load_error(cause, source_files)
    if context is not None:
        error.__context__ = load_error(context, source_files)
    error.__suppress_context__ = suppressed
    return error.with_traceback(_traceback(frames, source_files)) if frames else error


def _traceback(frames: list[tuple[str, str, int, str | None]], source_files: SourceFiles) -> Any:
    import tblib  # noqa: PLC0415 - optional: comes with distributed

    entry = None
    for file, function, line, module in reversed(frames):
        frame = {
            "f_globals": {"__name__": module},
            "f_lineno": line,
            "f_code": {
                "co_filename": source_files.find(file, function, line),
                "co_name": function,
            },
        }
        entry = {"tb_frame": frame, "tb_lineno": line, "tb_next": entry}
    return tblib.Traceback.from_dict(entry).as_traceback()


def _dump_bare(error: BaseException) -> tuple[str, Any]:
    """Pickle an exception without traceback and causes: whole, else in parts, else as text."""
    try:
        # Not by `dump` alone: tblib may have changed how pickle reduces exceptions.
        reduced: Any = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        make, arguments, *state = reduced
        content = dump((make, arguments, state))
        if type(_from_reduced(*pickle.loads(content))) is type(error):  # noqa: S301 - pickled above
            return "whole", content
    except Exception:  # noqa: BLE001, S110 - raised by the user's class; the parts are tried next
        pass
    try:
        attributes = dict(zip(vars(error), _replace_unpicklable(vars(error).values()), strict=True))
        content = dump_by_value((type(error), _replace_unpicklable(error.args), attributes))
        _from_parts(*pickle.loads(content))  # noqa: S301 - pickled above
    except Exception as reason:  # noqa: BLE001 - raised by the user's class
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        return "text", (text, f"{type(reason).__name__}: {reason}")
    return "parts", content


def _load_bare(form: str, content: Any) -> BaseException:
    if form == "text":
        text, reason = content
        return RemoteError(f"{text} (The error itself could not be sent from the worker: {reason})")
    value = pickle.loads(content)  # noqa: S301 - sent by a worker of the run
    return _from_reduced(*value) if form == "whole" else _from_parts(*value)


def _replace_unpicklable(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values, with the repr of each that cannot be pickled in its place."""
    return tuple(value if _can_be_pickled(value) else repr(value) for value in values)


def _can_be_pickled(value: Any) -> bool:
    try:
        pickle.loads(dump(value))  # noqa: S301 - pickled here
    except Exception:  # noqa: BLE001 - raised by the user's objects
        return False
    return True


def _from_reduced(make: Any, arguments: tuple[Any, ...], state: list[Any]) -> BaseException:
    error: BaseException = make(*arguments)
    for each in state:
        if each is not None:
            error.__setstate__(each)
    return error


def _from_parts(
    kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(attributes)
    return error
