"""The instances of a run as DataFrames and files."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode, BatchFlow, Node

import flowmagic as fm
from flowmagic.records.exports import Exports
from flowmagic.records.file_rows import rows_of_file
from flowmagic.records.table import InstanceColumns

from ..virtualtime import virtual


class Returns(AsyncNode):
    """Returns the param `value`; raises it if it is an exception."""

    async def exec_async(self, _):
        value = self.params["value"]
        if isinstance(value, Exception):
            raise value
        return value


class Mark(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["mark"] = self.params["i"]


class Made(Exports):
    """Instances with these outputs; those of None have failed."""

    def __init__(self, outputs, params=None, index=None):
        self.outputs = list(outputs)
        self.params = params or [{} for _ in self.outputs]
        self.index = index

    def _columns(self, *, nodes):
        n = len(self.outputs)
        failed = [each is None for each in self.outputs]
        return InstanceColumns(
            indices=list(range(n)),
            params=self.params,
            output=self.outputs,
            status=["failed" if each else "succeeded" for each in failed],
            seconds=[0.5] * n,
            attempts=[1] * n,
            action=[None] * n,
            error=["ValueError: no" if each else None for each in failed],
            writes=[None] * n,
            nodes=[{"Ask": output} for output in self.outputs] if nodes else [],
        )

    def _isolates(self):
        return False

    def _frame_index(self):
        return self.index


OUTCOME = ["output", "status", "seconds", "attempts", "action", "error"]


@virtual
async def test_params_are_columns_and_what_became_of_a_row_follows_them():
    """A param that is named like one of ours keeps its name."""
    rows = [{"status": "x", "value": 2}, {"status": "y", "value": ValueError("no")}]
    frame = (await fm.batchflow(Returns(), rows)).to_frame()
    assert list(frame.columns) == [
        *("status", "value"),
        *("output", "status_", "seconds", "attempts", "action", "error"),
    ]
    assert list(frame["status"]) == ["x", "y"]
    assert list(frame["status_"]) == ["succeeded", "failed"]
    assert list(frame["seconds"]) == [0.0, 0.0]
    assert frame["output"][0] == 2
    assert math.isnan(frame["output"][1])
    assert frame["error"][1] == "ValueError: no"


@virtual
async def test_what_isolated_instances_wrote_is_a_column():
    """And of others there is no such column."""
    run = await fm.batchflow(Mark(), fm.grid(i=[7, 8]), isolate=True)
    assert list(run.to_frame()["writes"]) == [{"mark": 7}, {"mark": 8}]
    assert "writes" not in (await fm.batchflow(Mark(), [{"i": 1}])).to_frame().columns


@virtual
async def test_no_rows_are_a_frame_too():
    """With the columns that every frame has."""
    run = await fm.batchflow(Mark(), [])
    frame = run.to_frame()
    assert list(frame.columns) == OUTCOME
    assert len(frame) == 0
    assert [str(kind) for kind in frame.dtypes[["seconds", "attempts"]]] == ["float64", "int64"]
    assert run.to_polars().schema == {
        "output": pl.Null, "status": pl.String, "seconds": pl.Float64, "attempts": pl.Int64,
        "action": pl.Null, "error": pl.String,
    }  # fmt: skip


DTYPES = [
    ([1, 2], "int64"),
    ([np.int64(1), 2], "int64"),
    ([1, None], "float64"),
    ([0.5, math.nan], "float64"),
    ([np.float32(0.5), None], "float64"),
    ([True, np.bool_(False)], "bool"),
    ([True, None], "object"),
    ([True, 1], "object"),
    ([2**60 + 1, None], "object"),
    ([np.int64(2**60 + 1), 0.5], "object"),
    ([10**400, 1], "object"),
    ([[1], [2]], "object"),
    ([np.arange(2), np.arange(2)], "object"),
    ([{"a": 1}, None], "object"),
    ([b"x", None], "object"),
    ([pd.DataFrame({"a": [1]}), 1], "object"),
]


@pytest.mark.parametrize(("outputs", "dtype"), DTYPES, ids=range(len(DTYPES)))
def test_numbers_in_a_frame_stay_the_numbers_that_they_are(outputs, dtype):
    """Also those beside an instance that failed: no bool becomes a float, no int another int."""
    column = Made(outputs).to_frame()["output"]
    assert str(column.dtype) == dtype
    for cell, output in zip(column, outputs, strict=True):
        if output is None:
            assert cell is None or math.isnan(cell)
        elif dtype == "object":
            assert cell is output


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()))
def test_a_frame_has_each_output_as_it_was(outputs):
    """Whatever dtype pandas finds for them together."""
    for cell, output in zip(Made(outputs).to_frame()["output"], outputs, strict=True):
        if pd.isna(output):
            assert pd.isna(cell)
        else:
            assert cell == output
            assert isinstance(cell, (bool, np.bool_)) == isinstance(output, bool)


TEXTS = pd.DataFrame({"id": [1, 2, 3, 4], "q": ["a", "b", "c", "d"]})
INDEXES = {
    "filtered": TEXTS[TEXTS["id"] % 2 == 0],
    "sorted": TEXTS.sort_values("id", ascending=False),
    "named": TEXTS.set_index("id"),
    "two levels, of which one is named": TEXTS.set_index(["id", "q"]).rename_axis([None, "q"]),
    "labels that occur twice": TEXTS.set_index(pd.Index(["x", "y", "x", "y"])),
}


@pytest.mark.parametrize("frame", INDEXES.values(), ids=INDEXES)
def test_the_outputs_stand_beside_the_rows_of_the_frame_that_gave_the_batch(frame):
    """Named levels of its index are params and no columns; polars has no index, and has them all."""
    params = frame.reset_index()[[name for name in ("id", "q") if name in frame.reset_index()]]
    rows = params.to_dict(orient="records")
    made = Made([f"answer to {row['q']}" for row in rows], rows, frame.index)
    given = frame.copy()
    given["answer"] = made.to_frame()["output"]
    assert list(given["answer"]) == [f"answer to {row['q']}" for row in rows]
    pd.testing.assert_index_equal(made.to_frame().index, frame.index)
    assert list(made.to_frame().columns) == [
        name for name in [*params.columns, *OUTCOME] if name not in frame.index.names
    ]
    assert made.to_polars().columns == [*params.columns, *OUTCOME]


def test_renaming_the_index_of_a_frame_does_not_change_the_next_frame():
    """Each has its own."""
    made = Made([1], [{"id": 1}], pd.Index([1], name="id"))
    made.to_frame().index.name = "other"
    assert made.to_frame().index.name == "id"


def test_a_frame_without_the_index_of_another_is_numbered():
    """Also if that index does not fit."""
    for index in (None, pd.Index(["a", "b"])):
        frame = Made([1, 2, 3], index=index).to_frame()
        pd.testing.assert_index_equal(frame.index, pd.RangeIndex(3), exact=True)


def test_params_may_have_any_keys():
    """The columns are these keys; in files their text, and no two the same."""
    made = Made([0], [{"a": 1, 1: 2, "1": 3, ("b", 2): 4, None: 5}])
    assert list(made.to_frame().columns)[:5] == ["a", 1, "1", ("b", 2), None]
    assert made.to_polars().columns[:5] == ["a", "1", "1_", "('b', 2)", "None"]


class Ask(AsyncNode):
    async def exec_async(self, _):
        return {"text": f"{self.params['q']}?", "score": 1}


class Shorten(AsyncNode):
    async def exec_async(self, _):
        if self.params["q"] == "b":
            raise ValueError("no")
        return {"text": self.params["q"], "status": "short"}


@virtual
async def test_every_export_takes_expand_and_nodes(tmp_path):
    """With the same columns, and the same values."""
    ask = Ask()
    ask >> Shorten()
    run = await fm.batchflow(AsyncFlow(start=ask), [{"q": "a"}, {"q": "b"}])
    options = {"expand": True, "nodes": True}
    names = ["q", "text", "output_status", *OUTCOME[1:], "Ask", "Shorten"]
    frame = run.to_frame(**options)
    assert list(frame.columns) == names
    assert frame["output_status"][0] == "short"
    assert frame["Ask"][1] == {"text": "b?", "score": 1}
    assert run.to_polars(**options).columns == names
    assert run.to_polars(**options)["text"].to_list() == ["a", None]
    with run.to_csv(tmp_path / "a.csv", **options).open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == names
    assert (first["text"], second["text"]) == ("a", "")
    assert json.loads(second["Ask"]) == {"text": "b?", "score": 1}
    assert second["error"] == "ValueError: no"
    lines = run.to_jsonl(tmp_path / "a.jsonl", **options).read_text().splitlines()
    assert [list(json.loads(line)) for line in lines] == [
        names,
        [name for name in names if name not in ("text", "output_status")],
    ]
    table = pl.read_parquet(run.to_parquet(tmp_path / "a.parquet", **options))
    assert table.equals(run.to_polars(**options))


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.booleans() | st.floats(allow_nan=False, allow_infinity=False)),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.floats(width=32).map(np.float32),
    st.booleans().map(np.bool_),
)


def plain(value):
    """Return what Python's own JSON says of a value of numpy or of no number at all."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


@given(st.lists(values, min_size=1))
@settings(max_examples=50)
def test_outputs_come_back_from_jsonl_as_they_were(outputs):
    """With their types; the rows are a batch again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Made(outputs).to_jsonl(Path(folder) / "a.jsonl")
        read = [row["output"] for row in rows_of_file(path)]
    assert [repr(each) for each in read] == [repr(plain(output)) for output in outputs]


@given(st.lists(values, min_size=1))
@settings(max_examples=50)
def test_outputs_come_back_from_csv_as_text(outputs):
    """Of a list or a dict as JSON; None and NaN are empty."""
    with tempfile.TemporaryDirectory() as folder:
        path = Made(outputs).to_csv(Path(folder) / "a.csv")
        with path.open(newline="", encoding="utf-8") as file:
            read = [row["output"] for row in csv.DictReader(file)]
    for text, output in zip(read, map(plain, outputs), strict=True):
        if isinstance(output, (list, dict)):
            assert json.loads(text) == output
        else:
            assert text == ("" if output is None else str(output))


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 and more",
        10**5_000,
        1 << 70,
        {1},
        {(1, 2): {"a": math.inf}},
        'a "b",\r\nc\rd',
        "a\0b",
    ],
    ids=range(7),
)
def test_every_value_can_be_written_to_every_kind_of_file(tmp_path, value):
    """One odd answer of a model must not keep the others from being written."""
    made = Made([value, "plain", 3])
    lines = made.to_jsonl(tmp_path / "a.jsonl").read_text("utf-8").split("\n")
    assert [json.loads(line, parse_constant=pytest.fail)["output"] for line in lines[1:3]] == [
        "plain", 3,
    ]  # fmt: skip
    with made.to_csv(tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert [row["output"] for row in csv.DictReader(file)][1:] == ["plain", "3"]
    assert pl.read_parquet(made.to_parquet(tmp_path / "a.parquet"))["output"].to_list()[1:] == [
        "plain", "3",
    ]  # fmt: skip
    assert list(made.to_frame()["output"]) == [value, "plain", 3]


def test_text_is_written_to_csv_unchanged(tmp_path):
    """It may be read back as params: nothing is put before what a spreadsheet takes for a formula."""
    texts = ['=HYPERLINK("x")', 'a "b",\r\nc\rd']
    rows = rows_of_file(Made(texts).to_csv(tmp_path / "a.csv"))
    assert [row["output"] for row in rows] == texts


@pytest.mark.parametrize("value", [1 << 70, 10**5_000, "\ud800", 2.5], ids=range(4))
def test_parquet_has_one_kind_of_value_in_a_column(tmp_path, value):
    """A column is text as soon as one value of it fits no other kind."""
    path = Made([value, 7]).to_parquet(tmp_path / "a.parquet")
    assert pl.read_parquet(path)["output"].to_list()[1] == (7 if value == 2.5 else "7")


def test_parquet_is_the_same_without_polars(tmp_path, monkeypatch):
    """With pyarrow, which need not be installed either."""
    made = Made([0.5, math.nan, None], [{"t": "a", "n": 2**60 + 1, "b": b"x"}, {}, {"t": "b"}])
    with_polars = made.to_polars()
    monkeypatch.setitem(sys.modules, "polars", None)
    with monkeypatch.context() as without_pyarrow:
        without_pyarrow.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(fm.MissingExtraError, match="needs polars or pyarrow"):
            made.to_parquet(tmp_path / "a.parquet")
        assert not (tmp_path / "a.parquet").exists()
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(made.to_parquet(tmp_path / "a.parquet"))
    assert repr(table.to_pylist()) == repr(with_polars.to_dicts())


@virtual
async def test_without_pandas_or_polars_the_error_says_what_to_install(monkeypatch):
    """It names the pip command."""
    run = await fm.batchflow(Mark(), [])
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(fm.MissingExtraError, match="pip install pandas"):
        run.to_frame()
    with pytest.raises(fm.MissingExtraError, match="pip install polars"):
        run.to_polars()


@virtual
async def test_lost_outputs_are_reported_and_never_taken_for_data(tmp_path):
    """Of rows of a generator that are no longer kept: a warning, and the reason in each row."""
    rows = ({"value": n} for n in range(3))
    run = await fm.batchflow(Returns(), rows, limit=1, keep=1)
    said = (
        r"^2 cells are empty because outputs are lost\. This output is no longer in memory: .*keep"
    )
    for export in (
        run.to_polars,
        lambda: run.to_csv(tmp_path / "a"),
        lambda: run.to_jsonl(tmp_path / "a"),
        lambda: run.to_parquet(tmp_path / "a"),
        run.to_frame,
    ):
        with pytest.warns(UserWarning, match=said) as caught:
            frame = export()
        assert caught[0].filename == __file__
    assert [str(output) for output in frame["output"]] == ["nan", "nan", "2.0"]
    assert frame["error"][0].startswith("This output is no longer in memory")
    assert pd.isna(frame["error"][2])


@virtual
async def test_the_outputs_of_nodes_that_are_lost_are_reported_too():
    """They are the first to be dropped when memory is short."""
    first, last = Returns(), Ask()
    first >> last
    rows = [{"q": str(n), "value": "x" * 10_000} for n in range(3)]
    run = await fm.batchflow(AsyncFlow(start=first), rows, keep_bytes=15_000)
    with pytest.warns(UserWarning, match="2 cells are empty because outputs are lost"):
        frame = run.to_frame(nodes=True)
    assert list(frame["Returns"].isna()) == [True, True, False]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.to_frame()["error"].isna().all()


# The index of the DataFrame that was the batch

TEXTS = pd.DataFrame({"id": [1, 2, 3, 4], "i": [10, 20, 30, 40], "city": ["x", "y", "x", "y"]})

FRAMES = {
    "as it is": TEXTS,
    "filtered": TEXTS[TEXTS["id"] % 2 == 0],
    "sorted": TEXTS.sort_values("id", ascending=False),
    "named": TEXTS.set_index("id").sort_index(ascending=False),
    "several levels": TEXTS.set_index(["city", "id"]),
    "several levels, of which one has a name": TEXTS.set_index(["city", "id"]).rename_axis(
        [None, "id"]
    ),
    "labels that occur twice": TEXTS.set_index("city"),
    "missing labels": TEXTS.set_index(pd.Index([None, 1, None, float("nan")], name="key")),
    "dates": TEXTS.set_index(pd.date_range("2024-01-01", periods=4, tz="UTC", name="day")),
    "no rows": TEXTS.set_index("id").head(0),
    "no columns": TEXTS.set_index("i")[[]],
}


class Answer(AsyncNode):
    async def exec_async(self, prep_res):
        # The last row is the first to end.
        await asyncio.sleep(1 / self.params["i"])
        return f"answer to {self.params['i']}"


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@virtual
async def test_a_frame_has_the_index_of_the_frame_that_was_the_batch(frame):
    """So that what became of a row can be put beside it, however the rows are selected or sorted."""
    given = frame.copy()
    run = await fm.batchflow(Answer(), given, limit=4)
    result = run.to_frame()
    pd.testing.assert_index_equal(result.index, frame.index, exact=True)
    # Named levels are params of the nodes, but no columns beside the index.
    assert list(result.columns[:-6]) == list(frame.columns if len(frame) else [])
    asked = list(frame.get("i", frame.index))
    given["answer"] = result["output"]
    assert list(given["answer"]) == [f"answer to {i}" for i in asked]
    named = [name for name in frame.index.names if name is not None]
    assert all(set(each.params) == {*named, *frame.columns} for each in run.instances)


@virtual
async def test_a_column_named_like_a_level_of_the_index_gets_an_underscore():
    """As with a param that is a column: pandas would find the name ambiguous."""
    frame = pd.DataFrame({"i": [1]}, index=pd.Index(["new"], name="status"))
    result = (await fm.batchflow(Mark(), frame)).to_frame()
    assert list(result["status_"]) == ["succeeded"]
    assert list(result.index) == ["new"]


class Prepared(BatchFlow):
    def prep(self, shared):
        return TEXTS.set_index("id")


@virtual
async def test_the_index_of_a_frame_that_prep_returned_is_kept():
    """As is that of a frame that was given."""
    run = await fm.batchflow(Prepared(start=Node()))
    assert list(run.to_frame().index) == [1, 2, 3, 4]
    assert run.to_frame().index.name == "id"


async def test_a_resumed_run_has_the_index_of_the_frame_that_is_given_again(tmp_path):
    """Also if its rows are others or in another order; what the journal restores is in its row."""
    path = tmp_path / "a.journal"
    frame = TEXTS.set_index("id")
    await fm.batchflow(Answer(), frame.head(2), journal=path)
    given = frame.sort_values("i", ascending=False)
    run = await fm.resume(path, Answer(), given)
    assert [each.restored for each in run.instances] == [None, None, 1, 1]
    given["answer"] = run.to_frame()["output"]
    assert list(given.loc[[1, 2, 3, 4], "answer"]) == [f"answer to {i}" for i in (10, 20, 30, 40)]
    # The journal has the rows, not the index.
    assert list((await fm.resume(path, Answer())).to_frame().index) == [0, 1, 2, 3]


@virtual
async def test_the_frame_of_a_list_is_numbered():
    """Since it has no index of its own; nor has a DataFrame of polars."""
    for batch in ([{"i": 1}, {"i": 2}], pl.DataFrame({"i": [1, 2]})):
        assert list((await fm.batchflow(Mark(), batch)).to_frame().index) == [0, 1]
