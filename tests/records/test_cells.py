"""What a value becomes in a file."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import enum
import io
import json
import math
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.records.cells import ABSENT, csv_cell, json_text, json_value, typed_column


@dataclass
class Answer:
    text: str
    score: object = None


class Model(pydantic.BaseModel, extra="allow"):
    text: str


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.Enum):
    RED = np.int64(3)


class Word(str, enum.Enum):
    YES = "yes"


class Odd:
    def __str__(self):
        raise ValueError("no")


class Tensor:
    """An array as torch has it: it is no array of numpy."""

    def __init__(self, value):
        self.value = value
        self.ndim = np.ndim(value)

    def tolist(self):
        return self.value


DAY = dt.datetime(2026, 1, 31, 9, 5, 0, 7)  # noqa: DTZ001 - as a frame has it
FORMS = [
    (None, None),
    ("text", "text"),
    (True, True),
    (3, 3),
    (0.5, 0.5),
    (math.nan, None),
    (math.inf, "inf"),
    (-math.inf, "-inf"),
    (10**5_000, hex(10**5_000)),
    (np.int64(3), 3),
    (np.uint8(3), 3),
    (np.float64(0.5), 0.5),
    (np.float32(0.1), 0.10000000149011612),
    (np.longdouble(0.5), 0.5),
    (np.float32("nan"), None),
    (np.bool_(False), False),
    (np.str_("a"), "a"),
    (np.array(7), 7),
    (Tensor(0.5), 0.5),
    (np.datetime64("2026-01-31T09:05:00.123456789"), "2026-01-31T09:05:00.123456789"),
    (np.datetime64("NaT"), None),
    (np.timedelta64(5, "s"), "5 seconds"),
    (pd.NaT, None),
    (pd.NA, None),
    (pd.Timestamp("2026-01-31T09:05:00.123456789"), "2026-01-31T09:05:00.123456789"),
    (DAY, "2026-01-31T09:05:00.000007"),
    (DAY.replace(tzinfo=dt.timezone.utc), "2026-01-31T09:05:00.000007+00:00"),
    (DAY.date(), "2026-01-31"),
    (DAY.time(), "09:05:00.000007"),
    (b"hi", "aGk="),
    (bytearray(b"hi"), "aGk="),
    (memoryview(b"hi"), "aGk="),
    (Colour.RED, 3),
    (Word.YES, "yes"),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    ([1, (2, {3})], [1, [2, [3]]]),
    (deque([1]), [1]),
    (np.array([[1, 2]]), [[1, 2]]),
    (np.array([0.5, math.nan]), [0.5, None]),
    (np.array(["2026-01-31T09:05:00.1"], "datetime64[ns]"), ["2026-01-31T09:05:00.100000000"]),
    (Tensor([0.5, 1.5]), [0.5, 1.5]),
    (pd.Series([1, 2]), [1, 2]),
    (pl.Series([1, 2]), [1, 2]),
    (pd.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]),
    (pl.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]),
    (OrderedDict(a=np.int8(1)), {"a": 1}),
    ({1: "a", (1, 2): "b", Colour.RED: "c"}, {"1": "a", "(1, 2)": "b", "3": "c"}),
    ({1: "a", "1": "b"}, "{1: 'a', '1': 'b'}"),
    (Answer("yes", np.float64(1)), {"text": "yes", "score": 1.0}),
    (Point(1, 2), {"x": 1, "y": 2}),
    (Model(text="yes", more=1), {"text": "yes", "more": 1}),
    (ValueError("no"), "ValueError: no"),
    (Answer, str(Answer)),
    (Odd(), "<Odd, whose text raised ValueError>"),
]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=lambda each: type(each).__name__)
def test_each_value_has_a_form_in_json(value, form):
    """Numbers stay numbers, whatever library they come from; what JSON lacks becomes text."""
    found = json_value(value)
    assert (found, type(found)) == (form, type(form))
    assert json.loads(json_text(found), parse_constant=pytest.fail) == form


@pytest.mark.parametrize(("value", "form"), FORMS, ids=lambda each: type(each).__name__)
def test_each_value_has_a_form_in_csv(value, form):
    """As in JSON; a list or a dict is JSON text."""
    expected = json.dumps(form) if isinstance(form, (list, dict)) else form
    assert csv_cell(value) == expected


def test_a_value_that_contains_itself_becomes_text():
    """And those beside it in the row do not."""
    inner: dict = {"a": 1}
    inner["again"] = [inner, inner]
    assert json_value([1, inner]) == "[1, {'a': 1, 'again': [{...}, {...}]}]"
    deep: list = []
    for _ in range(60):
        deep = [deep]
    assert json_value(deep) == str(deep)
    shared = [1]
    assert json_value([shared, shared]) == [[1], [1]]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(plain)
def test_what_json_has_comes_back_as_it_was(value):
    """With its types: True is not 1, and 1 is not 1.0."""
    again = json.loads(json_text(json_value(value)))
    assert again == value
    assert repr(again) == repr(value)


numbers = (
    st.integers(-(2**63), 2**63 - 1).map(np.int64)
    | st.integers(0, 2**64 - 1).map(np.uint64)
    | st.floats().map(np.float64)
    | st.floats(width=32).map(np.float32)
    | st.booleans().map(np.bool_)
)


@given(numbers)
def test_numpy_numbers_come_back_as_the_same_numbers(value):
    """From JSON and from CSV; NaN is null and an empty cell."""
    assert same_number(json.loads(json_text(json_value(value))), value)
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["", csv_cell(value)])
    text = next(csv.reader(io.StringIO(buffer.getvalue())))[1]
    assert same_number({"True": True, "False": False, "": None}.get(text, text), value)


def same_number(read, value):
    if read is None or math.isnan(value):
        return read is None and math.isnan(value)
    if isinstance(value, np.bool_):
        return read is bool(value)
    return type(value)(read) == value and not isinstance(read, bool)


COLUMNS = [
    ([], None, []),
    ([None, ABSENT], None, [None, None]),
    (["a", None], str, ["a", None]),
    ([True, np.bool_(False)], bool, [True, False]),
    ([1, np.int64(2), None], int, [1, 2, None]),
    ([1, 0.5], float, [1.0, 0.5]),
    ([np.float32(0.5), ABSENT], float, [0.5, None]),
    ([2**53 + 1, 0.5], str, [str(2**53 + 1), "0.5"]),
    ([2**63, 1], str, [str(2**63), "1"]),
    ([1, True], str, ["1", "True"]),
    ([1, "a"], str, ["1", "a"]),
    (["a", math.nan], str, ["a", None]),
    ([1, math.nan], int, [1, None]),
    ([b"x", None], bytes, [b"x", None]),
    ([DAY, None], dt.datetime, [DAY, None]),
    ([DAY.date()], dt.date, [DAY.date()]),
    ([DAY, DAY.date()], str, ["2026-01-31T09:05:00.000007", "2026-01-31"]),
    ([DAY.replace(tzinfo=dt.timezone.utc)], str, ["2026-01-31T09:05:00.000007+00:00"]),
    ([{"a": 1}, [1, 2]], str, ['{"a": 1}', "[1, 2]"]),
    (["\ud800", "a"], str, ["\\ud800", "a"]),
    ([Colour.RED, 4], int, [3, 4]),
]


@pytest.mark.parametrize(("values", "kind", "cells"), COLUMNS, ids=range(len(COLUMNS)))
def test_a_typed_column_holds_values_of_one_type(values, kind, cells):
    """Of the type that they have in common; if there is none, as text."""
    found = typed_column(values)
    assert found == (kind, cells)
    assert {type(cell) for cell in found[1]} <= {kind, type(None)}


def test_nan_is_a_value_among_floats_only():
    """Elsewhere it stands for a missing value, as in pandas."""
    kind, cells = typed_column([0.5, math.nan, None, ABSENT])
    assert kind is float
    assert [str(cell) for cell in cells] == ["0.5", "nan", "None", "None"]
    kind, cells = typed_column([math.nan, None])
    assert kind is float
    assert [str(cell) for cell in cells] == ["nan", "None"]


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()))
def test_a_typed_column_loses_no_value(values):
    """Each value is there, or a text that stands for it."""
    kind, cells = typed_column(values)
    for value, cell in zip(values, cells, strict=True):
        if isinstance(value, float) and math.isnan(value):
            assert cell is None or math.isnan(cell)
        elif kind is str and not isinstance(value, (str, bytes, int)):
            assert cell == (None if value is None else str(value))
        elif kind is str and isinstance(value, int):
            assert cell == str(value)
        elif kind is not str:
            assert cell == value
