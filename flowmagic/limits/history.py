"""Which limits a run kept to, and since when: at its start, by hand, or by an adaptive limit."""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from .limits import Limits

MOST_LIMIT_CHANGES = 1_000
"""Of those after the start, how many are kept: the latest. An adaptive limit may move for hours."""

By = Literal["start", "user", "adaptive"]


class LimitChange(NamedTuple):
    """Limits that came into force.

    Attributes:
        seconds: since the run began.
        limit: how many instances run at once from then on.
        per_minute: how many may start within any 60 seconds; None: no such limit.
        by: what set them.
    """

    seconds: float
    limit: int
    per_minute: float | None
    by: By


class LimitHistory:
    """The limits of one run over time: those at the start, and the latest changes."""

    def __init__(self, limits: Limits) -> None:
        self._start = LimitChange(0.0, limits.concurrency, limits.per_minute, "start")
        self._later: deque[LimitChange] = deque(maxlen=MOST_LIMIT_CHANGES)

    def note(self, seconds: float, limits: Limits, by: By) -> None:
        """Note the limits that are in force from now on, unless they were so already."""
        last = self._later[-1] if self._later else self._start
        if (last.limit, last.per_minute) != (limits.concurrency, limits.per_minute):
            self._later.append(LimitChange(seconds, limits.concurrency, limits.per_minute, by))

    def kept(self) -> list[LimitChange]:
        """Return the start and the latest after it, in order of time."""
        # In one go, since another thread may ask: a deque that grows cannot be iterated.
        return [self._start, *self._later.copy()]
