"""What a run has for its journal, on the way from the loop to the writer's thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from .writer import Given, Statement, Writer


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
