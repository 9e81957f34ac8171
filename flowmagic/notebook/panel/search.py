"""A search among the rows: which match a text, in which order; done slice by slice.

Only what is shown is searched, with its secrets masked: nobody can find one out by trying.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from ...records.status import FAILED
from ...records.store import RecordStore
from ...text.formatting import short_repr
from ...text.redact import is_secret, secrets_of
from .row_text import line, outcome

_SLICE = 0.004  # seconds
_LINE = 2_000  # characters of a row's params that are looked through
_MOST_WORDS = 20
_MOST_LETTERS = 200  # of a word
_RUN = 2_000  # rows sorted at once: a millisecond
_MERGED = 500  # ditto, merged

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


class Search:
    """Looks for rows.

    Args:
        text: words that must all stand in a row's params or in its error, in any case of letters;
            quotes do not count, so that `model=gpt` finds `model='gpt-4'`. In `n=2` both are
            taken whole: it finds neither `n=20` nor `len=2`.
        key: the param to sort by; None leaves the order of the rows.
        descending: whether the greatest come first; rows without the param come last in any case.
    """

    def __init__(
        self, records: RecordStore, text: str, key: Any = None, *, sort: bool, descending: bool
    ) -> None:
        self._records = records
        words = [_plain(word[:_MOST_LETTERS]) for word in text.split()[:_MOST_WORDS]]
        self._words = [word for word in words if not _is_pair(word)]
        self._pairs = [_pair(word) for word in words if _is_pair(word)]
        self._key, self._sort, self._descending = key, sort, descending
        self._found = array("I")
        self._run: list[tuple[tuple[int, Any], int]] = []
        """Rows with what they are sorted by, which have not been put in order."""
        self._runs: list[list[tuple[tuple[int, Any], int]]] = []
        """Such rows in order, a part of them each: to sort all at once would hold the loop."""
        self._last = array("I")
        """Rows that have nothing to be sorted by."""
        self._merging: Iterator[tuple[tuple[int, Any], int]] | None = None
        self._next = 0
        self._rows = len(records)
        self.done = False
        """Whether all rows were looked through, and are in order."""

    def step(self) -> None:
        """Look through some rows, or put some in order."""
        end = time.perf_counter() + _SLICE
        while not self.done and time.perf_counter() < end:
            if self._next < self._rows:
                self._look(self._next)
                self._next += 1
            else:
                self._arrange()

    def packed(self) -> bytes:
        """Return the indices of what was found, in order, as unsigned numbers of 4 bytes."""
        return self._found.tobytes()

    def _look(self, index: int) -> None:
        if not self._matches(index):
            return
        if not self._sort:
            self._found.append(index)
            return
        rank = self._rank_of(self._records.merged(index))
        if rank is None:
            self._last.append(index)
            return
        self._run.append((rank, index))
        if len(self._run) == _RUN:
            self._end_run()

    def _matches(self, index: int) -> bool:
        if not self._words and not self._pairs:
            return True
        text = line(self._records, index, _LINE)
        if self._records.status[index] == FAILED:
            secrets = secrets_of(self._records.merged(index)) | self._records.secrets
            text += " " + outcome(self._records, index, _LINE, secrets)
        text = _plain(text)
        return all(word in text for word in self._words) and all(
            pair.search(text) for pair in self._pairs
        )

    def _rank_of(self, params: Mapping[Any, Any]) -> tuple[int, Any] | None:
        """Return what values of all kinds can be ordered by: numbers, then texts, then the others."""
        value = params.get(self._key)
        if value is None or is_secret(self._key, value):
            return None
        kind = type(value)
        if kind is int or kind is float or kind is bool:
            return (0, value) if value == value else None  # noqa: PLR0124 - NaN has no order
        if kind is str:
            return (1, value[:200])
        return (2, short_repr(value, 80))

    def _arrange(self) -> None:
        if self._merging is None:
            self._end_run()
            self._merging = merge(*self._runs, key=_RANK, reverse=self._descending)
        some = [index for _, index in islice(self._merging, _MERGED)]
        self._found.extend(some)
        if len(some) < _MERGED:
            self._found.extend(self._last)
            self.done = True

    def _end_run(self) -> None:
        # As `merge` does: equal ones keep their order, also where the greatest come first.
        self._run.sort(key=_RANK, reverse=self._descending)
        self._runs.append(self._run)
        self._run = []


_RANK = itemgetter(0)


def _is_pair(word: str) -> bool:
    key, _, value = word.partition("=")
    return bool(key and value)


def _pair(word: str) -> re.Pattern[str]:
    """Return what finds `key=value`: the key from its beginning, and a number to its end."""
    value = word.partition("=")[2]
    end = r"(?!\w|\.\d)" if _NUMBER.fullmatch(value) else ""
    return re.compile(rf"(?<!\w){re.escape(word)}{end}")


def _plain(text: str) -> str:
    return text.casefold().replace("'", "").replace('"', "")
