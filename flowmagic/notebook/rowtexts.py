"""Rows in words: of each, its params and what has become of it, as far as the table shows them.

All of it is bounded in length and has its secrets masked; it becomes text, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..records import FAILED, SUCCEEDED, Records
from ..showing import brief, error_text, params_text, secrets_of
from .columns import Varying
from .wire import RowTexts

_LINE = 200  # characters of a row's params
_OUTCOME = 160


def row_texts(records: Records, wanted: Iterable[int], varying: Varying) -> RowTexts:
    """Return the texts of some rows; indices of rows that there are not are left out."""
    rows = [index for index in wanted if 0 <= index < len(records)]
    return {
        "rows": rows,
        "texts": [line(records, index, _LINE) for index in rows],
        "cells": [varying.cells(records.merged(index)) for index in rows],
        "outcomes": [outcome(records, index, _OUTCOME) for index in rows],
    }


def line(records: Records, index: int, width: int) -> str:
    """Return the params of a row in one line."""
    if not records.keeps(index):
        return "(no longer kept)"
    return params_text(records.merged(index), width)


def outcome(records: Records, index: int, width: int) -> str:
    """Return what a row has come to: its last action or its error; empty before the end."""
    code = records.status[index]
    if code not in (SUCCEEDED, FAILED):
        return ""
    result = records.results[index]
    secrets = secrets_of(records.merged(index))
    if isinstance(result, BaseException):
        return error_text(result, secrets, width)
    return "" if result is None else brief(result, width, secrets)
