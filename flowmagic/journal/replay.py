"""Assigns to `shared` what the restored rows of a resumed run had assigned to it in earlier runs.

The assignments are made again in the order in which they were made, run by run, before the first row
starts; those of a generator's row, when that row is drawn. What cannot be made again as it was is
named.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import MutableMapping
from typing import Any, NamedTuple

from ..records.trace import Restored
from ..shared.assignments import AssignmentLog, How, assign
from ..shared.expected import in_slices
from .assigned import Entry, decoded_assignments
from .database import open_file
from .resume import readable
from .shared_state import SharedState

_COUNTED = "it was computed from values of rows that are not restored, or that ran in several runs"
_DRAWN = "it was computed from values of other rows, and the rows come from a generator"
_IN_THE_WAY = "what it is now does not take the assignments of the restored rows"


class _Row(NamedTuple):
    """A row of an earlier run."""

    run: int
    position: int


class Replay:
    """Collects the assignments of restored rows, and makes them again.

    Args:
        path: of the journal.
        runs: the ids of the earlier runs, by number.
        shared: the store of this run.
        log: records what the rows of this run assign; None: nothing does.

    Attributes:
        changed: why a key is not as it was, by the key as text.
    """

    def __init__(
        self, path: Any, runs: dict[int, str], shared: Any, log: AssignmentLog | None
    ) -> None:
        self.changed: dict[str, str] = {}
        self._path = path
        self._runs = runs
        self._shared = shared
        self._log = log
        self._entries: list[tuple[_Row, Entry]] = []
        self._restored: set[_Row] = set()
        self._begun = False
        with contextlib.closing(open_file(path, write=False)) as connection, readable():
            self._states = {
                number: SharedState.from_json(text)
                for number, text in connection.execute("SELECT number, assigned FROM runs")
                if number in runs
            }

    @property
    def is_needed(self) -> bool:
        """Whether earlier rows have assigned anything, so that all must be restored before any starts."""
        return any(state.is_assigned for state in self._states.values())

    def add(self, restored: Restored) -> None:
        """Take the assignments of a row that is restored.

        Raises:
            JournalError: they are damaged.
        """
        row = _Row(restored.run, restored.position)
        entries = []
        if restored.assigned is not None:
            entries = list(decoded_assignments(restored.assigned, restored.output))
        self._restored.add(row)
        if self._begun:
            self._add_late(row, entries)
        else:
            self._entries += [(row, each) for each in entries]

    def _add_late(self, row: _Row, entries: list[Entry]) -> None:
        self._name(self._states[row.run].reasons(row.run))
        for entry in sorted(entries, key=_number):
            if entry.how is How.DERIVED:
                self._name({entry.name: _DRAWN})
            if not self._assign(entry):
                self._name({entry.name: _IN_THE_WAY})
            elif self._log is not None and not entry.lost:
                self._log.expected.remember_path(entry.path)

    async def make(self) -> None:
        """Make the assignments of all rows that were restored so far."""
        self._begun = True
        for run in sorted({row.run for row in self._restored}):
            self._name(self._states[run].reasons(run))
        entries, self._entries = self._entries, []
        await self._name_counted(entries)
        entries.sort(key=_order)  # of few runs, and the rows of each have ended about in this order
        refused: dict[str, str] = {}
        async for _, entry in in_slices(entries):
            if not self._assign(entry):
                refused[entry.name] = _IN_THE_WAY
            elif len(entry.path) == 1:  # it replaces whatever was in the way
                refused.pop(entry.name, None)
        self._name(refused)

    def _assign(self, entry: Entry) -> bool:
        if entry.lost:
            self._name({entry.name: entry.lost})
            return True
        if not isinstance(self._shared, MutableMapping):
            return False
        try:
            return assign(self._shared, entry.path, entry.how, entry.value)
        except Exception:  # noqa: BLE001 - the user's own mapping may raise anything
            return False

    def _name(self, reasons: dict[str, str]) -> None:
        for name, reason in reasons.items():
            self.changed.setdefault(name, reason)

    # Values that were computed from those of other rows

    async def _name_counted(self, entries: list[tuple[_Row, Entry]]) -> None:
        """Name the keys whose values hold something of rows that are not restored.

        Such a row may run again, and would be counted twice. So would a row that ran in another run,
        unless the run that counted last had restored it.
        """
        last_runs = {
            entry.name: row.run
            for row, entry in sorted(entries, key=lambda each: each[0].run)
            if entry.how is How.DERIVED
        }
        if not last_runs:
            return
        rows: dict[str, set[_Row]] = {name: set() for name in last_runs}
        for row, entry in entries:
            if entry.name in rows:
                rows[entry.name].add(row)
        with contextlib.closing(open_file(self._path, write=False)) as connection, readable():
            for name, last in last_runs.items():
                before = self._restored_in(connection, last)
                others = {row for row in rows[name] if row.run != last}
                runs = {last, *(row.run for row in before)}
                if others <= before:
                    async for run in in_slices(runs):
                        if await self._lacks(connection, run, name):
                            self._name({name: _COUNTED})
                else:
                    self._name({name: _COUNTED})

    def _restored_in(self, connection: sqlite3.Connection, run: int) -> set[_Row]:
        sql = "SELECT restored FROM instances WHERE run = ? AND restored IS NOT NULL"
        return {_Row(*json.loads(text)) for (text,) in connection.execute(sql, (self._runs[run],))}

    async def _lacks(self, connection: sqlite3.Connection, run: int, name: str) -> bool:
        """Whether a row of a run that is not restored has assigned a key, or may have."""
        sql = (
            "SELECT position, instances.status, instances.assigned, runs.seconds IS NULL"
            " FROM instances JOIN runs ON runs.id = run WHERE run = ? AND restored IS NULL"
        )
        async for position, status, assigned, is_killed in in_slices(
            connection.execute(sql, (self._runs[run],))
        ):
            if _Row(run, position) in self._restored:
                continue
            if status == "running" or (status == "pending" and is_killed):
                return True
            entries = () if assigned is None else decoded_assignments(assigned, None)
            if any(entry.name == name for entry in entries):
                return True
        return False


def _number(entry: Entry) -> int:
    return entry.number


def _order(each: tuple[_Row, Entry]) -> tuple[int, int]:
    return each[0].run, each[1].number
