"""One row of a batch: what counts as a dict of params, and what can be read as one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import BatchError, describe
from ..text.redact import fields_of
from .trace import Params

EXAMPLE = 'Write a list of dicts, one per instance: [{"user_id": 1}, {"user_id": 2}]'

_FOR_TEXTS = '; or put each string into shared["question"] with fill_shared="question"'


def as_row(value: object, index: int, text_param: str = "") -> Params:
    """Return an item of a batch as a dict of params: a mapping itself, and the fields of a record.

    Records are dataclasses, named tuples, `sqlite3.Row`, and pydantic and attrs objects. Their fields
    become params as they are: a field that holds another record is not converted.

    Args:
        index: the position of the item in the batch.
        text_param: the param that the item is if it is a string; "": a string is no row.

    Raises:
        BatchError: the item is something else, its items cannot be read, or two have the same name.
    """
    if type(value) is dict:
        return value
    if isinstance(value, str) and text_param:
        return {text_param: value}
    try:
        row = value if isinstance(value, Mapping) else _fields(value, index)
        if row is not None:
            _ = {**row}  # otherwise it would fail in the middle of the run
            return row
    except BatchError:
        raise
    except Exception as error:
        raise BatchError(
            f"Item {index} of the batch is {describe(value)}, whose items cannot be read "
            f"({type(error).__name__}: {error}). Make a plain dict of it first."
        ) from error
    hint = _FOR_TEXTS if isinstance(value, str) else ""
    raise BatchError(
        f"Item {index} of the batch is {describe(value)}, not a dict of params. {EXAMPLE}{hint}."
    )


def _fields(value: Any, index: int) -> Params | None:
    """Return the fields of a record by name; None if the value is no record."""
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is not None and isinstance(value, sqlite3.Row):
        if twice := repeated(value.keys()):
            raise BatchError(
                f"Item {index} of the batch has two columns named {twice[0]!r}. "
                f"Rename one in the query: SELECT ... AS {twice[0]}_2"
            )
        return dict(value)
    fields = fields_of(value)
    return None if fields is None else dict(fields)


def repeated(names: Iterable[Any]) -> list[Any]:
    """Return the names that occurred before, in the order in which they occur again."""
    seen: set[Any] = set()
    # `add` returns None.
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
