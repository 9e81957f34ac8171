"""Keep as many instances running as the limiter admits, without holding up the loop.

A few workers (asyncio tasks) take rows one after the other, so that a row costs no task of its own.
Each instance still has a Context of its own: the worker drives the instance's coroutine inside it
(`drive`), and stays the one task that the instance ever sees.

The loop also serves the notebook. Starting instances is therefore sliced: within one turn of the
loop, at most `SLICE` seconds go into starting them; then everybody else gets a turn. Only starts are
held back, never the way from one node to the next.
"""

from __future__ import annotations

import asyncio
import math
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Protocol

from ..limits.limits import Limiter

SLICE = 0.005
"""Seconds of one loop turn that may go into starting instances."""

_ADMITTED = -1
"""Stands for the index of a worker that has been let in and has not begun an instance yet."""


Taken = tuple[int, Coroutine[Any, Any, Any], Context]
"""An instance that has begun: its index, its walk, and the context to drive that in."""


class Source(Protocol):
    """Where a pool gets its instances from, and tells how they ended."""

    def has_next(self) -> bool:
        """Whether `take` may give another instance now."""

    async def prepare(self) -> bool:
        """Make the next instance ready to be taken, if that needs awaiting; False: none is left."""

    def take(self, now: float) -> Taken | None:
        """Begin the next instance: return its index, walk and context; None if none is left."""

    def note_result(self, index: int, result: Any, now: float) -> None:
        """Note that an instance has succeeded. Must not raise."""

    def note_error(self, index: int, error: BaseException, now: float, *, cancelled: bool) -> None:
        """Note what ended an instance; `cancelled`: it was asked to end. Must not raise."""

    def broken(self, error: BaseException) -> None:
        """Note that a worker broke outside any instance."""

    needs_prepare: bool
    """Whether `prepare` must be awaited before each `take`."""


class WorkerPool:
    """Runs what its source gives, at most as many at once as its limiter admits.

    `pump` must be called when there may be more to start than before: at the beginning, after a
    resize, after a pause. `on_idle` is called when nothing runs and nothing will start by itself.

    Args:
        clock: gives the loop's time; None: asks the loop.
        timeout: seconds after which an instance is cancelled and ends with a TimeoutError.
    """

    def __init__(
        self,
        source: Source,
        limiter: Limiter,
        loop: asyncio.AbstractEventLoop,
        on_idle: Callable[[], None],
        *,
        clock: Callable[[], float] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._source = source
        self._limiter = limiter
        self._loop = loop
        self._clock = clock or loop.time
        self._on_idle = on_idle
        self._workers: dict[asyncio.Task[None], int] = {}
        """Each worker with the index of the instance it drives, or ended; else `_ADMITTED`."""
        self._cancelled: set[asyncio.Task[None]] = set()
        self._timeout = timeout
        self._timed_out: set[asyncio.Task[None]] = set()
        """Workers whose instance is being cancelled because its time is over."""
        self._timer: asyncio.TimerHandle | None = None
        self._preparing = asyncio.Lock()
        self._turn_open = False
        self._slice_ends = 0.0
        self.held = False
        """Set to start nothing more for now."""

    @property
    def idle(self) -> bool:
        """Whether no worker is left."""
        return not self._workers

    def pump(self) -> None:
        """Begin as many workers as may find something to do."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        slice_ends = self._clock() + SLICE
        while self._may_start():
            task = self._loop.create_task(self._work())
            # Counted here, not in the task: a task cancelled before its first step never runs.
            # A task of an eager factory has run already, and may be at its instance.
            self._workers.setdefault(task, _ADMITTED)
            task.add_done_callback(self._left)
            if self._clock() >= slice_ends:
                self._loop.call_soon(self.pump)
                break
        if self.idle and self._timer is None:
            self._loop.call_soon(self._tell_idle)

    def cancel(self, index: int | None = None) -> None:
        """Cancel the worker of one instance, or all of them."""
        for task, driven in list(self._workers.items()):
            if index is None or driven == index:
                self._cancelled.add(task)
                self._timed_out.discard(task)
                task.cancel()

    def _time_is_over(self, task: asyncio.Task[None], index: int) -> None:
        if self._workers.get(task) == index and task not in self._cancelled:
            self._cancelled.add(task)
            self._timed_out.add(task)
            task.cancel()

    def stop_timer(self) -> None:
        """Forget a start that was waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _may_start(self, *, holding: bool = False) -> bool:
        """Take a slot if one more instance may start now; if it may later, see to it."""
        if self.held or not self._source.has_next():
            return False
        wait = self._limiter.admit(self._clock(), holding=holding)
        if wait == 0:
            return True
        if wait < math.inf and self._timer is None:
            self._timer = self._loop.call_later(wait, self._timer_fired)
        return False

    def _timer_fired(self) -> None:
        self._timer = None
        self.pump()

    def _left(self, task: asyncio.Task[None]) -> None:
        if self._workers.pop(task) == _ADMITTED:
            self._limiter.forgo()
        self._cancelled.discard(task)
        self._timed_out.discard(task)
        self._limiter.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._source.broken(error)
        # A slot is free: somebody may have been refused it while this worker was on its way out.
        self.pump()

    def _tell_idle(self) -> None:
        if self.idle and self._timer is None:
            self._on_idle()

    async def _work(self) -> None:
        # A generator cannot be a task on Python 3.12 and later.
        await self._take_turns()

    @types.coroutine
    def _take_turns(self) -> Generator[Any, Any, None]:  # noqa: C901, PLR0912, PLR0915 - hot: a call more is felt
        """Drive one instance after the other. A slot is held on entry, and given back by `_left`."""
        task = asyncio.current_task()
        assert task is not None
        source, workers, limiter, clock = self._source, self._workers, self._limiter, self._clock
        take, note_result, cancelled = source.take, source.note_result, self._cancelled
        cancelling, timeout = _cancelling(task), self._timeout
        closing = False
        now = clock()
        while True:
            if not self._turn_open:
                self._turn_open = True
                self._slice_ends = now + SLICE
                self._loop.call_soon(self._close_turn)
            elif now >= self._slice_ends:
                # Starting instances has had its share of this turn of the loop.
                workers[task] = _ADMITTED
                yield
                now = clock()
                continue
            if self.held or limiter.running > limiter.concurrency:
                return
            if not limiter.plain and limiter.cooling(now):
                return  # it was admitted before the cool-down began
            if source.needs_prepare:
                taken = yield from self._prepared().__await__()
            else:
                taken = take(now)
            if taken is None:
                return
            index, walk, context = taken
            workers[task] = index
            if not limiter.plain:
                limiter.begin(clock())
            timer = None
            if timeout is not None:
                timer = self._loop.call_later(timeout, self._time_is_over, task, index)
            # `drive`, written out.
            step: Callable[[Any], Any] = walk.send
            argument: Any = None
            try:
                while True:
                    awaited = context.run(step, argument)
                    try:
                        argument = yield awaited
                        step = walk.send
                    except GeneratorExit:
                        # The worker itself is being closed, with its loop.
                        closing = True
                        context.run(walk.close)
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown on into the coroutine
                        step, argument = walk.throw, error
            except StopIteration as end:
                now = clock()
                note_result(index, end.value, now)
            except BaseException as error:
                now = clock()
                if closing:
                    source.note_error(index, asyncio.CancelledError(), now, cancelled=True)
                    raise
                hit = isinstance(error, asyncio.CancelledError)
                asked = hit and (task in cancelled or cancelling())
                if asked and task in self._timed_out:
                    late = TimeoutError(_too_long(index, timeout))
                    source.note_error(index, late, now, cancelled=False)
                else:
                    source.note_error(index, error, now, cancelled=bool(asked))
                if hit:
                    return
            finally:
                if timer is not None:
                    timer.cancel()
            # A cancellation that this instance swallowed, or that comes after it, would hit the
            # next one: let a fresh worker take that.
            if cancelling() or task in cancelled:
                return
            if not limiter.plain:
                if not self._may_start(holding=True):
                    return
                workers[task] = _ADMITTED

    async def _prepared(self) -> Taken | None:
        """Take the next instance from a source that must be awaited: one worker after the other."""
        async with self._preparing:
            if self._excess() or not await self._source.prepare() or self._excess():
                return None
            return self._source.take(self._clock())

    def _excess(self) -> bool:
        """Whether a worker should leave: all are held, or while it waited the limit was lowered."""
        limiter = self._limiter
        cooling = not limiter.plain and limiter.cooling(self._clock())
        return self.held or limiter.running > limiter.concurrency or bool(cooling)

    def _close_turn(self) -> None:
        self._turn_open = False


def _cancelling(task: asyncio.Task[None]) -> Callable[[], int]:
    """Return what tells whether somebody asked to cancel a task, this pool or another."""
    if sys.version_info >= (3, 11):
        return task.cancelling
    # A cancellation that has arrived cannot be told from a CancelledError that a node raised.
    return lambda: task._must_cancel  # type: ignore[attr-defined]


def _too_long(index: int, timeout: float | None) -> str:
    return f"Instance {index} took longer than timeout={timeout:g} s."


@types.coroutine
def drive(walk: Coroutine[Any, Any, Any], context: Context) -> Generator[Any, Any, Any]:
    """Await a coroutine whose every step runs inside `context`.

    What the coroutine yields (the futures it waits for) is passed on to the task that drives it.
    """
    step: Callable[[Any], Any] = walk.send
    argument: Any = None
    while True:
        try:
            awaited = context.run(step, argument)
        except StopIteration as end:
            return end.value
        try:
            argument = yield awaited
            step = walk.send
        except GeneratorExit:
            context.run(walk.close)
            raise
        except BaseException as error:  # noqa: BLE001 - thrown on into the coroutine
            step, argument = walk.throw, error
