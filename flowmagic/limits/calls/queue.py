"""The queue in which calls wait until their limit lets them in.

First come, first served: only the first in the queue is ever let in, so that a small call never
overtakes a large one. A waiting call holds no slot; slot and pace are taken together, under a lock
that is held for microseconds. If only time has to pass, the first in the queue rechecks by itself,
with a timer of its own event loop or thread.

A call may end anywhere, even where the garbage collector closes a coroutine in the middle of this
code. So ending a call never waits for the lock: if it is taken, the operation is queued, and whoever
holds the lock runs it before going on.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context

from ...errors import LimitError
from ..refusals import LONGEST_COOL_DOWN, RefusalKind, classify_refusal
from .capacity import Call, Capacity
from .waiters import LoopWaiter, ThreadWaiter

_Waiter = LoopWaiter | ThreadWaiter

_queues: weakref.WeakSet[CallQueue] = weakref.WeakSet()


def _reset_in_child() -> None:
    for queue in list(_queues):
        queue._reset_after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_reset_in_child)


class CallQueue:
    """Lets calls in, one after the other, as its capacity allows."""

    _clock = staticmethod(time.monotonic)
    _block = staticmethod(threading.Event.wait)

    def __init__(self, name: str) -> None:
        self.name = name
        self._capacity = Capacity()
        self._lock = threading.Lock()
        self._queue: OrderedDict[_Waiter, Context] = OrderedDict()
        """The waiters, each with the Context of its call, which tells what waits."""
        self._admitted: OrderedDict[_Waiter, None] = OrderedDict()
        """Waiters that were let in and have not woken up yet."""
        self._deferred: deque[Callable[[float], object]] = deque()
        """Operations that still have to run under the lock; each takes the time."""
        _queues.add(self)

    def _reset_after_fork(self) -> None:
        """Forget running and waiting calls: in a forked process, they exist only in the parent."""
        self._lock = threading.Lock()
        self._queue.clear()
        self._admitted.clear()
        self._deferred.clear()
        self._capacity.running = 0

    def enter(self, tokens: float) -> Call | None:
        """Return a call if it can begin now and none waits; else None.

        Raises:
            LimitError: the call has more tokens than may ever begin.
        """
        capacity = self._capacity
        if tokens:
            self._check_size(tokens)
        self._lock.acquire()
        try:
            if self._queue:
                return None
            now = self._clock()
            if capacity.wait(now, tokens) > 0:
                return None
            capacity.take(now, tokens)
            return capacity.begin(self, now, tokens, 0.0)
        finally:
            self._unlock()

    async def wait_in_loop(self, tokens: float) -> Call:
        """Wait in the queue, as a task; return the call when it begins."""
        since, waiter = self._clock(), LoopWaiter(tokens, self._recheck)
        try:
            self._join(waiter)
            await waiter.wait()
            return self._begin(waiter, since)
        except BaseException:
            self._defer(lambda _: self._withdraw(waiter))
            raise

    def wait_in_thread(self, tokens: float) -> Call:
        """Wait in the queue, as a thread; return the call when it begins."""
        since, waiter = self._clock(), ThreadWaiter(tokens, self._recheck, self._block)
        try:
            self._join(waiter)
            waiter.wait()
            return self._begin(waiter, since)
        except BaseException:
            self._defer(lambda _: self._withdraw(waiter))
            raise

    def leave(self, call: Call, error: BaseException | None) -> None:
        """Record that a call has ended, with the error that it raised, if any."""
        capacity = self._capacity
        if error is None:
            if not self._lock.acquire(blocking=False):
                self._defer(lambda _: capacity.end_well(call))
                return
            # The same at once: deferring all, an uncontended call takes 12 % longer (benchmarks calls).
            try:
                capacity.end_well(call)
                if self._queue:
                    self._admit(self._clock())
            finally:
                self._unlock()
            return
        # A cancellation or an interrupt says nothing about the provider.
        refusal = classify_refusal(error) if isinstance(error, Exception) else None
        if refusal is None or refusal.kind is not RefusalKind.RATE_LIMIT:
            self._defer(lambda _: capacity.end())
            return
        retry_after = refusal.retry_after or 0.0
        if retry_after <= LONGEST_COOL_DOWN:
            # Tells a run that the cool-down is taken care of.
            with suppress(Exception):
                error._flowmagic_limit = self.name  # type: ignore[attr-defined]
        else:
            retry_after = 0.0
        self._defer(lambda now: capacity.end_refused(call, now, retry_after))

    def correct(self, call: Call, tokens: float) -> None:
        """Replace the estimated tokens of a call by the true number."""
        self._defer(lambda now: self._capacity.correct(call, now, tokens))

    def _waiting_contexts(self) -> list[Context]:
        """Return the Contexts of the calls that wait, in their order."""
        with self._locked():
            return list(self._queue.values())

    def _check_size(self, tokens: float) -> None:
        pace = self._capacity.token_pace
        if pace is not None and tokens > pace.most:
            of_limit = f" of the limit {self.name!r}" if self.name else ""
            raise LimitError(
                f"A call of {tokens:g} tokens can never begin: tokens_per_minute{of_limit} is "
                f"{pace.most:g}. Make the call smaller, or set tokens_per_minute={tokens:g} or more."
            )

    # The lock, and the operations that were deferred while it was taken.

    @contextmanager
    def _locked(self) -> Iterator[float]:
        """Hold the lock for the block, with the time; then admit those who may begin now."""
        self._lock.acquire()
        try:
            now = self._clock()
            yield now
            self._admit(now)
        finally:
            self._unlock()

    def _unlock(self) -> None:
        self._lock.release()
        if self._deferred:
            self._run_deferred()

    def _defer(self, operation: Callable[[float], object]) -> None:
        """Run an operation under the lock: now if the lock is free, else when it is released."""
        self._deferred.append(operation)
        self._run_deferred()

    def _run_deferred(self) -> None:
        # If the lock is taken, its holder runs them: it looks again after releasing the lock.
        while self._deferred and self._lock.acquire(blocking=False):
            try:
                now = self._clock()
                while self._deferred:
                    self._deferred.popleft()(now)
                if self._queue:
                    self._admit(now)
            finally:
                self._lock.release()

    # What follows runs under the lock, or takes it.

    def _join(self, waiter: _Waiter) -> None:
        with self._locked():
            self._queue[waiter] = copy_context()

    def _recheck(self, waiter: _Waiter) -> None:
        """See whether the first in the queue, whose timer has ended, may begin now."""
        with self._locked():
            waiter.recheck_at = None

    def _begin(self, waiter: _Waiter, since: float) -> Call:
        """Return the call of a waiter that has woken up."""
        with self._locked() as now:
            del self._admitted[waiter]
            return self._capacity.begin(self, now, waiter.tokens, now - since)

    def _admit(self, now: float) -> None:
        """Wake as many waiters as may begin now; set the timer of the next one."""
        queue, admitted, capacity = self._queue, self._admitted, self._capacity
        # If its loop was closed before it woke up, a waiter will not give its slot back itself.
        while admitted and (oldest := next(iter(admitted))).abandoned():
            self._revoke(oldest)
        while queue:
            first = next(iter(queue))
            wait = 0.0 if first.abandoned() else capacity.wait(now, first.tokens)
            if wait == math.inf:
                return
            if wait > 0:
                if first.recheck_at is not None and first.recheck_at <= now + wait:
                    return
                first.recheck_at = now + wait
                if first.recheck_in(wait):
                    return
                continue  # its loop was closed this very moment
            del queue[first]
            if first.abandoned():
                continue
            capacity.take(now, first.tokens)
            admitted[first] = None
            if not first.wake():
                self._revoke(first)

    def _revoke(self, waiter: _Waiter) -> None:
        """Take back the admission of a waiter that will not begin."""
        del self._admitted[waiter]
        self._capacity.give_back(waiter.tokens)

    def _withdraw(self, waiter: _Waiter) -> None:
        """Remove a waiter that was cancelled or interrupted."""
        if waiter in self._queue:
            del self._queue[waiter]
        elif waiter in self._admitted:
            self._revoke(waiter)
