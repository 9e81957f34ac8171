"""Those who wait at a call limit: a task of some loop, or a thread.

A caller is queued, woken and nudged under the lock of its limit, from any thread; it waits in its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class LoopCaller:
    """A task that waits on its loop.

    Args:
        tokens: how many its call is going to use.
        look: to be called, in the loop, when the wait may be over.
    """

    def __init__(self, tokens: float, look: Callable[[LoopCaller], None]) -> None:
        self.tokens = tokens
        self.due: float | None = None
        """When it is going to look by itself whether the wait is over."""
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self) -> None:
        """Wait to be woken."""
        try:
            await self._woken
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def lost(self) -> bool:
        """Whether it can never go on."""
        return self._loop.is_closed()

    def wake(self) -> bool:
        """End the wait; return whether that could be told."""
        return self._tell(self._wake)

    def nudge(self, seconds: float) -> bool:
        """Have it look after so many seconds; return whether that could be told."""
        return self._tell(self._set_timer, seconds)

    def _tell(self, act: Callable[..., None], *args: float) -> bool:
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            act(*args)
            return True
        try:
            self._loop.call_soon_threadsafe(act, *args)
        except RuntimeError:  # closed
            return False
        return True

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._woken.done():
            self._timer = self._loop.call_later(seconds, self._look, self)


class ThreadCaller:
    """A thread that waits and does nothing else.

    Args:
        tokens: how many its call is going to use.
        look: to be called when the wait may be over.
        block: waits for an event, for so many seconds at most.
    """

    def __init__(
        self,
        tokens: float,
        look: Callable[[ThreadCaller], None],
        block: Callable[[threading.Event, float | None], object],
    ) -> None:
        self.tokens = tokens
        self.due: float | None = None
        self._look = look
        self._block = block
        self._thread = threading.get_ident()
        self._seconds: float | None = None
        self._awake = False
        self._event = threading.Event()

    def wait(self) -> None:
        """Wait to be woken."""
        while not self._awake:
            self._block(self._event, self._seconds)
            # Cleared before the look at `_awake`: what wakes it in between is not lost.
            self._event.clear()
            self._seconds = None
            if not self._awake:
                self._look(self)

    def lost(self) -> bool:
        """Whether it can never go on."""
        return False

    def wake(self) -> bool:
        """End the wait."""
        self._awake = True
        self._event.set()
        return True

    def nudge(self, seconds: float) -> bool:
        """Have it look after so many seconds."""
        if threading.get_ident() == self._thread:
            self._seconds = seconds
        else:
            self._event.set()  # it looks at once, and finds out how long
        return True
