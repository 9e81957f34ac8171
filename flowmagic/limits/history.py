"""The limits of a run over time: those it started with, and each change."""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from .limits import Limits

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
