"""Whether the workers and the scheduler are there, as a run learns of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from flowmagic.engines.daskcluster import Connection
from flowmagic.engines.daskwatch import Watch

from ..virtualtime import virtual


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


async def watched(*, lost=False):
    """A watch that has begun, its connection, and what it has told."""
    connection, told = Connection(Client(), "tcp://s:8786", None), []
    watch = Watch(connection, lambda: told.append("looked"), told.append)
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
