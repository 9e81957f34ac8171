"""What a run started with, as its journal keeps it."""

from __future__ import annotations

import json

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from flowmagic.flow import graph
from flowmagic.flow.graph import first_nodes
from flowmagic.journal.codec import decoded
from flowmagic.journal.snapshot import (
    NodeSnapshot,
    attributes_of,
    globals_of,
    links_of,
    nodes_kept,
    secrets_of_flow,
    secrets_of_globals,
    secrets_of_nodes,
    secrets_of_rows,
    shared_kept,
    user_classes,
    user_classes_of,
)
from flowmagic.records.batch import as_batch
from flowmagic.text.redact import MASK


class Ask(AsyncNode):
    def __init__(self, **attributes):
        super().__init__()
        vars(self).update(attributes)


def attributes(node, secrets):
    """Return the attributes of a node that are kept."""
    (kept,) = nodes_kept(node, secrets)
    return {name: value for text, _ in kept.attributes for name, value in decoded(text).items()}


def test_the_nodes_are_kept_with_their_attributes_and_successors():
    """As they come back from JSON."""
    one, two = Ask(words=("a",)), Ask(client=object())
    one - "more" >> two
    kept = json.loads(json.dumps(nodes_kept(AsyncFlow(start=one), frozenset())))
    flow, first, second = (NodeSnapshot(*each) for each in kept)
    assert (flow.location, flow.start, flow.successors) == ("pocketflow:AsyncFlow", 1, {})
    assert (first.location, first.start) == (f"{__name__}:Ask", None)
    assert first.successors == {"more": 2}
    assert decoded(first.attributes[-1][0]) == {"words": ("a",)}
    [(client, left_out)] = [entry for entry in second.attributes if entry[1]]
    assert (decoded(client), left_out) == ({"client": None}, "object")


def test_secrets_of_attributes_are_masked_unless_they_are_to_be_kept():
    """By their names, at any depth, and where another one quotes them."""
    node = Ask(api_key="sk-12345678", headers={"token": "tk-12345678"}, url="u?sk-12345678")
    masked = attributes(node, frozenset({"sk-12345678"}))
    assert (masked["api_key"], masked["headers"], masked["url"]) == (
        MASK, {"token": MASK}, f"u?{MASK}",
    )  # fmt: skip
    assert attributes(node, None)["url"] == "u?sk-12345678"


def test_the_shared_store_is_kept_except_for_long_values():
    """And except for what cannot be stored; keys may be of any type."""
    shared = {
        "a": [1],
        2: {"x"},
        "long": "x" * 5_000,
        "lock": object(),
        "password": "hunter22",
        object(): 1,
    }
    kept = shared_kept(shared, frozenset())
    assert [(decoded(text), left_out) for text, left_out in kept] == [
        ({"a": [1]}, ""), ({2: {"x"}}, ""), ({"long": None}, "str"), ({"lock": None}, "object"),
        ({"password": MASK}, ""),
    ]  # fmt: skip
    assert shared_kept([], frozenset()) == []
    assert len(shared_kept(dict.fromkeys(range(500)), None)) == 100


class Client:
    """An object that has no form in a journal."""


def kept(shared, secrets=None):
    """Return what is kept, with the texts read again."""
    return [(decoded(text), kind) for text, kind in shared_kept(shared, secrets)]


def test_each_entry_is_kept_with_its_value():
    """In the order of the store, with keys and values of any kind that a journal can write."""
    store = {"messages": ["hello"], 7: (1, 2), "nothing": None}
    assert kept(store) == [({key: value}, "") for key, value in store.items()]


def test_of_a_value_that_cannot_be_stored_the_class_is_kept():
    """So that the script of the run can say what is to be put there."""
    assert kept({"client": Client(), "count": 3}) == [
        ({"client": None}, "Client"),
        ({"count": 3}, ""),
    ]


def test_of_a_long_value_the_class_is_kept():
    """A journal is no place for the documents of a batch."""
    assert kept({"short": "x" * 100, "long": "x" * 10_000}) == [
        ({"short": "x" * 100}, ""),
        ({"long": None}, "str"),
    ]


def test_an_entry_whose_key_cannot_be_stored_is_left_out():
    """Nothing could be said of it."""
    assert kept({Client(): 1, "n": 2}) == [({"n": 2}, "")]


def test_a_large_store_is_kept_in_part():
    """Its first hundred entries."""
    assert kept({n: n for n in range(5_000)}) == [({n: n}, "") for n in range(100)]


@pytest.mark.parametrize("shared", [None, [1], Client()])
def test_of_a_store_that_is_no_dict_nothing_is_kept(shared):
    """It has no entries."""
    assert shared_kept(shared, None) == []


def test_secrets_are_masked_by_their_key_and_wherever_they_occur():
    """With None as the secrets, nothing is masked: the user wants them kept."""
    store = {"api_key": "sk-12345678", "url": "?key=sk-12345678", "n": 1}
    masked = kept(store, frozenset({"sk-12345678"}))
    assert masked == [({"api_key": MASK}, ""), ({"url": f"?key={MASK}"}, ""), ({"n": 1}, "")]
    assert kept(store, frozenset())[0] == ({"api_key": MASK}, "")
    assert kept(store) == [({key: value}, "") for key, value in store.items()]


def test_later_changes_are_not_in_the_snapshot():
    """It is made of plain values that JSON can hold."""
    store = {"messages": ["hello"]}
    rows = shared_kept(store, None)
    store["messages"].append("world")
    assert [json.loads(text) for text, _ in rows] == [{"messages": ["hello"]}]
    assert [tuple(each) for each in json.loads(json.dumps(rows))] == rows


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
    assert first_nodes(flow) == [flow, first, second, inner, inner.start_node]


def test_of_a_very_large_flow_only_the_first_nodes_are_read(monkeypatch):
    """A flow that makes successors without end cannot hold up the start of a run."""
    monkeypatch.setattr(graph, "_MOST_NODES", 5)
    first = node = Node()
    for _ in range(20):
        node = node >> Node()
    assert len(first_nodes(Flow(start=first))) == 5


def test_links_are_numbers_of_nodes():
    """By action; the start node of a flow beside them. A node that was not read is None."""
    first, second = Convert(), Show()
    first >> second
    second - "again" >> first
    flow = AsyncFlow(start=first)
    nodes = first_nodes(flow)
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


CELL = """
from pocketflow import AsyncNode
API_KEY, CONF, UNUSED_TOKEN = "sk-12345678", {"token": "tk-12345678"}, "uk-12345678"
def call(api_key="dk-12345678"): return api_key
class Base(AsyncNode):
    secret = "ck-12345678"
    def key(self): return API_KEY
class Ask(Base):
    def said(self): return [lambda: (CONF, call(), undefined)]
"""


def test_secrets_of_nodes_are_those_of_attributes_and_classes(cells):
    """At any depth, and of the classes that they inherit from."""
    node = cells.run(CELL).Ask()
    node.api_key, node.headers, node.url = "ak-12345678", {"token": "hk-12345678"}, "?ak-12345678"
    assert secrets_of_nodes(node) == {"ak-12345678", "hk-12345678", "ck-12345678"}


def test_secrets_of_globals_are_those_that_the_nodes_use(cells):
    """Constants, and what stands in the functions that they call; also within a lambda."""
    assert secrets_of_globals(cells.run(CELL).Ask()) == {
        "sk-12345678",
        "tk-12345678",
        "dk-12345678",
    }


def test_secrets_of_rows_are_those_that_are_known_in_advance():
    """Of the flow's own params, and of a list; not of a generator."""
    node = AsyncNode()
    node.set_params({"token": "fk-12345678"})
    rows = [{"api_key": "rk-12345678"}]
    assert secrets_of_rows(node, as_batch(rows)) == {"fk-12345678", "rk-12345678"}
    assert secrets_of_rows(node, as_batch(iter(rows))) == {"fk-12345678"}
    assert secrets_of_rows(node, None) == {"fk-12345678"}


class Broken(dict):
    def items(self):
        raise ConnectionError("the store is gone")


def test_secrets_beside_the_params_are_found():
    """In the store, in nodes of nested flows, among a flow's own params; what raises has none."""
    node = Ask()
    node.api_key = "sk-of-a-node"
    flow = AsyncFlow(start=AsyncFlow(start=node))
    flow.set_params({"token": "sk-of-the-flow"})
    store = {"client": {"password": "sk-of-the-store"}}
    assert secrets_of_flow(flow, store) == {"sk-of-a-node", "sk-of-the-flow", "sk-of-the-store"}
    assert secrets_of_flow(Ask(), Broken(token="sk-1234")) == set()
