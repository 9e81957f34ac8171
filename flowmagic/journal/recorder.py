"""Writes a run to its journal, and restores the results of earlier runs.

Each instance is written when it ends, and its slot goes to the next one only when it is on disk: of
the instances that had started before a kill, at most `limit` are missing from the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import pathlib
import time
import uuid
from typing import Any

from ..limits.limits import LimitChange
from ..records.batch import Batch
from ..records.instances import Instance
from ..records.store import RecordStore
from ..records.trace import Restored
from .damage import quoted, readable
from .database import file_of, hash_key, open_file, transaction
from .encoder import Encoder
from .fingerprint import Part, fingerprint, parts_of
from .options import JournalOptions
from .outbox import Outbox
from .process import Process, recorded_here
from .resume import Match, ResumeIndex
from .row_log import Row, RowLog
from .row_ranges import RangeLog, RowRange
from .snapshot import (
    names_in_notebook,
    nodes_kept,
    secrets_of_globals,
    secrets_of_nodes,
    secrets_of_rows,
    shared_kept,
)
from .writer import Statement, Writer, start_thread

_MOST_WARNINGS = 20
_MOST_REASONS = 3


class Recorder:
    """Writes one run to its journal, and finds what it need not run again.

    All calls are made on the run's loop. The `Encoder` turns values into text, the `RowLog` has the
    rows of the batch written before they start, the `Outbox` hands all of it to a thread that writes
    the file, and with `resume` the `ResumeIndex` finds the results of earlier runs.

    The constructor opens the file, so that a run whose journal cannot be written does not start.

    Args:
        records: where the run records its instances.
        options: of the journal.
        run_options: the options of the run, as plain values.
        shared: the store that the instances share.
        batch: None if the flow's own prep will return it.

    Raises:
        JournalError: the journal cannot be written, or it is to be resumed and the flow has changed, or
            an earlier run of it is still running.
    """

    def __init__(
        self,
        flow: Any,
        records: RecordStore,
        loop: asyncio.AbstractEventLoop,
        *,
        options: JournalOptions,
        run_options: dict[str, Any],
        shared: Any,
        batch: Batch | None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._warnings: list[str] = []
        self._records = records
        self._loop = loop
        start_thread(int)  # where threads cannot be started, no file is made either
        # Absolute, since the run may be continued after the user has changed the working directory.
        path = file_of(options.path).absolute()
        with contextlib.closing(open_file(path, write=True)) as connection:
            key = hash_key(connection)
        parts = parts_of(flow)
        secrets: frozenset[str] | None = None
        if not options.secrets:
            secrets = frozenset(records.secrets)
            secrets |= secrets_of_nodes(flow) | secrets_of_globals(flow)
        self._encoder = Encoder(key, secrets, self._warn, records.outputs.large_size)
        # The encoder finds the secrets of a row when it encodes that row.
        known = None if secrets is None else secrets | secrets_of_rows(flow, batch)
        setup = {
            "parts": parts,
            "nodes": nodes_kept(flow, known),
            "notebook names": names_in_notebook(flow),
            "shared": shared_kept(shared, known),
            "drawn by": _drawn_by(batch),
        }
        new_run = (
            self.id,
            type(flow).__name__,
            fingerprint(parts),
            json.dumps(setup),
            self._encoder.value(run_options, secrets)[0] or "{}",
            self._encoder.value(dict(flow.params), secrets)[0],
            time.time(),
            Process.current().written(),
        )
        self._resume_index = None
        if options.resume:
            self._resume_index = self._resumed(path, flow, parts, options, new_run)
        self._rows = RowLog(
            records,
            loop,
            encode=self._encoder.row,
            write=self._write_rows,
            match=self._resume_index.match if self._resume_index else None,
        )
        self._recognised = RangeLog(functools.partial(self._write_range, is_restored=False))
        self._restored = RangeLog(functools.partial(self._write_range, is_restored=True))
        self._outbox = Outbox(loop, functools.partial(Writer, path, full=options.full, run=self.id))
        self._outbox.put(_NEW_RUN, *new_run)
        self._outbox.flush()  # at once: runs are numbered in the order in which they are written
        recorded_here.add(self.id)

    def _resumed(
        self,
        path: pathlib.Path,
        flow: Any,
        parts: list[Part],
        options: JournalOptions,
        new_run: tuple[Any, ...],
    ) -> ResumeIndex:
        """Find what earlier runs have left, and write the new run to the file in the same transaction.

        So of two kernels that resume at the same moment, the second one finds the run of the first.
        """
        anyway = options.resume == "anyway"
        with (
            contextlib.closing(open_file(path, write=True, full=options.full)) as connection,
            readable(),
            transaction(connection),
        ):
            index = ResumeIndex(path, type(flow).__name__, parts, anyway=anyway, warn=self._warn)
            connection.execute(_NEW_RUN.head, new_run)
        return index

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user: values not written, rows not restored, files lost meanwhile."""
        index = self._resume_index
        reasons = [] if index is None else index.not_restored.most_common(_MOST_REASONS)
        lost = [self._outbox.writer.warning] if self._outbox.writer.warning else []
        return [*(_ran_again(rows, reason) for reason, rows in reasons), *self._warnings, *lost]

    @property
    def write_error(self) -> str:
        """Why the journal cannot be written at the moment; empty if it can."""
        return self._outbox.writer.error

    @property
    def lost(self) -> int:
        """How many instances could not be written before the end; resuming runs them again."""
        return self._outbox.writer.lost

    @property
    def loss_reason(self) -> str:
        """Why these could not be written."""
        return self._outbox.writer.loss_reason

    def _warn(self, text: str) -> None:
        if text not in self._warnings and len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(text)

    def knows_total(self) -> None:
        """Start writing the rows: their number is known."""
        self._outbox.put(
            Statement("UPDATE runs SET total = ? WHERE id = ?"), self._records.total, self.id
        )
        self._rows.begin()

    def starts(self, index: int) -> None:
        """Keep the params of a row that is about to start as they are now."""
        self._rows.starts(index)

    def _write_rows(self, rows: list[tuple[int, Row | Match]]) -> None:
        # Not waited for: no slot depends on a row that has not started.
        for index, row in rows:
            if isinstance(row, Match):
                self._recognised.add(index, row.number, row.position)
            else:
                self._outbox.send(_PENDING, self.id, index, row.key or "", row.params)
        self._recognised.flush()

    def _write_range(self, rows: RowRange, *, is_restored: bool) -> None:
        self._outbox.put(_RANGE, self.id, is_restored, *rows)

    def note(self, index: int) -> None:
        """Write an instance that has ended."""
        row = self._rows.take_row(index) or _IN_THE_FILE
        if (restored := self._records.restored.get(index)) is not None:
            # Once per turn of the loop, as in the outbox.
            if self._restored.add(index, restored.run, restored.position):
                self._loop.call_soon(self._restored.flush)
            return
        ended = self._encoder.ended(Instance(self._records, index))
        self._outbox.put(_ENDED, self.id, index, row.key or "", row.params, *ended)

    async def all_rows(self) -> None:
        """Write the rows that were not written yet."""
        await self._rows.write_all()

    async def settled(self) -> None:
        """Wait until all that was noted before is on disk, or cannot be written for now."""
        self._restored.flush()
        await self._outbox.settled()

    def reopen(self) -> None:
        """Continue to write, after `close`: failed rows of the run are retried."""
        self._outbox.open()
        recorded_here.add(self.id)
        self._outbox.put(Statement("UPDATE runs SET status = 'running' WHERE id = ?"), self.id)

    def ended(self, status: str, seconds: float, limit_history: list[LimitChange]) -> None:
        """Write how the run has ended."""
        self._restored.flush()
        self._outbox.put(
            Statement(
                "UPDATE runs SET status = ?, seconds = ?, total = ?, limit_history = ? WHERE id = ?"
            ),
            status,
            seconds,
            self._records.total,
            json.dumps(limit_history),
            self.id,
        )

    def limits_changed(self, latest: LimitChange) -> None:
        """Write the limits that a user has set, in case the run never ends."""
        self._outbox.put(
            Statement("UPDATE runs SET limit_history = ? WHERE id = ?"),
            json.dumps([latest]),
            self.id,
        )

    def close(self) -> None:
        """Have the rest written and the file closed, without waiting for it."""
        self._rows.close()
        self._outbox.close()
        recorded_here.discard(self.id)
        if self._resume_index is not None:
            self._resume_index.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait, after `close`, until all is written or given up; at most `timeout` seconds."""
        self._outbox.writer.join(timeout)

    def restore(self, index: int) -> Restored | None:
        """Return the result of a row in an earlier run; None if the row has to run."""
        if not self._resume_index or (match := self._rows.take_match(index)) is None:
            return None
        restored = self._resume_index.take(match)
        if restored is None and not match.incomplete:
            self._rows.write(index)
        return restored


_PENDING = Statement(
    "INSERT OR IGNORE INTO instances (run, position, key, params, status, attempts) VALUES",
    "(?, ?, ?, ?, 'pending', 0)",
)
_ENDED = Statement(
    "INSERT INTO instances VALUES",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # A row that is in the file keeps its key and its params, which are those from before it ran.
    "ON CONFLICT (run, position) DO UPDATE SET status = excluded.status,"
    " attempts = excluded.attempts, started = excluded.started, ended = excluded.ended,"
    " copies = excluded.copies, result = excluded.result, unwritten = excluded.unwritten,"
    " error = excluded.error, printed = excluded.printed, writes = excluded.writes,"
    " output = excluded.output, earlier_outputs = excluded.earlier_outputs",
    is_end=True,
)
_RANGE = Statement(
    "INSERT OR REPLACE INTO ranges (run, is_restored, first, size, source, source_first)"
    " VALUES ((SELECT number FROM runs WHERE id = ?), ?, ?, ?, ?, ?)"
)
_NEW_RUN = Statement(
    "INSERT INTO runs (id, flow, fingerprint, setup, options, base, began, process, beat, status)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, 'running'"
    # It may be there; with INSERT OR IGNORE, the next run would be numbered as if this were another.
    " WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1)"
)
_IN_THE_FILE = Row(None, None)


def _ran_again(rows: int, reason: str) -> str:
    if rows == 1:
        which, them = "1 row that had succeeded runs", "it"
    else:
        which, them = f"{rows:,} rows that had succeeded run", "them"
    return f"{which} again: the journal does not have all that came of {them}. {quoted(reason)}"


def _drawn_by(batch: Batch | None) -> str:
    """Return where the rows of a run come from, see `JournalRun.drawn_by`."""
    if batch is None:
        return "prep"
    return "generator" if batch.rows is None else "list"
