"""The watch over a cluster while a run is on it: which workers there are, and whether its scheduler is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..errors import EngineError
from .daskcluster import Connection

_WATCH_EVERY = 0.5
"""Seconds between two looks at which workers there are."""

_RPC_TIMEOUT = 5.0


class Watch:
    """Looks whether all is well, until the scheduler is gone.

    Args:
        connection: to the cluster.
        looked: called after each look.
        broke: called with `gone`, once.

    Attributes:
        workers: how many tasks each takes at once, by its address.
        gone: what to raise now that the scheduler is gone; None: it is there, as far as is known.
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
            self._give_up()

    async def _watch(self) -> None:
        client = self._connection.client
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            try:
                self.workers = await asyncio.wait_for(client.nthreads(), _RPC_TIMEOUT)
            except (OSError, asyncio.TimeoutError):
                self._give_up()
                return
            self.check()
            self._looked()

    def _give_up(self) -> None:
        if self._connection.closing or self.gone is not None:
            return
        self.gone = EngineError(
            f"The Dask scheduler at {self._connection.where} is gone. Start it again, and then take "
            "the run up with run.retry_failed()."
        )
        self._broke(self.gone)
