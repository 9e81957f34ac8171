"""Watches the cluster of a run: which workers there are, and whether the scheduler is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...errors import EngineError
from .cluster_connection import ClusterConnection

_CHECK_INTERVAL = 0.5  # seconds
_RPC_TIMEOUT = 5.0  # seconds
# A single one may be this process's fault: a cell that blocks the event loop delays the answer.
_MAX_TIMEOUTS = 2
_MAX_WITHOUT_WORKER = 60.0
"""Seconds without any worker after which a cluster of the run's own is given up."""


class ClusterMonitor:
    """Checks the workers and the scheduler at intervals, until the cluster is lost.

    Args:
        connection: the connection to the cluster.
        on_check: called after each check.
        on_loss: called with `failure`, once.

    Attributes:
        workers: the number of threads of each worker, by address.
        failure: the error to raise once the cluster is lost; None before that.
    """

    def __init__(
        self,
        connection: ClusterConnection,
        on_check: Callable[[], None],
        on_loss: Callable[[EngineError], None],
    ) -> None:
        self._connection = connection
        self._on_check = on_check
        self._on_loss = on_loss
        self._anchor: Any = None
        self.workers: dict[str, int] = {}
        self.failure: EngineError | None = None

    async def start(self, anchor: Any) -> None:
        """Check the workers, and start the checks that go on until the connection closes.

        Args:
            anchor: a future that the client cancels when it loses the scheduler.
        """
        self._anchor = anchor
        self.workers = await self._connection.client.nthreads()
        self._connection.start_task(self._run())

    def check_scheduler(self) -> None:
        """Check at once whether the client has lost the scheduler, even if only for a moment."""
        if self._anchor.cancelled():
            self._fail(self._no_scheduler())

    async def _run(self) -> None:
        client, loop = self._connection.client, asyncio.get_running_loop()
        last_seen, timeouts = loop.time(), 0
        while self.failure is None:
            await asyncio.sleep(_CHECK_INTERVAL)
            try:
                self.workers = await asyncio.wait_for(client.nthreads(), _RPC_TIMEOUT)
            except asyncio.TimeoutError:  # first, since it is a subclass of OSError
                timeouts += 1
                if timeouts == _MAX_TIMEOUTS:
                    self._fail(self._no_scheduler())
                continue
            except OSError:
                self._fail(self._no_scheduler())
                continue
            timeouts = 0
            if self.workers:
                last_seen = loop.time()
            # A worker may join a user's cluster after hours, from a queue. A cluster of the run's own
            # restarts its workers, unless they die while they start.
            elif self._connection.owns_cluster and loop.time() - last_seen > _MAX_WITHOUT_WORKER:
                self._fail(
                    "The workers of this run's cluster keep dying, and for "
                    f"{_MAX_WITHOUT_WORKER:.0f} s there has been none. Find out what the lost "
                    "instances do to their processes (memory, os._exit, a crash), then write "
                    "run.retry_failed()."
                )
                continue
            self.check_scheduler()
            self._on_check()

    def _no_scheduler(self) -> str:
        return (
            f"The Dask scheduler at {self._connection.address} is gone. Start it again, then write "
            "run.retry_failed()."
        )

    def _fail(self, text: str) -> None:
        if self._connection.closing or self.failure is not None:
            return
        self.failure = EngineError(text)
        self._on_loss(self.failure)
