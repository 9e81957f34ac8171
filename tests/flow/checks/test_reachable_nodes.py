"""The nodes that a run can reach, and the flows around each of them."""

from __future__ import annotations

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    Flow,
    Node,
)

from flowmagic import ThrottledAsyncParallelBatchFlow, ThrottledParallelBatchNode
from flowmagic.flow.checks.reachable_nodes import fans_out, reachable_nodes

from .checked import said


class First(Node):
    pass


class Second(Node):
    pass


class Third(Node):
    pass


class Last(Node):
    pass


def names(flow):
    """Return the class names of all nodes, in the order they are found."""
    return [each.name for each in reachable_nodes(flow)]


def by_name(flow):
    """Return all nodes by the name of their class."""
    return {each.name: each for each in reachable_nodes(flow)}


def test_a_single_node_is_found_alone():
    """It is what the run is of, so that it is in no flow; what it leads to is not run."""
    node = First()
    node >> Second()
    (reached,) = reachable_nodes(node)
    assert reached.node is node
    assert (reached.flow, reached.outer, reached.certain) == (None, (), True)
    assert not reached.is_flow
    assert not reached.in_inner_batch


def test_the_nodes_of_nested_flows_are_found_with_the_flows_around_them():
    """The outermost flow first; the flow itself is in none."""
    inner, after = Flow(start=First()), Second()
    inner >> after
    outer = AsyncFlow(start=inner)
    found = by_name(outer)
    assert names(outer) == ["AsyncFlow", "Flow", "Second", "First"]
    assert found["AsyncFlow"].flow is None
    assert found["Flow"].outer == found["Second"].outer == (found["AsyncFlow"],)
    assert found["First"].outer == (found["AsyncFlow"], found["Flow"])
    assert found["First"].flow is inner
    assert [each.is_flow for each in found.values()] == [True, True, False, False]


def test_after_a_branch_no_node_is_certain():
    """Two actions that lead to one node are no fork."""
    first, second, third = First(), Second(), Third()
    first - "a" >> second
    first - "b" >> second
    second - "a" >> third
    second - "b" >> Last()
    found = by_name(Flow(start=first))
    assert {name: each.certain for name, each in found.items()} == {
        "Flow": True,
        "First": True,
        "Second": True,
        "Third": False,
        "Last": False,
    }


def test_in_a_flow_after_a_branch_no_node_is_certain_either():
    """Whether an instance comes to the flow decides."""
    first, inner = First(), Flow(start=Third())
    first - "a" >> inner
    first - "b" >> Second()
    assert not by_name(AsyncFlow(start=first))["Third"].certain


def test_a_circle_of_nodes_has_an_end():
    """Each node is found once."""
    first, second = First(), Second()
    first >> second
    second >> first
    assert names(Flow(start=first)) == ["Flow", "First", "Second"]


def test_a_graph_without_end_is_followed_for_a_while(monkeypatch):
    """One that makes its successors as they are looked at."""

    class Endless(dict):
        def items(self):
            node = First()
            node.successors = Endless()
            return [("default", node)]

    monkeypatch.setitem(reachable_nodes.__globals__, "_MOST_NODES", 20)
    first = First()
    first.successors = Endless()
    assert len(reachable_nodes(Flow(start=first))) == 20


@pytest.mark.parametrize("kind", [BatchFlow, AsyncBatchFlow, AsyncParallelBatchFlow])
def test_a_batch_flow_within_the_run_gives_its_nodes_further_params(kind):
    """The run's own flow does not: its batch is the run's."""
    inner = kind(start=First())
    assert by_name(AsyncFlow(start=inner))["First"].in_inner_batch
    assert not by_name(inner)["First"].in_inner_batch


@pytest.mark.parametrize("hook", ["get_next_node", "_orch", "_orch_async", "_run", "_run_async"])
def test_the_nodes_of_a_flow_with_its_own_orchestration_are_marked(hook):
    """All below it, nested ones too; what is beside it is not led."""
    led = type("Led", (AsyncFlow,), {hook: lambda *_: None})(start=Flow(start=First()))
    led >> Second()
    found = by_name(AsyncFlow(start=led))
    assert {name: each.in_own_orchestration for name, each in found.items()} == {
        "AsyncFlow": False,
        "Led": False,
        "Second": False,
        "Flow": True,
        "First": True,
    }
    assert found["First"].in_inner_batch


def test_nodes_of_one_class_are_read_once():
    """Except one with a function of its own, which may be anything."""
    nodes = [First(), First(), First()]
    nodes[2].exec = len
    nodes[0] >> nodes[1] >> nodes[2]
    _, one, two, own = reachable_nodes(Flow(start=nodes[0]))
    assert one.source is two.source
    assert one.usage is two.usage
    assert own.source is not one.source


def test_graphs_that_are_not_finished_are_looked_at_as_far_as_they_go():
    """A class that forgot PocketFlow's __init__, a nested flow without a start, a function of its own."""

    class Forgets(AsyncNode):
        def __init__(self):
            self.tool = len

    assert said(AsyncFlow(start=Forgets())) == ""
    assert said(AsyncFlow(start=AsyncFlow())) == ""


class OwnRun(AsyncParallelBatchFlow):
    async def _run_async(self, shared):
        return None


@pytest.mark.parametrize(
    ("node", "all_at_once"),
    [
        (AsyncParallelBatchNode(), True),
        (AsyncParallelBatchFlow(start=First()), True),
        (AsyncNode(), False),
        (AsyncBatchFlow(start=First()), False),
        (OwnRun(start=First()), False),
        (ThrottledParallelBatchNode(), False),
        (ThrottledAsyncParallelBatchFlow(start=First()), False),
    ],
)
def test_what_runs_its_items_all_at_once_is_known(node, all_at_once):
    """PocketFlow's parallel classes; not ones with a limit, or with a way of their own."""
    assert fans_out(node) is all_at_once
