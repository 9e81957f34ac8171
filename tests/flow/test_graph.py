"""The user's flow, read and never altered."""

import sys
from pathlib import Path

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BaseNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from flowmagic import FlowError
from flowmagic.flow.graph import TOP, Topology, check_flow, nodes_of, secrets_around

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


class Broken(dict):
    def items(self):
        raise ConnectionError("the store is gone")


def test_secrets_beside_the_params_are_found():
    """In the store, in nodes of nested flows, among a flow's own params; what raises has none."""
    node = Plain()
    node.api_key = "sk-of-a-node"
    flow = AsyncFlow(start=AsyncFlow(start=node))
    flow.set_params({"token": "sk-of-the-flow"})
    store = {"client": {"password": "sk-of-the-store"}}
    assert secrets_around(flow, store) == {"sk-of-a-node", "sk-of-the-flow", "sk-of-the-store"}
    assert secrets_around(Plain(), Broken(token="sk-1234")) == set()


class Decide(AsyncNode):
    async def exec_async(self, prepared):
        raise AssertionError("nothing is run")


class Search(Node): ...


class Answer(Node): ...


def shown(topology):
    """Return the nodes as names with their levels, and the edges as names."""
    nodes = topology.nodes
    return [(node.name, node.level) for node in nodes], [
        (nodes[edge.start].name, edge.action, nodes[edge.end].name) for edge in topology.edges
    ]


def test_nodes_are_listed_breadth_first_with_every_edge_between_them():
    """A loop, a branch and an exit; each node once."""
    decide, search, answer = Decide(), Search(), Answer()
    decide - "search" >> search
    decide - "answer" >> answer
    search >> decide
    topology = Topology(AsyncFlow(start=decide))
    assert shown(topology) == (
        [("Decide", TOP), ("Search", TOP), ("Answer", TOP)],
        [
            ("Decide", "search", "Search"),
            ("Decide", "answer", "Answer"),
            ("Search", "default", "Decide"),
        ],
    )
    assert [topology.edge(0, each) for each in ("search", "answer", "other")] == [0, 1, None]
    assert (topology.start(TOP), topology.start(0), topology.cut) == (0, None, False)


def test_a_nested_flow_has_a_level_of_its_own_wherever_it_is_used():
    """Its nodes belong to it; one object in two places is two nodes."""
    inner_a, inner_b = Search(), Answer()
    inner_a >> inner_b
    inner = Flow(start=inner_a)
    first, last = Decide(), Decide()
    outer = AsyncFlow(start=first)
    first >> inner >> last
    last - "again" >> Flow(start=inner_a)
    nodes, edges = shown(Topology(outer))
    assert nodes == [
        *[(name, TOP) for name in ("Decide", "Flow", "Decide", "Flow")],
        *[("Search", 1), ("Answer", 1), ("Search", 3), ("Answer", 3)],
    ]
    assert edges.count(("Search", "default", "Answer")) == 2


def test_a_flow_within_itself_ends_the_reading():
    """It is a node without nodes there."""
    inner = Flow()
    step = Search()
    inner.start(step) >> inner
    assert shown(Topology(inner)) == (
        [("Search", TOP), ("Flow", TOP)],
        [("Search", "default", "Flow")],
    )


def test_a_very_large_graph_is_cut_with_a_word():
    """Nested flows that stand in many places make many nodes of a few objects."""
    flow = Flow(start=Search())
    for _ in range(12):
        twice = Flow(start=flow)
        flow.next(Flow(start=flow), f"to {_}")
        flow = twice
    topology = Topology(flow)
    assert topology.cut
    assert len(topology.nodes) == 2_000
    assert all(edge.end < 2_000 for edge in topology.edges)


def test_a_single_node_is_a_graph_of_one():
    """And a flow without a start node one of none; what is no node is not walked."""
    assert shown(Topology(Decide())) == ([("Decide", TOP)], [])
    assert shown(Topology(Flow())) == ([], [])
    odd = Search()
    odd.successors = {"a": "no node", "b": Answer, 3: Answer()}
    assert shown(Topology(Flow(start=odd))) == ([("Search", TOP)], [])
    odd.successors = None
    assert shown(Topology(Flow(start=odd))) == ([("Search", TOP)], [])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Node, "node"),
        (BatchNode, "batch node"),
        (AsyncNode, "async node"),
        (AsyncBatchNode, "async batch node"),
        (AsyncParallelBatchNode, "parallel batch node"),
        (Flow, "flow"),
        (BatchFlow, "batch flow"),
        (AsyncFlow, "async flow"),
        (AsyncParallelBatchFlow, "parallel batch flow"),
    ],
)
def test_a_node_says_what_kind_it_is(kind, words):
    """As PocketFlow's classes are called; its own have no place in the user's code."""
    node = Topology(Flow(start=kind())).nodes[0]
    assert (node.kind, node.place) == (words, None)


def test_a_node_says_where_its_class_is_written():
    """The class's line, or that of its first method where Python does not know it."""
    node = Topology(Decide()).nodes[0]
    place = node.place
    assert place.file == __file__
    line = Path(__file__).read_text().splitlines()[place.line - 1]
    assert line.startswith("class Decide" if sys.version_info >= (3, 13) else "    async def exec")


def test_no_code_of_the_users_is_run():
    """Neither properties nor comparisons nor copies; nothing is changed."""

    class Sly(Node):
        @property
        def name(self):
            raise AssertionError

        def __eq__(self, other):
            raise AssertionError

        def __bool__(self):
            raise AssertionError

        __hash__ = None
        __getattr__ = __copy__ = __len__ = name

    first, last = Sly(), Sly()
    first.successors["default"] = last
    flow = Flow(start=first)
    before = dict(vars(flow))
    assert shown(Topology(flow)) == (
        [("Sly", TOP), ("Sly", TOP)],
        [("Sly", "default", "Sly")],
    )
    assert vars(flow).keys() == before.keys()
