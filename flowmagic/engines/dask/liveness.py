"""The watch over a cluster while a run is on it: which workers there are, and whether its scheduler is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...errors import EngineError
from .cluster import Connection

_WATCH_EVERY = 0.5
"""Seconds between two looks at which workers there are."""

_RPC_TIMEOUT = 5.0
_MOST_SILENT = 2  # looks in a row that nobody answers

_NO_WORKER = 60.0
"""Seconds without any worker after which a cluster of our own will not have one again."""


class ClusterMonitor:
    """Looks whether all is well, until the scheduler is gone.

    Args:
        connection: to the cluster.
        looked: called after each look.
        broke: called with `gone`, once.

    Attributes:
        workers: how many tasks each takes at once, by its address.
        gone: what to raise now that the scheduler, or all of a cluster of ours, is gone; None: it is
            there, as far as is known.
    """

    def __init__(
        self,
        connection: Connection,
        looked: Callable[[], None],
        broke: Callable[[EngineError], None],
    ) -> None:
        self._connection = connection
        self._looked = looked
        self._broke = broke
        self._held: Any = None
        self.workers: dict[str, int] = {}
        self.gone: EngineError | None = None

    async def begin(self, held: Any) -> None:
        """Look for the first time, and go on until the connection closes.

        Args:
            held: a future that nobody cancels but a client that has lost its scheduler.
        """
        self._held = held
        self.workers = await self._connection.client.nthreads()
        self._connection.start(self._watch())

    def check(self) -> None:
        """Look at once whether the scheduler has been lost, be it for a moment."""
        if self._held.cancelled():
            self._give_up(self._no_scheduler())

    async def _watch(self) -> None:
        client, loop = self._connection.client, asyncio.get_running_loop()
        seen, silent = loop.time(), 0
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            try:
                self.workers = await asyncio.wait_for(client.nthreads(), _RPC_TIMEOUT)
            except asyncio.TimeoutError:  # before OSError, which it is too
                # Once may be ours: a cell that held up this loop, and the answer lies there since.
                silent += 1
                if silent == _MOST_SILENT:
                    self._give_up(self._no_scheduler())
                    return
                continue
            except OSError:
                self._give_up(self._no_scheduler())
                return
            silent = 0
            now = loop.time()
            if self.workers:
                seen = now
            # To a cluster of somebody's a worker may come after hours, from a queue. Ours starts them
            # again by itself, unless they die while they start.
            elif self._connection.own and now - seen > _NO_WORKER:
                self._give_up(
                    f"The workers died, again and again, and for {_NO_WORKER:.0f} s there has been none. "
                    "See what the lost instances do to their processes (memory, os._exit, a crash), and "
                    "then take the run up with run.retry_failed()."
                )
                return
            self.check()
            self._looked()

    def _no_scheduler(self) -> str:
        return (
            f"The Dask scheduler at {self._connection.where} is gone. Start it again, and then take "
            "the run up with run.retry_failed()."
        )

    def _give_up(self, why: str) -> None:
        if self._connection.closing or self.gone is not None:
            return
        self.gone = EngineError(why)
        self._broke(self.gone)
