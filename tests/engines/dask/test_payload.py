"""The payload of a run on the scheduler, and the claims on its chunks."""

from __future__ import annotations

import asyncio
import pickle
import threading
from types import SimpleNamespace

import pytest

from flowmagic.engines.dask import payload
from flowmagic.engines.dask.payload import claim, forget, load, publish


class Scheduler:
    """Keeps metadata as Dask's does, and counts how often it is read."""

    def __init__(self):
        self.kept = {}
        self.reads = 0

    async def get_metadata(self, keys, default=None):
        self.reads += 1
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
    """A worker whose loop runs in a thread, as in Dask."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield SimpleNamespace(
        scheduler=Scheduler(), loop=SimpleNamespace(asyncio_loop=loop), address="tcp://a:1"
    )
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()
    payload._payloads.clear()


def published(worker, key):
    content = pickle.dumps(("flow", {"a": 1}, [int]))
    return asyncio.run(publish(worker.scheduler, key, content))


def test_all_chunks_share_one_payload_and_the_first_one_fetches_it(worker):
    """Until the run has ended and the payload is forgotten."""
    assert published(worker, "run") == "the future run"
    first = load(worker, "run")
    assert first == ("flow", {"a": 1}, [int])
    assert load(worker, "run") is first
    assert worker.scheduler.reads == 1
    forget("run")
    assert load(worker, "run") is not first


def test_only_the_payloads_of_the_latest_runs_are_kept(worker):
    """A worker lives for weeks, and a run that breaks off does not call `forget`."""
    for number in range(30):
        published(worker, f"run {number}")
        load(worker, f"run {number}")
    assert len(payload._payloads) == 8
    assert "run 29" in payload._payloads


def test_a_chunk_may_run_once_and_not_after_its_run(worker):
    """A worker that gets it after another one has died must not run it."""
    assert not claim(worker, "run", 5)
    published(worker, "run")
    assert claim(worker, "run", 5)
    assert not claim(worker, "run", 5)
    assert claim(worker, "run", 6)


async def test_of_two_claims_on_a_chunk_the_later_one_finds_the_earlier_one():
    """Although each reads and writes at once: the earlier one is complete before the later one reads."""
    scheduler = Scheduler()
    scheduler.kept["run"] = {"open": True}
    workers = [SimpleNamespace(scheduler=scheduler, address="tcp://same:1") for _ in range(2)]
    assert await payload._claim(workers[0], "run", 1)
    assert not await payload._claim(workers[1], "run", 1)
