"""Rows in words, as the table shows them."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel import row_text as module
from flowmagic.notebook.panel.row_text import (
    MAX_COLUMNS,
    MAX_LABELLED,
    VaryingColumns,
    equal,
    row_labels,
    row_texts,
)
from flowmagic.records.status import CANCELLED, FAILED, RUNNING, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.text.redact import MASK, secrets_of
from tests.virtualtime import virtual


class Judge(AsyncNode):
    async def exec_async(self, prepared):
        return self.params.get("answer")

    async def post_async(self, shared, prepared, executed):
        if "bad" in self.params:
            raise ValueError(self.params["bad"])
        return self.params.get("action")


def texts(records, wanted):
    varying = VaryingColumns(records)
    varying.look()
    return row_texts(records, wanted, varying)


def test_a_row_is_told_by_its_params_its_output_or_error_and_its_action():
    """A cell for each param that varies; nothing for a None."""
    run = flowmagic.run_batch(
        Judge(), [{"answer": "Dear\nAnn", "action": "done"}, {"bad": "no\nlimit"}, {"answer": None}]
    )
    told = texts(run.records, [0, 1, 2])
    assert told["rows"] == [0, 1, 2]
    assert told["texts"][:2] == ["answer='Dear\\nAnn', action='done'", "bad='no\\nlimit'"]
    assert told["cells"] == [["Dear\nAnn", "done", ""], ["", "", "no\nlimit"], ["None", "", ""]]
    assert told["outcomes"] == ["Dear Ann", "ValueError: no limit", ""]
    assert told["actions"] == ["done", "", ""]
    assert told["pictures"] == []


def test_a_row_tells_what_each_node_copy_received_and_returned():
    """A nested flow is told by its nodes; the node that failed has the error."""

    class Load(AsyncNode):
        async def exec_async(self, prepared):
            return {"name": "Ann", "password": "hunter2"}

        async def post_async(self, shared, prepared, executed):
            self.params["name"] = executed["name"]

    load = Load()
    load >> AsyncFlow(start=Judge())
    run = flowmagic.run_batch(AsyncFlow(start=load), [{"n": 1, "bad": "no"}])
    assert texts(run.records, [0])["chains"] == [
        [
            ("Load", SUCCEEDED, "n=1, bad='no' → {'name': 'Ann', 'password': •••}"),
            ("Judge", FAILED, "n=1, bad='no', name='Ann' → ValueError: no"),
        ]
    ]


def test_of_many_node_copies_the_latest_are_told():
    """With how many came before."""
    first = node = Judge()
    for _ in range(9):
        node = node >> Judge()
    (chain,) = texts(flowmagic.run_batch(AsyncFlow(start=first), [{"n": 1}]).records, [0])["chains"]
    assert (len(chain), chain[0]) == (7, ("…", SUCCEEDED, "4 earlier node copies"))


@virtual
async def test_a_running_row_tells_where_it_is():
    """A node copy that runs has received its params, and nothing has come out of it yet."""
    gate = asyncio.Event()

    class Wait(AsyncNode):
        async def exec_async(self, prepared):
            await gate.wait()

    judge = Judge()
    judge >> Wait()
    run = flowmagic.batchflow(AsyncFlow(start=judge), [{"n": 1, "answer": "yes"}])
    await asyncio.sleep(1)
    told = texts(run.records, [0])
    assert [link[:2] for link in told["chains"][0]] == [("Judge", SUCCEEDED), ("Wait", RUNNING)]
    assert (told["outcomes"], told["actions"]) == ([""], [""])
    run.cancel()
    await run
    assert texts(run.records, [0])["chains"][0][1][1] == CANCELLED


def test_a_run_of_many_rows_tells_no_node_copies():
    """A page has no room for them, and they would travel with every change."""
    run = flowmagic.run_batch(Judge(), [{"n": n} for n in range(MAX_LABELLED + 1)])
    assert texts(run.records, [0])["chains"] == [[]]


def test_an_output_that_is_a_picture_is_known_as_one():
    """By its first bytes; text that is said to be a picture is none."""
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\x80\0\0\1\xe0"
    run = flowmagic.run_batch(Judge(), [{"answer": b"<svg/>"}, {"answer": png}])
    told = texts(run.records, [0, 1])
    assert (told["pictures"], told["outcomes"]) == ([1], ["b'<svg/>'", "PNG, 640 x 480"])


def test_rows_that_have_not_ended_have_come_to_nothing():
    """They are told in the order in which they are asked for."""
    records = RecordStore({}, 0.0, 0)
    records.load([{"i": 0}, {"i": 1}])
    told = texts(records, [1, 0])
    assert (told["rows"], told["texts"]) == ([1, 0], ["i=1", "i=0"])
    assert told["outcomes"] == ["", ""]


def test_a_secret_quoted_in_another_param_is_masked_before_it_is_cut():
    """Not even its beginning is left at the end of a line; nor in the error."""
    secret = "sk-" + "9" * 60
    row = {"url": "x" * 50 + secret, "api_key": secret, "bad": f"refused {secret}"}
    run = flowmagic.run_batch(Judge(), [row])
    assert "sk-9" not in str(texts(run.records, [0]))


def test_everything_is_bounded():
    """Megabytes in a param or in an error."""
    run = flowmagic.run_batch(Judge(), [{"bad": "y" * 1_000_000, "n": n} for n in range(2)])
    told = texts(run.records, [0])
    assert len(told["texts"][0]) <= 200
    assert len(str(told)) < 1_000


def test_a_dropped_row_says_that_it_is_no_longer_kept():
    """Beyond `keep`, rows of a generator have no params to show."""
    run = flowmagic.run_batch(Judge(), ({"user_id": i} for i in range(3)), keep=1)
    assert texts(run.records, range(3))["texts"] == ["(no longer kept)"] * 2 + ["user_id=2"]


def test_a_row_that_was_restored_says_so(tmp_path):
    """It did not run; its result is an earlier run's."""
    for _ in range(2):
        run = flowmagic.run_batch(
            Judge(), [{"answer": "Ann"}], journal=tmp_path / "runs", resume=True
        )
    assert texts(run.records, [0])["outcomes"] == ["restored from run 1 Ann"]


class Odd:
    """Like an array: comparing it gives nothing that is true or false."""

    def __eq__(self, other):
        raise ValueError("ambiguous")

    def __hash__(self):
        return 0

    def __repr__(self):
        return f"odd{id(self) % 7}"


def labels(rows, base=None):
    records = RecordStore(base or {}, 0.0, 0)
    records.load(rows)
    varying = VaryingColumns(records)
    varying.look()
    return row_labels(records, varying)


def test_params_that_are_the_same_in_all_rows_are_left_out():
    """Also where another type or a missing one makes the difference."""
    rows = [
        {"model": "a", "n": 1, "same": [1]},
        {"model": "b", "n": 1, "same": [1]},
        {"model": "b", "n": True, "same": [1]},
        {"model": "b", "same": [1]},
    ]
    assert labels(rows) == ["a · 1", "b · 1", "b · True", "b"]


def test_rows_that_do_not_differ_show_what_they_have():
    """A single row too; the flow's own params count as the rows' own do."""
    assert labels([{"a": 1}, {"a": 1}]) == ["1", "1"]
    assert labels([{"a": 1, "b": 2}]) == ["1 · 2"]
    assert labels([{"a": 1}, {}], {"a": 1, "b": 2}) == ["1 · 2", "1 · 2"]
    assert labels([{}, {}]) == ["", ""]
    assert labels([]) == []


def test_a_secret_is_masked_wherever_it_stands():
    """In its own key, and in the value of another one."""
    rows = [{"api_key": f"sk-secret-{i}", "url": f"/?key=sk-secret-{i}"} for i in range(2)]
    assert all("secret" not in each and "•••" in each for each in labels(rows))


def test_many_rows_have_no_labels():
    """There would be no room for them."""
    rows = [{"i": i} for i in range(MAX_LABELLED + 1)]
    assert labels(rows) == []
    assert len(labels(rows[:MAX_LABELLED])) == MAX_LABELLED


def test_values_that_cannot_be_compared_tell_rows_apart():
    """Unless they are one and the same."""
    one = Odd()
    assert labels([{"a": one, "b": 1}, {"a": one, "b": 2}]) == ["1", "2"]
    assert labels([{"a": Odd()}, {"a": Odd()}])[0].startswith("odd")


@given(
    st.lists(st.dictionaries(st.text(max_size=100), st.text(max_size=200), max_size=9), max_size=9)
)
def test_a_label_is_short_and_a_line_whatever_the_params_are(rows):
    """There is one for each row."""
    made = labels(rows)
    assert len(made) == len(rows)
    assert all(len(each) <= 80 for each in made)


def test_a_row_of_many_params_is_cut():
    """It says that it was."""
    [first, _] = labels(
        [{f"key{i}": random.Random(n).random() for i in range(200)} for n in (1, 2)]
    )
    assert first.endswith("…")
    assert len(first) <= 80


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
