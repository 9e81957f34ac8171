"""What a row assigned to `shared` is written with its path, and comes back as it was or not at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from collections import Counter, OrderedDict, defaultdict
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import JournalError
from flowmagic.journal import codec
from flowmagic.journal.assigned import Entry, decoded_assignments, encoded_assignments
from flowmagic.records.observed_dict import MISSING
from flowmagic.shared.assignments import Assignment, How


def written(path, value, how=How.SET, secrets=frozenset(), **output):
    """Return the text of one assignment."""
    return encoded_assignments({path: Assignment(7, how, value)}, secrets, **output)


def back(path, value, how=How.SET, secrets=frozenset()):
    """Return one assignment as it is read."""
    (entry,) = decoded_assignments(written(path, value, how, secrets), 0)
    return entry


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()
)
KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(KEYS, inner), st.sets(KEYS)
    ),
    max_leaves=8,
)


@given(st.one_of(st.tuples(KEYS), st.tuples(KEYS, KEYS)), VALUES, st.sampled_from([*How][:3]))
def test_an_assignment_comes_back_as_it_was(path, value, how):
    """Its path, its value and the order, with the types of everything in it."""
    entry = back(path, value, how, None)
    assert (entry.order, entry.how, entry.lost) == (7, how, None)
    assert (entry.path, entry.value) == (path, value)
    assert repr(entry.path) == repr(path)
    assert isinstance(value, set) or repr(entry.value) == repr(value) or "{" in repr(value)


def test_a_removal_comes_back():
    """There is no value then."""
    assert back(("by", 1), MISSING, How.REMOVED) == Entry(7, How.REMOVED, ("by", 1), None)
    assert back(("by", 1), MISSING, How.REMOVED).name == "shared['by']"


def test_nothing_is_written_for_a_row_that_assigned_nothing():
    """As most rows."""
    assert encoded_assignments({}, None) is None


def test_the_output_of_the_row_is_not_written_twice():
    """The file has it already; one that is lost is written."""
    answer = "x" * 1_000
    text = written(("by", 1), answer, output=answer, output_text=codec.encoded(answer))
    assert len(text) < 60
    (entry,) = decoded_assignments(text, 0, answer)
    assert (entry.path, entry.value) == (("by", 1), answer)
    assert back(("by", 1), answer).value == answer
    assert answer in written(("a",), answer, output=answer, output_text=None)
    assert json.loads(written(("a",), None, output=None, output_text=None)) == [
        [7, "set", "key", {"a": None}]
    ]


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class State:
    n: int = 0


class Own(dict):
    pass


class Point(NamedTuple):
    x: int
    y: int


OBJECTS = {
    "an object": object(),
    "in a list": [{"a": object()}],
    "a dataclass": State(),
    "an enum": Colour.RED,
    "a subclass of dict": Own(a=1),
    "a named tuple": [Point(1, 2)],
    "an OrderedDict": OrderedDict(a=1),
    "a Counter": Counter("a"),
    "a defaultdict": defaultdict(list),
    "a bytearray": bytearray(b"a"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_what_would_come_back_as_something_else_is_lost(name):
    """It is named instead, also if it is the output, or a key."""
    value = OBJECTS[name]
    entry = back(("state",), value)
    assert entry.lost
    assert (entry.path, entry.value, entry.name) == ((), None, "shared['state']")
    text = codec.encoded_or_none(value, None) or "null"
    (entry,) = decoded_assignments(written(("a",), value, output=value, output_text=text), 0)
    assert entry.lost
    if getattr(type(value), "__hash__", None):
        assert back(("by", (value,) if isinstance(value, tuple) else value), 1).lost


def test_objects_with_a_form_come_back():
    """Dates, and those of registered classes."""
    assert back(("at",), dt.date(2026, 1, 31)).value == dt.date(2026, 1, 31)
    codec.register(State, lambda state: state.n, State)
    try:
        assert back(("state",), [State(3)]).value == [State(3)]
    finally:
        del codec._registered[State], codec._readers["$State"]


def test_arrays_come_back():
    """In place of a dict of numbers."""
    np = pytest.importorskip("numpy")
    assert list(back(("a",), np.arange(3)).value) == [0, 1, 2]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("api_key",), "sk-abcdefghijkl"),
        (("by", "password"), "hunter2hunter2"),
        (("a",), ["so secret"]),
        (("by", "so secret"), 1),
    ],
)
def test_a_masked_value_is_lost_and_its_secret_not_in_the_file(path, value):
    """Masks never come back as data."""
    text = written(path, value, secrets=frozenset(["so secret"]))
    assert "so secret" not in text
    assert str(value) not in text
    (entry,) = decoded_assignments(text, 0)
    assert "secret" in entry.lost[1]


def test_a_value_whose_name_is_a_secret_is_lost_under_a_masked_name():
    """The message about it is shown, too."""
    (entry,) = decoded_assignments(written(("so secret",), 1, secrets={"so secret"}), 0)
    assert entry.lost
    assert "so secret" not in entry.name


@pytest.mark.parametrize("value", ["x" * 1_000_001, [0] * 10_001, [["x" * 60_000] * 20]])
def test_a_very_large_value_is_lost(value):
    """To write it would hold the loop."""
    entry = back(("a",), value)
    assert "1 MB" in entry.lost[1]


def test_a_value_that_each_row_makes_anew_may_not_grow_large():
    """A thousand rows would write it a thousand times."""
    assert back(("log",), ["x" * 100] * 50, How.DERIVED).value == ["x" * 100] * 50
    assert "anew" in back(("log",), ["x" * 100] * 200, How.DERIVED).lost[1]
    assert not back(("log",), "x" * 20_000, How.DERIVED).lost


class Hostile:
    def __reduce__(self):
        raise KeyError

    def __getattribute__(self, name):
        raise KeyError(name)


def test_an_object_that_cannot_be_read_is_lost():
    """Whatever it raises."""
    assert "KeyError" in back(("a",), [Hostile()]).lost[1]


@pytest.mark.parametrize(
    "text",
    ["", "[", "[1]", '[[1,"set"]]', '[[1,"what","key",{"a":1}]]', '[[1,"set","key",5]]', "5"],
)
def test_a_damaged_text_raises(text):
    """Nothing is made of it."""
    with pytest.raises(JournalError, match="not a journal value"):
        list(decoded_assignments(text, 0))
