"""The engine in PocketFlow's clothes."""

from __future__ import annotations

import asyncio
import copy

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
