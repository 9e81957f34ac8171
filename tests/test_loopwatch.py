"""What holds an event loop, seen while it does."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time

import pytest

from flowmagic import loopwatch
from flowmagic.loopwatch import TICK, LoopWatch, sighting, unwatch, watch
from flowmagic.records import Records


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
    assert loop not in loopwatch._watches


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
    made = LoopWatch(loop)
    made.join(told.append)
    await asyncio.sleep(2 * TICK)
    assert made.leave(told.append)
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
    records = Records({}, 0.0, 0)
    records.load([{}, {}])
    made = records.start(1, 0.0)
    made.open(int, -1, 0.0, None)
    made.open(str, -1, 0.0, None)
    return made


def ours(function):
    """Return a function that seems to be one of the package."""
    names = {"__name__": "flowmagic.tracing"}
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
    monkeypatch.setattr(loopwatch, "_is_library", lambda _: True)
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
