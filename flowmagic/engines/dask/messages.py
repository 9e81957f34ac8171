"""The messages of a chunk to its run, by the event topics of its cluster.

One says that it has begun, one that it has ended; between them, others tell what happens as it happens,
every few hundredths of a second at most. Of each instance that has changed, such a message carries its
`daskchanges`, so that it stands for itself.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from typing import Any

from .trace_diff import Changes

MESSAGE_EVERY = 0.01
"""Seconds between two messages of a chunk, at least."""

Part = tuple[int, Changes, list[tuple[str, str]]]
"""What is new of an instance: its ticket, its changes, what it has printed."""

End = tuple[int, bytes]
"""An instance that has ended: its ticket and outcome; empty: that was too large for a message."""


class MessageSender:
    """Sends the messages of a chunk, from its own loop.

    Args:
        worker: on which it runs.
        topic: under which the run hears them.
        run: the name by which the run knows its own.
        chunk: the number of the chunk.
        news: gives what is new since it was last asked.
    """

    def __init__(
        self,
        worker: Any,
        topic: str,
        run: str,
        chunk: int,
        news: Callable[[], tuple[list[Part], list[End]]],
    ) -> None:
        self._worker = worker
        self._topic = topic
        self._from = {"run": run, "chunk": chunk, "worker": worker.address}
        self._news = news
        self._last = 0.0
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Tell that the chunk has begun."""
        self._loop = asyncio.get_running_loop()
        self._send("began", True)

    def soon(self) -> None:
        """Tell what is new as soon as there may be a message again."""
        if self._next is None:
            wait = max(0.0, self._last + MESSAGE_EVERY - time.monotonic())
            self._next = self._loop.call_later(wait, self.flush)

    def flush(self) -> None:
        """Tell what is new at once."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        parts, ends = self._news()
        if parts:
            self._send("parts", pickle.dumps((parts, ends)))
        self._last = time.monotonic()

    def end(self, seconds: float, cpu: float, instances: int, large: list[int]) -> None:
        """Tell that the chunk has ended.

        Args:
            seconds: how long it took.
            cpu: how many of them it computed.
            instances: how many it had.
            large: tickets of those whose outcomes are in the result of the task.
        """
        self._send("ended", (seconds, cpu, instances, large))

    def _send(self, name: str, content: Any) -> None:
        self._worker.log_event(self._topic, {name: content, **self._from, "now": time.monotonic()})


def news_of(message: dict[str, Any]) -> tuple[list[Part], list[End]]:
    """Return what a message of what is new holds, where it has arrived."""
    news: tuple[list[Part], list[End]] = pickle.loads(message["parts"])  # noqa: S301 - of our own worker
    return news
