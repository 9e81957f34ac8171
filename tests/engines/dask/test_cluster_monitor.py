"""How a run learns which workers there are, and that its scheduler is gone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from flowmagic.engines.dask.cluster_connection import ClusterConnection
from flowmagic.engines.dask.cluster_monitor import ClusterMonitor

from ...virtualtime import virtual


class Client:
    """Knows its workers until `silent`, and lets itself be closed."""

    def __init__(self):
        self.workers = {"tcp://a:1": 1}
        self.silent = False

    async def nthreads(self):
        if self.silent:
            await asyncio.sleep(1e6)
        return self.workers

    async def close(self):
        pass


async def monitored(*, lost=False, cluster=None):
    """Return a monitor that has started, its connection, its anchor, and its calls."""
    connection, calls = ClusterConnection(Client(), "tcp://s:8786", cluster), []
    monitor = ClusterMonitor(connection, lambda: calls.append("checked"), calls.append)
    anchor = SimpleNamespace(lost=lost)
    anchor.cancelled = lambda: anchor.lost
    await monitor.start(anchor)
    return monitor, connection, anchor, calls


@virtual
async def test_it_knows_the_workers_of_the_latest_check():
    """From the start, and the run is called after each check."""
    monitor, connection, _, calls = await monitored()
    assert monitor.workers == {"tcp://a:1": 1}
    connection.client.workers = {"tcp://b:1": 2}
    await asyncio.sleep(1.2)
    assert monitor.workers == {"tcp://b:1": 2}
    assert calls == ["checked", "checked"]
    await connection.close()


@virtual
async def test_a_scheduler_that_does_not_answer_is_gone_and_the_run_learns_it_once():
    """The message says what to do about it."""
    monitor, connection, _, calls = await monitored()
    connection.client.silent = True
    await asyncio.sleep(100)
    monitor.check_scheduler()
    assert calls == [monitor.failure]
    assert (
        "The Dask scheduler at tcp://s:8786 is gone. Start it again, then write run.retry_failed()."
        in str(monitor.failure)
    )
    await connection.close()


@virtual
async def test_a_scheduler_that_is_silent_once_is_not_gone():
    """A cell may have blocked this loop, so that the answer was not read in time.

    A check begins within half a second, and times out after five.
    """
    monitor, connection, _, calls = await monitored()
    for _ in range(2):
        connection.client.silent = True
        await asyncio.sleep(5.2)
        connection.client.silent = False
        await asyncio.sleep(5)
    await asyncio.sleep(10)
    assert monitor.failure is None
    assert calls
    await connection.close()


@virtual
async def test_a_scheduler_that_was_away_for_a_moment_is_gone_too():
    """It answers again, but the tasks are lost; this is found without waiting for the next check."""
    monitor, connection, anchor, calls = await monitored()
    anchor.lost = True
    monitor.check_scheduler()
    monitor.check_scheduler()
    assert calls == [monitor.failure] != [None]
    await connection.close()


@virtual
async def test_closing_the_connection_ends_the_monitor_without_a_failure():
    """A client that closes cancels its own futures."""
    monitor, connection, anchor, calls = await monitored()
    await connection.close()
    anchor.lost = True
    monitor.check_scheduler()
    await asyncio.sleep(100)
    assert (calls, monitor.failure) == ([], None)


@virtual
async def test_a_cluster_of_its_own_whose_workers_do_not_come_back_is_given_up():
    """Otherwise the run would wait forever; a worker that comes back in time prevents it."""
    cluster = SimpleNamespace(close=lambda: None)
    monitor, connection, _, calls = await monitored(cluster=cluster)
    connection.client.workers = {}
    await asyncio.sleep(50)
    connection.client.workers = {"tcp://b:1": 1}
    await asyncio.sleep(1)
    connection.client.workers = {}
    await asyncio.sleep(50)
    assert monitor.failure is None
    await asyncio.sleep(15)
    assert calls[-1] is monitor.failure
    assert (
        "The workers of this run's cluster keep dying, and for 60 s there has been none. Find out"
        in str(monitor.failure)
    )
    await connection.close()


@virtual
async def test_a_worker_may_join_a_cluster_of_the_user_after_hours():
    """From a queue, or from an adaptive cluster."""
    monitor, connection, _, _ = await monitored()
    connection.client.workers = {}
    await asyncio.sleep(10_000)
    assert monitor.failure is None
    await connection.close()
