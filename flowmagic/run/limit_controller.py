"""The limits of one run while it goes on: as given, moved by hand, and by what providers refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..limits.adaptive import Aimd
from ..limits.history import By, LimitHistory
from ..limits.limits import Limiter, Limits
from ..records.status import FAILED, SUCCEEDED
from ..records.store import RecordStore
from .failures import FailureAction, FailureHandler
from .options import Options


class LimitController:
    """Keeps the limits of one run.

    Args:
        options: what the run was given.
        records: of the run.
        clock: seconds.
        on_change: called with the limits, and with what moved them, whenever they have moved.

    Attributes:
        limiter: what holds starts back.
        limit_history: which limits were in force since when.
        aimd: what moves an adaptive limit; None for one that moves only by hand.
    """

    def __init__(
        self,
        options: Options,
        records: RecordStore,
        *,
        clock: Callable[[], float],
        on_change: Callable[[Limits, By], None],
    ) -> None:
        self.limiter = Limiter(options.limits)
        self.limit_history = LimitHistory(options.limits)
        self.aimd = None if options.adaptive is None else Aimd(options.adaptive)
        self._failure_handler = FailureHandler(options.retries, options.max_errors, self.aimd)
        self._records = records
        self._clock = clock
        self._on_change = on_change

    @property
    def cooling(self) -> float:
        """Seconds for which nothing starts because a provider asked to wait."""
        return self.limiter.cooling(self._clock())

    def change(self, **changes: Any) -> None:
        """Keep to other limits from now on, named as in `Limits`; an adaptive one goes on from there."""
        if self.aimd is not None and "concurrency" in changes:
            self.aimd.change(changes["concurrency"])
        self._keep_to(replace(self.limiter.limits, **changes), "user")

    def forgive(self, index: int) -> None:
        """Forget what an instance has used up: somebody asked for another attempt."""
        self._failure_handler.forgive(index)

    def succeeded(self, index: int) -> None:
        """Note a success, after which an adaptive limit may climb."""
        if self.aimd is not None and self.aimd.succeeded(self._records.started[index]):
            self._follow_aimd()

    def failed(self, index: int, error: BaseException) -> FailureAction:
        """Note a failure, and say what it means; a provider's wish to wait is followed already."""
        now, status_counts = self._clock(), self._records.status_counts
        failure_action = self._failure_handler.judge(
            index,
            error,
            began=self._records.started[index],
            now=now,
            failed=status_counts[FAILED],
            ended=status_counts[FAILED] + status_counts[SUCCEEDED],
        )
        if failure_action.cool_down:
            self.limiter.cool_down(failure_action.cool_down, now)
        if failure_action.resized:
            self._follow_aimd()
        return failure_action

    def _follow_aimd(self) -> None:
        assert self.aimd is not None
        self._keep_to(replace(self.limiter.limits, concurrency=self.aimd.limit), "adaptive")

    def _keep_to(self, limits: Limits, by: By) -> None:
        self.limiter.limits = limits
        self.limit_history.note(self._clock() - self._records.began, limits, by)
        self._on_change(limits, by)
