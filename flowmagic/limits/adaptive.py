"""A limit that finds its own value: it rises while calls succeed, and halves when one is refused.

This is additive increase, multiplicative decrease (AIMD), the scheme of TCP's congestion control.
`Adaptive` holds the settings; `Aimd` is the limit that moves.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from ..errors import LimitError, describe
from .limits import check_concurrency, is_positive_integer

_EXAMPLE = 'Write for example adaptive="2-10-50": from 2 to 50, beginning with 10.'
_PARTS = 3
_DIGITS = re.compile("[0-9]{1,18}")


@dataclass(frozen=True)
class Adaptive:
    """The bounds of an adaptive limit, and how far it moves at a time.

    Attributes:
        minimum: the lowest value of the limit; a positive integer.
        start: its first value; a positive integer.
        maximum: its highest value; a positive integer.
        backoff: a refusal multiplies the limit by this; a number between 0 and 1.
        threshold: the limit rises after this many successes in a row; None: after as many as the
            limit itself, which is one round.
        growth: a rise multiplies the limit by this, a number above 1; None: a rise adds 1.

    Raises:
        LimitError (a ValueError): a value is not what it should be, or
            minimum <= start <= maximum does not hold.
    """

    minimum: int
    start: int
    maximum: int
    backoff: float = 0.5
    threshold: int | None = None
    growth: float | None = None

    def __post_init__(self) -> None:
        for name in ("minimum", "start", "maximum"):
            if not is_positive_integer(value := getattr(self, name)):
                raise LimitError(
                    f"{name} of an adaptive limit is {describe(value)}, not a positive integer. {_EXAMPLE}"
                )
        if not self.minimum <= self.start <= self.maximum:
            low, middle, high = sorted((self.minimum, self.start, self.maximum))
            raise LimitError(
                f"An adaptive limit goes from minimum over start to maximum, but {self} is not in "
                f'that order. Write for example adaptive="{low}-{middle}-{high}".'
            )
        check_backoff(self.backoff)
        check_threshold(self.threshold)
        check_growth(self.growth)

    @classmethod
    def parse(cls, value: Any) -> Adaptive:
        """Read `value`: the text "2-10-50", a tuple or list of three numbers, or an Adaptive.

        Raises:
            LimitError: `value` is none of these.
        """
        if isinstance(value, cls):
            return value
        parts: list[Any] = []
        if isinstance(value, str):
            parts = [part.strip() for part in value.split("-")]
            parts = [int(part) for part in parts if _DIGITS.fullmatch(part)]
            if len(parts) != value.count("-") + 1:
                parts = []
        elif isinstance(value, (tuple, list)):
            parts = list(value)
        if len(parts) != _PARTS:
            raise LimitError(
                f"adaptive is {describe(value)}, not minimum, start and maximum. {_EXAMPLE}"
            )
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.minimum}-{self.start}-{self.maximum}"


def check_backoff(value: Any, name: str = "backoff") -> None:
    """Raise LimitError unless `value` is a number between 0 and 1."""
    if not _is_number(value) or not 0 < value < 1:
        raise LimitError(
            f"{name} is {describe(value)}, not a number between 0 and 1. "
            f"Write for example {name}=0.5, which halves the limit."
        )


def check_threshold(value: Any, name: str = "threshold") -> None:
    """Raise LimitError unless `value` is a positive integer or None."""
    if value is not None and not is_positive_integer(value):
        raise LimitError(
            f"{name} is {describe(value)}, not a positive integer. Write for example "
            f"{name}=10, or {name}=None for as many successes as the limit in force."
        )


def check_growth(value: Any, name: str = "growth") -> None:
    """Raise LimitError unless `value` is a finite number above 1 or None."""
    if value is not None and not (_is_number(value) and 1 < value < math.inf):
        raise LimitError(
            f"{name} is {describe(value)}, not a number above 1. "
            f"Write for example {name}=1.5, or {name}=None to raise by 1."
        )


class Aimd:
    """An adaptive limit in force.

    Several refusals of the same congestion lower the limit only once: whatever began before the
    limit was last lowered, be it refused or successful, moves it no further. TCP does the same: it
    halves its window once for all losses of one flight (RFC 5681, section 3.1).

    All times are seconds of one clock.
    """

    def __init__(self, adaptive: Adaptive) -> None:
        self.adaptive = adaptive
        self.reset()

    def reset(self) -> None:
        """Set the limit back to its start, and all counts to zero."""
        self.limit = self.adaptive.start
        self.rate_limits = 0
        """Refusals so far."""
        self.successes = 0
        """Successes so far."""
        self.in_a_row = 0
        """Successes since the limit last moved or was refused."""
        self._lowered_at = -math.inf

    def succeeded(self, began: float) -> bool:
        """Count a success of what began at `began`; return whether the limit rose."""
        self.successes += 1
        if began <= self._lowered_at:
            return False
        self.in_a_row += 1
        limit, adaptive = self.limit, self.adaptive
        if self.in_a_row < (adaptive.threshold or limit):
            return False
        self.in_a_row = 0
        raised = limit + 1
        if adaptive.growth is not None:
            raised = max(raised, int(limit * adaptive.growth))
        self.limit = min(raised, adaptive.maximum)
        return self.limit != limit

    def refused(self, began: float, now: float) -> bool:
        """Count a refusal of what began at `began`; return whether the limit fell."""
        self.rate_limits += 1
        if began <= self._lowered_at:
            return False
        self._lowered_at = now
        self.in_a_row = 0
        limit, adaptive = self.limit, self.adaptive
        lowered = min(limit - 1, int(limit * adaptive.backoff))
        self.limit = max(lowered, adaptive.minimum)
        return self.limit != limit

    def change(self, limit: int) -> None:
        """Set the limit by hand; a bound that it exceeds moves with it.

        Raises:
            LimitError: `limit` is not a positive integer.
        """
        check_concurrency(limit)
        adaptive = self.adaptive
        low, high = min(limit, adaptive.minimum), max(limit, adaptive.maximum)
        self.adaptive = replace(adaptive, minimum=low, maximum=high)
        self.limit = limit
        self.in_a_row = 0

    def rebound(self, adaptive: Adaptive) -> None:
        """Replace the settings; the limit stays where it is, unless it is outside the new bounds."""
        self.adaptive = adaptive
        self.limit = min(max(self.limit, adaptive.minimum), adaptive.maximum)
        self.in_a_row = 0


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
