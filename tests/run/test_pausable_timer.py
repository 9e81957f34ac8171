"""A timer that can be paused."""

from __future__ import annotations

import asyncio

from flowmagic.run.pausable_timer import PausableTimer

from ..virtualtime import virtual


@virtual
async def test_the_time_of_pauses_does_not_count():
    """After each of them the clock goes on with what was left."""
    loop = asyncio.get_running_loop()
    began, called = loop.time(), []
    timer = PausableTimer(loop, 5, called.append, "late")
    for _ in range(2):
        await asyncio.sleep(2)
        timer.pause()
        timer.pause()
        await asyncio.sleep(100)
        timer.resume()
        timer.resume()
    await asyncio.sleep(0.75)
    assert called == []
    await asyncio.sleep(0.5)
    assert called == ["late"]
    assert loop.time() == began + 205.25


@virtual
async def test_a_cancelled_timer_never_calls():
    """Whether its clock runs or is paused; and it leaves no timer in the loop."""
    loop = asyncio.get_running_loop()
    called: list = []
    runs, paused = (PausableTimer(loop, 5, called.append, "late") for _ in range(2))
    paused.pause()
    runs.cancel()
    paused.cancel()
    await asyncio.sleep(100)
    assert called == []
    assert not loop._scheduled
