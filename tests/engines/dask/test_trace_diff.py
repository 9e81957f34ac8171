"""The node copies of an instance on a worker are written to the trace of its run."""

from __future__ import annotations

import math
import pickle

from pocketflow import AsyncNode, Flow, Node

from flowmagic.engines.dask.serialization import SourceFiles, node_classes_of
from flowmagic.engines.dask.trace_diff import TraceDiffer, TracePatcher
from flowmagic.errors import OutputLostError
from flowmagic.records.store import RecordStore
from flowmagic.records.trace import FIELDS


class First(Node):
    pass


class Second(AsyncNode):
    pass


class Made(Node):
    """Is in no flow here: one that a node makes while it runs."""


def both(now=100.0):
    """Return a differ for a worker, a patcher, the trace that it patches, and the differ's calls."""
    first = First()
    first >> Second()
    flow = Flow(start=first)
    calls = []
    differ = TraceDiffer(node_classes_of(flow), 2, lambda: calls.append("first"))
    records = RecordStore({}, 0.0, 10)
    records.load([{"n": 1}, {"n": 2}])
    records.start(0, 0.0).open(Second, -1, 0.0, None)  # so that the numbers differ here
    patcher = TracePatcher(flow, SourceFiles(flow), lambda: now, {})
    return differ, patcher, records.start(1, 0.0), calls


def carry(differ, patcher, trace, error=None, shift=0.0):
    """Pickle a diff and apply it; return the number of its fields."""
    diff = pickle.loads(pickle.dumps(differ.diff(1, error)))
    differ.changed.clear()
    patcher.apply(trace, diff, shift)
    return len(diff.fields)


def names(trace):
    return [trace.board.node_names[number] for number in trace[::FIELDS]]


def test_a_diff_starts_at_the_first_copy_that_had_not_ended():
    """Those before it were in an earlier diff and have not changed since."""
    differ, patcher, here, _ = both()
    there = differ.trace(1)
    first = there.open(First, -1, 1.0, None)
    assert carry(differ, patcher, here) == FIELDS
    assert math.isnan(here[4])
    there.close(first, "on", 2.0)
    second = there.open(Second, -1, 3.0, None)
    assert carry(differ, patcher, here) == 2 * FIELDS
    there.close(second, None, 4.0)
    assert carry(differ, patcher, here) == FIELDS
    assert carry(differ, patcher, here) == 0
    assert names(here) == ["First", "Second"]
    assert here.board.action_name(here[2]) == "on"
    assert here[3:5] + here[8:10] == [1.0, 2.0, 3.0, 4.0]


def test_times_are_shifted_to_the_clock_here_and_are_never_of_the_future():
    """A worker's clock has another zero, and is known only as well as its messages are quick."""
    differ, patcher, here, _ = both(now=51.5)
    there = differ.trace(1)
    there.close(there.open(First, -1, 1.0, None), None, 2.0)
    carry(differ, patcher, here, shift=50.0)
    assert here[3:5] == [51.0, 51.5]


def test_a_class_made_on_the_worker_has_one_stand_in_here():
    """Of its name; it is not the class of another name, and not a new one each time."""
    differ, patcher, here, _ = both()
    there = differ.trace(1)
    for _ in range(2):
        there.close(there.open(Made, -1, 1.0, None), None, 2.0)
        carry(differ, patcher, here)
    assert names(here) == ["Made", "Made"]
    assert here.board.node_names.count("Made") == 1


def test_what_fits_no_field_arrives_too_and_the_instances_own_error_only_once():
    """The outcome brings that one; any other error comes with its copy."""
    differ, patcher, here, _ = both()
    there = differ.trace(1)
    own, other = ValueError("own"), KeyError("other")
    first = there.open(First, -1, 1.0, {"n": 5})
    there.fail(first, other, 2.0)
    second = there.open(Second, -1, 2.0, None)
    there.note_retries(second, 2, 1)
    there.fail(second, own, 3.0)
    carry(differ, patcher, here, own)
    assert here.extras[first]["params"] == {"n": 5}
    assert type(here.extras[first]["error"]) is KeyError
    assert here.extras[second] == {"tries": (2, 1), "error": None}


def test_outputs_arrive_once_and_in_the_order_of_the_node_copies():
    """In whatever order they were noted; None is no output."""
    differ, patcher, here, _ = both()
    there = differ.trace(1)
    copies = [there.open(First, -1, 1.0, None) for _ in range(3)]
    for at in (copies[2], copies[0]):
        there.note_output(at, [at])
    there.note_output(copies[1], None)
    carry(differ, patcher, here)
    assert here.outputs == [copies[0], [copies[0]], copies[2], [copies[2]]]
    assert differ.diff(1, None).outputs == {}
    there.note_output(copies[2], "of a second call of its post")
    carry(differ, patcher, here)
    assert here.outputs[-1] == "of a second call of its post"


def test_an_output_arrives_as_the_post_received_it():
    """Not as the post left it: when it is sent depends on the clock."""
    differ, patcher, here, _ = both()
    there = differ.trace(1)
    output = ["as it was"]
    there.note_output(there.open(First, -1, 1.0, None), output)
    output.append("changed")
    carry(differ, patcher, here)
    assert here.outputs == [0, ["as it was"]]


def test_a_large_output_is_told_from_none_before_it_arrives():
    """It comes with the outcome; a later and smaller output of the same copy replaces it."""
    differ, patcher, here, _ = both()
    there = differ.trace(1)
    at = there.open(First, -1, 1.0, None)
    there.note_output(at, "x" * 10_000)
    carry(differ, patcher, here)
    assert isinstance(here.outputs[1], OutputLostError)
    assert "This output is still on its worker" in str(here.outputs[1])
    assert [pickle.loads(each) for each in there.large_outputs.values()] == ["x" * 10_000]
    there.note_output(at, "small")
    carry(differ, patcher, here)
    assert (here.outputs, there.large_outputs) == ([at, "small"], {})


def test_the_first_change_calls_back_and_only_its_row_is_in_changed():
    """One message is scheduled for all changes until it is sent."""
    differ, patcher, here, calls = both()
    at = differ.trace(1).open(First, -1, 1.0, None)
    differ.trace(1).close(at, None, 2.0)
    assert (calls, set(differ.changed)) == (["first"], {1})
    carry(differ, patcher, here)
    differ.trace(1).open(Second, -1, 2.0, None)
    assert calls == ["first", "first"]
