"""A throttled node whose limit finds its own value."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest
from pocketflow import AsyncParallelBatchFlow

from flowmagic.errors import RateLimitHit
from flowmagic.limits.calls import CallLimit
from flowmagic.throttled.adaptive_node import AdaptiveThrottledNode

from ..virtualtime import Spy, virtual
from .spiednodes import Work, now, run, spied


class Adaptive(Work, AdaptiveThrottledNode):
    initial_concurrent = 4
    recovery_threshold = 3


class Refusing(Adaptive):
    """Refuses as long as more than `allows` are inside, as a provider would."""

    allows = 2
    message = "429 Too Many Requests"

    async def exec_async(self, item):
        with self.spy:
            await asyncio.sleep(1 + item % 8 / 100)
            if self.spy.live > self.allows:
                raise RuntimeError(self.message)
        return item


@pytest.fixture(autouse=True)
def clock_of_the_loop(monkeypatch):
    """Let limits go by virtual time."""
    monkeypatch.setattr(CallLimit, "_clock", staticmethod(now))


@virtual
async def test_after_a_refusal_fewer_really_run():
    """The number that is told is the number that runs: waiters do not hold to the old one."""
    node = spied(Refusing, 50, initial_concurrent=8, recovery_threshold=1000)
    running = asyncio.ensure_future(run(node, range(60)))
    await asyncio.sleep(0.5)
    assert node.current_concurrent == node.spy.live == 8
    for expected in (4, 2, 2):
        await asyncio.sleep(1)
        assert node.current_concurrent == node.stats["current_concurrent"] == expected
        assert node.spy.live == expected
    assert await running == list(range(60))
    assert node.stats["total_successes"] == 60
    assert node.stats["total_rate_limits"] == len(node.spy.starts) - 60


@virtual
async def test_refusals_that_come_together_lower_the_limit_once():
    """Eight calls that were inside together are one event, not three halvings."""

    class Refused(Adaptive):
        async def exec_async(self, item):
            await asyncio.sleep(1)
            if now() - began < 2:
                raise RuntimeError("429")

    began = now()
    node = spied(Refused, 9, initial_concurrent=8)
    running = asyncio.ensure_future(run(node, range(8)))
    await asyncio.sleep(1.5)
    assert (node.current_concurrent, node.stats["total_rate_limits"]) == (4, 8)
    await running


@virtual
async def test_it_recovers_by_its_factor_after_so_many_successes_and_within_its_bounds():
    """From four: up by half after three successes, and never above ten; down to two, never below."""
    node = spied(Adaptive, max_concurrent=10, min_concurrent=2, recovery_factor=1.5)
    running = asyncio.ensure_future(run(node, range(200)))
    seen = []
    for _ in range(6):
        await asyncio.sleep(0.5)
        seen.append(node.spy.live)
        await asyncio.sleep(0.5)
    assert seen[:3] == [4, 6, 10]
    assert seen[-1] == node.current_concurrent == 10
    await running
    refused = spied(Refusing, 50, min_concurrent=2)
    refused.allows = 1
    refused.recovery_threshold = 1000
    running = asyncio.ensure_future(run(refused, range(9)))
    await asyncio.sleep(10.5)
    assert refused.current_concurrent == refused.spy.live == 2
    refused.allows = 9
    await running


@virtual
async def test_what_was_learned_holds_for_all_copies_and_for_the_next_run():
    """Learning is not lost with the copy that learned."""

    class Five(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"i": index} for index in range(5)]

    node = spied(Refusing, 50, recovery_threshold=1000)
    await Five(start=node).run_async({"items": range(4)})
    assert node.current_concurrent == 2
    node.spy = Spy()
    await Five(start=node).run_async({"items": range(4)})
    assert node.spy.peak == 2
    node.reset_adaptive_state()
    assert node.current_concurrent == 4
    assert node.stats["total_successes"] == node.stats["total_rate_limits"] == 0


@virtual
async def test_a_failure_that_is_no_refusal_moves_nothing():
    """The limit answers to refusals only."""

    class Failing(Adaptive):
        async def exec_async(self, item):
            raise ValueError("no such row")

        async def exec_fallback_async(self, item, exc):
            return None

    node = spied(Failing, 3)
    await run(node, range(9))
    assert node.current_concurrent == 4
    assert node.stats["total_rate_limits"] == node.stats["total_successes"] == 0


@pytest.mark.parametrize("form", ["method", "staticmethod", "classmethod"])
@virtual
async def test_who_knows_refusals_better_overrides_is_rate_limit_error(form):
    """As a method or a static one; what it does not take for a refusal is none."""
    if form == "method":

        class Own(Adaptive):
            def is_rate_limit_error(self, exc):
                return "busy" in str(exc)

    elif form == "staticmethod":

        class Own(Adaptive):
            @staticmethod
            def is_rate_limit_error(exc):
                return "busy" in str(exc)

    else:

        class Own(Adaptive):
            @classmethod
            def is_rate_limit_error(cls, exc):
                return "busy" in str(exc)

    class Refused(Own):
        async def exec_async(self, item):
            raise RuntimeError(item)

        async def exec_fallback_async(self, item, exc):
            return None

    node = spied(Refused)
    await run(node, ["429 Too Many Requests"])
    assert node.current_concurrent == 4
    await run(node, ["busy"])
    assert node.current_concurrent == 2


@virtual
async def test_what_the_node_takes_for_no_refusal_holds_nobody_back():
    """Not even if the provider says for how long: whoever overrides it knows better."""

    class Refused(Adaptive):
        def is_rate_limit_error(self, exc):
            return False

        async def exec_async(self, item):
            raise RateLimitHit(retry_after=30)

        async def exec_fallback_async(self, item, exc):
            return exc.retry_after

    node, began = spied(Refused, 3), now()
    assert await run(node, [1, 2]) == [30, 30]
    assert (now(), node.current_concurrent) == (began, 4)
    assert node.stats["total_rate_limits"] == node.stats["total_successes"] == 0


@pytest.mark.parametrize("propagate", [False, True])
@virtual
async def test_an_error_tells_that_its_cool_down_is_seen_to(propagate):
    """So that a run does not wait for it a second time; a wait of hours is left to the run."""

    class Refused(Adaptive):
        propagate_rate_limit = propagate

        async def exec_async(self, item):
            error = RuntimeError("429")
            error.retry_after = item
            raise error

    for seconds, marked in ((30, True), (7200, False), (-1, True), ("soon", True), (True, True)):
        node = spied(Refused)
        with pytest.raises((RuntimeError, RateLimitHit)) as caught:
            await run(node, [seconds])
        assert isinstance(caught.value, RateLimitHit) is propagate
        assert getattr(caught.value, "_flowmagic_limit", None) == ("Refused" if marked else None)
        assert node.limiter.cooling == (30 if seconds == 30 else 0)
        if propagate:
            assert caught.value.retry_after == (
                seconds if type(seconds) is int and seconds > 0 else None
            )


@virtual
async def test_the_seconds_of_an_error_that_only_the_node_knows_are_waited_out():
    """Its `retry_after` counts as a provider's."""

    class Busy(Exception):
        retry_after = 30

    class Refused(Adaptive):
        def is_rate_limit_error(self, exc):
            return isinstance(exc, Busy)

        async def exec_async(self, item):
            starts.append(now() - began)
            if len(starts) == 1:
                raise Busy

    starts, began = [], now()
    await run(spied(Refused, 2, initial_concurrent=1), [1, 2])
    assert starts == [0, pytest.approx(30), pytest.approx(30)]


@virtual
async def test_a_refusal_leaves_as_rate_limit_hit_if_that_is_asked_for():
    """With its cause and its seconds; other errors, and those that are one, leave as they are."""

    class Refused(Adaptive):
        propagate_rate_limit = True

        async def exec_async(self, item):
            raise item

    class Busy(Exception):
        status_code = 429

        def __init__(self):
            self.headers = {"Retry-After": "12"}
            super().__init__("too busy")

    busy = Busy()
    with pytest.raises(RateLimitHit, match="too busy") as caught:
        await run(spied(Refused), [busy])
    assert caught.value.__cause__ is busy
    assert (caught.value.retry_after, caught.value.source) == (12, "Refused")
    with pytest.raises(RateLimitHit) as caught:
        await run(spied(Refused), [RuntimeError("429")])
    assert caught.value.retry_after is None
    own = RateLimitHit("mine")
    with pytest.raises(RateLimitHit) as caught:
        await run(spied(Refused), [own])
    assert caught.value is own
    with pytest.raises(ValueError, match="other"):
        await run(spied(Refused), [ValueError("other")])
    with pytest.raises(RuntimeError, match="429"):
        await run(spied(Refused, propagate_rate_limit=False), [RuntimeError("429")])


@virtual
async def test_bounds_and_factors_set_while_it_runs_act_at_once():
    """The limit moves within them; from a limit that somebody set on the limiter, it goes on."""
    node = spied(Adaptive, max_concurrent=10)
    running = asyncio.ensure_future(run(node, range(100)))
    await asyncio.sleep(0.5)
    node.min_concurrent = 20  # more than the most: nothing happens until that is set too
    assert node.current_concurrent == 4
    node.max_concurrent = 30
    assert node.current_concurrent == 20
    await asyncio.sleep(0.1)
    assert node.spy.live == 20
    node.min_concurrent = 1
    node.max_concurrent = 3
    assert node.current_concurrent == 3
    node.max_per_minute = 600
    assert node.limiter.per_minute == 600
    node.max_per_minute = None
    node.max_concurrent = 15
    node.limiter.concurrency = 12
    await asyncio.sleep(2)
    assert node.current_concurrent == 15
    await running


@virtual
async def test_a_reset_forgets_everything():
    """What was begun, what was learned, and a cool-down."""
    node = spied(Refusing, initial_concurrent=8)
    node.max_per_minute = 600
    with pytest.raises(RuntimeError, match="429"):
        await run(node, range(8))
    assert node.current_concurrent == 4
    node.reset_limiter()
    assert node.current_concurrent == 8
    assert node.limiter.in_last_minute == node.stats["total_rate_limits"] == 0
    node.limiter.adaptive = None
    assert (node.current_concurrent, node.stats["total_successes"]) == (8, 0)
    node.limiter.concurrency = None
    assert node.current_concurrent == 20
    node.reset_adaptive_state()
    assert node.current_concurrent == 8


def test_stats_have_the_names_of_pocketflow_throttled():
    """For whoever prints them."""
    node = AdaptiveThrottledNode(max_per_minute=90)
    assert node.stats == {
        "current_concurrent": 5,
        "initial_concurrent": 5,
        "min_concurrent": 1,
        "max_concurrent": 20,
        "max_per_minute": 90,
        "backoff_factor": 0.5,
        "recovery_threshold": 10,
        "recovery_factor": 1.2,
        "total_successes": 0,
        "total_rate_limits": 0,
        "consecutive_successes": 0,
        "running": 0,
        "waiting": 0,
    }


def test_deep_copies_and_pickles_take_the_figures_along_and_not_what_was_learned():
    """Each begins with its own number."""
    node = Adaptive(max_concurrent=9)
    node.limiter.concurrency = 2
    for other in (copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert (other.current_concurrent, other.max_concurrent) == (4, 9)
    assert copy.copy(node).current_concurrent == 2
