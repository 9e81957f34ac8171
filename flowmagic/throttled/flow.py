"""Flow classes of PocketFlow's kind, with a fixed or an adaptive limit, for use in any program.

No notebook is needed: `await flow.run_async(shared)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pocketflow import AsyncFlow, AsyncParallelBatchFlow

from ..flow.graph import check_flow, is_overridden
from ..limits.adaptive import Adaptive
from ..limits.limits import Limits, check_concurrency, check_per_minute
from ..records.batch import Batch, as_batch
from ..run.batchrun import BatchRun, join
from ..run.failures import Retries
from ..run.options import Options
from ..shared.crossing import Crossing
from ..shared.shared_store import Sharing
from .limit_attributes import AdaptiveAttributes, Check, LimitAttributes


class ThrottledAsyncParallelBatchFlow(LimitAttributes, AsyncParallelBatchFlow):  # type: ignore[misc]
    """PocketFlow's AsyncParallelBatchFlow, with at most `max_concurrent_flows` instances at once.

    `prep_async` returns the list of params dicts. Each one is merged over the flow's own params, and
    an instance walks the graph with it, on copies of the nodes. A failed instance does not stop the
    others: all results, including exceptions, go to `post_async(shared, params, results)` in the
    order of the params. Both limits can be class attributes, arguments, or attributes of a flow that
    are set while it runs. Sync nodes run in the event loop, and every node gets the very `shared`
    that the flow was run with, as in PocketFlow.

    Example:
        class Users(ThrottledAsyncParallelBatchFlow):
            max_concurrent_flows = 10

            async def prep_async(self, shared):
                return [{"user_id": user} for user in shared["users"]]

        await Users(start=FetchUser()).run_async(shared)

    Args:
        start: the first node.
        max_concurrent_flows: how many instances run at once; None: the class attribute.
        max_flows_per_minute: how many may start within any 60 seconds; None: the class attribute.

    Attributes:
        flow_retries: how many more attempts a failed instance gets.
        track_shared: whether to find `crossings`. If `shared` is a plain dict, the nodes then get a
            view of it, a subclass of dict.

    Raises:
        LimitError (a ValueError): a limit is not a positive number.
        BatchError: `prep_async` returned something other than dicts.
    """

    max_concurrent_flows: int = 5
    max_flows_per_minute: float | None = None
    flow_retries: int = 0
    track_shared: bool = False

    _checks: ClassVar[Mapping[str, Check]] = {
        "max_concurrent_flows": check_concurrency,
        "max_flows_per_minute": check_per_minute,
    }

    # A flow shares it with its copies: PocketFlow copies a nested flow before it runs it, and a
    # limit that is set on the original has to reach the copy that runs.
    _runs: _FlowRuns

    def __init__(
        self,
        start: Any = None,
        *,
        max_concurrent_flows: int | None = None,
        max_flows_per_minute: float | None = None,
    ) -> None:
        super().__init__(start=start)
        self._runs = _FlowRuns()
        self._set_attributes(
            max_concurrent_flows=max_concurrent_flows, max_flows_per_minute=max_flows_per_minute
        )

    def _limit_changed(self, name: str) -> None:
        for run in list(self._runs.active) if "_runs" in self.__dict__ else ():
            self._apply_limit(run, name)

    def _apply_limit(self, run: BatchRun, name: str) -> None:
        if name == "max_concurrent_flows":
            run.limit = self.max_concurrent_flows
        elif name == "max_flows_per_minute":
            run.per_minute = self.max_flows_per_minute

    def _options(self) -> Options:
        """Return the options of a run that begins now."""
        self._check_limits()
        return Options(
            limits=Limits(self.max_concurrent_flows, self.max_flows_per_minute),
            retries=Retries(self.flow_retries),
            threads=False,
            sharing=Sharing(track=self.track_shared),
        )

    @property
    def stats(self) -> dict[str, Any]:
        """The limits, and how many instances of the current or last run have succeeded and failed.

        Runs of this flow that overlap are counted together.
        """
        runs = self._runs
        return {
            **self._limit_values(),
            "completed_flows": runs.completed + sum(r.counts.succeeded for r in runs.active),
            "failed_flows": runs.failed + sum(r.counts.failed for r in runs.active),
        }

    @property
    def crossings(self) -> list[Crossing]:
        """Where instances of the current or last run met in `shared`; see `BatchRun.crossings`.

        Empty unless `track_shared` is set.
        """
        runs = self._runs
        return runs.active[-1].crossings if runs.active else list(runs.crossings)

    def reset_flow_limiter(self) -> None:
        """Set the counts of `stats` to zero. Limits need no reset: they act when they are set."""
        self._runs.reset_counts()

    async def _run_async(self, shared: Any) -> Any:
        check_flow(self)
        options = self._options()
        params = await self.prep_async(shared)
        batch = Batch([], rows=[]) if params is None else as_batch(params)

        async def post(results: list[Any]) -> Any:
            if not is_overridden(self, "post_async", AsyncFlow.post_async):
                # PocketFlow's own returns the results, which an outer flow would take for an action.
                return None
            return await self.post_async(shared, batch.value, results)

        run = BatchRun(self, batch, shared=shared, options=options, post=post)
        self._runs.begin(run)
        try:
            await join(run)
        finally:
            self._runs.end(run)
        return run.action


class _FlowRuns:
    """The active runs of a flow, and what is kept of those that have ended."""

    def __init__(self) -> None:
        self.active: list[BatchRun] = []
        self.reset_counts()
        self.reset_adaptive()

    def reset_counts(self) -> None:
        self.completed = self.failed = 0
        self.crossings: list[Crossing] = []

    def reset_adaptive(self) -> None:
        self.learned: int | None = None
        self.rate_limits = self.in_a_row = 0
        self.reason = ""

    def begin(self, run: BatchRun) -> None:
        if not self.active:
            self.reset_counts()
        self.active.append(run)

    def end(self, run: BatchRun) -> None:
        self.active.remove(run)
        self.completed += run.counts.succeeded
        self.failed += run.counts.failed
        self.reason = run.reason
        self.crossings = run.crossings
        if run.adaptive is not None:
            self.learned = run.limit
            self.rate_limits += run.adaptive.rate_limits
            self.in_a_row = run.adaptive.in_a_row

    def __reduce__(self) -> tuple[type[_FlowRuns], tuple[()]]:
        # A pickled or deep-copied flow keeps its attributes, but not the runs.
        return _FlowRuns, ()


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
