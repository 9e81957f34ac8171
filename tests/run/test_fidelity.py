"""A run gives each node the calls and the params that PocketFlow's own classes would have given it."""

from __future__ import annotations

import asyncio
import copy
import warnings

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

import flowmagic as fm

from ..virtualtime import run_virtual

LOG: list = []


class Boom(Exception):
    pass


def note(node, hook, *more):
    LOG.append((node.name, hook, dict(node.params), *more))


def bounded(node, action):
    """End a walk after a few nodes, by a count in the params that all its nodes share."""
    if "i" not in node.params:
        return action  # the flow that the batch is of, whose params are the user's own
    visits = node.params["visits"] = node.params.get("visits", 0) + 1
    return "the end" if visits > 4 else action


class Scripted:
    """Hooks that log, follow a script, and end loops by a bound that each instance counts in its params."""

    name = ""
    script: dict = {}

    def begin(self, shared):
        note(self, "prep")
        if self.script.get("writes"):
            self.params[f"w{self.name}"] = self.params.get(f"w{self.name}", 0) + 1
        shared["last"] = self.name

    def work(self):
        note(self, "exec")
        if self.script.get("fails") == self.params.get("i"):
            raise Boom(self.name)
        return self.script.get("gives") and [self.name, self.params.get("i")]

    def end(self, shared, exec_res):
        # Wrong as soon as anything suspends between one node's post and the next one's prep.
        note(self, "post", shared.get("last"), exec_res)
        return bounded(self, self.script.get("action"))


class SyncScripted(Scripted, Node):
    def prep(self, shared):
        self.begin(shared)

    def exec(self, prep_res):
        return self.work()

    def exec_fallback(self, prep_res, exc):
        note(self, "fallback")
        if self.script.get("falls"):
            return ["fallback", self.params.get("i")]
        raise exc

    def post(self, shared, prep_res, exec_res):
        return self.end(shared, exec_res)


class BatchScripted(Scripted, BatchNode):
    def prep(self, shared):
        self.begin(shared)
        return [1, 2]

    def exec(self, item):
        return self.work()

    def post(self, shared, prep_res, exec_res):
        return self.end(shared, exec_res)


class AsyncScripted(Scripted, AsyncNode):
    async def prep_async(self, shared):
        self.begin(shared)

    async def exec_async(self, prep_res):
        output = self.work()
        for _ in range(self.script.get("sleeps", 0)):
            await asyncio.sleep(0)
        return output

    async def exec_fallback_async(self, prep_res, exc):
        note(self, "fallback")
        if self.script.get("falls"):
            return ["fallback", self.params.get("i")]
        raise exc

    async def post_async(self, shared, prep_res, exec_res):
        return self.end(shared, exec_res)


class AsyncOwnRun(AsyncScripted):
    async def _run_async(self, shared):
        note(self, "own _run_async")
        return await super()._run_async(shared)

    def set_params(self, params):
        LOG.append((self.name, "set_params", dict(params)))
        super().set_params(params)


class SyncOwnRun(SyncScripted):
    def _run(self, shared):
        note(self, "own _run")
        return super()._run(shared)


class Listed:
    """Flow hooks that log."""

    name = ""
    rows: list = []

    def prep(self, shared):
        note(self, "prep")
        return self.rows

    async def prep_async(self, shared):
        note(self, "prep_async")
        return self.rows

    def post(self, shared, prep_res, exec_res):
        note(self, "post", exec_res)
        return bounded(self, "default")

    async def post_async(self, shared, prep_res, exec_res):
        note(self, "post_async", exec_res)
        return bounded(self, "default")


class OwnNext(Listed):
    def get_next_node(self, curr, action):
        LOG.append((self.name, "get_next_node", curr.name, action))
        return super().get_next_node(curr, action)


class OwnOrch(Listed):
    async def _orch_async(self, shared, params=None):
        note(self, "own _orch_async")
        return await super()._orch_async(shared, params)


SYNC_NODES = [SyncScripted, BatchScripted, SyncOwnRun]
ASYNC_NODES = [AsyncScripted, AsyncOwnRun]
SYNC_FLOWS = [
    type(f"{m.__name__}{k.__name__}", (m, k), {})
    for m in (Listed, OwnNext)
    for k in (Flow, BatchFlow)
]
ASYNC_FLOWS = [
    type(f"{m.__name__}{k.__name__}", (m, k), {})
    for m in (Listed, OwnNext, OwnOrch)
    for k in (AsyncFlow, AsyncBatchFlow, AsyncParallelBatchFlow)
]

scripts = st.fixed_dictionaries(
    {},
    optional={
        "writes": st.just(True),
        "gives": st.just(True),
        "fails": st.integers(0, 2),
        "falls": st.booleans(),
        "action": st.sampled_from(["a", "b", "none such"]),
        "sleeps": st.integers(0, 2),
    },
)


@st.composite
def graphs(draw, depth=2, may_await=True, names=None):
    """Draw a flow whose nodes may be flows, to `depth`, all named apart."""
    names = names if names is not None else iter(f"n{number}" for number in range(10_000))
    nodes = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.integers(0, 3)) == 0:
            inner_awaits = may_await and draw(st.booleans())
            node = draw(graphs(depth - 1, inner_awaits, names))
        else:
            kinds = SYNC_NODES + (ASYNC_NODES * 2 if may_await else [])
            retries = draw(st.integers(1, 2))
            node = draw(st.sampled_from(kinds))(max_retries=retries)
            node.script = draw(scripts)
            if isinstance(node, AsyncScripted) and draw(st.integers(0, 4)) == 0:
                node.post_async = patched(node)
        node.name = next(names)
        nodes.append(node)
    for node in nodes:
        for action in ("default", "a", "b"):
            if draw(st.booleans()):
                node.next(draw(st.sampled_from(nodes)), action)
    flow = draw(st.sampled_from(ASYNC_FLOWS if may_await else SYNC_FLOWS))(start=nodes[0])
    flow.rows = draw(st.sampled_from([[], [{"r": 1}, {"r": 2, "i": 1}]]))
    flow.set_params(draw(st.sampled_from([{}, {"own": 1}])))
    flow.name = next(names)
    return flow


def patched(node):
    async def post_async(shared, prep_res, exec_res):
        note(node, "patched post", shared.get("last"), exec_res)
        shared["visits"] = shared.get("visits", 0) + 1
        return "a" if shared["visits"] < 9 else "the end"

    return post_async


def nodes_of(flow):
    found, queue = {}, [flow]
    while queue:
        node = queue.pop()
        if id(node) not in found:
            found[id(node)] = node
            queue += node.successors.values()
            if isinstance(node, Flow):
                queue.append(node.start_node)
    return list(found.values())


def state(flow):
    return [(node, dict(node.__dict__), copy.deepcopy(node.params)) for node in nodes_of(flow)]


def unchanged(before):
    return all(
        dict(node.__dict__) == attributes and node.params == params
        for node, attributes, params in before
    )


class Gather(AsyncParallelBatchFlow):
    """PocketFlow's parallel batch, which goes on when one fails, so that logs can be compared."""

    async def _run_async(self, shared):
        rows = await self.prep_async(shared)
        walks = [self._orch_async(shared, {**self.params, **row}) for row in rows]
        return await asyncio.gather(*walks, return_exceptions=True)


async def with_log(main):
    result, log = await main, list(LOG)
    # When a child of a nested parallel batch fails, PocketFlow leaves its siblings running.
    orphans = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*orphans, return_exceptions=True)
    return result, log


def logged(main):
    LOG.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run_virtual(with_log(main))


async def as_pocketflow(flow, rows, shared, *, parallel):
    walks = [flow._orch_async(shared, {**flow.params, **row}) for row in rows]
    if parallel:
        return await asyncio.gather(*walks, return_exceptions=True)
    return [(await asyncio.gather(walk, return_exceptions=True))[0] for walk in walks]


def without_post(log, flow):
    """Leave out the batch's own post, which belongs to a run and to no instance."""
    return [e for e in log if not (e[0] == flow.name and e[1].startswith("post"))]


async def as_flowmagic(flow, rows, shared, **options):
    return await fm.batchflow(flow, rows, shared=shared, **options)


def like(results):
    return [str(each) if isinstance(each, Exception) else each for each in results]


def copies_match(run, log, flow):
    """Whether the recorded node copies are those whose prep is in the log, with the params they got."""
    leaves = {node.name for node in nodes_of(flow) if isinstance(node, Scripted)}
    kinds = {node.name: type(node).__name__ for node in nodes_of(flow)}
    seen = sorted(
        (kinds[name], sorted(map(repr, params.items())))
        for name, hook, params, *_ in (entry for entry in log if entry[1] == "prep")
        if name in leaves
    )
    names = {kinds[name] for name in leaves}
    noted = sorted(
        (each.node, sorted(map(repr, each.params.items())))
        for instance in run.instances
        for each in instance.copies
        if each.node in names
    )
    return seen == noted


def outputs_match(run, log, flow):
    """Whether each node copy's output is what its post received, and each instance's the last of them."""
    kinds = {
        node.name: type(node).__name__ for node in nodes_of(flow) if isinstance(node, Scripted)
    }
    received = [
        (kinds[name], params.get("i") if hook == "post" else more[1][1], more[1])
        for name, hook, params, *more in log
        if hook in {"post", "patched post"} and name in kinds and more[1] is not None
    ]
    recorded = [
        (each.node, each.params.get("i"), each.output)
        for instance in run.instances
        for each in instance.copies
        if each.output is not None
    ]
    outputs = [each.output for each in run.instances]
    by_row = [[output for _, i, output in received if i == row["i"]] for row in ROWS]
    last = [outputs[-1] if outputs else None for outputs in by_row]
    batches = (BatchFlow, AsyncBatchFlow, AsyncParallelBatchFlow)
    nested = any(
        isinstance(node, batches) for node in nodes_of(flow)[1:]
    )  # rows with their own `i`
    same = sorted(map(repr, received)) == sorted(map(repr, recorded))
    return same and (nested or outputs == last)


ROWS = [{"i": 0}, {"i": 1, "own": 2}, {"i": 2}]

slow = settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slow
@given(flow=graphs(), parallel=st.booleans())
def test_async_flows_make_the_same_calls_as_in_pocketflow(flow, parallel):
    """With threads off, the global order of hook calls, their params and the results are the same."""
    before = state(flow)
    results, expected = logged(as_pocketflow(flow, ROWS, {}, parallel=parallel))
    # Where a walk of a nested parallel flow fails, the others go on after the instance's end; how
    # many turns of the loop later the next instance begins is nobody's promise.
    gathers = any(isinstance(node, AsyncParallelBatchFlow) for node in nodes_of(flow))
    assume(parallel or not gathers or not any(isinstance(each, Exception) for each in results))
    limit = len(ROWS) if parallel else 1
    run, log = logged(as_flowmagic(flow, ROWS, {}, limit=limit, threads=False))
    assert without_post(log, flow) == expected
    assert like(run.results) == like(results)
    assert unchanged(before)
    assert ROWS == [{"i": 0}, {"i": 1, "own": 2}, {"i": 2}]


@slow
@given(flow=graphs(may_await=False))
def test_sync_flows_make_the_same_calls_as_in_pocketflow(flow):
    """A sync flow's instances, one after the other, are what BatchFlow makes of them."""
    before = state(flow)

    async def as_pocketflow():
        results = []
        for row in ROWS:
            try:
                results.append(flow._orch({}, {**flow.params, **row}))
            except Boom as error:
                results.append(error)
        return results

    results, expected = logged(as_pocketflow())
    shared: dict = {}
    run, log = logged(as_flowmagic(flow, ROWS, shared, limit=1, threads=False))
    assert [e[:2] for e in without_post(log, flow)] == [e[:2] for e in expected]
    assert like(run.results) == like(results)
    assert unchanged(before)


@settings(slow, max_examples=20)
@given(flow=st.one_of(graphs(), graphs(may_await=False)))
def test_with_threads_each_instance_makes_the_same_calls(flow):
    """Threads change which instances overlap, and nothing within one."""
    before = state(flow)
    for row in ROWS:
        alone = [row]
        _, expected = logged(as_flowmagic(flow, alone, {}, limit=1, threads=False))
        _, log = logged(as_flowmagic(flow, alone, {}, limit=1, threads=True))
        # Children of a nested parallel batch interleave, and see each other's marks on the dict.
        if not any(isinstance(node, AsyncParallelBatchFlow) for node in nodes_of(flow)[1:]):
            assert without_post(log, flow) == without_post(expected, flow)
    assert unchanged(before)


@settings(slow, max_examples=25)
@given(flow=st.one_of(graphs(), graphs(may_await=False)))
def test_the_recorded_node_copies_match_the_calls(flow):
    """One record per prep that was called, with the params that copy received."""
    run, log = logged(as_flowmagic(flow, ROWS, {}, limit=1, threads=False))
    if any(isinstance(node, OwnOrch) for node in nodes_of(flow)):
        return  # listened to only: a copy that fails there is not seen
    if any(isinstance(node, AsyncParallelBatchFlow) for node in nodes_of(flow)) and run.failures:
        return  # children that outlive their failed instance are no part of it
    assert copies_match(run, log, flow)
    assert outputs_match(run, log, flow)


@pytest.mark.parametrize("kind", [AsyncParallelBatchFlow, AsyncBatchFlow])
def test_a_throttled_flow_passes_the_same_to_post(kind):
    """The flow class makes the calls of its base, prep and post included."""

    def build(base):
        class Own(Listed, base):
            async def post_async(self, shared, prep_res, exec_res):
                note(self, "post_async")
                return "end"

        first, second = AsyncScripted(), SyncScripted()
        first.name, second.name = "first", "second"
        first >> second
        flow = Own(start=first)
        flow.name, flow.rows = "flow", ROWS
        flow.set_params({"own": 1})
        return flow

    flow = build(fm.ThrottledAsyncParallelBatchFlow)
    flow.max_concurrent_flows = len(ROWS) if kind is AsyncParallelBatchFlow else 1
    assert logged(flow.run_async({})) == logged(build(kind).run_async({}))


def test_nothing_suspends_between_the_nodes_of_an_instance():
    """Instances that share one dict are right only because no other runs between post and prep."""

    class First(AsyncNode):
        async def exec_async(self, prep_res):
            await asyncio.sleep(self.params["i"] % 2)

        async def post_async(self, shared, prep_res, exec_res):
            shared["image"] = self.params["i"]

    class Second(AsyncNode):
        async def prep_async(self, shared):
            return shared["image"]

        async def exec_async(self, prep_res):
            await asyncio.sleep(1)
            return prep_res

        async def post_async(self, shared, prep_res, exec_res):
            shared.setdefault("pairs", []).append((self.params["i"], exec_res))

    class Inner(AsyncFlow):
        pass

    def build(nested):
        first, second = First(), Second()
        if nested:
            outer = Inner(start=first)
            outer >> Inner(start=second)
            return AsyncFlow(start=outer)
        first >> second
        return AsyncFlow(start=first)

    for nested in (False, True):
        shared: dict = {}
        run, _ = logged(as_flowmagic(build(nested), fm.grid(i=range(9)), shared, limit=9))
        run.raise_for_failures()
        assert [a for a, b in shared["pairs"] if a != b] == []
        assert len(shared["pairs"]) == 9
