"""An instance as it is read from a row of the table."""

from __future__ import annotations

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal.instance import read_instance

ROW = (3, '{"n":1}', "succeeded", 1, 0.5, 2.0, "[]", '"done"', "", None, None, None, None)


def test_an_instance_has_all_columns_of_its_row():
    """And what is derived from them."""
    each = read_instance(ROW)
    assert (each.index, each.params, each.result, each.seconds) == (3, {"n": 1}, "done", 1.5)
    assert (each.printed, each.error, each.writes, each.restored) == ("", None, None, None)


@pytest.mark.parametrize(
    ("place", "found"),
    [(2, None), (2, "\0\0\0"), (6, '[["Ask", nul'), (6, "[[1]]"), (1, '{"n":\0\0\0'), (12, "[1")],
)
def test_a_truncated_row_is_an_error(place, found):
    """A file that broke off holds nothing there, or a part."""
    row = [*ROW[:place], found, *ROW[place + 1 :]]
    with pytest.raises(JournalError, match="journal"):
        read_instance(tuple(row))
