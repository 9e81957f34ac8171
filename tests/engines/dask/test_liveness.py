"""Whether the workers and the scheduler are there, as a run learns of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from flowmagic.engines.dask.cluster import Connection
from flowmagic.engines.dask.liveness import ClusterMonitor

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


async def watched(*, lost=False, cluster=None):
    """A watch that has begun, its connection, and what it has told."""
    connection, told = Connection(Client(), "tcp://s:8786", cluster), []
    watch = ClusterMonitor(connection, lambda: told.append("looked"), told.append)
    held = SimpleNamespace(lost=lost)
    held.cancelled = lambda: held.lost
    await watch.begin(held)
    return watch, connection, held, told


@virtual
async def test_it_knows_the_workers_of_the_latest_look():
    """From the beginning, and after each look the run is told."""
    watch, connection, _, told = await watched()
    assert watch.workers == {"tcp://a:1": 1}
    connection.client.workers = {"tcp://b:1": 2}
    await asyncio.sleep(1.2)
    assert watch.workers == {"tcp://b:1": 2}
    assert told == ["looked", "looked"]
    await connection.close()


@virtual
async def test_a_scheduler_that_does_not_answer_is_gone_and_that_is_told_once():
    """With what to do about it."""
    watch, connection, _, told = await watched()
    connection.client.silent = True
    await asyncio.sleep(100)
    watch.check()
    assert told == [watch.gone]
    assert "scheduler at tcp://s:8786 is gone. Start it again, and then take" in str(watch.gone)
    await connection.close()


@virtual
async def test_a_scheduler_that_is_silent_once_is_not_gone():
    """A cell may have held up this loop for as long, and the answer may lie there.

    A look begins within half a second, and is given up in five.
    """
    watch, connection, _, told = await watched()
    for _ in range(2):
        connection.client.silent = True
        await asyncio.sleep(5.2)
        connection.client.silent = False
        await asyncio.sleep(5)
    await asyncio.sleep(10)
    assert watch.gone is None
    assert told
    await connection.close()


@virtual
async def test_a_scheduler_that_was_away_for_a_moment_is_gone_too():
    """What it was given is lost, though it answers; nobody need wait for the next look."""
    watch, connection, held, told = await watched()
    held.lost = True
    watch.check()
    watch.check()
    assert told == [watch.gone] != [None]
    await connection.close()


@virtual
async def test_closed_the_watch_ends_and_nothing_is_gone():
    """A client that closes cancels its own futures."""
    watch, connection, held, told = await watched()
    await connection.close()
    held.lost = True
    watch.check()
    await asyncio.sleep(100)
    assert (told, watch.gone) == ([], None)


@virtual
async def test_a_cluster_of_ours_whose_workers_do_not_come_back_is_given_up():
    """It would be waited for without end; a worker that comes back in time changes that."""
    cluster = SimpleNamespace(close=lambda: None)
    watch, connection, _, told = await watched(cluster=cluster)
    connection.client.workers = {}
    await asyncio.sleep(50)
    connection.client.workers = {"tcp://b:1": 1}
    await asyncio.sleep(1)
    connection.client.workers = {}
    await asyncio.sleep(50)
    assert watch.gone is None
    await asyncio.sleep(15)
    assert told[-1] is watch.gone
    assert "The workers died, again and again, and for 60 s there has been none." in str(watch.gone)
    await connection.close()


@virtual
async def test_to_a_cluster_of_somebody_a_worker_may_come_after_hours():
    """From a queue, or from an adaptive cluster."""
    watch, connection, _, _ = await watched()
    connection.client.workers = {}
    await asyncio.sleep(10_000)
    assert watch.gone is None
    await connection.close()
