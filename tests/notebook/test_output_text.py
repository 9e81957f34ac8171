"""Outputs as text of one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.output_text import outcome_text, output_text
from flowmagic.notebook.panel.output_detail import output_detail
from flowmagic.notebook.pictures import is_picture
from flowmagic.text.redact import MASK


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (None, ""),
        ("Dear Ann,\n\n  thank you", "Dear Ann, thank you"),
        ("  ", "' '"),
        ("", "''"),
        (0, "0"),
        (["a", 1], "['a', 1]"),
        (list(range(2_000)), "[0, 1, 2, 3, 4, 5, 6, 7, ...]"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        ({"answer": "yes", "api_key": "k" * 20}, f"{{'answer': 'yes', 'api_key': {MASK}}}"),
    ],
)
def test_an_output_is_one_line(output, text):
    """A text without quotes, unless nothing would be seen of it; a picture in words; secrets masked."""
    assert output_text(output, 100) == text


def test_a_secret_of_an_output_is_masked_wherever_it_is_quoted():
    """Under its name, and in the other values."""
    output = {"password": "correct-horse-7", "note": "use correct-horse-7 here"}
    assert output_text(output, 200) == f"{{'password': {MASK}, 'note': 'use {MASK} here'}}"


def test_a_data_frame_is_told_by_its_size():
    """Its repr has many lines, and may take long."""
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    for library in (pandas, polars):
        assert output_text(library.DataFrame({"a": range(1_500)}), 80) == "DataFrame, 1,500 x 1"


class Odd:
    __module__ = None

    def __getattribute__(self, name):
        raise RuntimeError(name)


def test_an_object_that_makes_trouble_is_a_line_all_the_same():
    """A module that is no text, attributes that raise."""
    assert output_text(Odd(), 80) == "<Odd>"
    assert output_detail(Odd())["text"] == "<Odd>"
    assert not is_picture(Odd())


@given(
    st.recursive(st.none() | st.text() | st.integers() | st.binary(), st.lists), st.integers(9, 99)
)
def test_a_line_is_as_short_as_it_must_be(output, width):
    """Whatever the output is."""
    text = output_text(output, width)
    assert len(text) <= width
    assert "\n" not in text


class Answer(AsyncNode):
    async def exec_async(self, prepared):
        if "bad" in self.params:
            raise ValueError(self.params["bad"])
        return self.params["answer"]


def test_a_row_comes_to_its_output_or_its_error():
    """An output that is no longer kept says why, and how to keep it."""
    rows = [{"answer": "x" * 900}, {"answer": "second"}, {"bad": "no"}]
    run = flowmagic.run_batch(Answer(), rows, keep_bytes=1_000)
    texts = [outcome_text(run.records, index, 80) for index in range(3)]
    assert texts[1:] == ["second", "ValueError: no"]
    run = flowmagic.run_batch(Answer(), rows, keep_bytes=10)
    assert outcome_text(run.records, 0, 50) == "This output is no longer in memory: the outputs o…"
