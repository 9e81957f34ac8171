"""One limit for a name, wherever in the process it is said."""

from __future__ import annotations

import asyncio

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.calls import CallLimit
from flowmagic.limits.calls.named import limit, named_limits, remove_limit, set_limit

from .calltime import ThreadSpy, check_nothing_left, in_threads


@pytest.fixture(autouse=True)
def _no_limits():
    yield
    for name in named_limits():
        remove_limit(name)


def test_set_limit_creates_and_then_changes_only_what_is_given():
    """The object stays the same; None takes a limit away."""
    openai = set_limit("openai", concurrency=5, per_minute=60, tokens_per_minute=1000, burst=3)
    assert isinstance(openai, CallLimit)
    assert openai.name == "openai"
    assert set_limit("openai", per_minute=None) is openai
    assert (openai.concurrency, openai.per_minute, openai.tokens_per_minute) == (5, None, 1000)
    assert set_limit("openai", adaptive="1-3-9") is openai
    assert (openai.concurrency, openai.burst) == (3, 3)
    assert set_limit("openai") is openai


def test_what_cannot_be_kept_creates_and_changes_nothing():
    """Nor does what is no name."""
    with pytest.raises(LimitError, match="concurrency is an int"):
        set_limit("openai", concurrency=0)
    assert named_limits() == {}
    openai = set_limit("openai", concurrency=5)
    with pytest.raises(LimitError, match="per_minute is an int"):
        set_limit("openai", concurrency=7, per_minute=-1)
    assert openai.concurrency == 5
    for wrong in ("", None, 5):
        with pytest.raises(LimitError, match="needs a name"):
            set_limit(wrong, concurrency=5)


def test_all_limits_are_listed_in_the_order_of_their_creation():
    """In a dict of its own: changing it changes nothing."""
    made = {name: set_limit(name, concurrency=5) for name in ("b", "c", "a")}
    set_limit("b", concurrency=6)
    assert list(named_limits().items()) == list(made.items())
    named_limits().clear()
    assert list(named_limits()) == ["b", "c", "a"]


def test_a_name_is_looked_up_when_a_call_is_made():
    """A decorator may stand before `set_limit`, and a limit that was set anew is the one that counts."""
    spy = ThreadSpy()

    @limit("openai", tokens=lambda k: k)
    async def ask(k):
        with spy:
            await asyncio.sleep(0)

    @limit("openai")
    def ask_in_thread():
        with spy:
            pass

    async def main():
        await asyncio.gather(*(ask(k) for k in range(6)))
        await asyncio.to_thread(ask_in_thread)
        async with limit("openai", tokens=5) as call:
            call.used(7)

    for concurrency in (2, 3):
        openai = set_limit("openai", concurrency=concurrency)
        asyncio.run(main())
        assert spy.peak == concurrency
        assert (openai.calls, openai.tokens_in_last_minute) == (8, 15 + 7)
        check_nothing_left(openai)
        remove_limit("openai")


def test_an_unknown_name_is_refused_when_a_call_is_made():
    """Naming what is near, and the line to write."""
    set_limit("openai", concurrency=5)

    async def main(name):
        async with limit(name):
            pass

    with pytest.raises(LimitError) as caught:
        asyncio.run(main("opanai"))
    assert str(caught.value) == (
        "There is no limit named 'opanai' in this process. Did you mean 'openai'? "
        'Set it first: flowmagic.set_limit("opanai", concurrency=5).'
    )
    with pytest.raises(LimitError, match=r"no limit named 'x' in this process\. Set it first"):
        limit("x").__enter__()


def test_those_inside_a_removed_limit_finish_under_it():
    """And those who wait are served; one of the same name set later is another one."""
    first, spy = set_limit("a", concurrency=1), ThreadSpy()

    async def one(ready, go_on):
        async with limit("a"):
            with spy:
                ready.set()
                await go_on.wait()

    async def main():
        ready, go_on = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(one(ready, go_on)) for _ in range(2)]
        await ready.wait()
        remove_limit("a")
        remove_limit("a")
        assert named_limits() == {}
        assert set_limit("a", concurrency=1) is not first
        go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert (first.calls, spy.peak) == (2, 1)
    check_nothing_left(first)


def test_threads_that_set_one_name_at_once_make_one_limit():
    """Whoever comes first; the others change it."""
    made = []
    in_threads(*[lambda: made.append(set_limit("a", concurrency=5))] * 8)
    assert len({id(each) for each in made}) == 1
