"""Work on items, a few at a time, without a task for each.

As in the pool of instances, workers take one item after the other; each item has a Context of its
own, and at most `SLICE` seconds of one loop turn go into items that never wait. Unlike there, the
first failure is the end: the others are cancelled and waited for, and it is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from ..run.workers import SLICE, drive

MOST_RESTING = 1000
"""How many items may rest between two attempts before no further ones are begun."""


class ItemPool:
    """One pass over the items.

    Args:
        items: what to work on; taken one by one, as there is room.
        work: works on one item; its result is kept in the items' order.
        at_once: says how many to work on at once, now; asked again and again.
    """

    def __init__(
        self,
        items: Iterable[Any],
        work: Callable[[Any], Coroutine[Any, Any, Any]],
        at_once: Callable[[], int],
    ) -> None:
        self._items = iter(items)
        self._work = work
        self._at_once = at_once
        self._results: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._workers: set[asyncio.Task[None]] = set()
        self._resting = 0
        self._open = True
        """Whether there may be items to begin."""
        self._failure: BaseException | None = None
        self._over = self._loop.create_future()
        self._turn_open = False
        self._slice_ends = 0.0

    async def run(self) -> list[Any]:
        """Return the results when all is done, or raise the first failure; no task is left."""
        self._pump()
        cancelled: BaseException | None = None
        try:
            await self._over
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
            # The traceback holds this frame, which holds the error.
            cancelled = self._failure = None
        return self._results

    async def rest(self, seconds: float) -> None:
        """Wait between two attempts at an item, while another one is worked on instead."""
        self._resting += 1
        self._pump()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._resting -= 1

    def wake(self) -> None:
        """Begin more items if there is room for more now; from any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._pump)

    def _pump(self) -> None:
        slice_ends = self._loop.time() + SLICE
        while self._open and self._room() > 0:
            if (taken := self._take()) is None:
                break
            task = self._loop.create_task(self._take_turns(*taken))
            self._workers.add(task)
            task.add_done_callback(self._left)
            if self._loop.time() >= slice_ends:
                self._loop.call_soon(self._pump)
                break
        if not self._open and not self._workers:
            self._end()

    def _room(self) -> int:
        if self._resting >= MOST_RESTING:
            return 0
        return self._at_once() - len(self._workers) + self._resting

    def _take(self) -> tuple[int, Any] | None:
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

    async def _take_turns(self, index: int, item: Any) -> None:
        while True:
            await self._turn()
            try:
                self._results[index] = await drive(self._work(item), self._context.copy())
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - ditto
                self._fail(error)
                return
            room = self._room()
            if room > 0:
                self._pump()
            # This worker still counts: it goes on unless there is one too many.
            if not self._open or room < 0 or (taken := self._take()) is None:
                return
            index, item = taken

    async def _turn(self) -> None:
        """Let the loop go round if items have had their share of this turn of it."""
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

    def _left(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        # One that was cancelled before its first step could note nothing itself; and an exit or an
        # interrupt has gone on to whoever runs the loop.
        if task.cancelled():
            self._fail(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._fail(error)
        self._pump()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._end()

    def _end(self) -> None:
        self._open = False
        if not self._over.done():
            self._over.set_result(None)

    def _cancel(self) -> None:
        for task in self._workers:
            task.cancel()
