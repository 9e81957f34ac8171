"""What a run writes to its journal, and what it takes over from earlier runs there.

Each instance is written the moment it ends, and its slot goes to another one only when that is on
disk: of the instances that began before a kill, at most `limit` are not in the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import JournalError, found
from ..instances import Instance
from ..records import FAILED, Records, Restored
from ..retunes import Retune
from ..showing import secrets_of, traceback_text
from .encoding import Unwritable, decoded, encoded
from .file import key_of, open_file
from .fingerprint import Part, differences, fingerprint, key_of_params, kinds_of, parts_of
from .script import needs_of
from .writer import Writer

if TYPE_CHECKING:
    from ..options import Options  # which holds a JournalOptions itself

_OUTPUT = 64_000  # characters


@dataclass(frozen=True)
class JournalOptions:
    """What a run keeps, and where.

    Attributes:
        path: of the file; made if there is none.
        resume: whether rows that succeeded in an earlier run of the same flow are not run again;
            "anyway": also if the flow has changed since.
        full: whether each write waits until the disk has it, so that it outlives a loss of power.
        secrets: whether secrets are written as they are.
    """

    path: Any
    resume: Any = False
    full: bool = False
    secrets: bool = False

    def __post_init__(self) -> None:
        if self.resume not in (True, False, "anyway"):
            raise JournalError(
                f"resume is {found(self.resume)}. Write resume=True, or resume='anyway' if the flow "
                "has changed."
            )


class Recording:
    """Writes one run down, on the run's loop.

    Raises:
        JournalError: the journal cannot be written, or the flow is another one than that to resume.
    """

    def __init__(
        self,
        options: JournalOptions,
        flow: Any,
        records: Records,
        loop: asyncio.AbstractEventLoop,
        *,
        kept_to: Mapping[str, Any],
    ) -> None:
        self.options = options
        self.id = uuid.uuid4().hex
        self.said: list[str] = []
        """What the user is to know: values that could not be written, and what follows."""
        self._records = records
        self._loop = loop
        self._sent = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._past: dict[str, list[tuple[int, str, int]]] = {}
        self._reader: sqlite3.Connection | None = None
        parts = parts_of(flow)
        # Opened and looked through here and now: what is wrong with it keeps the run from starting.
        with contextlib.closing(open_file(options.path, write=True)) as connection:
            self._key = key_of(connection)
            if options.resume:
                self._find_past(connection, type(flow).__name__, parts)
        if self._past:
            self._reader = open_file(options.path, write=False)
        self._writer = self._new_writer()
        self._put(
            "INSERT INTO runs (id, flow, fingerprint, sources, options, began, status)"
            " VALUES (?, ?, ?, ?, ?, ?, 'running')",
            self.id,
            type(flow).__name__,
            fingerprint(parts),
            json.dumps({"parts": parts, "needs": needs_of(kinds_of(flow))}),
            json.dumps(dict(kept_to), default=str),
            time.time(),
        )

    @property
    def trouble(self) -> str:
        """Why nothing can be written at the moment; empty if all is well."""
        return self._writer.trouble

    @property
    def lost(self) -> int:
        """How much could not be written before the end: so many instances run again on resuming."""
        return self._writer.lost

    @property
    def why_lost(self) -> str:
        """Why that could not be written."""
        return self._writer.reason

    # Writing

    def _new_writer(self) -> Writer:
        self._sent = 0
        return Writer(self.options.path, full=self.options.full, told=self._told)

    def _put(self, sql: str, *values: Any) -> None:
        self._sent += 1
        self._writer.put(sql, *values)

    def note(self, index: int) -> None:
        """Write down how an instance has ended."""
        each = Instance(self._records, index)
        params = each.params
        key = key_of_params(self._key, params)
        secrets = None if self.options.secrets else secrets_of(params)
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
        shown = frozenset() if secrets is None else secrets
        self._put(
            "INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.id,
            index,
            key or "",
            self._written(params, secrets)[0],
            str(each.status),
            each.attempts,
            each.started,
            each.ended,
            self._copies(each, secrets),
            result,
            unwritten,
            None
            if error is None
            else encoded(
                {
                    "type": type(error).__name__,
                    "text": _text(error)[:10_000],
                    "traceback": traceback_text(error, shown),
                },
                secrets,
            ),
            encoded(each.output[-_OUTPUT:], secrets),
            writes,
            None if restored is None else json.dumps([restored.run, restored.position]),
        )
        if key is None:
            self._say(
                "Some params have no form in a journal: resuming cannot recognise their rows, and "
                "runs them again."
            )

    def _copies(self, each: Instance, secrets: Any) -> str:
        params = each.params
        return json.dumps(
            [
                [
                    copy.node,
                    copy.parent,
                    copy.started,
                    copy.ended,
                    self._written(copy.action, secrets)[0],
                    None if copy.error is None else type(copy.error).__name__,
                    None if copy.params == params else self._written(copy.params, secrets)[0],
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

    async def settled(self) -> None:
        """Wait until all that was noted is on disk, or cannot be written for now."""
        while self._writer.written < self._sent and not self._writer.trouble:
            future = self._loop.create_future()
            self._waiters.append(future)
            # Once more: it may have been written while the waiter was being put in.
            if self._writer.written >= self._sent or self._writer.trouble:
                self._wake()
            await future

    def _told(self) -> None:
        # In the writer's thread.
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for each in waiters:
            if not each.done():
                each.set_result(None)

    def reopen(self) -> None:
        """Go on writing: the run has been taken up again."""
        self._writer = self._new_writer()
        self._put("UPDATE runs SET status = 'running' WHERE id = ?", self.id)

    def ended(self, status: str, seconds: float, retunes: list[Retune]) -> None:
        """Write down how the run has ended."""
        self._put(
            "UPDATE runs SET status = ?, seconds = ?, total = ?, retunes = ? WHERE id = ?",
            status,
            seconds,
            self._records.total,
            json.dumps(retunes),
            self.id,
        )

    def close(self) -> None:
        """Write what is left and let the file go."""
        self._writer.end()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def join(self, timeout: float | None = None) -> None:
        """Wait, after the end, until all is written or given up."""
        self._writer.join(timeout)

    # Resuming

    def _find_past(self, connection: sqlite3.Connection, name: str, parts: list[Part]) -> None:
        """Note which rows have succeeded, of all runs of this flow in the file."""
        runs = connection.execute(
            "SELECT number, id, fingerprint, sources FROM runs WHERE flow = ? ORDER BY number",
            (name,),
        ).fetchall()
        mark = fingerprint(parts)
        same = [run for run in runs if run[2] == mark or self.options.resume == "anyway"]
        if runs and not same:
            number, _, _, sources = runs[-1]
            changed = differences([Part(*each) for each in json.loads(sources)["parts"]], parts)
            raise JournalError(
                f"{name} is not the flow that run {number} of this journal ran: "
                f"{', '.join(changed) or 'something of it has changed'}. Write resume='anyway' to take "
                "over its results all the same, or leave resume out to run all rows."
            )
        for number, run, _, _ in same:
            for key, position in connection.execute(
                "SELECT key, position FROM instances WHERE run = ? AND status = 'succeeded'"
                " AND key != '' AND result IS NOT NULL AND restored IS NULL",
                (run,),
            ):
                self._past.setdefault(key, []).append((number, run, position))

    def restore(self, index: int) -> Restored | None:
        """Return what an earlier run has left of a row; None: it has to run.

        A row that stands in the batch twice needs two that succeeded.
        """
        if self._reader is None:
            return None
        key = key_of_params(self._key, self._records.merged(index))
        left = self._past.get(key or "")
        while left:
            number, run, position = left.pop()
            row = self._reader.execute(
                "SELECT result, writes FROM instances WHERE run = ? AND position = ?",
                (run, position),
            ).fetchone()
            try:
                restored = Restored(number, position, decoded(row[0]), row[1] and decoded(row[1]))
            except JournalError as error:
                self._say(f"Row {position} of run {number} cannot be restored: {error}")
                continue
            return restored
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - somebody's __str__
        return "(its message cannot be shown)"


def options_kept(options: Options) -> dict[str, Any]:
    """Return the options of a run as the journal keeps them: those that `batchflow` takes."""
    budget, retries = options.max_errors, options.retries
    return {
        "limit": options.limits.concurrency,
        "per_minute": options.limits.per_minute,
        "burst": options.limits.burst,
        "adaptive": None if options.adaptive is None else str(options.adaptive),
        "timeout": options.timeout,
        "max_errors": None
        if budget is None
        else budget.count
        if budget.share is None
        else [budget.share, budget.sample],
        "retries": retries.times,
        "threads": options.threads,
        "isolate": options.sharing.isolate,
        "engine": None if options.engine.name == "local" else options.engine.name,
    }
