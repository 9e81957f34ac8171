"""One queue for any loop and any thread: in order, within the limits, and nothing leaks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmagic.errors import LimitError, RateLimitHit
from flowmagic.limits.calls import CallLimit

from ...virtualtime import Spy, run_virtual, virtual
from ..test_pace import most_in
from .calltime import (
    HandLimit,
    ThreadSpy,
    VirtualLimit,
    abandoned_loop,
    check_nothing_left,
    in_threads,
)


async def call(limit, spy, seconds=1.0, tokens=0):
    async with limit.call(tokens=tokens):
        with spy:
            await asyncio.sleep(seconds)


@virtual
async def test_no_more_run_at_once_than_the_limit():
    """And as many as that do; a call that has to wait is told how long it was."""
    limit, spy = VirtualLimit(concurrency=3), Spy()
    await asyncio.gather(*(call(limit, spy) for _ in range(10)))
    assert spy.peak == 3
    assert spy.starts == [1000.0] * 3 + [1001.0] * 3 + [1002.0] * 3 + [1003.0]
    assert limit.calls == 10
    check_nothing_left(limit)


@virtual
async def test_without_limits_nothing_waits():
    """All at once; they are counted all the same."""
    limit, spy = VirtualLimit(), Spy()
    await asyncio.gather(*(call(limit, spy, tokens=7) for _ in range(100)))
    assert spy.peak == 100
    assert (limit.calls, limit.in_last_minute, limit.tokens_in_last_minute) == (100, 100, 700)


@virtual
async def test_first_come_first_served():
    """A small call never overtakes a large one, though it alone could begin."""
    limit, order = VirtualLimit(tokens_per_minute=100, burst=100), []

    async def one(name, tokens):
        async with limit.call(tokens=tokens) as call:
            order.append((name, call.began - 1000.0, call.waited))

    await asyncio.gather(one("a", 60), one("large", 90), one("small", 1), one("tiny", 0))
    assert order == [
        ("a", 0.0, 0.0),
        ("large", 60.0, 60.0),
        ("small", 60.0, 60.0),
        ("tiny", 60.0, 60.0),
    ]


@virtual
async def test_one_who_comes_later_does_not_overtake_either():
    """Not even in the turn in which a slot becomes free."""
    limit, order = VirtualLimit(concurrency=1), []

    async def one(name):
        async with limit.call():
            order.append(name)

    async with limit.call():
        waiting = asyncio.create_task(one("first"))
        await asyncio.sleep(1.0)
    await one("second")
    await waiting
    assert order == ["first", "second"]


@pytest.mark.parametrize("burst", [1, 3, 600])
@virtual
async def test_no_window_holds_more_than_the_pace_and_the_target_is_met(burst):
    """Never more than N in any 60 s, within 2 % of N a minute while there is work."""
    limit, spy = VirtualLimit(per_minute=600, burst=burst), Spy()
    await asyncio.gather(*(call(limit, spy, 0.0) for _ in range(2000)))
    starts = [(at, 1) for at in spy.starts]
    assert most_in(starts, 60.0) <= 600
    assert sum(at < 1180.0 for at in spy.starts) >= 3 * 600 * 0.98
    if burst == 1:
        assert all(b - a > 0.079 for a, b in pairwise(spy.starts))


@virtual
async def test_no_burst_is_above_the_fair_share():
    """At most 1.3 times as many as it should be in any 100 ms, also after idleness."""
    limit, spy = VirtualLimit(per_minute=6000), Spy()
    for _ in range(3):
        await asyncio.gather(*(call(limit, spy, 0.0) for _ in range(300)))
        await asyncio.sleep(30.0)
    assert most_in([(at, 1) for at in spy.starts], 0.1) <= 13


@virtual
async def test_a_burst_begins_at_once_after_idleness():
    """Then one after each interval; also the next time."""
    limit, spy = VirtualLimit(per_minute=60, burst=4), Spy()
    for _ in range(2):
        await asyncio.gather(*(call(limit, spy, 0.0) for _ in range(6)))
        await asyncio.sleep(60.0)
    offsets = [0, 0, 0, 0, 1, 2]
    assert [at - 1000.0 for at in spy.starts] == pytest.approx(offsets + [62 + x for x in offsets])


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(5, 60),
    st.integers(50, 300),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 20)), max_size=40),
)
def test_all_limits_hold_together(concurrency, per_minute, tokens_per_minute, burst, calls):
    """Slots, calls and tokens of any window; in order; with what was used corrected downwards."""

    async def main():
        limit = VirtualLimit(
            concurrency=concurrency,
            per_minute=per_minute,
            tokens_per_minute=tokens_per_minute,
            burst=burst,
        )
        spy, order, used = Spy(), [], []

        async def one(k, tokens, less, seconds):
            async with limit.call(tokens=tokens) as call:
                order.append(k)
                used.append([call.began, tokens])
                entry = used[-1]
                with spy:
                    await asyncio.sleep(seconds)
                entry[1] = max(0, tokens - less)
                call.used(entry[1])

        await asyncio.gather(*(one(k, *each) for k, each in enumerate(calls)))
        assert spy.peak <= concurrency
        assert order == sorted(order)
        check_nothing_left(limit)
        if calls:
            assert most_in([(at, 1) for at in spy.starts], 60.0) <= per_minute
            assert most_in(used, 60.0) <= tokens_per_minute

    run_virtual(main())


def scenario(limit, spies):
    """Return the works of a few tasks that meet every kind of wait, in order of arrival."""

    async def refused():
        with pytest.raises(RateLimitHit):
            async with limit.call(tokens=5):
                with spies[0]:
                    await asyncio.sleep(0.5)
                    raise RateLimitHit(retry_after=2.0)

    async def used():
        async with limit.call(tokens=20) as call:
            with spies[1]:
                await asyncio.sleep(1.0)
                call.used(8)

    async def nested():
        async with limit.call(tokens=1):
            with spies[2]:
                await asyncio.sleep(1.5)

    return [refused, used, nested, used, nested]


MOMENTS = [(half / 4, turns) for half in range(40) for turns in range(4)]


@pytest.mark.parametrize("victim", range(5))
@pytest.mark.parametrize(
    "limits",
    [
        {"concurrency": 2},
        {"concurrency": 1},
        {"per_minute": 60},
        {"tokens_per_minute": 600},
        {"concurrency": 2, "per_minute": 120, "tokens_per_minute": 300, "burst": 2},
        {"adaptive": "1-2-3", "per_minute": 60},
    ],
    ids=str,
)
def test_cancelled_at_any_await_nothing_leaks_and_the_others_are_served(limits, victim):
    """Each task is cancelled at every moment at which anything happens, and a few turns after."""
    hits = set()

    async def main(seconds, turns):
        limit = VirtualLimit(**limits)
        spies = [Spy(), Spy(), Spy()]
        tasks = [asyncio.create_task(work()) for work in scenario(limit, spies)]
        await asyncio.sleep(seconds)
        for _ in range(turns):
            await asyncio.sleep(0)
        started = sum(len(spy.starts) for spy in spies)
        tasks[victim].cancel()
        await asyncio.wait(tasks)
        for k, task in enumerate(tasks):
            assert task.cancelled() if k == victim and task.cancelled() else task.result() is None
        hits.add((tasks[victim].cancelled(), started))
        assert sum(spy.peak for spy in spies) <= 3 * (limit.concurrency or 5)
        check_nothing_left(limit)
        await asyncio.wait_for(limit.call().__aenter__(), 60)

    for moment in MOMENTS:
        run_virtual(main(*moment))
    assert {cancelled for cancelled, _ in hits} == {True, False}, "some moments came too late"


@virtual
async def test_a_grant_that_arrives_with_a_cancellation_goes_to_the_next():
    """In the same turn: the slot is given, its taker cancelled, and the one after it served."""
    limit, served = VirtualLimit(concurrency=1, per_minute=60, burst=60), []

    async def one(name):
        async with limit.call():
            served.append(name)

    holder = limit.call()
    await holder.__aenter__()
    first, second = asyncio.create_task(one("first")), asyncio.create_task(one("second"))
    await asyncio.sleep(1.0)
    await holder.__aexit__(None, None, None)
    assert limit.running == 1, "given to the first already"
    first.cancel()
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert served == ["second"]
    assert limit.calls == 2
    check_nothing_left(limit)


@virtual
async def test_a_cancelled_head_leaves_its_timer_to_the_next():
    """Whoever becomes the head looks by itself when its time comes, and none wakes twice."""
    limit, spy = VirtualLimit(per_minute=60), Spy()
    tasks = [asyncio.create_task(call(limit, spy, 0.0)) for _ in range(4)]
    await asyncio.sleep(0.5)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert spy.starts == [1000.0, 1001.0, 1002.0]


@virtual
async def test_ten_thousand_who_wait_are_cancelled_without_fuss():
    """Each leaves the queue in a time that does not depend on its length."""
    limit = VirtualLimit(concurrency=1)
    async with limit.call():
        tasks = [asyncio.create_task(call(limit, Spy())) for _ in range(10_000)]
        await asyncio.sleep(0)
        assert limit.waiting == 10_000
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert limit.waiting == 0
    check_nothing_left(limit)


@virtual
async def test_a_refusal_holds_back_everybody_once():
    """For as long as the provider says; the longest word counts; those inside go on."""
    limit, spy = VirtualLimit(concurrency=3), Spy()

    async def refused(after, seconds):
        with pytest.raises(RateLimitHit) as caught:
            async with limit.call():
                await asyncio.sleep(after)
                raise RateLimitHit(retry_after=seconds)
        return caught.value

    works = [refused(0.5, 10.0), refused(1.0, 30.0), refused(1.5, 2.0)]
    errors = await asyncio.gather(*works, *(call(limit, spy) for _ in range(3)))
    assert limit.refused == 3
    assert spy.starts == [1031.0] * 3
    assert [error._flowmagic_limit for error in errors[:3]] == ["", "", ""]
    check_nothing_left(limit)


@virtual
async def test_during_a_cool_down_all_who_come_wait():
    """Then they begin as the limit allows; the seconds that are left can be read."""
    limit, spy = VirtualLimit("openai", concurrency=2), Spy()
    with pytest.raises(RateLimitHit) as caught:
        async with limit.call():
            raise RateLimitHit(retry_after=20.0)
    assert caught.value._flowmagic_limit == "openai"
    assert limit.cooling == 20.0
    tasks = [asyncio.create_task(call(limit, spy)) for _ in range(3)]
    await asyncio.sleep(5.0)
    assert limit.cooling == 15.0
    await asyncio.wait(tasks)
    assert spy.starts == [1020.0, 1020.0, 1021.0]
    assert limit.cooling == 0.0
    async with limit.call() as after:
        assert after.waited == 0.0
    assert limit._capacity.plain, "over, it costs nothing more"


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), RateLimitHit(retry_after=3601.0), RateLimitHit(), KeyboardInterrupt()],
    ids=repr,
)
@virtual
async def test_other_errors_hold_nobody_back(error):
    """Nor does an hour and more to wait for: what to do about that, the run decides."""
    limit = VirtualLimit(concurrency=1, name="a")
    caught = None
    try:
        async with limit.call():
            raise error
    except BaseException as left:
        caught = left
    assert caught is error
    assert limit.cooling == 0.0
    assert limit.refused == isinstance(error, RateLimitHit)
    waited_for = isinstance(error, RateLimitHit) and error.retry_after is None
    assert hasattr(error, "_flowmagic_limit") == waited_for
    check_nothing_left(limit)


@virtual
async def test_an_error_that_takes_no_mark_leaves_as_it_is():
    """What cannot be set is not set; the cool-down comes all the same."""

    class Slotted(RateLimitHit):
        def __setattr__(self, name, value):
            if name == "_flowmagic_limit":
                raise AttributeError(name)
            super().__setattr__(name, value)

    limit = VirtualLimit()
    with pytest.raises(Slotted):
        async with limit.call():
            raise Slotted(retry_after=5.0)
    assert limit.cooling == 5.0


@virtual
async def test_a_refusal_lowers_an_adaptive_limit_once_and_success_raises_it():
    """What is reported is what runs: the peak follows the limit."""
    limit, spy = VirtualLimit(adaptive="1-8-10"), Spy()
    assert limit.concurrency == 8

    async def refused(seconds):
        with pytest.raises(RateLimitHit):
            async with limit.call():
                await asyncio.sleep(seconds)
                raise RateLimitHit

    await asyncio.gather(*(refused(1.0 + k / 10) for k in range(8)))
    assert (limit.concurrency, limit.refused) == (4, 8)
    await asyncio.sleep(1.0)
    await asyncio.gather(*(call(limit, spy) for _ in range(4)))
    assert spy.peak == 4
    assert limit.concurrency == 5
    await asyncio.gather(*(call(limit, spy) for _ in range(5)))
    assert spy.peak == 5


@virtual
async def test_what_is_larger_than_the_pace_is_refused_at_once():
    """It could never begin; both numbers are named."""
    limit = VirtualLimit("openai", tokens_per_minute=1000)
    with pytest.raises(LimitError, match=r"1200 tokens .*'openai' is 1000.*tokens_per_minute=1200"):
        async with limit.call(tokens=1200):
            pass
    check_nothing_left(limit)


@virtual
async def test_a_pace_lowered_below_one_who_waits_lets_it_through_alone():
    """When the window is empty; it does not wait for ever."""
    limit, spy = VirtualLimit(tokens_per_minute=1000, burst=1000), Spy()
    first, second = (asyncio.create_task(call(limit, spy, 0.0, 900)) for _ in range(2))
    await asyncio.sleep(1.0)
    limit.tokens_per_minute = 500
    await asyncio.wait([first, second])
    assert spy.starts[0] == 1000.0
    assert 1060.0 <= spy.starts[1] <= 1108.0


@virtual
async def test_changes_act_at_once_on_those_who_wait():
    """More slots, a faster pace, none at all."""
    limit, spy = VirtualLimit(concurrency=1, per_minute=6), Spy()
    tasks = [asyncio.create_task(call(limit, spy, 100.0)) for _ in range(12)]
    await asyncio.sleep(1.0)
    assert len(spy.starts) == 1
    limit.concurrency = 3
    await asyncio.sleep(4.0)
    assert len(spy.starts) == 1
    limit.per_minute = 60
    await asyncio.sleep(2.0)
    assert len(spy.starts) == 3
    limit.concurrency = limit.per_minute = None
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    assert len(spy.starts) == 12
    await asyncio.wait(tasks)
    check_nothing_left(limit)


@virtual
async def test_a_faster_pace_lets_the_first_recheck_sooner():
    """Not when the slower one would have; and what does not change its time sets no timer anew."""
    limit, spy, seconds_set = VirtualLimit(per_minute=1), Spy(), []
    inside = [limit.enter(0)]
    limit.per_minute = None
    inside += [limit.enter(0) for _ in range(9)]
    limit.per_minute = 1
    waiting = asyncio.create_task(call(limit, spy))
    await asyncio.sleep(1.0)
    head = next(iter(limit._queue))
    recheck_in = head.recheck_in
    head.recheck_in = lambda seconds: seconds_set.append(seconds) or recheck_in(seconds)
    for each in inside:
        limit.leave(each, None)
    assert seconds_set == []
    limit.per_minute = 6
    assert seconds_set == [9.0]
    await waiting
    assert spy.starts == [1010.0]


@virtual
async def test_a_lowered_limit_holds_for_all_that_begin_after():
    """Those inside finish first."""
    limit, spy = VirtualLimit(concurrency=10), Spy()
    tasks = [asyncio.create_task(call(limit, spy)) for _ in range(10)]
    await asyncio.sleep(0.5)
    limit.concurrency = 2
    spy.peak = 0
    assert limit.running == 10
    later = [asyncio.create_task(call(limit, spy)) for _ in range(4)]
    await asyncio.wait([*tasks, *later])
    assert spy.starts[10:] == [1001.0] * 2 + [1002.0] * 2


def test_loops_one_after_the_other_share_it():
    """`asyncio.run` twice: the second finds everything free."""
    limit, spy = CallLimit(concurrency=2), ThreadSpy()

    async def one():
        async with limit.call():
            with spy:
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(one() for _ in range(10)))

    asyncio.run(main())
    asyncio.run(main())
    assert (spy.peak, spy.total) == (2, 20)
    check_nothing_left(limit)


def test_loops_and_threads_at_once_share_it():
    """Four loops in four threads, and four threads that block: never more than the limit inside."""
    limit, spy = CallLimit(concurrency=3), ThreadSpy()

    async def one():
        async with limit.call():
            with spy:
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(one() for _ in range(200)))

    def blocking():
        for _ in range(200):
            with limit.call(), spy:
                pass

    in_threads(*[lambda: asyncio.run(main())] * 4, *[blocking] * 4)
    assert spy.total == 1600
    assert 1 <= spy.peak <= 3
    assert limit.calls == 1600
    check_nothing_left(limit)


def test_as_many_as_the_limit_are_inside_at_once_in_threads():
    """Each waits inside for the others: with fewer at once this would never end."""
    limit, spy, full = CallLimit(concurrency=3), ThreadSpy(), threading.Barrier(3, timeout=30)

    def blocking():
        with limit.call(), spy:
            full.wait()

    in_threads(*[blocking] * 9)
    assert (spy.peak, spy.total) == (3, 9)
    check_nothing_left(limit)


def test_threads_and_loops_keep_one_order():
    """Who asked first is served first, whichever way it waits."""
    limit, order = CallLimit(concurrency=1), []
    holder = limit.enter(0)

    def blocking(name):
        with limit.call():
            order.append(name)

    async def looping(name):
        async with limit.call():
            order.append(name)

    works = [
        lambda: blocking("thread 1"),
        lambda: asyncio.run(looping("loop 1")),
        lambda: blocking("thread 2"),
        lambda: asyncio.run(looping("loop 2")),
    ]
    threads = []
    for k, work in enumerate(works):
        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        while limit.waiting <= k:
            pass
    limit.leave(holder, None)
    for thread in threads:
        thread.join(30)
    assert order == ["thread 1", "loop 1", "thread 2", "loop 2"]
    check_nothing_left(limit)


def test_a_thread_waits_for_the_pace_by_itself():
    """As long as it must, and not again."""
    limit = HandLimit(per_minute=60)
    for _ in range(3):
        with limit.call() as call:
            pass
        assert call.began == limit.now
    assert limit.blocked == pytest.approx([1.0, 1.0])
    assert limit.now == pytest.approx(1002.0)
    check_nothing_left(limit)


def test_a_thread_that_is_interrupted_while_it_waits_leaks_nothing():
    """Ctrl+C in a wait: the place in the queue is given up, and a slot that was granted too."""

    class Interrupted(HandLimit):
        def _block(self, event, seconds):
            raise KeyboardInterrupt

    limit = Interrupted(per_minute=60)
    with limit.call():
        pass
    with pytest.raises(KeyboardInterrupt):
        limit.wait_in_thread(0)
    check_nothing_left(limit)


def test_a_change_reaches_a_thread_that_waits_for_the_pace():
    """It looks at once, and waits only as long as the new pace says."""
    limit = CallLimit(per_minute=1)
    with limit.call():
        pass
    begun = []

    def blocking():
        with limit.call() as call:
            begun.append(call.waited)

    thread = threading.Thread(target=blocking, daemon=True)
    thread.start()
    while not limit.waiting:
        pass
    limit.per_minute = None
    thread.join(30)
    assert len(begun) == 1
    check_nothing_left(limit)


def test_who_waits_in_a_loop_that_was_closed_is_noticed():
    """At the next release: its place is not served, those behind it are."""
    limit = CallLimit(concurrency=1)
    holder = limit.enter(0)

    async def one():
        async with limit.call():
            pass

    loop, task = abandoned_loop(one())
    other, behind = abandoned_loop(one())
    assert limit.waiting == 2
    loop.close()
    limit.leave(holder, None)
    other.run_until_complete(behind)
    other.close()
    check_nothing_left(limit)
    del task
    gc.collect()
    check_nothing_left(limit)


def test_who_was_let_in_to_a_loop_that_was_closed_is_noticed():
    """At the next acquire: the slot that it never took is given to somebody else."""
    limit = CallLimit(concurrency=1, per_minute=6e6, tokens_per_minute=6e9)
    holder = limit.enter(0)

    async def one():
        async with limit.call(tokens=1):
            pass

    loop, task = abandoned_loop(one())
    limit.leave(holder, None)
    assert limit.running == 1
    loop.close()
    asyncio.run(one())
    check_nothing_left(limit)
    del task
    gc.collect()
    check_nothing_left(limit)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks on Windows")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_in_a_process_that_was_forked_nobody_is_inside():
    """Who was never leaves there: a worker of multiprocessing would wait for ever."""
    limit = CallLimit(concurrency=1)
    holder = limit.enter(0)
    with limit._locked():
        child = os.fork()
        if not child:
            os._exit(0 if limit.running == limit.waiting == 0 and limit.enter(0) else 1)
    assert os.waitpid(child, 0)[1] == 0
    limit.leave(holder, None)
    check_nothing_left(limit)


def test_a_loop_that_is_closed_at_the_very_moment_of_an_admission_takes_no_slot():
    """Between the check and the wake-up: the next waiter is admitted."""
    limit = CallLimit(concurrency=1)
    holder = limit.enter(0)

    async def one():
        async with limit.call():
            pass

    loop, _task = abandoned_loop(one())
    loop.close()
    next(iter(limit._queue)).abandoned = lambda: False
    limit.leave(holder, None)
    asyncio.run(one())
    check_nothing_left(limit)


def test_a_loop_that_is_closed_at_the_very_moment_its_timer_is_set_is_noticed():
    """Its timer cannot be set any more; the next waiter becomes the first."""
    limit = HandLimit(concurrency=1, per_minute=60)
    holder = limit.enter(0)

    async def one():
        async with limit.call():
            pass

    loop, _task = abandoned_loop(one())
    loop.close()
    head = next(iter(limit._queue))
    looks = iter([False])
    head.abandoned = lambda: next(looks, True)
    limit.leave(holder, None)
    assert limit.waiting == 0
    with limit.call():
        pass
    check_nothing_left(limit)


def test_a_task_closed_by_the_garbage_collector_gives_its_slot_back():
    """Also when that happens while the lock is held: it is noted, and seen to afterwards."""
    limit = CallLimit(concurrency=1)

    async def inside():
        async with limit.call():
            await asyncio.Event().wait()

    walk = inside()
    loop = asyncio.new_event_loop()
    loop.call_soon(walk.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert limit.running == 1
    with limit._locked():
        walk.close()
        assert limit.running == 1
    check_nothing_left(limit)


@virtual
async def test_what_is_noted_while_somebody_else_holds_the_lock_is_not_lost():
    """Ends, refusals and corrections: the holder sees to them before it goes on."""
    limit = VirtualLimit(adaptive="1-4-9", tokens_per_minute=1000, burst=1000)
    ends = [limit.enter(100) for _ in range(3)]
    await asyncio.sleep(1.0)
    with limit._locked():
        ends[0].used(40)
        limit.leave(ends[0], None)
        limit.leave(ends[1], RateLimitHit(retry_after=7.0))
        limit.leave(ends[2], ValueError("no"))
        assert limit.running == 3
    assert limit.concurrency == 2
    assert limit.cooling == 7.0
    assert limit.tokens_in_last_minute == 240
    check_nothing_left(limit)


@virtual
async def test_a_waiting_call_is_known_by_the_context_it_was_made_in():
    """In the order of the queue, of tasks and of threads; not once it has begun."""
    name = contextvars.ContextVar("name")
    limit = VirtualLimit(concurrency=1)

    async def call(who):
        name.set(who)
        async with limit.call():
            await asyncio.sleep(1.0)

    tasks = [asyncio.create_task(call(who)) for who in ("first", "second", "third")]
    await asyncio.sleep(0.5)
    assert [context[name] for context in limit._waiting_contexts()] == ["second", "third"]
    await asyncio.gather(*tasks)
    assert limit._waiting_contexts() == []
    check_nothing_left(limit)
