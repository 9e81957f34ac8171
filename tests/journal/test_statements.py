"""SQL, and the rows of values for it."""

from __future__ import annotations

import sqlite3

import pytest

from flowmagic.journal.statements import Group, Statement, rows_in, write_rows

PUT = Statement("INSERT INTO t VALUES", "(?, ?)", is_end=True)


def test_rows_are_counted_whatever_they_are_for():
    """A statement without values has one; only some write an instance that has ended."""
    groups = [Group(PUT, (1, 2, 3, 4)), Group(Statement("DELETE FROM t"), ())]
    assert rows_in(groups) == 3
    assert rows_in(groups, only_ends=True) == 2


@pytest.mark.parametrize("n", [1, 2, 449, 450, 451, 2_000])
def test_all_rows_of_a_group_are_written_in_their_order(n):
    """However many there are; SQLite limits the variables of one statement."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a, b)")
    rows = [(i, -i) for i in range(n)]
    write_rows(connection, Group(PUT, tuple(value for row in rows for value in row)))
    assert connection.execute("SELECT * FROM t ORDER BY rowid").fetchall() == rows
    whole = Statement("UPDATE t SET b = ? WHERE a = ?")
    write_rows(connection, Group(whole, ("x", 0)))
    assert connection.execute("SELECT b FROM t WHERE a = 0").fetchall() == [("x",)]
    connection.close()


def test_the_id_of_a_run_takes_its_place():
    """In the values."""
    assert PUT._replace(values="(:run, ?)").of_run("r").values == "('r', ?)"
