"""The actions that a method can return, as far as its source tells."""

from __future__ import annotations

import functools

import pytest
from pocketflow import Node

from flowmagic.flow.checks.actions import possible_actions
from flowmagic.flow.checks.node_source import NodeSource

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
