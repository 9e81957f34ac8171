"""Those who wait are woken and nudged from any thread, and wait in their own."""

from __future__ import annotations

import asyncio
import threading

from flowmagic.limits.calls.waiters import LoopWaiter, ThreadWaiter

from ...virtualtime import virtual
from .calltime import in_threads


@virtual
async def test_a_task_is_woken_from_its_loop_or_from_another_thread():
    """Once; a second word finds nobody waiting."""
    loop = asyncio.get_running_loop()
    for tell in (lambda act: act(), in_threads):
        waiter, told = LoopWaiter(0, None), []
        waiting = asyncio.create_task(waiter.wait())
        await asyncio.sleep(0)
        for _ in range(2):
            tell(lambda waiter=waiter, told=told: told.append(waiter.wake()))
        await waiting
        assert told == [True, True]
        assert loop.time() == 1000.0


@virtual
async def test_a_task_looks_when_it_was_told_to():
    """In its own loop, wherever it was told; the last word counts."""
    looked = []
    waiter = LoopWaiter(0, lambda waiter: looked.append(asyncio.get_running_loop().time()))
    waiting = asyncio.create_task(waiter.wait())
    waiter.recheck_in(20.0)
    in_threads(lambda: waiter.recheck_in(5.0))
    await asyncio.sleep(30.0)
    assert looked == [1005.0]
    waiter.recheck_in(5.0)
    waiting.cancel()
    await asyncio.wait([waiting])
    waiter.recheck_in(5.0)
    await asyncio.sleep(30.0)
    assert looked == [1005.0], "nobody waits any more"


@virtual
async def test_a_task_that_was_woken_looks_no_more():
    """What was to happen later does not happen."""
    looked = []
    waiter = LoopWaiter(0, looked.append)
    waiter.recheck_in(5.0)
    waiter.wake()
    await waiter.wait()
    await asyncio.sleep(30.0)
    assert looked == []


def test_a_word_to_a_closed_loop_is_told_to_be_lost():
    """Whoever says it can turn to the next one."""

    async def main():
        return LoopWaiter(0, None)

    waiter = asyncio.run(main())
    assert waiter.abandoned()
    assert not waiter.wake()
    assert not waiter.recheck_in(1.0)


def test_a_thread_looks_when_its_time_is_over_and_when_it_is_nudged():
    """By itself after the seconds that it was told; at once when another thread nudges it."""
    blocked, looked = [], []

    def block(event, seconds):
        blocked.append((seconds, event.is_set()))

    def look(waiter):
        looked.append(len(blocked))
        if len(looked) == 1:
            waiter.recheck_in(7.0)
        elif len(looked) == 2:
            in_threads(lambda: waiter.recheck_in(3.0))
        else:
            in_threads(waiter.wake)

    waiter = ThreadWaiter(0, look, block)
    assert not waiter.abandoned()
    waiter.wait()
    assert blocked == [(None, False), (7.0, False), (None, True)]
    assert looked == [1, 2, 3]


def test_a_thread_that_was_woken_before_it_waits_does_not_wait():
    """What was granted at once is taken at once."""
    waiter = ThreadWaiter(0, None, None)
    assert waiter.wake()
    waiter.wait()


def test_a_word_that_comes_while_a_thread_turns_round_is_not_lost():
    """Between the end of one wait and the beginning of the next."""

    def block(event, seconds):
        waiter.wake()  # as if just after the time was over

    waiter = ThreadWaiter(0, None, block)
    done = threading.Event()
    in_threads(lambda: (waiter.wait(), done.set()))
    assert done.is_set()
