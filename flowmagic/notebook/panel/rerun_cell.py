"""An opened instance as code: the cell that runs it once more, alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from ...text.formatting import truncate
from ...text.redact import is_secret
from .param_text import as_literal

_LONGEST = 10_000  # characters of the params in a cell, or things in them
_MOST_PARAMS = 100
_MOST_NAMED = 10  # params that the comment names
_WIDTH = 80
_NAME = 60  # characters of a class's name
_BLANK = "FILL_IN"
"""A name that stands for nothing, so that a cell with a blank in it starts no run."""


@dataclass(frozen=True)
class Origin:
    """What a cell says that starts a panel's flow.

    Attributes:
        flow: what the user calls the flow.
        line: what follows `%%batchflow` for one more run; None: the run was started in Python.
        output: the name that the magic gives to each run, if any.
        names: where it gives it.
    """

    flow: str
    line: str | None = None
    output: str | None = None
    names: Mapping[str, Any] = field(default_factory=dict)


def cell_of(
    origin: Origin, run: BatchRun | None, records: RecordStore, index: int, secrets: set[str]
) -> str:
    """Return a cell that runs one row once more; empty if its params are no longer kept.

    What cannot be written, or is a secret, it takes from the run, as long as that has its name.
    Else it has blanks, and says how to fill them in.
    """
    if not records.keeps(index):
        return ""
    row = records.row(index)
    entries: list[tuple[str, str]] = []
    blanks: list[str] = []
    for key, value in islice(row.items(), _MOST_PARAMS + 1):
        name = _literal(key, secrets)
        text = None if name is None else _literal(value, secrets, key)
        entries.append((name or _BLANK, text or _BLANK))
        if text is None:
            blanks.append(f"{name} ({_why(key, value)})" if name else "a key and its value")
    length = sum(len(name) + len(text) for name, text in entries)
    if len(entries) > _MOST_PARAMS or length > _LONGEST:
        entries, blanks = [], ["the params, which are too long to stand here"]
    if not blanks:
        return _cell(origin, _row(entries))
    if run is not None and origin.output and origin.names.get(origin.output) is run:
        return _cell(origin, f"[{origin.output}[{index}].row]")
    named = ", ".join(blanks[:_MOST_NAMED])
    more = f" and {len(blanks) - _MOST_NAMED} more" if len(blanks) > _MOST_NAMED else ""
    return _cell(origin, _row(entries) if entries else f"[{_BLANK}]", f"Fill in {named}{more}.")


def _literal(value: Any, secrets: set[str], key: object = None) -> str | None:
    return as_literal(value, secrets, key) if _is_short(value) else None


def _is_short(value: Any) -> bool:
    """Whether a value is worth writing: others are not even looked at in full."""
    left, stack = _LONGEST, [value]
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
        return f"{_kind(value)}, too long to stand here"
    return _kind(value)


def _kind(value: object) -> str:
    name = truncate(type(value).__name__, _NAME)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _row(entries: list[tuple[str, str]]) -> str:
    row = ", ".join(f"{name}: {text}" for name, text in entries)
    if len(row) <= _WIDTH:
        return f"[{{{row}}}]"
    lines = "".join(f"    {name}: {text},\n" for name, text in entries)
    return f"[{{\n{lines}}}]"


def _cell(origin: Origin, params: str, comment: str = "") -> str:
    lines = [f"# {comment}"] if comment else []
    if origin.line is not None:
        return "\n".join([f"%%batchflow {origin.line}", *lines, params])
    call = f"run = await flowmagic.batchflow({origin.flow}, {params})"
    return "\n".join(["import flowmagic", *lines, call])
