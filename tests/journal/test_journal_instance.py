"""An instance as it is read from its row in the file."""

from __future__ import annotations

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal.journal_instance import read_instance

ROW = (3, '{"n":1}', "succeeded", 1, 0.5, 2.0, "[]", '"done"', "", *[None] * 6)


def test_a_row_is_read_whole():
    """With what follows from it."""
    each = read_instance(ROW)
    assert (each.index, each.params, each.result, each.seconds) == (3, {"n": 1}, "done", 1.5)
    assert (each.printed, each.error, each.writes, each.restored) == ("", None, None, None)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (2, None),
        (2, "\0\0\0"),
        (13, '{"$by'),
        (14, "5"),
        (14, "[1,"),
        (6, '[["Ask", nul'),
        (6, "[[1]]"),
        (1, '{"n":\0\0\0'),
        (12, "[1"),
    ],
)
def test_a_row_that_was_cut_off_is_told(place, found):
    """What a file that broke off holds there: nothing, or a part."""
    row = [*ROW[:place], found, *ROW[place + 1 :]]
    with pytest.raises(JournalError, match="journal"):
        read_instance(tuple(row))


def test_an_instance_that_has_not_ended_has_no_output_yet():
    """Nor has it node copies."""
    pending = read_instance((0, "{}", "pending", 0, *[None] * 11))
    assert (pending.output, pending.copies) == (None, [])


def test_an_instance_is_shown_on_one_short_line():
    """Whatever its params are: control characters are escaped, and a long number is cut."""
    row = ('{"n": "\\u001b[31m", "o": {"$int": "0x' + "f" * 9_000 + '"}}', "failed", 1)
    shown = repr(read_instance((0, *row, *[None] * 11)))
    assert shown.startswith("<Instance 0: failed, n='\\x1b[31m', o=")
    assert len(shown) < 200
