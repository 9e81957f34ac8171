"""A limit that finds its own value: up a step while all goes well, down by half when refused.

This is additive increase, multiplicative decrease, as TCP's congestion control has it. `Adaptive` is
what was asked: a value. `Aimd` is the state that follows what happens.
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
    """Between what bounds a limit may move, and how.

    Attributes:
        minimum: the least it may become; a positive integer.
        start: what it begins with.
        maximum: the most it may become.
        backoff: the factor that a refusal lowers it by, between 0 and 1.
        threshold: after how many successes in a row it is raised; None: as many as the limit in
            force, which is one round.
        growth: the factor that it is raised by, above 1; None: it is raised by 1.

    Raises:
        LimitError (a ValueError): a value is something else, or the bounds are out of order.
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
        if not _is_number(self.backoff) or not 0 < self.backoff < 1:
            raise LimitError(
                f"backoff is {describe(self.backoff)}, not a number between 0 and 1. "
                "Write for example backoff=0.5, which halves the limit."
            )
        if self.threshold is not None and not is_positive_integer(self.threshold):
            raise LimitError(
                f"threshold is {describe(self.threshold)}, not a positive integer. Write for example "
                "threshold=10, or threshold=None for as many successes as the limit in force."
            )
        if self.growth is not None and not (_is_number(self.growth) and 1 < self.growth < math.inf):
            raise LimitError(
                f"growth is {describe(self.growth)}, not a number above 1. "
                "Write for example growth=1.5, or growth=None to raise by 1."
            )

    @classmethod
    def parse(cls, value: Any) -> Adaptive:
        """Return the Adaptive that `value` stands for: "2-10-50", three numbers, or one already.

        Raises:
            LimitError: it stands for none.
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


class Aimd:
    """The limit in force, and what it is moved by.

    What was under way when the limit was lowered belongs to the refusal that lowered it: its own
    refusals lower no further, its successes raise nothing. One congestion lowers once (RFC 5681,
    section 3.1, halves its window once for all losses of one flight).

    All times are seconds of one clock.
    """

    def __init__(self, adaptive: Adaptive) -> None:
        self.adaptive = adaptive
        self.reset()

    def reset(self) -> None:
        """Begin anew with the start."""
        self.limit = self.adaptive.start
        self.rate_limits = 0
        """How many refusals there were."""
        self.successes = 0
        """How many successes there were."""
        self.in_a_row = 0
        """How many of them count towards the next raise."""
        self._lowered_at = -math.inf

    def succeeded(self, began: float) -> bool:
        """Note that something that began then went well; return whether the limit was raised."""
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
        """Note that something that began then was refused; return whether the limit was lowered."""
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
        """Go on from `limit`; where it is out of bounds, the bounds move out to it.

        Raises:
            LimitError: it is no positive integer.
        """
        check_concurrency(limit)
        adaptive = self.adaptive
        low, high = min(limit, adaptive.minimum), max(limit, adaptive.maximum)
        self.adaptive = replace(adaptive, minimum=low, maximum=high)
        self.limit = limit
        self.in_a_row = 0

    def rebound(self, adaptive: Adaptive) -> None:
        """Take other bounds and factors, and go on from the limit in force, moved within them."""
        self.adaptive = adaptive
        self.limit = min(max(self.limit, adaptive.minimum), adaptive.maximum)
        self.in_a_row = 0


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
