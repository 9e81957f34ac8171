"""Nodes are copied as `copy.copy` copies them."""

from __future__ import annotations

import copy
import copyreg

import pytest
from pocketflow import AsyncNode, AsyncParallelBatchFlow, BatchNode, Flow, Node

from flowmagic.flow.node_copier import NodeCopier, copies_plainly

CALLS: list = []


class Plain(Node):
    pass


class OwnCopy(Node):
    def __copy__(self):
        CALLS.append("__copy__")
        return copy.copy(Plain())


class OwnReduce(Node):
    def __reduce__(self):
        CALLS.append("__reduce__")
        return OwnReduce, (3,), {"reduced": True}


class OwnReduceEx(Node):
    def __reduce_ex__(self, protocol):
        CALLS.append(("__reduce_ex__", protocol))
        return super().__reduce_ex__(protocol)


class OwnGetState(Node):
    def __getstate__(self):
        CALLS.append("__getstate__")
        return {**self.__dict__, "got": True}


class OwnSetState(Node):
    def __setstate__(self, state):
        CALLS.append("__setstate__")
        self.__dict__.update(state, was_set=True)


class OwnNewArgs(Node):
    def __new__(cls, *args):
        CALLS.append(("__new__", args))
        return super().__new__(cls)

    def __init__(self, *_):
        super().__init__()

    def __getnewargs__(self):
        return ("again",)


class OwnNewArgsEx(Node):
    def __new__(cls, **options):
        CALLS.append(("__new__", options))
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"again": True}


class OwnNew(Node):
    def __new__(cls):
        CALLS.append("__new__")
        return super().__new__(cls)


class Registered(Node):
    pass


class BelowOwnCopy(OwnCopy):
    pass


class Slotted(Node):
    __slots__ = ("slot",)

    def __init__(self):
        super().__init__()
        self.slot = [1]


@pytest.fixture
def registered(monkeypatch):
    def reduce(node):
        CALLS.append("copyreg")
        return Registered, (5,)

    monkeypatch.setitem(copyreg.dispatch_table, Registered, reduce)


def copied(make, node):
    CALLS.clear()
    twin = make(node)
    return twin, type(twin), {k: v for k, v in vars(twin).items()}, list(CALLS)  # noqa: C416 - a copy to compare


@pytest.mark.parametrize(
    "kind",
    [
        *(OwnCopy, OwnReduce, OwnReduceEx, OwnGetState, OwnSetState, OwnNewArgs, OwnNewArgsEx),
        *(OwnNew, Registered, BelowOwnCopy),
    ],
)
@pytest.mark.usefixtures("registered")
def test_a_class_with_hooks_for_copying_is_copied_by_them(kind):
    """Whatever hook of copying a class has, it is called as `copy.copy` calls it."""
    node = kind()
    node.attribute = object()
    copier = NodeCopier()
    for _ in range(2):  # what was learnt of the class holds for the next one
        mine, theirs = copied(copier.copy, node), copied(copy.copy, node)
        assert theirs[-1]
        if kind is not OwnCopy and kind is not BelowOwnCopy:
            assert mine[1:] == theirs[1:]
        else:
            assert (mine[1], mine[3]) == (theirs[1], theirs[3])


def test_slots_are_copied_too():
    """What a node keeps in slots is in its copy."""
    node = Slotted()
    twin = NodeCopier().copy(node)
    assert twin is not node
    assert twin.slot is node.slot
    assert vars(twin) == vars(node)


@pytest.mark.parametrize("kind", [Plain, BatchNode, AsyncNode, Flow, AsyncParallelBatchFlow])
def test_a_plain_class_is_copied_shallowly(kind):
    """A class without such hooks takes the short way: a new object with the very same attributes."""
    node = kind()
    node.list = []
    assert copies_plainly(kind)
    twin = NodeCopier().copy(node)
    assert type(twin) is kind
    assert twin is not node
    assert vars(twin) == vars(node)
    assert twin.list is node.list
    twin.more = 1
    assert not hasattr(node, "more")


def test_what_is_no_node_is_left_to_copy_copy():
    """A class outside PocketFlow's, found as a successor, is left to `copy.copy`."""
    assert not copies_plainly(dict)
    assert not copies_plainly(type("Own", (), {}))
