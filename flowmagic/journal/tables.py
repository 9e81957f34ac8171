"""The instances of a run of a journal as a table, for pandas, polars, and files."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from ..errors import MissingExtraError
from ..frames import pandas
from .written import JournalInstance


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
        return pandas().DataFrame(self.rows())

    def to_jsonl(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write an instance per line, as JSON; values that JSON lacks as their text."""
        place = pathlib.Path(path)
        with place.open("w", encoding="utf-8") as file:
            for row in self.rows():
                file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        return place

    def to_csv(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write an instance per line, as CSV; what is no number or text as JSON."""
        place, rows = pathlib.Path(path), self.rows()
        names = list(dict.fromkeys(name for row in rows for name in row))
        with place.open("w", encoding="utf-8", newline="") as file:
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
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _even(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make each column of one kind: what is mixed, or no plain value, becomes text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {name: {type(row[name]) for row in rows if row.get(name) is not None} for name in names}
    plain: tuple[set[type], ...] = ({str}, {int}, {float}, {bool}, {int, float}, set())
    return [
        {
            name: row.get(name)
            if kinds[name] in plain or row.get(name) is None
            else str(_cell(row[name]))
            for name in names
        }
        for row in rows
    ]
