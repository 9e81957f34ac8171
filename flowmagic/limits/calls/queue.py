"""The queue in which calls wait until their limit lets them in.

First come, first served: only the head is ever let in, so that a small call never overtakes a large
one. The slot and the pace are taken together, by whoever finds that both are free, under one lock
that is held for microseconds; nobody who still waits holds a slot. The head looks by itself, by a
timer of its own loop or thread, when time alone will let it in.

What leaves may do so anywhere, also where the garbage collector closes a coroutine in the midst of
this very code. Leaving therefore never waits for the lock: it is noted, and whoever holds the lock
sees to it before going on.
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
from typing import Any

from ...errors import LimitError
from ..adaptive import Aimd
from ..pace import WINDOW, Pace
from ..refusals import LONGEST_COOL_DOWN, RefusalKind, classify_refusal
from .call import Call
from .meter import Meter
from .waiters import LoopCaller, ThreadCaller

_Caller = LoopCaller | ThreadCaller


_all: weakref.WeakSet[CallQueue] = weakref.WeakSet()


def _begin_in_child() -> None:
    for each in list(_all):
        each._forget_others()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_begin_in_child)


class CallQueue:
    """Lets calls in, one after the other, as slots, paces and cool-downs allow."""

    _clock = staticmethod(time.monotonic)
    _block = staticmethod(threading.Event.wait)

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._queue: OrderedDict[_Caller, None] = OrderedDict()
        self._granted: OrderedDict[_Caller, None] = OrderedDict()
        """Let in, and not awake yet."""
        self._noted: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        """What is still to be done under the lock: an act, and its arguments but for the time."""
        self._most: float = math.inf
        """How many slots there are."""
        self._running = self._calls = self._refused = 0
        self._aimd: Aimd | None = None
        self._pace: Pace | None = None
        self._token_pace: Pace | None = None
        self._burst: int = 1
        self._window: float = WINDOW
        self._began = self._cool_until = -math.inf
        self._plain = True
        """Whether only the slots count: no pace, and no cool-down under way."""
        self._call_meter, self._token_meter = Meter(), Meter()
        _all.add(self)

    def _forget_others(self) -> None:
        """Begin anew in a process that was forked: who was inside or waited is in the other one."""
        self._lock = threading.Lock()
        self._queue.clear()
        self._granted.clear()
        self._noted.clear()
        self._running = 0

    def enter(self, tokens: float) -> Call | None:
        """Let a call in if it can begin now and nobody waits; else return None.

        Raises:
            LimitError: it is larger than what may ever begin.
        """
        if tokens:
            self._check_size(tokens)
        self._lock.acquire()
        try:
            if self._queue or self._running >= self._most:
                return None
            now = self._clock()
            if not self._plain:
                if self._wait(now, tokens) > 0:
                    return None
                self._take(now, tokens)
                return self._begin(now, tokens, 0.0)
            self._running += 1
            return self._begin_plainly(now, tokens, 0.0)
        finally:
            self._unlock()

    async def wait_in_loop(self, tokens: float) -> Call:
        """Wait in the queue, as a task; return the call when it may begin."""
        asked, caller = self._clock(), LoopCaller(tokens, self._look)
        try:
            self._join(caller)
            await caller.wait()
            return self._awake(caller, asked)
        except BaseException:
            self._note(self._give_up, caller)
            raise

    def wait_in_thread(self, tokens: float) -> Call:
        """Wait in the queue, as a thread; return the call when it may begin."""
        asked, caller = self._clock(), ThreadCaller(tokens, self._look, self._block)
        try:
            self._join(caller)
            caller.wait()
            return self._awake(caller, asked)
        except BaseException:
            self._note(self._give_up, caller)
            raise

    def leave(self, call: Call, error: BaseException | None) -> None:
        """Note that a call has ended, and by what error if by one."""
        if error is None:
            if self._aimd is not None or not self._lock.acquire(blocking=False):
                self._note(self._end_well, call)
                return
            try:
                self._running -= 1
                if self._queue:
                    self._serve(self._clock())
            finally:
                self._unlock()
            return
        # How a cancellation or an interrupt ended a call says nothing about the provider.
        refusal = classify_refusal(error) if isinstance(error, Exception) else None
        if refusal is None or refusal.kind is not RefusalKind.RATE_LIMIT:
            self._note(self._end, call)
            return
        retry_after = refusal.retry_after or 0.0
        if retry_after <= LONGEST_COOL_DOWN:
            # Tells a run that it need not wait too.
            with suppress(Exception):
                error._flowmagic_limit = self.name  # type: ignore[attr-defined]
        else:
            retry_after = 0.0
        self._note(self._end_refused, call, retry_after)

    def correct(self, call: Call, tokens: float) -> None:
        """Set how many tokens a call really used."""
        self._note(self._correct, call, tokens)

    def _check_size(self, tokens: float) -> None:
        pace = self._token_pace
        if pace is not None and tokens > pace.most:
            whose = f" of the limit {self.name!r}" if self.name else ""
            raise LimitError(
                f"A call of {tokens:g} tokens can never begin: tokens_per_minute{whose} is "
                f"{pace.most:g}. Make the call smaller, or set tokens_per_minute={tokens:g} or more."
            )

    # The lock, and what was noted while somebody else held it.

    @contextmanager
    def _locked(self) -> Iterator[float]:
        """Hold the lock; then let in whom what was done lets in."""
        self._lock.acquire()
        try:
            now = self._clock()
            yield now
            self._serve(now)
        finally:
            self._unlock()

    def _unlock(self) -> None:
        self._lock.release()
        if self._noted:
            self._see_to_noted()

    def _note(self, act: Callable[..., None], *args: Any) -> None:
        self._noted.append((act, args))
        self._see_to_noted()

    def _see_to_noted(self) -> None:
        # Who fails to get the lock leaves it to its holder, who looks again after releasing it.
        while self._noted and self._lock.acquire(blocking=False):
            try:
                now = self._clock()
                while self._noted:
                    act, args = self._noted.popleft()
                    act(now, *args)
                if self._queue:
                    self._serve(now)
            finally:
                self._lock.release()

    # All below: under the lock.

    def _wait(self, now: float, tokens: float) -> float:
        """Return for how many seconds a call has to wait; inf: until something else happens."""
        if self._running >= self._most:
            return math.inf
        if self._plain:
            return 0.0
        wait = max(0.0, self._cool_until - now)
        if self._pace is not None:
            wait = max(wait, self._pace.wait(now))
        if self._token_pace is not None:
            wait = max(wait, self._token_pace.wait(now, tokens))
        self._plain = wait == 0 and self._pace is None and self._token_pace is None
        return wait

    def _take(self, now: float, tokens: float) -> None:
        self._running += 1
        if self._pace is not None:
            self._pace.take(now)
        if self._token_pace is not None:
            self._token_pace.take(now, tokens)

    def _begin_plainly(self, now: float, tokens: float, waited: float) -> Call:
        self._calls += 1
        self._began = now
        self._call_meter.add(now)
        if tokens:
            self._token_meter.add(now, tokens)
        return Call(self, tokens, now, waited)

    def _begin(self, now: float, tokens: float, waited: float) -> Call:
        call = self._begin_plainly(now, tokens, waited)
        if self._pace is not None:
            self._pace.begin(now)
        if self._token_pace is not None:
            call.pace = self._token_pace
            call.entry = self._token_pace.begin(now, tokens)
        return call

    def _give_back(self, caller: _Caller) -> None:
        """Take back what was granted to one who will not begin."""
        del self._granted[caller]
        self._running -= 1
        if self._pace is not None:
            self._pace.forgo()
        if self._token_pace is not None:
            self._token_pace.forgo(caller.tokens)

    def _join(self, caller: _Caller) -> None:
        with self._locked():
            self._queue[caller] = None

    def _look(self, caller: _Caller) -> None:
        """See whether the wait of the head is over: its timer says so."""
        with self._locked():
            caller.due = None

    def _awake(self, caller: _Caller, asked: float) -> Call:
        with self._locked() as now:
            del self._granted[caller]
            return self._begin(now, caller.tokens, now - asked)

    def _serve(self, now: float) -> None:
        """Let in as many as may begin, and have the next one look when its time comes."""
        queue, granted = self._queue, self._granted
        # Whose loop was closed between its grant and its awakening will not give the slot back.
        while granted and (first := next(iter(granted))).lost():
            self._give_back(first)
        while queue:
            head = next(iter(queue))
            wait = 0.0 if head.lost() else self._wait(now, head.tokens)
            if wait == math.inf:
                return
            if wait > 0:
                if head.due is not None and head.due <= now + wait:
                    return
                head.due = now + wait
                if head.nudge(wait):
                    return
                continue  # lost this very moment
            del queue[head]
            if head.lost():
                continue
            self._take(now, head.tokens)
            granted[head] = None
            if not head.wake():
                self._give_back(head)

    def _end(self, now: float, call: Call) -> None:  # noqa: ARG002 - noted acts look alike
        self._running -= 1

    def _end_well(self, now: float, call: Call) -> None:  # noqa: ARG002
        self._running -= 1
        if self._aimd is not None and self._aimd.succeeded(call.began):
            self._most = self._aimd.limit

    def _end_refused(self, now: float, call: Call, retry_after: float) -> None:
        self._running -= 1
        self._refused += 1
        if self._aimd is not None and self._aimd.refused(call.began, now):
            self._most = self._aimd.limit
        if retry_after > 0:
            self._cool_until = max(self._cool_until, now + retry_after)
            self._plain = False

    def _give_up(self, now: float, caller: _Caller) -> None:  # noqa: ARG002
        if caller in self._queue:
            del self._queue[caller]
        elif caller in self._granted:
            self._give_back(caller)

    def _correct(self, now: float, call: Call, tokens: float) -> None:
        if call.pace is not None and call.entry is not None:
            call.pace.correct(call.entry, tokens, now)
        self._token_meter.add(call.began, tokens - call.tokens)
        call.tokens = tokens
