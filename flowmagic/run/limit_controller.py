"""The limits of one run: the only place that knows and changes those in force."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..limits.adaptive import Adaptive, Aimd
from ..limits.limits import By, Limiter, LimitHistory, Limits


class LimitController:
    """Owns the limits of one run: those in force, and those that were requested meanwhile.

    The limits in force are those of `limiter`. They change on the run's loop only. Another thread
    requests other limits, which `limits` shows from then on, and posts `apply_requested` to the loop.

    Args:
        adaptive: how the limit moves by itself; None: it does not.
        clock: returns the run's time, in seconds.
        began: the time at which the run began; the history counts from there.
    """

    def __init__(
        self,
        limits: Limits,
        adaptive: Adaptive | None,
        *,
        clock: Callable[[], float],
        began: float,
    ) -> None:
        self.limiter = Limiter(limits)
        self.history = LimitHistory(limits)
        self.aimd = None if adaptive is None else Aimd(adaptive)
        self._clock = clock
        self._began = began
        self._requested: dict[str, Any] = {}
        """Fields of `Limits` that were requested and are not in force yet."""
        self._lock = threading.Lock()

    @property
    def limits(self) -> Limits:
        """The limits in force, with what was requested since. Readable from any thread."""
        requested = self._requested  # read first: `apply_requested` empties it last
        limits = self.limiter.limits
        return replace(limits, **requested) if requested else limits

    def request(self, **changes: Any) -> None:
        """Request other limits, with the field names of `Limits`. May be called in any thread.

        Raises:
            LimitError (a ValueError): a value is not one that `Limits` accepts; nothing has changed.
        """
        with self._lock:
            replace(self.limits, **changes)
            self._requested = {**self._requested, **changes}

    def apply_requested(self) -> bool:
        """Put the requested limits in force; return whether there were any.

        An adaptive limit continues from the requested one.
        """
        with self._lock:
            changes = self._requested
            if not changes:
                return False
            if self.aimd is not None and "concurrency" in changes:
                self.aimd.change(changes["concurrency"])
            self._put_in_force("user", changes)
            self._requested = {}
        return True

    def adapt(self, limit: int) -> None:
        """Put the limit in force that an adaptive limit has changed to."""
        self._put_in_force("adaptive", {"concurrency": limit})

    def _put_in_force(self, by: By, changes: dict[str, Any]) -> None:
        limits = self.limiter.limits = replace(self.limiter.limits, **changes)
        self.history.note(self._clock() - self._began, limits, by)

    def cool_down(self, seconds: float) -> None:
        """Start nothing for so many seconds; a cool-down under way that ends later stays."""
        self.limiter.cool_down(seconds, self._clock())

    @property
    def cooling(self) -> float:
        """Seconds for which nothing starts because a provider asked to wait; 0 if none did."""
        return self.limiter.cooling(self._clock())
