"""The way to a Dask cluster: an address, somebody's client or cluster, or one of our own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Coroutine
from typing import Any

from ...errors import EngineError

_CONNECTING = 10.0
"""Seconds until a scheduler that does not answer is not there."""

_CLOSING = 10.0


class Connection:
    """A client of our own in the running loop, and the cluster it made if there was none.

    Of our own, whatever was given: a client of the user's may belong to another loop, and what is
    subscribed to or cancelled on it would be the user's.

    Attributes:
        client: an asynchronous `distributed.Client`.
        where: the address of the scheduler.
        closing: whether it is closed, or about to be.
        own: whether the cluster is one of ours.
    """

    def __init__(self, client: Any, where: str, cluster: Any) -> None:
        self.client = client
        self.where = where
        self.closing = False
        self.own = cluster is not None
        self._cluster = cluster
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def to(cls, where: Any) -> Connection:
        """Connect to what a user gave; None starts a cluster of processes on this machine.

        Raises:
            EngineError: nobody answers there.
        """
        from distributed import Client

        cluster = await _own_cluster() if where is None else None
        target = where if cluster is None else cluster
        address, security = _address(target), getattr(target, "security", None)
        client = None
        try:
            client = Client(
                address,
                asynchronous=True,
                set_as_default=False,
                security=security,
                timeout=_CONNECTING,
                name="flowmagic",
            )
            await client
        # The latter two are what comes of TLS on one side only, and of a scheme that there is not.
        except (OSError, asyncio.TimeoutError, TypeError, ValueError) as error:
            if client is not None:
                with contextlib.suppress(Exception):
                    await client.close()
            if cluster is not None:
                await asyncio.to_thread(cluster.close)
            raise EngineError(_not_reached(address, error)) from error
        return cls(client, address, cluster)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin something that needs the connection; it is cancelled when that closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Close the client, and the cluster if it is ours, when all that needs them has ended."""
        self.closing = True
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        cluster, self._cluster = self._cluster, None
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self.client.close(), _CLOSING)
        if cluster is not None:
            await asyncio.to_thread(cluster.close)

    def abandon(self) -> None:
        """See that a cluster of ours ends, where nothing can be awaited any more."""
        self.closing = True
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            threading.Thread(target=cluster.close, name="flowmagic-dask-closing").start()


def _not_reached(address: str, error: BaseException) -> str:
    if address.startswith("tls://") and isinstance(error, TypeError):
        return (
            f"The Dask scheduler at {address} is reached by TLS, for which certificates are needed "
            f"({type(error).__name__}). Hand over a client that has them: "
            f'DaskEngine(Client("{address}", security=Security(tls_ca_file=..., tls_client_cert=..., '
            "tls_client_key=..., require_encryption=True)))."
        )
    return (
        f"No Dask scheduler answers at {address} ({type(error).__name__}). Start one there (dask "
        "scheduler), give its address as it is (tcp:// or tls://), or leave the address out for a "
        'cluster on this machine: engine="dask".'
    )


def _address(where: Any) -> str:
    if isinstance(where, str):
        return where
    scheduler = getattr(where, "scheduler", None)  # of a client
    address = getattr(where, "scheduler_address", None) or getattr(scheduler, "address", None)
    return str(address)


async def _own_cluster() -> Any:
    from distributed import LocalCluster

    # Its scheduler has a loop in a thread of its own, so that it holds up nobody here. One thread to a
    # process: what computes in Python would share one core otherwise.
    make = functools.partial(
        LocalCluster, threads_per_worker=1, dashboard_address=":0", processes=True
    )
    making = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close_made)
        raise


def _close_made(making: asyncio.Future[Any]) -> None:
    if not making.cancelled() and making.exception() is None:
        threading.Thread(target=making.result().close, name="flowmagic-dask-closing").start()
