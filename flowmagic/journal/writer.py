"""Writes to a journal in a thread of its own, so that no disk holds up the loop.

What is handed over is written at once, everything that waits in one transaction. Where that fails
(a full disk, another kernel that does not let go) it is kept and tried again; the run goes on.
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
from .database import open_file, watched

_AGAIN = 1.0  # seconds between two attempts
_LAST = 30.0  # seconds for which is tried, after the end, what could not be written before
_TOGETHER = 2_000  # rows of one transaction
_VARIABLES = 900  # of one statement; older SQLites have 999 at most


class Statement(NamedTuple):
    """A piece of SQL that is run for rows of values.

    Attributes:
        head: what stands before the values of all rows; the whole statement if there are no `values`.
        values: place for the values of one row; empty: the statement is for one row alone.
        tail: what follows.
        is_an_end: whether it writes how an instance has ended, which is the loss if it cannot.
    """

    head: str
    values: str = ""
    tail: str = ""
    is_an_end: bool = False

    def sql(self, rows: int) -> str:
        """Return it for so many rows at once."""
        return (
            f"{self.head} {', '.join([self.values] * rows)} {self.tail}"
            if self.values
            else self.head
        )


Given = tuple[Statement, "tuple[Any, ...]"]


def start_thread(act: Callable[[], object]) -> threading.Thread:
    """Start a thread for a journal.

    Raises:
        JournalError: none can be started, as in a browser (pyodide).
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


_all: weakref.WeakSet[Writer] = weakref.WeakSet()


@atexit.register
def _write_what_is_left() -> None:
    """Let the process end only when all is written or given up, and say what was given up.

    A script whose run ended while another process held the file would lose it without a word.
    """
    writers = list(_all)
    for each in writers:
        each.end()
    for each in writers:
        each.join()
        if each.lost and sys.stderr is not None:
            sys.stderr.write(
                f"flowmagic: {each.lost} instances are missing in the journal {str(each.path)!r}: "
                f"{each.reason}.\n"
            )


class Writer:
    """Writes statements, in the order in which they come.

    Args:
        path: of the journal; opened here and now, so that what is wrong with it is told at once.
        full: see `open_file`.
        told: called in the writer's thread whenever more was written, or nothing can be.

    Attributes:
        trouble: why nothing can be written at the moment; empty if all is well.
        lost: how many instances were given up at the end, and `reason`: why.
    """

    def __init__(self, path: Any, told: Callable[[], None], *, full: bool) -> None:
        self.path = path
        self.connection = open_file(path, write=True, full=full)
        self._is_there = watched(path)
        self.trouble = ""
        self.reason = ""
        self.lost = 0
        self.written = 0
        """How many rows are on disk, or were given up."""
        self._told = told
        self._queue: queue.SimpleQueue[list[Given] | None] = queue.SimpleQueue()
        self._held: list[Given] = []
        self._run_end = threading.Event()
        try:
            self._thread = start_thread(self._run)
        except JournalError:
            self.connection.close()
            raise
        _all.add(self)

    def put(self, given: list[Given]) -> None:
        """Have statements written, each for the values of a row."""
        self._queue.put(given)

    def end(self) -> None:
        """Write what is left, try that once more if it cannot be written, and close the file."""
        self._run_end.set()
        self._queue.put(None)

    def join(self, timeout: float | None = None) -> None:
        """Wait until that is done."""
        self._thread.join(timeout)

    def _run(self) -> None:
        more = True
        while more:
            more = self._collect()
            while self._held and not self._write():
                if not self._run_end.wait(_AGAIN):
                    continue
                while more and (more := self._collect()):
                    pass
                self._last_attempts()
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        self._told()

    def _last_attempts(self) -> None:
        """Try a while longer what could not be written when the end came; then give it up."""
        until = time.monotonic() + _LAST
        while not self._write() and time.monotonic() < until:
            time.sleep(_AGAIN)
        self.reason, self.trouble = self.trouble, ""
        self.lost += sum(statement.is_an_end for statement, _ in self._held)
        self.written += len(self._held)
        self._held = []

    def _collect(self) -> bool:
        """Take what has come in, waiting for the first; return whether there may be more."""
        item = self._queue.get()
        while item is not None:
            self._held += item
            if len(self._held) >= _TOGETHER:
                return True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self) -> bool:
        connection = self.connection
        try:
            self._check_place()
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, group in itertools.groupby(self._held, key=_STATEMENT):
                    _write_rows(connection, statement, [values for _, values in group])
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
            self._note(str(error))
            return False
        self.written += len(self._held)
        self._held = []
        self.trouble = ""
        self._told()
        return True

    def _check_place(self) -> None:
        if not self._is_there():
            raise JournalError(
                "the file was deleted or moved while it was written to: put it back, or nothing of "
                "this run is kept"
            )

    def _note(self, trouble: str) -> None:
        self.trouble = trouble
        self._told()


_STATEMENT = operator.itemgetter(0)


def _write_rows(
    connection: sqlite3.Connection, statement: Statement, rows: list[tuple[Any, ...]]
) -> None:
    """Run a statement for many rows in few steps.

    After each step SQLite asks for Python's lock again, and may wait for it while the loop is busy.
    """
    most = max(1, _VARIABLES // len(rows[0])) if statement.values else 1
    at = 0
    while at < len(rows):
        # Powers of two: a handful of statements, which SQLite keeps ready.
        several = 1 << (min(most, len(rows) - at).bit_length() - 1)
        values = [value for row in rows[at : at + several] for value in row]
        connection.execute(statement.sql(several), values)
        at += several


class Outbox:
    """Hands statements over to a writer, once per turn of the loop, and waits for them.

    Args:
        loop: the run's, on which everything here is called.
        open_writer: makes a writer, which is to call what it is given whenever it has written more.

    Attributes:
        writer: the one that writes now.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, open_writer: Callable[[Callable[[], None]], Writer]
    ) -> None:
        self._loop = loop
        self._open_writer = open_writer
        self._together: list[Given] = []
        self._waiters: list[asyncio.Future[None]] = []
        self.open()

    def open(self) -> None:
        """Begin with a writer of its own."""
        self._sent = 0
        self._due = 0
        """How many statements had been sent with the last one that is to be waited for."""
        self.writer = self._open_writer(self._told)

    def put(self, statement: Statement, *values: Any) -> None:
        """Have a statement written that is to be waited for."""
        self.send(statement, *values)
        self._due = self._sent

    def send(self, statement: Statement, *values: Any) -> None:
        """Have a statement written."""
        self._sent += 1
        self._together.append((statement, values))
        if self._loop.is_closed():
            self.flush()
        elif len(self._together) == 1:
            # In one go what comes together in this turn: to wake the writer takes time.
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand over what has come together."""
        together, self._together = self._together, []
        if together:
            self.writer.put(together)

    async def settled(self) -> None:
        """Wait until all that was put before is on disk, or cannot be written for now."""
        due, writer = self._due, self.writer
        while writer.written < due and not writer.trouble:
            future = self._loop.create_future()
            self._waiters.append(future)
            # Once more: it may have been written while the waiter was being put in.
            if writer.written >= due or writer.trouble:
                self._wake()
            await future

    def close(self) -> None:
        """Have what is left written, and the file let go."""
        self.flush()
        self.writer.end()

    def _told(self) -> None:
        # In the writer's thread.
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for each in waiters:
            if not each.done():
                each.set_result(None)
