"""The texts of rows for the table and the overview: params, in columns if they vary; node copies; outputs.

All texts are bounded in length, with secrets masked. The page shows them as text, never as markup.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from ...records.node_copies import NodeCopy, copies_of
from ...records.row_secrets import secrets_of_row
from ...records.status import CANCELLED, FAILED, RUNNING, SUCCEEDED
from ...records.store import RecordStore
from ...text.formatting import (
    error_text,
    key_text,
    params_text,
    plain_text,
    truncate,
)
from ...text.redact import MASK, is_secret, secrets_of
from .. import pictures
from ..output_text import outcome_text, output_text
from .protocol import ChainLink, Columns, RowTexts

MAX_COLUMNS = 8
"""How many params have a column of their own: the first ones that vary."""

MAX_KEYS = 50
"""How many params of a row are compared."""

_SLICE = 0.003  # seconds of comparing between two messages
_ROWS_PER_CHECK = 16  # rows compared between two looks at the clock
_MAX_NAME = 60  # characters
_MAX_VALUE = 80
_MAX_SAME = 500
_MISSING: Any = object()
_NUMERIC = frozenset({int, float, type(None)})

MAX_LABELLED = 64
"""Up to this many rows have labels and show their node copies: the page has room for text on so few."""

_MAX_LINE = 200  # characters of a row's params
_MAX_OUTCOME = 120
_MAX_ACTION = 40
_MAX_LABEL = 80
_MAX_LABEL_VALUE = 40  # characters of a value in a label
_BETWEEN = " · "  # values in a label
_MAX_LINKS = 6  # node copies of a row: the latest
_MAX_RECEIVED = 80  # characters of the params of a node copy, and of its output


def row_texts(records: RecordStore, rows: Iterable[int], varying: VaryingColumns) -> RowTexts:
    """Return the texts of some rows."""
    texts: RowTexts = {
        "rows": [], "texts": [], "cells": [], "outcomes": [], "actions": [], "chains": [], "pictures": [],
    }  # fmt: skip
    few = len(records) <= MAX_LABELLED
    for index in rows:
        params = records.merged(index)
        secrets = secrets_of_row(records, index)
        texts["rows"].append(index)
        texts["texts"].append(line(records, index, _MAX_LINE))
        texts["cells"].append(varying.cells(params, secrets))
        texts["outcomes"].append(outcome_text(records, index, _MAX_OUTCOME, secrets))
        texts["actions"].append(_action(records, index, secrets))
        texts["chains"].append(_chain(records, index, secrets) if few else [])
        if records.status[index] == SUCCEEDED and pictures.is_picture(records.output(index)):
            texts["pictures"].append(index)
    return texts


def line(records: RecordStore, index: int, width: int) -> str:
    """Return the params of a row as one line of at most `width` characters."""
    if not records.keeps(index):
        return "(no longer kept)"
    return params_text(records.merged(index), width)


def _action(records: RecordStore, index: int, secrets: frozenset[str]) -> str:
    action = records.results[index]
    if records.status[index] != SUCCEEDED or action is None:
        return ""
    return plain_text(action, _MAX_ACTION, secrets)


def _chain(records: RecordStore, index: int, secrets: frozenset[str]) -> list[ChainLink]:
    """Return the node copies of a row in the order in which they started, without those of nested flows."""
    copies = copies_of(records, index)
    parents = {copy.parent for copy in copies}
    nodes = [copy for at, copy in enumerate(copies) if at not in parents]
    links: list[ChainLink] = [
        (key_text(copy.node, _MAX_NAME), _code(records, index, copy), _passed(copy, secrets))
        for copy in nodes[-_MAX_LINKS:]
    ]
    if (left := len(nodes) - _MAX_LINKS) > 0:
        links.insert(0, ("…", SUCCEEDED, f"{left:,} earlier node copies"))
    return links


def _code(records: RecordStore, index: int, copy: NodeCopy) -> int:
    """Return the status of a node copy, as the number of the status that a row would have."""
    if copy.error is not None:
        return CANCELLED if isinstance(copy.error, asyncio.CancelledError) else FAILED
    if copy.ended is not None:
        return SUCCEEDED
    return RUNNING if records.status[index] == RUNNING else CANCELLED


def _passed(copy: NodeCopy, secrets: frozenset[str]) -> str:
    """Return what a node copy received, and what came out of it."""
    received = params_text(copy.params, _MAX_RECEIVED)
    if copy.error is not None:
        return f"{received} → {error_text(copy.error, secrets, _MAX_RECEIVED)}"
    if copy.ended is None:
        return received
    return f"{received} → {output_text(copy.output, _MAX_RECEIVED, secrets) or 'None'}"


def row_labels(records: RecordStore, varying: VaryingColumns) -> list[str]:
    """Return a label for each row; an empty list for more than `MAX_LABELLED` rows.

    A label has the values of the params that vary. If none vary, it has those of all of them.
    """
    if len(records) > MAX_LABELLED:
        return []
    rows = [records.merged(index) for index in range(len(records))]
    return [_label(row, varying.keys or list(row)[:MAX_KEYS]) for row in rows]


def _label(row: Mapping[Any, Any], keys: list[Any]) -> str:
    secrets = secrets_of(row)
    parts: list[str] = []
    length = 0
    for key in keys:
        if key not in row or length > _MAX_LABEL:
            continue
        value = row[key]
        parts.append(truncate(cell_text(key, value, secrets), _MAX_LABEL_VALUE))
        length += len(parts[-1]) + len(_BETWEEN)
    return truncate(_BETWEEN.join(parts), _MAX_LABEL)


class VaryingColumns:
    """Finds the params that are not the same in all rows compared so far.

    Attributes:
        keys: the params that vary, in the order of the rows' keys.
    """

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._compared = 0
        self._begun = False
        self._first: dict[Any, Any] = {}
        """The params of the first row that is kept, and `_MISSING` for keys of later rows only."""
        self._vary: set[Any] = set()
        self._numbers: set[Any] = set()
        """Keys whose values are all numbers or missing."""
        self.keys: list[Any] = []

    def look(self) -> bool:
        """Compare some more rows; return whether the columns have changed."""
        records, before = self._records, (len(self._vary), len(self._numbers & self._vary))
        end = time.perf_counter() + _SLICE
        while self._compared < len(records):
            if records.keeps(self._compared):
                self._take(records.merged(self._compared))
            self._compared += 1
            if self._compared % _ROWS_PER_CHECK == 0 and time.perf_counter() > end:
                break
        if (len(self._vary), len(self._numbers & self._vary)) == before:
            return False
        self.keys = [key for key in self._first if key in self._vary]
        return True

    @property
    def unfinished(self) -> bool:
        """Whether there are rows that have not been compared yet."""
        return self._compared < len(self._records)

    def _take(self, row: Mapping[Any, Any]) -> None:
        if self._begun:
            self._compare(row)
        else:
            self._begun = True
            self._first = dict(islice(row.items(), MAX_KEYS))
            self._numbers = set(self._first)
        for key in [key for key in self._numbers if type(row.get(key)) not in _NUMERIC]:
            self._numbers.discard(key)

    def _compare(self, row: Mapping[Any, Any]) -> None:
        first, vary = self._first, self._vary
        for key, value in first.items():
            if key not in vary and not equal(row.get(key, _MISSING), value):
                vary.add(key)
        if len(row) > len(first) or not first.keys() >= row.keys():
            for key in islice(row, MAX_KEYS):
                if key not in first and len(first) < MAX_KEYS:
                    first[key] = _MISSING
                    vary.add(key)
                    self._numbers.add(key)

    def columns(self) -> Columns:
        """Return the columns, and the params that are the same in all rows, for the page."""
        same = {key: value for key, value in self._first.items() if key not in self._vary}
        shown = self.keys[:MAX_COLUMNS]
        return {
            "names": [key_text(key, _MAX_NAME) for key in shown],
            "numeric": [key in self._numbers for key in shown],
            "same": params_text(same, _MAX_SAME) if self._vary else "",
            "more": max(0, len(self.keys) - MAX_COLUMNS),
        }

    def cells(self, row: Mapping[Any, Any], secrets: frozenset[str]) -> list[str]:
        """Return the cells of a row as text; empty for a param that the row does not have."""
        return [
            "" if key not in row else cell_text(key, row[key], secrets)
            for key in self.keys[:MAX_COLUMNS]
        ]


def cell_text(key: object, value: object, secrets: frozenset[str]) -> str:
    """Return a value as text for a cell: a string without quotes, a secret masked."""
    return MASK if is_secret(key, value) else plain_text(value, _MAX_VALUE, secrets)


def equal(one: object, other: object) -> bool:
    """Whether two values have the same type and are equal. Raises nothing."""
    if one is other:
        return True
    try:
        return bool(type(one) is type(other) and one == other)
    except Exception:  # noqa: BLE001 - arrays have no truth value, and a user's __eq__ may raise
        return False
