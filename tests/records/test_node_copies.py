"""Views of the node copies of an instance."""

from __future__ import annotations

import copy
import pickle

from flowmagic.records.instances import Instance
from flowmagic.records.node_copies import NodeCopy, copies_in, copies_of, record_repr
from flowmagic.records.status import FAILED
from flowmagic.records.store import RecordStore
from flowmagic.records.trace import FIELDS
from flowmagic.text.redact import MASK


class Load:
    pass


class Save:
    pass


class Inner:
    pass


def records_of(params=None):
    """Return records of one row, and the trace of its instance; the run began at 10."""
    records = RecordStore({}, 10.0, 5)
    records.load([params or {"n": 1}])
    return records, records.start(0, 11.0)


def test_copies_stand_in_the_order_they_began_with_seconds_since_the_beginning():
    """A copy that runs has no end and no action yet."""
    records, trace = records_of()
    trace.close(trace.open(Load, -1, 11.0, None), "next", 12.5)
    trace.open(Save, -1, 12.5, None)
    load, save = copies_of(records, 0)
    assert (load.node, load.started, load.ended, load.action) == ("Load", 1.0, 2.5, "next")
    assert (save.node, save.started, save.ended, save.action) == ("Save", 2.5, None, None)
    assert (load.error, load.retries, load.fallbacks) == (None, 0, 0)


def test_an_instance_that_has_not_started_has_no_copies():
    """Nor has one whose flow has not reached a node yet."""
    records = RecordStore({}, 0.0, 5)
    records.load([{}])
    assert copies_of(records, 0) == []
    records.start(0, 1.0)
    assert copies_of(records, 0) == []


def test_at_the_top_each_copy_follows_the_one_before_it():
    """Within a nested flow, `after` is what its own walk says; `parent` is the nested flow."""
    records, trace = records_of()
    trace.close(trace.open(Load, -1, 11.0, None), None, 12.0)
    inner = trace.open(Inner, -1, 12.0, None)
    trace.close(trace.open(Load, inner, 12.0, None), None, 13.0)
    trace.close(inner, None, 13.0)
    trace.close(trace.open(Save, -1, 13.0, None), None, 14.0)
    copies = copies_of(records, 0)
    assert [(copy.node, copy.parent) for copy in copies] == [
        ("Load", None),
        ("Inner", None),
        ("Load", 1),
        ("Save", None),
    ]
    assert [copy.after for copy in copies] == [None, 0, None, 1]


def test_what_the_fields_cannot_hold_comes_from_the_extras():
    """Params of its own, an action that is not a string, an error, retries, its predecessor."""
    records, trace = records_of()
    for _ in range(2):
        trace.close(trace.open(Load, -1, 11.0, None), None, 12.0)
    fields, _ = records.trace_of(0)
    error, action = ValueError("no"), ("any", "object")
    extras = {
        0: {"params": {"n": 2}, "action": action, "tries": (3, 1)},
        FIELDS: {"error": error},
    }
    first, second = copies_in(records, 0, fields, extras, {FIELDS: "answer"})
    assert (first.params, first.retries, first.fallbacks) == ({"n": 2}, 3, 1)
    assert first.action is action
    assert (second.params, second.retries) == ({"n": 1}, 0)
    assert second.error is error


def test_the_copy_that_failed_has_the_error_of_its_instance():
    """And the copies before it have none."""
    records, trace = records_of()
    trace.close(trace.open(Load, -1, 11.0, None), None, 12.0)
    trace.fail(trace.open(Save, -1, 12.0, None), error := ValueError("no"), 13.0)
    records.finish(0, error, 13.0, FAILED)
    assert [copy.error for copy in copies_of(records, 0)] == [None, error]


def test_a_repr_leaves_out_what_is_none_or_zero():
    """What remains are the fields that say something, with times to the millisecond."""
    copy = NodeCopy("Load", {}, 0.12345, None, None, None, None, None)
    assert repr(copy) == "NodeCopy(node='Load', params={}, started=0.123)"
    tried = copy._replace(ended=1.0, action="next", parent=0, retries=2, fallbacks=1)
    assert repr(tried) == (
        "NodeCopy(node='Load', params={}, started=0.123, ended=1.000, action='next', parent=0, "
        "retries=2, fallbacks=1)"
    )


def test_the_secrets_of_its_params_are_masked_wherever_a_repr_shows_them():
    """In the params, and where the action or the error quotes them."""
    error = ValueError("sk-12345678 is refused")
    copy = NodeCopy("Load", {"token": "sk-12345678"}, 0.0, 1.0, "sk-12345678", error, None, None)
    assert record_repr(copy) == (
        f"NodeCopy(node='Load', params={{'token': {MASK}}}, started=0.000, ended=1.000, "
        f"action='{MASK}', error=ValueError: {MASK} is refused)"
    )


def test_a_repr_shows_the_beginning_of_a_long_value():
    """A copy is read in a line or two, whatever its params hold."""
    copy = NodeCopy("Load", {"text": "x" * 10_000}, 0.0, None, "y" * 10_000, None, None, None)
    assert len(repr(copy)) < 400


def test_the_secrets_of_the_row_and_of_the_run_are_masked_in_a_repr():
    """Also those of the flow's nodes, and those that another node copy received or returned."""
    records = RecordStore({}, 0.0, 5, lambda: frozenset({"sk-of-a-node"}))
    records.load([{"api_key": "sk-of-the-row"}])
    trace = records.start(0, 11.0)
    trace.close(trace.open(Load, -1, 11.0, {"token": "sk-of-a-copy"}), None, 12.0)
    error = ValueError("sk-of-a-node sk-of-the-row sk-of-a-copy")
    trace.fail(trace.open(Save, -1, 12.0, None), error, 13.0)
    records.finish(0, error, 13.0, FAILED)
    first, second = copies_of(records, 0)
    assert f"error=ValueError: {MASK} {MASK} {MASK}, after=0)" in repr(second)
    assert "sk-of" not in repr([first, second])
    records.requeue(0)
    records.start(0, 14.0)
    (attempt,) = Instance(records, 0).history
    assert "sk-of" not in repr(attempt)
    assert f"result=ValueError: {MASK} {MASK} {MASK}" in repr(attempt)


def test_a_copy_is_a_plain_tuple_elsewhere():
    """Equal by its fields, and without the records of the run when it is copied or pickled."""
    records, trace = records_of()
    trace.close(trace.open(Load, -1, 11.0, None), "next", 12.0)
    (one,) = copies_of(records, 0)
    assert one == copies_of(records, 0)[0] == tuple(one)
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert again == one
        assert type(again) is NodeCopy
        assert vars(again) == {}
        assert repr(again) == repr(one)
