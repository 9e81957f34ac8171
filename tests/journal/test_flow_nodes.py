"""What the journal reads of a flow's nodes."""

from __future__ import annotations

from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from flowmagic.journal import flow_nodes as module
from flowmagic.journal.flow_nodes import (
    attributes_of,
    flow_nodes,
    globals_of,
    links_of,
    user_classes,
    user_classes_of,
)

UNIT, FACTOR, UNUSED = "km", 3, "not read by any node"


class Base(AsyncNode):
    def unit(self):
        return UNIT


class Convert(Base):
    def factors(self):
        return [FACTOR * number for number in range(3)] + [lambda: FACTOR]

    def undefined(self):
        return nowhere  # noqa: F821 - the notebook may define it later


class Show(Base):
    pass


def test_the_nodes_of_a_flow_come_in_the_order_in_which_they_are_reached():
    """The flow itself is the first one, and a circle ends."""
    first, second, inner = Convert(), Show(), Flow(start=Node())
    first >> second
    second - "again" >> first
    second - "inner" >> inner
    flow = AsyncFlow(start=first)
    assert flow_nodes(flow) == [flow, first, second, inner, inner.start_node]


def test_of_a_very_large_flow_only_the_first_nodes_are_read(monkeypatch):
    """A flow that makes successors without end cannot hold up the start of a run."""
    monkeypatch.setattr(module, "_MOST_NODES", 5)
    first = node = Node()
    for _ in range(20):
        node = node >> Node()
    assert len(flow_nodes(Flow(start=first))) == 5


def test_links_are_numbers_of_nodes():
    """By action; the start node of a flow beside them. A node that was not read is None."""
    first, second = Convert(), Show()
    first >> second
    second - "again" >> first
    flow = AsyncFlow(start=first)
    nodes = flow_nodes(flow)
    assert links_of(nodes) == [({}, 1), ({"default": 2}, None), ({"again": 1}, None)]
    assert links_of(nodes[:2]) == [({}, 1), ({"default": None}, None)]


def test_attributes_are_sorted_and_leave_out_those_of_pocketflow():
    """What the user set, and the retries that every node has."""
    node = Node(max_retries=2)
    node.url, node.api = "u", "a"
    node.set_params({"n": 1})
    node >> Node()
    attributes = attributes_of(node)
    assert list(attributes) == sorted(attributes)
    assert attributes == {"api": "a", "max_retries": 2, "url": "u", "wait": 0}
    assert attributes_of(Flow(start=node)) == {}


def test_the_classes_of_the_user_are_those_that_no_library_of_ours_defines():
    """A class before those that it inherits from; of several nodes, each class once."""
    assert user_classes(Convert) == [Convert, Base]
    assert user_classes(AsyncNode) == []
    assert user_classes_of([Show(), Convert(), Show(), Node()]) == [Show, Base, Convert]


def test_globals_are_those_that_the_methods_of_a_class_read():
    """In functions within them, too; not those of its bases, and not names without a value."""
    assert globals_of(Convert) == {"FACTOR": 3}
    assert globals_of(Base) == {"UNIT": "km"}
    assert globals_of(Show) == {}
