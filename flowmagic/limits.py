"""How many instances may run at once, and how many may start in a minute.

`Limits` is what was asked: a value. `Limiter` keeps one run to it, and can be resized while the run
goes on: nothing ever waits on a limiter object that has been replaced.

The pace is a schedule of next starts, not a bucket: a bucket of capacity N lets up to 2 N starts fall
into one window of a minute. Here starts are spread evenly, and those of the last minute are kept, so
that no window of 60 seconds ever holds more than N. A window in which the pace was changed holds no
more than the larger of the two: the new pace is taken up at once, and not after a minute of silence.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from numbers import Real
from typing import Any

from .errors import LimitError, found

WINDOW = 60.0
"""Length, in seconds, of the sliding window that `per_minute` speaks of."""

_CATCH_UP = 0.02
"""How far, in seconds, starts may lag behind the schedule and still catch up.

Timers wake late by about a millisecond; without catching up, that lag adds up to a missed target.
With more than this, a burst after a pause would exceed the fair share noticeably.
"""


@dataclass(frozen=True)
class Limits:
    """What was asked.

    Attributes:
        concurrency: how many instances run at once; a positive integer.
        per_minute: how many instances start within any 60 seconds; a positive number, or None for
            no such limit.

    Raises:
        LimitError (a ValueError): a value is something else.
    """

    concurrency: int = 5
    per_minute: float | None = None

    def __post_init__(self) -> None:
        check_concurrency(self.concurrency)
        check_per_minute(self.per_minute)


def check_concurrency(value: Any, name: str = "limit") -> int:
    """Return `value` if it is a positive integer; else raise LimitError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        hint = "To hold a run, call run.pause()." if value == 0 else f"Write for example {name}=5."
        raise LimitError(f"{name} is {found(value)}, not a positive integer. {hint}")
    return value


def check_per_minute(value: Any, name: str = "per_minute") -> float | None:
    """Return `value` if it is None or a positive, finite number; else raise LimitError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise LimitError(
            f"{name} is {found(value)}, not a positive number. "
            f"Write for example {name}=60, or {name}=None for no such limit."
        )
    return value  # type: ignore[return-value]


class Limiter:
    """Keeps one run to its limits.

    Not a lock: the one that starts instances asks `admit`, and is told how long to wait.
    All times are in seconds of the run's clock.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.running = 0
        """Slots taken now."""
        self._last = self._next = -math.inf
        self._starts: deque[float] = deque()
        """When instances began, while there was a pace to keep; those of the last window at least."""
        self._admitted = 0
        """How many were let in at a pace and have not begun yet: each begins a little later."""
        self._ceiling = 0
        self._ceiling_until = -math.inf

    @property
    def limits(self) -> Limits:
        """The limits in force; assign new ones to resize, at any time."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        old, self._limits = self._limits, limits
        if limits.per_minute == old.per_minute:
            return
        if old.per_minute is not None:
            self._ceiling = self._most(old.per_minute, self._last)
            self._ceiling_until = self._last + WINDOW
        # The new pace counts from the last start: neither a wait left over from a slower pace nor a
        # burst at once.
        self._next = self._last + self._interval()

    @property
    def paced(self) -> bool:
        """Whether there is a pace to keep, so that `begin` must be called."""
        return self._limits.per_minute is not None

    def _most(self, per_minute: float, now: float) -> int:
        """Return how many starts the window that ends now may hold."""
        most = max(1, int(per_minute))
        return most if now >= self._ceiling_until else max(most, self._ceiling)

    def _interval(self) -> float:
        per_minute = self._limits.per_minute
        return 0.0 if per_minute is None else WINDOW / per_minute

    def admit(self, now: float, *, holding: bool = False) -> float:
        """Take a slot and return 0.0; or take none and return the seconds until asking is worth it.

        The answer is `math.inf` while all slots are taken: ask again after a release or a resize.
        With `holding`, the slot of an instance that has ended goes to the next one.
        """
        limits = self._limits
        if self.running - holding >= limits.concurrency:
            return math.inf
        if limits.per_minute is not None:
            wait = self._pace(limits.per_minute, now)
            if wait > 0:
                return wait
            self._admitted += 1
        self._last = now
        if not holding:
            self.running += 1
        return 0.0

    def _pace(self, per_minute: float, now: float) -> float:
        starts = self._starts
        while starts and starts[0] + WINDOW <= now:
            starts.popleft()
        interval = WINDOW / per_minute
        due = self._next
        room = self._most(per_minute, now) - self._admitted
        if room <= 0:
            due = max(due, now + interval)
        elif len(starts) >= room:
            due = max(due, starts[len(starts) - room] + WINDOW)
        if due > now:
            return due - now
        self._next = max(self._next, now - _CATCH_UP) + interval
        return 0.0

    def begin(self, now: float) -> None:
        """Note that one of the admitted begins now: a busy loop may have kept it waiting."""
        self._last = now
        self._starts.append(now)
        self.forgo()

    def forgo(self) -> None:
        """Note that one of the admitted will not begin after all."""
        self._admitted = max(0, self._admitted - 1)

    def release(self) -> None:
        """Give a slot back."""
        self.running -= 1
