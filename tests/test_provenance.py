"""Where each param that a node copy received came from."""

from __future__ import annotations

import asyncio

from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode, AsyncParallelBatchFlow, Node

import flowmagic
from flowmagic.notebook.provenance import Provenance

from .virtualtime import virtual


class Sets(AsyncNode):
    """Changes its params, as told."""

    def __init__(self, seconds=0.0, **changes):
        super().__init__()
        self.seconds, self.changes = seconds, changes

    async def post_async(self, shared, prepared, executed):
        await asyncio.sleep(self.params.get("wait", self.seconds))
        for key, value in self.changes.items():
            if value is None:
                self.params.pop(key, None)
            else:
                self.params[key] = value


class Then(Sets):
    pass


class Last(Sets):
    pass


async def of(flow, row, **own):
    """Run one row; return per node copy its class, and the source of each of its params."""
    flow.set_params(own)
    run = await flowmagic.batchflow(flow, [row])
    assert run.ok, run[0].traceback
    copies = run[0].copies
    provenance = Provenance(copies, run[0].row, run.records.base)
    return [
        (copy.node, {key: provenance.source(position, key) for key in copy.params})
        for position, copy in enumerate(copies)
    ]


def chain(first, *others):
    node = first
    for each in others:
        node = node.next(each)
    return first


@virtual
async def test_what_a_node_received_came_from_the_flow_the_batch_or_a_node():
    """The row overlays the flow's own; what a node set came from it, until another one sets it."""
    flow = AsyncFlow(start=chain(Sets(a=10, new=1), Then(a=11, b=None), Last()))
    assert await of(flow, {"a": 1, "b": 2}, b=0, own=0) == [
        ("Sets", {"b": "batch over flow", "own": "flow", "a": "batch"}),
        ("Then", {"b": "batch over flow", "own": "flow", "a": "node Sets", "new": "node Sets"}),
        ("Last", {"own": "flow", "a": "node Then", "new": "node Sets"}),
    ]


@virtual
async def test_a_value_set_to_what_it_was_came_from_where_it_was():
    """And one that cannot be compared is taken for another one."""

    class Odd:
        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    flow = AsyncFlow(start=chain(Sets(a=1, odd=Odd()), Last()))
    (_, (_, sources)) = await of(flow, {"a": 1, "odd": Odd()})
    assert sources == {"a": "batch", "odd": "node Sets"}


@virtual
async def test_in_a_nested_flow_it_came_through_the_flow():
    """The flow's own changes are its; those of its nodes end with it."""

    class Inner(AsyncFlow):
        async def prep_async(self, shared):
            self.params["prepared"] = 1

    flow = AsyncFlow(start=chain(Inner(start=chain(Sets(a=5), Then())), Last()))
    assert await of(flow, {"a": 1}) == [
        ("Inner", {"a": "batch"}),
        ("Sets", {"a": "batch", "prepared": "node Inner"}),
        ("Then", {"a": "node Sets", "prepared": "node Inner"}),
        ("Last", {"a": "batch", "prepared": "node Inner"}),
    ]


@virtual
async def test_walks_of_a_nested_batch_are_told_apart_even_while_they_interleave():
    """Each row came from the flow that gave it; a node changes only the params of its own walk."""
    for kind in (AsyncBatchFlow, AsyncParallelBatchFlow):

        class Rows(kind):
            async def prep_async(self, shared):
                return [{"r": 1, "wait": 3}, {"r": 2, "wait": 1}]

        flow = AsyncFlow(start=Rows(start=chain(Sets(b=1), Then())))
        told = await of(flow, {"a": 1})
        rows = "node Rows"
        begins = ("Sets", {"a": "batch", "r": rows, "wait": rows})
        goes_on = ("Then", {"a": "batch", "r": rows, "wait": rows, "b": "node Sets"})
        assert told[0] == ("Rows", {"a": "batch"})
        assert sorted(told[1:], key=str) == sorted([begins, begins, goes_on, goes_on], key=str)
        order = [node for node, _ in told[1:]]
        assert (order == ["Sets", "Sets", "Then", "Then"]) == (kind is AsyncParallelBatchFlow)


@virtual
async def test_a_flow_with_an_orchestration_of_its_own_is_followed_task_by_task():
    """What its nodes received is seen when they have ended."""

    class Own(AsyncFlow):
        async def _orch_async(self, shared, params=None):
            return await super()._orch_async(shared, params)

    flow = AsyncFlow(start=Own(start=chain(Sets(b=1), Then(), Last())))
    own, first, *others = await of(flow, {"a": 1})
    assert [own[1], others[-1]] == [
        {"a": "batch"}, ("Last", {"a": "batch", "b": "node Own"}),
    ]  # fmt: skip
    assert first[0] == "Sets"


def test_a_single_node_received_the_instances_own():
    """There is nothing before it."""

    class Reads(Node):
        pass

    run = flowmagic.run_batch(Reads(), [{"a": 1}])
    provenance = Provenance(run[0].copies, run[0].row, run.records.base)
    assert (provenance.before(0), provenance.source(0, "a")) == (None, "batch")
    assert (provenance.changer(0), provenance.source(0, "what is not there")) == ("", "")
