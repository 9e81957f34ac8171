"""What counts as a batch, and what each wrong one is told."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
import polars as pl
import pytest

from flowmagic import BatchError, grid
from flowmagic.records.batch import Batch, as_batch

ROWS = [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        tuple(ROWS),
        [MappingProxyType(row) for row in ROWS],
        pd.DataFrame(ROWS),
        pl.DataFrame(ROWS),
    ],
)
def test_batches_with_a_length_are_known_in_advance(given):
    """Lists, tuples, other mappings and frames."""
    batch = as_batch(given)
    assert [dict(row) for row in batch.rows] == ROWS
    assert batch.total == 2
    assert as_batch(batch) is batch


class Lazy(UserDict):
    def __getitem__(self, key):
        raise ConnectionError("the database is gone")


def test_a_mapping_that_cannot_be_read_is_refused():
    """During the run, it would break the run when it is merged."""
    with pytest.raises(BatchError, match=r"Item 1 .*a Lazy, whose .*ConnectionError: the database"):
        as_batch([{"a": 1}, Lazy(a=1)])


async def test_generators_are_drawn_row_by_row():
    """The total is unknown; closing ends them."""
    batch = as_batch(iter(ROWS))
    assert (batch.total, batch.is_async, batch.draw()) == (None, False, ROWS[0])
    await batch.close()
    with pytest.raises(StopIteration):
        batch.draw()

    class Each:
        async def __aiter__(self):
            yield ROWS[0]
            yield 7

    batch = as_batch(Each())
    assert batch.is_async
    assert await batch.draw_async() == ROWS[0]
    with pytest.raises(BatchError, match=r"Item 1 of the batch is an int \(7\)"):
        await batch.draw_async()
    await batch.close()
    assert as_batch(iter(())).rows == []
    await Batch([], rows=[]).close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": 1}, r"one dict.*\[\{\.\.\.\}\]"),
        ({"a": [1, 2]}, r"one dict.*flowmagic\.grid"),
        ("text", r"a str \('text'\)"),
        ("rows.csv", r"pathlib\.Path\('rows\.csv'\)"),
        (b"x", "a bytes"),
        (3, r"an int \(3\)"),
        (None, "is None"),
        (dict, "the class dict"),
        ([{}, 2], r"Item 1 of the batch is an int \(2\)"),
        (iter([2]), "Item 0"),
        (pl.LazyFrame(ROWS), r"frame\.collect\(\)"),
        (
            dataclass(type("Row", (), {}))(),
            r"a Row, not a list.*put it into a list: \[\{\.\.\.\}\]",
        ),
        ("x" * 100, "xxx…"),
    ],
)
def test_a_wrong_batch_is_refused_with_a_correction(wrong, message):
    """The message names what was found, where, and what to write."""
    with pytest.raises(BatchError, match=message):
        as_batch(wrong)


def test_a_path_is_read_as_a_file(tmp_path):
    """CSV or JSON Lines; the rows are also what post receives."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    batch = as_batch(path)
    assert batch.rows == batch.value == ROWS
    assert batch.index is None


def test_only_a_pandas_frame_has_an_index():
    """DataFrames of the run get it, too."""
    assert list(as_batch(pd.DataFrame(ROWS, index=[7, 5])).index) == [7, 5]
    assert as_batch(pl.DataFrame(ROWS)).index is None
    assert as_batch(ROWS).index is None


@dataclass
class Question:
    a: int


async def test_records_are_rows_of_a_list_and_of_a_generator():
    """Their fields are the params; post receives the records themselves."""
    questions = [Question(1), Question(2)]
    batch = as_batch(questions)
    assert batch.rows == ROWS
    assert batch.value is questions
    batch = as_batch(iter(questions))
    assert [batch.draw(), batch.draw()] == ROWS


async def test_strings_are_rows_of_lists_and_of_generators_where_their_param_is_known():
    """Beside dicts, too; post receives the strings themselves."""
    given, rows = ["x", {"a": 2}], [{"text": "x"}, {"a": 2}]

    async def each():
        for row in given:
            yield row

    batch = as_batch(given, "text")
    assert (batch.rows, batch.value) == (rows, given)
    batch = as_batch(iter(given), "text")
    assert [batch.draw(), batch.draw()] == rows
    for source in (each(), type("Source", (), {"__aiter__": lambda self: each()})()):
        batch = as_batch(source, "text")
        assert [await batch.draw_async(), await batch.draw_async()] == rows


def test_grid_is_the_product_in_which_the_last_name_varies_fastest():
    """A string, a number or a mapping is one value."""
    assert grid(m=["a", "b"], t=(0, 1)) == [
        {"m": "a", "t": 0},
        {"m": "a", "t": 1},
        {"m": "b", "t": 0},
        {"m": "b", "t": 1},
    ]
    assert grid(m="ab", n=3, o={"x": [1]}) == [{"m": "ab", "n": 3, "o": {"x": [1]}}]
    assert grid(m=[]) == []
    assert grid() == [{}]
