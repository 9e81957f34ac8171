"""A timer that can be paused: what is left of the time runs after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class PausableTimer:
    """Calls `callback(*arguments)` when so many seconds have passed, without those of pauses."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        callback: Callable[..., None],
        *arguments: Any,
    ) -> None:
        self._loop = loop
        self._call = callback, *arguments
        self._left = seconds
        self._timer: asyncio.TimerHandle | None = None
        self.resume()

    def pause(self) -> None:
        """Stop the clock, if it runs."""
        if self._timer is not None:
            self._left = self._timer.when() - self._loop.time()
            self.cancel()

    def resume(self) -> None:
        """Let the clock run, if it does not."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._left, *self._call)

    def cancel(self) -> None:
        """Never call the function, unless the clock is resumed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
