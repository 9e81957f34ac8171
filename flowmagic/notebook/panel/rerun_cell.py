"""Writes the cell that reruns a single row."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from ...text.formatting import truncate
from ...text.python_names import is_dotted_name, is_name, one_line
from ...text.redact import is_secret
from .param_text import as_literal

_MAX_SIZE = 10_000  # characters or items in the params of a cell
_MAX_PARAMS = 100
_MAX_LISTED = 10  # params that the comment lists
_WIDTH = 80
_MAX_TYPE = 60  # characters of the name of a type
_BLANK = "FILL_IN"
"""An undefined name, so that a cell with a blank in it starts no run."""


@dataclass(frozen=True)
class Origin:
    """How the user started a panel's flow.

    Attributes:
        flow: the user's name for the flow.
        line: the line after `%%batchflow`; None if the run was started in Python.
        output: the variable to which the magic assigns each run, if any.
        names: the namespace of that variable.
    """

    flow: str
    line: str | None = None
    output: str | None = None
    names: Mapping[str, Any] = field(default_factory=dict)


def cell_of(
    origin: Origin,
    run: BatchRun | None,
    records: RecordStore,
    index: int,
    secrets: AbstractSet[str],
) -> str:
    """Return a cell that reruns one row; empty if its params are no longer kept.

    If a param cannot be written or is a secret, the cell takes the row from the run's variable. If
    there is none, the cell has blanks, and a comment says what to fill in.
    """
    if not records.keeps(index):
        return ""
    row = records.row(index)
    entries: list[tuple[str, str]] = []
    blanks: list[str] = []
    for key, value in islice(row.items(), _MAX_PARAMS + 1):
        name = _literal(key, secrets)
        text = None if name is None else _literal(value, secrets, key)
        entries.append((name or _BLANK, text or _BLANK))
        if text is None:
            blanks.append(f"{name} ({_why(key, value)})" if name else "a key and its value")
    length = sum(len(name) + len(text) for name, text in entries)
    if len(entries) > _MAX_PARAMS or length > _MAX_SIZE:
        entries, blanks = [], ["the params, which are too long for a cell"]
    if not blanks:
        return _cell(origin, _row(entries))
    if run is not None and is_name(origin.output) and origin.names.get(origin.output) is run:
        return _cell(origin, f"[{origin.output}[{index}].row]")
    listed = ", ".join(blanks[:_MAX_LISTED])
    more = f" and {len(blanks) - _MAX_LISTED} more" if len(blanks) > _MAX_LISTED else ""
    return _cell(origin, _row(entries) if entries else f"[{_BLANK}]", f"Fill in {listed}{more}.")


def _literal(value: Any, secrets: AbstractSet[str], key: object = None) -> str | None:
    return as_literal(value, secrets, key) if _is_short(value) else None


def _is_short(value: Any) -> bool:
    """Whether a value is short enough to write; a long one is not traversed completely."""
    left, stack = _MAX_SIZE, [value]
    while stack:
        each = stack.pop()
        kind = type(each)
        left -= 1
        if kind in {str, bytes}:
            left -= len(each)
        elif kind is int:
            left -= each.bit_length()
        elif kind in {dict, list, tuple, set}:
            left -= len(each)
            if left > 0:
                stack.extend(each)
                stack.extend(each.values() if kind is dict else ())
        if left <= 0:
            return False
    return True


def _why(key: object, value: object) -> str:
    if is_secret(key, value):
        return "a secret"
    if not _is_short(value):
        return f"{_kind(value)}, too long for a cell"
    return _kind(value)


def _kind(value: object) -> str:
    name = one_line(truncate(type(value).__name__, _MAX_TYPE))
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _row(entries: list[tuple[str, str]]) -> str:
    row = ", ".join(f"{name}: {text}" for name, text in entries)
    if len(row) <= _WIDTH:
        return f"[{{{row}}}]"
    lines = "".join(f"    {name}: {text},\n" for name, text in entries)
    return f"[{{\n{lines}}}]"


def _cell(origin: Origin, params: str, comment: str = "") -> str:
    lines = [f"# {one_line(comment)}"] if comment else []
    if origin.line is not None:
        return "\n".join([f"%%batchflow {origin.line}", *lines, params])
    flow = origin.flow if is_dotted_name(origin.flow) else _BLANK
    call = f"run = await flowmagic.batchflow({flow}, {params})"
    return "\n".join(["import flowmagic", *lines, call])
