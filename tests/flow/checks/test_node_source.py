"""The methods of a node that a run can reach, as they are written."""

from __future__ import annotations

import linecache
import types

from pocketflow import AsyncNode, Node

from flowmagic.flow import source_code
from flowmagic.flow.checks.node_source import NodeSource, user_overrides


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
    """Not what nobody calls; of what super() calls, the one above."""
    assert names(Base()) == ["prep", "helper", "exec"]
    found = NodeSource(Derived())
    assert names(Derived()) == ["prep", "helper", "post", "exec", "exec"]
    assert found.get("exec").tree.lineno == Derived.exec.__code__.co_firstlineno
    assert found.complete
    assert (user_overrides(Derived(), "exec"), user_overrides(Node(), "exec")) == (True, False)


def test_a_method_of_the_object_itself_goes_before_its_classes():
    """A lambda cannot be told from its neighbours, so nothing is said of it."""
    node = Base()
    node.exec = types.MethodType(Derived.exec, node)
    assert not NodeSource(node).complete
    assert user_overrides(node, "exec")
    node.exec = Base.unused
    assert "unused" in [each.tree.name for each in NodeSource(node).methods]
    node.exec = lambda prepared: prepared
    assert not NodeSource(node).complete


def test_what_is_no_function_hides_a_source_only_if_it_can_be_called():
    """A number needs none."""

    class Counted(Base):
        helper = print

    assert NodeSource(Base()).complete
    assert not NodeSource(Counted()).complete


class Bare(AsyncNode):
    def exec_async():  # takes no self: it cannot be called, but it can be read
        return None


def test_a_method_that_takes_nothing_has_no_receiver():
    """It is read all the same."""
    assert NodeSource(Bare()).get("exec_async").receiver == ""
    assert NodeSource(Bare()).get("post_async") is None


def made(text, file, monkeypatch):
    """Return a node whose class was compiled from a cell, as a kernel does it."""
    monkeypatch.setitem(linecache.cache, file, (len(text), None, text.splitlines(True), file))
    space = {"__name__": "__main__", "Node": Node}
    exec(compile(text, file, "exec"), space)
    return space["Cell"]()


CELL = "class Cell(Node):\n    def exec(self, prepared):\n        return 1\n"


def test_cells_are_read_and_a_cell_that_is_run_again_anew(monkeypatch):
    """From where Python's own tracebacks take their lines."""
    node = made(CELL, "<cell>", monkeypatch)
    assert NodeSource(node).get("exec").place() == ("<cell>", 2)
    again = made(CELL.replace("return 1", "return 22"), "<cell>", monkeypatch)
    assert NodeSource(again).get("exec").tree.body[0].value.value == 22


def test_what_is_too_long_or_no_python_is_not_read(monkeypatch):
    """Nothing is said of it."""
    node = made(CELL, "<long>", monkeypatch)
    monkeypatch.setattr(source_code, "_MOST_LINES", 2)
    assert not NodeSource(node).complete
    monkeypatch.setattr(source_code, "_MOST_LINES", 20_000)
    broken = [*CELL.splitlines(True)[:2], "        return ("]
    monkeypatch.setitem(linecache.cache, "<long>", (1, None, broken, "<long>"))
    assert not NodeSource(node).complete


def test_not_all_files_are_kept_in_mind(monkeypatch):
    """A kernel may run for months, and each cell run is a file."""
    monkeypatch.setattr(source_code, "_MOST_FILES", 2)
    for n in range(5):
        assert NodeSource(made(CELL, f"<cell {n}>", monkeypatch)).complete
    assert len(source_code._files) <= 2
