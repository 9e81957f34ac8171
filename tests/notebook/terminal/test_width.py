"""Text in the columns of a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.notebook.terminal.width import column_after, cut_to, padded, plain, width_of


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("", 0), ("日本語", 6), ("e\u0301", 1), ("🎉", 2), ("☂\ufe0f", 2), ("ﾊﾝｶｸ", 4)],
)
def test_a_character_takes_none_or_one_or_two_columns(text, columns):
    """Wide ones of East Asia and emoji two, accents of their own none."""
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x\x1b]0;title\x1b\\y", "xy"),
        ("\x1bcreset", "reset"),
        ("\x9b31mred", "31mred"),
        ("one\r\n two\tthree ", "one two three"),
        ("abc\u202edef\x00\x7f", "abcdef"),
        ("\x1b", ""),
    ],
)
def test_what_would_do_more_than_stand_there_goes(text, left):
    """Colours, titles, cursor moves, line ends, and what turns the direction of writing."""
    assert plain(text) == left


@given(st.text(), st.integers(0, 30))
def test_a_cut_text_never_takes_more_columns_than_there_are(text, columns):
    """Whatever is in it; and padded, it takes exactly so many."""
    text = plain(text)
    assert all(each.isprintable() for each in text)
    assert width_of(cut_to(text, columns)) <= columns
    assert width_of(padded(text, columns)) == columns
    if width_of(text) <= columns:
        assert cut_to(text, columns) == text


def test_a_cut_text_says_so():
    """Of a wide character there is all or nothing."""
    assert cut_to("abcdef", 4) == "abc…"
    assert cut_to("日本語日本語", 6) == "日本…"
    assert cut_to("abc", 0) == ""


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("", 0), ("abc", 3), ("\x1b[1mabc\x1b[0m", 3), ("50%\r100%", 4), ("a\tb", 9), ("日", 2),
        ("x" * 10, 10), ("x" * 11, 1), ("x" * 25, 5), ("\x1b[31m", 0),
    ],
)  # fmt: skip
def test_where_the_cursor_is_after_a_line_is_known(line, column):
    """In a terminal of ten columns; at its edge the cursor waits there."""
    assert column_after(line, 10) == column
