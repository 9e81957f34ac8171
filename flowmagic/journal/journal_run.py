"""One run of a journal, and its instances."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ..errors import JournalError, MissingIndexError, RemoteError
from ..records.cells import LONGEST_ERROR
from ..records.exports import Exports
from ..records.table import InstanceColumns, outputs_by_node
from ..text.formatting import error_line
from ..text.redact import MASK
from ..text.user_objects import or_none
from .codec import decoded
from .damage import expect, quoted, readable
from .database import hash_key
from .journal_instance import (
    IN_DOUBT,
    RUNNING,
    STATUSES,
    JournalInstance,
    read_instance,
    read_params,
)
from .process import Process
from .row_key import row_key
from .row_ranges import Rows
from .script import Script
from .snapshot import Entry, NodeSnapshot

SELECT_RUNS = (
    "SELECT number, id, flow, setup, options, base, began, status, process, beat, seconds, total,"
    " limit_history"
    " FROM runs ORDER BY number"
)


class JournalRun(Exports):
    """One run of a journal: its options, and its instances by index.

    Attributes:
        number: counts the runs of the file, from 1.
        flow: class name of the flow.
        began: when it started, in local time.
        status: how it ended; "running" if it has not ended, or its kernel died: see `is_running`.
        process: what runs it, or ran it last.
        seconds: how long it took; None if it has not ended.
        total: number of rows; None if a generator has not given all of them.
        options: its options as plain values, named as `batchflow` takes them: a function or class as
            "module:name", a `Retries` or `Adaptive` as a dict, what cannot be stored in words.
        base: the flow's own params.
        drawn_by: where its rows came from: "list", "generator", or the flow's own "prep".
        limit_history: seconds, limit, per minute and by whom, for each change of its limits; of a run
            that has not ended, only the latest change by hand.
        nodes: its nodes when it started.
        notebook_names: what the classes of these nodes use of the notebook, by name.
        shared: the first entries of the shared store when it started.
    """

    def __init__(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> None:
        self._connection = connection
        self.number, self._id, flow, setup, options, base, began, *rest = row
        status, process, beat, seconds, total, limit_history = rest
        self.flow: str = expect(flow, str, name="flow")
        self.status: str = expect(status, str, name="status")
        self.seconds: float | None = expect(seconds, float, _NONE, name="duration")
        self.total: int | None = expect(total, int, _NONE, name="number of rows")
        self.process = Process.read(process)
        self._beat: float = expect(beat, float, name="heartbeat")
        self._rows = Rows(connection, self.number, self._id)
        self.began = datetime.fromtimestamp(began, timezone.utc).astimezone()
        self.options: dict[str, Any] = expect(decoded(options), dict, name="options")
        self.base: dict[Any, Any] = expect(decoded(base or "{}"), dict, name="params")
        changes = expect(json.loads(limit_history or "[]"), list, name="limits")
        self.limit_history: list[list[Any]] = [
            expect(each, list, name="limits") for each in changes
        ]
        kept = json.loads(setup)
        self.drawn_by: str = kept["drawn by"]
        self.nodes = [NodeSnapshot(*each) for each in kept["nodes"]]
        self.notebook_names: list[str] = kept["notebook names"]
        self.shared: list[Entry] = kept["shared"]

    @property
    def is_running(self) -> bool:
        """Whether it had not ended when it was read from the file, and its process is still alive."""
        return self.status == "running" and self.process.runs(self._id, self._beat)

    def refuse_if_running(self) -> None:
        """Check that it is not running any more.

        Raises:
            JournalError: it is.
        """
        if self.status == "running":
            self.process.refuse_if_running(self.number, self._id, self._beat)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows are in each status, of those that were written."""
        counts = self._rows.counts()
        names = {status: self._under_way if status == RUNNING else status for status in STATUSES}
        return {name: counts[status] for status, name in names.items() if status in counts}

    @property
    def _under_way(self) -> str:
        """The status of the instances that had begun and not ended when they were written."""
        return RUNNING if self.is_running else IN_DOUBT

    @property
    def instances(self) -> list[JournalInstance]:
        """The instances in the order of the params."""
        return list(self)

    @property
    def params(self) -> list[Any]:
        """The params of all rows that were written; None for a row that could not be stored."""
        return [read_params(index, text) for index, _, text in self._rows.keys_and_params()]

    @property
    def outputs(self) -> list[Any]:
        """In the order of the params: the output of each instance that succeeded; see `JournalInstance`.

        A RemoteError with type and text of its error stands for one that failed or was cancelled,
        None for one that did not end.
        """
        return [
            RemoteError(f"{each.error['type']}: {each.error['text']}")
            if each.error
            else each.output
            for each in self
        ]

    def batch(self) -> list[dict[Any, Any]]:
        """Return the params of all rows, to run them again.

        Raises:
            JournalError: not all rows were written, or one cannot be read back as it was (it holds
                a masked secret, or an object that a journal stores as something else).
        """
        reason = self._why_no_batch()
        if reason:
            raise JournalError(
                f"The params of run {self.number} cannot be taken from the journal: {reason}. "
                "Pass them: flowmagic.resume(path, flow, params)."
            )
        return self.params

    def _why_no_batch(self) -> str:
        if self.drawn_by == "generator":
            return "they came from a generator, and only the rows that it gave are there"
        secret = hash_key(self._connection)
        written = 0
        for position, key, text in self._rows.keys_and_params():
            written += 1
            if (params := read_params(position, text)) is None:
                return f"row {position!r} could not be stored"
            if or_none(row_key, secret, params) != key:
                why = "a secret in it was masked"
                if MASK not in params.values():
                    why = "it holds a masked secret, or an object that is stored as something else"
                return f"row {position!r} cannot be read back as it was: {why}"
        if self.total is None or written < self.total:
            when = "so far" if self.is_running else "when its kernel died"
            return f"{written} of {self.total or '?'} rows had been written {when}"
        return ""

    def to_script(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a Python script that runs this again without a notebook.

        It holds the nodes with their attributes and successors, the shared store, the params, and
        the options, with the limits that the run ended with. It imports the classes that are in
        modules. A comment at its top names the classes and functions of the notebook, which the user
        has to import or paste; where a value could not be stored, `...` and a comment say so.

        Args:
            path: a file to write it to as well.
        """
        with readable("this run cannot be written as a script", ""):
            text = Script(self).text()
        if path is not None:
            pathlib.Path(path).write_text(text, encoding="utf-8")
        return text

    def _columns(self, *, nodes: bool) -> InstanceColumns:
        columns = InstanceColumns(*([] for _ in InstanceColumns._fields))
        for each in self:
            succeeded, error = each.status == "succeeded", each.error
            columns.indices.append(each.index)
            columns.params.append(each.params or {})
            columns.output.append(each.output if succeeded else None)
            columns.status.append(each.status)
            columns.seconds.append(each.seconds)
            columns.attempts.append(each.attempts)
            columns.action.append(each.result if succeeded else None)
            columns.error.append(
                None if error is None else error_line(error["type"], error["text"], LONGEST_ERROR)
            )
            columns.writes.append(each.writes)
            if nodes:
                copies = ((copy.node, copy.parent, copy.output) for copy in each.copies)
                columns.nodes.append(outputs_by_node(copies))
        return columns

    def _isolates(self) -> bool:
        return bool(self.options.get("isolate"))

    def __iter__(self) -> Iterator[JournalInstance]:
        return map(functools.partial(read_instance, under_way=self._under_way), self._rows.all())

    def __getitem__(self, index: int) -> JournalInstance:
        row = self._rows.one(index)
        if row is None:
            raise MissingIndexError(f"Run {self.number} of this journal has no instance {index}.")
        return read_instance(row, self._under_way)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __repr__(self) -> str:
        try:
            counts = ", ".join(f"{n} {status}" for status, n in self.counts.items())
        except JournalError:
            counts = "damaged"
        when = f"{self.began:%Y-%m-%d %H:%M:%S}"
        status = status_text(self)
        if status == "running":
            status += f" in {self.process}"
        what = f"run {self.number} of {quoted(self.flow)}"
        return f"<{what}, {when}, {status}: {counts or 'nothing written'}>"


def status_text(run: JournalRun) -> str:
    """Return the status of a run; "not ended" if its kernel died, so that nothing changed it since."""
    return "not ended" if run.status == "running" and not run.is_running else quoted(run.status)


_NONE = type(None)
