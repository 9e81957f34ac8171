"""A function in a worker thread behaves as if its caller ran it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowmagic.flow.threads import run_in_thread

from ..virtualtime import virtual

VARIABLE: contextvars.ContextVar = contextvars.ContextVar("VARIABLE")
FRESH: contextvars.ContextVar = contextvars.ContextVar("FRESH")


@pytest.mark.parametrize("raises", [False, True])
@virtual
async def test_context_variables_travel_into_the_thread_and_back(raises):
    """What was set is seen there, and what is set there is seen after, whether or not it raised."""
    VARIABLE.set("before")

    def function(argument):
        seen.append((argument, VARIABLE.get()))
        VARIABLE.set("after")
        FRESH.set("new")
        if raises:
            raise ValueError("wrong")
        return "result"

    seen: list = []
    with ThreadPoolExecutor(1) as executor:
        if raises:
            with pytest.raises(ValueError, match="wrong"):
                await run_in_thread(executor, function, 3)
        else:
            assert await run_in_thread(executor, function, 3) == "result"
    assert seen == [(3, "before")]
    assert (VARIABLE.get(), FRESH.get()) == ("after", "new")


@virtual
async def test_cancelled_the_thread_finishes_unobserved():
    """Who awaits a thread is let go at once; what the thread sets arrives nowhere."""
    VARIABLE.set("before")
    let_go, done = threading.Event(), threading.Event()

    def function(_):
        let_go.wait(10)
        VARIABLE.set("late")
        done.set()

    with ThreadPoolExecutor(1) as executor:
        task = asyncio.ensure_future(run_in_thread(executor, function, None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not done.is_set()
        let_go.set()
    assert done.is_set()
    assert VARIABLE.get() == "before"
