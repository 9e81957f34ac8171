"""What is written to a journal: SQL statements, and the rows of values for them."""

from __future__ import annotations

import functools
import sqlite3
from typing import Any, NamedTuple

_MOST_VARIABLES = 900  # of one statement; older versions of SQLite allow 999


class Statement(NamedTuple):
    """SQL that is executed for rows of values.

    Attributes:
        head: the SQL before the values; all of it if there are no `values`.
        values: the placeholders of one row, as in "(:run, ?, ?)"; empty if each row needs a statement.
        tail: the SQL after the values.
        is_end: whether it writes an instance that has ended: one is lost if it is given up.
    """

    head: str
    values: str = ""
    tail: str = ""
    is_end: bool = False

    def of_run(self, run: str) -> Statement:
        """Return the statement with the id of a run in place of `:run` in its values."""
        return self._replace(values=self.values.replace(":run", f"'{run}'"))


class Group(NamedTuple):
    """Rows that follow each other, all for one statement; a statement without `values` has one row.

    The values of all rows are in one tuple. They are kept until the next checkpoint, and Python's garbage
    collector, which stops the loop, does not look again at a tuple of texts and numbers.
    """

    statement: Statement
    values: tuple[Any, ...]

    @property
    def width(self) -> int:
        """How many values a row has."""
        return self.statement.values.count("?") or len(self.values)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.values) // self.width if self.values else 1


def rows_in(groups: list[Group], *, only_ends: bool = False) -> int:
    """Return how many rows there are in groups; with `only_ends`, of instances that have ended."""
    return sum(group.size for group in groups if group.statement.is_end or not only_ends)


@functools.lru_cache(maxsize=64)  # SQLite's own cache looks for an equal text
def _sql(statement: Statement, rows: int) -> str:
    """Return the SQL of a statement for a number of rows."""
    if not statement.values:
        return statement.head
    return f"{statement.head} {', '.join([statement.values] * rows)} {statement.tail}"


def write_rows(connection: sqlite3.Connection, group: Group) -> None:
    """Write many rows with one step of SQLite.

    Each `execute` has to get Python's lock again, and waits for it while the loop is busy.
    """
    statement, values = group
    width, left = group.width, group.size
    most = max(1, _MOST_VARIABLES // width) if statement.values else 1
    at = 0
    while left:
        # A power of two, so that there are few different statements: SQLite caches compiled ones.
        several = 1 << (min(most, left).bit_length() - 1)
        connection.execute(_sql(statement, several), values[at : at + several * width])
        at += several * width
        left -= several
