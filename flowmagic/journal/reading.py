"""A journal opened to look at: its runs, and what became of their instances."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ..errors import JournalError, MissingExtraError, found
from .comparing import Comparison, compare
from .file import open_file
from .fingerprint import Part
from .script import script_of
from .written import JournalInstance, read_instance

_INSTANCES = (
    "SELECT position, params, status, attempts, started, ended, copies, result, unwritten,"
    " error, output, writes, restored FROM instances"
)


class JournalRun:
    """One run of a journal.

    Attributes:
        number: counts the runs of the file, from 1 on.
        flow: class name of the flow.
        began: when, in local time.
        status: how it ended; "running": it has not, or its kernel died.
        seconds: how long it took; None if it has not ended.
        total: number of rows; None if it has not ended.
        options: what it was given, as `batchflow` takes it.
        retunes: seconds, limit, per minute and by whom, of each change of its limits.
    """

    def __init__(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> None:
        self._connection = connection
        (self.number, self._id, self.flow, self.fingerprint, sources, options, began) = row[:7]
        self.status, self.seconds, self.total, retunes = row[7:]
        self.began = datetime.fromtimestamp(began, timezone.utc).astimezone()
        written = json.loads(sources)
        self.parts = [Part(*each) for each in written["parts"]]
        self.needs: list[str] = written["needs"]
        """Lines of Python that define what the nodes use besides themselves, as far as it is known."""
        self.options: dict[str, Any] = json.loads(options)
        self.retunes: list[list[Any]] = json.loads(retunes) if retunes else []

    @property
    def counts(self) -> dict[str, int]:
        """How many of the instances that were written down are in each status."""
        counted = "SELECT status, count(*) FROM instances WHERE run = ? GROUP BY status"
        return dict(_rows(self._connection, counted, self._id))

    @property
    def instances(self) -> list[JournalInstance]:
        """The instances that have ended, in the order of the params."""
        return list(self)

    def __iter__(self) -> Iterator[JournalInstance]:
        ordered = f"{_INSTANCES} WHERE run = ? ORDER BY position"
        yield from map(read_instance, _rows(self._connection, ordered, self._id))

    def __getitem__(self, index: int) -> JournalInstance:
        one = f"{_INSTANCES} WHERE run = ? AND position = ?"
        row = next(_rows(self._connection, one, self._id, index), None)
        if row is None:
            raise IndexError(f"Of instance {index} nothing was written in run {self.number}.")
        return read_instance(row)

    def rows(self) -> list[dict[str, Any]]:
        """Return the instances as flat dicts: the params, then what became of them."""
        return [_flat(each) for each in self]

    def to_frame(self) -> Any:
        """Return the instances as a pandas DataFrame, a row for each.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError(
                "to_frame() needs pandas. Install it with: pip install pandas"
            ) from None
        return pd.DataFrame(self.rows())

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

    def to_script(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a Python script that runs this again without a notebook, with the limits it ended with.

        It holds the classes of the nodes as they were written, how they are wired, the params, and the
        options. What they use of the notebook besides stands at its top as names to be defined.

        Args:
            path: where to write it; None writes it nowhere.
        """
        text = script_of(self)
        if path is not None:
            pathlib.Path(path).write_text(text, encoding="utf-8")
        return text

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __repr__(self) -> str:
        counts = (
            ", ".join(f"{n} {status}" for status, n in self.counts.items()) or "nothing written"
        )
        when = f"{self.began:%Y-%m-%d %H:%M:%S}"
        return f"<run {self.number} of {self.flow}, {when}, {self.status}: {counts}>"


class Journal:
    """A journal, opened for reading. The runs that write to it go on.

    `journal[-1]` is the latest run, `journal[3]` the one with the number 3.
    """

    def __init__(self, path: Any) -> None:
        self.path = pathlib.Path(path) if isinstance(path, (str, os.PathLike)) else path
        self._connection = open_file(path, write=False)

    @property
    def runs(self) -> list[JournalRun]:
        """All runs, oldest first."""
        rows = _rows(
            self._connection,
            "SELECT number, id, flow, fingerprint, sources, options, began, status, seconds, total,"
            " retunes FROM runs ORDER BY number",
        )
        return [JournalRun(self._connection, row) for row in rows]

    def __getitem__(self, number: int) -> JournalRun:
        runs = self.runs
        if number < 0 and -number <= len(runs):
            return runs[number]
        for run in runs:
            if run.number == number:
                return run
        raise IndexError(
            f"There is no run {number} in this journal; it has "
            f"{', '.join(str(run.number) for run in runs) or 'none'}."
        )

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[JournalRun]:
        return iter(self.runs)

    def compare(self, before: int, after: int) -> Comparison:
        """Return what changed between two runs, by their numbers: rows are matched by their params.

        Raises:
            IndexError: there is no such run.
        """
        return compare(self[before], self[after])

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def __enter__(self) -> Journal:  # noqa: PYI034 - Self is not there in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        runs = self.runs
        lines = [f"<journal {str(self.path)!r}: {len(runs)} runs>"]
        lines += [f"  {run!r}" for run in runs[-20:]]
        return "\n".join(lines)


def open_journal(path: str | os.PathLike[str]) -> Journal:
    """Open a journal to look at its runs; nothing in it is changed.

    Raises:
        JournalError: there is none, or it is none.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise JournalError(f"The path is {found(path)}. Write open_journal('runs.journal').")
    return Journal(path)


def _rows(connection: sqlite3.Connection, sql: str, *values: Any) -> Iterator[Any]:
    """Give the rows that a question has, as far as they can be read."""
    try:
        yield from connection.execute(sql, values)
    except sqlite3.DatabaseError as error:
        raise JournalError(
            f"The journal is damaged, and no more of this can be read ({error})."
        ) from None


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
    # As `BatchRun.to_frame` does: a param of the same name keeps it.
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
