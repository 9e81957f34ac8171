"""Which values in `shared` the nodes change in place, as their source tells."""

from __future__ import annotations

import importlib
import sys
import types

import pytest
from pocketflow import AsyncFlow, AsyncNode, Node

from flowmagic.flow.shared_writes import shared_writes_of

KEY = "by"


def store(shared, i):
    shared.setdefault("helped", {})[i] = 1


class Items(Node):
    def prep(self, shared):
        shared["subscript"][1] = 1
        shared.setdefault("default", {})[2] = 2
        shared.get("got")[3] = 3
        shared[KEY][4] = 4
        shared["augmented"][5] += 5
        shared["joined"] |= {6: 6}
        shared["updated"].update({7: 7})
        del shared["deleted"][8]
        by = shared["local"]
        other = by
        other[9] = 9
        (walrus := shared.get("walrus"))[1] = 1
        annotated: dict = shared.get("annotated") or {}
        annotated[1] = walrus

        def inner():
            shared["nested function"][1] = 1

        shared["whole"] = {"x": 1}
        x = shared["read"]["x"]
        shared["unknown" + str(x)][1] = 1
        return inner

    def post(self, anything, prepared, executed):
        anything["any name"].pop(1)
        store(anything, 1)


class Objects(Node):
    def post(self, shared, prepared, executed):
        shared["log"].append(1)
        shared["df"].loc[1, "x"] = 1
        shared["stats"].n += 1
        shared["deep"]["a"]["b"] = 1
        shared["grouped"].setdefault("a", []).append(1)
        shared["client"].get("a")
        shared["n"] += 1


def test_dicts_whose_items_are_assigned_are_found():
    """In all the ways to write it, and in the functions that a node calls."""
    found = shared_writes_of(Items())
    assert found.items == {
        "subscript", "default", "got", "by", "augmented", "joined", "updated", "deleted", "local",
        "walrus", "annotated", "nested function", "any name", "helped",
    }  # fmt: skip
    assert found.objects == found.items


def test_values_that_are_changed_otherwise_are_found():
    """A list that is appended to, an attribute, what is deep inside; but nothing that is only called."""
    found = shared_writes_of(Objects())
    assert found.items == {"grouped"}
    assert found.objects == {"log", "df", "stats", "deep", "grouped"}


def test_all_nodes_of_a_flow_are_read_with_what_they_inherit():
    """Whatever may be called."""

    class Inherits(Items):
        pass

    first = Objects()
    first >> Inherits()
    assert "log" in shared_writes_of(AsyncFlow(start=first)).objects
    assert "subscript" in shared_writes_of(AsyncFlow(start=first)).items


def test_functions_of_the_users_modules_are_read(monkeypatch, tmp_path):
    """`helpers.keep(shared, i)`; installed packages are not."""
    (tmp_path / "helpers_of_nodes.py").write_text(
        "def keep(store, i):\n    store['kept'][i] = i\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    helpers = importlib.import_module("helpers_of_nodes")

    class Calls(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            helpers.keep(shared, 1)

    try:
        assert shared_writes_of(Calls()).items == {"kept"}
    finally:
        del sys.modules["helpers_of_nodes"]


def test_functions_that_were_put_on_a_node_or_a_class_are_read():
    """They are the user's, too."""

    def post(shared, prepared, executed):
        shared["patched"][1] = 1

    class Patched(Node):
        """Its functions were written elsewhere."""

    Patched.post = store
    assert shared_writes_of(Patched()).items == {"helped"}
    node = Node()
    node.post = post
    assert shared_writes_of(node).items == {"patched"}
    node.post = types.MethodType(lambda self, shared, *_: shared["x"].append(1), node)
    assert shared_writes_of(node).items == set()


def test_functions_that_call_each_other_are_read_once():
    """Also where they are local to another one."""

    class Calls(Node):
        def post(self, shared, prepared, executed):
            ping(shared)

    def ping(shared):
        pong(shared)

    def pong(shared):
        shared["a"][1] = ping(shared)

    assert shared_writes_of(Calls()).items == {"a"}


@pytest.mark.parametrize("source", ["lambda: 0", "print"])
def test_what_has_no_source_is_left_out(source):
    """It may change anything; comparing the store shows that."""
    node = Node()
    node.post = eval(source)
    assert shared_writes_of(node) == (frozenset(), frozenset(), frozenset())
