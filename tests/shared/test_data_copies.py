"""What is copied of a value in the shared store, and what is not."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import queue
import re
import socket
import threading
import uuid
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.shared import data_copies
from flowmagic.shared.data_copies import copy_of_data, not_copied, same_data


@dataclasses.dataclass
class State:
    """The user's own data."""

    n: int = 0
    log: list[Any] = dataclasses.field(default_factory=list)
    other: Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    """As above, with a list that may change all the same."""

    log: list[Any]


class Plain:
    """An object of no special kind."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Own(dict):
    """More than its items, perhaps."""


class Slotted:
    """Its attributes are not in a dict."""

    __slots__ = ("a",)


class Closes:
    """Owns something."""

    def __del__(self):
        pass


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    """A named tuple."""

    a: Any
    b: Any


def changed_list(value):
    value.append(1)


def changed_item(value):
    value[0] = 7


DATA = [
    ([1, [2]], lambda value: value[1].append(3)),
    ({"a": {"b": 1}}, lambda value: value["a"].update(b=2)),
    ({1}, lambda value: value.add(2)),
    (bytearray(b"ab"), lambda value: value.append(1)),
    (([1], 2), lambda value: value[0].append(3)),
    (Pair([1], 2), lambda value: value.a.append(3)),
    (np.zeros(3), changed_item),
    (np.array([np.nan, 1.0]), changed_item),
    (np.asfortranarray(np.arange(6).reshape(2, 3)), lambda value: value.__setitem__((0, 0), 9)),
    (np.zeros(2, dtype=[("x", int)]), lambda value: value.__setitem__(0, (5,))),
    ([np.zeros(3)], lambda value: changed_item(value[0])),
    (pd.DataFrame({"x": [1, None]}), lambda value: value.__setitem__("y", 1)),
    (pd.Series(["a", "b"], dtype=object), changed_item),
    (pl.DataFrame({"x": [1]}), lambda value: value.__setitem__((0, "x"), 2)),
    (pl.Series([1, 2]), changed_item),
    (State(), lambda value: setattr(value, "n", 1)),
    (State(), lambda value: value.log.append(1)),
    (State(other=State()), lambda value: value.other.log.append(1)),
    (State(other=np.zeros(1)), lambda value: changed_item(value.other)),
    (Frozen([]), lambda value: value.log.append(1)),
    (Plain(a=1, when=dt.date(2020, 1, 1), path=pathlib.Path()), lambda value: vars(value).update(b=2)),
    ({"a": [State()]}, lambda value: setattr(value["a"][0], "n", 1)),
]  # fmt: skip


@pytest.mark.parametrize(("value", "change"), DATA)
def test_data_are_copied_at_any_depth(value, change):
    """What is changed in the copy is not changed in the value; the change is seen."""
    value = copy.deepcopy(value)
    copied = copy_of_data(value)
    assert type(copied) is type(value)
    assert copied is not value
    assert not_copied(value) is None
    assert same_data(copied, value)
    change(copied)
    assert not same_data(copied, value)
    assert same_data(copy_of_data(value), value), "the value is as it was"


FIXED = [
    1, "a", b"a", None, 1.5, (1, "a"), frozenset({1}), range(3), Colour.RED, dt.date(2020, 1, 1),
    dt.timedelta(1), pathlib.Path("x"), re.compile("x"), decimal.Decimal(1), uuid.UUID(int=1),
    np.float64(1), np.dtype("f8"), pd.Timestamp(2020, 1, 1), len, changed_list, State, State().__eq__,
    ValueError("x"), Pair(1, 2),
]  # fmt: skip


@pytest.mark.parametrize("value", FIXED)
def test_what_never_changes_stays_the_same_object(value):
    """It needs no copy, and is none to speak of."""
    assert copy_of_data(value) is value
    assert not_copied(value) is None
    assert not_copied([value]) is None


def resources():
    return [
        threading.Lock(), asyncio.Event(), asyncio.Semaphore(2), queue.Queue(), iter([1]), object(),
        socket.socket(), Own(a=1), Slotted(), Closes(), type("List", (list,), {})(), memoryview(b"a"),
        np.array([object()]), np.ma.masked_array([1]),
    ]  # fmt: skip


@pytest.mark.parametrize("at", range(len(resources())))
def test_what_nobody_knows_how_to_copy_is_the_same_and_is_named(at):
    """A lock, a connection; an object of the user's that holds one is shared as a whole."""
    value = resources()[at]
    assert copy_of_data(value) is value
    assert not_copied(value) is value
    copied = copy_of_data({"list": [], "value": value})
    assert copied["value"] is value
    assert not_copied({"list": [], "value": value}) is value
    holder = State(other={"a": [value]})
    assert copy_of_data(holder) is holder
    assert not_copied([holder]) is holder
    outer = State(other=holder)
    assert copy_of_data(outer) is outer
    assert not_copied(outer) is outer


@pytest.mark.parametrize(
    "large",
    [
        lambda: np.zeros(data_copies.MOST_BYTES + 1, dtype="u1"),
        lambda: pd.DataFrame({"x": np.zeros(data_copies.MOST_BYTES // 8 + 1)}),
        lambda: pd.Series(np.zeros(data_copies.MOST_BYTES // 8 + 1)),
        lambda: pl.DataFrame({"x": np.zeros(data_copies.MOST_BYTES // 8 + 1)}),
    ],
)
def test_what_is_too_large_is_not_copied(large):
    """A copy for each instance would take memory and time."""
    value = large()
    assert copy_of_data(value) is value
    assert not_copied(value) is value
    assert not_copied(State(other=value)) is not None


def test_a_value_with_very_many_objects_is_named():
    """It is not searched to the end."""
    assert not_copied([[] for _ in range(data_copies._MOST_PARTS + 1)]) is not None
    assert not_copied([str(n) for n in range(data_copies._MOST_PARTS * 2)]) is None


def test_the_copy_has_the_shape_of_the_value():
    """What occurs twice or in itself does so in the copy, whatever kinds are involved."""
    state = State()
    state.other = state
    state.log += [state, (state, [state])]
    copied = copy_of_data([state, state])
    assert copied[0] is copied[1] is copied[0].other is copied[0].log[0]
    assert copied[0] is copied[0].log[1][0] is copied[0].log[1][1][0]
    assert copied[0] is not state
    assert same_data(copied, [state, state])
    chain: Any = None
    for _ in range(3_000):
        chain = State(other=chain)
    assert same_data(copy_of_data(chain), chain)


@given(
    st.recursive(
        st.integers() | st.text() | st.builds(lambda: np.zeros(2)),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(), inner)
            | st.tuples(inner, inner)
            | st.builds(State, other=inner)
        ),
    )
)
def test_any_data_are_copied_as_deepcopy_would_copy_them(value):
    """Equal, and sharing nothing that may change."""
    copied = copy_of_data(value)
    assert repr(copied) == repr(copy.deepcopy(value))
    assert not _mutable_ids(value) & _mutable_ids(copied)


def _mutable_ids(value):
    if isinstance(value, (list, tuple, dict)):
        inner = value.values() if isinstance(value, dict) else value
        own = set() if isinstance(value, tuple) else {id(value)}
        return own.union(*map(_mutable_ids, inner))
    if isinstance(value, State):
        return {id(value)} | _mutable_ids(value.other)
    return {id(value)} if isinstance(value, np.ndarray) else set()
