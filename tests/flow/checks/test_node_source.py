"""The methods of a node that a run can reach, and their source."""

from __future__ import annotations

import functools
import linecache
import types

import pytest
from pocketflow import AsyncNode, Node

from flowmagic.flow import source_code
from flowmagic.flow.checks.node_source import NodeSource, possible_actions, user_overrides


def names(node):
    return [method.name for method in NodeSource(node).methods]


class Base(Node):
    factor = 2

    def prep(self, shared):
        return self.helper()

    def exec(self, prepared):
        return prepared

    def helper(self):
        return self.factor

    def unused(self):
        return 1


class Derived(Base):
    def exec(self, prepared):
        return super().exec(prepared)

    @classmethod
    def post(cls, shared, prepared, executed):
        return None


def test_hooks_and_what_they_call_are_read_inherited_ones_too():
    """Methods that are never called are not; `super()` leads to the class above."""
    assert names(Base()) == ["prep", "helper", "exec"]
    found = NodeSource(Derived())
    assert names(Derived()) == ["prep", "helper", "post", "exec", "exec"]
    assert found.get("exec").tree.lineno == Derived.exec.__code__.co_firstlineno
    assert found.complete
    assert (user_overrides(Derived(), "exec"), user_overrides(Node(), "exec")) == (True, False)


def test_a_method_of_the_object_itself_comes_before_those_of_its_class():
    """The source of a lambda is not read."""
    node = Base()
    node.exec = types.MethodType(Derived.exec, node)
    assert not NodeSource(node).complete
    assert user_overrides(node, "exec")
    node.exec = Base.unused
    assert "unused" in [each.tree.name for each in NodeSource(node).methods]
    node.exec = lambda prepared: prepared
    assert not NodeSource(node).complete


def test_an_attribute_without_source_matters_only_if_it_can_be_called():
    """A number needs none."""

    class Counted(Base):
        helper = print

    assert NodeSource(Base()).complete
    assert not NodeSource(Counted()).complete


class Bare(AsyncNode):
    def exec_async():  # takes no self: it cannot be called, but it can be read
        return None


def test_a_method_without_parameters_has_no_receiver():
    """Its source is read nevertheless."""
    assert NodeSource(Bare()).get("exec_async").receiver == ""
    assert NodeSource(Bare()).get("post_async") is None


def made(text, file, monkeypatch):
    """Return a node whose class was compiled from a cell, as a kernel does it."""
    monkeypatch.setitem(linecache.cache, file, (len(text), None, text.splitlines(True), file))
    space = {"__name__": "__main__", "Node": Node}
    exec(compile(text, file, "exec"), space)
    return space["Cell"]()


CELL = "class Cell(Node):\n    def exec(self, prepared):\n        return 1\n"


def test_cells_are_read_and_read_again_after_they_have_run_again(monkeypatch):
    """From where Python's own tracebacks take their lines."""
    node = made(CELL, "<cell>", monkeypatch)
    assert NodeSource(node).get("exec").place() == ("<cell>", 2)
    again = made(CELL.replace("return 1", "return 22"), "<cell>", monkeypatch)
    assert NodeSource(again).get("exec").tree.body[0].value.value == 22


def test_what_is_too_long_or_no_python_is_not_read(monkeypatch):
    """It counts as unknown."""
    node = made(CELL, "<long>", monkeypatch)
    monkeypatch.setattr(source_code, "_MOST_LINES", 2)
    assert not NodeSource(node).complete
    monkeypatch.setattr(source_code, "_MOST_LINES", 20_000)
    broken = [*CELL.splitlines(True)[:2], "        return ("]
    monkeypatch.setitem(linecache.cache, "<long>", (1, None, broken, "<long>"))
    assert not NodeSource(node).complete


def test_only_some_parsed_files_are_kept(monkeypatch):
    """A kernel may run for months, and each cell run is a file."""
    monkeypatch.setattr(source_code, "_MOST_FILES", 2)
    for n in range(5):
        assert NodeSource(made(CELL, f"<cell {n}>", monkeypatch)).complete
    assert len(source_code._files) <= 2


AGAIN = "again"
NUMBER = 7


def plain(self, shared, prepared, executed):
    return "a"


def several(self, shared, prepared, executed):
    if prepared:
        return "a" if executed else "b"
    return None


def nothing(self, shared, prepared, executed):
    shared["x"] = executed


def leaves(self, shared, prepared, executed):
    return


def falls(self, shared, prepared, executed):
    if prepared:
        return "a"


def both(self, shared, prepared, executed):
    if prepared:
        return "a"
    else:
        raise ValueError


def named(self, shared, prepared, executed):
    return AGAIN


def endless(self, shared, prepared, executed):
    while True:
        if prepared():
            return "a"


def broken_off(self, shared, prepared, executed):
    while True:
        if prepared():
            break


def looped(self, shared, prepared, executed):
    while prepared():
        return "a"


def guarded(self, shared, prepared, executed):
    with shared:
        return "a"


def matched(self, shared, prepared, executed):
    match executed:
        case 1:
            return "a"
        case _:
            return "b"


def half_matched(self, shared, prepared, executed):
    match executed:
        case 1:
            return "a"
        case _ if prepared:
            return "b"


def tried(self, shared, prepared, executed):
    try:
        int(executed)
    except ValueError:
        return "a"
    else:
        return "b"


def tried_in_vain(self, shared, prepared, executed):
    try:
        int(executed)
    except ValueError:
        return "a"


def cleaned(self, shared, prepared, executed):
    try:
        int(executed)
    finally:
        return "a"  # noqa: B012 - even so


def empty(self, shared, prepared, executed):
    return ""


def inner(self, shared, prepared, executed):
    def unused():
        return "b"

    return "a"


@pytest.mark.parametrize(
    ("post", "actions"),
    [
        (plain, {"a"}),
        (several, {"a", "b", None}),
        (nothing, {None}),
        (leaves, {None}),
        (falls, {"a", None}),
        (both, {"a"}),
        (named, {"again"}),
        (endless, {"a"}),
        (broken_off, {None}),
        (looped, {"a", None}),
        (guarded, {"a"}),
        (matched, {"a", "b"}),
        (half_matched, {"a", "b", None}),
        (tried, {"a", "b"}),
        (tried_in_vain, {"a", None}),
        (cleaned, {"a"}),
        (empty, {None}),
        (inner, {"a"}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_constants_are_all_there_can_be(post, actions):
    """Whatever stands around the returns; an end that can be reached returns nothing."""
    found = read(post)
    assert set(found.places) == actions
    assert found.complete


def unknown(self, shared, prepared, executed):
    return executed


def local(self, shared, prepared, executed):
    AGAIN = executed
    return AGAIN


def number(self, shared, prepared, executed):
    return NUMBER


def part(self, shared, prepared, executed):
    return executed or "a"


def generator(self, shared, prepared, executed):
    yield "a"


@functools.wraps(plain)
def decorated(*args):
    return plain(*args).upper()


@pytest.mark.parametrize("post", [unknown, local, number, part, generator, decorated])
def test_what_is_no_constant_may_be_anything(post):
    """So that no successor is reported as never reached."""
    assert not read(post).complete


def read(post):
    kind = type("Made", (Node,), {"post": post})
    return possible_actions(NodeSource(kind()).get("post"))


def test_the_place_is_that_of_the_return():
    """Or that of the method, if its end is reached."""
    line = several.__code__.co_firstlineno
    places = read(several).places
    assert places["a"] == (__file__, line + 2)
    assert places[None] == (__file__, line + 3)
    assert read(nothing).places[None] == (__file__, nothing.__code__.co_firstlineno)
