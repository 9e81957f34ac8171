"""Waiting tasks and threads can be woken, and told when to recheck, from any thread."""

from __future__ import annotations

import asyncio
import threading

from flowmagic.limits.calls.waiters import LoopWaiter, ThreadWaiter

from ...virtualtime import virtual
from .calltime import in_threads


@virtual
async def test_a_task_is_woken_from_its_loop_or_from_another_thread():
    """Waking it twice does no harm."""
    loop = asyncio.get_running_loop()
    for run in (lambda act: act(), in_threads):
        waiter, results = LoopWaiter(0, None), []
        waiting = asyncio.create_task(waiter.wait())
        await asyncio.sleep(0)
        for _ in range(2):
            run(lambda waiter=waiter, results=results: results.append(waiter.wake()))
        await waiting
        assert results == [True, True]
        assert loop.time() == 1000.0


@virtual
async def test_a_task_rechecks_at_the_time_that_was_set():
    """In its own loop, whichever thread set the time; the last time that was set counts."""
    rechecked = []
    waiter = LoopWaiter(0, lambda waiter: rechecked.append(asyncio.get_running_loop().time()))
    waiting = asyncio.create_task(waiter.wait())
    waiter.recheck_in(20.0)
    in_threads(lambda: waiter.recheck_in(5.0))
    await asyncio.sleep(30.0)
    assert rechecked == [1005.0]
    waiter.recheck_in(5.0)
    waiting.cancel()
    await asyncio.wait([waiting])
    waiter.recheck_in(5.0)
    await asyncio.sleep(30.0)
    assert rechecked == [1005.0], "it waits no more"


@virtual
async def test_a_task_that_was_woken_does_not_recheck():
    """Its timer is cancelled."""
    rechecked = []
    waiter = LoopWaiter(0, rechecked.append)
    waiter.recheck_in(5.0)
    waiter.wake()
    await waiter.wait()
    await asyncio.sleep(30.0)
    assert rechecked == []


def test_a_task_of_a_closed_loop_is_abandoned():
    """`wake` and `recheck_in` return False, so that the next waiter can be served."""

    async def main():
        return LoopWaiter(0, None)

    waiter = asyncio.run(main())
    assert waiter.abandoned()
    assert not waiter.wake()
    assert not waiter.recheck_in(1.0)


def test_a_thread_rechecks_when_its_time_is_over_or_set_anew():
    """After the seconds that it set itself; at once when another thread sets a time."""
    blocked, rechecked = [], []

    def block(event, seconds):
        blocked.append((seconds, event.is_set()))

    def look(waiter):
        rechecked.append(len(blocked))
        if len(rechecked) == 1:
            waiter.recheck_in(7.0)
        elif len(rechecked) == 2:
            in_threads(lambda: waiter.recheck_in(3.0))
        else:
            in_threads(waiter.wake)

    waiter = ThreadWaiter(0, look, block)
    assert not waiter.abandoned()
    waiter.wait()
    assert blocked == [(None, False), (7.0, False), (None, True)]
    assert rechecked == [1, 2, 3]


def test_a_thread_that_was_woken_before_it_waits_does_not_wait():
    """As when its call may begin at once."""
    waiter = ThreadWaiter(0, None, None)
    assert waiter.wake()
    waiter.wait()


def test_a_thread_that_is_woken_between_two_waits_does_not_wait_again():
    """Between the end of one wait and the beginning of the next."""

    def block(event, seconds):
        waiter.wake()  # as if just after the time was over

    waiter = ThreadWaiter(0, None, block)
    done = threading.Event()
    in_threads(lambda: (waiter.wait(), done.set()))
    assert done.is_set()
