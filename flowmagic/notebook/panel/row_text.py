"""The texts of rows for the table and the overview: their params and their outcomes.

All texts are bounded in length, with secrets masked. The page shows them as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...records.status import FAILED, SUCCEEDED
from ...records.store import RecordStore
from ...text.formatting import error_text, key_text, params_text, short_repr, truncate
from ...text.redact import MASK, is_secret, secrets_of
from .columns import MAX_KEYS, VaryingColumns
from .protocol import RowTexts

MAX_LABELLED = 64
"""Up to this many rows have labels: the overview has room for text on so few."""

_MAX_LINE = 200  # characters of a row's params
_MAX_OUTCOME = 160
_MAX_LABEL = 80
_MAX_VALUE = 40  # characters of a name or value in a label


def row_texts(records: RecordStore, rows: Iterable[int], varying: VaryingColumns) -> RowTexts:
    """Return the texts of some rows."""
    texts: RowTexts = {"rows": [], "texts": [], "cells": [], "outcomes": []}
    for index in rows:
        params = records.merged(index)
        secrets = secrets_of(params) | records.secrets
        texts["rows"].append(index)
        texts["texts"].append(line(records, index, _MAX_LINE))
        texts["cells"].append(varying.cells(params, secrets))
        texts["outcomes"].append(outcome(records, index, _MAX_OUTCOME, secrets))
    return texts


def line(records: RecordStore, index: int, width: int) -> str:
    """Return the params of a row as one line of at most `width` characters."""
    if not records.keeps(index):
        return "(no longer kept)"
    return params_text(records.merged(index), width)


def outcome(records: RecordStore, index: int, width: int, secrets: set[str]) -> str:
    """Return the last action or the error of a row; empty while it has not ended.

    Args:
        records: the records of the run.
        index: the row.
        width: the maximum number of characters.
        secrets: the secrets to mask.
    """
    code = records.status[index]
    if code not in (SUCCEEDED, FAILED):
        return ""
    result = records.results[index]
    if isinstance(result, BaseException):
        return error_text(result, secrets, width)
    text = "" if result is None else short_repr(result, width, secrets)
    restored = records.restored.get(index)
    if restored is None:
        return text
    return truncate(f"restored from run {restored.run} {text}".strip(), width)


def row_labels(records: RecordStore, varying: VaryingColumns) -> list[str]:
    """Return a label for each row; an empty list for more than `MAX_LABELLED` rows.

    A label has the params that vary. If none vary, it has all of them.
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
        shown = MASK if is_secret(key, value) else short_repr(value, _MAX_VALUE, secrets)
        parts.append(f"{key_text(key, _MAX_VALUE, secrets)}={shown}")
        length += len(parts[-1]) + 2
    return truncate(", ".join(parts), _MAX_LABEL)
