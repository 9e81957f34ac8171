"""The param list as a text to edit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from flowmagic.notebook.panel import param_text
from flowmagic.notebook.panel.param_text import MAX_ROWS, ParamText
from flowmagic.text.redact import MASK

KEYS = [{"api_key": "sk-aaaa", "user_id": 1}, {"api_key": "sk-bbbb", "user_id": 2}]


def test_a_list_of_plain_values_is_json_one_dict_per_line():
    """The text is JSON where it can be, so that the page can check it alone."""
    text = ParamText([{"user_id": 1, "name": "Zoë"}, {"ok": True, "none": None}])
    assert text.text == '[\n  {"user_id": 1, "name": "Zoë"},\n  {"ok": true, "none": null}\n]'
    assert text.editable


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"a": 1.5, "b": [1, {"c": "'\"\n"}]}],
        [{"a": (1, 2), "b": {3}, "c": b"x", 4: None}],
        [{"lone": "\ud800"}, {"x": "</script>"}],
    ],
)
def test_what_is_written_reads_back_the_same(rows):
    """Text to rows and back loses neither a value nor a type, and any page can be sent the text."""
    text = ParamText(rows)
    text.text.encode()
    assert text.editable
    assert text.read(text.text).rows == rows


@pytest.mark.parametrize(
    "value", [dt.date(2025, 1, 2), float("nan"), object(), {"deep": [range(3)]}, set()]
)
def test_what_cannot_be_written_is_shown_but_not_edited(value):
    """A value that no literal gives makes the text read-only, and a sentence says so."""
    text = ParamText([{"user_id": 1, "value": value}])
    assert not text.editable
    assert "cannot be written" in text.reason
    assert "user_id" in text.text


def test_too_many_rows_are_shown_in_part():
    """The page is not sent 100,000 lines."""
    text = ParamText([{"i": i} for i in range(MAX_ROWS + 1)])
    assert not text.editable
    assert "1,001 rows" in text.reason
    assert text.text.count("\n") < 110


@pytest.mark.parametrize(
    ("edited", "message", "line"),
    [
        ("", "There is no text", 1),
        ('{"user_id": 1}', "Put it in a list", 1),
        ("[{'user_id': 1},\n 3]", "Item 1 is an int (3)", 2),
        ('[{"user_id": 1},\n {"user_id": }]', "Neither JSON nor a Python literal", 2),
        ("[{'a': 1},\n\n {'a': __import__('os').getcwd()}]", "Only literals", 3),
        ("[{'a': 1}, {[]: 2}]", "Only literals", None),
        ("[{'a': None},\n {'a': true}]", "In Python, write True for true.", 2),
        ("[" * 100_000, "", None),
    ],
)
def test_a_wrong_text_is_refused_with_its_line(edited, message, line):
    """The reading says what was found and where; nothing in the text is ever executed."""
    reading = ParamText([{"user_id": 1}]).read(edited)
    assert reading.rows is None
    assert message in reading.message
    assert line in (None, reading.line)


def test_secrets_are_masked_wherever_they_stand():
    """By the name of their key, and where another param quotes them."""
    text = ParamText([{"api_key": "sk-aaaa", "url": "https://x/?k=sk-aaaa"}])
    assert "sk-aaaa" not in text.text
    assert text.read(text.text).rows == [{"api_key": "sk-aaaa", "url": "https://x/?k=sk-aaaa"}]


def test_masks_stand_for_the_value_of_their_row():
    """Rows edited in place or moved keep their own secrets."""
    text = ParamText(KEYS)
    moved = f'[{{"api_key": "{MASK}", "user_id": 2}}, {{"api_key": "{MASK}", "user_id": 1}}]'
    assert text.read(moved).rows == KEYS[::-1]
    edited = text.text.replace("2", "7")
    assert text.read(edited).rows == [KEYS[0], {"api_key": "sk-bbbb", "user_id": 7}]
    shorter = f'[{{"api_key": "{MASK}", "user_id": 2}}]'
    assert text.read(shorter).rows == [KEYS[1]]


def test_a_secret_that_all_rows_share_goes_to_new_rows_too():
    """One key for the whole batch: a mask means that key, in whatever row."""
    text = ParamText([{"api_key": "sk-aaaa", "user_id": i} for i in range(2)])
    added = f'[{{"user_id": 9, "api_key": "{MASK}"}}]'
    assert text.read(added).rows == [{"user_id": 9, "api_key": "sk-aaaa"}]


@pytest.mark.parametrize(
    ("edited", "hint"),
    [
        (f'[{{"api_key": "{MASK}", "user_id": 3}}]', "the rows have different values"),
        (f'[{{"other": "{MASK}"}}]', "the list has no such value"),
    ],
)
def test_a_mask_that_cannot_be_told_is_refused(edited, hint):
    """A wrong secret is worse than none: the reading asks for the value."""
    reading = ParamText(KEYS).read(edited)
    assert reading.rows is None
    assert hint in reading.message
    assert "with the value itself" in reading.message
    assert reading.line == 1


def test_the_page_agrees_on_how_many_rows_are_edited():
    """What its table refuses to hold is what would be read-only after a run."""
    folder = Path(param_text.__file__).parent / "js" / "editor"
    assert f"MAX_ROWS = {MAX_ROWS};" in (folder / "sheet_text.js").read_text()
