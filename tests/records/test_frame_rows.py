"""The rows of a DataFrame: its columns, and the levels of its index that have a name."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic import BatchError
from flowmagic.records.batch import as_batch
from flowmagic.records.frame_rows import rows_of_frame

FRAME = pd.DataFrame({"id": [1, 2], "text": ["a", "b"], "city": ["x", "y"]})


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.set_index(pd.Index([7, 5])),
        FRAME.set_index("id"),
        FRAME.set_index(["id", "city"]),
        type("Sub", (pd.DataFrame,), {})(FRAME),
        pl.DataFrame(FRAME.to_dict("list")),
    ],
)
def test_columns_and_named_levels_of_the_index_are_params(frame):
    """Whatever of it is the index; numbers are Python's."""
    rows, _ = rows_of_frame(frame)
    assert rows == FRAME.to_dict("records")
    assert {type(row["id"]) for row in rows} == {int}


TEXTS = st.text(st.characters(exclude_characters="\0"))  # which pandas 2.2 takes for the empty text


@given(
    frame=st.lists(
        st.fixed_dictionaries({"a": TEXTS, "b": st.integers(-9, 9), "c": st.sampled_from("xy")}),
        min_size=1,
    ).map(pd.DataFrame),
    levels=st.lists(st.sampled_from("abc"), unique=True),
    unnamed=st.booleans(),
)
def test_no_value_is_lost_whatever_is_the_index(frame, levels, unnamed):
    """Any columns as levels, in any order, with labels that occur twice and one level of numbers."""
    indexed = frame.set_index(levels) if levels else frame
    if unnamed:
        indexed = indexed.set_index(pd.RangeIndex(len(frame)), append=True)
    rows, index = rows_of_frame(indexed)
    assert rows == frame.to_dict("records")
    pd.testing.assert_index_equal(index, indexed.index, exact=True)


def test_a_level_without_a_name_is_no_param():
    """Neither a number of the row, nor one level of several."""
    frame = FRAME.set_index("id").set_index(pd.Index([3, 4]), append=True)
    rows, index = rows_of_frame(frame)
    assert rows == FRAME.to_dict("records")
    assert list(index) == [(1, 3), (2, 4)]
    assert rows_of_frame(FRAME[["text"]])[0] == [{"text": "a"}, {"text": "b"}]


def test_the_key_of_a_group_is_a_param():
    """What `groupby` made the index."""
    grouped = FRAME.groupby("city").agg({"text": list})
    assert rows_of_frame(grouped).rows == [
        {"city": "x", "text": ["a"]},
        {"city": "y", "text": ["b"]},
    ]


def test_a_number_as_the_name_of_a_level_is_a_name():
    """And no position: here the names of two levels are each other's positions."""
    index = pd.MultiIndex.from_arrays([["a"], ["b"]], names=[1, 0])
    assert rows_of_frame(pd.DataFrame({"n": [1]}, index=index)).rows == [{1: "a", 0: "b", "n": 1}]
    assert rows_of_frame(pd.DataFrame({"n": [1]}, index=pd.Index(["a"], name=5))).rows == [
        {5: "a", "n": 1}
    ]


def test_an_index_alone_gives_rows():
    """Without a column, its names are all the params there are."""
    assert rows_of_frame(FRAME.set_index("id")[[]]).rows == [{"id": 1}, {"id": 2}]
    assert rows_of_frame(FRAME[[]]).rows == [{}, {}]
    assert rows_of_frame(FRAME.set_index("id").head(0)).rows == []


def test_the_values_of_an_index_are_those_that_a_column_would_give():
    """Dates, categories, missing values."""
    days = pd.DataFrame(
        {"day": pd.date_range("2024-01-01", periods=2), "kind": pd.Categorical(["a", "b"]), "n": 1}
    )
    for frame in (days, days.assign(day=[pd.NaT, pd.Timestamp("2024-01-01")])):
        expected = frame.to_dict("records")
        assert repr(rows_of_frame(frame.set_index(["day", "kind"])).rows) == repr(expected)
        assert repr(rows_of_frame(frame.set_index("day")).rows) == repr(expected)


def test_the_index_is_a_copy():
    """To name the index of the DataFrame afterwards does not change which levels are params."""
    frame = FRAME.set_index("id")
    _, index = rows_of_frame(frame)
    frame.index.name = "other"
    assert index.name == "id"


def test_other_values_are_no_frames():
    """Not even those of other libraries with a class of that name."""
    for value in ([], {}, None, FRAME.index, type("DataFrame", (), {})()):
        assert rows_of_frame(value) is None


def corrected(error: BatchError, frame, marker: str):
    """Return what the expression in a message gives, which begins with `marker`."""
    expression = re.search(rf"{re.escape(marker)}.*?\)(?=\.?$|; |, )", str(error))
    assert expression is not None, error
    return eval(expression[0], {"df": frame, "series": frame})


def test_a_column_name_that_occurs_twice_is_refused():
    """One of them would be lost; the line in the message keeps the first."""
    frame = pd.DataFrame([[1, 2, 3]], columns=["id", "text", "id"])
    with pytest.raises(BatchError, match="two columns named 'id'") as caught:
        rows_of_frame(frame)
    expression = str(caught.value).partition("keep the first: ")[2]
    assert rows_of_frame(eval(expression, {"df": frame})).rows == [{"id": 1, "text": 2}]
    with pytest.raises(BatchError, match="two columns named 0"):
        rows_of_frame(pd.DataFrame([[1, 2]], columns=[0, 0]))


def test_two_levels_of_columns_are_refused():
    """The line in the message joins their names."""
    frame = FRAME.groupby("city").agg({"id": ["min", "max"]})
    with pytest.raises(
        BatchError, match="has 2 levels of columns, and a param has one name"
    ) as caught:
        rows_of_frame(frame)
    assert rows_of_frame(corrected(caught.value, frame, "df.set_axis")).rows == [
        {"city": "x", "id_min": 1, "id_max": 1},
        {"city": "y", "id_min": 2, "id_max": 2},
    ]


@pytest.mark.parametrize("levels", ["id", ["id", "text"], ["text", "id"]])
def test_one_name_for_the_index_and_a_column_is_refused(levels):
    """One of them would be lost; with the line in the message, the labels stay."""
    frame = FRAME.set_index(levels, drop=False)[["id", "city"]]
    with pytest.raises(BatchError, match="index and a column .* are both named 'id'") as caught:
        rows_of_frame(frame)
    mended = corrected(caught.value, frame, "df.rename_axis")
    rows, index = rows_of_frame(mended)
    assert [(row["id"], row["city"]) for row in rows] == [(1, "x"), (2, "y")]
    assert index.equals(frame.index)


def test_a_name_of_the_index_that_only_looks_like_a_column_is_accepted():
    """The text "2024" is, for pandas, among columns that are dates of that year."""
    frame = pd.DataFrame([[1]], columns=pd.to_datetime(["2024-01-01"]))
    frame.index.name = "2024"
    assert rows_of_frame(frame).rows == [{"2024": 0, pd.Timestamp("2024-01-01"): 1}]


def test_one_name_for_two_levels_of_the_index_is_refused():
    """The line in the message gives each a name of its own."""
    index = pd.MultiIndex.from_arrays([[1], [2], [3]], names=["id", None, "id"])
    frame = pd.DataFrame({"n": [1]}, index=index)
    with pytest.raises(
        BatchError, match="index of the DataFrame has two levels named 'id'"
    ) as caught:
        rows_of_frame(frame)
    mended = corrected(caught.value, frame, "df.rename_axis")
    assert rows_of_frame(mended).rows == [{"id_0": 1, "id_2": 3, "n": 1}]


GROUPS_LINE = '[{"key": key, "rows": rows} for key, rows in groups]'


@pytest.mark.parametrize(
    ("wrong", "kind", "line"),
    [
        (FRAME["text"], "Series", 'df[["text"]], or series.to_frame()'),
        (pl.Series("text", ["a"]), "Series", 'df[["text"]], or series.to_frame()'),
        (FRAME.set_index("id")["text"], "Series", 'df[["text"]], or series.to_frame()'),
        (pd.Series([1], name=0), "Series", "df[[0]], or series.to_frame()"),
        (pd.Series([1]), "Series", 'series.to_frame("text")'),
        (pl.Series([1]), "Series", 'series.to_frame("text")'),
        (pd.Series([{"a": 1}], name="params"), "Series", "series.to_list()"),
        (pl.Series([{"a": 1}]), "Series", "series.to_list()"),
        (FRAME.groupby("city"), "DataFrameGroupBy", GROUPS_LINE),
        (pl.DataFrame({"a": [1]}).group_by("a"), "GroupBy", GROUPS_LINE),
    ],
)
def test_what_is_no_frame_is_refused_with_the_line_to_write(wrong, kind, line):
    """And each of those lines gives rows."""
    with pytest.raises(BatchError) as caught:
        rows_of_frame(wrong)
    assert str(caught.value) == f"The batch is a {kind}, not a list of dicts. Write {line}."
    names = {"df": FRAME.assign(**{"0": 1}).rename(columns={"0": 0}), "series": wrong}
    for each in line.split(", or "):
        assert as_batch(eval(each, {**names, "groups": wrong})).total


def test_a_frame_that_is_not_computed_is_refused():
    """It has no rows yet."""
    with pytest.raises(BatchError, match=r"Write frame\.collect\(\)\.$"):
        rows_of_frame(pl.LazyFrame({"a": [1]}))


def test_numpy_arrays_are_not_rows():
    """They are no frames, and their items have no names."""
    assert rows_of_frame(np.array([1, 2])) is None
