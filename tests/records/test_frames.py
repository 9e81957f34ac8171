"""DataFrames of the instances of a run."""

import sys

import pytest
from pocketflow import AsyncNode

import flowmagic as fm

from ..virtualtime import virtual


class Halve(AsyncNode):
    async def exec_async(self, prep_res):
        self.params["i"] = 4
        return 1 / self.params["divisor"]


class Mark(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["mark"] = self.params["i"]


@virtual
async def test_the_columns_are_the_params_then_the_outcome():
    """A param with the name of one of our columns keeps its name."""
    rows = [{"status": "x", "divisor": 2}, {"status": "y", "divisor": 0}]
    frame = (await fm.batchflow(Halve(), rows)).to_frame()
    assert list(frame.columns) == [
        *("status", "divisor"),
        *("status_", "seconds", "attempts", "result"),
    ]
    assert list(frame["status"]) == ["x", "y"]
    assert list(frame["status_"]) == ["succeeded", "failed"]
    assert list(frame["seconds"]) == [0.0, 0.0]
    assert isinstance(frame["result"][1], ZeroDivisionError)


@virtual
async def test_the_writes_of_isolated_instances_are_a_column():
    """Other instances have no such column."""
    run = await fm.batchflow(Mark(), fm.grid(i=[7, 8]), isolate=True)
    assert list(run.to_frame()["writes"]) == [{"mark": 7}, {"mark": 8}]
    assert "writes" not in (await fm.batchflow(Mark(), [{"i": 1}])).to_frame().columns


@virtual
async def test_an_empty_batch_is_an_empty_frame():
    """With the columns that every frame has."""
    frame = (await fm.batchflow(Mark(), [])).to_frame()
    assert list(frame.columns) == ["status", "seconds", "attempts", "result"]
    assert len(frame) == 0
    assert [str(kind) for kind in frame.dtypes[["seconds", "attempts"]]] == ["float64", "int64"]


@virtual
async def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    """It names the pip command."""
    run = await fm.batchflow(Mark(), [])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(fm.MissingExtraError, match="pip install pandas"):
        run.to_frame()
