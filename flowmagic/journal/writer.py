"""Writes to a journal in a thread of its own, so that a slow disk does not block the loop.

Each transaction writes all statements that wait at that moment. If it fails (the disk is full, or
another kernel has locked the file), the statements are kept and tried again while the run continues.

SQLite writes a transaction to a second file beside the journal, `runs.journal-wal`. A checkpoint copies
it into the journal: after the first transaction, and then every few seconds. What was written since is
kept in memory as well, and written again should that second file be lost.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from ..errors import JournalError
from .database import file_of, open_file, transaction
from .file_watch import FileWatch
from .process import HEARTBEAT, recorded_here
from .statements import Group, rows_in, write_rows

_RETRY_EVERY = 1.0  # seconds
_GIVE_UP_AFTER = 30.0  # seconds after the end of the run
_MOST_IN_TRANSACTION = 2_000  # statements
_CHECKPOINT_AFTER = 4_000_000  # characters, also between two heartbeats
_MOST_KEPT = 64_000_000  # characters, where a reader holds the checkpoint back


def start_thread(act: Callable[[], object]) -> threading.Thread:
    """Start a thread for a journal, which calls `act`.

    Raises:
        JournalError: no thread can be started, as in a browser (Pyodide).
    """
    thread = threading.Thread(target=act, name="flowmagic-journal", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise JournalError(
            f"A journal is written by a thread, and none can be started here ({error}). Leave "
            "journal out."
        ) from None
    return thread


_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


@atexit.register
def _finish_writing() -> None:
    """Delay the end of the process until all is written or given up, and report what was given up.

    Otherwise a script that ends while another process has locked the file would lose instances
    silently.
    """
    writers = list(_writers)
    for writer in writers:
        writer.end()
    for writer in writers:
        writer.join()
        if writer.lost and sys.stderr is not None:
            sys.stderr.write(
                f"flowmagic: {writer.lost} instances are missing in the journal "
                f"{str(writer.path)!r}: {writer.loss_reason}.\n"
            )


class Writer:
    """A thread that writes rows to a journal, in the order in which they were put.

    `put` and `end` may be called from any thread. The attributes are set by the writer's thread.

    Args:
        path: of the journal. It is opened by the constructor, which raises what is wrong with it.
        full: see `open_file`.
        on_progress: called in the writer's thread when rows were written, or could not be.
        run: id of the run whose heartbeat it writes.

    Attributes:
        error: why nothing can be written at the moment; empty if all is well.
        warning: what happened to the file meanwhile; empty if nothing did.
        lost: how many instances were given up.
        loss_reason: why they were given up.
        written: how many rows are on disk, or were given up.
    """

    def __init__(
        self, path: Any, on_progress: Callable[[], None], *, full: bool, run: str = ""
    ) -> None:
        self.path = path
        self._full = full
        self._run_id = run
        self._open()
        self.error = ""
        self.warning = ""
        self.loss_reason = ""
        self.lost = 0
        self.written = 0
        self._on_progress = on_progress
        self._queue: queue.SimpleQueue[list[Group] | None] = queue.SimpleQueue()
        self._unwritten: list[Group] = []
        self._kept: list[Group] = []
        """What was written since the last checkpoint."""
        self._kept_size = 0
        self._left_size = 0
        """What size it had after the last checkpoint, which a reader may have held back."""
        self._not_kept = 0
        """How many ended instances were written since then, and are not kept."""
        self._is_lost = False
        """Whether the -wal was found to be lost, and is not replaced yet."""
        self._checkpoint_at: float | None = None
        """On the clock of `time.monotonic`; None until the first transaction is written."""
        self._ending = threading.Event()
        recorded_here[self] = run
        try:
            self._thread = start_thread(self._run)
        except JournalError:
            del recorded_here[self]
            self.connection.close()
            raise
        _writers.add(self)

    def put(self, groups: list[Group]) -> None:
        """Have rows written."""
        self._queue.put(groups)

    def end(self) -> None:
        """Have the rest written, or given up after a while, and the file closed; returns at once."""
        self._ending.set()
        self._queue.put(None)

    def join(self, timeout: float | None = None) -> None:
        """Wait, after `end`, until that is done; at most `timeout` seconds."""
        self._thread.join(timeout)

    def _open(self) -> None:
        self.connection = open_file(self.path, write=True, full=self._full)
        # Checkpoints are made in `_checkpoint` alone, which looks first at what they would copy.
        self.connection.execute("PRAGMA wal_autocheckpoint=0")
        self._files = FileWatch(file_of(self.path))

    def _run(self) -> None:
        more = True
        while more:
            more = self._write_all(self._collect())
            is_due = self._checkpoint_at is None or time.monotonic() >= self._checkpoint_at
            if is_due or self._kept_size - self._left_size > _CHECKPOINT_AFTER or not more:
                self._checkpoint(is_last=not more)
                more = self._write_all(more)  # what was put back
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        del recorded_here[self]
        self._on_progress()

    def _write_all(self, more: bool) -> bool:  # noqa: FBT001 - what `_collect` returns
        """Write what was collected, however often it takes; return whether there may be more later."""
        while (self._unwritten or self._is_lost) and not self._write():
            if not self._ending.wait(_RETRY_EVERY):
                continue
            while more and (more := self._collect()):
                pass
            self._write_or_give_up()
        return more

    def _write_or_give_up(self) -> None:
        until = time.monotonic() + _GIVE_UP_AFTER
        while not self._write() and time.monotonic() < until:
            time.sleep(_RETRY_EVERY)
        if self.error:
            self.lost += rows_in(self._unwritten, only_ends=True)
            self.loss_reason, self.error = self.error, ""
            self.written += rows_in(self._unwritten)
            self._unwritten = []
            if self._is_lost:
                self._close_without_wal()

    def _close_without_wal(self) -> None:
        """Close the file as it was at its last checkpoint: its lost -wal cannot be replaced."""
        self._is_lost = False  # or the thread would try for ever, and the process never end
        self.lost += self._not_kept
        self._not_kept = 0
        with contextlib.suppress(OSError, JournalError), self._files.set_aside():
            self.connection.close()

    def _collect(self) -> bool:
        """Wait for rows, or until the next checkpoint is due, and take all that are there.

        Returns:
            Whether there may be more later.
        """
        due = self._checkpoint_at
        try:
            groups = self._queue.get(
                timeout=None if due is None else max(0.0, due - time.monotonic())
            )
        except queue.Empty:
            return True
        collected = 0
        while groups is not None:
            self._unwritten += groups
            collected += rows_in(groups)
            if collected >= _MOST_IN_TRANSACTION:
                return True
            try:
                groups = self._queue.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self) -> bool:
        """Write all rows in one transaction; return whether that was possible."""
        try:
            self._files.check()
            if self._is_lost or not self._files.is_intact(thorough=bool(self.error)):
                self._put_back()
                self._replace()
            with transaction(self.connection):
                for group in self._unwritten:
                    write_rows(self.connection, group)
        except Exception as error:  # noqa: BLE001 - no error of the journal stops a run
            self.error = str(error) or type(error).__name__
        else:
            self.written += rows_in(self._unwritten)
            self._keep(self._unwritten)
            self._unwritten = []
            self.error = ""
        self._on_progress()
        return not self.error

    def _keep(self, groups: list[Group]) -> None:
        """Keep what was written until the next checkpoint."""
        self._kept += groups
        self._kept_size += sum(
            len(value) for group in groups for value in group.values if type(value) is str
        )
        if self._kept_size > _MOST_KEPT:
            self._not_kept += rows_in(self._kept, only_ends=True)
            self._forget()

    def _forget(self) -> None:
        self._kept, self._kept_size = [], 0

    def _checkpoint(self, *, is_last: bool) -> None:
        """Have all that was written in the journal itself, with a heartbeat."""
        self._checkpoint_at = time.monotonic() + HEARTBEAT
        with contextlib.suppress(sqlite3.Error, JournalError):  # tried again the next time
            self._files.check()
            # SQLite still has a -wal that was deleted, and the last checkpoint needs no other. The user
            # may be deleting the journal, too.
            if not (self._files.is_intact(thorough=True) or (is_last and not self._files.has_wal)):
                self._put_back()
                return
            self.connection.execute(
                "UPDATE runs SET beat = ? WHERE id = ?", (time.time(), self._run_id)
            )
            busy, frames, copied = self.connection.execute("PRAGMA wal_checkpoint").fetchone()
            if not busy and frames == copied:
                self._forget()
                self._not_kept = 0
        self._left_size = self._kept_size

    def _put_back(self) -> None:
        """Have what was in a lost -wal written again, once that is replaced."""
        self._is_lost = True
        self._unwritten[:0] = self._kept
        self.written -= rows_in(self._kept)
        self._forget()

    def _replace(self) -> None:
        self._files.replace(self.connection)
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        self._open()
        self._is_lost = False
        event = f"{str(self._files.wal)!r} was deleted or overwritten during the run"
        self.warning = f"{event}. What was in it has been written again."
        if self._not_kept:
            self.lost += self._not_kept
            self.loss_reason = event
            self._not_kept = 0
