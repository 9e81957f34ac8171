"""What should be in the store is compared with what is there."""

from __future__ import annotations

import asyncio
import time

from flowmagic.records.observed_dict import MISSING
from flowmagic.shared.expected import NO_ROW, ExpectedStore, Held, Items, value_of


def remembered(store, *items):
    expected = ExpectedStore(store, frozenset(items))
    asyncio.run(expected.remember())
    return expected


def test_what_is_there_is_as_it_should_be():
    """Whatever it is."""
    expected = remembered({"a": 1, "b": [1, {}], "by": {"x": [], "y": 2}, "c": object()}, "by")
    assert asyncio.run(expected.differences()) == []


def test_each_difference_is_found():
    """A key that is new or gone, another value, something else in a container, or in an item."""
    store = {"gone": 1, "other": 1, "list": [], "by": {"x": [], "y": 2}, "too": {"x": 1}}
    expected = remembered(store, "by", "too")
    del store["gone"]
    store["new"] = 1
    store["other"] = 2
    store["list"].append(1)
    store["by"]["x"].append(1)
    store["too"] = {"x": 1}
    assert sorted(asyncio.run(expected.differences())) == [
        ("by", True),
        ("gone", False),
        ("list", True),
        ("new", False),
        ("other", False),
        ("too", False),
    ]


def test_a_path_leads_to_what_should_be_there():
    """To a container with what should be in it, or to the value itself."""
    store = {"a": 1, "by": {"x": []}}
    expected = remembered(store, "by")
    assert expected.at(("a",)) == 1
    assert type(expected.at(("by",))) is Items
    held = expected.at(("by", "x"))
    assert (type(held), held.owner, value_of(held)) == (Held, NO_ROW, [])
    assert value_of(1) == 1
    for path in (("b",), ("by", "y"), ("a", "x")):
        assert expected.at(path) is MISSING


def test_one_path_is_remembered_anew():
    """A row that is restored while others run has assigned it."""
    store = {"by": {"x": 1}, "a": 1}
    expected = remembered(store, "by")
    store["by"]["y"] = []
    store["new"] = 1
    del store["a"]
    for path in (("by", "y"), ("new",), ("a",)):
        expected.remember_path(path)
    assert asyncio.run(expected.differences()) == []
    store["by"] = {"z": 1}
    expected.remember_path(("by", "z"))
    assert asyncio.run(expected.differences()) == []
    assert type(expected.at(("by",))) is Items


def test_a_container_that_takes_long_to_compare_is_not_compared_each_time():
    """Only its length is, so that rows that read much do not wait for it."""
    held = Held([[n] for n in range(5_000)], NO_ROW)
    held.take_copy()
    assert not held.seems_changed()
    held.value[0].append(1)
    began = time.perf_counter()
    while not held.seems_changed():
        assert time.perf_counter() < began + 30
    held.take_copy()
    assert not held.seems_changed()
    held.value.append(1)
    assert held.seems_changed(), "its length has changed"
