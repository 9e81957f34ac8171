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
    "value", [dt.date(2025, 1, 2), object(), {"deep": [range(3)]}, set(), {"a": {dt.date.min: 1}}]
)
def test_what_cannot_be_written_is_masked_kept_and_named_and_all_else_is_edited(value):
    """The sentence says in which row and under which key; the value itself comes back, moved too."""
    text = ParamText([{"user_id": 1, "value": 5}, {"user_id": 2, "value": value}])
    assert text.editable
    assert text.reason.startswith("'value' of row 1 (")
    edited = text.read(text.text.replace("2", "7", 1) if "2025" not in text.text else text.text)
    assert edited.rows is not None
    assert edited.rows[1]["value"] == value
    lines = text.text.splitlines()
    moved = text.read("\n".join(["[", lines[2] + ",", lines[1].rstrip(","), "]"]))
    assert moved.rows is not None
    assert [row["user_id"] for row in moved.rows] == [2, 1]
    assert moved.rows[0]["value"] == value


def test_the_values_of_arrays_are_never_compared():
    """Their equality is no bool: which one is meant is told by the row, or asked."""

    class Array:
        def __eq__(self, other):
            raise AssertionError("compared")

        def __repr__(self):
            return "Array()"

        __hash__ = None

    rows = [{"i": i, "x": Array()} for i in range(2)]
    text = ParamText(rows)
    read = text.read(text.text).rows
    assert read is not None
    assert [row["x"] is own["x"] for row, own in zip(read, rows, strict=True)] == [True, True]
    added = text.read(text.text.replace("\n]", ',\n  {"i": 2, "x": "••• Array()"}\n]'))
    assert "the rows have different values" in added.message


@pytest.mark.parametrize(
    ("typed", "value"),
    [("NaN", "nan"), ("nan", "nan"), ("-Infinity", "-inf"), ("inf", "inf"), ("-inf", "-inf")],
)
@pytest.mark.parametrize("other", ["1", "(1,)"])
def test_nan_and_infinity_are_edited_like_any_number(typed, value, other):
    """As JSON and as Python write them; and what is written reads back."""
    [row] = ParamText([]).read(f'[{{"a": {typed}, "b": {other}}}]').rows
    assert repr(row["a"]) == value
    text = ParamText([row])
    assert (text.editable, text.reason) == (True, "")
    assert repr(text.read(text.text).rows) == repr([row])


def test_a_key_that_cannot_be_written_leaves_the_list_as_it_is():
    """It cannot be masked: nothing would say where the value belongs."""
    text = ParamText([{dt.date(2025, 1, 2): 1}])
    assert not text.editable
    assert "Some keys cannot be written" in text.reason


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
