"""What a run writes to its journal, and what it takes over from earlier runs there.

Each instance is written the moment it ends, and its slot goes to another one only when that is on
disk: of the instances that began before a kill, at most `limit` are not in the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ..limits.history import LimitChange
from ..records.attempts import Restored
from ..records.batch import Batch
from ..records.instances import Instance
from ..records.status import FAILED
from ..records.store import RecordStore
from ..text.redact import masked, secrets_of
from ..text.tracebacks import traceback_text
from .codec import Unwritable, as_json, encoded, plain_of, text_of
from .database import key_of, open_file
from .export.definitions import definitions_of
from .fingerprint import fingerprint, key_of_plain, kinds_of, parts_of, secrets_of_flow
from .options import JournalOptions
from .resume import ResumeIndex
from .row_log import Row, RowLog
from .shared_snapshot import Written, shared_kept
from .writer import Outbox, Statement, Writer, start_thread

_MOST_PRINTED = 64_000  # characters


class Recorder:
    """Writes one run down, on the run's loop.

    Args:
        options: of the journal.
        kept: the options of the run as plain values.
        written: those that are no plain values, as Python.
        used: the classes and functions that those use.
        shared: the store that the instances share.
        batch: None if the flow's own prep is to give it.

    Raises:
        JournalError: the journal cannot be written, or the flow is another one than that to resume.
    """

    def __init__(
        self,
        flow: Any,
        records: RecordStore,
        loop: asyncio.AbstractEventLoop,
        *,
        options: JournalOptions,
        kept: dict[str, Any],
        written: dict[str, Written],
        used: list[Any],
        shared: Any,
        batch: Batch | None,
    ) -> None:
        self.options = options
        self.id = uuid.uuid4().hex
        self.said: list[str] = []
        """What the user is to know: values that could not be written, and what follows."""
        self._records = records
        masks = not self.options.secrets
        secrets = set(records.secrets) | secrets_of_flow(flow)
        parts = functools.partial(parts_of, flow)
        # First of all: in a browser there is neither a thread nor what SQLite needs for such a file.
        start_thread(int)
        # Opened and looked through here and now: what is wrong with it keeps the run from starting.
        with contextlib.closing(open_file(self.options.path, write=True)) as connection:
            self._key = key_of(connection)
        name = type(flow).__name__
        self._resume_index: ResumeIndex | None = None
        if self.options.resume:
            self._resume_index = ResumeIndex(
                self.options.path,
                name,
                parts,
                anyway=self.options.resume == "anyway",
                say=self._say,
            )
        self._rows = RowLog(
            records,
            loop,
            read=self._row,
            write=self._write_rows,
            keeps_keys=bool(self._resume_index),
        )
        self._outbox = Outbox(
            loop, functools.partial(Writer, self.options.path, full=self.options.full)
        )
        imports, definitions = definitions_of(
            [*kinds_of(flow), *used], secrets=secrets, masks=masks
        )
        masked_too = frozenset(secrets) if masks else None  # all are known only now
        # The rows may have been given theirs by a constant of another name.
        known = None if masked_too is None else masked_too | _secrets_of_rows(flow, batch)
        sources = {
            "parts": parts(masks=masks, more=known or frozenset()),
            "imports": imports,
            "definitions": definitions
            if known is None
            else [masked(e, known) for e in definitions],
            "written": written,
            "shared": shared_kept(shared, known),
            "drawn by": _drawn_by(batch),
            "secrets": self.options.secrets,
        }
        self._secrets = masked_too
        """Those of the flow, to be masked in all that is written; None: none are."""
        self._outbox.put(
            _NEW_RUN,
            self.id,
            name,
            fingerprint(parts(masks=True)),
            json.dumps(sources),
            self._written(kept, masked_too)[0] or "{}",
            self._written(dict(flow.params), masked_too)[0],
            time.time(),
        )
        self._outbox.flush()  # at once: runs are numbered in the order in which they are written

    @property
    def trouble(self) -> str:
        """Why nothing can be written at the moment; empty if all is well."""
        return self._outbox.writer.trouble

    @property
    def lost(self) -> int:
        """How much could not be written before the end: so many instances run again on resuming."""
        return self._outbox.writer.lost

    @property
    def why_lost(self) -> str:
        """Why that could not be written."""
        return self._outbox.writer.reason

    # Writing

    def knows_total(self) -> None:
        """Begin to write down the rows: their number is known."""
        self._outbox.put(
            Statement("UPDATE runs SET total = ? WHERE id = ?"), self._records.total, self.id
        )
        self._rows.begin()

    def starts(self, index: int) -> None:
        """Take down a row that is about to start."""
        self._rows.starts(index)

    def _row(self, params: Mapping[Any, Any]) -> Row:
        try:
            plain = plain_of(params)
            return Row(key_of_plain(self._key, plain), text_of(plain, self._secrets_with(params)))
        except Exception as error:  # noqa: BLE001 - somebody's object
            why = str(error) if isinstance(error, Unwritable) else type(error).__name__
            self._say(
                "Some params have no form in a journal: resuming cannot recognise their rows, and "
                f"runs them again. {why}"
            )
            return _NO_ROW

    def _write_rows(self, rows: list[tuple[int, Row]]) -> None:
        # Not waited for: no slot depends on a row that has not started.
        for index, row in rows:
            self._outbox.send(_PENDING, self.id, index, row.key or "", row.params)

    def _secrets_with(self, params: Mapping[Any, Any]) -> frozenset[str] | None:
        if self._secrets is None:
            return None
        found = secrets_of(params)
        return self._secrets.union(found) if found else self._secrets

    def note(self, index: int) -> None:
        """Write down how an instance has ended."""
        each = Instance(self._records, index)
        secrets = self._secrets_with(each.params)
        restored = self._records.restored.get(index)
        error = each.error
        result, unwritten = None, ""
        if self._records.status[index] != FAILED and error is None:
            result, unwritten = self._written(each.result, secrets)
        writes = None
        if each.writes is not None:
            writes, why = self._written(each.writes, secrets)
            if why:  # without them nothing could be restored: the row is to run again
                result, unwritten = None, why
        printed = each.printed
        ended = (
            str(each.status),
            each.attempts,
            each.started,
            each.ended,
            self._copies(each, secrets),
            result,
            unwritten,
            None if error is None else encoded(_error(error, secrets or frozenset()), secrets),
            encoded(printed[-_MOST_PRINTED:], secrets) if printed else None,
            writes,
            None if restored is None else json.dumps([restored.run, restored.position]),
        )
        row = self._rows.held(index) or _IN_THE_FILE
        self._outbox.put(_ENDED, self.id, index, row.key or "", row.params, *ended)

    def _copies(self, each: Instance, secrets: Any) -> str:
        params = each.params
        return as_json(
            [
                [
                    copy.node,
                    copy.parent,
                    copy.started,
                    copy.ended,
                    self._written(copy.action, secrets)[0],
                    None if copy.error is None else type(copy.error).__name__,
                    None if copy.params == params else self._written(copy.params, secrets)[0],
                    copy.retries,
                    copy.fallbacks,
                ]
                for copy in each.copies
            ]
        )

    def _written(self, value: Any, secrets: Any) -> tuple[str | None, str]:
        """Return a value as text, or None and why it has none."""
        try:
            return encoded(value, secrets), ""
        except Unwritable as error:
            self._say(f"A value could not be written to the journal. {error}")
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - somebody's object
            self._say(f"A value could not be written to the journal ({type(error).__name__}).")
            return None, type(error).__name__

    def _say(self, text: str) -> None:
        if text not in self.said and len(self.said) < 20:  # noqa: PLR2004 - enough to read
            self.said.append(text)

    async def all_rows(self) -> None:
        """Take down the rows that were not yet."""
        await self._rows.all()

    async def settled(self) -> None:
        """Wait until all that was noted before is on disk, or cannot be written for now."""
        await self._outbox.settled()

    def reopen(self) -> None:
        """Go on writing: the run has been taken up again."""
        self._outbox.open()
        self._outbox.put(Statement("UPDATE runs SET status = 'running' WHERE id = ?"), self.id)

    def ended(self, status: str, seconds: float, limit_history: list[LimitChange]) -> None:
        """Write down how the run has ended."""
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
        """Write down what the limits were changed to, for a run that may never end."""
        self._outbox.put(
            Statement("UPDATE runs SET limit_history = ? WHERE id = ?"),
            json.dumps([latest]),
            self.id,
        )

    def close(self) -> None:
        """Write what is left and let the file go."""
        self._rows.close()
        self._outbox.close()
        if self._resume_index is not None:
            self._resume_index.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait, after the end, until all is written or given up."""
        self._outbox.writer.join(timeout)

    # Resuming

    def restore(self, index: int) -> Restored | None:
        """Return what an earlier run has left of a row; None: it has to run."""
        if not self._resume_index:
            return None
        key = self._rows.key(index)
        return self._resume_index.take(key) if key else None


_PENDING = Statement(
    "INSERT OR IGNORE INTO instances (run, position, key, params, status, attempts) VALUES",
    "(?, ?, ?, ?, 'pending', 0)",
)
_ENDED = Statement(
    "INSERT INTO instances VALUES",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # Of a row that is in the file, key and params are those that it had before it ran.
    "ON CONFLICT (run, position) DO UPDATE SET status = excluded.status,"
    " attempts = excluded.attempts, started = excluded.started, ended = excluded.ended,"
    " copies = excluded.copies, result = excluded.result, unwritten = excluded.unwritten,"
    " error = excluded.error, printed = excluded.printed, writes = excluded.writes,"
    " restored = excluded.restored",
    is_an_end=True,
)
_NEW_RUN = Statement(
    "INSERT INTO runs (id, flow, fingerprint, sources, options, base, began, status) VALUES",
    "(?, ?, ?, ?, ?, ?, ?, 'running')",
)
_NO_ROW = _IN_THE_FILE = Row(None, None)


def _secrets_of_rows(flow: Any, batch: Batch | None) -> frozenset[str]:
    """Return the secrets among the params, as far as they are known in advance.

    Of the first thousand rows: in a batch, a secret is nearly always the same one.
    """
    rows = [] if batch is None or batch.rows is None else batch.rows[:1_000]
    return frozenset().union(*map(secrets_of, (flow.params, *rows)))


def _drawn_by(batch: Batch | None) -> str:
    """Say where the rows of a run come from, as a journal has it."""
    if batch is None:
        return "prep"
    return "generator" if batch.rows is None else "list"


def _error(error: BaseException, secrets: frozenset[str]) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "text": _text(error)[:10_000],
        "traceback": traceback_text(error, secrets),
    }


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - somebody's __str__
        return "(its message cannot be shown)"
