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
from flowmagic.flow.graph import check_flow, nodes_of

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
