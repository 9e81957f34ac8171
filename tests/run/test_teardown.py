"""What a run closes and writes when its instances have ended."""

from __future__ import annotations

import asyncio

import pytest

from flowmagic import batchflow

from ..virtualtime import virtual
from .sleepers import Sleeper


@virtual
async def test_an_error_in_closing_the_source_surfaces():
    """A `finally` that raises is the user's error."""

    def source():
        try:
            yield {"i": 0}
            yield {"i": 1}
        finally:
            raise OSError("disk")

    run = batchflow(Sleeper(), source(), limit=1)
    await asyncio.sleep(0.5)
    run.stop()
    with pytest.raises(OSError, match="disk"):
        await run
    assert run.status == "failed"


@virtual
async def test_cancel_reaches_a_source_that_closes_slowly():
    """A second cancel, or a retry, while the source closes: the run ends, and nothing is lost."""

    async def source():
        try:
            yield {"i": 0}
            yield {"i": 1}
        finally:
            await asyncio.sleep(50)

    node = Sleeper(failing=[0])
    run = batchflow(node, source(), limit=1)
    await asyncio.sleep(0.5)
    run.stop()
    await asyncio.sleep(1)
    run.cancel()
    await run
    assert run.status == "cancelled"
    assert asyncio.get_running_loop().time() < 1002
