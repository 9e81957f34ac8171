"""What tells the rows of a small batch apart: of each, the params that are not the same in all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from ..records import Records
from ..showing import MASK, brief, cut, is_secret, key_text, secrets_of

FEW = 64
"""Rows, at most, that are told apart: as many as have room for words in the overview."""

_LINE = 80  # characters of a label
_VALUE = 40  # of one value in it
_MOST_KEYS = 50


def row_labels(records: Records) -> list[str]:
    """Return a label for each row, secrets masked; none at all for more than `FEW` rows.

    A single row, and rows that are all the same, are labelled with the params they have.
    """
    if len(records) > FEW:
        return []
    rows: list[Mapping[Any, Any]] = [records.merged(at) for at in range(len(records))]
    keys: dict[Any, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(islice(row, _MOST_KEYS)))
    telling = [key for key in keys if not _same_in_all(key, rows)]
    return [_label(row, telling or list(keys)) for row in rows]


def _same_in_all(key: object, rows: list[Mapping[Any, Any]]) -> bool:
    first = rows[0]
    if key not in first:
        return False
    value = first[key]
    try:
        return all(
            key in row
            and (row[key] is value or (type(row[key]) is type(value) and bool(row[key] == value)))
            for row in rows
        )
    except Exception:  # noqa: BLE001 - arrays have no truth value; somebody's __eq__ may raise
        return False


def _label(row: Mapping[Any, Any], keys: list[Any]) -> str:
    secrets = secrets_of(row)
    parts: list[str] = []
    length = 0
    for key in keys:
        if key not in row or length > _LINE:
            continue
        value = row[key]
        shown = MASK if is_secret(key, value) else brief(value, _VALUE, secrets)
        parts.append(f"{key_text(key, _VALUE, secrets)}={shown}")
        length += len(parts[-1]) + 2
    return cut(", ".join(parts), _LINE)
