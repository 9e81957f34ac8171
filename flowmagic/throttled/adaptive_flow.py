"""A throttled flow whose limit adapts to the refusals of the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..limits.adaptive import Adaptive
from ..limits.limits import Limits
from ..run.batchrun import BatchRun
from ..run.failures import Retries
from ..run.options import Options
from .flow import ThrottledAsyncParallelBatchFlow
from .limit_attributes import AdaptiveAttributes, Check


class AdaptiveThrottledBatchFlow(AdaptiveAttributes, ThrottledAsyncParallelBatchFlow):
    """A throttled flow that finds its own limit.

    An instance that fails because of a rate limit (`RateLimitHit`, HTTP 429 or 503, see
    `flowmagic.limits.refusals`) lowers the limit by `backoff_factor`, once for all instances that
    were running at the time. After `recovery_threshold` successes in a row, the limit rises by
    `recovery_factor`. It stays between `min_concurrent_flows` and `max_concurrent_flows`, and the
    next run begins with the limit that the last one ended with. If a provider asks to wait
    (Retry-After), no instance starts until then. A used-up quota or a refused key ends the run
    early: see `stats["stop_reason"]`.

    Attributes:
        initial_concurrent_flows: the first value of the limit.
        flow_retries: how many more attempts an instance gets that failed or was refused.

    The arguments are the attributes; None stands for the class attribute.

    Raises:
        LimitError (a ValueError): a limit is not a positive number, or the minimum is larger than
            the maximum.
    """

    initial_concurrent_flows: int = 5
    min_concurrent_flows: int = 1
    max_concurrent_flows: int = 20

    _minimum, _maximum = "min_concurrent_flows", "max_concurrent_flows"
    _checks: ClassVar[Mapping[str, Check]] = {
        **ThrottledAsyncParallelBatchFlow._checks,
        **AdaptiveAttributes._adaptive_checks("initial_concurrent_flows", "min_concurrent_flows"),
    }

    def __init__(
        self,
        start: Any = None,
        *,
        initial_concurrent_flows: int | None = None,
        min_concurrent_flows: int | None = None,
        max_concurrent_flows: int | None = None,
        backoff_factor: float | None = None,
        recovery_threshold: int | None = None,
        recovery_factor: float | None = None,
        max_flows_per_minute: float | None = None,
    ) -> None:
        super().__init__(
            start,
            max_concurrent_flows=max_concurrent_flows,
            max_flows_per_minute=max_flows_per_minute,
        )
        self._set_attributes(
            initial_concurrent_flows=initial_concurrent_flows,
            min_concurrent_flows=min_concurrent_flows,
            backoff_factor=backoff_factor,
            recovery_threshold=recovery_threshold,
            recovery_factor=recovery_factor,
        )
        self._settings()  # raises now, not when a run begins

    def _settings(self) -> Adaptive:
        return self._adaptive_settings(self._runs.learned or self.initial_concurrent_flows)

    def _options(self) -> Options:
        adaptive = self._settings()
        return replace(
            super()._options(),
            limits=Limits(adaptive.start, self.max_flows_per_minute),
            adaptive=adaptive,
            retries=Retries(self.flow_retries, refusals=self.flow_retries),
        )

    def _apply_limit(self, run: BatchRun, name: str) -> None:
        if name == "max_flows_per_minute":
            super()._apply_limit(run, name)
        elif run.adaptive is not None and self._bounds_in_order():
            run.adaptive.rebound(self._settings())
            run.limit = run.adaptive.limit

    @property
    def current_concurrent_flows(self) -> int:
        """The limit in force; between runs, the limit that the next one begins with."""
        active = self._runs.active
        return active[-1].limit if active else self._settings().start

    @property
    def stats(self) -> dict[str, Any]:
        """As of a throttled flow, and what the adaptive limit has counted since its last reset."""
        runs = self._runs
        limits = [run.adaptive for run in runs.active if run.adaptive is not None]
        return {
            **super().stats,
            "current_concurrent_flows": self.current_concurrent_flows,
            "total_rate_limits": runs.rate_limits + sum(limit.rate_limits for limit in limits),
            "consecutive_successes": limits[-1].in_a_row if limits else runs.in_a_row,
            "stop_reason": runs.active[-1].reason if runs.active else runs.reason,
        }

    def reset_adaptive_state(self) -> None:
        """Forget what was learned: the limit is `initial_concurrent_flows` again."""
        self._runs.reset_adaptive()
        for run in self._runs.active:
            if run.adaptive is not None:
                run.adaptive.rebound(self._settings())
                run.adaptive.reset()
                run.limit = run.adaptive.limit
