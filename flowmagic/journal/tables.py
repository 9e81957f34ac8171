"""The instances of a run of a journal as a table, for pandas, Parquet, CSV and JSONL."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError
from ..records.instances import pandas
from . import numpy_codec
from .codec import LARGE

if TYPE_CHECKING:
    from .journal_run import JournalInstance

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATES = "backslashreplace"  # UTF-8 has no form for them


class Tables:
    """A mixin for what iterates over instances: gives them as a table, one row each."""

    def __iter__(self) -> Iterator[JournalInstance]:
        raise NotImplementedError

    def rows(self) -> list[dict[str, Any]]:
        """Return the instances as flat dicts: the index, the params, then the outcome."""
        return [_flat(each) for each in self]

    def to_frame(self) -> Any:
        """Return the instances as a pandas DataFrame, one row each.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        # Some versions of pandas fail at an int that is too large for a float.
        rows = [
            {name: _without_huge_int(value) for name, value in row.items()} for row in self.rows()
        ]
        return pandas().DataFrame(rows)

    def to_jsonl(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write one instance per line, as JSON, and return the path; values that JSON lacks as text."""
        target = pathlib.Path(path)
        with target.open("w", encoding="utf-8", errors=_SURROGATES) as file:
            for row in self.rows():
                file.write(_json(row) + "\n")
        return target

    def to_csv(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write one instance per line, as CSV, and return the path; lists and dicts as JSON.

        Texts are written as they are. A spreadsheet takes those that begin with `=`, `+`, `-` or `@`
        for formulas: import a file with untrusted texts, such as a model's, as text only.
        """
        target, rows = pathlib.Path(path), self.rows()
        names = list(dict.fromkeys(name for row in rows for name in row))
        with target.open("w", encoding="utf-8", errors=_SURROGATES, newline="") as file:
            table = csv.writer(file)
            table.writerow(names)
            for row in rows:
                table.writerow([_cell(row.get(name)) for name in names])
        return target

    def to_parquet(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the instances as Parquet, and return the path; columns of mixed types become text.

        Raises:
            MissingExtraError: neither polars nor pandas with pyarrow is installed.
        """
        target, rows = pathlib.Path(path), _with_uniform_columns(self.rows())
        with contextlib.suppress(ImportError):
            import polars as pl  # noqa: PLC0415 - optional

            pl.DataFrame(rows, infer_schema_length=None).write_parquet(target)
            return target
        try:
            import pandas as pd  # noqa: PLC0415 - optional

            pd.DataFrame(rows).to_parquet(target)
        except ImportError:
            raise MissingExtraError(
                "to_parquet() needs polars, or pandas with pyarrow. "
                "Install one with: pip install polars"
            ) from None
        return target


def _flat(instance: JournalInstance) -> dict[str, Any]:
    error = instance.error
    outcome = {
        "status": instance.status,
        "seconds": instance.seconds,
        "attempts": instance.attempts,
        "result": instance.result,
        "error": None if error is None else f"{error['type']}: {error['text']}",
        "restored": None if instance.restored is None else instance.restored[0],
    }
    params = {str(key): value for key, value in (instance.params or {}).items()}
    # As in `frame_of`, a param keeps its name.
    return {
        "index": instance.index,
        **params,
        **{f"{name}_" if name in params else name: value for name, value in outcome.items()},
    }


def _cell(value: Any) -> Any:
    """Return a value for a cell of a CSV file."""
    if isinstance(value, (str, float)):
        return value
    plain = _plain(value)
    return _json(plain) if isinstance(plain, (list, dict)) else plain


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _without_huge_int(value: Any) -> Any:
    """Return an int of hundreds of digits as text, and anything else as it is."""
    return hex(value) if isinstance(value, int) and abs(value) >= LARGE else value


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one return per kind
    """Return a value with text in place of what JSON lacks."""
    if isinstance(value, str):
        return value
    if value is None or numpy_codec.is_missing(value):
        return None
    if isinstance(value, int):
        return _without_huge_int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return str(value)


def _with_uniform_columns(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows whose columns have one type each: other columns become text."""
    rows = [
        {name: None if numpy_codec.is_missing(value) else value for name, value in row.items()}
        for row in rows
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {
        name: {_kind(row[name]) for row in rows if row.get(name) is not None} for name in names
    }
    plain: tuple[set[type], ...] = ({str}, {int}, {float}, {bool}, {int, float}, set())
    return [
        {
            name: row.get(name)
            if kinds[name] in plain or row.get(name) is None
            else str(_cell(row[name])).encode("utf-8", _SURROGATES).decode()
            for name in names
        }
        for row in rows
    ]


def _kind(value: Any) -> type:
    """Return the class of a value; `object` if Parquet has no form for the value."""
    if isinstance(value, str):
        fits = not _SURROGATE.search(value)
    else:
        fits = not isinstance(value, int) or -(1 << 63) <= value < 1 << 63
    return type(value) if fits else object
