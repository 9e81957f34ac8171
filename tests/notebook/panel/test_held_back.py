"""What keeps a run from being faster, in one sentence."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic import named_limits, remove_limit, set_limit
from flowmagic.notebook.panel.header import shown_limits
from flowmagic.notebook.panel.held_back import HoldBack, held_back, waiting_rows
from flowmagic.run.api import start
from flowmagic.run.options import Options

from ...virtualtime import virtual


@pytest.fixture(autouse=True)
def _no_named_limits():
    yield
    for name in named_limits():
        remove_limit(name)


class Ask(AsyncNode):
    """Makes a call under the limit named openai, if there is one, of a second."""

    async def exec_async(self, prepared):
        limit = named_limits().get("openai")
        if limit is None:
            await asyncio.sleep(1)
        else:
            async with limit.call(tokens=100):
                await asyncio.sleep(1)
        if self.params["refused"] and not self.params["seen"].count(1):
            self.params["seen"].append(1)
            raise flowmagic.RateLimitHit("429 Too Many Requests")


class Seen(list):
    """Is the same object in each attempt."""


def running(n=40, refused=(), **options):
    rows = [{"i": i, "refused": i in refused, "seen": Seen()} for i in range(n)]
    # As a cell starts it.
    options = replace(Options.of(**options), capture=True)
    return start(AsyncFlow(start=Ask()), rows, shared=None, options=options)


def text(run):
    return held_back(run, shown_limits())["text"]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"per_minute": 600}, "600 calls a minute"),
        ({"per_minute": 60, "window": 30}, "60 calls in 30 s"),
        ({"concurrency": 5}, "5 calls at once"),
        ({"concurrency": 1}, "1 call at once"),
        ({"tokens_per_minute": 6_000}, "6,000 tokens a minute"),
        ({"tokens_per_minute": 300, "per_minute": 600}, "300 tokens a minute"),
    ],
)
@virtual
async def test_a_named_limit_says_what_its_calls_wait_for(settings, what):
    """And that the limit of the run has nothing to do with it."""
    set_limit("openai").change(**settings)
    run = running(limit=13)
    await asyncio.sleep(2.5)
    found = held_back(run, shown_limits())
    assert found == {
        "text": f"Paced by openai: {what}. A higher limit won't help.",
        "limit": "openai",
    }
    run.cancel()
    await run


@virtual
async def test_a_cool_down_is_what_calls_wait_for():
    """It comes before any number, which is not used up."""
    limit = set_limit("openai", concurrency=5)
    run = running(limit=13)
    await asyncio.sleep(0.5)
    limit._capacity.end_refused(None, limit._clock(), 30.0)
    await asyncio.sleep(1)
    assert text(run) == "Paced by openai: the provider asked to wait. A higher limit won't help."
    run.cancel()
    await run


@virtual
async def test_the_rows_that_wait_at_a_named_limit_are_known():
    """Those of this run only, although the limit is shared; not those that it has let in."""
    set_limit("openai", concurrency=3)
    run = running(limit=6)
    await asyncio.sleep(0.5)
    other = running(limit=2)
    await asyncio.sleep(0.4)
    limits = shown_limits()
    said = "waits at openai: 3 calls at once"
    assert waiting_rows(run, limits) == [{"text": said, "ranges": [3, 5]}]
    assert waiting_rows(other, limits) == [{"text": said, "ranges": [0, 1]}]
    await asyncio.sleep(0.2)
    assert waiting_rows(run, limits) == [{"text": said, "ranges": [6, 8]}]
    for each in (run, other):
        each.cancel()
        await each
    assert waiting_rows(run, limits) == []


@virtual
async def test_the_rows_that_wait_are_looked_for_now_and_then_and_not_after_the_end():
    """A look at each of thousands takes time."""
    set_limit("openai", concurrency=1)
    run, now = running(limit=3), 0.0
    holding = HoldBack(lambda: now, shown_limits)
    assert holding.rows(None) == []
    await asyncio.sleep(0.5)
    first = holding.rows(run)
    assert first[0]["ranges"] == [1, 2]
    await asyncio.sleep(1)
    assert holding.rows(run) == first
    now = 0.3
    assert holding.rows(run)[0]["ranges"] == [2, 3]
    run.cancel()
    await run
    assert holding.rows(run) == []


@virtual
async def test_a_run_that_nothing_holds_back_says_nothing():
    """Its own limit is beside the slider."""
    run = running(limit=2)
    await asyncio.sleep(0.5)
    assert text(run) == ""
    run.cancel()
    await run


@virtual
async def test_the_runs_own_pace_is_named():
    """Where fewer run than the limit allows."""
    run = running(limit=20, per_minute=60)
    await asyncio.sleep(5.5)
    assert text(run) == "Paced by per_minute: 60 starts a minute. A higher limit won't help."
    run.cancel()
    await run


@virtual
async def test_refusals_are_named_with_the_limit_at_which_they_came():
    """Until an adaptive limit is where it was."""
    run = running(100, refused=[9], adaptive="2-10-20")
    await asyncio.sleep(2.5)
    before = max(each.limit for each in run.limit_history)
    assert run.limit < before
    assert text(run) == f"429s since limit {before}: the provider takes no more at once."
    run.limit = before
    assert text(run) == ""
    run.cancel()
    await run


@virtual
async def test_the_sentence_stays_for_a_moment_and_ends_with_the_run():
    """Calls wait now and then; what one cannot read is of no use."""
    limit = set_limit("openai", concurrency=5)
    run, loop = running(limit=13), asyncio.get_running_loop()
    holding = HoldBack(loop.time, shown_limits)
    assert holding.current(None)["text"] == ""
    await asyncio.sleep(0.5)
    sentence = holding.current(run)["text"]
    assert sentence.startswith("Paced by openai")
    limit.concurrency = None
    await asyncio.sleep(1)
    assert text(run) == ""
    assert holding.current(run)["text"] == sentence
    await asyncio.sleep(1.5)
    assert run.ended or holding.current(run)["text"] == ""
    run.pause()
    assert holding.current(run)["text"] == ""
    run.cancel()
    await run
