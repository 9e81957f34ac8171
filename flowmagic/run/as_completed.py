"""The instances of a run, one by one as they end: `async for instance in run.as_completed()`.

While somebody iterates, a watcher of the records gets each row that ends and wakes the iterator.
Otherwise there is none, so that a run without an iterator pays nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from ..records.instances import Instance
from ..records.status import SUCCEEDED
from ..records.store import RecordStore
from .end_waiters import Waiters, running_loop

if TYPE_CHECKING:
    from .batchrun import BatchRun


class EndedRows:
    """A watcher that keeps the rows that have ended, in this order, until they are taken."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._rows = deque(_rows_ended(records))
        self._taken = bytearray()
        self.waiting: set[asyncio.Future[None]] = set()
        """Futures to be done as soon as a row ends."""

    def add(self, row: int) -> None:
        """Keep a row if it has ended. If it failed, it may still be going to be retried."""
        if self._records.status[row] >= SUCCEEDED:
            self.update((row,))

    def update(self, rows: Iterable[int]) -> None:
        """Keep rows."""
        self._rows.extend(rows)
        for future in self.waiting:
            if not future.done():
                future.set_result(None)

    def take(self) -> int | None:
        """Return the next row that has ended, each row once; None if there is none now.

        Called between the steps of the workers: by then, a row that is retried is pending again.
        """
        status, taken = self._records.status, self._taken
        while self._rows:
            row = self._rows.popleft()
            if row >= len(taken):  # a generator has given more rows
                taken.extend(bytes(len(status) - len(taken)))
            if status[row] >= SUCCEEDED and not taken[row]:
                taken[row] = True
                return row
        return None

    def give_back(self, row: int) -> None:
        """Keep a row that was taken, and is not given after all: it is the next one again."""
        self._taken[row] = False
        self._rows.appendleft(row)


def _rows_ended(records: RecordStore) -> list[int]:
    """Return the rows that have ended, in the order in which they did.

    Rows that did not run have no time: the restored ones come first, the cancelled ones last.
    """

    def end(row: int) -> float:
        ended = records.ended[row]
        if not math.isnan(ended):
            return ended
        return -math.inf if row in records.restored else math.inf

    rows = (row for row, code in enumerate(records.status) if code >= SUCCEEDED)
    return sorted(rows, key=end)


class AsCompleted(AsyncIterator[Instance]):
    """Iterates over the instances of a run as they end; see `BatchRun.as_completed`.

    Not an async generator: after a `break`, that would be closed only later, by a task of its own.
    """

    def __init__(self, run: BatchRun, waiters: Waiters, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._waiters = waiters
        self._loop = loop
        self._rows: EndedRows | None = None
        """None before the first step."""
        self._exhausted = False

    async def __anext__(self) -> Instance:
        __tracebackhide__ = True
        here = running_loop() is self._loop
        if here or (self._waiters.ended and not self._loop.is_running()):
            return await self._next()
        step = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        return await asyncio.wrap_future(step)

    async def _next(self) -> Instance:
        __tracebackhide__ = True
        if self._exhausted:
            raise StopAsyncIteration
        records = self._run.records
        if self._rows is None:
            self._rows = EndedRows(records)
            records.watch_with(self._rows)
        rows = self._rows
        while (row := rows.take()) is None:
            if self._waiters.ended:
                self._exhausted = True
                records.unwatch(rows)
                self._run._raise_error()
                raise StopAsyncIteration
            with self._waiters.future() as change:
                rows.waiting.add(change)
                try:
                    await change
                finally:
                    rows.waiting.discard(change)
        if (journal := self._run.journal) is not None and not self._waiters.ended:
            try:
                # Whoever acts on an instance may be killed then: it must not run again on resuming.
                await journal.settled()
            except BaseException:
                rows.give_back(row)
                raise
        return Instance(records, row)

    def __del__(self) -> None:
        if self._rows is None:
            return
        unwatch = self._run.records.unwatch
        if running_loop() is self._loop or not self._loop.is_running():
            unwatch(self._rows)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed, just now
                self._loop.call_soon_threadsafe(unwatch, self._rows)
