"""Runs whose journal is recorded: what SQLite does to its files, and what the runs report meanwhile.

Each run resumes those before it, and the second one loses its -wal. Rows are retried, isolated and
restored; one never succeeds, and some have outputs of many pages. What a row does depends on its params
and the attempt only.
"""

# ruff: noqa: ARG002 - the hooks of nodes have the parameters of PocketFlow

from __future__ import annotations

import asyncio
import copy
import tempfile
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import writer
from flowmagic.testing import run_virtual

from .recording import Op, recording

LIMIT = 4
NAME = "runs.journal"
RUNS = 3

_RETRIES = 2
_CHECKPOINT_AFTER = 2_000  # characters: so short a run would have no checkpoint in its midst


class _Attempts:
    """Counts the attempts of each row; `note` is called with a row and the number of its attempt."""

    def __init__(self, note: Callable[[int, int], object] | None = None) -> None:
        self.began: dict[int, int] = {}
        self._note = note

    def begin(self, row: int) -> int:
        attempt = self.began[row] = self.began.get(row, 0) + 1
        if self._note is not None:
            self._note(row, attempt)
        return attempt


# No attribute of the node: resuming would find it changed.
_attempts: ContextVar[_Attempts] = ContextVar("_attempts")


class Ask(AsyncNode):
    """Takes its time, and fails in the first attempts of some rows, and in all attempts of one."""

    async def exec_async(self, prep_res: Any) -> Any:
        row = self.params["row"]
        attempt = _attempts.get().begin(row)
        await asyncio.sleep(row % 3)
        if attempt <= {3: 1, 5: 2, 7: 9}.get(row % 10, 0):
            raise ValueError(f"row {row} failed")
        return {"row": row, "text": f"{row} " * (8_000 if row % 10 == 0 else 100)}

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["answers"].append(exec_res["row"])
        return "default"


class Grade(AsyncNode):
    """Writes to its view of the shared store."""

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(1)
        return self.params["row"] ** 2, None, b"\0"

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["grade"] = exec_res
        return f"graded {exec_res[0]}"


def _flow() -> AsyncFlow:
    ask = Ask()
    ask >> Grade()
    return AsyncFlow(start=ask)


def _batches(rows: int) -> list[Iterable[dict[str, int]]]:
    """Return the batch of each of the `RUNS`."""
    every = [{"row": row} for row in range(rows)]
    return [every[: rows // 2], iter(every[: rows * 3 // 4]), every]


def _start(batch: Any, attempts: _Attempts, **options: Any) -> Any:
    _attempts.set(attempts)
    run = flowmagic.batchflow(
        _flow(), batch, shared={"answers": []},
        limit=LIMIT, retries=_RETRIES, isolate=True, **options,
    )  # fmt: skip
    if run.journal is not None:
        loop: Any = asyncio.get_running_loop()
        loop.is_awaiting = lambda: run.journal.is_behind
    return run


class Outcome(NamedTuple):
    """How an attempt of a row has ended."""

    status: str
    output: Any
    result: Any
    writes: Any
    error: str

    @classmethod
    def of(cls, instance: Any) -> Outcome:
        """Return that of an instance of a run, or of a journal."""
        error = instance.error
        if isinstance(error, BaseException):
            error = {"type": type(error).__name__, "text": str(error)}
        ok = str(instance.status) == "succeeded"
        return copy.deepcopy(
            cls(
                str(instance.status),
                instance.output,
                instance.result if ok else None,
                instance.writes,
                "" if error is None else f"{error['type']}: {error['text']}",
            )
        )


@dataclass
class Known:
    """What one run has reported up to some step.

    Attributes:
        began: how many attempts of each row have begun.
        noted: how each attempt has ended, by row and attempt, with how many rows the journal has
            written when that is reported.
        written: how many rows the journal has reported as written.
        synced: how many of them when the -wal was last synced.
        checkpointed: how many of them are in the journal itself.
        is_lost: whether the -wal was deleted, and what was in it is not written again yet.
        has_ended: whether the run was reported to have ended.
    """

    began: dict[int, int] = field(default_factory=dict)
    noted: dict[tuple[int, int], tuple[int, Outcome]] = field(default_factory=dict)
    written: int = 0
    synced: int = 0
    checkpointed: int = 0
    is_lost: bool = False
    has_ended: bool = False

    def note_sync(self) -> None:
        """Note that the -wal was synced."""
        if not self.is_lost:
            self.synced = self.written

    def lose(self) -> None:
        """Note that the -wal is lost."""
        self.is_lost, self.synced = True, self.checkpointed

    def reported(self, written: int) -> dict[int, int]:
        """Return the latest attempt of each row whose end was reported."""
        return {row: attempt for (row, attempt), (at, _) in self.noted.items() if at <= written}


Mark = Callable[[list[Known]], object]
"""Adds to what the runs have reported."""


@dataclass
class Recorded:
    """Runs, and what they did to their journal.

    Attributes:
        rows: of the last run.
        sync: their option.
        calm: how these rows end without a journal.
        trace: what was done and reported, in its order.
    """

    rows: int
    sync: str
    calm: list[Outcome]
    trace: list[Op | Mark] = field(default_factory=list)


def record(rows: int, sync: str) -> Recorded:
    """Record a run of half of the rows, one of a generator of more of them, and one of all.

    Raises:
        NotRecordableError: it is not possible with this Python.
    """
    recorded = Recorded(rows, sync, run_virtual(_calm(rows)))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(writer, "_CHECKPOINT_AFTER", _CHECKPOINT_AFTER),
        recording(Path(folder), recorded.trace.append),
    ):
        for number, batch in enumerate(_batches(rows)):
            run_virtual(_recorded(recorded, number, batch, Path(folder, NAME)))
    return recorded


def resumed(recorded: Recorded, path: Path) -> tuple[list[Outcome], set[int]]:
    """Resume the runs from a journal; return how the rows have ended, and which of them ran."""
    attempts = _Attempts()

    async def resume() -> list[Outcome]:
        run = _start(_batches(recorded.rows)[-1], attempts, journal=path, resume=True)
        await run.settled()
        run.journal.join()
        return [Outcome.of(each) for each in run.instances]

    return run_virtual(resume()), set(attempts.began)


async def _calm(rows: int) -> list[Outcome]:
    run = _start(_batches(rows)[-1], _Attempts())
    await run.settled()
    return [Outcome.of(each) for each in run.instances]


async def _recorded(recorded: Recorded, number: int, batch: Any, path: Path) -> None:
    def mark(**changes: Any) -> None:
        recorded.trace.append(lambda known: vars(known[number]).update(changes))

    def began(row: int, attempt: int) -> None:
        recorded.trace.append(lambda known: known[number].began.update({row: attempt}))

    run = _start(batch, _Attempts(began), journal=path, resume=bool(number), sync=recorded.sync)
    note, outbox, writing = run.journal.note, run.journal._outbox, run.journal._outbox.writer
    reported, checkpoint = writing._on_progress, writing._checkpoint
    loses_wal, is_whole = number == 1, False

    def noted(row: int) -> None:
        nonlocal loses_wal
        note(row)
        run.journal.settled()  # that it may be reported now is what it says
        at = row, run[row].attempts
        found = outbox._awaited, Outcome.of(run[row])
        recorded.trace.append(lambda known: known[number].noted.update({at: found}))
        # Not after a checkpoint that a reader held back: until the next one, a kill would be the end.
        if loses_wal and is_whole and run[row].attempts:
            loses_wal = False
            recorded.trace.append(lambda known: known[number].lose())
            path.with_name(f"{NAME}-wal").unlink()

    def progress() -> None:
        found_again = {"is_lost": False} if writing.warning and not writing.error else {}
        mark(written=writing.written, **found_again)
        reported()

    def checkpointing(*, is_last: bool) -> None:
        nonlocal is_whole
        is_whole = False
        checkpoint(is_last=is_last)
        is_whole = not writing._kept
        if is_whole:
            mark(checkpointed=writing.written)

    run.journal.note, writing._on_progress, writing._checkpoint = noted, progress, checkpointing
    await run.settled()
    mark(has_ended=True)
    run.journal.join()
