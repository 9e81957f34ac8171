"""An instance as it is read from a row of the table."""

from __future__ import annotations

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal.instance import read_instance

ROW = (3, '{"n":1}', "succeeded", 1, 0.5, 2.0, "[]", '"done"', "", None, None, None, None)


def test_a_row_is_read_whole():
    """With what follows from it."""
    each = read_instance(ROW)
    assert (each.index, each.params, each.result, each.seconds) == (3, {"n": 1}, "done", 1.5)
    assert (each.printed, each.error, each.writes, each.restored) == ("", None, None, None)


@pytest.mark.parametrize(
    ("place", "found"),
    [(2, None), (2, "\0\0\0"), (6, '[["Ask", nul'), (6, "[[1]]"), (1, '{"n":\0\0\0'), (12, "[1")],
)
def test_a_row_that_was_cut_off_is_told(place, found):
    """What a file that broke off holds there: nothing, or a part."""
    row = [*ROW[:place], found, *ROW[place + 1 :]]
    with pytest.raises(JournalError, match="journal"):
        read_instance(tuple(row))
