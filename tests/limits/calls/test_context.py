"""`async with`, `with` and a decorator: each call a call of its own."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect

import pytest

from flowmagic.errors import BlockedLoopError, FlowmagicError, LimitError, RateLimitHit
from flowmagic.limits.calls import CallLimit

from ...virtualtime import Spy, virtual
from .calltime import HandLimit, VirtualLimit, check_nothing_left, in_threads


@virtual
async def test_one_object_can_be_entered_by_many_tasks_at_once():
    """Kept in a module, say: each task ends its own call, whatever the order."""
    limit, spy = VirtualLimit(concurrency=3, tokens_per_minute=1e6, burst=100), Spy()
    kept = limit.call(tokens=10)

    async def one(k):
        async with kept as call:
            with spy:
                await asyncio.sleep(7.0 - k)
                call.used(k)
            return call

    tasks = [asyncio.create_task(one(k)) for k in range(7)]
    await asyncio.sleep(5.5)
    assert set(kept._entered) == {tasks[0], tasks[1], tasks[3]}, "the third one has ended its own"
    calls = await asyncio.gather(*tasks)
    assert spy.peak == 3
    assert [call.tokens for call in calls] == list(range(7))
    assert limit.tokens_in_last_minute == 21
    check_nothing_left(limit)


@virtual
async def test_within_a_task_the_last_one_entered_is_the_first_one_left():
    """One object, entered twice: the inner block ends the inner call."""
    limit = VirtualLimit(concurrency=2)
    kept = limit.call()
    async with kept as outer:
        await asyncio.sleep(5.0)
        async with kept as inner:
            assert (inner.began, outer.began) == (1005.0, 1000.0)
            assert limit.running == 2
        assert limit.running == 1
        assert list(kept._entered.values()) == [outer]
    assert not kept._entered
    check_nothing_left(limit)


def test_one_object_can_be_entered_by_many_threads_at_once():
    """Each ends its own."""
    limit = CallLimit(concurrency=2)
    kept = limit.call()

    def blocking():
        for _ in range(100):
            with kept, kept:
                pass

    in_threads(blocking)
    limit.concurrency = 16
    in_threads(*[blocking] * 8)
    assert limit.calls == 1800
    check_nothing_left(limit)


@virtual
async def test_left_by_another_task_than_entered_the_slot_is_given_back():
    """As fixtures and exit stacks may do it; more than were entered cannot leave."""
    limit = VirtualLimit(concurrency=1)
    kept = limit.call()
    await asyncio.create_task(kept.__aenter__())
    assert limit.running == 1
    await kept.__aexit__(None, None, None)
    check_nothing_left(limit)
    with pytest.raises(RuntimeError, match="had not begun"):
        await kept.__aexit__(None, None, None)
    check_nothing_left(limit)


def test_left_where_no_loop_runs_the_slot_is_given_back():
    """A coroutine that is driven by hand, and one that the garbage collector closes."""
    limit = HandLimit(concurrency=1)

    async def inside():
        async with limit.call():
            await forever()

    class forever:
        def __await__(self):
            yield

    walk = inside()
    walk.send(None)
    assert limit.running == 1
    del walk
    gc.collect()
    check_nothing_left(limit)


@virtual
async def test_where_a_loop_runs_a_blocking_wait_is_refused():
    """It would freeze the loop; the message says what to write. Nothing was begun."""
    limit = VirtualLimit(concurrency=1)

    @limit.call()
    def blocking():
        raise AssertionError("never runs")

    with pytest.raises(BlockedLoopError, match=r"Write `async with limit.call\(\):`") as caught:
        limit.call().__enter__()
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, FlowmagicError)
    with pytest.raises(BlockedLoopError):
        blocking()
    await asyncio.to_thread(limit.call)
    assert limit.calls == 0


@virtual
async def test_a_decorated_coroutine_function_is_throttled_at_each_call():
    """Methods, too; the function keeps its name, its signature and its result."""
    limit, spy = VirtualLimit(concurrency=2), Spy()

    class Client:
        @limit.call(tokens=5)
        async def ask(self, prompt: str) -> str:
            """Ask."""
            with spy:
                await asyncio.sleep(1.0)
            return f"{prompt}!"

    client = Client()
    assert await asyncio.gather(*(client.ask(str(k)) for k in range(4))) == ["0!", "1!", "2!", "3!"]
    assert spy.peak == 2
    assert limit.tokens_in_last_minute == 20
    assert Client.ask.__name__ == "ask"
    assert Client.ask.__doc__ == "Ask."
    assert list(inspect.signature(Client.ask).parameters) == ["self", "prompt"]
    assert inspect.iscoroutinefunction(Client.ask)
    check_nothing_left(limit)


def test_a_decorated_function_is_throttled_in_threads():
    """As it is called: sync nodes run in threads."""
    limit = HandLimit(per_minute=60)

    @limit.call(tokens=lambda prompt, *, extra=0: len(prompt) + extra)
    def ask(prompt, *, extra=0):
        return prompt.upper()

    assert [ask("abc"), ask("de", extra=5)] == ["ABC", "DE"]
    assert limit.now == pytest.approx(1001.0)
    assert limit.tokens_in_last_minute == 10
    check_nothing_left(limit)


@virtual
async def test_callable_objects_and_partials_that_are_async_are_awaited_inside():
    """Not only begun there."""
    limit = VirtualLimit(concurrency=1)

    class Ask:
        async def __call__(self, seconds):
            assert limit.running == 1
            await asyncio.sleep(seconds)
            return limit.running

    async def ask(seconds, more):
        return await Ask()(seconds + more)

    assert await limit.call()(Ask())(1.0) == 1
    assert await limit.call()(functools.partial(ask, more=1.0))(1.0) == 1
    check_nothing_left(limit)


@virtual
async def test_an_error_in_a_decorated_function_is_read_as_in_a_block():
    """It leaves as it is, and holds the others back."""
    limit = VirtualLimit()

    @limit.call()
    async def ask():
        raise RateLimitHit(retry_after=3.0)

    with pytest.raises(RateLimitHit):
        await ask()
    assert limit.cooling == 3.0
    check_nothing_left(limit)


def test_what_is_no_function_or_only_begins_one_is_not_decorated():
    """A generator's call runs nothing yet: the limit would be left before it works."""
    limit = CallLimit()

    def generator():
        yield

    async def agenerator():
        yield

    for wrong in (generator, agenerator):
        with pytest.raises(TypeError, match=rf"{wrong.__name__} is a generator.*async with"):
            limit.call()(wrong)
    with pytest.raises(TypeError, match=r"is an int \(5\), not a function"):
        limit.call()(5)


@virtual
async def test_a_function_of_the_arguments_needs_arguments():
    """A block has none."""
    limit = VirtualLimit()
    with pytest.raises(LimitError, match="needs the arguments of a decorated function"):
        async with limit.call(tokens=len):
            pass
    errors = []

    def blocking():
        try:
            with limit.call(tokens=len):
                pass
        except LimitError as error:
            errors.append(error)

    in_threads(blocking)
    assert len(errors) == 1
