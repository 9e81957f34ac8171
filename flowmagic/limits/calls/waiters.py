"""A task or a thread that waits in the queue of a call limit.

Both kinds have the same methods. `wait` is called by the waiter itself and blocks it; all others are
called under the lock of the limit, from any thread, and return at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class LoopWaiter:
    """A task that waits, without blocking its event loop.

    Args:
        recheck: called in the event loop when the time that `recheck_in` sets is over.
    """

    def __init__(self, tokens: float, recheck: Callable[[LoopWaiter], None]) -> None:
        self.tokens = tokens
        self.recheck_at: float | None = None
        """When it calls `recheck`; None: not before someone wakes it or sets a time."""
        self._recheck = recheck
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self) -> None:
        """Wait until it is woken."""
        try:
            await self._woken
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def abandoned(self) -> bool:
        """Whether it can never run again, because its event loop is closed."""
        return self._loop.is_closed()

    def wake(self) -> bool:
        """End the wait; return False if its event loop is closed."""
        return self._in_loop(self._set_woken)

    def recheck_in(self, seconds: float) -> bool:
        """Have it call `recheck` in that many seconds; return False if its event loop is closed."""
        return self._in_loop(self._set_timer, seconds)

    def _in_loop(self, function: Callable[..., None], *args: float) -> bool:
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            function(*args)
            return True
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # closed
            return False
        return True

    def _set_woken(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._woken.done():
            self._timer = self._loop.call_later(seconds, self._recheck, self)


class ThreadWaiter:
    """A thread that waits, blocked.

    Args:
        recheck: called in the thread when the time that `recheck_in` sets is over.
        block: waits for an event, for that many seconds at most.
    """

    def __init__(
        self,
        tokens: float,
        recheck: Callable[[ThreadWaiter], None],
        block: Callable[[threading.Event, float | None], object],
    ) -> None:
        self.tokens = tokens
        self.recheck_at: float | None = None
        self._recheck = recheck
        self._block = block
        self._thread = threading.get_ident()
        self._seconds: float | None = None
        self._awake = False
        self._event = threading.Event()

    def wait(self) -> None:
        """Block until it is woken."""
        while not self._awake:
            self._block(self._event, self._seconds)
            # Cleared before `_awake` is read, so that a `wake` in between is not lost.
            self._event.clear()
            self._seconds = None
            if not self._awake:
                self._recheck(self)

    def abandoned(self) -> bool:
        """Return False: a thread can always go on."""
        return False

    def wake(self) -> bool:
        """End the wait; return True."""
        self._awake = True
        self._event.set()
        return True

    def recheck_in(self, seconds: float) -> bool:
        """Have it call `recheck` in that many seconds; return True."""
        if threading.get_ident() == self._thread:
            self._seconds = seconds
        else:
            self._event.set()  # it rechecks at once, and sets its time itself
        return True
