"""Keep as many instances running as the limiter admits, without blocking the loop.

A few workers (asyncio tasks) run one row after the other, so a row needs no task of its own. Each
instance still has its own Context: the worker drives the instance's coroutine inside it (`drive`),
and is the one task that the instance ever sees.

The loop also serves the notebook, so starts are sliced: within one turn of the loop, at most `SLICE`
seconds go into starting instances, and then all other callbacks get a turn. Only starts wait for
this, never the step from one node to the next.
"""

from __future__ import annotations

import asyncio
import math
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..limits.limits import Limiter
from .outcomes import Outcomes

if TYPE_CHECKING:
    from .lifecycle import Lifecycle
    from .scheduler import Scheduler

SLICE = 0.005
"""Seconds of one loop turn that may go into starting instances."""

_MAX_STARTS = 1_000  # workers in one turn: they take rows in the next one, and there may be fewer

_ADMITTED = -1
"""The index of a worker that has a slot and has not started an instance yet."""


Taken = tuple[int, Coroutine[Any, Any, Any], Context]
"""An instance that has started: its index, its walk, and the Context to drive the walk in."""


class WorkerPool:
    """Runs the instances of a scheduler, at most as many at once as the limiter admits.

    Call `pump` whenever more instances may start than before: at the beginning, after a limit
    change, after a pause.

    Args:
        events: receives each decision, and when the pool is idle.
        clock: returns the loop's time; None: `loop.time`.
        timeout: seconds after which an instance is cancelled and fails with a TimeoutError; the time
            in which it waits for its engine does not count.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        outcomes: Outcomes,
        limiter: Limiter,
        loop: asyncio.AbstractEventLoop,
        *,
        events: Lifecycle,
        clock: Callable[[], float] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._outcomes = outcomes
        self._limiter = limiter
        self._loop = loop
        self._clock = clock or loop.time
        self._events = events
        self._workers: dict[asyncio.Task[None], int] = {}
        """Each worker with the index of its latest instance, or `_ADMITTED`."""
        self._cancelled: set[asyncio.Task[None]] = set()
        self._timeout = timeout
        self._timed_out: set[asyncio.Task[None]] = set()
        """Workers whose instance is being cancelled because of the timeout."""
        self._timeouts: dict[int, asyncio.TimerHandle] = {}
        """The timers of the running instances."""
        self._paused: dict[int, float] = {}
        """The seconds left of timers that are stopped because their instances wait for the engine."""
        self._timer: asyncio.TimerHandle | None = None
        self._claiming = asyncio.Lock()
        self._turn_open = False
        self._slice_ends = 0.0
        self._held = False

    @property
    def idle(self) -> bool:
        """Whether no worker is left."""
        return not self._workers

    def pump(self) -> None:
        """Start as many workers as may find an instance."""
        self._stop_timer()
        slice_ends = self._clock() + SLICE
        started = 0
        while self._may_start():
            started += 1
            task = self._loop.create_task(self._work())
            # Counted here, not in the task: a task cancelled before its first step never runs.
            # A task of an eager factory has run already, and may have an instance.
            self._workers.setdefault(task, _ADMITTED)
            task.add_done_callback(self._left)
            if self._clock() >= slice_ends or started >= _MAX_STARTS:
                self._loop.call_soon(self.pump)
                break
        if self.idle and self._timer is None:
            self._loop.call_soon(self._report_idle)

    def cancel(self, index: int | None = None) -> None:
        """Cancel the worker of one instance, or all of them."""
        for task, current in list(self._workers.items()):
            if index is None or current == index:
                self._cancelled.add(task)
                self._timed_out.discard(task)
                task.cancel()

    def _time_out(self, index: int) -> None:
        for task, current in list(self._workers.items()):
            if current == index and task not in self._cancelled:
                self._cancelled.add(task)
                self._timed_out.add(task)
                task.cancel()

    def wait_for_engine(self, index: int, *, waits: bool) -> None:
        """Stop the timer of an instance's timeout, or let it go on."""
        timer = self._timeouts.get(index)
        if timer is None:
            return
        if waits:
            timer.cancel()
            self._paused[index] = timer.when() - self._loop.time()
        elif (left := self._paused.pop(index, None)) is not None:
            self._timeouts[index] = self._loop.call_later(left, self._time_out, index)

    @property
    def timers(self) -> int:
        """How many of its timers are running."""
        return len(self._timeouts) + (self._timer is not None)

    def hold(self) -> None:
        """Start nothing more until `release`; instances that run finish."""
        self._held = True
        self._stop_timer()

    def release(self) -> None:
        """End a hold; call `pump` for the first starts."""
        self._held = False

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _may_start(self, *, holding: bool = False) -> bool:
        """Take a slot if one more instance may start now; set a timer if it may start later."""
        if self._held or not self._scheduler.has_next():
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
            self._events.broke(error)
        # A slot is free, which may have been refused while this worker was on its way out.
        self.pump()

    def _report_idle(self) -> None:
        if self.idle and self._timer is None:
            self._events.workers_idle()

    async def _work(self) -> None:
        # A generator cannot be a task on Python 3.12 and later.
        await self._run_instances()

    @types.coroutine
    def _run_instances(self) -> Generator[Any, Any, None]:  # noqa: C901, PLR0912, PLR0915 - hot, see `drive` below
        """Run one instance after the other. The slot is held on entry; `_left` releases it."""
        task = asyncio.current_task()
        assert task is not None
        scheduler, workers, limiter = self._scheduler, self._workers, self._limiter
        clock, take, succeeded = self._clock, scheduler.take, self._outcomes.succeeded
        cancelled, cancelling, timeout = self._cancelled, _cancelling(task), self._timeout
        closed = False
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
            if self._held or limiter.running > limiter.concurrency:
                return
            if not limiter.plain and limiter.cooling(now):
                return  # it was admitted before the cool-down began
            if scheduler.needs_claim:
                taken = yield from self._claimed().__await__()
            else:
                taken = take(now)
            if taken is None:
                return
            index, walk, context = taken
            workers[task] = index
            if not limiter.plain:
                limiter.begin(clock())
            if timeout is not None:
                self._timeouts[index] = self._loop.call_later(timeout, self._time_out, index)
            # `drive`, written out: the generator in between costs 4 % (one node, benchmarks overhead).
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
                        closed = True
                        context.run(walk.close)
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown on into the coroutine
                        step, argument = walk.throw, error
            except StopIteration as end:
                now = clock()
                decision = succeeded(index, end.value, now)
                if decision is not None:
                    self._events.carry_out(index, decision)
            except BaseException as error:
                now = clock()
                if closed:
                    self._outcomes.raised(index, asyncio.CancelledError(), now, cancelled=True)
                    raise
                self._raised(task, index, error, now)
                if isinstance(error, asyncio.CancelledError):
                    return
            finally:
                if timeout is not None:
                    self._timeouts.pop(index).cancel()
                    self._paused.pop(index, None)
            # A cancellation that this instance swallowed, or that comes after it, would hit the
            # next one: a fresh worker takes that.
            if cancelling() or task in cancelled:
                return
            if not limiter.plain:
                if not self._may_start(holding=True):
                    return
                workers[task] = _ADMITTED

    def _raised(
        self, task: asyncio.Task[None], index: int, error: BaseException, now: float
    ) -> None:
        """Report an instance that raised."""
        cancelled = isinstance(error, asyncio.CancelledError) and (
            task in self._cancelled or bool(_cancelling(task)())
        )
        if cancelled and task in self._timed_out:
            message = f"Instance {index} took longer than timeout={self._timeout:g} s."
            error, cancelled = TimeoutError(message), False
        decision = self._outcomes.raised(index, error, now, cancelled=cancelled)
        if decision is not None:
            self._events.carry_out(index, decision)

    async def _claimed(self) -> Taken | None:
        """Take the next instance where that must be awaited."""
        scheduler = self._scheduler
        async with self._claiming:  # one worker after the other, so that rows start in their order
            if self._should_leave() or (index := await scheduler.claim()) is None:
                return None
        taken = None
        try:
            await scheduler.recorded()
            if not self._should_leave() and scheduler.is_pending(index):
                taken = scheduler.take(self._clock(), index)
        finally:
            if taken is None:
                scheduler.give_back(index)
        return taken

    def _should_leave(self) -> bool:
        """Whether starts are held or cool down, or the limit was lowered while a worker waited."""
        limiter = self._limiter
        cooling = not limiter.plain and limiter.cooling(self._clock())
        return self._held or limiter.running > limiter.concurrency or bool(cooling)

    def _close_turn(self) -> None:
        self._turn_open = False


def _cancelling(task: asyncio.Task[None]) -> Callable[[], int]:
    """Return a function that tells whether the cancellation of a task was requested."""
    if sys.version_info >= (3, 11):
        return task.cancelling
    # A cancellation that has arrived cannot be told from a CancelledError that a node raised.
    return lambda: task._must_cancel  # type: ignore[attr-defined]


@types.coroutine
def drive(walk: Coroutine[Any, Any, Any], context: Context) -> Generator[Any, Any, Any]:
    """Await a coroutine with every step of it run inside `context`.

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
