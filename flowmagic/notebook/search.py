"""A search among the rows: which match a text, in which order; done slice by slice.

Only what is shown is searched, with its secrets masked: nobody can find one out by trying.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping
from typing import Any

from ..records import FAILED, Records
from ..showing import brief, is_secret
from .rowtexts import line, outcome

_SLICE = 0.004  # seconds
_LINE = 2_000  # characters of a row's params that are looked through
_MOST_WORDS = 20


class Search:
    """Looks for rows.

    Args:
        text: words that must all stand in a row's params or in its error, in any case of letters;
            quotes do not count, so that `model=gpt` finds `model='gpt-4'`.
        key: the param to sort by; None leaves the order of the rows.
        descending: whether the greatest come first; rows without the param come last in any case.
    """

    def __init__(
        self, records: Records, text: str, key: Any = None, *, sort: bool, descending: bool
    ) -> None:
        self._records = records
        self._words = [_plain(word) for word in text.split()[:_MOST_WORDS]]
        self._key, self._sort, self._descending = key, sort, descending
        self._found: list[int] = []
        self._ranks: list[tuple[int, Any]] = []
        self._next = 0
        self.rows = len(records)
        """How many rows are looked through."""

    @property
    def done(self) -> bool:
        """Whether all rows were looked through."""
        return self._next >= self.rows

    def step(self) -> None:
        """Look through some rows."""
        end = time.perf_counter() + _SLICE
        while not self.done:
            for index in range(self._next, min(self._next + 50, self.rows)):
                self._look(index)
            self._next = min(self._next + 50, self.rows)
            if time.perf_counter() > end:
                return

    def _look(self, index: int) -> None:
        if self._words:
            text = line(self._records, index, _LINE)
            if self._records.status[index] == FAILED:
                text += " " + outcome(self._records, index, _LINE)
            text = _plain(text)
            if not all(word in text for word in self._words):
                return
        self._found.append(index)
        if self._sort:
            params = self._records.merged(index)
            self._ranks.append(self._rank_of(params))

    def _rank_of(self, params: Mapping[Any, Any]) -> tuple[int, Any]:
        value = params.get(self._key, None)
        if self._key not in params or is_secret(self._key, value):
            return _LAST
        return _rank(value)

    def packed(self) -> bytes:
        """Return the indices of what was found, in order, as unsigned numbers of 4 bytes."""
        found = self._found
        if self._sort:
            there = [at for at, rank in enumerate(self._ranks) if rank is not _LAST]
            there.sort(key=self._ranks.__getitem__, reverse=self._descending)
            missing = [at for at, rank in enumerate(self._ranks) if rank is _LAST]
            found = [found[at] for at in (*there, *missing)]
        return array("I", found).tobytes()


_LAST = (9, None)


def _rank(value: Any) -> tuple[int, Any]:
    """Return what values of all kinds can be ordered by: numbers, then texts, then the others."""
    if value is None:
        return (3, "")
    kind = type(value)
    if kind is int or kind is float or kind is bool:
        return (0, value) if value == value else (3, "")  # noqa: PLR0124 - NaN has no order
    if kind is str:
        return (1, value[:200])
    return (2, brief(value, 80))


def _plain(text: str) -> str:
    return text.casefold().replace("'", "").replace('"', "")
