"""Whether a flow is the one that an earlier run had."""

from __future__ import annotations

import pytest
from pocketflow import AsyncFlow, AsyncNode

from flowmagic.journal.fingerprint import differences, fingerprint, parts_of, row_key

ASK = """
from pocketflow import AsyncFlow, AsyncNode
class Mixin:
    def word(self): return {word!r}
class Ask(AsyncNode, Mixin):
    def __init__(self, **attributes):
        super().__init__()
        vars(self).update(attributes)
    async def exec_async(self, prepared): return {result}
"""


def parts(cells, *, word="a", result=1, **attributes):
    names = cells.run(ASK.format(word=word, result=result))
    return parts_of(AsyncFlow(start=names.Ask(**attributes)))


def test_the_same_cell_run_again_makes_the_same_flow(cells):
    """In another process too: nothing of it is an address."""
    one, other = (
        parts(cells, client=object(), words={"a", "b"}),
        parts(cells, client=object(), words={"b", "a"}),
    )
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"result": 2}, ["the source of Ask has changed"]),
        ({"word": "b"}, ["the source of Ask has changed"]),
        ({"temperature": 1}, ["the attributes or successors of Ask have changed"]),
    ],
)
def test_the_message_says_what_has_changed(cells, changed, said):
    """In a cell that was edited: the class, what it inherits from, its attributes."""
    before, now = parts(cells), parts(cells, **changed)
    assert fingerprint(before) != fingerprint(now)
    assert differences(before, now) == said


def test_classes_without_a_source_are_distinguished_by_their_code():
    """As `exec` makes them."""
    marks = [fingerprint(parts_of(made(result))) for result in ("1", "2", "1")]
    assert marks[0] == marks[2] != marks[1]
    # Equal sets, which have their items in another order in another process.
    one, other = (fingerprint(parts_of(made(f"1 in {items}"))) for items in ("{0, 8}", "{8, 0}"))
    assert one == other


def made(result):
    names = {"__name__": "__main__"}
    exec(ASK.format(word="a", result=result), names)
    return names["Ask"]()


def test_a_changed_secret_does_not_change_the_fingerprint(cells):
    """In attributes, at any depth, and where another attribute quotes it."""
    names = cells.run(ASK.format(word="a", result=1))
    node = names.Ask(api_key="sk-12345678", headers={"token": "tk-12345678"}, url="u?sk-12345678")
    other = names.Ask(api_key="sk-87654321", headers={"token": "tk-87654321"}, url="u?sk-87654321")
    assert fingerprint(parts_of(node)) == fingerprint(parts_of(other))
    other.url = "v?sk-87654321"
    assert fingerprint(parts_of(node)) != fingerprint(parts_of(other))


def test_nodes_in_a_circle_are_read_once():
    """Each node is one part."""
    one, other = AsyncNode(), AsyncNode()
    one >> other
    other >> one
    assert len(parts_of(AsyncFlow(start=one))) == 3


def test_a_nodes_own_getattr_is_not_called():
    """It may raise, or return anything."""

    class Trap(AsyncNode):
        def __getattr__(self, name):
            raise ConnectionError(name)

    assert next(part.name for part in parts_of(Trap())).endswith("Trap")


def test_rows_are_known_by_what_they_hold():
    """In whatever order it stands; not without the key of the file."""
    key = row_key(b"k", {"a": 1, "b": [2]})
    assert key == row_key(b"k", {"b": [2], "a": 1})
    assert key != row_key(b"k", {"a": 1, "b": [3]})
    assert row_key(b"k", {1: "a", "b": 2}) == row_key(b"k", {"b": 2, 1: "a"})
    nested = row_key(b"k", {"a": [{1: "a", "b": {2: 0, 3: 0}}]})
    assert nested == row_key(b"k", {"a": [{"b": {3: 0, 2: 0}, 1: "a"}]})
    assert key != row_key(b"l", {"a": 1, "b": [2]})
    assert row_key(b"k", {"a": object()}) is None
