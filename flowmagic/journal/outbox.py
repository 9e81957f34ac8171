"""Collects what a run has to write, and waits until it is written."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from .statements import Group, Statement
from .writer import Writer

_Growing = tuple[Statement, "list[Any]"]
"""A group to which rows are added."""


class Outbox:
    """Collects the rows of one turn of the loop, hands them to the writer, and waits for it.

    All calls are made on the run's loop.

    Args:
        open_writer: returns a writer; it is passed what to call when the writer made progress.

    Attributes:
        writers: all writers so far; the last one is the current `writer`.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, open_writer: Callable[[Callable[[], None]], Writer]
    ) -> None:
        self._loop = loop
        self._open_writer = open_writer
        self.writers: list[Writer] = []
        self._groups: list[_Growing] = []
        self._last_groups: list[_Growing] = []
        self._is_scheduled = False
        """Whether `flush` is called in this turn of the loop."""
        self._waiters: deque[tuple[Writer, int, asyncio.Future[None]]] = deque()
        """Each with its writer, and how many rows that has to write first."""
        self.open()

    def open(self) -> None:
        """Start with a new writer."""
        self._sent = 0
        """How many rows were sent to this writer."""
        self._awaited = 0
        """How many of them `settled` waits for: up to the last one that was `put`."""
        self.writers.append(self._open_writer(self._on_progress))

    @property
    def writer(self) -> Writer:
        """The current writer."""
        return self.writers[-1]

    def put(self, statement: Statement, *values: Any) -> None:
        """Have a row written, which `settled` waits for."""
        self._send(self._groups, statement, values)
        self._awaited = self._sent

    def put_last(self, statement: Statement, *values: Any) -> None:
        """Like `put`, but after all else of this turn of the loop.

        The writer executes a statement at once for all rows that follow each other: two statements that
        alternate would cost several times as much.
        """
        self._send(self._last_groups, statement, values)
        self._awaited = self._sent

    def send(self, statement: Statement, *values: Any) -> None:
        """Have a row written, which `settled` does not wait for."""
        self._send(self._groups, statement, values)

    def _send(self, groups: list[_Growing], statement: Statement, values: tuple[Any, ...]) -> None:
        if groups and groups[-1][0] is statement and statement.values:
            groups[-1][1].extend(values)
        else:
            groups.append((statement, list(values)))
        self._sent += 1
        if self._loop.is_closed():
            self.flush()
        elif not self._is_scheduled:
            # Once per turn of the loop, since each hand-over wakes the writer's thread.
            self._is_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand the collected rows to the writer now."""
        self._is_scheduled = False
        groups, self._groups, self._last_groups = self._groups + self._last_groups, [], []
        if groups:
            self.writer.put([Group(statement, tuple(values)) for statement, values in groups])

    @property
    def is_behind(self) -> bool:
        """Whether something can be written now and is not, or whoever waits for it is not awake yet."""
        return bool(self._waiters) or (self.writer.written < self._sent and not self.writer.error)

    def settled(self) -> asyncio.Future[None]:
        """Return a future that is done when all that was put before is on disk, or cannot be for now."""
        future = self._loop.create_future()
        self._waiters.append((self.writer, self._awaited, future))
        self._wake()
        return future

    def close(self) -> None:
        """Hand over the rest, and end the writer."""
        self.flush()
        self.writer.end()

    def _on_progress(self) -> None:
        # Called in the writer's thread.
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # In their order, and not those whose rows are still to be written: with many running instances,
        # most of them are.
        while self._waiters:
            writer, awaited, future = self._waiters[0]
            if writer.written < awaited and not writer.error:
                break
            self._waiters.popleft()
            if not future.done():
                future.set_result(None)
