"""Which params vary from row to row, and so have a column each; the others are stated once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ...records.store import RecordStore
from ...text.formatting import key_text, params_text, short_repr
from ...text.redact import MASK, is_secret
from .protocol import Columns

MOST_COLUMNS = 8
"""Params that have a column of their own, at most: the first ones that vary."""

MOST_KEYS = 50
"""Params of a row that are looked at."""

_SLICE = 0.003  # seconds of looking between two messages
_CLOCK = 16  # rows after which the time is looked at
_NAME = 60  # characters
_VALUE = 80
_SAME = 500
_MISSING: Any = object()
_NUMERIC = frozenset({int, float, type(None)})


class VaryingColumns:
    """Finds the params that are not the same in all rows, as far as it has looked.

    Attributes:
        keys: those that vary, in the order in which they stand in the rows.
    """

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._looked = 0
        self._begun = False
        self._first: dict[Any, Any] = {}
        """The params of the first row that is kept; keys that came later were missing there."""
        self._vary: set[Any] = set()
        self._numbers: set[Any] = set()
        """Keys under which there was nothing but numbers, or nothing."""
        self.keys: list[Any] = []

    def look(self) -> bool:
        """Look at some more rows; return whether the columns are others than before."""
        records, before = self._records, (len(self._vary), len(self._numbers & self._vary))
        end = time.perf_counter() + _SLICE
        while self._looked < len(records):
            if records.keeps(self._looked):
                self._take(records.merged(self._looked))
            self._looked += 1
            if self._looked % _CLOCK == 0 and time.perf_counter() > end:
                break
        if (len(self._vary), len(self._numbers & self._vary)) == before:
            return False
        self.keys = [key for key in self._first if key in self._vary]
        return True

    @property
    def behind(self) -> bool:
        """Whether there are rows that were not looked at."""
        return self._looked < len(self._records)

    def _take(self, row: Mapping[Any, Any]) -> None:
        if self._begun:
            self._compare(row)
        else:
            self._begun = True
            self._first = dict(islice(row.items(), MOST_KEYS))
            self._numbers = set(self._first)
        for key in [key for key in self._numbers if type(row.get(key)) not in _NUMERIC]:
            self._numbers.discard(key)

    def _compare(self, row: Mapping[Any, Any]) -> None:
        first, vary = self._first, self._vary
        for key, value in first.items():
            if key not in vary and not equal(row.get(key, _MISSING), value):
                vary.add(key)
        if len(row) > len(first) or not first.keys() >= row.keys():
            for key in islice(row, MOST_KEYS):
                if key not in first and len(first) < MOST_KEYS:
                    first[key] = _MISSING
                    vary.add(key)
                    self._numbers.add(key)

    def columns(self) -> Columns:
        """Return what the page calls its columns, and the params that are the same in all rows."""
        same = {key: value for key, value in self._first.items() if key not in self._vary}
        shown = self.keys[:MOST_COLUMNS]
        return {
            "names": [key_text(key, _NAME) for key in shown],
            "numeric": [key in self._numbers for key in shown],
            "same": params_text(same, _SAME) if self._vary else "",
            "more": max(0, len(self.keys) - MOST_COLUMNS),
        }

    def cells(self, row: Mapping[Any, Any], secrets: set[str]) -> list[str]:
        """Return the params of a row that have columns, as text; an empty one: it has no such param."""
        return [
            "" if key not in row else cell_text(key, row[key], secrets)
            for key in self.keys[:MOST_COLUMNS]
        ]


def cell_text(key: object, value: object, secrets: set[str]) -> str:
    """Return a value as a cell shows it: a string without quotes, a secret masked."""
    if is_secret(key, value):
        return MASK
    if isinstance(value, str) and value.strip():
        return key_text(value, _VALUE, secrets)
    return short_repr(value, _VALUE, secrets)


def equal(one: object, other: object) -> bool:
    """Whether two params are the same; never raises. 1 and True are not, nor are 1 and 1.0."""
    if one is other:
        return True
    try:
        return bool(type(one) is type(other) and one == other)
    except Exception:  # noqa: BLE001 - arrays have no truth value; somebody's __eq__ may raise
        return False
