"""Blocking inside a loop that runs: what pyodide does by itself, and says where it cannot."""

import asyncio
import sys

import nest_asyncio2
import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic


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


def test_in_pyodide_wait_leaves_the_blocking_to_its_loop(monkeypatch):
    """nest-asyncio2 cannot patch that loop, and trips over the tornado that JupyterLite mocks."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setitem(sys.modules, "nest_asyncio2", None)  # importing it fails
    loop = StackSwitching()
    try:
        run = loop.run_until_complete(waited())
    finally:
        loop.close()
    assert run.results == [0, 1, 2]


def test_in_a_browser_that_cannot_block_wait_says_what_to_write(monkeypatch):
    """Pyodide's loop raises a RuntimeError there, and so does asyncio's own."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    with pytest.raises(RuntimeError, match=r"cannot block in this browser .* Write `await run`\."):
        asyncio.run(waited())


@pytest.mark.filterwarnings("error")
def test_in_a_loop_that_cannot_be_patched_wait_says_what_to_write(monkeypatch):
    """As uvloop's; and nothing is left behind that was never awaited."""

    def refuse(loop):
        raise ValueError("Can't patch loop of type Other")

    monkeypatch.setattr(nest_asyncio2, "apply", refuse)
    said = r"wait\(\) cannot block in this event loop \(Can't patch .*\)\. Write `await run`\."
    with pytest.raises(RuntimeError, match=said):
        asyncio.run(waited())
