"""An instance as a journal holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import JournalError
from .codec import decoded


@dataclass(frozen=True)
class JournalInstance:
    """An instance as it was written down.

    Attributes:
        index: its place in the batch.
        params: the merged params; None if they had no form in a journal.
        status: succeeded, failed or cancelled; pending: it had not ended, or never started.
        attempts: how often it was started; 0: it was restored, or is pending.
        started, seconds: since the run began, and how long it took; None if it did not run.
        copies: what each node copy did: a dict with node, parent, started, ended, action, error,
            retries, fallbacks and, where they were others than the instance's, params.
        result: its last action.
        unwritten: why the result has no form in a journal; empty if it has.
        error: type, text and traceback of what ended it; None if it succeeded.
        printed: what it printed.
        writes: what it wrote to its own view of the shared store; None where it had none.
        restored: number of the run, and index there, whose result was taken over; None: it ran.
    """

    index: int
    params: Any
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    copies: list[dict[str, Any]]
    result: Any
    unwritten: str
    error: dict[str, str] | None
    printed: str
    writes: Any
    restored: tuple[int, int] | None


STATUSES = ("succeeded", "failed", "cancelled", "pending")

_COPY = (
    "node", "parent", "started", "ended", "action", "error", "params", "retries", "fallbacks",
)  # fmt: skip


def read_instance(row: tuple[Any, ...]) -> JournalInstance:
    """Read a row of the table, without the run that it belongs to and its key.

    Raises:
        JournalError: it is damaged.
    """
    try:
        return _read(row)
    except (ValueError, TypeError) as error:
        raise JournalError(
            f"The journal is damaged: what it holds of instance {row[0]} cannot be read ({error})."
        ) from None


def _read(row: tuple[Any, ...]) -> JournalInstance:
    position, params, status, attempts, started, ended, copies, result = row[:8]
    unwritten, error, printed, writes, restored = row[8:]
    if status not in STATUSES:
        raise ValueError("its end is missing")  # of a file that was cut off within it
    return JournalInstance(
        index=position,
        params=_or_none(params),
        status=status,
        attempts=attempts,
        started=started,
        seconds=None if started is None or ended is None else ended - started,
        copies=[_copy(each) for each in json.loads(copies or "[]")],
        result=_or_none(result),
        unwritten=unwritten or "",
        error=_or_none(error),
        printed=_or_none(printed) or "",
        writes=_or_none(writes),
        restored=_pair(restored),
    )


def _copy(written: list[Any]) -> dict[str, Any]:
    copy = dict(zip(_COPY, written, strict=True))
    copy["action"] = _or_none(copy["action"])
    if copy["params"] is None:
        del copy["params"]
    else:
        copy["params"] = decoded(copy["params"])
    return copy


def _or_none(text: str | None) -> Any:
    return None if text is None else decoded(text)


def _pair(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    run, position = json.loads(text)
    return run, position
