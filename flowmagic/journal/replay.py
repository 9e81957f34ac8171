"""Assigns to `shared` what the restored rows of a resumed run had assigned to it in earlier runs.

The assignments are made again in the order in which they were made, run by run, before the first row
starts; those of a generator's row, when that row is drawn. What cannot be made again as it was is
named.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import sqlite3
from collections.abc import Iterator, MutableMapping
from typing import Any

from ..errors import JournalError
from ..records.trace import Restored
from ..shared.assignments import AssignmentLog, How, assign
from ..shared.expected import in_slices
from .assigned import Entry, decoded_assignments
from .damage import readable
from .database import open_file
from .shared_state import SharedState

_COUNTED = "it was computed from values of rows that are not restored, or that ran in several runs"
_DRAWN = "it was computed from values of other rows, and the rows come from a generator"
_CHUNK = 5_000
_IN_THE_WAY = "what it is now does not take the assignments of the restored rows"


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
        self._entries: list[list[tuple[Any, ...]]] = [[]]
        """The entries to make, in lists that are sorted one by one: to sort all would hold the loop.

        As plain tuples of strings and numbers, which the garbage collector does not look at again.
        """
        self._restored: dict[int, set[int]] = {}
        """The positions of the restored rows, by the number of their run."""
        self._counted: dict[str, int] = {}
        """The keys that rows have computed from values of other rows: the last run that did so."""
        self._has_begun = False
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
        """Take the assignments of a row that is restored."""
        run, entries = restored.run, restored.assigned
        if self._has_begun:
            self._name(self._states[run].reasons(run))
            for entry in sorted(entries):
                self._make_late(entry)
        else:
            for entry in entries:
                if entry.how is How.DERIVED:
                    self._counted[entry.name] = max(run, self._counted.get(entry.name, 0))
                if len(self._entries[-1]) >= _CHUNK:
                    self._entries[-1].sort()
                    self._entries.append([])
                self._entries[-1].append((entry.order, entry.how.value, *entry[2:]))
        self._restored.setdefault(run, set()).add(restored.position)

    def _make_late(self, entry: Entry) -> None:
        if entry.how is How.DERIVED:
            self._name({entry.name: _DRAWN})
        if not self._make(entry):
            self._name({entry.name: _IN_THE_WAY})
        elif self._log is not None and entry.lost is None:
            self._log.expected.remember_path(entry.path)

    async def make(self) -> None:
        """Make the assignments of all rows that were restored so far."""
        self._has_begun = True
        for run in sorted(self._restored):
            self._name(self._states[run].reasons(run))
        if self._counted:
            await self._name_counted()
        self._entries[-1].sort()
        refused: dict[str, str] = {}
        async for order, how, *rest in in_slices(heapq.merge(*self._entries)):
            entry = Entry(order, How(how), *rest)
            if not self._make(entry):
                refused[entry.name] = _IN_THE_WAY
            elif len(entry.path) == 1 and refused:  # it replaces whatever was in the way
                refused.pop(entry.name, None)
        self._name(refused)
        while self._entries:
            self._entries.pop()
            await asyncio.sleep(0)  # to drop 40,000 at once holds the loop for some 10 ms

    def _make(self, entry: Entry) -> bool:
        if entry.lost is not None:
            name, reason = entry.lost
            self._name({name: reason})
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

    async def _name_counted(self) -> None:
        """Name the keys whose values count rows that may run again, or do not count rows that ran apart.

        A row that is not restored may be counted twice. A row of an earlier run was not counted, unless
        the run that counted last had restored it.
        """
        with contextlib.closing(open_file(self._path, write=False)) as connection:
            for name, last in self._counted.items():
                try:
                    with readable():
                        is_right = await self._is_counted_once(connection, name, last)
                except JournalError:
                    is_right = False
                if not is_right:
                    self._name({name: _COUNTED})

    async def _is_counted_once(self, connection: sqlite3.Connection, name: str, last: int) -> bool:
        before = self._restored_by(connection, last)
        for run in {*self._restored, *before, last}:
            restored = self._restored.get(run, set())
            apart = set() if run == last else restored - before.get(run, set())
            is_counted = run == last or run in before
            async for position, is_in_doubt, text in in_slices(self._rows(connection, run)):
                if position in apart or (is_counted and position not in restored):
                    entries = () if text is None else decoded_assignments(text, run)
                    if is_in_doubt or any(entry.name == name for entry in entries):
                        return False
        return True

    def _restored_by(self, connection: sqlite3.Connection, run: int) -> dict[int, set[int]]:
        """Return the positions of the rows that a run had restored, by the number of their run."""
        positions: dict[int, set[int]] = {}
        sql = "SELECT source, source_first, size FROM ranges WHERE run = ? AND is_restored"
        for source, first, size in connection.execute(sql, (run,)):
            positions.setdefault(source, set()).update(range(first, first + size))
        return positions

    def _rows(self, connection: sqlite3.Connection, run: int) -> Iterator[Any]:
        """Yield of each row that ran its position, whether it is in doubt, and what it assigned."""
        return connection.execute(
            "SELECT position, status = 'running', assigned FROM instances"
            " WHERE run = ? AND attempts > 0",
            (self._runs[run],),
        )
