"""Which params have columns: those that vary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.notebook.panel import columns as module
from flowmagic.notebook.panel.columns import MAX_COLUMNS, VaryingColumns, equal
from flowmagic.records.store import RecordStore
from flowmagic.text.redact import MASK, secrets_of


def varying(rows, base=None):
    records = RecordStore(base or {}, 0.0, 0)
    records.load(rows)
    found = VaryingColumns(records)
    while found.look() or found.unfinished:
        pass
    return found


def cells(found, row):
    return found.cells(row, secrets_of(row))


def test_params_that_vary_have_columns_and_the_others_are_stated_once():
    """In the order of the rows; a param that some rows lack varies, and so does one of another type."""
    rows = [
        {"model": "a", "n": 1, "temperature": 0},
        {"model": "b", "n": True, "temperature": 0},
        {"model": "a", "n": 1, "temperature": 0, "extra": None},
    ]
    found = varying(rows, {"base": "x"})
    assert found.columns() == {
        "names": ["model", "n", "extra"],
        "numeric": [False, False, True],
        "same": "base='x', temperature=0",
        "more": 0,
    }
    assert [cells(found, row) for row in rows] == [
        ["a", "1", ""],
        ["b", "True", ""],
        ["a", "1", "None"],
    ]


def test_rows_that_are_all_the_same_have_no_columns():
    """Nor has a single one: their params stand in one line."""
    for rows in ([], [{"a": 1}], [{"a": 1}, {"a": 1}]):
        assert varying(rows).columns() == {
            "names": [], "numeric": [], "same": "", "more": 0,
        }  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0, 1, "x"])), max_size=8))
def test_a_param_varies_exactly_if_two_rows_differ_in_it(rows):
    """Whether they have it, and what it is."""
    missing = object()
    keys = dict.fromkeys(key for row in rows for key in row)
    expected = [key for key in keys if len({row.get(key, missing) for row in rows}) > 1]
    found = varying(rows)
    assert sorted(found.keys) == sorted(expected)


def test_it_looks_at_a_long_batch_in_slices(monkeypatch):
    """The loop is not held; a difference in the last row is found all the same."""
    monkeypatch.setattr(module, "_SLICE", 0.0)
    records = RecordStore({}, 0.0, 0)
    records.load([{"i": 0}] * 40 + [{"i": 1}])
    found = VaryingColumns(records)
    assert [found.look() for _ in range(3)] == [False, False, True]
    assert (found.keys, found.unfinished) == (["i"], False)


@pytest.mark.parametrize("other", ["1", True, [1]])
def test_a_column_is_numeric_until_something_else_stands_in_it(other):
    """No number and None are no matter; that it is none any more is a change of the columns."""
    records = RecordStore({}, 0.0, 10)
    for row in ({"n": 1}, {"n": 2.5}, {}, {"n": None}):
        records.add(row)
    found = VaryingColumns(records)
    assert found.look()
    assert found.columns()["numeric"] == [True]
    records.add({"n": other})
    assert found.look()
    assert found.columns()["numeric"] == [False]
    assert not found.look()


def test_rows_that_are_drawn_later_count_and_dropped_ones_do_not():
    """A generator's rows come one by one, and are not all kept."""
    records = RecordStore({}, 0.0, 1)
    for n in range(3):
        records.add({"same": 1, "n": n // 2})
        records.start(n, 0.0)
        records.finish(n, None, 1.0)
    found = VaryingColumns(records)
    found.look()
    assert found.columns()["names"] == []
    records.add({"same": 2, "n": 0})
    assert found.look()
    assert set(found.columns()["names"]) == {"same", "n"}


def test_columns_are_bounded_and_what_is_left_out_is_counted():
    """A row may have hundreds of params."""
    found = varying([{f"{'k' * 200}{i}": i + n for i in range(40)} for n in range(2)])
    columns = found.columns()
    assert len(columns["names"]) == MAX_COLUMNS
    assert columns["more"] == 40 - MAX_COLUMNS
    assert all(len(name) <= 60 for name in columns["names"])


def test_secrets_are_masked_in_cells_and_in_what_is_the_same():
    """Under their own names, and quoted in another param."""
    rows = [{"api_key": f"sk-secret-{n}", "url": f"/?k=sk-secret-{n}"} for n in range(2)]
    found = varying(rows, {"token": "sk-other-secret"})
    shown = str([found.columns(), *(cells(found, row) for row in rows)])
    assert "secret" not in shown.replace("api_key", "")
    assert MASK in shown


def test_values_that_cannot_be_compared_are_not_equal():
    """Arrays have no truth value; somebody's __eq__ may raise."""

    class Odd:
        def __eq__(self, other):
            raise ValueError("ambiguous")

        __hash__ = None

    one = Odd()
    assert equal(one, one)
    assert not equal(one, Odd())
    assert not equal(1, True)
    assert equal([1], [1])
