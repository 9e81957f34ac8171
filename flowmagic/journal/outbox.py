"""Collects what a run has to write, and waits until it is written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from .writer import Item, Statement, Writer


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
        self._send(self._last_items, statement, values)
        self._awaited = self._sent

    def send(self, statement: Statement, *values: Any) -> None:
        """Have a statement written, which `settled` does not wait for."""
        self._send(self._items, statement, values)

    def _send(self, items: list[Item], statement: Statement, values: tuple[Any, ...]) -> None:
        self._sent += 1
        is_first = not (self._items or self._last_items)
        items.append((statement, values))
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

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written that can be written now."""
        return self.writer.written < self._sent and not self.writer.error

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
