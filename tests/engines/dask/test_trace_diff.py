"""The node copies of an instance on a worker arrive in the trace that its run keeps."""

from __future__ import annotations

import math
import pickle

from pocketflow import AsyncNode, Flow, Node

from flowmagic.engines.dask.serialization import Sources, classes_of
from flowmagic.engines.dask.trace_diff import TraceDiffer, TracePatcher
from flowmagic.records.store import RecordStore
from flowmagic.records.trace import FIELDS


class First(Node):
    pass


class Second(AsyncNode):
    pass


class Made(Node):
    """Is in no flow here: one that a node makes while it runs."""


def both(now=100.0):
    """What notes on a worker, what takes over here, and the trace here."""
    first = First()
    first >> Second()
    flow = Flow(start=first)
    told = []
    noting = TraceDiffer(classes_of(flow), 2, lambda: told.append("news"))
    records = RecordStore({}, 0.0, 10)
    records.load([{"n": 1}, {"n": 2}])
    records.start(0, 0.0).open(Second, -1, 0.0, None)  # so that the numbers differ here
    taking = TracePatcher(flow, Sources(flow), lambda: now, {})
    return noting, taking, records.start(1, 0.0), told


def carry(noting, taking, trace, error=None, shift=0.0):
    """Let what has changed travel; return how many fields did."""
    changes = pickle.loads(pickle.dumps(noting.changes(1, error)))
    noting.changed.clear()
    taking.take(trace, changes, shift)
    return len(changes[1])


def names(trace):
    return [trace.board.node_names[number] for number in trace[::FIELDS]]


def test_only_copies_from_the_first_open_one_on_travel():
    """Those that have ended and arrived do not change any more."""
    noting, taking, here, _ = both()
    there = noting.trace(1)
    first = there.open(First, -1, 1.0, None)
    assert carry(noting, taking, here) == FIELDS
    assert math.isnan(here[4])
    there.close(first, "on", 2.0)
    second = there.open(Second, -1, 3.0, None)
    assert carry(noting, taking, here) == 2 * FIELDS
    there.close(second, None, 4.0)
    assert carry(noting, taking, here) == FIELDS
    assert carry(noting, taking, here) == 0
    assert names(here) == ["First", "Second"]
    assert here.board.action_name(here[2]) == "on"
    assert here[3:5] + here[8:10] == [1.0, 2.0, 3.0, 4.0]


def test_times_are_shifted_to_the_clock_here_and_are_never_of_the_future():
    """A worker's clock has another zero, and is known only as well as its messages are quick."""
    noting, taking, here, _ = both(now=51.5)
    there = noting.trace(1)
    there.close(there.open(First, -1, 1.0, None), None, 2.0)
    carry(noting, taking, here, shift=50.0)
    assert here[3:5] == [51.0, 51.5]


def test_a_class_made_on_the_worker_has_one_stand_in_here():
    """Of its name; it is not the class of another name, and not a new one each time."""
    noting, taking, here, _ = both()
    there = noting.trace(1)
    for _ in range(2):
        there.close(there.open(Made, -1, 1.0, None), None, 2.0)
        carry(noting, taking, here)
    assert names(here) == ["Made", "Made"]
    assert here.board.node_names.count("Made") == 1


def test_what_fits_no_field_arrives_too_and_the_instances_own_error_only_once():
    """Its outcome brings that, and puts it in its place; another error comes with its copy."""
    noting, taking, here, _ = both()
    there = noting.trace(1)
    own, other = ValueError("own"), KeyError("other")
    first = there.open(First, -1, 1.0, {"n": 5})
    there.fail(first, other, 2.0)
    second = there.open(Second, -1, 2.0, None)
    there.note_retries(second, 2, 1)
    there.fail(second, own, 3.0)
    carry(noting, taking, here, own)
    assert here.extras[first]["params"] == {"n": 5}
    assert type(here.extras[first]["error"]) is KeyError
    assert here.extras[second] == {"tries": (2, 1), "error": None}


def test_the_first_change_says_that_there_is_news_and_only_its_row_is_noted():
    """A message is planned once for all that changes until it is sent."""
    noting, taking, here, told = both()
    at = noting.trace(1).open(First, -1, 1.0, None)
    noting.trace(1).close(at, None, 2.0)
    assert (told, set(noting.changed)) == (["news"], {1})
    carry(noting, taking, here)
    noting.trace(1).open(Second, -1, 2.0, None)
    assert told == ["news", "news"]
