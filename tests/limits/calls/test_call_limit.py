"""What a call limit can be set to, and what it tells."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction

import pytest

from flowmagic.errors import LimitError, RateLimitHit
from flowmagic.limits.calls import CallLimit

from ...virtualtime import Spy, virtual
from .calltime import VirtualLimit, check_nothing_left, in_threads


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("concurrency", wrong) for wrong in (0, -1, True, 2.0, "3")]
    + [("per_minute", wrong) for wrong in (0, -1, True, "3", float("inf"), float("nan"))]
    + [("tokens_per_minute", wrong) for wrong in (0, -1, True, "3", float("inf"))]
    + [("adaptive", wrong) for wrong in ("2-1-5", 5, "x", (1, 2))]
    + [("burst", wrong) for wrong in (0, -1, True, 2.0, "3", None)]
    + [("window", wrong) for wrong in (0, -1, True, "3", float("inf"), None)],
)
def test_what_cannot_be_kept_is_refused(name, wrong):
    """When given and when set live: saying what to write, and changing nothing."""
    with pytest.raises(LimitError, match=rf"Write for example {name}="):
        CallLimit(**{name: wrong})
    limit = CallLimit("a", concurrency=3, per_minute=60)
    before = limit.state()
    with pytest.raises(LimitError, match=rf"Write for example {name}="):
        setattr(limit, name, wrong)
    changes = {"concurrency": 4, "per_minute": 30, "burst": 2, name: wrong}
    with pytest.raises(LimitError):
        limit.change(**changes)
    assert limit.state() == before


def test_each_limit_can_be_read_set_and_taken_away():
    """None is no such limit."""
    limit = CallLimit("a")
    for name, value in [("concurrency", 3), ("per_minute", 60), ("tokens_per_minute", 1000)]:
        assert getattr(limit, name) is None
        setattr(limit, name, value)
        assert getattr(limit, name) == value
        setattr(limit, name, None)
        assert getattr(limit, name) is None
    limit.burst = 7
    limit.window = 30
    assert (limit.burst, limit.window) == (7, 30.0)


def test_changed_from_another_thread_it_acts_at_once():
    """On those who wait, in whatever loop or thread they are."""
    limit = CallLimit(concurrency=1)

    async def one():
        async with limit.call():
            if limit.running == 1:
                await asyncio.to_thread(setattr, limit, "concurrency", 3)
            while limit.calls < 3:
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(one(), one(), one())

    in_threads(lambda: asyncio.run(main()))
    check_nothing_left(limit)


@virtual
async def test_all_that_can_be_watched_is_told():
    """As attributes, and as plain values for a page."""
    limit = VirtualLimit("openai", adaptive="1-2-4", per_minute=60, tokens_per_minute=6000, burst=9)
    spy = Spy()

    async def one():
        async with limit.call(tokens=100):
            with spy:
                await asyncio.sleep(10.0)

    tasks = [asyncio.create_task(one()) for _ in range(3)]
    await asyncio.sleep(1.0)
    state = limit.state()
    assert json.loads(json.dumps(state)) == state
    assert state == {
        "name": "openai",
        "concurrency": 2,
        "per_minute": 60,
        "tokens_per_minute": 6000,
        "adaptive": "1-2-4",
        "burst": 9,
        "window": 60.0,
        "running": 2,
        "waiting": 1,
        "calls": 2,
        "in_last_minute": 2,
        "tokens_in_last_minute": 200,
        "refused": 0,
        "cooling": 0.0,
    }
    await asyncio.wait(tasks)
    with pytest.raises(RateLimitHit):
        async with limit.call():
            raise RateLimitHit(retry_after=200.0)
    await asyncio.sleep(100.0)
    state = limit.state()
    watched = ["calls", "in_last_minute", "tokens_in_last_minute", "refused", "cooling"]
    assert [state[name] for name in watched] == [4, 0, 0, 1, 100.0]
    assert json.dumps(CallLimit(per_minute=Fraction(5, 2)).state())


@virtual
async def test_reset_begins_anew():
    """Windows, cool-down, counts and the adaptive limit; those inside stay inside."""
    limit = VirtualLimit(adaptive="1-4-8", per_minute=2, tokens_per_minute=100, burst=2)
    with pytest.raises(RateLimitHit):
        async with limit.call(tokens=90):
            raise RateLimitHit(retry_after=100.0)
    waiting = asyncio.create_task(limit.call(tokens=90).__aenter__())
    await asyncio.sleep(1.0)
    assert limit.concurrency == 2
    limit.reset()
    began = await waiting
    assert began.waited == 1.0
    assert (limit.concurrency, limit.refused, limit.cooling, limit.calls) == (4, 0, 0.0, 1)
    assert (limit.in_last_minute, limit.tokens_in_last_minute, limit.running) == (1, 90, 1)
    CallLimit().reset()


def test_it_says_what_it_is():
    """The name and the limits."""
    assert repr(CallLimit("a", concurrency=3)) == (
        "CallLimit('a', concurrency=3, per_minute=None, tokens_per_minute=None)"
    )


@virtual
async def test_as_text_it_says_how_far_it_is_used():
    """In one line; what has no limit is only counted."""
    limit = VirtualLimit("openai", concurrency=2, tokens_per_minute=10_000)
    async with limit.call(tokens=1_200):
        assert str(limit) == (
            "openai: 1 of 2 running, 0 waiting, 1 calls in the last minute, 1,200 of 10,000 tokens"
        )
    with pytest.raises(RateLimitHit):
        async with limit.call():
            raise RateLimitHit("slow", retry_after=7)
    assert str(limit).endswith("cooling down for 7 s")
    limit.change(tokens_per_minute=None, per_minute=30, window=1.0)
    assert "1 of 30 calls in 1 s" in str(limit)
