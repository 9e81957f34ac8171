"""A journal opened to look at: its runs, and what became of their instances."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Protocol

from ..errors import JournalError, describe
from ..text.formatting import truncate
from ..text.redact import MASK
from .codec import decoded
from .database import key_of, open_file
from .diff import Comparison, compare
from .export.script import script_of
from .fingerprint import Part, key_of_params, parts_of
from .instance import STATUSES, JournalInstance, read_instance
from .resume import runs_of
from .shared_snapshot import Written
from .tables import Tables

_INSTANCES = (
    "SELECT position, params, status, attempts, started, ended, copies, result, unwritten,"
    " error, printed, writes, restored FROM instances"
)
_NOTHING: dict[str, Any] = {
    "imports": [],
    "definitions": [],
    "written": {},
    "shared": [],
    "drawn by": "list",
}
"""What a run has of which nothing was written down."""


class JournalRun(Tables):
    """One run of a journal.

    Attributes:
        number: counts the runs of the file, from 1 on.
        flow: class name of the flow.
        began: when, in local time.
        status: how it ended; "running": it has not, or its kernel died.
        seconds: how long it took; None if it has not ended.
        total: number of rows; None where a generator had not given them all.
        options: what it was given, as `batchflow` takes it; of a function, its name.
        drawn_by: where its rows came from: "list", "generator", or the flow's own "prep".
        limit_history: seconds, limit, per minute and by whom, of each change of its limits; until the run
            has ended, the latest one that was made by hand.
    """

    def __init__(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> None:
        self._connection = connection
        self.number, self._id, self.flow, self.fingerprint, sources, options, base, began, *rest = (
            row
        )
        self.status, self.seconds, self.total, limit_history = rest
        self.began = datetime.fromtimestamp(began, timezone.utc).astimezone()
        kept = {**_NOTHING, **json.loads(sources)}
        self.parts = [Part(*each) for each in kept["parts"]]
        self.imports: list[str] = kept["imports"]
        self.definitions: list[str] = kept["definitions"]
        """What its nodes use of the notebook, and they themselves, as they were written."""
        self.written = {name: Written(*each) for name, each in kept["written"].items()}
        """Options that are no plain values, as Python."""
        self.shared: list[tuple[str, str]] = [tuple(each) for each in kept["shared"]]
        """The shared store before the run: an entry as text, and the class of a value left out."""
        self.drawn_by: str = kept["drawn by"]
        self.options: dict[str, Any] = decoded(options)
        self.base: dict[Any, Any] = {} if base is None else decoded(base)
        """The flow's own params."""
        self.limit_history: list[list[Any]] = json.loads(limit_history) if limit_history else []

    @property
    def counts(self) -> dict[str, int]:
        """How many of the rows that were written down are in each status."""
        counted = "SELECT status, count(*) FROM instances WHERE run = ? GROUP BY status"
        found = dict(_rows(self._connection, counted, self._id))
        return {status: found[status] for status in STATUSES if status in found}

    @property
    def instances(self) -> list[JournalInstance]:
        """The instances in the order of the params; those that had not ended are pending."""
        return list(self)

    @property
    def params(self) -> list[Any]:
        """The params of all rows that were written down; None for one that has no form in a journal."""
        asked = "SELECT params FROM instances WHERE run = ? ORDER BY position"
        rows = _rows(self._connection, asked, self._id)
        return [None if text is None else decoded(text) for (text,) in rows]

    def batch(self) -> list[dict[Any, Any]]:
        """Return the params of all rows, for a run that is to go on without them being given again.

        Raises:
            JournalError: they are not all there, or not as they were (a masked secret, an object
                that a journal keeps as something else).
        """
        why = self._lacks_rows()
        if why:
            raise JournalError(
                f"The params of run {self.number} cannot be taken from the journal: {why}. "
                "Give them: flowmagic.resume(path, flow, params)."
            )
        return self.params

    def _lacks_rows(self) -> str:
        if self.drawn_by == "generator":
            return "they came from a generator, and only rows that were drawn are there"
        secret = key_of(self._connection)
        asked = "SELECT position, key, params FROM instances WHERE run = ? ORDER BY position"
        there = 0
        for position, key, text in _rows(self._connection, asked, self._id):
            there += 1
            if text is None:
                return f"row {position} has no form in a journal"
            if key_of_params(secret, decoded(text)) != key:
                what = (
                    "a secret in it was masked"
                    if MASK in decoded(text).values()
                    else (
                        "it holds a secret that was masked, or an object that is kept as another one"
                    )
                )
                return f"row {position} is not there as it was: {what}"
        if self.total is None or there < self.total:
            return f"{there} of {self.total or '?'} rows had been written when its kernel died"
        return ""

    def __iter__(self) -> Iterator[JournalInstance]:
        ordered = f"{_INSTANCES} WHERE run = ? ORDER BY position"
        yield from map(read_instance, _rows(self._connection, ordered, self._id))

    def __getitem__(self, index: int) -> JournalInstance:
        one = f"{_INSTANCES} WHERE run = ? AND position = ?"
        row = next(_rows(self._connection, one, self._id, index), None)
        if row is None:
            raise IndexError(f"Of instance {index} nothing was written in run {self.number}.")
        return read_instance(row)

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
        try:
            counts = ", ".join(f"{n} {status}" for status, n in self.counts.items())
        except JournalError:
            counts = "damaged"
        when = f"{self.began:%Y-%m-%d %H:%M:%S}"
        return f"<run {self.number} of {self.flow}, {when}, {self.status}: {counts or 'nothing written'}>"


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
            "SELECT number, id, flow, fingerprint, sources, options, base, began, status, seconds,"
            " total, limit_history FROM runs ORDER BY number",
        )
        try:
            return [JournalRun(self._connection, row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"The journal is damaged, and its runs cannot be listed ({error})."
            ) from None

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

    def runs_of(self, flow: Any, *, anyway: bool = False) -> list[int]:
        """Return the numbers of the runs of a flow, oldest first.

        Args:
            anyway: also of those in which it was another one than it is now.

        Raises:
            JournalError: it has changed since the last of them.
        """
        parts = functools.partial(parts_of, flow)
        name = type(flow).__name__
        return [number for number, _ in runs_of(self._connection, name, parts, anyway=anyway)]

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
        return listed(self.path, self.runs)


def open_journal(path: str | os.PathLike[str]) -> Journal:
    """Open a journal to look at its runs; nothing in it is changed.

    Raises:
        JournalError: there is none, or it is none.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise JournalError(f"The path is {describe(path)}. Write open_journal('runs.journal').")
    return Journal(path)


def rows_to_resume(path: Any, flow: Any, *, anyway: bool) -> list[dict[Any, Any]] | None:
    """Return the params of the latest run of a flow; None if the flow's own prep gave them.

    Args:
        path: of the journal.
        anyway: also if the flow was another one then.

    Raises:
        JournalError: there is none, the flow has changed, or the params are not there as they were.
    """
    with open_journal(path) as journal:
        numbers = journal.runs_of(flow, anyway=anyway)
        if not numbers:
            raise JournalError(
                f"There is no run of {type(flow).__name__} in {str(path)!r} to go on with. "
                "Give the params: flowmagic.resume(path, flow, params)."
            )
        run = journal[numbers[-1]]
        return None if run.drawn_by == "prep" else run.batch()


def _rows(connection: sqlite3.Connection, sql: str, *values: Any) -> Iterator[Any]:
    """Give the rows that a question has, as far as they can be read."""
    try:
        for row in connection.execute(sql, values):  # noqa: UP028 - that would close the cursor too
            yield row
    except sqlite3.ProgrammingError:
        raise JournalError(
            "This journal was closed. Open it again: flowmagic.open_journal(path)."
        ) from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise JournalError(
            f"The journal is damaged, and no more of this can be read ({error})."
        ) from None


_LATEST = 20
_FLOW = 15  # characters of a flow's name, so that a line fits into 80 with two counts
_NUMBER = 3


class _Run(Protocol):
    number: int
    flow: str
    began: datetime
    status: str
    total: int | None

    @property
    def counts(self) -> dict[str, int]: ...


def listed(path: object, runs: Sequence[_Run]) -> str:
    """Return a heading, and a line for each of the latest runs, oldest first."""
    many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    lines = [f"journal {str(path)!r}: {many}"]
    earlier = len(runs) - _LATEST
    if earlier > 0:
        lines.append(f"{'…':>{_NUMBER}}  {earlier} earlier")
    lines += [_line(run) for run in runs[-_LATEST:]]
    return "\n".join(lines)


def _line(run: _Run) -> str:
    # Of a kernel that died, nobody wrote down that it did.
    status = "not ended" if run.status == "running" else run.status
    flow = truncate(run.flow, _FLOW)
    return (
        f"{run.number:>{_NUMBER}}  {run.began:%Y-%m-%d %H:%M}  {flow:<{_FLOW}}  {status:<9}  "
        f"{_counted(run)}"
    )


def _counted(run: _Run) -> str:
    try:
        counts = run.counts
    except JournalError:
        return "damaged"
    rows = run.total if run.total is not None else sum(counts.values())
    text = ", ".join(f"{number:,} {status}" for status, number in counts.items())
    return f"{rows:,}: {text}" if text else f"{rows:,}"
