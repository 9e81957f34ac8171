"""Items worked on a few at a time: order, bounds, the first failure, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.run.workers import SLICE
from flowmagic.throttled import item_pool
from flowmagic.throttled.item_pool import ItemPool

from ..virtualtime import Spy, run_virtual, virtual

variable = contextvars.ContextVar("variable", default="unset")


def pooled(source, work, at_once=3):
    """Return a pool with a number of items at once that is fixed, or that a function gives."""
    return ItemPool(source, work, at_once if callable(at_once) else lambda: at_once)


@given(
    seconds=st.lists(st.integers(0, 5), max_size=12),
    at_once=st.integers(1, 5),
)
def test_results_are_in_the_order_of_the_items(seconds, at_once):
    """Whoever ends first; as many at once as may be, and no more."""

    async def main():
        spy = Spy()

        async def work(item):
            with spy:
                await asyncio.sleep(item[1])
            return item

        numbered = list(enumerate(seconds))
        assert await pooled(iter(numbered), work, at_once).run() == numbered
        assert spy.peak <= at_once
        if all(seconds):
            assert spy.peak == min(at_once, len(seconds))

    run_virtual(main())


@virtual
async def test_a_hundred_thousand_items_need_few_tasks_and_are_taken_as_they_are_needed():
    """Neither a task nor a place in a list for what has not begun."""
    most = taken = ahead = done = 0

    def source():
        nonlocal taken
        for number in range(100_000):
            taken += 1
            yield number

    async def work(item):
        nonlocal most, ahead, done
        if item % 1000 == 0:
            most = max(most, len(asyncio.all_tasks()))
            ahead = max(ahead, taken - done)
            await asyncio.sleep(1)
        done += 1
        return item

    results = await pooled(source(), work, 7).run()
    assert results == list(range(100_000))
    assert most <= 8
    assert ahead <= 8


@virtual
async def test_the_first_failure_ends_the_others_and_is_raised():
    """They are waited for, however long their cleaning up takes; what it raises is not the failure."""
    ended = []
    begun = []

    async def work(item):
        begun.append(item)
        if item == 1:
            await asyncio.sleep(1)
            raise ValueError("first")
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
            ended.append(item)
            raise KeyError("second") from None

    with pytest.raises(ValueError, match="first"):
        await pooled(range(10), work).run()
    assert sorted(ended) == [0, 2]
    assert begun == [0, 1, 2]
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_cancelled_it_ends_every_item_first():
    """A second cancellation reaches items that are still cleaning up; it wins over a failure."""
    loop = asyncio.get_running_loop()
    ended = []

    async def work(item):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append((item, loop.time()))
            raise

    began = loop.time()
    running = asyncio.ensure_future(pooled(range(10), work).run())
    loop.call_later(1, running.cancel)
    loop.call_later(3, running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ended) == [(item, began + 3) for item in range(3)]


@virtual
async def test_a_cancellation_during_the_end_of_a_failure_is_not_lost():
    """Else `asyncio.timeout` around it would never see its own."""

    async def work(item):
        if item == 0:
            raise ValueError
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)

    running = asyncio.ensure_future(pooled(range(3), work).run())
    asyncio.get_running_loop().call_later(1, running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running


@virtual
async def test_cancelled_before_its_first_step_it_leaves_nothing():
    """Workers that have not taken a step have nothing to clean up, and are gone."""

    async def work(item):
        raise AssertionError("cancelled before")

    running = asyncio.ensure_future(pooled(range(3), work).run())
    asyncio.get_running_loop().call_soon(running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running


@virtual
async def test_an_item_that_cancels_itself_or_is_cancelled_by_others_is_a_failure():
    """As in asyncio.gather: it ends the others, and never hangs."""

    async def alone(item):
        if item == 1:
            raise asyncio.CancelledError
        await asyncio.sleep(100)

    with pytest.raises(asyncio.CancelledError):
        await pooled(range(3), alone).run()

    async def idle(item):
        await asyncio.sleep(100)

    running = asyncio.ensure_future(pooled(range(3), idle).run())
    await asyncio.sleep(1)
    (asyncio.all_tasks() - {asyncio.current_task(), running}).pop().cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@virtual
async def test_a_worker_that_others_cancel_before_its_first_step_is_no_item_lost():
    """Its item was never worked on, and that is said."""

    async def work(item):
        return item

    running = asyncio.ensure_future(pooled(range(3), work, 1).run())
    await asyncio.sleep(0)
    (asyncio.all_tasks() - {asyncio.current_task(), running}).pop().cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@virtual
async def test_an_item_that_ignores_its_cancellation_begins_no_further_one():
    """It returns, and its worker leaves."""
    begun = []

    async def work(item):
        begun.append(item)
        if item == 0:
            raise ValueError
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "ignored"

    with pytest.raises(ValueError):
        await pooled(range(10), work).run()
    assert begun == [0, 1, 2]


def test_an_interrupt_reaches_whoever_runs_the_loop():
    """It is not kept for later; the others are ended when the loop is."""

    async def work(item):
        if item == 1:
            raise KeyboardInterrupt
        await asyncio.sleep(100)

    async def main():
        await pooled(range(3), work).run()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


@virtual
async def test_a_source_that_breaks_is_a_failure():
    """What it gave before is ended."""

    def source():
        yield 1
        raise LookupError("broken")

    async def work(item):
        await asyncio.sleep(100)

    with pytest.raises(LookupError, match="broken"):
        await pooled(source(), work).run()


@virtual
async def test_more_are_begun_when_there_is_room_for_more_and_fewer_when_for_fewer():
    """Raised, at once after `wake`, from any thread; lowered, as items end."""
    at_once = 2
    spy = Spy()

    async def work(item):
        with spy:
            await asyncio.sleep(10)

    pool = pooled(range(40), work, lambda: at_once)
    running = asyncio.ensure_future(pool.run())
    await asyncio.sleep(1)
    assert spy.live == 2
    at_once = 6
    waker = threading.Thread(target=pool.wake)
    waker.start()
    waker.join()
    await asyncio.sleep(1)
    assert spy.live == 6
    at_once = 1
    await asyncio.sleep(10)
    assert spy.live == 1
    at_once = 3
    await asyncio.sleep(10)
    assert spy.live == 3
    await running
    assert len(spy.starts) == 40


def test_waking_it_after_its_loop_is_closed_does_nothing():
    """A limit may be set at any time."""

    async def work(item):
        return item

    async def main():
        pool = pooled([1], work)
        assert await pool.run() == [1]
        return pool

    run_virtual(main()).wake()


@virtual
async def test_another_item_is_worked_on_while_one_rests():
    """Resting takes no place; but not without bound: the tasks of those that rest are kept."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    begun = []

    async def work(item):
        begun.append((item, loop.time() - began))
        if item == 0:
            await pool.rest(100)
        else:
            await asyncio.sleep(1)

    pool = pooled(range(4), work, 1)
    await pool.run()
    assert begun == [(0, 0), (1, 0), (2, 1), (3, 2)]


@virtual
async def test_no_more_than_so_many_rest(monkeypatch):
    """When all are refused, the rest of the items stay rows in their source."""
    monkeypatch.setattr(item_pool, "MOST_RESTING", 5)
    begun = 0

    async def work(item):
        nonlocal begun
        begun += 1
        await pool.rest(100)

    pool = pooled(range(50), work, 2)
    running = asyncio.ensure_future(pool.run())
    await asyncio.sleep(50)
    assert 5 <= begun <= 7
    await running
    assert begun == 50


@virtual
async def test_each_item_has_a_context_of_its_own():
    """What one sets no other sees; what was set before, all do."""
    variable.set("before")
    seen = []

    async def work(item):
        seen.append(variable.get())
        variable.set(item)
        await asyncio.sleep(1)
        assert variable.get() == item

    await pooled(range(4), work, 2).run()
    assert seen == ["before"] * 4
    assert variable.get() == "before"


@virtual
async def test_others_get_their_turn_while_items_never_wait():
    """A slice at most goes into items, whatever their number; then the loop turns."""
    loop = asyncio.get_running_loop()
    turns = []

    async def work(item):
        loop.now += SLICE / 5

    def tick():
        turns.append(loop.time())
        if not running.done():
            loop.call_soon(tick)

    running = asyncio.ensure_future(pooled(range(500), work, 50).run())
    tick()
    await running
    waits = [after - before for before, after in itertools.pairwise(turns)]
    assert max(waits) <= SLICE * 1.2 + 1e-9


@virtual
async def test_others_get_their_turn_while_items_are_slow_to_come():
    """A source that computes each item holds the loop up for a slice, not for all of them."""
    loop = asyncio.get_running_loop()
    turns = []

    def source():
        for number in range(100):
            loop.now += SLICE / 5
            yield number

    async def work(item):
        await asyncio.sleep(1)
        return item

    def tick():
        turns.append(loop.time())
        if len(turns) < 20:
            loop.call_soon(tick)

    running = asyncio.ensure_future(pooled(source(), work, 100).run())
    tick()
    assert await running == list(range(100))
    assert max(after - before for before, after in itertools.pairwise(turns)) <= SLICE * 1.2 + 1e-9


@virtual
async def test_nothing_to_do_is_done():
    """No item, no task."""

    async def work(item):
        raise AssertionError

    assert await pooled([], work).run() == []
    with pytest.raises(TypeError, match="not iterable"):
        pooled(5, work)
