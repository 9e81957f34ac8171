"""Outputs as text of one line, for tables, the summary and a terminal. Secrets are masked."""

from __future__ import annotations

from typing import Any

from ..errors import OutputLostError
from ..records.frame_rows import library_class
from ..records.status import FAILED, SUCCEEDED
from ..records.store import RecordStore
from ..text.formatting import error_text, plain_text, truncate
from ..text.redact import secrets_of
from ..text.user_objects import or_none
from . import pictures

_ITEMS = 9  # of a list; one more than `short_repr` shows, so that it says that there are more


def outcome_text(
    records: RecordStore, index: int, width: int, secrets: frozenset[str] = frozenset()
) -> str:
    """Return the output or the error of a row, cut to `width` characters; empty until it has ended."""
    code, result = records.status[index], records.results[index]
    if code == FAILED and isinstance(result, BaseException):
        return error_text(result, secrets, width)
    if code != SUCCEEDED:
        return ""
    text = output_text(records.output(index), width, secrets)
    restored = records.restored.get(index)
    if restored is None:
        return text
    return truncate(f"restored from run {restored[0]} {text}".strip(), width)


def output_text(value: object, width: int, secrets: frozenset[str] = frozenset()) -> str:
    """Return an output as one line of at most `width` characters; empty for None. Never raises."""
    if value is None:
        return ""
    line = or_none(_line, value, width, secrets)
    return truncate(f"<{type(value).__name__}>", width) if line is None else line


def _line(value: Any, width: int, secrets: frozenset[str]) -> str:
    if isinstance(value, OutputLostError):
        return truncate(str(value), width)
    if shown := pictures.label(value) or frame_label(value):
        return shown
    if type(value) in (list, tuple):
        value = value[:_ITEMS]  # an embedding has thousands, and few are shown
    if not isinstance(value, str):
        secrets |= secrets_of(value)
    return truncate(" ".join(plain_text(value, width, secrets).split()), width)


def frame_label(value: object) -> str:
    """Return a DataFrame in words, such as "DataFrame, 10 x 3"; empty for any other value."""
    if library_class(type(value))[1] != "DataFrame":
        return ""
    shape: Any = or_none(lambda: value.shape)  # type: ignore[attr-defined]
    return f"DataFrame, {shape[0]:,} x {shape[1]:,}" if shape else "DataFrame"
