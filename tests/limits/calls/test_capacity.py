"""What a call limit allows at a moment."""

from __future__ import annotations

import asyncio

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.limits.calls import CallLimit

from ...virtualtime import virtual
from .calltime import VirtualLimit


def test_what_is_not_given_is_kept():
    """A change of one limit leaves the others as they are."""
    limit = CallLimit(concurrency=3, per_minute=60, tokens_per_minute=1000, burst=5, window=30.0)
    limit.change(per_minute=90)
    assert (limit.concurrency, limit.per_minute, limit.tokens_per_minute) == (3, 90, 1000)
    assert (limit._capacity.pace.burst, limit._capacity.pace.window) == (5, 30.0)
    limit.change(burst=9)
    assert (limit._capacity.pace.burst, limit._capacity.token_pace.burst, limit.per_minute) == (
        9,
        9,
        90,
    )


def test_with_an_adaptive_limit_the_concurrency_is_the_one_in_force():
    """Set by hand, it goes on from there; without it, it stays where it had come to."""
    limit = CallLimit(adaptive="2-10-50")
    assert limit.concurrency == 10
    assert limit.adaptive == Adaptive(2, 10, 50)
    limit.concurrency = 60
    assert (limit.concurrency, str(limit.adaptive)) == (60, "2-10-60")
    limit.adaptive = Adaptive(1, 5, 20, backoff=0.9)
    assert limit.concurrency == 20
    with pytest.raises(LimitError, match="concurrency=None, adaptive=None to have neither"):
        limit.concurrency = None
    with pytest.raises(LimitError):
        CallLimit(concurrency=3).change(concurrency=None, adaptive="1-2-3")
    limit.adaptive = None
    assert (limit.concurrency, limit.adaptive) == (20, None)
    limit.adaptive = "1-7-9"
    assert limit.concurrency == 7
    limit.change(concurrency=None, adaptive=None)
    assert (limit.concurrency, limit.adaptive) == (None, None)
    assert CallLimit(adaptive="2-10-50", concurrency=20).concurrency == 20


@virtual
async def test_the_last_minute_is_told_exactly_where_a_pace_counts_it():
    """And by the meter where none does, or where its window is another one."""
    limit = VirtualLimit(per_minute=60, burst=60)
    for _ in range(5):
        async with limit.call(tokens=3):
            await asyncio.sleep(0.3)
    await asyncio.sleep(58.55)
    assert limit.in_last_minute == limit.in_window == 4
    assert limit.tokens_in_last_minute == 3
    limit.per_minute = None
    assert limit.in_window == 0
    limit.window = 1.0
    limit.per_minute = 60
    async with limit.call():
        await asyncio.sleep(2.0)
    assert (limit.in_window, limit.in_last_minute) == (0, 1)


@virtual
async def test_a_pace_that_is_set_live_counts_from_the_last_call():
    """Neither a burst at once nor a minute of silence."""
    limit = VirtualLimit()
    async with limit.call():
        pass
    limit.per_minute = 60
    calls = await asyncio.gather(*(limit.call().__aenter__() for _ in range(3)))
    assert [call.began for call in calls] == [1001.0, 1002.0, 1003.0]
