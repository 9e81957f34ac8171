"""What counts as one row, and which params it has."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import pydantic
import pytest

from flowmagic import BatchError
from flowmagic.records.row import as_row, repeated


@dataclass(frozen=True)
class Question:
    text: str
    tags: list[str] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int


class Model(pydantic.BaseModel):
    id: int
    inner: Question | None = None


class Open(pydantic.BaseModel, extra="allow"):
    id: int


@pytest.mark.parametrize(
    ("record", "params"),
    [
        (Question("why"), {"text": "why", "tags": []}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Model(id=1), {"id": 1, "inner": None}),
        (Open(id=1, more="x"), {"id": 1, "more": "x"}),
    ],
)
def test_the_fields_of_a_record_are_params(record, params):
    """Dataclasses, named tuples, pydantic models with what they were given beyond their fields."""
    assert as_row(record, 0) == params


def test_the_fields_of_an_attrs_object_are_params():
    """As those of a dataclass."""
    attrs = pytest.importorskip("attrs")
    assert as_row(attrs.make_class("Page", ["url"])("a"), 0) == {"url": "a"}


def test_a_record_inside_a_record_stays_as_it_is():
    """Nothing is converted or copied on the way to the nodes."""
    inner = Question("why")
    assert as_row(Model(id=1, inner=inner), 0)["inner"] is inner
    tags = ["a"]
    assert as_row(Question("why", tags), 0)["tags"] is tags


def query(sql):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql).fetchone()


def test_a_row_of_sqlite_is_its_columns():
    """By name, as the query gives them."""
    assert as_row(query("SELECT 1 AS id, 'a' AS text"), 0) == {"id": 1, "text": "a"}


def test_a_row_of_sqlite_with_two_columns_of_one_name_is_refused():
    """One of them would be lost; the message has the query to write."""
    with pytest.raises(
        BatchError,
        match=r"Item 3 .* two columns named 'id'\. Rename one in the query: SELECT \.\.\. AS id_2",
    ):
        as_row(query("SELECT 1 AS id, 2 AS id"), 3)


def test_a_mapping_is_a_row_itself():
    """No copy of it is made."""
    for row in ({"a": 1}, MappingProxyType({"a": 1})):
        assert as_row(row, 0) is row


class Broken(Question):
    def __getattribute__(self, name):
        if name == "tags":
            raise ConnectionError("the database is gone")
        return super().__getattribute__(name)


def test_a_record_that_cannot_be_read_is_refused():
    """During the run, it would break the run."""
    with pytest.raises(
        BatchError, match=r"Item 1 .* a Broken, whose items cannot .*ConnectionError"
    ):
        as_row(Broken("why"), 1)


@pytest.mark.parametrize("wrong", [(1, 2), "text", Question, Model, 3, None, [("a", 1)]])
def test_anything_else_is_refused(wrong):
    """The message says what was found where, and what to write."""
    with pytest.raises(
        BatchError, match=r"Item 2 .*, not a dict of params\. Write a list of dicts"
    ):
        as_row(wrong, 2)


def test_a_string_is_a_row_where_its_param_is_known():
    """Else the message says how to name it."""
    assert as_row("why?", 0, "question") == {"question": "why?"}
    with pytest.raises(BatchError, match=r'or put each .* with fill_shared="question"\.$'):
        as_row("why?", 0)
    with pytest.raises(BatchError, match=r'"user_id": 2\}\]\.$'):
        as_row(3, 0, "question")


def test_names_that_occur_again_are_found():
    """In the order in which they occur again."""
    assert repeated("abcbcab") == ["b", "c", "a", "b"]
    assert repeated(["a", None]) == []


def test_reading_rows_imports_no_library():
    """What is not loaded cannot be what the batch is made of."""
    code = (
        "import sys, flowmagic.records.batch as b; b.as_batch([{'a': 1}, type('T', (dict,), {})()]);"
        "sys.exit(bool({'pandas', 'polars', 'pydantic', 'sqlite3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
