"""A table of instances with secrets masked."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic.records.masked_table import masked_table
from flowmagic.records.table import Table
from flowmagic.text.redact import MASK

from ..virtualtime import virtual

SECRET = "Hunter-2-and-more"


@dataclasses.dataclass
class Config:
    """Shows its secret."""

    api_key: str
    model: str = "m"


class Client:
    """Quotes a secret in its repr."""

    def __repr__(self):
        return f"Client({SECRET})"


class Says(Client):
    """Quotes it in its text."""

    def __repr__(self):
        return "Says"

    def __str__(self):
        return SECRET


class Holds:
    """Shows nothing of what it holds."""

    def __init__(self):
        self.api_key = SECRET


class Fails:
    """Has no repr."""

    def __repr__(self):
        raise ValueError(SECRET)


def cell(value, name="output", row=frozenset({SECRET})):
    """Return what becomes of one value."""
    masked = masked_table(Table([0], {name: [value]}, {}, []), lambda index: row)
    [[found]] = masked.columns.values()
    return found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f"it is {SECRET}", f"it is {MASK}"),
        ({"api_key": "x", "a": [SECRET, 1]}, {"api_key": MASK, "a": [MASK, 1]}),
        ((SECRET, {SECRET}), (MASK, {MASK})),
        ({SECRET: 1}, {MASK: 1}),
        ("use sk-1234567890abcdef", f"use {MASK}"),
        ("password='hunter2'", f"password='{MASK}'"),
        (Config(SECRET), f"Config(api_key={MASK}, model='m')"),
        ([Client()], [f"Client({MASK})"]),
        (Says(), "Says"),
    ],
)
def test_a_secret_is_masked_wherever_it_stands(value, shown):
    """In texts and containers at any depth; another object that shows one becomes its text."""
    assert cell(value) == shown


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "a text", [1, "a"], {"a": {"b": 1}}, dt.date(2020, 1, 1), np.arange(3)],
)
def test_what_shows_no_secret_stays_what_it_is(value):
    """Numbers, dates and arrays keep their types."""
    assert type(cell(value)) is type(value)
    assert repr(cell(value)) == repr(value)
    assert isinstance(cell(Holds()), Holds)


def test_a_column_with_the_name_of_a_secret_is_masked():
    """As in the panel; one without a value is empty."""
    assert cell("yes", "password") == MASK
    assert cell(None, "password") is None
    assert cell("yes", "max_tokens") == "yes"


def test_names_of_columns_are_masked_and_stay_different():
    """A key of a param or an output may be a secret itself."""
    table = Table([0], {SECRET: [1], f"{SECRET}!": [2], MASK: [3]}, {"status": SECRET}, [])
    masked = masked_table(table, lambda index: {SECRET, f"{SECRET}!"})
    assert [*masked.columns.values()] == [[1], [2], [3]]
    assert SECRET not in str(masked)
    assert masked.outcome == {"status": MASK}


def test_an_object_whose_text_cannot_be_made_is_shown_as_what_it_is():
    """Its error is not raised, nor shown."""
    assert SECRET not in str(cell(Fails()))
    assert "Fails" in cell(Fails())


def test_a_value_that_contains_itself_is_masked():
    """Down to some depth."""
    loop = [SECRET]
    loop.append(loop)
    assert SECRET not in str(cell(loop))


JSON = st.recursive(
    st.integers() | st.text() | st.just(SECRET) | st.just(f"x{SECRET}y"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just(SECRET), inner),
)


@given(JSON)
def test_no_secret_is_left_in_any_value(value):
    """However deep it stands."""
    assert SECRET not in repr(cell(value))


class Ask(AsyncNode):
    async def exec_async(self, _):
        if self.params["i"]:
            raise ValueError(self.params["api_key"])
        return {"said": f"with {self.params['api_key']}", "n": 1}


@virtual
async def test_a_frame_of_a_run_is_masked_for_showing():
    """Only if that is asked for; the run itself keeps the values."""
    rows = [{"i": i, "api_key": f"{SECRET}-{i}"} for i in range(2)]
    run = await fm.batchflow(Ask(), rows)
    assert SECRET in run.to_frame().to_csv()
    for options in ({}, {"expand": True}, {"nodes": True}):
        frame = run.to_frame(mask=True, **options)
        assert SECRET not in frame.to_csv()
        assert list(frame.columns) == list(run.to_frame(**options).columns)
        assert list(frame["api_key"]) == [MASK] * 2
        assert list(frame["i"]) == [0, 1]
        assert frame["i"].dtype == run.to_frame()["i"].dtype
    assert run.to_frame(mask=True)["output"][0] == {"said": f"with {MASK}", "n": 1}
    assert run[0].params["api_key"] == f"{SECRET}-0"


@virtual
async def test_a_frame_of_a_run_in_a_journal_is_masked_too(tmp_path):
    """One that keeps secrets."""
    path = tmp_path / "runs"
    rows = [{"i": 0, "api_key": SECRET}]
    await fm.batchflow(Ask(), rows, journal=path, journal_secrets=True)
    with fm.open_journal(path) as journal:
        run = journal.runs[-1]
        assert SECRET in run.to_frame().to_csv()
        frame = run.to_frame(mask=True)
    assert isinstance(frame, pd.DataFrame)
    assert SECRET not in frame.to_csv()
