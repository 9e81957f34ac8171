"""Rows in words: of each, its params and what has become of it, as far as the table shows them.

All of it is bounded in length and has its secrets masked; it becomes text, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...records.status import FAILED, SUCCEEDED
from ...records.store import RecordStore
from ...text.formatting import error_text, key_text, params_text, short_repr, truncate
from ...text.redact import MASK, is_secret, secrets_of
from .columns import MOST_KEYS, VaryingColumns
from .protocol import RowTexts

_LINE = 200  # characters of a row's params
_OUTCOME = 160


def row_texts(records: RecordStore, rows: Iterable[int], varying: VaryingColumns) -> RowTexts:
    """Return the texts of some rows."""
    told: RowTexts = {"rows": [], "texts": [], "cells": [], "outcomes": []}
    for index in rows:
        row = records.merged(index)
        secrets = secrets_of(row) | records.secrets
        told["rows"].append(index)
        told["texts"].append(line(records, index, _LINE))
        told["cells"].append(varying.cells(row, secrets))
        told["outcomes"].append(outcome(records, index, _OUTCOME, secrets))
    return told


def line(records: RecordStore, index: int, width: int) -> str:
    """Return the params of a row in one line."""
    if not records.keeps(index):
        return "(no longer kept)"
    return params_text(records.merged(index), width)


def outcome(records: RecordStore, index: int, width: int, secrets: set[str]) -> str:
    """Return what a row has come to: its last action or its error; empty before the end.

    Args:
        secrets: of the row's params, to be masked.
    """
    code = records.status[index]
    if code not in (SUCCEEDED, FAILED):
        return ""
    result = records.results[index]
    if isinstance(result, BaseException):
        return error_text(result, secrets, width)
    text = "" if result is None else short_repr(result, width, secrets)
    left = records.restored.get(index)
    return text if left is None else truncate(f"restored from run {left.run} {text}".strip(), width)


FEW = 64
"""Rows, at most, that are told apart: as many as have room for words in the overview."""

_LINE_labels = 80  # characters of a label
_VALUE = 40  # of one value in it


def row_labels(records: RecordStore, varying: VaryingColumns) -> list[str]:
    """Return a label for each row, secrets masked; none at all for more than `FEW` rows.

    A single row, and rows that are all the same, are labelled with the params they have.
    """
    if len(records) > FEW:
        return []
    rows = [records.merged(at) for at in range(len(records))]
    return [_label(row, varying.keys or list(row)[:MOST_KEYS]) for row in rows]


def _label(row: Mapping[Any, Any], keys: list[Any]) -> str:
    secrets = secrets_of(row)
    parts: list[str] = []
    length = 0
    for key in keys:
        if key not in row or length > _LINE_labels:
            continue
        value = row[key]
        shown = MASK if is_secret(key, value) else short_repr(value, _VALUE, secrets)
        parts.append(f"{key_text(key, _VALUE, secrets)}={shown}")
        length += len(parts[-1]) + 2
    return truncate(", ".join(parts), _LINE_labels)
