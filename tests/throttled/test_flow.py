"""The engine in PocketFlow's clothes."""

from __future__ import annotations

import asyncio
import copy
import re

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic as fm

from ..virtualtime import Spy, virtual


class Work(AsyncNode):
    """Sleeps a second of virtual time; row 2 fails."""

    spy: Spy

    async def exec_async(self, prep_res):
        with self.spy:
            await asyncio.sleep(1)
        if self.params["i"] == 2:
            raise ValueError("two")


class Own(fm.ThrottledAsyncParallelBatchFlow):
    """Its limit is set before its base knows of it."""

    def __init__(self):
        self.max_concurrent_flows = 2
        node = Work()
        node.spy = Spy()
        super().__init__(start=node)

    async def prep_async(self, shared):
        return shared.get("rows")

    async def post_async(self, shared, params, results):
        shared["results"] = results
        return len(params)


@virtual
async def test_results_with_their_exceptions_reach_post_and_stats_count_them():
    """Nothing is raised for a failed instance; the limit may change between runs and during one."""
    flow, shared = Own(), {"rows": fm.grid(i=range(10))}
    running = asyncio.ensure_future(flow.run_async(shared))
    await asyncio.sleep(0.5)
    assert flow.start_node.spy.peak == 2
    flow.max_concurrent_flows = 4
    flow.max_flows_per_minute = None
    assert await running == 10
    assert flow.start_node.spy.peak == 4
    assert isinstance(shared["results"][2], ValueError)
    assert flow.stats == {
        "max_concurrent_flows": 4,
        "max_flows_per_minute": None,
        "completed_flows": 9,
        "failed_flows": 1,
    }
    assert copy.deepcopy(flow).stats["completed_flows"] == 0
    flow.reset_flow_limiter()
    assert flow.stats["failed_flows"] == 0
    assert await flow.run_async({}) == 0
    with pytest.raises(ValueError, match="max_concurrent_flows is"):
        flow.max_concurrent_flows = 0
    with pytest.raises(ValueError, match="max_flows_per_minute is"):
        fm.ThrottledAsyncParallelBatchFlow(max_flows_per_minute=-1)
    assert fm.ThrottledAsyncParallelBatchFlow(max_concurrent_flows=9).max_concurrent_flows == 9
    with pytest.raises(fm.FlowError, match="has no start node"):
        await fm.ThrottledAsyncParallelBatchFlow().run_async({})


@virtual
async def test_cancelled_the_flow_leaves_no_task():
    """The caller's cancellation ends every instance first."""
    flow = Own()
    running = asyncio.ensure_future(flow.run_async({"rows": fm.grid(i=range(10))}))
    await asyncio.sleep(0.5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert flow.start_node.spy.live == 0


class Meets(AsyncNode):
    """Notes the `shared` that it gets, and writes a key that all rows write."""

    got: list[object]

    async def prep_async(self, shared):
        self.got.append(shared)
        if isinstance(shared, dict):
            shared["x"] = self.params["i"]

    async def post_async(self, shared, prepared, executed):
        self.got.append(shared)


def meeting(kind, **attributes):
    """Return a flow of this kind over two rows that meet in `shared`, within a nested flow too."""

    class Flow(kind):
        async def prep_async(self, shared):
            self.first = shared
            return [{"i": 0}, {"i": 1}]

        async def post_async(self, shared, params, results):
            self.last = shared

    node, inner = Meets(), Meets()
    node.got = inner.got = []
    node >> AsyncFlow(start=inner)
    flow = Flow(start=node)
    for name, value in attributes.items():
        setattr(flow, name, value)
    return flow


class Store(dict):
    """A store with methods of its own."""


@pytest.mark.parametrize("store", [{}, {"x": 1}, Store(), [], object(), None])
@pytest.mark.parametrize(
    "kind", [fm.ThrottledAsyncParallelBatchFlow, fm.AdaptiveThrottledBatchFlow]
)
@virtual
async def test_every_node_gets_the_very_object_that_the_flow_was_run_with(kind, store):
    """As in PocketFlow, whatever kind of object it is; so nothing is known of crossings."""
    flow = meeting(kind)
    await flow.run_async(store)
    got = [flow.first, *flow.start_node.got, flow.last]
    assert len(got) == 10
    assert all(each is store for each in got)
    assert flow.crossings == []


@pytest.mark.parametrize(
    "kind", [fm.ThrottledAsyncParallelBatchFlow, fm.AdaptiveThrottledBatchFlow]
)
@virtual
async def test_a_flow_finds_crossings_if_its_track_shared_is_set(kind):
    """An attribute of the class or of the flow; the nodes get views of a plain dict then."""
    flow, store = meeting(kind, track_shared=True), {}
    await flow.run_async(store)
    assert [each.key for each in flow.crossings] == ["x"]
    assert all(each is not store and each == store for each in flow.start_node.got)
    assert kind.track_shared is False


@virtual
async def test_within_another_flow_it_goes_on_by_default():
    """Without a post of its own, as PocketFlow's class does: the results are no action."""

    class RowLog(fm.ThrottledAsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return fm.grid(i=[0, 1])

    class After(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["after"] = True

    node = Work()
    node.spy = Spy()
    rows, shared = RowLog(start=node), {}
    rows >> After()
    await AsyncFlow(start=rows).run_async(shared)
    assert shared == {"after": True}
    assert await RowLog(start=node).run_async({}) is None


@virtual
async def test_a_flow_may_retry_its_instances():
    """As many more attempts as `flow_retries` says; none unless it says so."""

    class Second(AsyncNode):
        seen: list

        async def exec_async(self, prep_res):
            self.seen.append(self.params["i"])
            if self.seen.count(self.params["i"]) == 1:
                raise ValueError

    class Retrying(fm.ThrottledAsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return fm.grid(i=range(3))

    for retries, failed in ((0, 3), (1, 0)):
        node = Second()
        node.seen = []
        flow = Retrying(start=node)
        flow.flow_retries = retries
        await flow.run_async({})
        assert flow.stats["failed_flows"] == failed


class Refusing(AsyncNode):
    """Is refused for the rows in `refused`, after a second."""

    refused = frozenset()
    spy: Spy

    async def exec_async(self, prep_res):
        with self.spy:
            await asyncio.sleep(1)
        if self.params["i"] in self.refused:
            raise fm.RateLimitHit("slow down")


class Finding(fm.AdaptiveThrottledBatchFlow):
    """Runs `rows` rows."""

    rows = 20

    async def prep_async(self, shared):
        return fm.grid(i=range(self.rows))


def finding(refused=(), kind=Finding, **limits):
    node = Refusing()
    node.refused = frozenset(refused)
    node.spy = Spy()
    return kind(start=node, **limits)


@virtual
async def test_a_refused_burst_lowers_the_limit_once_and_what_is_reported_is_what_runs():
    """The whole burst is one congestion; the limiter is resized, so nobody waits on an old one."""
    flow = finding(range(8), initial_concurrent_flows=8, recovery_threshold=1000)
    running = asyncio.ensure_future(flow.run_async({}))
    await asyncio.sleep(1.5)
    assert flow.current_concurrent_flows == 4
    assert flow.start_node.spy.live == 4
    await running
    stats = flow.stats
    assert (stats["total_rate_limits"], stats["failed_flows"], stats["completed_flows"]) == (
        8,
        8,
        12,
    )
    assert (stats["current_concurrent_flows"], stats["stop_reason"]) == (4, "")
    # Those that began in the very moment of the lowering count as begun before it.
    assert stats["consecutive_successes"] == 8


@virtual
async def test_sustained_success_raises_the_limit_up_to_its_ceiling():
    """By the recovery factor, each time that the threshold is reached."""
    flow = finding(
        initial_concurrent_flows=2,
        max_concurrent_flows=7,
        recovery_threshold=2,
        recovery_factor=2.0,
    )
    await flow.run_async({})
    assert flow.current_concurrent_flows == 7
    assert flow.start_node.spy.peak <= 7


@virtual
async def test_what_was_learned_is_kept_for_the_next_run_until_it_is_reset():
    """The next run of the same flow begins where the last one ended."""
    flow = finding(range(4), initial_concurrent_flows=4, recovery_threshold=1000)
    await flow.run_async({})
    assert flow.current_concurrent_flows == 2
    flow.start_node.refused = frozenset()
    flow.start_node.spy.peak = 0
    await flow.run_async({})
    assert flow.start_node.spy.peak == 2
    assert flow.stats["total_rate_limits"] == 4
    flow.min_concurrent_flows = 3
    assert flow.current_concurrent_flows == 3  # within what was set since
    flow.min_concurrent_flows = 1
    flow.reset_adaptive_state()
    assert flow.current_concurrent_flows == 4
    assert flow.stats["total_rate_limits"] == flow.stats["consecutive_successes"] == 0


@virtual
async def test_bounds_set_during_a_run_hold_at_once():
    """A lower ceiling brings the limit down, a higher floor brings it up."""
    flow = finding(initial_concurrent_flows=6)
    running = asyncio.ensure_future(flow.run_async({}))
    await asyncio.sleep(0.5)
    flow.max_concurrent_flows = 3
    assert flow.current_concurrent_flows == 3
    await asyncio.sleep(1)
    assert flow.start_node.spy.live == 3
    flow.max_concurrent_flows = 20
    flow.min_concurrent_flows = 9
    await asyncio.sleep(0)
    assert flow.current_concurrent_flows == 9
    flow.max_flows_per_minute = 6000
    await running


@virtual
async def test_refused_instances_run_again_if_the_flow_retries():
    """Then none is lost to a rate limit."""

    class Once(Refusing):
        seen: set

        async def exec_async(self, prep_res):
            await super().exec_async(prep_res)
            if self.params["i"] not in self.seen:
                self.seen.add(self.params["i"])
                raise fm.RateLimitHit("slow", retry_after=2)

    flow = finding()
    flow.start_node = Once()
    flow.start_node.spy, flow.start_node.seen = Spy(), set()
    flow.flow_retries = 1
    await flow.run_async({})
    assert flow.stats["completed_flows"] == 20


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"initial_concurrent_flows": 0}, "initial_concurrent_flows is"),
        ({"min_concurrent_flows": -1}, "min_concurrent_flows is"),
        ({"max_concurrent_flows": 1.5}, "max_concurrent_flows is"),
        (
            {"min_concurrent_flows": 9, "max_concurrent_flows": 3},
            (
                "min_concurrent_flows is 9, more than max_concurrent_flows, which is 3. "
                "Write for example min_concurrent_flows=3."
            ),
        ),
        (
            {"backoff_factor": 1.5},
            (
                "backoff_factor is a float (1.5), not a number between 0 and 1. "
                "Write for example backoff_factor=0.5, which halves the limit."
            ),
        ),
        (
            {"recovery_threshold": 0},
            (
                "recovery_threshold is an int (0), not a positive integer. Write for example recovery_"
                "threshold=10, or recovery_threshold=None for as many successes as the limit in force."
            ),
        ),
        (
            {"recovery_factor": 0.5},
            (
                "recovery_factor is a float (0.5), not a number above 1. "
                "Write for example recovery_factor=1.5, or recovery_factor=None to raise by 1."
            ),
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused_at_once(limits, named):
    """When the flow is made, not in the middle of a run."""
    with pytest.raises(ValueError, match="^" + re.escape(named)):
        finding(**limits)


@virtual
async def test_factors_set_during_a_run_hold_at_once_and_a_reset_forgets_what_was_learned():
    """As of an adaptive node; bounds in the wrong order wait for the second one to be set."""
    flow = finding(initial_concurrent_flows=4, recovery_threshold=1000)
    running = asyncio.ensure_future(flow.run_async({}))
    await asyncio.sleep(0.5)
    flow.recovery_threshold = 4
    flow.recovery_factor = 2.0
    await asyncio.sleep(1)
    assert flow.current_concurrent_flows == flow.start_node.spy.live == 8
    flow.min_concurrent_flows = 30
    assert flow.current_concurrent_flows == 8
    flow.min_concurrent_flows = 1
    flow.reset_adaptive_state()
    assert flow.current_concurrent_flows == 4
    await running
    with pytest.raises(ValueError, match="^backoff_factor is an int"):
        flow.backoff_factor = 1


@virtual
async def test_one_flow_runs_in_one_event_loop_after_the_other():
    """Nothing of it belongs to a loop, as its limiter once did elsewhere."""
    flow = finding(initial_concurrent_flows=2)
    await flow.run_async({})
    await asyncio.to_thread(lambda: asyncio.run(_without_sleeping(flow)))
    assert flow.stats["completed_flows"] == 20


async def _without_sleeping(flow):
    class Quick(AsyncNode):
        async def exec_async(self, prep_res):
            await asyncio.sleep(0)

    flow.start_node = Quick()
    await flow.run_async({})
