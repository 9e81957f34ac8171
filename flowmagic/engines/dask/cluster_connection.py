"""The connection to a Dask cluster: the user's, or one that is started for the run."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from ...errors import EngineError

_CONNECT_TIMEOUT = 10.0  # seconds
_CLOSE_TIMEOUT = 5.0  # seconds


class ClusterConnection:
    """A client of the run's own in the running event loop, and the cluster if it was started for the run.

    The run does not use a client of the user's: that may belong to another loop, and the run's topic
    and futures would be the user's as well.

    Attributes:
        client: an asynchronous `distributed.Client`.
        address: the address of the scheduler.
        closing: whether it is closed or closing.
        owns_cluster: whether the cluster was started for the run.
    """

    def __init__(self, client: Any, address: str, cluster: Any) -> None:
        self.client = client
        self.address = address
        self.closing = False
        self.owns_cluster = cluster is not None
        self._cluster = cluster
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, where: Any) -> ClusterConnection:
        """Connect to an address, a client's cluster or a cluster; None starts a cluster of processes.

        Raises:
            EngineError: no scheduler answers there.
        """
        from distributed import Client

        cluster = await _start_cluster() if where is None else None
        target = where if cluster is None else cluster
        address, security = _address_of(target), getattr(target, "security", None)
        client = None
        try:
            client = Client(
                address,
                asynchronous=True,
                set_as_default=False,
                security=security,
                timeout=_CONNECT_TIMEOUT,
                name="flowmagic",
            )
            await client
        # TypeError: only one side uses TLS. ValueError: an unknown scheme.
        except (OSError, asyncio.TimeoutError, TypeError, ValueError) as error:
            if client is not None:
                with contextlib.suppress(Exception):
                    await client.close()
            if cluster is not None:
                await asyncio.to_thread(cluster.close)
            raise EngineError(_connect_message(address, error)) from error
        return cls(client, address, cluster)

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that needs the connection; closing the connection cancels it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def attempt(self, call: Coroutine[Any, Any, Any], seconds: float) -> None:
        """Await a call so many seconds at most, then cancel it. It may fail: the cluster may be gone."""

        async def suppressed() -> None:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await call

        task = self.start_task(suppressed())
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()

    async def close(self, seconds: float = _CLOSE_TIMEOUT) -> None:
        """Cancel the tasks, then close the client, and the cluster if it was started for the run.

        What has not ended after so many seconds goes on without being awaited: a process that is
        stopped (SIGSTOP, a machine that sleeps) answers nothing.
        """
        loop, closed = asyncio.get_running_loop(), asyncio.Event()
        deadline = loop.time() + seconds
        self.closing = True
        try:
            if tasks := set(self._tasks):
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=seconds)
            await self.attempt(self.client.close(), deadline - loop.time())
        finally:
            self.abandon(lambda: loop.call_soon_threadsafe(closed.set))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(closed.wait(), deadline - loop.time())

    def abandon(self, on_end: Callable[[], object] = lambda: None) -> None:
        """Close the cluster in a thread if it was started for the run; await nothing.

        Args:
            on_end: called when that is done.
        """
        self.closing = True
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            _close_in_thread(cluster, on_end)
        else:
            on_end()


def _connect_message(address: str, error: BaseException) -> str:
    if address.startswith("tls://") and isinstance(error, TypeError):
        return (
            f"The Dask scheduler at {address} needs a client with TLS certificates "
            f'({type(error).__name__}). Write DaskEngine(Client("{address}", '
            "security=Security(tls_ca_file=..., tls_client_cert=..., tls_client_key=..., "
            "require_encryption=True)))."
        )
    return (
        f"No Dask scheduler answers at {address} ({type(error).__name__}). Start one there (dask "
        "scheduler), correct the address (tcp://host:port or tls://host:port), or write "
        'engine="dask" for a cluster on this machine.'
    )


def _address_of(where: Any) -> str:
    if isinstance(where, str):
        return where
    scheduler = getattr(where, "scheduler", None)  # a client has no `scheduler_address`
    address = getattr(where, "scheduler_address", None) or getattr(scheduler, "address", None)
    return str(address)


async def _start_cluster() -> Any:
    from distributed import LocalCluster

    # Made in a thread, its scheduler gets an event loop of its own and does not block this one. One
    # thread per process, since threads that compute in Python would share one core.
    make = functools.partial(
        LocalCluster, threads_per_worker=1, dashboard_address=":0", processes=True
    )
    starting = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_close_when_started)
        raise


def _close_when_started(starting: asyncio.Future[Any]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        _close_in_thread(starting.result())


def _close_in_thread(cluster: Any, on_end: Callable[[], object] = lambda: None) -> None:
    def close() -> None:
        cluster.close()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            on_end()

    # Not a daemon: the interpreter waits for it, or the processes of the cluster would remain.
    threading.Thread(target=close, name="flowmagic-dask-closing").start()
