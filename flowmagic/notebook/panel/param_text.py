"""The param list as editable text: one dict per line, JSON if possible, otherwise Python literals.

NaN and the infinities are written as `json` and `repr` write them. Secrets are masked, and so are values
that neither form can write, such as a date. An unchanged mask stands for the value that it hides. If
that value is ambiguous (rows were added or moved, and theirs differ), reading the text returns a message.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...errors import describe
from ...records.trace import Params
from ...text.formatting import short_repr, truncate
from ...text.redact import MASK, is_secret, masked_data, secrets_of

MAX_ROWS = 1_000
"""How many rows can be edited; more are only shown."""

_MAX_TEXT = 400_000  # characters of an editable text
_MAX_PYTHON = 200_000  # characters; parsing Python takes 1 µs each, and the kernel waits for it
_MAX_JSON = 4_000_000
_MAX_SHOWN = 100  # rows of a text that is only shown
_MAX_DEPTH = 20
_PYTHON_WORDS = {"true": "True", "false": "False", "null": "None"}  # for those of JSON

_Path = tuple[Any, ...]


@dataclass(frozen=True)
class ParsedText:
    """The rows of a text; or None, with what is wrong, and the line if it is known."""

    rows: list[dict[Any, Any]] | None = None
    message: str = ""
    line: int | None = None


class ParamText:
    """A param list and its text.

    Attributes:
        text: the text to show.
        editable: whether the text is complete, so that an edited one can be run.
        reason: why it is not editable, or what is masked although it is no secret, as a sentence.
    """

    def __init__(self, rows: Sequence[Params] | None, reason: str = "") -> None:
        self._rows = rows or []
        self._masked: list[Any] = []
        self.reason = reason
        self.text = ""
        self.editable = not reason
        if rows is not None and not reason:
            self.reason = self._write(rows)
            self.editable = not self.reason
            if self.editable:
                self.reason = _unwritable(rows)

    def _write(self, rows: Sequence[Params]) -> str:
        """Make the text; return why it cannot be edited, or an empty string."""
        if len(rows) > MAX_ROWS:
            self.text = _preview(rows)
            return (
                f"{len(rows):,} rows are too many to edit as text (at most {MAX_ROWS:,}); "
                "Run uses the list as it is."
            )
        self._masked = [_mask(row, secrets_of(row)) for row in rows]
        if any(type(row) is not dict for row in self._masked):
            self.text = _preview(rows)
            return (
                "Some keys cannot be written as JSON or Python literals; "
                "Run uses the list as it is."
            )
        kinds = {_kind(row) for row in self._masked}
        write = repr if "python" in kinds else _json
        lines = [f"  {write(row)}" for row in self._masked]
        self.text = "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"
        if len(self.text) > _MAX_TEXT:
            self.text = _preview(rows)
            self._masked = []
            return "The list is too long to edit as text; Run uses the list as it is."
        return ""

    def read(self, text: str) -> ParsedText:
        """Parse an edited text; unchanged masks become the values that they hide."""
        try:
            value, lines = _parse(text)
        except _ParseError as error:
            return ParsedText(message=error.message, line=error.line)
        if not isinstance(value, list):
            hint = "Put it in a list: [{...}]" if isinstance(value, dict) else _HINT
            return ParsedText(
                message=f"This is {describe(value)}, not a list of dicts. {hint}", line=1
            )
        for index, row in enumerate(value):
            if not isinstance(row, dict):
                message = f"Item {index} is {describe(row)}, not a dict of params. {_HINT}"
                return ParsedText(message=message, line=_line(lines, index))
        rows = []
        for index, row in enumerate(value):
            try:
                rows.append(_reveal_masks(row, partial(self._reveal, value, index)))
            except _ParseError as error:
                return ParsedText(message=error.message, line=_line(lines, index))
        return ParsedText(rows=rows)

    def _reveal(self, new: list[Any], index: int, path: _Path, leaf: str) -> Any:
        """Return the value that a masked string stands for."""
        hidden = [
            real
            for row, shown in zip(self._rows, self._masked, strict=True)
            if _at(shown, path) == leaf and (real := _at(row, path)) is not _NOTHING
        ]
        if hidden and all(_is_same(each, hidden[0]) for each in hidden):
            return hidden[0]
        source = self._row_of(new, index) if hidden else None
        if source is not None and _at(self._masked[source], path) == leaf:
            return _at(self._rows[source], path)
        name = short_repr(path[-1], 40) if path else "this value"
        why = "the rows have different values" if hidden else "the list has no such value"
        raise _ParseError(
            f"Item {index}: the masked value of {name} is unknown, because {why}. "
            f"Replace {MASK} with the value itself."
        )

    def _row_of(self, new: list[Any], index: int) -> int | None:
        """Return the original row that an edited row came from, or None if that is not certain."""
        same_length = len(new) == len(self._masked)
        if same_length and self._masked[index] == new[index]:
            return index
        equal = [i for i, row in enumerate(self._masked) if row == new[index]]
        if equal:
            return equal[0] if len(equal) == 1 else None
        # It was edited in place: no other new row equals the row that was here.
        if same_length and self._masked[index] not in new:
            return index
        return None


_HINT = 'One dict per instance: [{"user_id": 1}, {"user_id": 2}]'
_NOTHING = object()


class _ParseError(Exception):
    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def _parse(text: str) -> tuple[Any, list[int] | None]:
    """Return the value of a JSON text or Python literal, and the line of each item."""
    if not text.strip():
        raise _ParseError(f"There is no text. {_HINT}", 1)
    if len(text) > _MAX_JSON:
        raise _ParseError(f"The text has more than {_MAX_JSON:,} characters.")
    try:
        return json.loads(text), _item_lines(text)
    except RecursionError:
        raise _ParseError("The text is nested too deeply.") from None
    except ValueError as error:
        # If the text is meant as JSON, this message is the better one.
        json_error = error if isinstance(error, json.JSONDecodeError) else None
    if len(text) > _MAX_PYTHON:
        where = f" (line {json_error.lineno}: {json_error.msg})" if json_error else ""
        raise _ParseError(
            f"This is not JSON{where}, and it is too long for Python literals "
            f"(at most {_MAX_PYTHON:,} characters).",
            json_error.lineno if json_error else None,
        )
    try:
        tree = ast.parse(text.strip("\ufeff"), mode="eval")
    except SyntaxError as error:
        raise _ParseError(
            f"Neither JSON nor a Python literal: {error.msg}.", error.lineno
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _ParseError(f"This cannot be read ({type(error).__name__}).") from None
    try:
        return ast.literal_eval(_Constants().visit(tree)), _lines_of(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise _ParseError(
            "Only literals are allowed (strings, numbers, True, False, None, lists, dicts), "
            f"not names, calls or operators.{_json_word_hint(tree)}",
            _line_of_non_literal(tree),
        ) from None


class _Constants(ast.NodeTransformer):
    """Replaces the names of NaN and infinity by their values."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in ("NaN", "Infinity", "nan", "inf"):
            return ast.copy_location(ast.Constant(float(node.id)), node)
        return node


def _item_lines(text: str) -> list[int] | None:
    if len(text) > _MAX_PYTHON:
        return None
    try:
        return _lines_of(ast.parse(text, mode="eval"))  # JSON is also valid Python syntax
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _lines_of(tree: ast.Expression) -> list[int] | None:
    return [item.lineno for item in tree.body.elts] if isinstance(tree.body, ast.List) else None


def _line(lines: list[int] | None, index: int) -> int | None:
    return lines[index] if lines is not None and index < len(lines) else None


def _line_of_non_literal(tree: ast.Expression) -> int | None:
    allowed = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp)
    for node in ast.walk(tree.body):
        if isinstance(node, ast.expr) and not isinstance(node, allowed):
            return node.lineno
    return None


def _json_word_hint(tree: ast.Expression) -> str:
    """Return a hint if Python literals contain a word of JSON."""
    for node in ast.walk(tree.body):
        if isinstance(node, ast.Name) and node.id in _PYTHON_WORDS:
            return f" In Python, write {_PYTHON_WORDS[node.id]} for {node.id}."
    return ""


def _kind(value: object, depth: int = _MAX_DEPTH) -> str | None:  # noqa: PLR0911 - one per case
    """Return "json" or "python" for how a value can be written, or None if it cannot."""
    kind: type = type(value)
    if value is None or kind in (str, bool, int, float):
        return "json"
    if kind is bytes:
        return "python"
    if depth == 0:
        return None
    if kind is dict:
        assert isinstance(value, dict)
        plain = all(type(key) is str for key in value)
        parts = {_kind(each, depth - 1) for pair in value.items() for each in pair}
    elif kind in (list, tuple, set):
        plain = kind is list
        parts = {_kind(each, depth - 1) for each in value}  # type: ignore[attr-defined]
        if kind is set and not parts:
            return None  # `{}` would be a dict
    else:
        return None
    if None in parts:
        return None
    return "json" if plain and "python" not in parts else "python"


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    has_lone_surrogates = truncate(text, len(text)) != text
    return json.dumps(value) if has_lone_surrogates else text


def _mask(
    value: Any, secrets: AbstractSet[str], key: object = None, depth: int = _MAX_DEPTH
) -> Any:
    """Copy a value with masks for secrets, wherever they occur, and for what cannot be written."""
    if is_secret(key, value):
        return MASK
    if type(value) is str:
        return masked_data(value, secrets)
    if depth and type(value) is dict and None not in map(_kind, value):
        return {
            _mask(name, secrets): _mask(each, secrets, name, depth - 1)
            for name, each in value.items()
        }
    if depth and type(value) in (list, tuple):
        return type(value)(_mask(each, secrets, None, depth - 1) for each in value)
    return value if _kind(value, depth) else f"{MASK} {short_repr(value, 80, secrets)}"


def _unwritable(rows: Sequence[Params]) -> str:
    """Return a sentence about the values that are masked because they cannot be written."""
    found = [
        (index, key, value)
        for index, row in enumerate(rows)
        for key, value in row.items()
        if _kind(value) is None
    ]
    if not found:
        return ""
    index, key, value = found[0]
    more = f", and {len(found) - 1:,} more," if len(found) > 1 else ""
    where = f"{short_repr(key, 40)} of row {index} ({type(value).__name__}){more}"
    return (
        f"{where} cannot be written as text: {MASK} stands for the value. All else can be edited."
    )


def _is_same(one: Any, other: Any) -> bool:
    # Other objects are not compared: equality may be the user's code, or no bool, as that of an array.
    return one is other or (type(one) is type(other) and _kind(one) is not None and one == other)


def as_literal(value: Any, secrets: AbstractSet[str], key: object = None) -> str | None:
    """Return a value as a Python literal; None if it is not one, or if it contains a secret."""
    if _kind(value) is None or is_secret(key, value):
        return None
    text = repr(value)
    try:
        ast.literal_eval(text)
    except ValueError:
        return None  # NaN, or an infinity
    return text if _mask(value, secrets) == value and masked_data(text, secrets) == text else None


def _reveal_masks(value: Any, reveal: Any, path: _Path = ()) -> Any:
    """Copy a value, with each string that contains a mask replaced by `reveal(path, string)`."""
    if isinstance(value, str):
        return reveal(path, value) if MASK in value else value
    if isinstance(value, dict):
        return {key: _reveal_masks(each, reveal, (*path, key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(
            _reveal_masks(each, reveal, (*path, position)) for position, each in enumerate(value)
        )
    return value


def _at(value: Any, path: _Path) -> Any:
    """Return the value at a path, or `_NOTHING`."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return value


def _preview(rows: Sequence[Params]) -> str:
    lines = [f"  {short_repr(dict(row), 200, secrets_of(row))}," for row in rows[:_MAX_SHOWN]]
    if len(rows) > _MAX_SHOWN:
        lines.append(f"  … {len(rows) - _MAX_SHOWN:,} more")
    return "[\n" + "\n".join(lines) + "\n]"
