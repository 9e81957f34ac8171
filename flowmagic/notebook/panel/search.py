"""Searches the rows for a text, and sorts them by a param, slice by slice.

Only the displayed text is searched, with secrets masked, so that no secret can be found by guessing.
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

from ...records.row_secrets import secrets_of_row
from ...records.status import FAILED, SUCCEEDED
from ...records.store import RecordStore
from ...text.formatting import short_repr
from ...text.redact import is_secret
from ..output_text import outcome_text
from .row_text import line

_SLICE = 0.004  # seconds
_MAX_LINE = 2_000  # characters of a row's params that are searched
_MAX_WORDS = 20
_MAX_LETTERS = 200  # per word
_SORTED_AT_ONCE = 2_000  # rows, which takes a millisecond
_MERGED_AT_ONCE = 500  # rows, which takes a millisecond

_Rank = tuple[int, Any]
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


class Search:
    """A search of rows, advanced by `step`.

    Args:
        records: the records of the run.
        text: words that must all occur in a row's params, output or error. Case and quotes are
            ignored, so `model=gpt` finds `model='gpt-4'`. In `n=2`, the key and the number must
            match completely: it finds neither `n=20` nor `len=2`.
        key: the param to sort by.
        sort: whether to sort; otherwise the rows stay in their order.
        descending: whether the greatest values come first. Rows without the param come last anyway.
        among: the rows to search; None: all.
    """

    def __init__(
        self,
        records: RecordStore,
        text: str,
        key: Any = None,
        *,
        sort: bool,
        descending: bool,
        among: frozenset[int] | None = None,
    ) -> None:
        self._records = records
        words = [_plain(word[:_MAX_LETTERS]) for word in text.split()[:_MAX_WORDS]]
        self._words = [word for word in words if not _is_pair(word)]
        self._pairs = [_pair(word) for word in words if _is_pair(word)]
        self._among = among
        self._key, self._sort, self._descending = key, sort, descending
        self._found = array("I")
        self._part: list[tuple[_Rank, int]] = []
        """Rows that have not been sorted yet, with their ranks."""
        self._parts: list[list[tuple[_Rank, int]]] = []
        """Sorted lists of rows; sorting all rows at once would hold up the loop."""
        self._unranked = array("I")
        """Rows without a value to sort by."""
        self._merging: Iterator[tuple[_Rank, int]] | None = None
        self._next = 0
        self._rows = len(records)
        self.done = False
        """Whether all rows have been searched and sorted."""

    def step(self) -> None:
        """Search or sort some rows, for a few milliseconds."""
        end = time.perf_counter() + _SLICE
        while not self.done and time.perf_counter() < end:
            if self._next < self._rows:
                self._examine(self._next)
                self._next += 1
            else:
                self._merge()

    def packed(self) -> bytes:
        """Return the indices of the rows found, in order, as unsigned integers of 4 bytes."""
        return self._found.tobytes()

    def _examine(self, index: int) -> None:
        if not self._matches(index):
            return
        if not self._sort:
            self._found.append(index)
            return
        rank = self._rank_of(self._records.merged(index))
        if rank is None:
            self._unranked.append(index)
            return
        self._part.append((rank, index))
        if len(self._part) == _SORTED_AT_ONCE:
            self._sort_part()

    def _matches(self, index: int) -> bool:
        if self._among is not None and index not in self._among:
            return False
        if not self._words and not self._pairs:
            return True
        text = line(self._records, index, _MAX_LINE)
        if self._records.status[index] in (SUCCEEDED, FAILED):
            secrets = secrets_of_row(self._records, index)
            text += " " + outcome_text(self._records, index, _MAX_LINE, secrets)
        text = _plain(text)
        return all(word in text for word in self._words) and all(
            pair.search(text) for pair in self._pairs
        )

    def _rank_of(self, params: Mapping[Any, Any]) -> _Rank | None:
        """Return a value to sort by that orders all types: numbers, then strings, then the rest."""
        value = params.get(self._key)
        if value is None or is_secret(self._key, value):
            return None
        kind = type(value)
        if kind is int or kind is float or kind is bool:
            return (0, value) if value == value else None  # noqa: PLR0124 - NaN has no order
        if kind is str:
            return (1, value[:200])
        return (2, short_repr(value, 80))

    def _merge(self) -> None:
        if self._merging is None:
            self._sort_part()
            self._merging = merge(*self._parts, key=_RANK, reverse=self._descending)
        some = [index for _, index in islice(self._merging, _MERGED_AT_ONCE)]
        self._found.extend(some)
        if len(some) < _MERGED_AT_ONCE:
            self._found.extend(self._unranked)
            self.done = True

    def _sort_part(self) -> None:
        # Like `merge`, this keeps the order of equal rows, also if the greatest come first.
        self._part.sort(key=_RANK, reverse=self._descending)
        self._parts.append(self._part)
        self._part = []


_RANK = itemgetter(0)


def _is_pair(word: str) -> bool:
    key, _, value = word.partition("=")
    return bool(key and value)


def _pair(word: str) -> re.Pattern[str]:
    """Return a pattern for `key=value` that matches whole keys and, if the value is one, whole numbers."""
    value = word.partition("=")[2]
    end = r"(?!\w|\.\d)" if _NUMBER.fullmatch(value) else ""
    return re.compile(rf"(?<!\w){re.escape(word)}{end}")


def _plain(text: str) -> str:
    return text.casefold().replace("'", "").replace('"', "")
