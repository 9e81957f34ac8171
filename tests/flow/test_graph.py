"""The user's flow, read and never altered."""

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BaseNode,
    BatchFlow,
    Flow,
    Node,
)

from flowmagic import FlowError
from flowmagic.flow.graph import (
    SingleNode,
    check_flow,
    nodes_of,
    overrides,
    own_run_of,
    successors_of,
    ways_of,
)

ROWS = [{"n": 1}, {"n": 2}]
KINDS = [Flow, BatchFlow, AsyncFlow, AsyncBatchFlow, AsyncParallelBatchFlow]


class Plain(Node):
    pass


def test_each_node_of_a_flow_is_found_once():
    """Also in circles, and in flows within it."""
    inner = Flow(start=Plain())
    first = Plain()
    first >> inner
    inner - "again" >> first
    flow = AsyncFlow(start=first)
    assert list(nodes_of(flow)) == [flow, first, inner, inner.start_node]
    assert next(nodes_of(Plain())).__class__ is Plain


@pytest.mark.parametrize(
    "flow", [Node(), AsyncNode(), BaseNode(), *(kind(start=Node()) for kind in KINDS)]
)
def test_every_kind_of_flow_and_node_is_taken(flow):
    """Sync or async, batch or single."""
    before = dict(vars(flow))
    check_flow(flow)
    assert vars(flow) == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (AsyncFlow, "The flow is the class AsyncFlow, not an object of it. Write AsyncFlow(...)."),
        (Node, "The flow is the class Node, not an object of it. Write Node(...)."),
        (None, "The flow is None, not a PocketFlow flow or node."),
        ("flow", "The flow is a str ('flow'), not a PocketFlow flow or node."),
        (dict, "The flow is the class dict, not a PocketFlow flow or node."),
        (AsyncFlow(), "AsyncFlow has no start node. Write AsyncFlow(start=node)."),
        (
            Flow(start=Node),
            "The start node of Flow is the class Node, not an object of a node class.",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_the_correction(wrong, said):
    """What it is, and what was expected."""
    with pytest.raises(FlowError) as refused:
        check_flow(wrong)
    assert str(refused.value).startswith(said)


def test_an_end_that_is_written_down_is_a_way_and_no_successor():
    """`node - "error" >> None`; something that is no mapping has neither."""
    first, second = Plain(), Plain()
    first >> second
    first - "error" >> None
    assert ways_of(first) == {"default": second, "error": None}
    assert successors_of(first) == {"default": second}
    first.successors = None
    assert ways_of(first) == successors_of(first) == {}


@pytest.mark.parametrize("kind", [*KINDS, Node, AsyncNode])
def test_an_own_way_to_run_is_found_on_the_class_and_on_the_object(kind):
    """PocketFlow's own classes have none, whatever they override of each other."""
    name = "run_async" if issubclass(kind, AsyncNode) else "run"
    steps = ["_run", *(["_run_async"] if issubclass(kind, AsyncNode) else [])]
    node = kind()
    assert own_run_of(node) == ""
    assert not any(overrides(node, step) for step in steps if (kind, step) != (AsyncNode, "_run"))
    assert own_run_of(type("Own", (kind,), {name: print})()) == name
    setattr(node, name, print)
    assert own_run_of(node) == name
    node._run = print
    assert overrides(node, "_run")


def test_a_single_node_is_a_flow_of_one():
    """It ends whatever the node returns."""
    node = Plain()
    node >> Plain()
    flow = SingleNode(node)
    assert flow.start_node is node
    assert flow.get_next_node(node, "default") is None
