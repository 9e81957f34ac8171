"""How many instances may run at once, and how many may start in a minute.

`Limits` holds the settings; `Limiter` enforces them in one run. New limits are assigned to the
limiter of a running run, which is never replaced, so that nothing waits on an old one. `LimitHistory`
keeps which limits were in force since when.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, TypeGuard

from ..errors import LimitError, describe
from .pace import Pace


@dataclass(frozen=True)
class Limits:
    """The limits of a run.

    Attributes:
        concurrency: how many instances run at once; a positive integer.
        per_minute: how many instances start within any 60 seconds; a positive number, or None for
            no such limit.
        burst: how many of them may start at once after an idle time, before the starts are spread
            evenly; a positive integer, without effect if `per_minute` is None.

    Raises:
        LimitError (a ValueError): a value is not what it should be.
    """

    concurrency: int = 5
    per_minute: float | None = None
    burst: int = 1

    def __post_init__(self) -> None:
        check_concurrency(self.concurrency)
        # The journal can only store plain numbers, not a Fraction or one of numpy's.
        object.__setattr__(self, "per_minute", check_per_minute(self.per_minute))
        check_burst(self.burst)


def check_concurrency(value: Any, name: str = "limit") -> int:
    """Return `value` if it is a positive integer; else raise LimitError."""
    if not is_positive_integer(value):
        paused = value == 0 and name == "limit"
        hint = "To hold a run, call run.pause()." if paused else f"Write for example {name}=5."
        raise LimitError(f"{name} is {describe(value)}, not a positive integer. {hint}")
    return value


def check_per_minute(value: Any, name: str = "per_minute") -> float | None:
    """Return `value` as a plain number if it is positive and finite, or None; else raise LimitError."""
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
    """Return a finite real number as an int or a float; None for anything else, also for a bool."""
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
    """Whether `value` is a positive integer, and not True."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


class Limiter:
    """Enforces the limits of one run.

    It is not a lock and never blocks: `admit` takes a slot, or returns how long to wait for one.
    All times are in seconds of the run's clock.
    """

    def __init__(self, limits: Limits) -> None:
        self.running = 0
        """Slots in use."""
        self.concurrency = limits.concurrency
        """Slots in all; set by `limits`."""
        self.plain = limits.per_minute is None
        """Whether nothing but the slots limits starts: neither a pace nor a cool-down."""
        self._limits = limits
        self._last = self._cool_until = -math.inf
        self._pace: Pace | None = None
        self._set_pace(limits)

    @property
    def limits(self) -> Limits:
        """The limits in force; new ones may be assigned at any time, and act at once."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        old, self._limits = self._limits, limits
        self.concurrency = limits.concurrency
        if (limits.per_minute, limits.burst) != (old.per_minute, old.burst):
            self._set_pace(limits)

    def _set_pace(self, limits: Limits) -> None:
        if limits.per_minute is None:
            self._pace = None  # the next `admit` sets `plain`, unless a cool-down is on
            return
        self.plain = False
        if self._pace is None:
            self._pace = Pace(limits.per_minute, burst=limits.burst, last=self._last)
        else:
            self._pace.change(limits.per_minute, burst=limits.burst)

    def admit(self, now: float, *, holding: bool = False) -> float:
        """Take a slot and return 0.0; or return how many seconds to wait before the next try.

        It returns `math.inf` while all slots are in use: try again after a release or new limits.
        With `holding`, the caller keeps the slot of an instance that has ended for the next one.
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
        """Record that an admitted instance begins now, which a busy loop may have delayed."""
        self._last = now
        if self._pace is not None:
            self._pace.begin(now)

    def forgo(self) -> None:
        """Record that an admitted instance will not begin after all."""
        if self._pace is not None:
            self._pace.forgo()

    def release(self) -> None:
        """Give a slot back."""
        self.running -= 1

    def cool_down(self, seconds: float, now: float) -> None:
        """Admit nothing for that many seconds, or longer if an earlier cool-down ends later."""
        if now + seconds > max(now, self._cool_until):
            self._cool_until = now + seconds
            self.plain = False

    def cooling(self, now: float) -> float:
        """Return how many seconds of a cool-down are left; 0.0 if there is none."""
        return max(0.0, self._cool_until - now)


MOST_LIMIT_CHANGES = 1_000
"""How many changes after the start are kept, the latest; an adaptive limit may move for hours."""

By = Literal["start", "user", "adaptive"]


class LimitChange(NamedTuple):
    """Limits that came into force.

    Attributes:
        seconds: when, in seconds since the run began.
        limit: how many instances run at once from then on.
        per_minute: how many may start within any 60 seconds; None: no such limit.
        by: who set them: "start", "user" or "adaptive".
    """

    seconds: float
    limit: int
    per_minute: float | None
    by: By


class LimitHistory:
    """The limits at the start of a run, and the latest changes."""

    def __init__(self, limits: Limits) -> None:
        self._start = LimitChange(0.0, limits.concurrency, limits.per_minute, "start")
        self._later: deque[LimitChange] = deque(maxlen=MOST_LIMIT_CHANGES)

    def note(self, seconds: float, limits: Limits, by: By) -> None:
        """Record the limits in force from now on, if they differ from the last ones."""
        last = self._later[-1] if self._later else self._start
        if (last.limit, last.per_minute) != (limits.concurrency, limits.per_minute):
            self._later.append(LimitChange(seconds, limits.concurrency, limits.per_minute, by))

    def kept(self) -> list[LimitChange]:
        """Return the limits at the start and the latest changes, in order of time."""
        # Copied, since another thread may call this: a deque that grows cannot be iterated.
        return [self._start, *self._later.copy()]
