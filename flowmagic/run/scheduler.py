"""Which row runs next: first those to retry, then the batch in its order, then those in doubt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextvars import Context
from gc import is_tracked
from typing import TYPE_CHECKING

from ..engines.base import Runner
from ..records.batch import Batch
from ..records.containers import has_containers
from ..records.param_reads import track_reads
from ..records.printed import enter, key
from ..records.status import CANCELLED, PENDING
from ..records.store import RecordStore
from ..shared.expected import in_slices
from .workers import SLICE, Taken, drive

if TYPE_CHECKING:
    from ..journal.recorder import Recorder
    from .lifecycle import Lifecycle


async def _nothing() -> None:
    """Wait for nothing."""


class Scheduler:
    """Starts the instances that the workers take, one row at a time.

    Args:
        context: the Context that each instance gets a copy of.
        events: receives a due retry, and an error in the batch's source.
        journal: where the rows are also written; None: nowhere.
    """

    def __init__(
        self,
        records: RecordStore,
        runner: Runner,
        *,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        events: Lifecycle,
        journal: Recorder | None = None,
    ) -> None:
        self._records = records
        self._runner = runner
        self._loop = loop
        self._context = context
        self._captures = records.printed is not None
        # Output is captured in instances only, not in the run's prep and post or in its source.
        self.inherit(context)
        self._events = events
        self._journal = journal
        self._batch = Batch(None, rows=[])
        self._next = 0
        self._looked_at = 0
        """How many rows were looked up in the journal: whether they are to run at all."""
        # The source has its own Context: different workers draw from it.
        self._source_context = context.copy()
        self._retries: deque[int] = deque()
        """Rows to run before all others."""
        self._last: deque[int] = deque()
        """Rows to run after all others."""
        self._timers: dict[int, asyncio.TimerHandle] = {}
        """Rows that wait until their retry is due."""
        self.needs_claim = False

    def inherit(self, context: Context) -> None:
        """Give each instance a copy of this Context from now on."""
        printed = self._records.printed
        self._instances_context = context if printed is None else printed.context(context)

    def load(self, batch: Batch) -> None:
        """Set the batch."""
        self._batch = batch
        self.needs_claim = batch.is_async or self._journal is not None
        if batch.rows is not None:
            self._records.load(batch.rows, batch.index)
            if self._journal is not None:
                self._journal.knows_total()

    # Retries

    def retry(self, indices: list[int]) -> None:
        """Run ended rows again, before all others."""
        for index in indices:
            self._records.requeue(index)
        self._retries.extend(indices)

    def rest(self) -> list[int]:
        """Return the rows that were cancelled, without those in doubt that are not to run."""
        skipped = self._skipped()
        return [row for row in self._records.with_status(CANCELLED) if row not in skipped]

    @property
    def left(self) -> int:
        """How many rows `rest` returns. Panels ask 20 times a second, so it does not look at them."""
        return self._records.status_counts[CANCELLED] - len(self._skipped())

    def _skipped(self) -> set[int]:
        """Return the cancelled rows in doubt that are not to run."""
        journal, status = self._journal, self._records.status
        if journal is None:
            return set()
        known = (row for row in journal.in_doubt if row < len(status))
        return {row for row in known if status[row] == CANCELLED and journal.why_skipped(row)}

    def retry_later(self, index: int, seconds: float) -> None:
        """Run an ended row again, before all others, when so many seconds have passed."""
        self._records.requeue(index)
        if seconds:
            timer = self._loop.call_later(seconds, self._is_due, index, context=self._context)
            self._timers[index] = timer
        else:  # without a timer, so that rows retried at one moment keep their order
            self._retries.append(index)
            self._loop.call_soon(self._events.retry_is_due, context=self._context)

    def _is_due(self, index: int) -> None:
        del self._timers[index]
        self._retries.append(index)
        self._events.retry_is_due()

    @property
    def waits_for_retry(self) -> bool:
        """Whether a row waits until its retry is due."""
        return bool(self._timers)

    def forget_retries(self) -> None:
        """Run no row any more that waits to be retried, or for all others."""
        self._retries.clear()
        self._last.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def drop(self, index: int) -> None:
        """Do not start a pending row; see `RecordStore.cancel`."""
        self._records.cancel(index)
        if (timer := self._timers.pop(index, None)) is not None:
            timer.cancel()

    # The next row

    def has_next(self) -> bool:
        """Whether `take` or `claim` may return another row now."""
        total = self._records.total
        return bool(self._retries or self._last) or total is None or self._next < total

    async def claim(self) -> int | None:
        """Return the next row, which no other call returns, for `take`; None if no row is left.

        Waits for an async source. With a journal, the row may be taken when `recorded` has returned.
        """
        slice_ends = 0.0
        while True:
            if self._retries:
                index = self._retries.popleft()
            elif self._next < len(self._records):
                index = self._next
                self._next += 1
            elif await self._drew() or self._retries:
                continue
            elif self._last:
                index = self._last.popleft()
            else:
                return None
            is_new, self._looked_at = index >= self._looked_at, max(index + 1, self._looked_at)
            if self.is_pending(index) and not (is_new and self._is_left_out(index)):
                if self._journal is not None:
                    self._journal.starts(index)
                return index
            if self._loop.time() > slice_ends:
                if slice_ends:
                    await asyncio.sleep(0)
                slice_ends = self._loop.time() + SLICE

    async def restore(self) -> None:
        """Take over the outcomes of earlier runs for all rows that are known, before any row starts."""
        async for index in in_slices(range(len(self._records))):
            if self.is_pending(index):
                self._is_restored(index)

    def recorded(self) -> Awaitable[None]:
        """Return what waits until the journal has all that has happened, and which rows were claimed."""
        return _nothing() if self._journal is None else self._journal.settled()

    def give_back(self, index: int) -> None:
        """Run a claimed row later, before all others, if it still has to run."""
        if self._journal is not None:
            self._journal.withdraw(index)
        if self.is_pending(index):
            self._retries.appendleft(index)

    def is_pending(self, index: int) -> bool:
        """Whether a row still has to run; it may have been cancelled while it waited."""
        return self._records.status[index] == PENDING

    def _is_left_out(self, index: int) -> bool:
        """Whether a row does not run now: it was restored from an earlier run, or left in doubt by one."""
        journal = self._journal
        if journal is None or self._is_restored(index):
            return journal is not None
        if index not in journal.in_doubt:
            return False
        if reason := journal.why_skipped(index):
            self._records.cancel(index, reason)
            journal.note(index)
        else:
            self._last.append(index)
        return True

    def _is_restored(self, index: int) -> bool:
        """Whether a row has taken over its outcome from an earlier run."""
        journal = self._journal
        if journal is None or (restored := journal.restore(index)) is None:
            return False
        self._records.restore(index, restored)
        journal.note(index)
        return True

    async def _drew(self) -> bool:
        """Draw a row from the source, which may be async; return whether there was one."""
        if self._records.total is not None:
            return False
        if not self._batch.is_async:
            return self._draw()
        try:
            row = await drive(self._batch.draw_async(), self._source_context)
        except StopAsyncIteration:
            self.exhaust()
            return False
        except BaseException as error:  # noqa: BLE001 - kept by the run
            self._source_broke(error)
            return False
        # A row from now on, whatever happens before a worker takes it.
        self._records.add(row)
        return True

    def exhaust(self, *, early: bool = False) -> None:
        """Draw no more rows: from now on only known rows and retries are taken.

        Args:
            early: whether the source may have had more rows.
        """
        self._records.cut_off |= early and self._records.total is None
        self._records.total = self._next = len(self._records)

    def _source_broke(self, error: BaseException) -> None:
        # At once: another worker might draw the row after the wrong one in the same turn.
        self.exhaust(early=True)
        self._events.broke(error)

    def take(self, now: float, claimed: int | None = None) -> Taken | None:
        """Start the next instance: return its index, walk and context; None if no row is left.

        Args:
            claimed: the row to start; None: the next one of a batch that needs no `claim`.
        """
        records = self._records
        while claimed is None:
            if self._retries:
                index = self._retries.popleft()
            else:
                index = self._next
                if index >= len(records.status) and not self._draw():
                    return None
                self._next = index + 1
            if records.status[index] == PENDING:  # else it was cancelled while it waited
                break
        else:
            index = claimed
        row, base = records.rows[index], records.base
        merged = {**base, **row} if base else row
        params = track_reads(merged)
        # Dicts that hold only texts and numbers are not tracked (until Python 3.14), and need not be
        # searched, which costs 3 % (benchmarks overhead).
        mutable = is_tracked(merged) and has_containers(params)
        if mutable and (given := records.given.for_attempt(index, params)) is not None:
            params = track_reads(given)
        walk = self._runner.run(params, records.start(index, now, params, mutable))
        context = self._instances_context.copy()
        if self._captures:
            attempt = key(index, records.attempt(index)) if records.history else index
            context.run(enter, attempt)
        return index, walk, context

    def _draw(self) -> bool:
        """Draw a row from a sync source; return whether there was one."""
        if self._records.total is not None:
            return False
        try:
            row = self._source_context.run(self._batch.draw)
        except StopIteration:
            self.exhaust()
        except BaseException as error:  # noqa: BLE001 - kept by the run
            self._source_broke(error)
        else:
            self._records.add(row)
            return True
        return False
