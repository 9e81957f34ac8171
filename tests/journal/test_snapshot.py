"""What a run started with, as its journal keeps it."""

from __future__ import annotations

import json

import pytest
from pocketflow import AsyncFlow, AsyncNode

from flowmagic.journal.codec import decoded
from flowmagic.journal.snapshot import NodeSnapshot, nodes_kept, shared_kept
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
