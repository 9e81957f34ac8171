"""Who held the event loop, as a run tells it."""

from __future__ import annotations

import asyncio
import time

from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow

import flowmagic
from flowmagic.finding import Place
from flowmagic.lagwatch import LATE, MOST_HOLDS, LagWatch
from flowmagic.loopwatch import Sighting
from flowmagic.records import Records

from .virtualtime import virtual

HERE = Place("agent.py", 12)


class Calm(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(0.05)


class Holds(AsyncNode):
    async def exec_async(self, prepared):
        if self.params.get("holds"):
            time.sleep(0.4)  # what is being watched for is real time


def test_a_node_that_holds_the_loop_is_named_with_its_instance_and_line():
    """From its very first step; those that waited meanwhile are not."""
    rows = [{"holds": i == 2} for i in range(4)]
    run = flowmagic.run_batch(AsyncFlow(start=Holds()), rows)
    hold = run.holds[0]
    assert (hold.index, hold.node, hold.others) == (2, "Holds", 0)
    assert hold.seconds > LATE
    line = Holds.exec_async.__code__.co_firstlineno + 2
    assert str(hold).startswith("Instance 2, node Holds, held the event loop for ")
    assert str(hold).endswith(f"ms (test_lagwatch.py, line {line}).")


def test_of_what_an_instance_runs_at_once_the_node_that_held_is_named():
    """Not the one that began last; and another run on the loop has nothing to do with it."""

    class Branches(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"wait": 0.1}, {"wait": 0, "holds": False}]

    class Wait(AsyncNode):
        async def exec_async(self, prepared):
            await asyncio.sleep(self.params["wait"])
            if self.params["wait"]:
                time.sleep(0.4)

    wait = Wait()
    wait >> Calm()

    async def course():
        other = flowmagic.batchflow(AsyncFlow(start=Calm()), [{}] * 8, limit=1)
        run = await flowmagic.batchflow(AsyncFlow(start=Branches(start=wait)), [{}])
        return run, await other

    run, other = asyncio.run(course())
    assert [(hold.index, hold.node) for hold in run.holds] == [(0, "Wait")]
    assert other.holds == []


def test_a_run_that_is_taken_up_again_is_watched_again():
    """What holds the loop in a retry is told as ever."""
    tries = []

    class Fails(AsyncNode):
        async def exec_async(self, prepared):
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("once")
            time.sleep(0.4)

    async def course():
        run = await flowmagic.batchflow(AsyncFlow(start=Fails()), [{}])
        assert run.holds == []
        run.retry_failed()
        return await run

    assert [hold.node for hold in asyncio.run(course()).holds] == ["Fails"]


@virtual
async def test_a_loop_with_a_time_of_its_own_is_not_watched():
    """It is never late."""
    run = flowmagic.batchflow(AsyncFlow(start=Calm()), [{"i": 1}])
    await run
    assert run.holds == []
    assert run._course.lag is None


def told(late, *seen, board=None):
    """Return the holds that come of what a watch was told."""
    watch = LagWatch(None, board or Records({}, 0.0, 0))
    watch._note(late, [each._replace(board=each.board or watch._board) for each in seen])
    return watch.holds


def test_each_has_its_share_of_the_time():
    """By how often it was seen; one with less than what counts is not named."""
    long, short = Sighting(None, 3, "Long", HERE), Sighting(None, 4, "Short", HERE)
    (hold,) = told(0.4, long, long, long, short)
    assert (hold.index, hold.node) == (3, "Long")
    assert round(hold.seconds, 6) == 0.3
    assert [each.node for each in told(0.9, short, long, long)] == ["Long", "Short"]
    assert told(LATE, long) == []


def test_instances_that_hold_the_loop_at_the_same_node_are_told_together():
    """Each of them briefly: it is the sum that hurts."""
    seen = [Sighting(None, row, "Node", HERE) for row in (5, 2, 2, 7)]
    (hold,) = told(0.5, *seen)
    text = "Instance 5 and 2 more, node Node, held the event loop for 500 ms (agent.py, line 12)."
    assert str(hold) == text


def test_what_is_no_runs_is_told_to_all_that_stood_still():
    """If it is somebody's code; what other runs did is told there."""
    watch = LagWatch(None, Records({}, 0.0, 0))
    watch._note(0.5, [Sighting(None, -1, "", HERE)])
    assert str(watch.holds[0]) == "Something held the event loop for 500 ms (agent.py, line 12)."
    watch._note(0.9, [Sighting(None, -1, "", None)])
    watch._note(0.9, [Sighting(Records({}, 0.0, 0), 1, "Other", HERE)])
    assert watch.count == len(watch.holds) == 1


def test_of_many_holds_the_longest_are_kept():
    """And all are counted."""
    watch = LagWatch(None, Records({}, 0.0, 0))
    for n in range(100):
        watch._note(1.0 + n, [Sighting(watch._board, n, "Node", HERE)])
    assert watch.count == 100
    assert [hold.index for hold in watch.holds] == list(range(99, 99 - MOST_HOLDS, -1))


def test_a_cell_has_its_name():
    """Where somebody knows what to call a file."""
    (hold,) = told(0.5, Sighting(None, 1, "Node", Place("/tmp/ipykernel_1/2.py", 3)))
    assert hold.text(lambda _: "Cell In[4]").endswith("500 ms (Cell In[4], line 3).")
    assert str(hold).endswith("500 ms (its cell, line 3).")
