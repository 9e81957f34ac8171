"""An instance that was read from a journal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import JournalError
from .codec import decoded


@dataclass(frozen=True)
class JournalInstance:
    """An instance that was read from a journal.

    Attributes:
        index: its index in the batch.
        params: the merged params; None if they could not be stored.
        status: succeeded, failed or cancelled; pending if it had not ended, or never started.
        attempts: how often it was started; 0 if it was restored or is pending.
        started: seconds since the run began; None if it did not run.
        seconds: how long it took; None if it did not run.
        copies: a dict for each node copy, with node, parent, started, ended, action, error, retries,
            fallbacks, and params if they differ from the instance's.
        result: the last action.
        unwritten: why the result could not be stored; empty if it was.
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
    copies: list[dict[str, Any]]
    result: Any
    unwritten: str
    error: dict[str, str] | None
    printed: str
    writes: Any
    restored: tuple[int, int] | None


STATUSES = ("succeeded", "failed", "cancelled", "pending")

COPY_FIELDS = (
    "node", "parent", "started", "ended", "action", "error", "params", "retries", "fallbacks",
)  # fmt: skip
"""What is written of a node copy, in this order."""


def read_instance(row: tuple[Any, ...]) -> JournalInstance:
    """Return the instance of a row of the table, given without the columns `run` and `key`.

    Raises:
        JournalError: the row is damaged.
    """
    try:
        return _read(row)
    except (ValueError, TypeError) as error:
        raise JournalError(
            f"The journal is damaged: instance {row[0]} cannot be read ({error})."
        ) from None


def _read(row: tuple[Any, ...]) -> JournalInstance:
    position, params, status, attempts, started, ended, copies, result = row[:8]
    unwritten, error, printed, writes, restored = row[8:]
    if status not in STATUSES:
        raise ValueError("its end is missing")  # the file was cut off within the row
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
    copy = dict(zip(COPY_FIELDS, written, strict=True))
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
