"""The output of a node copy in an opened row: as text, as a small table, or as a picture.

It is short at first, and in full (bounded) when a page asks for it. Secrets are masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from ...errors import OutputLostError
from ...records.instances import Instance
from ...records.store import RecordStore
from ...text.formatting import key_text, plain_text, short_repr, truncate
from ...text.redact import MASK, fields_of, is_secret, masked, secrets_of
from ...text.user_objects import or_none
from .. import pictures
from ..output_text import frame_label
from .detail_types import OutputDetail

SHORT, FULL = 400, 100_000
"""The most characters of an output: at first, and in full."""

_ROWS = {SHORT: 8, FULL: 200}
_COLUMNS = 12
_CELL = {SHORT: 120, FULL: 2_000}  # characters
_NAME = 60  # characters
_ITEMS = {SHORT: 8, FULL: 1_000}
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\n\t\x20-\x7e\x80-\U0010ffff]"
)


def without_controls(text: str, secrets: frozenset[str]) -> str:
    """Return a text with secrets masked, without terminal colours and control characters."""
    # A secret may contain control characters, and others may stand between its letters.
    plain = _UNPRINTABLE.sub("", masked(text, secrets).replace("\r\n", "\n"))
    return masked(plain, secrets)


def output_detail(
    value: object, secrets: frozenset[str] = frozenset(), size: int = SHORT
) -> OutputDetail | None:
    """Return an output for the page; None for None. Never raises.

    Args:
        value: the output.
        secrets: texts to mask, beside those that the output tells itself.
        size: `SHORT` or `FULL`.
    """
    if value is None:
        return None
    detail = or_none(_detail, value, secrets, size)
    if detail is None:
        text = truncate(f"<{type(value).__name__}>", size)
        detail = {"text": text, "head": [], "rows": [], "picture": False, "more": False}
    return detail


def _detail(value: Any, secrets: frozenset[str], size: int) -> OutputDetail:
    if not isinstance(value, str):
        secrets |= secrets_of(value)
    label = pictures.label(value)
    detail: OutputDetail = {
        "text": label or frame_label(value), "head": [], "rows": [], "picture": bool(label), "more": False,
    }  # fmt: skip
    if label:
        return detail
    table = or_none(_table, value, secrets, size)
    if table is not None:
        detail["head"], detail["rows"], detail["more"] = table
        return detail
    if isinstance(value, OutputLostError):
        text = str(value)
    elif isinstance(value, str):
        # The whole text would take long to search for secrets; one may begin where it is cut.
        text = without_controls(str.__str__(value)[: size + 10_000], secrets)
        detail["more"] = len(text) > size
    else:
        text = short_repr(value, size, secrets, _ITEMS[size])
        detail["more"] = size == SHORT and ("…" in text or "..." in text)
    detail["text"] = truncate(text, size)
    return detail


_Table = tuple[list[str], list[list[str]], bool]
"""Names of columns, rows of texts, and whether there are more rows or more text."""


def _table(value: Any, secrets: frozenset[str], size: int) -> _Table | None:
    """Return the head of a DataFrame, or the keys and values of a dict or an object with fields."""
    if frame_label(value):
        names = list(value.columns)[:_COLUMNS]
        head = value.head(_ROWS[size])
        rows: Iterable[Iterable[Any]] = (
            head.rows() if hasattr(head, "rows") else head.values.tolist()
        )
        shown = [
            [_cell(name, each, secrets, size)[0] for name, each in zip(names, row, strict=False)]
            for row in rows
        ]
        return [key_text(name, _NAME, secrets) for name in names], shown, len(value) > len(shown)
    is_dict = isinstance(value, Mapping)
    fields = list(islice(value.items(), _ROWS[size] + 1)) if is_dict else fields_of(value)
    if not fields:
        return None
    pairs = fields[: _ROWS[size]]
    cells = [_cell(key, each, secrets, size) for key, each in pairs]
    names = [key_text(key, _NAME, secrets) for key, _ in pairs]
    table = [[name, text] for name, (text, _) in zip(names, cells, strict=True)]
    return [], table, len(fields) > len(pairs) or (size == SHORT and any(cut for _, cut in cells))


def _cell(key: object, value: object, secrets: frozenset[str], size: int) -> tuple[str, bool]:
    """Return a value of a table as text, and whether it was cut."""
    if is_secret(key, value):
        return MASK, False
    text = pictures.label(value) or plain_text(value, _CELL[size], secrets)
    return text, len(text) >= _CELL[size]


def output_at(records: RecordStore, index: int, attempt: int, copy: int) -> Any:
    """Return an output that a page names; None if there is none.

    Args:
        records: the records of the run.
        index: the row.
        attempt: the number of an earlier attempt; 0 for the last one.
        copy: the position of the node copy; -1 for the output of the row.
    """
    instance = Instance(records, index)
    if copy < 0:
        return instance.output
    copies = instance.copies
    if attempt > 0:
        history, back = instance.history, records.earlier[index] - attempt + 1
        copies = history[-back].copies if 0 < back <= len(history) else []
    return copies[copy].output if copy < len(copies) else None
