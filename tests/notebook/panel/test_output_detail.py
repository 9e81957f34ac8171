"""The output of a node copy in an opened row."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel.output_detail import (
    FULL,
    SHORT,
    output_at,
    output_detail,
    without_controls,
)
from flowmagic.run.failures import Retries
from flowmagic.text.redact import MASK

from ..test_pictures import Chart


@dataclass
class Letter:
    to: str
    api_key: str


def shown(output, size=SHORT, secrets=frozenset()):
    detail = output_detail(output, secrets, size)
    return detail["rows"] or detail["text"]


def test_a_short_text_is_shown_as_it_was_written():
    """With its lines, but without what a terminal would understand."""
    detail = output_detail("Dear Ann,\r\n\x1b[31mthank you\x1b[0m\x00 ✓")
    assert (detail["text"], detail["more"]) == ("Dear Ann,\nthank you ✓", False)
    assert output_detail(None) is None


def test_a_long_text_is_short_at_first_and_in_full_when_asked_for():
    """Bounded even then."""
    for length, more in ((SHORT, False), (SHORT + 1, True)):
        detail = output_detail("x" * length)
        assert (len(detail["text"]), detail["more"]) == (SHORT, more)
    assert len(shown("x" * 9_999, FULL)) == 9_999
    assert len(shown("x" * 9_999_999, FULL)) == FULL


def test_a_dict_or_an_object_with_fields_is_a_table_of_keys_and_values():
    """Secrets are masked by their names, and wherever else they are quoted."""
    letter = {
        "to": "Ann",
        "password": "correct-horse-7",
        "text": "say correct-horse-7",
        "n": [1, 2],
    }
    assert shown(letter) == [
        ["to", "Ann"], ["password", MASK], ["text", f"say {MASK}"], ["n", "[1, 2]"],
    ]  # fmt: skip
    assert shown(Letter("Ann", "k" * 30)) == [["to", "Ann"], ["api_key", MASK]]
    assert shown({}) == "{}"


def test_of_a_large_dict_the_first_entries_are_shown():
    """All of them, within reason, when it is asked for in full."""
    large = {f"key {n}": "x" * 500 for n in range(300)}
    short, full = output_detail(large), output_detail(large, size=FULL)
    assert (len(short["rows"]), short["more"]) == (8, True)
    assert (len(full["rows"]), full["more"]) == (200, True)
    assert len(full["rows"][0][1]) == 500


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_shows_its_head(library):
    """A secret in a column is masked by the column's name."""
    frame = pytest.importorskip(library).DataFrame(
        {"city": ["Oslo"] * 20, "password": ["hunter2x"] * 20}
    )
    detail = output_detail(frame)
    assert detail["text"] == "DataFrame, 20 x 2"
    assert detail["head"] == ["city", "password"]
    assert detail["rows"] == [["Oslo", MASK]] * 8
    assert detail["more"]
    assert len(output_detail(frame, size=FULL)["rows"]) == 20


def test_a_picture_is_told_in_words_and_is_not_rendered():
    """The page requests it when it can be seen; SVG is text."""
    chart = Chart()
    detail = output_detail(chart)
    assert (detail["text"], detail["picture"], chart.rendered) == ("Chart", True, 0)
    svg = output_detail("<svg onload='alert(1)'/>")
    assert (svg["picture"], svg["text"]) == (False, "<svg onload='alert(1)'/>")


def test_a_secret_is_masked_where_an_output_is_cut():
    """Its first half would not be recognised."""
    secret = "s3cr3t-" + "9" * 30
    for before in range(SHORT - 40, SHORT):
        assert "s3cr3t" not in shown("x" * before + secret + "y" * 50, secrets=frozenset({secret}))


class Odd(dict):
    def items(self):
        raise RuntimeError("no items")

    def __repr__(self):
        raise RuntimeError("no repr")


@given(
    st.recursive(
        st.none() | st.text() | st.binary() | st.builds(Odd, a=st.none()),
        lambda e: st.lists(e) | st.dictionaries(st.text(), e),
    )
)
def test_any_output_can_be_shown(output):
    """Whatever it contains."""
    for size in (SHORT, FULL):
        detail = output_detail(output, size=size)
        assert detail is None or len(detail["text"]) <= size


def test_printed_control_characters_cannot_hide_a_secret():
    """A terminal would show it."""
    assert without_controls("a\x1b[0mhunter2\x08!", frozenset({"hunter2!"})) == f"a{MASK}"


class Flaky(AsyncNode):
    async def exec_async(self, prepared):
        return f"try {len(TRIES)}"

    async def post_async(self, shared, prepared, executed):
        TRIES.append(1)
        if len(TRIES) == 1:
            raise ValueError


TRIES: list[int] = []


def test_a_page_names_an_output_by_row_attempt_and_node_copy():
    """Also one of an earlier attempt; a name of nothing gives nothing."""
    TRIES.clear()
    run = flowmagic.run_batch(AsyncFlow(start=Flaky()), [{}], retries=Retries(1, wait=0.001))
    at = [output_at(run.records, 0, attempt, copy) for attempt, copy in ((0, -1), (0, 0), (1, 0))]
    assert at == ["try 1", "try 1", "try 0"]
    for attempt, copy in ((0, 7), (2, 0), (9, 0), (-1, 5)):
        assert output_at(run.records, 0, attempt, copy) is None
