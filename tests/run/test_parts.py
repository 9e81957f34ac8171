"""The parts of a run, made from what it was started with."""

from __future__ import annotations

import asyncio

from pocketflow import AsyncFlow, AsyncNode

import flowmagic

from ..virtualtime import virtual


class Calm(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(0.05)


@virtual
async def test_a_loop_with_a_time_of_its_own_is_not_watched():
    """It is never late."""
    run = flowmagic.batchflow(AsyncFlow(start=Calm()), [{"i": 1}])
    await run
    assert run.holds == []
    assert run._lifecycle.parts.holds is None
