"""The same engine in PocketFlow's own clothes: a flow class with a limit.

For use in any program, without a notebook: `await flow.run_async(shared)`.
"""

from __future__ import annotations

from typing import Any

from pocketflow import AsyncParallelBatchFlow

from .batchrun import BatchRun, join
from .graph import check_flow
from .limits import Limits, check_concurrency, check_per_minute
from .params import Batch, as_batch

_LIMITS = {"max_concurrent_flows": check_concurrency, "max_flows_per_minute": check_per_minute}


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

    Raises:
        LimitError (a ValueError): a limit is no positive number.
        BatchError: `prep_async` gave something else than dicts.
    """

    max_concurrent_flows: int = 5
    max_flows_per_minute: float | None = None

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
        check = _LIMITS.get(name)
        if check is None:
            super().__setattr__(name, value)
            return
        check(value, name)
        super().__setattr__(name, value)
        # A subclass may set its limit before it calls our __init__.
        for run in list(self._throttle.runs) if "_throttle" in self.__dict__ else ():
            if name == "max_concurrent_flows":
                run.limit = value
            else:
                run.per_minute = value

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

    def reset_flow_limiter(self) -> None:
        """Set the counts of `stats` back to zero. A limit needs no reset: it acts when it is set."""
        self._throttle.reset()

    async def _run_async(self, shared: Any) -> Any:
        check_flow(self)
        limits = Limits(
            check_concurrency(self.max_concurrent_flows, "max_concurrent_flows"),
            check_per_minute(self.max_flows_per_minute, "max_flows_per_minute"),
        )
        given = await self.prep_async(shared)
        batch = Batch([], rows=[]) if given is None else as_batch(given)

        async def post(results: list[Any]) -> Any:
            return await self.post_async(shared, batch.given, results)

        run = BatchRun(self, batch, shared=shared, limits=limits, threads=False, post=post)
        self._throttle.begin(run)
        try:
            await join(run)
        finally:
            self._throttle.end(run)
        return run.action


class _Throttle:
    """The runs of a flow that are on now, and the counts of those that ended."""

    def __init__(self) -> None:
        self.runs: list[BatchRun] = []
        self.reset()

    def reset(self) -> None:
        self.completed = self.failed = 0

    def begin(self, run: BatchRun) -> None:
        if not self.runs:
            self.reset()
        self.runs.append(run)

    def end(self, run: BatchRun) -> None:
        self.runs.remove(run)
        self.completed += run.counts.succeeded
        self.failed += run.counts.failed

    def __reduce__(self) -> tuple[type[_Throttle], tuple[()]]:
        # A flow that is pickled or deep-copied takes its limits along, not its runs.
        return _Throttle, ()
