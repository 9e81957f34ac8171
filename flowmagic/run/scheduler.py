"""What a run's pool is fed with: the rows of its batch in order, and before them those to retry."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..engines.base import Runner
from ..errors import from_users_frame
from ..records.batch import Batch
from ..records.param_reads import track_reads
from ..records.printed import enter, key
from ..records.status import CANCELLED, FAILED, PENDING
from ..records.store import RecordStore
from .workers import SLICE, Taken, drive

if TYPE_CHECKING:
    from ..journal.recorder import Recorder


class Scheduler:
    """Begins instances for a `WorkerPool` and notes in the records how they ended.

    Args:
        loop: the run's.
        context: what each instance's own Context is a copy of.
        on_ready: called when a row that was to be retried later may be taken now.
        on_broken: called with the error when the batch's own source raises.
        on_interrupt: called with the KeyboardInterrupt that hit a node.
        on_failure: called with the index and the error of an instance that failed, when that is on
            record; returns in how many seconds to run it again, or None.
        on_success: called with the index of an instance that succeeded; None: nobody asks.
        journal: where each instance is written down when it has ended; None: nowhere.
    """

    def __init__(
        self,
        records: RecordStore,
        runner: Runner,
        *,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        on_ready: Callable[[], None],
        on_broken: Callable[[BaseException], None],
        on_interrupt: Callable[[KeyboardInterrupt], None],
        on_failure: Callable[[int, BaseException], float | None],
        on_success: Callable[[int], None] | None,
        journal: Recorder | None = None,
    ) -> None:
        self._records = records
        self._runner = runner
        self._loop = loop
        self._context = context
        self._captures = records.printed is not None
        # Of the instances only: the prep and post of the run, and its source, are none.
        self._instances_context = (
            context if records.printed is None else records.printed.context(context)
        )
        self._on_ready = on_ready
        self._on_broken = on_broken
        self._on_interrupt = on_interrupt
        self._on_failure = on_failure
        self._on_success = on_success
        self._journal = journal
        if on_success is None and journal is None:
            self.note_result = records.finish  # type: ignore[method-assign] # a call more is felt
        self._batch = Batch(None, rows=[])
        self._next = 0
        # The source runs in a Context of its own, whichever worker happens to draw from it.
        self._source_context = context.copy()
        self._retries: deque[int] = deque()
        self._later: dict[int, asyncio.TimerHandle] = {}
        """Rows to be retried when their time has come."""
        self.needs_prepare = False

    def load(self, batch: Batch) -> None:
        """Take the batch."""
        self._batch = batch
        self.needs_prepare = batch.is_async or self._journal is not None
        if batch.rows is not None:
            self._records.load(batch.rows)
            if self._journal is not None:
                self._journal.knows_total()

    def retry(self, indices: list[int]) -> None:
        """Put ended rows before all others again."""
        for index in indices:
            self._records.requeue(index)
        self._retries.extend(indices)

    def retry_later(self, index: int, seconds: float) -> None:
        """Put an ended row before all others again, when so many seconds have passed."""
        self._records.requeue(index)
        if not seconds:  # those of one moment keep their order
            self._retries.append(index)
            self._loop.call_soon(self._on_ready, context=self._context)
            return
        self._later[index] = self._loop.call_later(
            seconds, self._is_due, index, context=self._context
        )

    def _is_due(self, index: int) -> None:
        del self._later[index]
        self._retries.append(index)
        self._on_ready()

    @property
    def waiting(self) -> bool:
        """Whether rows wait for the time of their retry."""
        return bool(self._later)

    def drop(self, index: int) -> None:
        """See that a pending row is not taken any more; see `RecordStore.cancel`."""
        self._records.cancel(index)
        if (timer := self._later.pop(index, None)) is not None:
            timer.cancel()

    def has_next(self) -> bool:
        """Whether `take` may give another instance now."""
        total = self._records.total
        return bool(self._retries) or total is None or self._next < total

    async def prepare(self) -> bool:
        """Draw a row from an async generator, and wait for the journal; False: none is left."""
        journal = self._journal
        if journal is None:
            return await self._drawn()
        await journal.settled()
        slice_ends = self._loop.time() + SLICE
        while await self._drawn():
            if self._retries or not self._restored(self._next):
                return True
            self._next += 1
            if self._loop.time() > slice_ends:
                await asyncio.sleep(0)
                slice_ends = self._loop.time() + SLICE
        return False

    def _restored(self, index: int) -> bool:
        """Whether an earlier run has left the result of a row, which then need not run."""
        journal, records = self._journal, self._records
        assert journal is not None
        if records.status[index] != PENDING or (left := journal.restore(index)) is None:
            return False
        records.restore(index, left)
        journal.note(index)
        return True

    async def _drawn(self) -> bool:
        """Whether there is a row to take, drawn from the source if need be."""
        records = self._records
        if self._retries or self._next < len(records):
            return True
        if records.total is not None:
            return False
        if not self._batch.is_async:
            return self._draw()
        try:
            row = await drive(self._batch.draw_async(), self._source_context)
        except StopAsyncIteration:
            self.exhaust()
            return False
        except BaseException as error:  # noqa: BLE001 - kept by the run
            self._break(error)
            return False
        # A row from now on, whatever happens before somebody takes it.
        records.add(row)
        return True

    def exhaust(self) -> None:
        """Draw no more rows: those known are all there are, and only retries are left to take."""
        self._records.total = self._next = len(self._records)

    def forget_retries(self) -> None:
        """Retry nothing any more."""
        self._retries.clear()
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()

    def _break(self, error: BaseException) -> None:
        # At once: another worker could draw the row after the wrong one in this same turn.
        self.exhaust()
        self._on_broken(error)

    def take(self, now: float) -> Taken | None:
        """Begin the next instance: return its index, walk and context; None if none is left."""
        records = self._records
        while True:
            if self._retries:
                index = self._retries.popleft()
            else:
                index = self._next
                if index >= len(records.status) and not self._draw():
                    return None
                self._next = index + 1
            if records.status[index] == PENDING:  # else it was cancelled while it waited
                break
        if self._journal is not None:
            self._journal.starts(index)
        row, base = records.rows[index], records.base
        params = track_reads({**base, **row} if base else row)
        walk = self._runner.run(params, records.start(index, now, params))
        context = self._instances_context.copy()
        if self._captures:
            attempt = key(index, records.attempt(index)) if records.history else index
            context.run(enter, attempt)
        return index, walk, context

    def _draw(self) -> bool:
        """Draw a row from a generator; False: none is left."""
        if self._records.total is not None:
            return False
        try:
            row = self._source_context.run(self._batch.draw)
        except StopIteration:
            self.exhaust()
        except BaseException as error:  # noqa: BLE001 - kept by the run
            self._break(error)
        else:
            self._records.add(row)
            return True
        return False

    def note_result(self, index: int, result: Any, now: float) -> None:
        """Note that an instance has succeeded."""
        self._records.finish(index, result, now)
        if self._journal is not None:
            self._journal.note(index)
        if self._on_success is not None:
            self._on_success(index)

    def note_error(self, index: int, error: BaseException, now: float, *, cancelled: bool) -> None:
        """Note what ended an instance; `cancelled`: somebody asked for it."""
        if cancelled or isinstance(error, KeyboardInterrupt):
            self._finish(index, error, now, CANCELLED)
            if isinstance(error, KeyboardInterrupt):
                # Raised on in a task, it would end the whole loop, and with it the kernel.
                self._on_interrupt(error)
            return
        error = from_users_frame(error)
        self._finish(index, error, now, FAILED)
        again = self._on_failure(index, error)
        if again is not None:
            self.retry_later(index, again)

    def _finish(self, index: int, error: BaseException, now: float, code: int) -> None:
        self._records.finish(index, error, now, code)
        if self._journal is not None:
            self._journal.note(index)

    def broken(self, error: BaseException) -> None:
        """Note that a worker broke outside any instance."""
        self._on_broken(error)
