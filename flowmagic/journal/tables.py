"""The instances of a run of a journal as a table, for pandas, polars, and files."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from ..errors import MissingExtraError
from ..records.frames import pandas
from .codec import LARGE
from .instance import JournalInstance

_HALF = re.compile("[\ud800-\udfff]")
_HALVES = "backslashreplace"  # half a character, which UTF-8 lacks and JSON has an escape for


class Tables:
    """Gives what it iterates over as a table: a row per instance."""

    def __iter__(self) -> Iterator[JournalInstance]:
        raise NotImplementedError

    def rows(self) -> list[dict[str, Any]]:
        """Return the instances as flat dicts: the params, then what became of them."""
        return [_flat(each) for each in self]

    def to_frame(self) -> Any:
        """Return the instances as a pandas DataFrame, a row for each.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        # An int that no float is as large as breaks some versions of pandas.
        rows = [{name: _sized(value) for name, value in row.items()} for row in self.rows()]
        return pandas().DataFrame(rows)

    def to_jsonl(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write an instance per line, as JSON; values that JSON lacks as their text."""
        place = pathlib.Path(path)
        with place.open("w", encoding="utf-8", errors=_HALVES) as file:
            for row in self.rows():
                file.write(_json(row) + "\n")
        return place

    def to_csv(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write an instance per line, as CSV; what is no number or text as JSON.

        Texts stand as they are. A spreadsheet takes those that begin with `=`, `+`, `-` or `@` for
        formulas: open a file with somebody else's texts (a model's, say) so that it reads text only.
        """
        place, rows = pathlib.Path(path), self.rows()
        names = list(dict.fromkeys(name for row in rows for name in row))
        with place.open("w", encoding="utf-8", errors=_HALVES, newline="") as file:
            table = csv.writer(file)
            table.writerow(names)
            for row in rows:
                table.writerow([_cell(row.get(name)) for name in names])
        return place

    def to_parquet(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the instances as Parquet, with polars or pandas; mixed columns become text.

        Raises:
            MissingExtraError: neither polars nor pandas with pyarrow is installed.
        """
        place, rows = pathlib.Path(path), _even(self.rows())
        with contextlib.suppress(ImportError):
            import polars as pl  # noqa: PLC0415 - optional

            pl.DataFrame(rows, infer_schema_length=None).write_parquet(place)
            return place
        try:
            import pandas as pd  # noqa: PLC0415 - optional

            pd.DataFrame(rows).to_parquet(place)
        except ImportError:
            raise MissingExtraError(
                "to_parquet() needs polars, or pandas with pyarrow. "
                "Install one with: pip install polars"
            ) from None
        return place


def _flat(each: JournalInstance) -> dict[str, Any]:
    ours = {
        "status": each.status,
        "seconds": each.seconds,
        "attempts": each.attempts,
        "result": each.result,
        "error": None if each.error is None else f"{each.error['type']}: {each.error['text']}",
        "restored": None if each.restored is None else each.restored[0],
    }
    params = {str(key): value for key, value in (each.params or {}).items()}
    # As `frame_of` does: a param of the same name keeps it.
    return {
        "index": each.index,
        **params,
        **{f"{name}_" if name in params else name: value for name, value in ours.items()},
    }


def _cell(value: Any) -> Any:
    """Return a value as one cell of a table holds it."""
    if isinstance(value, (str, float)):
        return value
    plain = _plain(value)
    return _json(plain) if isinstance(plain, (list, dict)) else plain


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _sized(value: Any) -> Any:
    """Return an int of hundreds of digits as a text, and anything else as it is."""
    return hex(value) if isinstance(value, int) and abs(value) >= LARGE else value


def _plain(value: Any) -> Any:
    """Return a value with texts in place of what JSON lacks."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return _sized(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return str(value)


def _even(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make each column of one kind: what is mixed, or no plain value, becomes text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {
        name: {_kind(row[name]) for row in rows if row.get(name) is not None} for name in names
    }
    plain: tuple[set[type], ...] = ({str}, {int}, {float}, {bool}, {int, float}, set())
    return [
        {
            name: row.get(name)
            if kinds[name] in plain or row.get(name) is None
            else str(_cell(row[name])).encode("utf-8", _HALVES).decode()
            for name in names
        }
        for row in rows
    ]


def _kind(value: Any) -> type:
    """Return the class of a value; `object` for one that has no form in every kind of table."""
    if isinstance(value, str):
        fits = not _HALF.search(value)
    else:
        fits = not isinstance(value, int) or -(1 << 63) <= value < 1 << 63
    return type(value) if fits else object
