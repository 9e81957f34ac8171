"""A provider whose limits and faults are known."""

from __future__ import annotations

import asyncio
import random
import statistics

import pytest

import flowmagic
from flowmagic.limits.refusals import RefusalKind, classify_refusal
from flowmagic.testing import FakeProvider, Fault, ProviderError, heavy_tailed, virtual


async def outcomes(provider, prompts):
    """Call with all prompts at once; return answers and errors."""
    return await asyncio.gather(*map(provider.call, prompts), return_exceptions=True)


@virtual
async def test_an_answer_takes_its_time_and_is_logged():
    """By the clock of the loop."""
    provider = FakeProvider(str.upper, latency=2.5)
    assert await provider.call("hi") == "HI"
    (call,) = provider.calls
    assert (call.number, call.prompt, call.ended - call.began, call.outcome) == (
        0,
        "hi",
        2.5,
        "answered",
    )
    assert (provider.peak, provider.at_work) == (1, 0)


@virtual
async def test_it_refuses_more_calls_at_once_than_it_takes():
    """As a run understands it: slow down, and for how long."""
    provider = FakeProvider(latency=1, at_once=2)
    *answers, error = await outcomes(provider, "abc")
    assert answers == ["a", "b"]
    assert error.status_code == 429
    refusal = classify_refusal(error)
    assert (refusal.kind, refusal.retry_after) == (RefusalKind.RATE_LIMIT, 1.0)
    assert provider.counts == {"answered": 2, "rate limit": 1}


@virtual
async def test_it_asks_to_wait_as_long_as_it_is_told():
    """Where it has no window that ends."""
    provider = FakeProvider(latency=1, at_once=1, retry_after=0.3, faults={1: Fault.RATE_LIMIT})
    await provider.call("a")
    for error in await outcomes(provider, "bc"):  # the fault, and one too many
        assert classify_refusal(error).retry_after == 0.3


@virtual
async def test_it_takes_so_many_calls_and_tokens_a_minute():
    """Within any 60 seconds, not by the minute of a clock; it says when the next one may come."""
    provider = FakeProvider(per_minute=2)
    await provider.call("a")
    await asyncio.sleep(40)
    await provider.call("b")
    with pytest.raises(ProviderError) as caught:
        await provider.call("c")
    assert classify_refusal(caught.value).retry_after == 20
    await asyncio.sleep(20)
    await provider.call("c")
    provider = FakeProvider(tokens_per_minute=100)
    await provider.call("x" * 160)  # 40 tokens, and as many in the answer
    with pytest.raises(ProviderError):
        await provider.call("x" * 160)
    await asyncio.sleep(60)
    await provider.call("x" * 800)  # too many even alone: it is taken all the same


@virtual
async def test_a_used_up_quota_does_not_come_back():
    """A run stops there."""
    provider = FakeProvider(quota=1)
    _, error = await outcomes(provider, "ab")
    assert classify_refusal(error).kind is RefusalKind.QUOTA
    assert provider.counts == {"answered": 1, "quota": 1}


KINDS = [
    (Fault.RATE_LIMIT, 429, RefusalKind.RATE_LIMIT, 1.0),
    (Fault.RATE_LIMIT_WITHOUT_WAIT, 429, RefusalKind.RATE_LIMIT, None),
    (Fault.OVERLOADED, 503, RefusalKind.RATE_LIMIT, None),
]


@pytest.mark.parametrize(("fault", "status", "kind", "wait"), KINDS)
@virtual
async def test_a_fault_is_what_a_client_library_raises(fault, status, kind, wait):
    """By the number of the call, or by a function of it."""
    for faults in ({1: fault}, lambda number: fault if number == 1 else None):
        provider = FakeProvider(faults=faults)
        answer, error = await outcomes(provider, "ab")
        assert (answer, error.status_code) == ("a", status)
        refusal = classify_refusal(error)
        assert (refusal.kind, refusal.retry_after) == (kind, wait)


@virtual
async def test_it_hangs_breaks_off_and_fails():
    """In the ways in which providers do."""
    provider = FakeProvider(faults={0: Fault.HANG, 1: Fault.BROKEN, 2: Fault.SERVER_ERROR})
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(provider.call("long question"), 1e6)
    with pytest.raises(ValueError, match="breaks off: 'long q'"):
        await provider.call("long question")
    with pytest.raises(ProviderError, match="server error"):
        await provider.call("")
    assert provider.counts == {"cancelled": 1, "broken": 1, "server error": 1}
    assert provider.at_work == 0


def test_heavy_tailed_latencies_are_drawn_alike_for_one_seed():
    """The median is as asked for, and a few are many times as long."""
    draw, chance = heavy_tailed(0.5), random.Random(1)
    drawn = [draw(chance) for _ in range(2_000)]
    assert 0.4 < statistics.median(drawn) < 0.6
    assert max(drawn) > 5
    again = random.Random(1)
    assert drawn[:10] == [draw(again) for _ in range(10)]


@virtual
async def test_ten_minutes_of_rate_limits_pass_in_no_time():
    """A whole run against a minute's limit of 60 calls: 600 calls take nine minutes."""
    from pocketflow import AsyncNode

    provider = FakeProvider(str.upper, latency=heavy_tailed(0.5), per_minute=60)

    class Ask(AsyncNode):
        async def exec_async(self, _):
            return await provider.call(self.params["q"])

    rows = [{"q": f"q{n}"} for n in range(600)]
    run = await flowmagic.batchflow(Ask(), rows, adaptive="1-10-50", retries=3)
    assert run.outputs == [f"Q{n}" for n in range(600)]
    assert 9 * 60 <= run.elapsed < 15 * 60
    assert provider.counts["answered"] == 600


def test_in_a_thread_it_takes_real_time():
    """For sync nodes."""
    provider = FakeProvider(str.upper, latency=0.001, faults={1: Fault.SERVER_ERROR})
    assert provider.call_sync("hi") == "HI"
    with pytest.raises(ProviderError):
        provider.call_sync("hi")
    assert provider.calls[0].ended - provider.calls[0].began >= 0.001
