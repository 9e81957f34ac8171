"""What earlier attempts of retried instances have left in the shared store.

An instance that has added to a list, or counted something, and is then retried, does so twice.
"""

from __future__ import annotations

from typing import NamedTuple

from ..records.status import SUCCEEDED
from ..records.store import RecordStore
from .paths import Path

_SWEEP = 256
_MOST_ROWS = 1_000  # that are kept by place
_MOST_PATHS = 100


class RetriedChange(NamedTuple):
    """A place in the shared store that attempts have changed whose instances were then retried.

    Attributes:
        path: the place.
        rows: the indices of the instances, at most 1,000.
    """

    path: Path
    rows: tuple[int, ...]


class RetriedChanges:
    """Finds them for one run, from the changes that attempts make.

    Args:
        records: the records of the run, which know how many attempts each row has had.
    """

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._changes: list[tuple[Path, int, int]] = []
        """Each with its place, the row, and how many attempts of the row came before."""
        self._found: dict[Path, set[int]] = {}
        self._sweep_at = _SWEEP

    def attempt(self, row: int) -> int:
        """Return how many attempts the row of a running instance has had before."""
        return self._records.attempt(row) if self._records.history else 0

    def note(self, path: Path, row: int, attempt: int) -> None:
        """Note that an attempt has changed a place in a way that adds up if it is done again."""
        self._changes.append((path, row, attempt))
        if len(self._changes) >= self._sweep_at:
            self._sweep()
            self._sweep_at = 2 * len(self._changes) + _SWEEP

    def found(self) -> list[RetriedChange]:
        """Return the places that retried instances have changed in earlier attempts."""
        self._sweep()
        return [RetriedChange(path, tuple(sorted(rows))) for path, rows in self._found.items()]

    def _sweep(self) -> None:
        """Look which attempts were followed by another one, and forget those that succeeded."""
        status, history, undecided = self._records.status, self._records.history, []
        for change in self._changes:
            path, row, attempt = change
            if row in history and attempt < self._records.attempt(row):
                self._find(path, row)
            elif status[row] != SUCCEEDED:
                undecided.append(change)
        self._changes = undecided

    def _find(self, path: Path, row: int) -> None:
        if path in self._found or len(self._found) < _MOST_PATHS:
            rows = self._found.setdefault(path, set())
            if len(rows) < _MOST_ROWS:
                rows.add(row)
