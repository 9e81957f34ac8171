"""The threads that run the `exec` of sync nodes, in one pool per run.

A thread cannot be interrupted. If an instance is cancelled or times out while a thread runs its
`exec`, the pool abandons the call: the instance ends at once, another thread may take the place of
this one, and what the call returns is dropped. When a process has `MAX_ABANDONED` such calls, its
runs stop.

These are daemon threads. Those of `concurrent.futures` and of anyio are joined when the interpreter
exits, so a hung call would keep the program from ending; `concurrent.futures` also counts an
abandoned thread as one of its own, so a few hung calls would leave no thread for others. A program
that ends while calls are abandoned says so on stderr.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..errors import EngineError
from ..flow import forks
from ..records.printed import enter, row_here
from . import abandoned_calls
from .base import AbandonedCall
from .redirects import Installation

_UNSET: Any = object()
_numbers = itertools.count(1)


class _Call:
    """A call of `function(argument)`, for a node class and the index of an instance."""

    __slots__ = (
        "abandoned_at",
        "argument",
        "context",
        "error",
        "function",
        "future",
        "index",
        "kind",
        "output",
        "queue",
        "redirects",
        "returned",
    )

    def __init__(
        self,
        function: Callable[[Any], Any],
        argument: Any,
        kind: type,
        index: int,
        future: asyncio.Future[None],
    ) -> None:
        self.function = function
        self.argument = argument
        self.kind = kind
        self.index = index
        self.context = contextvars.copy_context()
        if row_here() is None:  # nothing that the instance prints is kept; but it may ask for input
            self.context.run(enter, index)
        self.future = future
        """Is done when the call has returned, or cannot start."""
        self.queue: SimpleQueue[_Call | None] | None = None
        """The queue that a thread takes it from; None while it waits for its turn."""
        self.output: Any = None
        self.error: BaseException | None = None
        self.returned = False
        self.abandoned_at = 0.0
        """In seconds since the epoch; 0 if it is not abandoned."""
        self.redirects: Installation | None = None
        """Keeps what it redirects apart, if it is abandoned: perhaps after the end of its run."""


class _Calls(NamedTuple):
    """How many calls of an instance run, and how many wait for a thread."""

    running: int
    waiting: int

    @property
    def all_wait(self) -> bool:
        """Whether there are calls, and all of them wait."""
        return self.waiting > 0 and self.running == 0


_NO_CALLS = _Calls(0, 0)


class ThreadPool:
    """Runs the calls of one run in threads, at most `size` at once; further calls wait.

    The threads only run the calls that they find in a queue. Everything else happens in the event loop
    in which the pool was made.

    Args:
        size: how many calls may run at once.
        on_wait: called with the index of an instance and True when it has calls that wait for a thread
            and none in a thread, and with False when that is over. None: not called.
        on_full: called with a reason when no more instances should start: the process has
            `MAX_ABANDONED` abandoned calls, or the system starts no more threads. None: not called, and
            further calls raise an EngineError.
    """

    def __init__(
        self,
        size: int,
        *,
        on_wait: Callable[[int, bool], None] | None = None,
        on_full: Callable[[str], None] | None = None,
    ) -> None:
        self._size = size
        self._on_wait = on_wait
        self._on_full = on_full
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        """Calls for the threads; None ends the thread that takes it."""
        self._threads = 0
        """The number of threads at the queue, without those of abandoned calls."""
        self._lost = 0
        """The number of threads at the queue that are in abandoned calls."""
        self._running = 0
        """The number of calls that have started, and have neither returned nor been abandoned."""
        self._waiting: OrderedDict[_Call, None] = OrderedDict()
        self._calls_of: dict[int, _Calls] = {}
        """The calls of each instance; only for `on_wait`."""
        self._abandoned: set[_Call] = set()
        """The abandoned calls that have not been collected."""
        self._returned: deque[_Call] = deque()
        self._is_collecting = False
        """Whether `_collect` is due in the loop."""

    async def run(
        self, function: Callable[[Any], Any], argument: Any, kind: type, index: int
    ) -> Any:
        """Return what `function(argument)` returns in a thread.

        Context variables that it sets there are then set here. When this is cancelled, it raises at
        once, and the call is abandoned.

        Args:
            kind: the class of the node that it is called for.
            index: the index of the instance.

        Raises:
            EngineError: there is no thread for it.
            BaseException: what the function raises.
        """
        call = _Call(function, argument, kind, index, self._loop.create_future())
        if self._running < self._size:
            self._start(call)
        else:
            self._waiting[call] = None
            self._count(index, 0, 1)
        try:
            await call.future
        except BaseException:
            self._drop(call)
            raise
        for variable, value in call.context.items():
            if variable.get(_UNSET) is not value:
                variable.set(value)
        error, call.error = call.error, None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback refers to this frame: a cycle that would keep the user's locals.
                del error
        return call.output

    def resize(self, size: int) -> None:
        """Let so many calls run at once, but never fewer than before."""
        self._size = max(size, self._size)
        self._start_waiting()

    def open(
        self,
        *,
        on_wait: Callable[[int, bool], None] | None = None,
        on_full: Callable[[str], None] | None = None,
    ) -> None:
        """Keep the threads that start from now on until `close`; arguments as of the class."""
        self._on_wait, self._on_full = on_wait, on_full
        self._closed = False

    def close(self) -> None:
        """Let each thread end when its call has returned, and each later one after its call."""
        self._closed = True
        self._on_wait = self._on_full = None  # of a run, which a thread that hangs must not keep
        for _ in range(self._threads + self._lost):
            self._queue.put(None)
        # Another queue, since a call that hangs leaves its None in this one, for any thread to take.
        self._queue, self._threads, self._lost = SimpleQueue(), 0, 0

    def abandoned(self) -> list[AbandonedCall]:
        """Return the abandoned calls of this pool that have not returned."""
        calls = [call for call in list(self._abandoned) if not call.returned]
        return abandoned_calls.described(sorted(calls, key=lambda call: call.abandoned_at))

    def _start(self, call: _Call) -> None:
        if self._running >= self._threads and (reason := self._start_thread()):
            if self._on_full is not None:
                self._on_full(reason)
            if not self._threads:
                call.error = EngineError(f"No thread can run {call.kind.__name__}: {reason}.")
                call.future.set_result(None)
                return
        self._running += 1
        self._count(call.index, 1, 0)
        call.queue = self._queue
        self._queue.put(call)
        if self._closed:  # some task of a node outlives the run
            self.close()

    def _start_thread(self) -> str:
        """Start a thread; return why that is not possible, or ""."""
        if self._on_full is None and (reason := abandoned_calls.why_full()):
            return reason
        name = f"flowmagic-{next(_numbers)}"
        try:
            threading.Thread(target=self._work, args=(self._queue,), name=name, daemon=True).start()
        except RuntimeError as error:
            return f"the system starts no more threads ({error})"
        self._threads += 1
        return ""

    def _drop(self, call: _Call) -> None:
        """Abandon a call whose end nobody awaits any more, and give its place to another one."""
        if call in self._waiting:
            del self._waiting[call]
            self._count(call.index, 0, -1)
        elif call.queue is not None and not call.returned:
            abandoned_calls.add(call)
            call.redirects = Installation()
            if call.returned:  # just now
                call.redirects.remove()
            self._abandoned.add(call)
            if call.queue is self._queue:
                self._threads -= 1
                self._lost += 1
            self._leave(call)
            if self._on_full is not None and (reason := abandoned_calls.why_full()):
                self._on_full(reason)

    def _leave(self, call: _Call) -> None:
        self._running -= 1
        self._count(call.index, -1, 0)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and self._running < self._size:
            call, _ = self._waiting.popitem(last=False)
            if not call.future.cancelled():
                self._start(call)
            self._count(call.index, 0, -1)

    def _count(self, index: int, running: int, waiting: int) -> None:
        """Change how many calls of an instance run and wait."""
        if self._on_wait is None:
            return
        before = self._calls_of.pop(index, _NO_CALLS)
        now = _Calls(before.running + running, before.waiting + waiting)
        if now != _NO_CALLS:
            self._calls_of[index] = now
        if now.all_wait != before.all_wait:
            self._on_wait(index, now.all_wait)

    def _collect(self) -> None:
        """Wake those who await the calls that have returned."""
        self._is_collecting = False
        while self._returned:
            call = self._returned.popleft()
            if not call.abandoned_at:
                if not call.future.done():
                    call.future.set_result(None)
                self._leave(call)
                continue
            abandoned_calls.remove(call)
            self._abandoned.discard(call)
            if call.queue is self._queue:
                self._lost -= 1
                if self._threads < self._size:
                    self._threads += 1
                else:
                    self._queue.put(None)

    # In the threads

    def _work(self, queue: SimpleQueue[_Call | None]) -> None:
        while (call := queue.get()) is not None and self._perform(call):
            del call  # while the thread waits, it must not keep the user's objects

    def _perform(self, call: _Call) -> bool:
        """Run a call, and return whether its thread may go on: whether the loop is not closed."""
        if not (call.abandoned_at or call.future.cancelled()):
            process = forks.count
            try:
                call.output = call.context.run(call.function, call.argument)
            except BaseException as error:  # noqa: BLE001 - raised by `run`
                # Not in the future, which cannot hold a StopIteration: awaiting it would never end.
                call.error = error
            forks.end_if_forked(process, call.error)
        call.returned = True
        if call.redirects is not None:
            call.redirects.remove()
        self._returned.append(call)
        # The loop is woken once for all calls that return until it collects them.
        if not self._is_collecting:
            self._is_collecting = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                return False
        return True
