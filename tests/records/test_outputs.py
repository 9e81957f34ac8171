"""The outputs of node copies are kept within a budget, and what was dropped says so."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import OutputLostError
from flowmagic.records.outputs import OutputStore, size_of

BIG = 100_000


def text(size):
    return "x" * size


def lost(value):
    return isinstance(value, OutputLostError)


def test_the_output_of_an_instance_is_that_of_its_last_node_copy():
    """And each node copy has its own, by its offset in the trace."""
    store = OutputStore()
    store.put(3, [0, "first", 5, "last"])
    assert store.own(3) == "last"
    assert store.of(3) == {0: "first", 5: "last"}
    assert store.own(4) is None
    assert store.of(4) == {}


def test_outputs_beyond_the_budget_are_dropped_other_node_copies_first():
    """The own outputs of all instances remain as long as anything else can be dropped."""
    store = OutputStore(10_000)
    for index in range(16):
        store.put(index, [0, text(500), 5, text(500)])
    assert store.size <= store.budget
    assert [store.own(index) for index in range(16)] == [text(500)] * 16
    others = [store.of(index)[0] for index in range(16)]
    assert lost(others[0])
    assert store.dropped == sum(map(lost, others))


def test_the_own_outputs_are_dropped_last_and_the_oldest_of_them_first():
    """What takes their place is an error that names the option."""
    store = OutputStore(10_000)
    for index in range(40):
        store.put(index, [0, text(500)])
    own = [store.own(index) for index in range(40)]
    assert store.size <= store.budget
    dropped = list(map(lost, own))
    assert dropped == sorted(dropped, reverse=True)
    assert 20 <= sum(dropped) <= 25
    assert str(own[0]) == (
        "This output is no longer in memory: the outputs of the run exceed keep_bytes=10,000. "
        "Raise keep_bytes, or write a journal."
    )


def test_the_outputs_of_earlier_attempts_are_dropped_before_those_of_the_last():
    """They belong to the history of the row, and come back with it."""
    store = OutputStore(2_000)
    store.put(0, [0, "first try"])
    store.retire(0, 0)
    assert store.own(0) is None
    assert store.of((0, 0)) == {0: "first try"}
    store.reinstate(0, 0)
    assert store.own(0) == "first try"
    store.retire(0, 0)
    store.put(0, [0, text(1_950)])
    assert lost(store.of((0, 0))[0])
    assert store.own(0) == text(1_950)


def test_an_object_that_many_instances_return_is_counted_once():
    """A table that each row returns takes its memory once, until the last row is forgotten."""
    store = OutputStore(3 * BIG)
    table = text(BIG)
    for index in range(100):
        store.put(index, [0, table])
    assert store.dropped == 0
    assert store.size < 2 * BIG
    for index in range(99):
        store.forget(index)
    assert store.size >= BIG
    store.forget(99)
    assert store.size == 0


KEYS = st.integers(0, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "retire", "reinstate", "forget"]),
        KEYS,
        st.lists(st.sampled_from([10, 400, 3_000, BIG]), min_size=1, max_size=3),
    ),
    max_size=40,
)
SHARED = {size: text(size) for size in (10, 400, 3_000, BIG)}


@given(STEPS)
def test_the_size_is_never_above_the_budget_and_returns_to_zero(steps):
    """Whatever is put, retired, reinstated and forgotten, in any order."""
    store = OutputStore(150_000)
    tries = dict.fromkeys(range(5), 0)
    for what, key, sizes in steps:
        if what == "put":
            store.forget(key)
            outputs = [part for at, size in enumerate(sizes) for part in (at, SHARED[size])]
            store.put(key, outputs)
            assert set(store.of(key)) == set(range(len(sizes)))
        elif what == "retire":
            store.retire(key, tries[key])
            tries[key] += 1
        elif what == "reinstate" and tries[key]:
            tries[key] -= 1
            store.forget(key)
            store.reinstate(key, tries[key])
        else:
            store.forget(key)
        assert 0 <= store.size <= store.budget
    for key in range(5):
        store.forget(key)
        for number in range(tries[key] + 1):
            store.forget((key, number))
    assert store.size == 0


class Answer:
    def __init__(self, text):
        self.text = text


class Hostile:
    def __sizeof__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "at_least", "at_most"),
    [
        (text(1_000), 1_000, 1_100),
        (b"x" * 1_000, 1_000, 1_100),
        (7, 20, 50),
        ([0.5 + i for i in range(1_000)], 24_000, 40_000),
        ({i: text(100) + str(i) for i in range(1_000)}, 100_000, 300_000),
        ({text(10) + str(i) for i in range(1_000)}, 50_000, 120_000),
        ([[text(1_000) + str(i)] for i in range(50)], 50_000, 70_000),
        (Answer(text(5_000)), 5_000, 6_000),
        (np.zeros(1_000), 8_000, 9_000),
        (np.zeros((1_000, 1_000))[::2], 4_000_000, 4_100_000),
        (Hostile(), 0, 0),
        (None, 0, 100),
    ],
)
def test_the_size_of_a_value_is_estimated(value, at_least, at_most):
    """With what it refers to, from a sample of a large container; a hostile object counts nothing."""
    assert at_least <= size_of(value) <= at_most


def test_the_size_of_frames_and_pictures_is_that_of_their_data():
    """Not that of the Python object around it."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": range(10_000)})
    assert size_of(frame) >= 80_000


def test_a_value_that_refers_to_itself_or_to_very_much_is_measured_quickly():
    """At most 200 objects are looked at, each once."""
    loop: list = []
    loop.append(loop)
    assert size_of(loop) < 200
    deep: list = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    assert size_of(deep) > 200 * 50


def test_the_latest_outputs_are_spared_until_a_journal_has_written_them():
    """Whatever the budget is: they are dropped when the next instance ends."""
    store = OutputStore(0, spares_latest=True)
    store.put(0, [0, "first", 5, text(BIG)])
    assert store.of(0) == {0: "first", 5: text(BIG)}
    store.put(1, [0, "next"])
    assert all(map(lost, store.of(0).values()))
    assert store.own(1) == "next"


def test_the_size_of_a_large_output_is_known_while_it_is_kept():
    """So that nobody has to measure it again; a small one counts as 0."""
    store = OutputStore()
    large, small = text(BIG), text(10)
    store.put(0, [0, large, 5, small])
    assert BIG <= store.large_size(large) < BIG + 100
    assert store.large_size(small) == 0
    store.forget(0)
    assert store.large_size(large) == 0


def test_what_was_dropped_does_not_slow_down_what_is_dropped_next():
    """Looked through again each time, 20,000 outputs took a minute and a half."""
    store = OutputStore(0)
    for index in range(20_000):
        store.put(index, [0, "x", 5, "y"])
    assert store.dropped == 40_000
    assert len(store._kept) <= 1
    assert lost(store.own(7))
    store.retire(7, 0)
    assert (store.own(7), set(map(lost, store.of((7, 0)).values()))) == (None, {True})
    store.reinstate(7, 0)
    assert lost(store.own(7))
    store.forget(7)
    assert store.of(7) == {}
