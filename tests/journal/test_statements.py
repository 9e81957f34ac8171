"""Statements, and the rows that are written with them."""

from __future__ import annotations

import sqlite3

import pytest

from flowmagic.journal.statements import Group, Statement, rows_in, write_rows

PUT = Statement("INSERT INTO rows VALUES", "(?, ?)", "ON CONFLICT (name) DO NOTHING")


@pytest.fixture
def connection():
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE rows (name PRIMARY KEY, value)")
    yield made
    made.close()


def group_of(n):
    return Group(PUT, tuple(value for i in range(n) for value in (f"row {i}", i)))


@pytest.mark.parametrize("n", [1, 2, 3, 449, 450, 451, 2_000])
def test_many_rows_take_few_steps(connection, n):
    """After each step the writer asks for Python's lock again, which a busy loop holds."""
    steps = []
    connection.set_trace_callback(
        lambda sql: steps.append(sql) if sql.startswith("INSERT") else None
    )
    write_rows(connection, group_of(n))
    found = connection.execute("SELECT value FROM rows").fetchall()
    assert sorted(found) == [(i,) for i in range(n)]
    assert len(steps) <= n.bit_length() + n // 256


def test_a_statement_without_values_has_one_row(connection):
    """Such as one that updates a row."""
    write_rows(connection, group_of(3))
    write_rows(
        connection, Group(Statement("UPDATE rows SET value = ? WHERE name = ?"), (9, "row 1"))
    )
    assert connection.execute("SELECT value FROM rows").fetchall() == [(0,), (9,), (2,)]


def test_rows_are_counted_all_or_those_of_ended_instances_only():
    """Of the latter, each is a loss if it is never written."""
    ended = Group(PUT._replace(is_end=True), ("a", 1, "b", 2))
    assert rows_in([group_of(3), ended]) == 5
    assert rows_in([group_of(3), ended], only_ends=True) == 2


def test_the_id_of_a_run_is_part_of_the_sql():
    """It need not be passed with each row then."""
    made = Statement("INSERT INTO t VALUES", "(:run, ?)").of_run("ab12")
    assert made.values == "('ab12', ?)"
    assert Group(made, (1, 2, 3)).size == 3
