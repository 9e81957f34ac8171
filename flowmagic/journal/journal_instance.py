"""An instance that was read from a journal."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from ..text.formatting import params_text
from .codec import decoded
from .damage import expect, readable


class JournalCopy(NamedTuple):
    """A node copy that was read from a journal.

    Attributes:
        node: class name of the node.
        parent: index, in the copies, of the nested flow that it ran in; None at the top.
        started, ended: seconds since the run began, to the microsecond.
        action: what it returned to choose the next node.
        error: the class name of the exception that it raised; None if it raised none.
        params: the params that it received.
        retries, fallbacks: how often the node itself retried its exec, and used its fallback.
        output: what its exec returned. An OutputLostError stands for an output that could not be
            stored as it was.
    """

    node: str
    parent: int | None
    started: float
    ended: float | None
    action: Any
    error: str | None
    params: Any
    retries: int
    fallbacks: int
    output: Any


@dataclass(frozen=True, repr=False)
class JournalInstance:
    """An instance that was read from a journal.

    Attributes:
        index: its index in the batch.
        params: the merged params; None if they could not be stored.
        status: succeeded, failed, cancelled, or pending; running if it is under way; in doubt if it
            was when its kernel died, so that it may have been paid for.
        attempts: how often it was started; 0 if it was restored or is pending.
        started: seconds since the run began; None if it did not run.
        seconds: how long it took; None if it did not run.
        copies: its node copies, in the order they began.
        result: the last action.
        output: the output of the last node copy whose output is not None; None if there is none. An
            OutputLostError stands for an output that could not be stored as it was.
        unwritten: why resuming runs the row again although it succeeded: its result, its output or
            its writes could not be stored as they were; empty if they were.
        error: type, text and traceback of the exception that ended it; None if there was none.
        printed: what it wrote to stdout and stderr.
        writes: what it wrote to its own view of the shared store; None if it had none.
        restored: number of the run, and index there, from which the result was taken; None if it ran.
    """

    index: int
    params: Any
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    copies: list[JournalCopy]
    result: Any
    output: Any
    unwritten: str
    error: dict[str, str] | None
    printed: str
    writes: Any
    restored: tuple[int, int] | None

    def __repr__(self) -> str:
        return f"<Instance {self.index}: {self.status}, {params_text(self.params or {}, 80)}>"


RUNNING, IN_DOUBT = "running", "in doubt"
STATUSES = ("succeeded", "failed", "cancelled", RUNNING, "pending")


def read_instance(row: tuple[Any, ...], under_way: str = IN_DOUBT) -> JournalInstance:
    """Return the instance of a row of the table, given without the columns `run` and `key`.

    Args:
        under_way: its status if it had begun and not ended when it was written.

    Raises:
        JournalError: the row is damaged.
    """
    with _readable(row[0]):
        if row[2] != RUNNING:
            return _read(row)
        # The columns after `attempts` are empty, or from an earlier attempt.
        return replace(_read((*row[:4], *[None] * (len(row) - 4))), status=under_way)


def _readable(index: Any) -> contextlib.AbstractContextManager[None]:
    return readable(f"instance {index!r} cannot be read", "")


def _read(row: tuple[Any, ...]) -> JournalInstance:
    position, params, status, attempts, started, ended, copies, result = row[:8]
    unwritten, error, printed, writes, restored, output, earlier_outputs = row[8:]
    if status not in STATUSES:
        raise ValueError("its end is missing")  # the file was cut off within the row
    params, output = read_params(position, params), _or_none(output)
    started, ended = (expect(each, float, _NONE, name="time") for each in (started, ended))
    return JournalInstance(
        index=expect(position, int, name="index"),
        params=params,
        status=status,
        attempts=expect(attempts, int, name="number of attempts"),
        started=started,
        seconds=None if started is None or ended is None else ended - started,
        copies=_copies(copies, params, [*decoded(earlier_outputs or "[]"), output]),
        result=_or_none(result),
        output=output,
        unwritten=expect(unwritten or "", str, name="reason"),
        error=_error(error),
        printed=expect(_or_none(printed) or "", str, name="printed text"),
        writes=_or_none(writes),
        restored=_pair(restored),
    )


def _copies(text: str | None, params: Any, outputs: Iterable[Any]) -> list[JournalCopy]:
    """Return the node copies in a text of `Encoder`; the outputs are those of the first ones."""
    outputs = itertools.chain(outputs, itertools.repeat(None))
    return [
        _copy(each, params, output)
        for each, output in zip(json.loads(text or "[]"), outputs, strict=False)
    ]


def _copy(written: list[Any], params: Any, output: Any) -> JournalCopy:
    node, parent, started, ended, action, error, own, retries, fallbacks = written
    return JournalCopy(
        node=expect(node, str, name="node"),
        parent=expect(parent, int, _NONE, name="parent"),
        started=expect(started, float, int, name="time"),
        ended=expect(ended, float, int, _NONE, name="time"),
        action=_or_none(action),
        error=expect(error, str, _NONE, name="error"),
        params=params if own is None else expect(decoded(own), dict, name="params"),
        retries=expect(retries, int, name="number of retries"),
        fallbacks=expect(fallbacks, int, name="number of fallbacks"),
        output=output,
    )


def read_params(index: Any, text: str | None) -> dict[Any, Any] | None:
    """Return the params of an instance; None if they could not be stored.

    Raises:
        JournalError: the text is damaged.
    """
    with _readable(index):
        return cast("dict[Any, Any] | None", expect(_or_none(text), dict, _NONE, name="params"))


def _or_none(text: str | None) -> Any:
    return None if text is None else decoded(text)


def _error(text: str | None) -> dict[str, str] | None:
    error = expect(_or_none(text), dict, _NONE, name="error")
    if error is not None:
        for name in ("type", "text", "traceback"):
            expect(error[name], str, name=name)
    return cast("dict[str, str] | None", error)


def _pair(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    run, position = json.loads(text)
    return run, position


_NONE = type(None)
