"""What the chunks of a run share on a worker is read once, and each chunk begins once."""

from __future__ import annotations

import asyncio
import pickle
import threading
from types import SimpleNamespace

import pytest

from flowmagic.engines import daskpackage
from flowmagic.engines.daskpackage import claim, forget, leave, opened


class Scheduler:
    """Keeps metadata as Dask's does, and counts how often it was asked."""

    def __init__(self):
        self.kept = {}
        self.asked = 0

    async def get_metadata(self, keys, default=None):
        self.asked += 1
        kept = self.kept
        for key in keys:
            kept = kept.get(key, {})
        return kept if kept != {} else default

    async def set_metadata(self, keys, value):
        *path, last = keys
        kept = self.kept
        for key in path:
            kept = kept.setdefault(key, {})
        kept[last] = value

    def submit(self, function, *, key, pure):
        return f"the future {key}"


@pytest.fixture
def worker():
    """One whose loop runs in a thread, as that of a worker does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield SimpleNamespace(
        scheduler=Scheduler(), loop=SimpleNamespace(asyncio_loop=loop), address="tcp://a:1"
    )
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()
    daskpackage._packages.clear()


def left(worker, key):
    content = pickle.dumps(("flow", {"a": 1}, [int]))
    return asyncio.run(leave(worker.scheduler, key, content))


def test_all_chunks_get_the_same_and_the_first_one_fetches_it(worker):
    """Until the run has ended: then it is let go of."""
    assert left(worker, "run") == "the future run"
    first = opened(worker, "run")
    assert first == ("flow", {"a": 1}, [int])
    assert opened(worker, "run") is first
    assert worker.scheduler.asked == 1
    forget("run")
    assert opened(worker, "run") is not first


def test_of_many_runs_only_the_latest_are_kept(worker):
    """A worker lives for weeks; not every run gets to say that it has ended."""
    for number in range(30):
        left(worker, f"run {number}")
        opened(worker, f"run {number}")
    assert len(daskpackage._packages) == 8
    assert "run 29" in daskpackage._packages


def test_a_chunk_may_run_once_and_not_after_its_run(worker):
    """Whoever is given it after a worker has died leaves it alone."""
    assert not claim(worker, "run", 5)
    left(worker, "run")
    assert claim(worker, "run", 5)
    assert not claim(worker, "run", 5)
    assert claim(worker, "run", 6)


async def test_of_two_who_claim_a_chunk_the_later_one_sees_the_earlier_one():
    """Though each asks and claims at once: the earlier one had its answer before the later one asked."""
    scheduler = Scheduler()
    scheduler.kept["run"] = {"open": True}
    workers = [SimpleNamespace(scheduler=scheduler, address="tcp://same:1") for _ in range(2)]
    assert await daskpackage._claim(workers[0], "run", 1)
    assert not await daskpackage._claim(workers[1], "run", 1)
