"""Works on items, a limited number at once, without a task for each of them.

As in the pool of instances (`run/workers.py`), each worker task takes one item after the other,
every item has a Context of its own, and items that never wait use at most `SLICE` seconds of one
turn of the event loop. Unlike there, the first failure ends the pass: the other items are cancelled
and waited for, and the exception is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from ..run.workers import SLICE, drive

MOST_RESTING = 1000
"""How many items may wait for their next attempt before the pool stops taking new ones."""


class ItemPool:
    """One pass over the items.

    Args:
        items: the items, taken one by one when a worker is free.
        work: the coroutine function that works on one item and returns its result.
        concurrency: returns how many items to work on at once; called again for every item.
    """

    def __init__(
        self,
        items: Iterable[Any],
        work: Callable[[Any], Coroutine[Any, Any, Any]],
        concurrency: Callable[[], int],
    ) -> None:
        self._items = iter(items)
        self._work = work
        self._concurrency = concurrency
        self._results: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._workers: set[asyncio.Task[None]] = set()
        self._resting = 0
        self._open = True
        """Whether more items may be taken."""
        self._failure: BaseException | None = None
        self._done = self._loop.create_future()
        self._turn_open = False
        self._slice_ends = 0.0

    async def run(self) -> list[Any]:
        """Return the results in the order of the items, or raise the first failure.

        No task is left either way.
        """
        self._start_workers()
        cancelled: BaseException | None = None
        try:
            await self._done
        except asyncio.CancelledError as error:
            cancelled = error
        self._open = False
        if cancelled is not None or self._failure is not None:
            self._cancel()
        while self._workers:
            try:
                await asyncio.wait(self._workers)
            except asyncio.CancelledError as error:
                cancelled = error
                self._cancel()
        try:
            if cancelled is not None:
                raise cancelled
            if self._failure is not None:
                raise self._failure
        finally:
            # Breaks a cycle: the traceback of the error holds this frame.
            cancelled = self._failure = None
        return self._results

    async def rest(self, seconds: float) -> None:
        """Wait between two attempts at an item; meanwhile, another item is worked on."""
        self._resting += 1
        self._start_workers()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._resting -= 1

    def wake(self) -> None:
        """Start more workers if `concurrency` has risen; from any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._start_workers)

    def _start_workers(self) -> None:
        slice_ends = self._loop.time() + SLICE
        while self._open and self._room() > 0:
            if (taken := self._take()) is None:
                break
            task = self._loop.create_task(self._work_on_items(*taken))
            self._workers.add(task)
            task.add_done_callback(self._worker_done)
            if self._loop.time() >= slice_ends:
                self._loop.call_soon(self._start_workers)
                break
        if not self._open and not self._workers:
            self._end()

    def _room(self) -> int:
        """Return how many more workers may start; negative if there are too many."""
        if self._resting >= MOST_RESTING:
            return 0
        return self._concurrency() - len(self._workers) + self._resting

    def _take(self) -> tuple[int, Any] | None:
        """Return the next item and its index; None if there is none."""
        try:
            item = next(self._items)
        except StopIteration:
            self._open = False
            return None
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            self._fail(error)
            return None
        self._results.append(None)
        return len(self._results) - 1, item

    async def _work_on_items(self, index: int, item: Any) -> None:
        while True:
            await self._yield_if_slice_is_used_up()
            try:
                self._results[index] = await drive(self._work(item), self._context.copy())
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - ditto
                self._fail(error)
                return
            room = self._room()
            if room > 0:
                self._start_workers()
            # `room` counts this worker as busy: it takes another item unless there are too many.
            if not self._open or room < 0 or (taken := self._take()) is None:
                return
            index, item = taken

    async def _yield_if_slice_is_used_up(self) -> None:
        """Let other callbacks of the event loop run if the items have used up their slice."""
        while True:
            now = self._loop.time()
            if not self._turn_open:
                self._turn_open = True
                self._slice_ends = now + SLICE
                self._loop.call_soon(self._close_turn)
                return
            if now < self._slice_ends:
                return
            await asyncio.sleep(0)

    def _close_turn(self) -> None:
        self._turn_open = False

    def _worker_done(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        # A task that was cancelled before its first step could not call `_fail` itself, and an exit
        # or an interrupt has left it.
        if task.cancelled():
            self._fail(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._fail(error)
        self._start_workers()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._end()

    def _end(self) -> None:
        self._open = False
        if not self._done.done():
            self._done.set_result(None)

    def _cancel(self) -> None:
        for task in self._workers:
            task.cancel()
