"""What a run started with, as its journal keeps it."""

from __future__ import annotations

import json

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


def test_the_shared_store_is_kept_but_for_long_values():
    """And for what cannot be stored; keys of any kind."""
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
