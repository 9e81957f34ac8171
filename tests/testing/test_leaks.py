"""What a run may leave behind, and what finds it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pocketflow import AsyncNode, Node

import flowmagic
from flowmagic.testing import assert_no_leaks


class Quick(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0)


class Threaded(Node):
    def exec(self, _):
        return threading.get_ident()


async def test_an_ordinary_run_leaves_nothing(tmp_path):
    """With threads, a journal, a timeout and a named limit."""
    flowmagic.set_limit("leaks", concurrency=2)
    flow = Quick()
    flow >> Threaded()
    for node in (Quick(), Threaded()):
        run = await flowmagic.batchflow(
            node, [{}] * 5, limit=2, timeout=30, journal=tmp_path / "runs.journal"
        )
        assert_no_leaks(run)
    flowmagic.remove_limit("leaks")


async def test_a_run_that_has_not_ended_is_refused():
    """Nothing can be said of it."""
    run = flowmagic.batchflow(Quick(), [{}])
    with pytest.raises(AssertionError, match="has not ended"):
        assert_no_leaks(run)
    await run


async def test_a_task_that_a_node_leaves_is_found():
    """By its name."""
    tasks = []

    class Leaves(AsyncNode):
        async def exec_async(self, _):
            tasks.append(asyncio.create_task(asyncio.sleep(100), name="left-alone"))

    run = await flowmagic.batchflow(Leaves(), [{}])
    with pytest.raises(AssertionError, match="left-alone"):
        assert_no_leaks(run)
    assert_no_leaks(run, besides=tasks)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_thread_that_hangs_is_found(monkeypatch):
    """It cannot be ended, but it can be named."""
    monkeypatch.setattr("flowmagic.testing.leaks._WAIT", 0.05)
    released = threading.Event()

    class Hangs(Node):
        def exec(self, _):
            released.wait(30)

    run = await flowmagic.batchflow(Hangs(), [{}], timeout=0.05)
    try:
        with pytest.raises(AssertionError, match="the thread flowmagic-"):
            assert_no_leaks(run)
        assert_no_leaks(run, besides=threading.enumerate())
    finally:
        released.set()
    monkeypatch.undo()
    assert_no_leaks(run)


async def test_a_slot_and_a_timer_that_are_kept_are_found():
    """As after a bug of ours."""
    run = await flowmagic.batchflow(Quick(), [{}])
    limiter, workers = run._lifecycle.parts.limits.limiter, run._lifecycle.parts.workers
    limiter.running += 1
    workers._timeouts[0] = asyncio.get_running_loop().call_later(100, print)
    with pytest.raises(AssertionError, match="1 slots of its limit; 1 timers"):
        assert_no_leaks(run)
    workers._timeouts.pop(0).cancel()
    limiter.running -= 1


async def test_an_open_file_of_the_journal_is_found(tmp_path):
    """Where the system lists open files."""
    path = tmp_path / "runs.journal"
    run = await flowmagic.batchflow(Quick(), [{}], journal=path)
    with path.open("rb"), pytest.raises(AssertionError, match="the open file .*runs.journal"):
        assert_no_leaks(run)
    assert_no_leaks(run)
