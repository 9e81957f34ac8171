"""Plain containers are copied as they are at one moment, and told apart from what became of them."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.records.containers import MOST_ITEMS, deep_copy, has_containers, same, snapshot

LEAVES = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.tuples(st.integers()))
CONTAINERS = st.recursive(
    st.lists(LEAVES, max_size=3),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.lists(inner, max_size=3).map(deque),
        st.builds(lambda value: defaultdict(list, {"a": value}), inner),
    ),
    max_leaves=12,
)


def containers_in(value):
    if isinstance(value, dict):
        return [value, *(each for part in value.values() for each in containers_in(part))]
    if isinstance(value, (list, deque)):
        return [value, *(each for part in value for each in containers_in(part))]
    return []


@given(CONTAINERS, st.integers(0, 100))
def test_a_copy_is_equal_and_shares_no_container(value, at):
    """Whatever is then changed in the original, at any depth, the copy is as it was."""
    copied = deep_copy(value)
    assert copied == value
    assert same(value, copied)
    own = {id(each) for each in containers_in(value)}
    assert not own & {id(each) for each in containers_in(copied)}
    before = repr(copied)
    found = containers_in(value)
    chosen = found[at % len(found)]
    if isinstance(chosen, dict):
        chosen["new"] = 1
    else:
        chosen.append(1)
    assert repr(copied) == before
    assert not same(value, copied)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, bytearray(b"ab"), OrderedDict(a=[1]), Counter("aab"), defaultdict(list, a=[1])],
)
def test_each_kind_of_container_is_copied_as_its_kind(value):
    """A defaultdict keeps its factory, a Counter counts."""
    copied = deep_copy(value)
    assert type(copied) is type(value)
    assert copied == value
    assert copied is not value


def test_a_container_that_occurs_twice_or_in_itself_does_so_in_the_copy():
    """The copy has the shape of the original, however deep."""
    inner: list = []
    copied = snapshot({"a": inner, "b": [inner], "c": 1})
    assert copied["a"] is copied["b"][0]
    loop: list = []
    loop.append(loop)
    copied_loop = deep_copy(loop)
    assert copied_loop[0] is copied_loop
    assert same(loop, copied_loop)
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    assert same(deep, deep_copy(deep))


def test_other_objects_stay_the_same_ones():
    """A subclass of a list may hold more than its items, and nobody knows how to copy a client."""

    class Own(list):
        pass

    values = {"own": Own([1]), "client": object(), "pair": ([], 1)}
    copied = snapshot(values)
    assert all(copied[key] is values[key] for key in values)
    assert not has_containers(values)
    assert has_containers({"list": []})


def test_a_param_with_very_many_items_is_not_copied():
    """Beyond the bound it is recorded as the object that it is."""
    small, large = [0] * MOST_ITEMS, [[0] * MOST_ITEMS, 1]
    copied = snapshot({"small": small, "large": large})
    assert copied["small"] is not small
    assert copied["large"] is large


def test_a_container_whose_order_has_changed_is_not_the_same():
    """An instance that sorts a list or a dict has changed it; values are compared by identity."""
    value = {"b": 1, "a": 2}
    copied = deep_copy(value)
    value["b"] = value.pop("b")
    assert not same(value, copied)
    assert not same([1000.5], [float("1000.5")])
    assert not same([1], (1,))
