"""Rows in words: of each, its params and what has become of it, as far as the table shows them.

All of it is bounded in length and has its secrets masked; it becomes text, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..records import FAILED, SUCCEEDED, Records
from ..redact import secrets_of
from ..showing import brief, cut, error_text, params_text
from .columns import Varying
from .wire import RowTexts

_LINE = 200  # characters of a row's params
_OUTCOME = 160


def row_texts(records: Records, rows: Iterable[int], varying: Varying) -> RowTexts:
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


def line(records: Records, index: int, width: int) -> str:
    """Return the params of a row in one line."""
    if not records.keeps(index):
        return "(no longer kept)"
    return params_text(records.merged(index), width)


def outcome(records: Records, index: int, width: int, secrets: set[str]) -> str:
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
    text = "" if result is None else brief(result, width, secrets)
    left = records.restored.get(index)
    return text if left is None else cut(f"restored from run {left.run} {text}".strip(), width)
