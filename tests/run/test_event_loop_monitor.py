"""What holds an event loop, seen while it does."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time

import pytest
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow

import flowmagic
from flowmagic.flow.finding import Place
from flowmagic.records.store import RecordStore
from flowmagic.run import event_loop_monitor
from flowmagic.run.event_loop_monitor import (
    LATE,
    MOST_HOLDS,
    TICK,
    EventLoopMonitor,
    HoldRecorder,
    Sighting,
    sighting,
    unwatch,
    watch,
)


def threads():
    return [each for each in threading.enumerate() if each.name == "flowmagic-lag"]


async def settled(condition):
    """Wait until a thread has come to something."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing came of it")


async def test_there_is_one_thread_whatever_the_number_of_runs_and_none_after_the_last():
    """Nor a timer."""
    loop = asyncio.get_running_loop()
    first, second = [], []
    tell = [lambda late, seen: first.append(late), lambda late, seen: second.append(late)]
    for each in tell:
        watch(loop, each)
    assert len(threads()) == 1
    unwatch(loop, tell[0])
    time.sleep(3 * TICK)  # held on purpose: what is watched is real time
    await settled(lambda: second)
    assert len(threads()) == 1
    unwatch(loop, tell[1])
    unwatch(loop, tell[1])
    await settled(lambda: not threads())
    assert [each for each in loop._scheduled if each._callback is not None] == []
    assert first == []
    assert loop not in event_loop_monitor._monitors


async def test_a_loop_that_is_held_is_told_with_the_line_and_for_how_long():
    """The line is ours to see, the library that it calls is not."""
    seen = []
    loop = asyncio.get_running_loop()

    def tell(late, sightings):
        seen.append((late, sightings))

    watch(loop, tell)
    time.sleep(0.4)
    await settled(lambda: seen)
    unwatch(loop, tell)
    late, sightings = seen[0]
    assert late > 0.1
    assert {each.place.file for each in sightings} == {__file__}
    assert all(each.board is None for each in sightings)


async def test_without_threads_nothing_is_seen_and_nothing_breaks(monkeypatch):
    """As in a browser's Python."""

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    loop = asyncio.get_running_loop()
    told = []
    made = EventLoopMonitor(loop)
    made.add(told.append)
    await asyncio.sleep(2 * TICK)
    assert made.remove(told.append)
    assert told == []


def test_a_watch_of_a_loop_that_was_closed_ends_by_itself():
    """With runs on it that never ended."""

    async def begin():
        watch(asyncio.get_running_loop(), print)

    asyncio.run(begin())
    for _ in range(500):
        if not threads():
            break
        time.sleep(0.01)
    assert threads() == []


def _look():
    return sighting(sys._getframe())


def walk(trace, at, look):
    """Stand for a frame of our own walk."""
    return look()


@pytest.fixture
def trace():
    """A trace with two node copies, of which the later one is another class."""
    records = RecordStore({}, 0.0, 0)
    records.load([{}, {}])
    made = records.start(1, 0.0)
    made.open(int, -1, 0.0, None)
    made.open(str, -1, 0.0, None)
    return made


def ours(function):
    """Return a function that seems to be one of the package."""
    names = {"__name__": "flowmagic.flow.walker"}
    return type(function)(function.__code__, names, function.__name__)


def test_the_walk_that_called_says_whose_step_it_is(trace):
    """By its place in the trace; before the first copy, by what began last."""
    seen = ours(walk)(trace, 0, _look)
    assert (seen.board, seen.row, seen.node) == (trace.board, 1, "int")
    assert seen.place == (__file__, _look.__code__.co_firstlineno + 1)
    assert ours(walk)(trace, -1, _look).node == "str"
    assert walk(trace, 0, _look).board is None


def test_what_libraries_do_is_told_by_the_line_that_called_them(trace):
    """The innermost one that the user wrote."""

    def in_library():
        seen = []
        json.dumps(object(), default=lambda _: seen.append(sighting(sys._getframe(1))))
        return seen[0]

    seen = ours(walk)(trace, 0, in_library)
    assert seen.place == (__file__, in_library.__code__.co_firstlineno + 2)


def test_where_nothing_is_the_users_own_the_node_is_what_pocketflow_called(trace, monkeypatch):
    """A flow may be a package that was installed."""
    monkeypatch.setattr(event_loop_monitor, "_is_library", lambda _: True)
    seen = ours(walk)(trace, 0, lambda: _look())
    assert seen.place.file == __file__
    assert seen.place.line > _look.__code__.co_firstlineno + 1


def test_a_cell_is_not_blamed_for_what_its_panel_takes():
    """Its line only called the magic; what the cell itself does, below the magic, is told."""
    names = {"__name__": "flowmagic.notebook.magic"}
    magic = type(walk)(walk.__code__, names, "magic")
    drawing = type(_look)(_look.__code__, {**globals(), **names}, "drawing")
    assert magic(None, None, drawing) == (None, -1, "", None)
    assert magic(None, None, _look).place.file == __file__


def test_what_called_the_loop_is_not_what_it_is_at():
    """A script that runs a loop holds nothing."""

    async def look():
        return sighting(sys._getframe().f_back)

    assert asyncio.run(look()).place is None


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
    assert str(hold).endswith(f"ms (test_event_loop_monitor.py, line {line}).")


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

    async def lifecycle():
        other = flowmagic.batchflow(AsyncFlow(start=Calm()), [{}] * 8, limit=1)
        run = await flowmagic.batchflow(AsyncFlow(start=Branches(start=wait)), [{}])
        return run, await other

    run, other = asyncio.run(lifecycle())
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

    async def lifecycle():
        run = await flowmagic.batchflow(AsyncFlow(start=Fails()), [{}])
        assert run.holds == []
        run.retry_failed()
        return await run

    assert [hold.node for hold in asyncio.run(lifecycle()).holds] == ["Fails"]


def told(late, *seen, board=None):
    """Return the holds that come of what a watch was told."""
    watch = HoldRecorder(None, board or RecordStore({}, 0.0, 0))
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
    watch = HoldRecorder(None, RecordStore({}, 0.0, 0))
    watch._note(0.5, [Sighting(None, -1, "", HERE)])
    assert str(watch.holds[0]) == "Something held the event loop for 500 ms (agent.py, line 12)."
    watch._note(0.9, [Sighting(None, -1, "", None)])
    watch._note(0.9, [Sighting(RecordStore({}, 0.0, 0), 1, "Other", HERE)])
    assert watch.count == len(watch.holds) == 1


def test_of_many_holds_the_longest_are_kept():
    """And all are counted."""
    watch = HoldRecorder(None, RecordStore({}, 0.0, 0))
    for n in range(100):
        watch._note(1.0 + n, [Sighting(watch._board, n, "Node", HERE)])
    assert watch.count == 100
    assert [hold.index for hold in watch.holds] == list(range(99, 99 - MOST_HOLDS, -1))


def test_a_cell_has_its_name():
    """Where somebody knows what to call a file."""
    (hold,) = told(0.5, Sighting(None, 1, "Node", Place("/tmp/ipykernel_1/2.py", 3)))
    assert hold.text(lambda _: "Cell In[4]").endswith("500 ms (Cell In[4], line 3).")
    assert str(hold).endswith("500 ms (its cell, line 3).")
