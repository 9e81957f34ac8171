"""How many instances may run at once, and how many may start in a minute.

`Limits` is what was asked: a value. `Limiter` keeps one run to it, and can be resized while the run
goes on: nothing ever waits on a limiter object that has been replaced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeGuard

from ..errors import LimitError, describe
from .pace import WINDOW, Pace

__all__ = ["WINDOW", "Limiter", "Limits", "check_burst", "check_concurrency", "check_per_minute"]


@dataclass(frozen=True)
class Limits:
    """What was asked.

    Attributes:
        concurrency: how many instances run at once; a positive integer.
        per_minute: how many instances start within any 60 seconds; a positive number, or None for
            no such limit.
        burst: how many of these may start at once after a time of idleness, before they are spread
            evenly; a positive integer. It counts only with `per_minute`.

    Raises:
        LimitError (a ValueError): a value is something else.
    """

    concurrency: int = 5
    per_minute: float | None = None
    burst: int = 1

    def __post_init__(self) -> None:
        check_concurrency(self.concurrency)
        # A Fraction, or a number of numpy's: what writes the limits down knows plain ones only.
        object.__setattr__(self, "per_minute", check_per_minute(self.per_minute))
        check_burst(self.burst)


def check_concurrency(value: Any, name: str = "limit") -> int:
    """Return `value` if it is a positive integer; else raise LimitError."""
    if not is_positive_integer(value):
        hint = "To hold a run, call run.pause()." if value == 0 else f"Write for example {name}=5."
        raise LimitError(f"{name} is {describe(value)}, not a positive integer. {hint}")
    return value


def check_per_minute(value: Any, name: str = "per_minute") -> float | None:
    """Return `value` as a plain number if it is None or a positive, finite one; else raise LimitError."""
    if value is None:
        return None
    number = plain_number(value)
    if number is None or number <= 0:
        raise LimitError(
            f"{name} is {describe(value)}, not a positive number. "
            f"Write for example {name}=60, or {name}=None for no such limit."
        )
    return number


def check_burst(value: Any, name: str = "burst") -> int:
    """Return `value` if it is a positive integer; else raise LimitError."""
    if not is_positive_integer(value):
        raise LimitError(
            f"{name} is {describe(value)}, not a positive integer. "
            f"Write for example {name}=10, or {name}=1 to spread all starts evenly."
        )
    return value


def check_seconds(value: Any, name: str, example: int = 30) -> float:
    """Return `value` if it is a positive, finite number of seconds; else raise LimitError."""
    number = plain_number(value)
    if number is None or number <= 0:
        raise LimitError(
            f"{name} is {describe(value)}, not a positive number of seconds. "
            f"Write for example {name}={example}."
        )
    return float(number)


def plain_number(value: Any) -> float | None:
    """Return a finite real number as an int or a float; None for anything else, and for a bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:  # an int that is larger than any float
        return None
    if not math.isfinite(number):
        return None
    return int(value) if isinstance(value, Integral) else number


def is_positive_integer(value: Any) -> TypeGuard[int]:
    """Whether `value` is a positive integer; True is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


class Limiter:
    """Keeps one run to its limits.

    Not a lock: the one that starts instances asks `admit`, and is told how long to wait.
    All times are in seconds of the run's clock.
    """

    def __init__(self, limits: Limits) -> None:
        self.running = 0
        """Slots taken now."""
        self.concurrency = limits.concurrency
        """How many slots there are; set by `limits`."""
        self.plain = limits.per_minute is None
        """Whether only the slots count: no pace, and no cool-down under way."""
        self._limits = limits
        self._last = self._cool_until = -math.inf
        self._pace: Pace | None = None
        self._set_pace(limits)

    @property
    def limits(self) -> Limits:
        """The limits in force; assign new ones to resize, at any time."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        old, self._limits = self._limits, limits
        self.concurrency = limits.concurrency
        if (limits.per_minute, limits.burst) != (old.per_minute, old.burst):
            self._set_pace(limits)

    def _set_pace(self, limits: Limits) -> None:
        if limits.per_minute is None:
            # Whether a cool-down is still under way, the next `admit` finds out.
            self._pace = None
            return
        self.plain = False
        if self._pace is None:
            self._pace = Pace(limits.per_minute, burst=limits.burst, last=self._last)
        else:
            self._pace.change(limits.per_minute, burst=limits.burst)

    @property
    def paced(self) -> bool:
        """Whether there is a pace to keep, so that `begin` must be called."""
        return self._pace is not None

    def admit(self, now: float, *, holding: bool = False) -> float:
        """Take a slot and return 0.0; or take none and return the seconds until asking is worth it.

        The answer is `math.inf` while all slots are taken: ask again after a release or a resize.
        With `holding`, the slot of an instance that has ended goes to the next one.
        """
        if self.running - holding >= self.concurrency:
            return math.inf
        if not self.plain:
            if now < self._cool_until:
                return self._cool_until - now
            if self._pace is None:
                self.plain = True
            elif wait := self._pace.admit(now):
                return wait
        self._last = now
        if not holding:
            self.running += 1
        return 0.0

    def begin(self, now: float) -> None:
        """Note that one of the admitted begins now: a busy loop may have kept it waiting."""
        self._last = now
        if self._pace is not None:
            self._pace.begin(now)

    def forgo(self) -> None:
        """Note that one of the admitted will not begin after all."""
        if self._pace is not None:
            self._pace.forgo()

    def release(self) -> None:
        """Give a slot back."""
        self.running -= 1

    def cool_down(self, seconds: float, now: float) -> None:
        """Admit nothing for so many seconds; a cool-down under way that ends later goes on."""
        if now + seconds > max(now, self._cool_until):
            self._cool_until = now + seconds
            self.plain = False

    def cooling(self, now: float) -> float:
        """Return how many seconds of a cool-down are left; 0.0 if none is under way."""
        return max(0.0, self._cool_until - now)
