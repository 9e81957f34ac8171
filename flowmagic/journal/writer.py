"""Writes to a journal in a thread of its own, so that a slow disk does not block the loop.

Each transaction writes all statements that wait at that moment. If it fails (the disk is full, or
another kernel has locked the file), the statements are kept and tried again while the run continues.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import operator
import queue
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import JournalError
from .database import open_file, transaction, watched

_RETRY_EVERY = 1.0  # seconds
_GIVE_UP_AFTER = 30.0  # seconds after the end of the run
_MOST_IN_TRANSACTION = 2_000  # statements
_MOST_VARIABLES = 900  # of one statement; older versions of SQLite allow 999


class Statement(NamedTuple):
    """SQL that is executed for rows of values.

    Attributes:
        head: the SQL before the values; all of it if there are no `values`.
        values: the placeholders of one row, as in "(?, ?)"; empty if each row needs a statement.
        tail: the SQL after the values.
        is_end: whether it writes an instance that has ended: one is lost if it is given up.
    """

    head: str
    values: str = ""
    tail: str = ""
    is_end: bool = False

    def sql(self, rows: int) -> str:
        """Return the SQL for a number of rows."""
        if not self.values:
            return self.head
        return f"{self.head} {', '.join([self.values] * rows)} {self.tail}"


Item = tuple[Statement, "tuple[Any, ...]"]
"""A statement, and the values of one row."""


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
    """A thread that writes statements to a journal, in the order in which they were put.

    `put` and `end` may be called from any thread. The attributes are set by the writer's thread.

    Args:
        path: of the journal. It is opened by the constructor, which raises what is wrong with it.
        full: see `open_file`.
        on_progress: called in the writer's thread when items were written, or could not be.

    Attributes:
        error: why nothing can be written at the moment; empty if all is well.
        lost: how many instances were given up at the end.
        loss_reason: why they were given up.
        written: how many items are on disk, or were given up.
    """

    def __init__(self, path: Any, on_progress: Callable[[], None], *, full: bool) -> None:
        self.path = path
        self.connection = open_file(path, write=True, full=full)
        self._is_at_path = watched(path)
        self.error = ""
        self.loss_reason = ""
        self.lost = 0
        self.written = 0
        self._on_progress = on_progress
        self._queue: queue.SimpleQueue[list[Item] | None] = queue.SimpleQueue()
        self._unwritten: list[Item] = []
        self._ending = threading.Event()
        try:
            self._thread = start_thread(self._run)
        except JournalError:
            self.connection.close()
            raise
        _writers.add(self)

    def put(self, items: list[Item]) -> None:
        """Have items written."""
        self._queue.put(items)

    def end(self) -> None:
        """Have the rest written, or given up after a while, and the file closed; returns at once."""
        self._ending.set()
        self._queue.put(None)

    def join(self, timeout: float | None = None) -> None:
        """Wait, after `end`, until that is done; at most `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        more = True
        while more:
            more = self._collect()
            while self._unwritten and not self._write():
                if not self._ending.wait(_RETRY_EVERY):
                    continue
                while more and (more := self._collect()):
                    pass
                self._write_or_give_up()
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        self._on_progress()

    def _write_or_give_up(self) -> None:
        until = time.monotonic() + _GIVE_UP_AFTER
        while not self._write() and time.monotonic() < until:
            time.sleep(_RETRY_EVERY)
        self.loss_reason, self.error = self.error, ""
        self.lost += sum(statement.is_end for statement, _ in self._unwritten)
        self.written += len(self._unwritten)
        self._unwritten = []

    def _collect(self) -> bool:
        """Wait for items, and take all that are there; return whether there may be more later."""
        items = self._queue.get()
        while items is not None:
            self._unwritten += items
            if len(self._unwritten) >= _MOST_IN_TRANSACTION:
                return True
            try:
                items = self._queue.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self) -> bool:
        """Write all items in one transaction; return whether that was possible."""
        connection = self.connection
        try:
            self._check_path()
            with transaction(connection):
                for statement, group in itertools.groupby(self._unwritten, key=_STATEMENT):
                    _write_rows(connection, statement, [values for _, values in group])
        except Exception as error:  # noqa: BLE001 - no error of the journal stops a run
            self.error = str(error) or type(error).__name__
        else:
            self.written += len(self._unwritten)
            self._unwritten = []
            self.error = ""
        self._on_progress()
        return not self.error

    def _check_path(self) -> None:
        if not self._is_at_path():
            raise JournalError(
                "the file was deleted or moved during the run: put it back, or this run is not kept"
            )


_STATEMENT = operator.itemgetter(0)


def _write_rows(
    connection: sqlite3.Connection, statement: Statement, rows: list[tuple[Any, ...]]
) -> None:
    """Execute a statement for many rows at once.

    Each `execute` has to get Python's lock again, and waits for it while the loop is busy.
    """
    most = max(1, _MOST_VARIABLES // len(rows[0])) if statement.values else 1
    at = 0
    while at < len(rows):
        # A power of two, so that there are few different statements: SQLite caches compiled ones.
        several = 1 << (min(most, len(rows) - at).bit_length() - 1)
        values = [value for row in rows[at : at + several] for value in row]
        connection.execute(statement.sql(several), values)
        at += several


class Outbox:
    """Collects the statements of one turn of the loop, hands them to the writer, and waits for it.

    All calls are made on the run's loop.

    Args:
        open_writer: returns a writer; it is passed what to call when the writer made progress.

    Attributes:
        writer: the current writer; `open` replaces it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, open_writer: Callable[[Callable[[], None]], Writer]
    ) -> None:
        self._loop = loop
        self._open_writer = open_writer
        self._items: list[Item] = []
        self._last_items: list[Item] = []
        self._waiters: list[asyncio.Future[None]] = []
        self.open()

    def open(self) -> None:
        """Start with a new writer."""
        self._sent = 0
        """How many items were sent to this writer."""
        self._awaited = 0
        """How many of them `settled` waits for: up to the last one that was `put`."""
        self.writer = self._open_writer(self._on_progress)

    def put(self, statement: Statement, *values: Any) -> None:
        """Have a statement written, which `settled` waits for."""
        self.send(statement, *values)
        self._awaited = self._sent

    def put_last(self, statement: Statement, *values: Any) -> None:
        """Like `put`, but after all else of this turn of the loop.

        The writer executes equal statements that follow each other at once: two kinds that alternate
        would cost several times as much.
        """
        self._send((statement, values), self._last_items)
        self._awaited = self._sent

    def send(self, statement: Statement, *values: Any) -> None:
        """Have a statement written, which `settled` does not wait for."""
        self._send((statement, values), self._items)

    def _send(self, item: Item, items: list[Item]) -> None:
        self._sent += 1
        is_first = not (self._items or self._last_items)
        items.append(item)
        if self._loop.is_closed():
            self.flush()
        elif is_first:
            # Once per turn of the loop, since each hand-over wakes the writer's thread.
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand the collected statements to the writer now."""
        items, self._items, self._last_items = self._items + self._last_items, [], []
        if items:
            self.writer.put(items)

    async def settled(self) -> None:
        """Wait until all that was put before is on disk, or cannot be written for now."""
        awaited, writer = self._awaited, self.writer
        while writer.written < awaited and not writer.error:
            future = self._loop.create_future()
            self._waiters.append(future)
            # Checked again: the writer may have made progress before the waiter was added.
            if writer.written >= awaited or writer.error:
                self._wake()
            await future

    def close(self) -> None:
        """Hand over the rest, and end the writer."""
        self.flush()
        self.writer.end()

    def _on_progress(self) -> None:
        # Called in the writer's thread.
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
