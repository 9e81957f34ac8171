"""How much happened within the last minute, to the second, in constant space."""

from __future__ import annotations

_SECONDS = 60


class Meter:
    """Counts amounts by the second in which they came, for a minute.

    It never tells more than the last 60 seconds really held: the second that lies only partly within
    them is left out. All times are seconds of one clock.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._counts: list[float] = [0] * _SECONDS
        self._second = 0
        """The latest second that something was asked or told of."""

    def add(self, at: float, amount: float = 1) -> None:
        """Count an amount of a moment, now or earlier; it may also take back what was too much."""
        second = int(at)
        if second > self._second:
            self._move(second)
        if second > self._second - _SECONDS:
            self._counts[second % _SECONDS] += amount

    def total(self, now: float) -> float:
        """Return the sum of the last minute."""
        if int(now) > self._second:
            self._move(int(now))
        return sum(self._counts)

    def _move(self, second: int) -> None:
        for passed in range(max(self._second, second - _SECONDS) + 1, second + 1):
            self._counts[passed % _SECONDS] = 0
        self._second = second
