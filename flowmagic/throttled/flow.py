"""The same engine in PocketFlow's own clothes: a flow class with a limit.

For use in any program, without a notebook: `await flow.run_async(shared)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from ..shared.crossings import Crossing


class ThrottledAsyncParallelBatchFlow(AsyncParallelBatchFlow):  # type: ignore[misc]
    """PocketFlow's AsyncParallelBatchFlow, with at most `max_concurrent_flows` instances at once.

    `prep_async` gives the list of param dicts; each is merged over the flow's own params and its
    instance walks the graph with copies of the nodes. A failed instance stops no other: the results,
    exceptions among them, are handed to `post_async(shared, params, results)` in the order of the
    params. Both limits may be set as class attributes, as arguments, or as attributes of a flow, also
    while it runs. Sync nodes run on the loop, as in PocketFlow.

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
        flow_retries: how many more attempts an instance gets that has failed.

    Raises:
        LimitError (a ValueError): a limit is no positive number.
        BatchError: `prep_async` gave something else than dicts.
    """

    max_concurrent_flows: int = 5
    max_flows_per_minute: float | None = None
    flow_retries: int = 0

    _checks: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {
        "max_concurrent_flows": check_concurrency,
        "max_flows_per_minute": check_per_minute,
    }

    # Shared by a flow and its copies: PocketFlow copies a nested flow before it runs, and setting
    # the limit on the original is to act on the copy that runs.
    _throttle: _Throttle

    def __init__(
        self,
        start: Any = None,
        *,
        max_concurrent_flows: int | None = None,
        max_flows_per_minute: float | None = None,
    ) -> None:
        super().__init__(start=start)
        self._throttle = _Throttle()
        if max_concurrent_flows is not None:
            self.max_concurrent_flows = max_concurrent_flows
        if max_flows_per_minute is not None:
            self.max_flows_per_minute = max_flows_per_minute

    def __setattr__(self, name: str, value: Any) -> None:
        check = self._checks.get(name)
        if check is None:
            super().__setattr__(name, value)
            return
        check(value, name)
        super().__setattr__(name, value)
        # A subclass may set its limit before it calls our __init__.
        for run in list(self._throttle.runs) if "_throttle" in self.__dict__ else ():
            self._change(run, name, value)

    def _change(self, run: BatchRun, name: str, value: Any) -> None:
        """Let a limit that was set act on a run that is on."""
        if name == "max_concurrent_flows":
            run.limit = value
        elif name == "max_flows_per_minute":
            run.per_minute = value

    def _options(self) -> Options:
        """Return what a run that begins now keeps to."""
        return Options(
            limits=Limits(
                check_concurrency(self.max_concurrent_flows, "max_concurrent_flows"),
                check_per_minute(self.max_flows_per_minute, "max_flows_per_minute"),
            ),
            retries=Retries(self.flow_retries),
            threads=False,
        )

    @property
    def stats(self) -> dict[str, Any]:
        """The limits, and how many instances of the present or last run have succeeded and failed.

        Runs of this flow that overlap are counted together.
        """
        throttle = self._throttle
        return {
            "max_concurrent_flows": self.max_concurrent_flows,
            "max_flows_per_minute": self.max_flows_per_minute,
            "completed_flows": throttle.completed + sum(r.counts.succeeded for r in throttle.runs),
            "failed_flows": throttle.failed + sum(r.counts.failed for r in throttle.runs),
        }

    @property
    def crossings(self) -> list[Crossing]:
        """Where instances of the present or last run met in `shared`: see `BatchRun.crossings`."""
        throttle = self._throttle
        return throttle.runs[-1].crossings if throttle.runs else list(throttle.crossings)

    def reset_flow_limiter(self) -> None:
        """Set the counts of `stats` back to zero. A limit needs no reset: it acts when it is set."""
        self._throttle.reset()

    async def _run_async(self, shared: Any) -> Any:
        check_flow(self)
        options = self._options()
        given = await self.prep_async(shared)
        batch = Batch([], rows=[]) if given is None else as_batch(given)

        async def post(results: list[Any]) -> Any:
            if not is_overridden(self, "post_async", AsyncFlow.post_async):
                # It would give the results as the action, by which a flow around this one goes on.
                return None
            return await self.post_async(shared, batch.value, results)

        run = BatchRun(self, batch, shared=shared, options=options, post=post)
        self._throttle.begin(run)
        try:
            await join(run)
        finally:
            self._throttle.end(run)
        return run.action


class AdaptiveThrottledBatchFlow(ThrottledAsyncParallelBatchFlow):
    """A throttled flow that finds its own limit, by what its nodes' provider refuses.

    Instances that a rate limit refuses (`RateLimitHit`, HTTP 429 and 503, see `flowmagic.limits.refusals`)
    lower the limit by `backoff_factor`, once for all that were under way together; after
    `recovery_threshold` successes in a row it is raised by `recovery_factor`. It stays between
    `min_concurrent_flows` and `max_concurrent_flows`, and what it has learned is kept for the next
    run. A Retry-After is waited out by the whole flow. A used-up quota or refused credentials end
    the run early: `stats["stop_reason"]`.

    Attributes:
        initial_concurrent_flows: the limit to begin with.
        flow_retries: how often an instance that failed or was refused runs again.

    Args: as the attributes; None takes the class attribute.

    Raises:
        LimitError (a ValueError): a limit is no positive number, or they contradict each other.
    """

    initial_concurrent_flows: int = 5
    min_concurrent_flows: int = 1
    max_concurrent_flows: int = 20
    backoff_factor: float = 0.5
    recovery_threshold: int = 10
    recovery_factor: float = 1.2

    _checks: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {
        **ThrottledAsyncParallelBatchFlow._checks,
        "initial_concurrent_flows": check_concurrency,
        "min_concurrent_flows": check_concurrency,
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
        given = {
            "initial_concurrent_flows": initial_concurrent_flows,
            "min_concurrent_flows": min_concurrent_flows,
            "backoff_factor": backoff_factor,
            "recovery_threshold": recovery_threshold,
            "recovery_factor": recovery_factor,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        self._adaptive()  # refuse now what could not run

    def _adaptive(self) -> Adaptive:
        least, most = self.min_concurrent_flows, self.max_concurrent_flows
        start = self._throttle.learned or self.initial_concurrent_flows
        return Adaptive(
            least,
            # What was learned, or inherited from the class, gives way to what was set.
            max(least, min(most, start)),
            most,
            backoff=self.backoff_factor,
            threshold=self.recovery_threshold,
            growth=self.recovery_factor,
        )

    def _options(self) -> Options:
        adaptive = self._adaptive()
        return Options(
            limits=Limits(
                adaptive.start,
                check_per_minute(self.max_flows_per_minute, "max_flows_per_minute"),
            ),
            adaptive=adaptive,
            retries=Retries(self.flow_retries, refusals=self.flow_retries),
            threads=False,
        )

    def _change(self, run: BatchRun, name: str, value: Any) -> None:
        if name == "max_flows_per_minute":
            run.per_minute = value
        elif run.adaptive is not None:
            least, most = self.min_concurrent_flows, self.max_concurrent_flows
            if least <= most:  # else the other one is about to be set, too
                bounds = replace(run.adaptive.adaptive, minimum=least, start=least, maximum=most)
                run.adaptive.rebound(bounds)
                run.limit = run.adaptive.limit

    @property
    def current_concurrent_flows(self) -> int:
        """The limit in force; between runs, the one that the next begins with."""
        runs = self._throttle.runs
        return runs[-1].limit if runs else self._adaptive().start

    @property
    def stats(self) -> dict[str, Any]:
        """As of the throttled flow, and what the adaptive limit has counted since it was reset."""
        throttle = self._throttle
        states = [run.adaptive for run in throttle.runs if run.adaptive is not None]
        return {
            **super().stats,
            "current_concurrent_flows": self.current_concurrent_flows,
            "initial_concurrent_flows": self.initial_concurrent_flows,
            "min_concurrent_flows": self.min_concurrent_flows,
            "backoff_factor": self.backoff_factor,
            "recovery_threshold": self.recovery_threshold,
            "recovery_factor": self.recovery_factor,
            "total_rate_limits": throttle.rate_limits + sum(each.rate_limits for each in states),
            "consecutive_successes": states[-1].in_a_row if states else throttle.in_a_row,
            "stop_reason": throttle.runs[-1].reason if throttle.runs else throttle.reason,
        }

    def reset_adaptive_state(self) -> None:
        """Forget what was learned: the next run begins with `initial_concurrent_flows`."""
        self._throttle.forget()
        for run in self._throttle.runs:
            if run.adaptive is not None:
                run.adaptive.reset()
                run.limit = run.adaptive.limit


class _Throttle:
    """The runs of a flow that are on now, and what is kept of those that ended."""

    def __init__(self) -> None:
        self.runs: list[BatchRun] = []
        self.reset()
        self.forget()

    def reset(self) -> None:
        self.completed = self.failed = 0
        self.crossings: list[Crossing] = []

    def forget(self) -> None:
        self.learned: int | None = None
        self.rate_limits = self.in_a_row = 0
        self.reason = ""

    def begin(self, run: BatchRun) -> None:
        if not self.runs:
            self.reset()
        self.runs.append(run)

    def end(self, run: BatchRun) -> None:
        self.runs.remove(run)
        self.completed += run.counts.succeeded
        self.failed += run.counts.failed
        self.reason = run.reason
        self.crossings = run.crossings
        if run.adaptive is not None:
            self.learned = run.limit
            self.rate_limits += run.adaptive.rate_limits
            self.in_a_row = run.adaptive.in_a_row

    def __reduce__(self) -> tuple[type[_Throttle], tuple[()]]:
        # A flow that is pickled or deep-copied takes its limits along, not its runs.
        return _Throttle, ()
