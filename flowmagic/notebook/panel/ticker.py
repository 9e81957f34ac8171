"""When a panel sends: as soon as it may, on the kernel's loop, from whatever thread that is asked.

At most 20 times a second, and fewer when several panels are live: the page has other things to do.
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
"""Seconds between two beats of a panel, at least."""

_SHARE = 0.025  # ditto, times the number of live panels: all together stay under 50 a second
_BREATH = 0.001  # seconds that other things have between two slices of what takes its time

_live: weakref.WeakSet[Ticker] = weakref.WeakSet()


class Ticker:
    """Beats when it was asked to and the last beat is long enough ago.

    Attributes:
        beat: what is called then, on the loop; where there is none, or no more, at once.
    """

    def __init__(self) -> None:
        self.beat: Callable[[], None] = lambda: None
        self._loop = find_loop()
        # What is started from here prints where the panel was made, and sees the ContextVars set there.
        self._context = contextvars.copy_context()
        self._timer: asyncio.TimerHandle | None = None
        self._beat_at = float("-inf")

    def find_loop(self) -> None:
        """Look for the loop again, if there was none."""
        if self._loop is None:
            self._loop = find_loop()

    @property
    def goes_on(self) -> bool:
        """Whether there is a loop on which something can happen later."""
        return self._open_loop() is not None

    def _open_loop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._loop is None or self._loop.is_closed() else self._loop

    def now(self) -> float:
        """Return the time of the loop, in seconds."""
        return time.monotonic() if self._loop is None else self._loop.time()

    @property
    def live(self) -> bool:
        """Whether it beats for a run that goes on; the live ones share what may be sent."""
        return self in _live

    @live.setter
    def live(self, live: bool) -> None:
        if live:
            _live.add(self)
        else:
            _live.discard(self)

    def ask(self) -> None:
        """Ask for a beat."""
        loop = self._open_loop()
        if loop is None:
            self._call()
        elif running_loop() is not loop:
            loop.call_soon_threadsafe(self.ask, context=self._context.copy())
        elif self._timer is None:
            interval = max(INTERVAL, _SHARE * len(_live))
            wait = max(0.0, self._beat_at + interval - loop.time())
            self._timer = loop.call_later(wait, self._call, context=self._context.copy())

    def _call(self) -> None:
        self._timer = None
        self._beat_at = self.now()
        self.beat()

    def post(self, act: Callable[..., None], *args: Any) -> None:
        """Have something done on the loop; nothing, if that is closed."""
        if self._loop is None:
            act(*args)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *args, context=self._context.copy())

    def soon(self, step: Callable[[], None]) -> None:
        """Go on with what takes its time when the loop has done other things."""
        loop = self._open_loop()
        if loop is None:
            step()
        else:
            loop.call_later(_BREATH, step)
