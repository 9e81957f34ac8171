"""Tokens of the calls that some code makes."""

from __future__ import annotations

import asyncio

import flowmagic
from flowmagic.limits.calls.usage import TokenUsage, current_usage


async def test_the_tokens_of_calls_are_counted_in_all_tasks_and_threads_of_the_code():
    """What they report replaces the estimates; calls outside do not count."""
    limit = flowmagic.CallLimit("service", concurrency=9)

    async def ask(tokens):
        async with limit.call(tokens=100) as call:
            await asyncio.sleep(0)
            call.used(tokens)

    def blocking():
        with limit.call(tokens=5):
            pass

    outside = asyncio.create_task(ask(1_000))
    with TokenUsage() as usage:
        await asyncio.gather(ask(1), ask(2), asyncio.to_thread(blocking))
        with TokenUsage() as inner:
            await ask(7)
    await outside
    assert (usage.tokens, inner.tokens) == (8, 7)
    assert current_usage() is None
