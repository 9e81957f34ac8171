"""Decides when a panel sends: as soon as it may, always on the kernel's loop.

A panel sends at most 20 times a second, and less often when several panels are live, to leave the page
time for other work.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
import weakref
from collections.abc import Callable
from typing import Any

from ...run.end_waiters import running_loop
from ..shell import find_loop

INTERVAL = 0.05
"""Minimum number of seconds between two ticks of a panel."""

_INTERVAL_PER_PANEL = 0.025  # seconds; keeps all live panels together below 50 ticks a second
_PAUSE = 0.001  # seconds left to other callbacks between two slices of long work

_live: weakref.WeakSet[Ticker] = weakref.WeakSet()


class Ticker:
    """Calls `on_tick` on the kernel's loop after a request, unless the last tick was too recent.

    Any thread may request a tick. Without an open loop, `on_tick` is called at once.

    Attributes:
        on_tick: the callback.
    """

    def __init__(self) -> None:
        self.on_tick: Callable[[], None] = lambda: None
        self._loop = find_loop()
        # Callbacks print where the panel was made, and see the ContextVars that were set there.
        self._context = contextvars.copy_context()
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_at = float("-inf")

    def find_loop(self) -> None:
        """Look for the loop again if there was none."""
        if self._loop is None:
            self._loop = find_loop()

    @property
    def has_loop(self) -> bool:
        """Whether there is an open loop, on which callbacks can run later."""
        return self._open_loop() is not None

    def _open_loop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._loop is None or self._loop.is_closed() else self._loop

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return time.monotonic() if self._loop is None else self._loop.time()

    @property
    def live(self) -> bool:
        """Whether the panel shows a run in progress; live panels share the budget of ticks."""
        return self in _live

    @live.setter
    def live(self, live: bool) -> None:
        if live:
            _live.add(self)
        else:
            _live.discard(self)

    def request_tick(self) -> None:
        """Request a tick; several requests before it are one."""
        loop = self._open_loop()
        if loop is None:
            self._tick()
        elif running_loop() is not loop:
            loop.call_soon_threadsafe(self.request_tick, context=self._context.copy())
        elif self._timer is None:
            interval = max(INTERVAL, _INTERVAL_PER_PANEL * len(_live))
            wait = max(0.0, self._ticked_at + interval - loop.time())
            self._timer = loop.call_later(wait, self._tick, context=self._context.copy())

    def _tick(self) -> None:
        self._timer = None
        self._ticked_at = self.now()
        self.on_tick()

    def call_on_loop(self, callback: Callable[..., None], *args: Any) -> None:
        """Call a function on the loop, from any thread; do nothing if the loop is closed."""
        if self._loop is None:
            callback(*args)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args, context=self._context.copy())

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call a function on the loop after other callbacks have had their turn."""
        loop = self._open_loop()
        if loop is None:
            callback()
        else:
            loop.call_later(_PAUSE, callback)
