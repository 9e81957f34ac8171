"""Rows of a resumed run that refer to rows of earlier runs, so that they are not written again.

A row that is recognised has the params of the earlier row and, once it is restored, its outcome too.
Such rows are kept as ranges: a batch in the order of the earlier run is one range. A range refers to
the run in which its rows ran, never to one that restored them, so there are no chains.
"""

from __future__ import annotations

import heapq
import operator
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .damage import expect, query, readable


class RowRange(NamedTuple):
    """Consecutive rows of a run that are consecutive rows of an earlier run.

    Attributes:
        first: index of the first one.
        size: how many there are.
        source: number of the earlier run.
        source_first: index of the first one there.
    """

    first: int
    size: int
    source: int
    source_first: int

    @property
    def end(self) -> int:
        """The index after the last one."""
        return self.first + self.size

    def part(self, first: int, end: int) -> RowRange:
        """Return the rows from `first` to before `end`."""
        return RowRange(first, end - first, self.source, self.source_first + first - self.first)


class RangeLog:
    """Collects rows, one by one, as ranges.

    Args:
        write: takes a range to write; it may begin as an earlier one did, and replaces that.
    """

    def __init__(self, write: Callable[[RowRange], None]) -> None:
        self._write = write
        self._latest: RowRange | None = None
        self._is_written = True

    def add(self, index: int, source: int, position: int) -> bool:
        """Add a row, and its place in an earlier run; return whether all before it was written."""
        was_written, latest = self._is_written, self._latest
        if latest is not None and (index, source, position) == (
            latest.end,
            latest.source,
            latest.source_first + latest.size,
        ):
            self._latest = latest._replace(size=latest.size + 1)
        else:
            self.flush()
            self._latest = RowRange(index, 1, source, position)
        self._is_written = False
        return was_written

    def flush(self) -> None:
        """Have all that was added written."""
        if self._latest is not None and not self._is_written:
            self._write(self._latest)
        self._is_written = True


class _Queries(NamedTuple):
    """Reads the same of each kind of row.

    Attributes:
        of_own: of a row that was written with its run.
        of_restored: of the earlier row that a restored row refers to.
        of_recognised: of the earlier row that any other row refers to.
    """

    of_own: str
    of_restored: str
    of_recognised: str

    @classmethod
    def of(cls, own: str, restored: str, recognised: str) -> _Queries:
        """Return the queries that give the index of a row, and then these columns."""
        referring = (
            f"SELECT position + ?1, {columns} FROM instances"  # noqa: S608 - the columns are below
            " WHERE run = (SELECT id FROM runs WHERE number = ?2)"
            " AND position BETWEEN ?3 AND ?4 ORDER BY position"
            for columns in (restored, recognised)
        )
        return cls(f"SELECT position, {own} FROM instances WHERE run = ?", *referring)  # noqa: S608


_PARAMS = _Queries.of(*["key, params"] * 3)
_ALL = _Queries.of(
    "params, status, attempts, started, ended, copies, result, unwritten, error, printed, writes, NULL,"
    " output, earlier_outputs",
    "params, 'succeeded', 0, NULL, NULL, NULL, result, NULL, NULL, NULL, writes,"
    " '[' || ?2 || ',' || position || ']', output, NULL",
    "params, 'pending', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
)


class Rows:
    """The rows of a run as they are in the file: its own, and those that refer to earlier runs.

    What is damaged raises JournalError.

    Args:
        number, run: number and id of the run.
    """

    def __init__(self, connection: sqlite3.Connection, number: int, run: str) -> None:
        self._connection = connection
        self._number = number
        self._run = run

    def counts(self) -> Counter[str]:
        """Return how many rows are in each status."""
        sql = "SELECT status, count(*) FROM instances WHERE run = ? GROUP BY status"
        counts = Counter(dict(query(self._connection, sql, self._run)))
        for each, is_restored in self._disjoint_ranges():
            counts["succeeded" if is_restored else "pending"] += each.size
        return counts

    def keys_and_params(self) -> Iterator[tuple[Any, ...]]:
        """Yield index, key and params of each row, in order."""
        return self._read(_PARAMS)

    def all(self) -> Iterator[tuple[Any, ...]]:
        """Yield each row in order, as `read_instance` takes it."""
        return self._read(_ALL)

    def one(self, index: int) -> tuple[Any, ...] | None:
        """Return a row as `all` does; None if there is none."""
        sql = f"{_ALL.of_own} AND position = ?"
        for own in query(self._connection, sql, self._run, index):
            return tuple(own)
        for is_restored in (True, False):
            sql = f"{_RANGES} AND first <= ? ORDER BY first DESC LIMIT 1"
            for found in self._ranges(sql, is_restored, index):
                if index < found.end:
                    part = found.part(index, index + 1)
                    return next(self._refer(part, _ALL, is_restored=is_restored))
        return None

    def _read(self, queries: _Queries) -> Iterator[tuple[Any, ...]]:
        own = query(self._connection, f"{queries.of_own} ORDER BY position", self._run)
        ranges = self._disjoint_ranges()
        if not ranges:
            yield from own
            return
        referring = (
            row
            for each, is_restored in ranges
            for row in self._refer(each, queries, is_restored=is_restored)
        )
        with readable(*_REST):
            yield from heapq.merge(own, referring, key=operator.itemgetter(0))

    def _refer(
        self, rows: RowRange, queries: _Queries, *, is_restored: bool
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a range."""
        found = 0
        for row in query(
            self._connection,
            queries.of_restored if is_restored else queries.of_recognised,
            rows.first - rows.source_first,
            rows.source,
            rows.source_first,
            rows.source_first + rows.size - 1,
        ):
            found += 1
            yield row
        with readable(*_REST):
            if found != rows.size:
                raise ValueError(f"rows of run {rows.source} are missing")

    def _ranges(self, sql: str, *values: int) -> list[RowRange]:
        rows = query(self._connection, sql, self._number, *values)
        with readable(*_REST):
            found = [RowRange(*row) for row in rows]
            # Checked here, since whoever asks for the length of a run allocates that much memory.
            ends = dict(query(self._connection, _ENDS)) if found else {}
            for each in found:
                if not (all(type(part) is int for part in each) and each.size > 0):
                    raise ValueError("a range of its rows is none")
                if each.source_first + each.size - 1 > (ends.get(each.source) or 0):
                    raise ValueError(f"rows of run {each.source} are missing")
            return found

    def _disjoint_ranges(self) -> list[tuple[RowRange, bool]]:
        """Return the ranges in order, without overlaps, and whether their rows were restored.

        A row of the run's own counts more than any range, and a range that was restored more than one
        of which only the params were recognised so far.
        """
        sql = f"{_RANGES} ORDER BY first"
        recognised, restored = self._ranges(sql, False), self._ranges(sql, True)
        if not (recognised or restored):
            return []
        sql = "SELECT position FROM instances WHERE run = ? ORDER BY position"
        with readable(*_REST):
            own = [
                (expect(row, int, name="index"), row + 1)
                for (row,) in query(self._connection, sql, self._run)
            ]
            restored = list(_without(restored, own))
            taken = sorted([*own, *((each.first, each.end) for each in restored)])
            left = _without(recognised, taken)
            return sorted([*((each, False) for each in left), *((each, True) for each in restored)])


_RANGES = "SELECT first, size, source, source_first FROM ranges WHERE run = ? AND is_restored = ?"
_REST = ("the rest of it cannot be read", "")
_ENDS = "SELECT number, (SELECT max(position) FROM instances WHERE run = runs.id) FROM runs"


def _without(ranges: list[RowRange], taken: list[tuple[int, int]]) -> Iterator[RowRange]:
    """Yield what is left of ranges without those indices that are taken, given as first and end."""
    at = 0
    for each in ranges:
        first = each.first
        while at < len(taken) and taken[at][0] < each.end:
            begin, end = taken[at]
            if first < begin:
                yield each.part(first, begin)
            first = max(first, end)
            if end >= each.end:
                break
            at += 1
        if first < each.end:
            yield each.part(first, each.end)
