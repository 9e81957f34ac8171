"""pocketflow-throttled's RateLimiter and LimiterRegistry, and that they are the named limits."""

from __future__ import annotations

import asyncio

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.calls.named import limit, named_limits, remove_limit, set_limit
from flowmagic.throttled.limiter_registry import LimiterRegistry, RateLimiter

from ..limits.calls.calltime import VirtualLimit, check_nothing_left, in_threads
from ..virtualtime import Spy, virtual


@pytest.fixture(autouse=True)
def _no_limits():
    yield
    LimiterRegistry.reset()


def virtually(**changes):
    """Return a rate limiter in virtual time."""
    limiter = RateLimiter(**changes)
    kept = limiter.limit
    return RateLimiter.of(
        VirtualLimit(
            concurrency=kept.concurrency,
            per_minute=kept.per_minute,
            burst=kept.burst,
            window=kept.window,
        )
    )


def test_what_it_was_given_can_be_read():
    """With the usual values where nothing was given; and it reads as it was written."""
    limiter = RateLimiter()
    assert (limiter.max_concurrent, limiter.max_per_window, limiter.window_seconds) == (5, None, 60)
    limiter = RateLimiter(3, 60, 30.0)
    assert (limiter.max_concurrent, limiter.max_per_window, limiter.window_seconds) == (3, 60, 30)
    assert repr(limiter) == "RateLimiter(max_concurrent=3, max_per_window=60, window_seconds=30.0)"


@pytest.mark.parametrize("wrong", [0, -1, True, "3", 2.5])
def test_what_it_cannot_keep_is_refused(wrong):
    """ValueErrors in the words that people know, with what was found and what to write."""
    with pytest.raises(ValueError, match=r"max_concurrent must be at least 1, .*max_concurrent=5"):
        RateLimiter(max_concurrent=wrong)
    with pytest.raises(ValueError, match=r"max_per_window must be at least 1 or None, but"):
        RateLimiter(max_per_window=wrong)
    if wrong != 2.5:
        with pytest.raises(LimitError, match="window_seconds must be positive, but"):
            RateLimiter(window_seconds=wrong)


@virtual
async def test_no_more_are_inside_at_once_and_in_any_window():
    """The window slides: five at once, five more when these have left it."""
    limiter, spy = virtually(max_concurrent=100, max_per_window=5, window_seconds=1.0), Spy()

    async def one():
        async with limiter as entered:
            assert entered is limiter
            with spy:
                pass

    await asyncio.gather(*(one() for _ in range(12)))
    assert spy.starts == [1000.0] * 5 + [1001.0] * 5 + [1002.0] * 2
    assert limiter.current_window_count == 2
    limiter.reset()
    assert limiter.current_window_count == 0
    await asyncio.gather(*(one() for _ in range(5)))
    assert spy.starts[-1] == 1002.0


@virtual
async def test_set_live_it_acts_on_those_who_wait():
    """Both limits; what cannot be kept is refused in the same words."""
    limiter, spy = virtually(max_concurrent=1, max_per_window=2), Spy()

    async def one():
        async with limiter:
            with spy:
                await asyncio.sleep(1.0)

    tasks = [asyncio.create_task(one()) for _ in range(9)]
    await asyncio.sleep(0.5)
    limiter.max_concurrent = 3
    await asyncio.sleep(0.25)
    assert spy.starts == [1000.0, 1000.5]
    limiter.max_per_window = 6
    await asyncio.sleep(0)
    assert limiter.limit.running == 3
    await asyncio.sleep(0.5)
    assert spy.peak == 3
    limiter.max_per_window = None
    await asyncio.wait(tasks)
    assert max(spy.starts) < 1010.0
    with pytest.raises(ValueError, match="max_concurrent must be at least 1"):
        limiter.max_concurrent = 0
    with pytest.raises(ValueError, match="max_per_window must be at least 1"):
        limiter.max_per_window = 0


@virtual
async def test_acquired_and_released_by_hand():
    """Also by another task; not more often than acquired."""
    limiter = virtually(max_concurrent=1)
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(1.0)
    assert not waiting.done()
    limiter.release()
    await waiting
    limiter.release()
    with pytest.raises(RuntimeError, match="had not begun"):
        limiter.release()
    check_nothing_left(limiter.limit)


@virtual
async def test_cancelled_while_it_waits_for_the_window_it_leaks_no_slot():
    """Measured elsewhere: two slots gone for good after two cancellations."""
    limiter = virtually(max_concurrent=2, max_per_window=1)
    async with limiter:
        pass
    tasks = [asyncio.create_task(limiter.acquire()) for _ in range(2)]
    await asyncio.sleep(1.0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    check_nothing_left(limiter.limit)


def test_registered_it_is_found_everywhere():
    """Here, among the named limits, and by `limit`; one object under all names."""
    limiter = LimiterRegistry.register("openai", max_concurrent=10, max_per_window=60)
    assert isinstance(limiter, RateLimiter)
    assert LimiterRegistry.get("openai") is limiter
    assert LimiterRegistry.exists("openai")
    assert named_limits() == {"openai": limiter.limit}
    assert (limiter.limit.name, limiter.limit.burst) == ("openai", 60)

    async def main():
        async with limit("openai"):
            assert limiter.limit.running == 1
            async with LimiterRegistry.get("openai"):
                assert limiter.limit.running == 2
        assert limiter.current_window_count == 2

    asyncio.run(main())
    check_nothing_left(limiter.limit)


def test_a_named_limit_is_found_in_the_registry():
    """Whatever it has; what it has not is None."""
    kept = set_limit("openai", per_minute=60)
    assert LimiterRegistry.get("openai").limit is kept
    assert LimiterRegistry.get("openai") is LimiterRegistry.get("openai")
    assert LimiterRegistry.list_names() == ["openai"]
    assert LimiterRegistry.stats("openai") == {
        "max_concurrent": None,
        "max_per_window": 60,
        "current_window_count": 0,
        "window_seconds": 60.0,
    }
    remove_limit("openai")
    assert not LimiterRegistry.exists("openai")


def test_an_unknown_name_is_a_key_error():
    """Naming it and what there is."""
    with pytest.raises(KeyError, match='no limiter named "x"; there are: none'):
        LimiterRegistry.get("x")
    LimiterRegistry.register("openai")
    with pytest.raises(KeyError, match='no limiter named "x"; there are: "openai"'):
        LimiterRegistry.stats("x")


def test_registered_twice_it_is_refused_or_resized():
    """With replace=True the same object takes the new values, for those who wait in it, too."""
    limiter = LimiterRegistry.register("api", max_concurrent=5)
    with pytest.raises(ValueError, match=r"'api' already exists.*replace=True"):
        LimiterRegistry.register("api", max_concurrent=10)
    assert limiter.max_concurrent == 5
    assert LimiterRegistry.register("api", 10, 7, 30.0, replace=True) is limiter
    assert repr(limiter) == "RateLimiter(max_concurrent=10, max_per_window=7, window_seconds=30.0)"
    with pytest.raises(ValueError, match="max_concurrent must be at least 1"):
        LimiterRegistry.register("other", max_concurrent=0)
    assert not LimiterRegistry.exists("other")


def test_get_or_create_leaves_the_one_that_there_is():
    """And creates the one that there is not."""
    limiter = LimiterRegistry.get_or_create("api", max_concurrent=15)
    assert limiter.max_concurrent == 15
    assert LimiterRegistry.get_or_create("api", max_concurrent=100) is limiter
    assert limiter.max_concurrent == 15


def test_removed_and_reset_they_are_forgotten():
    """One, or all; whether there was one is told."""
    for name in ("a", "b", "c"):
        LimiterRegistry.register(name)
    assert LimiterRegistry.remove("a") is True
    assert LimiterRegistry.remove("a") is False
    LimiterRegistry.reset("b")
    LimiterRegistry.reset("nothing")
    assert LimiterRegistry.list_names() == ["c"]
    LimiterRegistry.reset()
    assert LimiterRegistry.list_names() == []


def test_all_are_listed_with_what_they_are_set_to():
    """As `stats` tells it."""
    LimiterRegistry.register("a", max_concurrent=5, max_per_window=100, window_seconds=30.0)
    LimiterRegistry.register("b", max_concurrent=10)
    listed = LimiterRegistry.list_all()
    assert listed == {name: LimiterRegistry.stats(name) for name in ("a", "b")}
    assert listed["a"]["window_seconds"] == 30.0
    assert listed["b"]["max_per_window"] is None


def test_threads_see_one_view_of_a_limit():
    """However many ask for the first time at once."""
    set_limit("a", concurrency=5)
    seen = []
    in_threads(*[lambda: seen.append(LimiterRegistry.get("a"))] * 8)
    assert len({id(view) for view in seen}) == 1
