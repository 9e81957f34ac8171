"""What tells the rows of a small batch apart: of each, the params that are not the same in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..records import Records
from ..redact import MASK, is_secret, secrets_of
from ..showing import brief, cut, key_text
from .columns import MOST_KEYS, Varying

FEW = 64
"""Rows, at most, that are told apart: as many as have room for words in the overview."""

_LINE = 80  # characters of a label
_VALUE = 40  # of one value in it


def row_labels(records: Records, varying: Varying) -> list[str]:
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
        if key not in row or length > _LINE:
            continue
        value = row[key]
        shown = MASK if is_secret(key, value) else brief(value, _VALUE, secrets)
        parts.append(f"{key_text(key, _VALUE, secrets)}={shown}")
        length += len(parts[-1]) + 2
    return cut(", ".join(parts), _LINE)
