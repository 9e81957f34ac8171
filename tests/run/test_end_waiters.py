"""Who waits for an end, wherever they are. (That a run lets them go: test_batchrun.)"""

from __future__ import annotations

import asyncio
import sys
import threading

import nest_asyncio2
import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.run.end_waiters import Waiters, running_loop

from ..virtualtime import virtual


def begun(waiter):
    """Start a thread, and return it when it waits."""
    thread = threading.Thread(target=waiter, daemon=True)
    thread.start()
    return thread


@virtual
async def test_tasks_wait_until_the_end_and_not_at_all_after_it():
    """None continues before the end."""
    waiters = Waiters(asyncio.get_running_loop())
    tasks = [asyncio.ensure_future(waiters.settled()) for _ in range(3)]
    await asyncio.sleep(1)
    assert not any(task.done() for task in tasks)
    waiters.release()
    await asyncio.gather(*tasks)
    await waiters.settled()
    waiters.block(0)


@virtual
async def test_after_the_run_continues_tasks_wait_for_its_next_end():
    """Also a task that began to wait just before it turned out that nothing was left to continue."""
    waiters = Waiters(asyncio.get_running_loop())
    waiters.release()
    waiters.hold()
    waiting = asyncio.ensure_future(waiters.settled())
    await asyncio.sleep(1)
    assert not waiting.done()
    waiters.release()
    await waiting


@virtual
async def test_a_future_of_the_end_can_be_ended_by_something_else():
    """It is forgotten when its block is left, and done at once if the run has ended."""
    waiters = Waiters(asyncio.get_running_loop())
    with waiters.future() as end:
        asyncio.get_running_loop().call_later(1, end.set_result, None)
        await end
        waiters.release()
        await asyncio.sleep(0)
    assert waiters.ended
    with waiters.future() as end:
        assert end.done()
    waiters.hold()
    assert not waiters.ended
    with waiters.future() as end:
        assert not end.done()
    waiters.release()
    await asyncio.sleep(0)
    assert not end.done()


def test_waiters_in_other_loops_and_threads_are_released_too():
    """Each in its own; one whose loop was closed meanwhile delays nobody."""
    ready = threading.Barrier(3)
    gone = []

    def in_a_loop_of_its_own():
        async def wait():
            asyncio.get_running_loop().call_soon(ready.wait)
            await waiters.settled()
            gone.append("loop")

        asyncio.run(wait())

    def blocking():
        ready.wait()
        waiters.block(10)
        gone.append("thread")

    async def main():
        threads = [begun(in_a_loop_of_its_own), begun(blocking)]
        await asyncio.to_thread(ready.wait)
        waiters.release()
        for thread in threads:
            await asyncio.to_thread(thread.join, 10)

    loop, closed = asyncio.new_event_loop(), asyncio.new_event_loop()
    waiters = Waiters(loop)
    left = waiters.settled()
    closed.run_until_complete(_first_step(left))
    closed.close()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert sorted(gone) == ["loop", "thread"]


async def _first_step(coroutine):
    coroutine.send(None)


def test_block_raises_when_the_time_is_over_or_the_end_cannot_come():
    """In plain code, it runs the loop that is not running."""
    loop = asyncio.new_event_loop()
    waiters = Waiters(loop)
    with pytest.raises(TimeoutError, match=r"within 0\.01 seconds"):
        waiters.block(0.01)
    loop.call_soon(waiters.release)
    waiters.block(None)
    waiters.hold()
    loop.close()
    with pytest.raises(RuntimeError, match="closed before the run had ended"):
        waiters.block(None)


@virtual
async def test_the_loop_of_this_thread_is_known():
    """And where none runs, there is none."""
    assert running_loop() is asyncio.get_running_loop()
    found = []
    thread = begun(lambda: found.append(running_loop()))
    thread.join(10)
    assert found == [None]


class Echo(AsyncNode):
    async def post_async(self, shared, *_):
        await asyncio.sleep(0)
        return self.params["n"]


ROWS = [{"n": n} for n in range(3)]


class StackSwitching(asyncio.SelectorEventLoop):
    """Goes on while somebody within it waits, as pyodide's loop does where the browser can."""

    def run_until_complete(self, future):
        if not self.is_running():
            return super().run_until_complete(future)
        task, inner = self.create_task(future), asyncio.current_task()
        asyncio.tasks._leave_task(self, inner)
        while not task.done():
            self._run_once()
        asyncio.tasks._enter_task(self, inner)
        return task.result()


async def waited():
    return flowmagic.batchflow(AsyncFlow(start=Echo()), ROWS).wait()


def test_in_pyodide_the_loop_itself_blocks(monkeypatch):
    """nest-asyncio2 cannot patch that loop, and trips over the tornado that JupyterLite mocks."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setitem(sys.modules, "nest_asyncio2", None)  # importing it fails
    loop = StackSwitching()
    try:
        run = loop.run_until_complete(waited())
    finally:
        loop.close()
    assert run.results == [0, 1, 2]


def test_in_a_browser_that_cannot_block_the_error_says_what_to_write(monkeypatch):
    """Pyodide's loop raises a RuntimeError there, and so does asyncio's own."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    with pytest.raises(RuntimeError, match=r"cannot block in this browser .* Write `await run`\."):
        asyncio.run(waited())


@pytest.mark.filterwarnings("error")
def test_in_a_loop_that_cannot_be_patched_the_error_says_what_to_write(monkeypatch):
    """As in uvloop's; and no coroutine is left behind that was never awaited."""

    def refuse(loop):
        raise ValueError("Can't patch loop of type Other")

    monkeypatch.setattr(nest_asyncio2, "apply", refuse)
    said = r"wait\(\) cannot block in this event loop \(Can't patch .*\)\. Write `await run`\."
    with pytest.raises(RuntimeError, match=said):
        asyncio.run(waited())
