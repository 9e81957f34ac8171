"""Counts what happened within the last minute, in constant space."""

from __future__ import annotations

_SECONDS = 60


class Meter:
    """Adds up amounts by the second, for a minute.

    `total` never returns more than the last 60 seconds held: the oldest second, of which only a part
    is within them, is left out. All times are seconds of one clock.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all amounts."""
        self._counts: list[float] = [0] * _SECONDS
        self._second = 0
        """The latest second seen."""

    def add(self, at: float, amount: float = 1) -> None:
        """Add an amount at a time, present or past; a negative one takes back an earlier amount."""
        second = int(at)
        if second > self._second:
            self._advance(second)
        if second > self._second - _SECONDS:
            self._counts[second % _SECONDS] += amount

    def total(self, now: float) -> float:
        """Return the sum of the last minute."""
        if int(now) > self._second:
            self._advance(int(now))
        return sum(self._counts)

    def _advance(self, second: int) -> None:
        for new in range(max(self._second, second - _SECONDS) + 1, second + 1):
            self._counts[new % _SECONDS] = 0
        self._second = second
