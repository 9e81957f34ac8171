"""The instances of a run of a journal as a table, whatever stands in it."""

from __future__ import annotations

import csv
import json

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.journal import open_journal


class Pass(AsyncNode):
    pass


def written(tmp_path, *values):
    rows = [{"value": value} for value in values]
    flowmagic.run_batch(Pass(), rows, journal=tmp_path / "j")
    return open_journal(tmp_path / "j")[1]


VALUES = {
    "half a character": "\ud800 and more",
    "no number": float("nan"),
    "a dict with tuples for keys": {(1, 2): {"a": float("inf")}},
    "an int of 5,000 digits": 10**5_000,
    "an int of 70 bits": 1 << 70,
    "a set": {1},
    "a text of several lines": 'a "b",\r\nc\rd',
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_value_can_be_written_to_every_kind_of_file(tmp_path, value):
    """One odd answer of a model must not keep the others from being written."""
    run = written(tmp_path, value, "plain", 3)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    lines = run.to_jsonl(tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert len([json.loads(line, parse_constant=refuse) for line in lines]) == 3
    with run.to_csv(tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert [row["value"] for row in csv.DictReader(file)][1:] == ["plain", "3"]
    assert list(run.to_frame()["value"])[1:] == ["plain", 3]
    text = run.to_script()
    compile(text, "script", "exec")


@pytest.mark.parametrize("value", [1 << 70, 10**5_000, "\ud800", 2.5], ids=range(4))
def test_parquet_has_one_kind_of_value_in_a_column(tmp_path, value):
    """A column is text as soon as one value of it fits no other kind."""
    polars = pytest.importorskip("polars")
    path = written(tmp_path, value, 7).to_parquet(tmp_path / "a.parquet")
    column = polars.read_parquet(path)["value"].to_list()
    assert column[1] == (7 if value == 2.5 else "7")


def test_text_is_written_to_csv_unchanged(tmp_path):
    """It may be read back as params: nothing is put before what a spreadsheet takes for a formula."""
    path = written(tmp_path, '=HYPERLINK("x")', VALUES["a text of several lines"]).to_csv(
        tmp_path / "a.csv"
    )
    rows = flowmagic.records.batch.as_batch(path).rows
    assert [row["value"] for row in rows] == ['=HYPERLINK("x")', 'a "b",\r\nc\rd']
