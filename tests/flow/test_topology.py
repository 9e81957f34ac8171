"""The nodes and edges of a flow's graph."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from flowmagic.flow.topology import TOP, Topology


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
