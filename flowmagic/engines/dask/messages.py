"""The messages of a chunk to its run, sent as events of the Dask scheduler.

The first one says that the chunk has begun, the last one that it has ended. Those between carry updates
of the instances that changed.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .trace_diff import TraceDiff

MESSAGE_INTERVAL = 0.01
"""The least number of seconds between two messages with updates of one chunk."""


class InstanceUpdate(NamedTuple):
    """What has changed in an instance since the previous update.

    Attributes:
        id: the id of the `RemoteInstance`.
        diff: the changes in its trace.
        printed: what it has printed: names of streams, and texts.
    """

    id: int
    diff: TraceDiff
    printed: list[tuple[str, str]]


class InstanceEnd(NamedTuple):
    """An instance that has ended.

    Attributes:
        id: the id of the `RemoteInstance`.
        outcome: what `dump_outcome` returned; empty if that is too large for a message.
    """

    id: int
    outcome: bytes


class MessageSender:
    """Sends the messages of a chunk, from the event loop of the chunk.

    Args:
        worker: the worker that runs the chunk.
        topic: the topic that the process of the run subscribes to.
        run: the id of the run.
        chunk: the number of the chunk.
        collect: returns the updates and the ends since its previous call.
    """

    def __init__(
        self,
        worker: Any,
        topic: str,
        run: str,
        chunk: int,
        collect: Callable[[], tuple[list[InstanceUpdate], list[InstanceEnd]]],
    ) -> None:
        self._worker = worker
        self._topic = topic
        self._origin = {"run": run, "chunk": chunk, "worker": worker.address}
        self._collect = collect
        self._last = 0.0
        self._next: asyncio.TimerHandle | None = None

    def send_start(self) -> None:
        """Send the message that the chunk has begun."""
        self._loop = asyncio.get_running_loop()
        self._send("began", True)

    def schedule(self) -> None:
        """Send the updates as soon as `MESSAGE_INTERVAL` allows it."""
        if self._next is None:
            wait = max(0.0, self._last + MESSAGE_INTERVAL - time.monotonic())
            self._next = self._loop.call_later(wait, self.flush)

    def flush(self) -> None:
        """Send the updates at once, if there are any."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        updates, ends = self._collect()
        if updates:
            self._send("updates", pickle.dumps((updates, ends)))
        self._last = time.monotonic()

    def send_end(self, seconds: float, cpu: float, instances: int, *, has_large: bool) -> None:
        """Send the message that the chunk has ended.

        Args:
            seconds: how long it took.
            cpu: its CPU time, in seconds.
            instances: the number of its instances.
            has_large: whether the result of the task holds outcomes that were too large for a message.
        """
        self._send("ended", (seconds, cpu, instances, has_large))

    def _send(self, name: str, content: Any) -> None:
        message = {name: content, **self._origin, "now": time.monotonic()}
        self._worker.log_event(self._topic, message)


def updates_in(message: dict[str, Any]) -> tuple[list[InstanceUpdate], list[InstanceEnd]]:
    """Return the updates and the ends in a message that has arrived."""
    content: tuple[list[InstanceUpdate], list[InstanceEnd]] = pickle.loads(message["updates"])  # noqa: S301 - sent by a worker of the run
    return content
