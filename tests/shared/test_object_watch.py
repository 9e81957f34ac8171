"""Which objects in the shared store have changed."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

from flowmagic.shared import object_watch
from flowmagic.shared.object_watch import ObjectWatch


class Client:
    """Holds what cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = [0]


class Own(dict):
    """Its items are not seen."""


def changed(value, change=lambda value: None, rows=(0, 1)):
    """Return what is seen of a change that is made when the rows have read a value."""
    watch = ObjectWatch()
    for row in rows:
        watch.note_read(("x",), value, row)
    change(value)
    return [each.changed for each in watch.objects()]


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (np.zeros(2), lambda value: value.__setitem__(0, 1)),
        (pd.DataFrame({"x": [1]}), lambda value: value.__setitem__("y", 2)),
        (Client(), lambda value: value.calls.append(1)),
        (Client(), lambda value: setattr(value, "lock", None)),
        ((1, [2]), lambda value: value[1].append(3)),
    ],
)
def test_a_change_is_seen_when_two_have_read_the_object(value, change):
    """And that there is none, too."""
    assert changed(value) == [False]
    assert changed(value, rows=(0, 0)) == []
    assert changed(value, change) == [True]


def test_an_object_that_cannot_be_compared_is_unknown():
    """It may have changed."""
    assert changed(threading.Lock()) == changed(Own(a=1)) == changed(iter([])) == [None]


@pytest.mark.parametrize("value", [len, ValueError, (1, "a"), frozenset("a")])
def test_what_never_changes_is_not_named(value):
    """However many read it."""
    assert changed(value) == []


def test_a_comparison_that_fails_counts_as_a_change(monkeypatch):
    """A thread may be changing the object at this moment."""

    def fails(one, other):
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(object_watch, "same_data", fails)
    assert changed(np.zeros(2)) == [True]


def test_an_object_that_all_instances_have_in_common_is_compared_from_the_beginning():
    """Isolated instances share what cannot be copied."""
    watch, client = ObjectWatch(), Client()
    watch.note_shared(("client",), client)
    assert [each.changed for each in watch.objects()] == [False]
    client.calls[0] = 1
    [found] = watch.objects()
    assert found == (("client",), client, True)


def test_what_is_watched_is_bounded(monkeypatch):
    """Places, and objects that are copied; another object at a place is watched in its turn."""
    monkeypatch.setattr(object_watch, "_MOST", 3)
    monkeypatch.setattr(object_watch, "_MOST_COPIES", 2)
    watch = ObjectWatch()
    for key in range(5):
        for row in (0, 1):
            watch.note_read((key,), np.zeros(1), row)
    assert watch.objects() == []
    value = np.zeros(1)
    for key in (0, 0, 1, 2, 3):
        for row in (0, 1):
            watch.note_read((key,), value, row)
    assert [(each.path, each.changed) for each in watch.objects()] == [
        ((0,), False),
        ((1,), False),
        ((2,), None),
    ]
