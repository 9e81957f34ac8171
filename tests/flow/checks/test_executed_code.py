"""What a method executes, and what names mean there."""

from __future__ import annotations

import ast
import os
import random
from contextlib import redirect_stdout
from os import environ

import pytest
from pocketflow import AsyncNode, Node

from flowmagic.flow.checks.executed_code import executed_code
from flowmagic.flow.checks.node_source import NodeSource

from . import checked


def first():
    second()


def second():
    third()


def third():
    fourth()


def fourth():
    fifth()


def fifth():
    first()


def calls(method, **attributes):
    """Return the name and the way of each call that a method executes, and in which of its lines."""
    source = NodeSource(type("Made", (Node,), {"exec": method, **attributes})())
    begins = method.__code__.co_firstlineno
    return [
        (each.scope.name_of(each.node.func), each.through, each.call.lineno - begins)
        for each in executed_code(source, "exec")
        if isinstance(each.node, ast.Call)
    ]


def chain(self, _):
    first()
    fifth()


def test_functions_are_followed_three_deep_and_each_once():
    """With the names on the way, and the line of the method itself. A cycle ends."""
    ways = [(), ("first",), ("first", "second"), ("first", "second", "third"), (), ("fifth",)]
    found = calls(chain)
    assert [way for _, way, _ in found] == ways
    assert [line for *_, line in found] == [1, 1, 1, 1, 2, 2]


def through_self(self, _):
    self.helper(1)
    self.unknown()


def helper(this, value):
    this.own = os.getcwd()


def test_methods_of_the_node_are_followed():
    """With `self` as they call it."""
    assert calls(through_self, helper=helper) == [
        ("", (), 1), ("os.getcwd", ("helper",), 1), ("", (), 2),
    ]  # fmt: skip
    source = NodeSource(type("Made", (Node,), {"exec": through_self, "helper": helper})())
    attributes = [each.scope.attribute_of_self(each.node) for each in executed_code(source, "exec")]
    assert [each for each in attributes if each] == ["own", "helper", "unknown"]


async def later():
    os.getcwd()


def lines():
    yield os.getcwd()


def defines(self, _):
    def inner():
        os.getcwd()

    later()
    lines()
    return inner, lambda: os.getcwd()


def test_what_runs_later_is_left_out():
    """Coroutines, generators, and what is only defined."""
    assert [name.rpartition(".")[2] for name, *_ in calls(defines)] == ["later", "lines"]


limit = None


def names(self, sorted):  # noqa: A002 - names may be shadowed
    import os.path as p
    from json import dumps as d

    p.join("a")
    d(1)
    os.environ.update()
    environ.update()
    redirect_stdout(None)
    random.seed(1)
    input()
    sorted()
    limit()
    self.exec()
    [].append(1)


def test_names_mean_what_python_would_find():
    """Imports of the function's own, modules, functions, classes, bound methods, built-in names."""
    assert [name for name, way, _ in calls(names) if not way] == [
        "os.path.join", "json.dumps", "os.environ.update", "os.environ.update",
        "contextlib.redirect_stdout", "random.seed", "builtins.input", "", "", "", "",
    ]  # fmt: skip


seed = random.seed


def bound(self, _):
    seed(1)


def test_a_bound_method_has_the_name_of_its_module():
    """As `from random import seed` gives one."""
    assert calls(bound) == [("random.seed", (), 1)]


@pytest.mark.parametrize("name", ["exec_async", "nowhere"])
def test_of_a_method_without_source_nothing_is_known(name):
    """PocketFlow's own, or none at all."""
    assert list(executed_code(NodeSource(AsyncNode()), name)) == []


async def awaited():
    os.getcwd()


def test_coroutines_are_followed_from_coroutines_only():
    """Sync code makes one without running it."""

    async def awaits(self, _):
        await awaited()
        first()

    def makes(self, _):
        return awaited()

    source = NodeSource(type("Made", (AsyncNode,), {"exec_async": awaits})())
    in_coroutine = {
        each.scope.name_of(each.node.func).rpartition(".")[2]: each.in_coroutine
        for each in executed_code(source, "exec_async")
        if isinstance(each.node, ast.Call)
    }
    assert in_coroutine["getcwd"]
    assert not in_coroutine["second"]
    assert [way for _, way, _ in calls(makes)] == [()]


def test_functions_of_other_modules_are_followed():
    """By the name of their module, or imported where they are used; not those of libraries."""

    def by_module(self, _):
        checked.naps()
        os.path.join("a", "b")

    def by_import(self, _):
        from tests.flow.checks.checked import naps as rest

        rest()

    ways = [("", "tests.flow.checks.checked.naps"), ("naps", "time.sleep")]
    for method in (by_module, by_import):
        found = [("".join(way), name) for name, way, _ in calls(method)]
        assert found[:2] == ways
        assert all(way == "" for way, _ in found[2:])
