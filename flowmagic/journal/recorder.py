"""Writes a run to its journal, and restores the results of earlier runs.

Each instance is written when it ends, and its slot goes to the next one only when it is on disk: of
the instances that had started before a kill, at most `limit` are missing from the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
import uuid
from typing import Any

from ..errors import JournalError
from ..limits.limits import LimitChange
from ..records.batch import Batch
from ..records.instances import Instance
from ..records.status import Status
from ..records.store import RecordStore
from ..records.trace import Restored
from ..shared.assignments import AssignmentLog
from .database import hash_key, open_file
from .encoder import Encoder
from .fingerprint import Part, fingerprint, parts_of
from .options import JournalOptions
from .replay import Replay
from .resume import ResumeIndex
from .row_log import Row, RowLog
from .shared_record import SharedRecord
from .snapshot import (
    names_in_notebook,
    nodes_kept,
    secrets_of_globals,
    secrets_of_nodes,
    secrets_of_rows,
    shared_kept,
)
from .writer import Outbox, Statement, Writer, start_thread

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
        log: records what the instances assign to it; None: nothing does.
        unseen: why it is not known what they assign, in words; empty if it is.
        batch: None if the flow's own prep will return it.

    Attributes:
        shared: what is known of the shared store.

    Raises:
        JournalError: the journal cannot be written, or it is to be resumed and the flow has changed.
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
        log: AssignmentLog | None,
        unseen: str,
        batch: Batch | None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._warnings: list[str] = []
        self._records = records
        start_thread(int)  # where threads cannot be started, no file is made either
        with contextlib.closing(open_file(options.path, write=True)) as connection:
            key = hash_key(connection)
        parts = parts_of(flow)
        self._resume_index = index = self._open_index(flow, parts, options)
        self._replay = Replay(options.path, index.runs, shared, log) if index else None
        secrets: frozenset[str] | None = None
        if not options.secrets:
            secrets = frozenset(records.secrets)
            secrets |= secrets_of_nodes(flow) | secrets_of_globals(flow)
        self._encoder = Encoder(key, secrets, self._warn, records.outputs.large_size)
        self._rows = RowLog(
            records,
            loop,
            encode=self._encoder.row,
            write=self._write_rows,
            keep_keys=bool(self._resume_index),
        )
        # The encoder finds the secrets of a row when it encodes that row.
        known = None if secrets is None else secrets | secrets_of_rows(flow, batch)
        setup = {
            "parts": parts,
            "nodes": nodes_kept(flow, known),
            "notebook names": names_in_notebook(flow),
            "shared": shared_kept(shared, known),
            "drawn by": _drawn_by(batch),
        }
        self._outbox = Outbox(loop, functools.partial(Writer, options.path, full=options.full))
        self._outbox.put(
            _NEW_RUN,
            self.id,
            type(flow).__name__,
            fingerprint(parts),
            json.dumps(setup),
            self._encoder.value(run_options, secrets)[0] or "{}",
            self._encoder.value(dict(flow.params), secrets)[0],
            time.time(),
        )
        self.shared = SharedRecord(
            log, unseen, self._replay, secrets or frozenset(), self._write_shared_state
        )
        self._outbox.flush()  # at once: runs are numbered in the order in which they are written

    def _open_index(
        self, flow: Any, parts: list[Part], options: JournalOptions
    ) -> ResumeIndex | None:
        if not options.resume:
            return None
        return ResumeIndex(
            options.path,
            type(flow).__name__,
            parts,
            anyway=options.resume == "anyway",
            warn=self._warn,
        )

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user: which values were not written, and what was not restored."""
        index = self._resume_index
        reasons = [] if index is None else index.not_restored.most_common(_MOST_REASONS)
        return [
            *(str(each) for each in self.shared.findings if not each.note),
            *(_ran_again(rows, reason) for reason, rows in reasons),
            *self._warnings,
        ]

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

    def _write_rows(self, rows: list[tuple[int, Row]]) -> None:
        # Not waited for: no slot depends on a row that has not started.
        for index, row in rows:
            self._outbox.send(_PENDING, self.id, index, row.key or "", row.params)

    def note(self, index: int) -> None:
        """Write an instance that has ended."""
        instance = Instance(self._records, index)
        assigned = self.shared.take(index, again=instance.status == Status.FAILED)
        ended = self._encoder.ended(instance, self._records.restored.get(index), assigned)
        row = self._rows.take_row(index) or _IN_THE_FILE
        self._outbox.put(_ENDED, self.id, index, row.key or "", row.params, *ended)

    def _write_shared_state(self, text: str) -> None:
        self._outbox.put(Statement("UPDATE runs SET assigned = ? WHERE id = ?"), text, self.id)

    async def all_rows(self) -> None:
        """Write the rows that were not written yet."""
        await self._rows.write_all()

    async def settled(self) -> None:
        """Wait until all that was noted before is on disk, or cannot be written for now."""
        await self._outbox.settled()

    def reopen(self) -> None:
        """Continue to write, after `close`: failed rows of the run are retried."""
        self._outbox.open()
        self._outbox.put(Statement("UPDATE runs SET status = 'running' WHERE id = ?"), self.id)

    def ended(self, status: str, seconds: float, limit_history: list[LimitChange]) -> None:
        """Write how the run has ended."""
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
        if self._resume_index is not None:
            self._resume_index.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait, after `close`, until all is written or given up; at most `timeout` seconds."""
        self._outbox.writer.join(timeout)

    def restore(self, index: int) -> Restored | None:
        """Return the result of a row in an earlier run; None if the row has to run."""
        if not self._resume_index:
            return None
        key = self._rows.take_key(index)
        restored = self._resume_index.take(key) if key else None
        if restored is None or self._replay is None:
            return restored
        try:
            self._replay.add(restored)
        except JournalError as error:
            self._warn(f"Row {restored.position} of run {restored.run} cannot be restored: {error}")
            return None
        return restored


_PENDING = Statement(
    "INSERT OR IGNORE INTO instances (run, position, key, params, status, attempts) VALUES",
    "(?, ?, ?, ?, 'pending', 0)",
)
_ENDED = Statement(
    "INSERT INTO instances VALUES",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # A row that is in the file keeps its key and its params, which are those from before it ran.
    "ON CONFLICT (run, position) DO UPDATE SET status = excluded.status,"
    " attempts = excluded.attempts, started = excluded.started, ended = excluded.ended,"
    " copies = excluded.copies, result = excluded.result, unwritten = excluded.unwritten,"
    " error = excluded.error, printed = excluded.printed, writes = excluded.writes,"
    " restored = excluded.restored, output = excluded.output,"
    " earlier_outputs = excluded.earlier_outputs, assigned = excluded.assigned",
    is_end=True,
)
_NEW_RUN = Statement(
    "INSERT INTO runs (id, flow, fingerprint, setup, options, base, began, status) VALUES",
    "(?, ?, ?, ?, ?, ?, ?, 'running')",
)
_IN_THE_FILE = Row(None, None)


def _ran_again(rows: int, reason: str) -> str:
    if rows == 1:
        which, them = "1 row that had succeeded runs", "it"
    else:
        which, them = f"{rows:,} rows that had succeeded run", "them"
    return f"{which} again: the journal does not have all that came of {them}. {reason}"


def _drawn_by(batch: Batch | None) -> str:
    """Return where the rows of a run come from, see `JournalRun.drawn_by`."""
    if batch is None:
        return "prep"
    return "generator" if batch.rows is None else "list"
