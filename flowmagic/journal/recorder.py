"""Writes a run to its journal, and restores the results of earlier runs.

Each instance is written when it ends, and its slot goes to the next one only when it is in the file: of
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
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import users_stack_level
from ..limits.limits import LimitChange
from ..records.batch import Batch
from ..records.instances import Instance
from ..records.row_secrets import secrets_of_row, secrets_of_run
from ..records.status import Status
from ..records.store import RecordStore
from ..records.trace import Restored
from ..shared.assignments import AssignmentLog
from ..text.redact import masked_data
from .damage import readable
from .database import file_of, hash_key, open_file, transaction
from .encoder import Encoder
from .fingerprint import LiveFingerprint
from .in_doubt import notice, skipped_text
from .options import JournalOptions
from .outbox import Outbox
from .process import Process, recorded_here
from .replay import Replay
from .resume import ResumeIndex
from .reusable import ReusableOutputs
from .row_key import MOST_CHECKED, params_without_key
from .row_log import Row, RowLog
from .shared_record import SharedRecord
from .snapshot import (
    drawn_by,
    names_in_notebook,
    nodes_kept,
    secrets_of_rows,
    shared_kept,
)
from .statements import Statement
from .writer import Writer, start_thread

_MOST_WARNINGS = 20
_LOOK_EVERY = 1.0  # seconds between two looks for edited code


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
        reusable: the outputs that nodes may reuse; None without `reuse`.
        in_doubt: the rows that an earlier run has left in doubt, each with the number of that run.

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
        log: AssignmentLog | None,
        unseen: str,
        batch: Batch | None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.in_doubt: dict[int, int] = {}
        self._skips_in_doubt = options.in_doubt == "skip"
        self._warnings: list[str] = []
        self._records = records
        start_thread(int)  # where threads cannot be started, no file is made either
        # Absolute, since the run may be continued after the user has changed the working directory.
        path = file_of(options.path).absolute()
        with contextlib.closing(open_file(path, write=True)) as connection:
            key = hash_key(connection)
        filled = bool(run_options.get("fill_shared"))
        self._fingerprint = LiveFingerprint(flow, shared, records.secrets, filled=filled)
        self._next_look = 0.0
        secrets = None if options.secrets else records.secrets
        self._encoder = Encoder(key, secrets, self._warn, records.outputs.large_size)
        # The encoder finds the secrets of a row when it encodes that row.
        known = None if secrets is None else secrets | secrets_of_rows(flow, batch)
        setup = {
            "nodes": nodes_kept(flow, known),
            "notebook names": names_in_notebook(flow),
            "shared": shared_kept(shared, known),
            "drawn by": drawn_by(batch),
        }
        new_run = (
            self.id,
            type(flow).__name__,
            self._fingerprint.value.to_json(),
            json.dumps(setup),
            self._encoder.value(run_options, secrets)[0] or "{}",
            self._encoder.value(dict(flow.params), secrets)[0],
            time.time(),
            Process.current().written(),
        )
        self._resume_index = replay = None
        recorded_here[self] = self.id  # before another thread can find the run in the file
        try:
            if options.resume:
                self._resume_index = index = self._resumed(path, flow, options, new_run)
                replay = Replay(path, index.runs, shared, log)
            self._outbox = Outbox(
                loop, functools.partial(Writer, path, full=options.full, run=self.id)
            )
        finally:
            del recorded_here[self]  # from now on, the writer stands there
        self._outbox.put(_NEW_RUN, *new_run)
        self.shared = SharedRecord(
            log, unseen, replay, secrets or frozenset(), lambda text: self._update(assigned=text)
        )
        self._outbox.flush()  # at once: runs are numbered in the order in which they are written
        self.reusable = None
        if options.reuse:
            of_row = None if secrets is None else functools.partial(secrets_of_row, records)
            self.reusable = ReusableOutputs(path, self.id, lambda: self._outbox, of_row)
        self._rows = RowLog(
            self.id,
            records,
            self._outbox,
            loop,
            encode=self._row,
            match=self._resume_index.match if self._resume_index else None,
        )

    def _resumed(
        self,
        path: pathlib.Path,
        flow: Any,
        options: JournalOptions,
        new_run: tuple[Any, ...],
    ) -> ResumeIndex:
        """Find what earlier runs have left, and write the new run to the file in the same transaction.

        So of two kernels that resume at the same moment, the second one finds the run of the first.
        """
        with (
            contextlib.closing(open_file(path, write=True, full=options.full)) as connection,
            readable(),
            transaction(connection),
        ):
            index = ResumeIndex(
                path,
                type(flow).__name__,
                self._fingerprint.value,
                anyway=options.resume == "anyway",
                reuse=options.reuse,
                warn=self._warn,
            )
            connection.execute(_NEW_RUN.head, new_run)
        return index

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user: what is in doubt, not kept or not restored, files lost meanwhile."""
        index = self._resume_index
        texts = [
            notice(self.in_doubt.values(), skips=self._skips_in_doubt),
            *(str(each) for each in self.shared.findings if not each.note),
            *([] if index is None else index.why_not_restored()),
            *self._warnings,
            *(writer.warning for writer in self._outbox.writers),
        ]
        return [text for text in texts if text]

    @property
    def write_error(self) -> str:
        """Why the journal cannot be written at the moment; empty if it can."""
        return self._outbox.writer.error

    @property
    def is_behind(self) -> bool:
        """Whether something can be written now and is not, or whoever waits for it is not awake yet."""
        return self._outbox.is_behind

    @property
    def lost(self) -> int:
        """How many instances could not be written before the end; resuming runs them again."""
        return sum(writer.lost for writer in self._outbox.writers)

    @property
    def loss_reason(self) -> str:
        """Why these could not be written."""
        reasons = [writer.loss_reason for writer in self._outbox.writers if writer.loss_reason]
        return reasons[-1] if reasons else ""

    def _warn(self, text: str) -> None:
        if text not in self._warnings and len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(text)

    def knows_total(self) -> None:
        """Start writing the rows: their number is known."""
        self._update(total=self._records.total)
        first = range(min(len(self._records), MOST_CHECKED))
        self._report_rows_without_key(map(self._records.merged, first))
        self._rows.begin()

    def _row(self, params: Mapping[Any, Any]) -> Row:
        row = self._encoder.row(params)
        if row.key is None:
            self._report_rows_without_key([params])
        return row

    def _report_rows_without_key(self, rows: Iterable[Mapping[Any, Any]]) -> None:
        """Warn about rows that cannot be recognised, also where there is no panel: they cost something."""
        for text in map(str, params_without_key(rows)):
            if text not in self._warnings:
                self._warn(text)
                with contextlib.suppress(UserWarning):  # a filter may make it an error
                    warnings.warn(text, stacklevel=users_stack_level())

    def starts(self, index: int) -> None:
        """Write that a row is about to start. It may start when `settled` has returned."""
        self._rows.starts(index)

    def withdraw(self, index: int) -> None:
        """Write that a row does not start now after all."""
        self._rows.withdraw(index)

    def note(self, index: int) -> None:
        """Write an instance that has ended."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            if self._fingerprint.look():
                self._write_fingerprint()
        if (restored := self._records.restored.get(index)) is not None:
            self._rows.restored(index, *restored)
            return
        instance = Instance(self._records, index)
        assigned = self.shared.take(index, again=instance.status is Status.FAILED)
        self._rows.ended(index, self._encoder.ended(instance, assigned))

    def _write_fingerprint(self) -> None:
        # A node may have used a secret of its row as a key of the shared store.
        text = masked_data(self._fingerprint.value.to_json(), secrets_of_run(self._records))
        self._update(fingerprint=text)

    def _update(self, **columns: Any) -> None:
        """Write columns of the run; their names are those of this class."""
        changes = ", ".join(f"{name} = ?" for name in columns)
        statement = Statement(f"UPDATE runs SET {changes} WHERE id = ?")  # noqa: S608 - our names
        self._outbox.put(statement, *columns.values(), self.id)

    async def all_rows(self) -> None:
        """Write the rows that were not written yet."""
        await self._rows.write_all()

    def settled(self) -> asyncio.Future[None]:
        """Return a future that is done when all that was noted before is on disk, or cannot be for now."""
        self._rows.flush_restored()
        return self._outbox.settled()

    def reopen(self) -> None:
        """Continue to write, after `close`: failed rows of the run are retried."""
        self._outbox.open()
        if self._fingerprint.reopen():
            self._write_fingerprint()
        self._update(status="running")

    def ended(self, status: str, seconds: float, limit_history: list[LimitChange]) -> None:
        """Write how the run has ended."""
        self._rows.flush_restored()
        if self._fingerprint.look(at_end=True):
            self._write_fingerprint()
        self._update(
            status=status,
            seconds=seconds,
            total=self._records.total,
            limit_history=json.dumps(limit_history),
        )

    def limits_changed(self, latest: LimitChange) -> None:
        """Write the limits that a user has set, in case the run never ends."""
        self._update(limit_history=json.dumps([latest]))

    def close(self) -> None:
        """Have the rest written and the file closed, without waiting for it."""
        self._rows.close()
        self._outbox.close()
        if self.reusable is not None:
            self.reusable.close()
        if self._resume_index is not None:
            self._resume_index.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait, after `close`, until all is written or given up; at most `timeout` seconds."""
        self._outbox.writer.join(timeout)

    def restore(self, index: int) -> Restored | None:
        """Return the result of a row in an earlier run; None if it has to run, or is left in doubt."""
        if not self._resume_index or (match := self._rows.take_match(index)) is None:
            return None
        restored = self._resume_index.take(match)
        if match.in_doubt:
            self.in_doubt[index] = match.in_doubt
        if restored is not None:
            self.shared.add(restored)
        elif match.succeeded:
            self._rows.write(index)
        return restored

    def why_skipped(self, index: int) -> str:
        """Return why a row in doubt is not run again; empty if it is."""
        return skipped_text(self.in_doubt[index]) if self._skips_in_doubt else ""


_NEW_RUN = Statement(
    "INSERT INTO runs (id, flow, fingerprint, setup, options, base, began, process, beat, status)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, 'running'"
    # It may be there; with INSERT OR IGNORE, the next run would be numbered as if this were another.
    " WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1)"
)
