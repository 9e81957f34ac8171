"""The journal keeps what is known of the shared store of its run."""

from __future__ import annotations

import asyncio

from flowmagic.journal.shared_record import SharedRecord
from flowmagic.journal.shared_state import SharedState
from flowmagic.records.store import RecordStore
from flowmagic.shared.assignments import IN_PLACE, AssignmentLog
from flowmagic.shared.crossings import CrossingDetector
from flowmagic.shared.recorded_views import recorded_views


def recorded(store, unseen="", secrets=frozenset()):
    """Return a record, a function that runs a row, and the states that were written."""
    records, written = RecordStore({}, 0.0, 10), []
    records.load([{}] * 4)
    log = AssignmentLog(store, records.live)
    view = recorded_views(store, CrossingDetector(records), log)
    record = SharedRecord(log, unseen, None, secrets, written.append)
    asyncio.run(record.begin())

    def run(row, act):
        trace = records.start(row, 0.0)
        trace.open(dict, -1, 0.0, None)
        act(view(trace))
        records.finish(row, None, 1.0)
        return record.take(row, again=False)

    return record, run, written


def test_each_change_of_what_is_known_is_written_once():
    """That rows assign, that a key was changed otherwise, that the store was compared."""
    record, run, written = recorded({"log": []})
    assert run(0, lambda view: view.get("a")) == {}
    assert written == []
    assert list(run(1, lambda view: view.update(a=1))) == [("a",)]
    run(2, lambda view: view["log"].append(1))
    run(3, lambda view: (view["log"].append(1), view.update(b=1)))
    asyncio.run(record.compare())
    changed = {"shared['log']": IN_PLACE}
    assert [SharedState.from_json(text) for text in written] == [
        SharedState(is_assigned=True),
        SharedState(is_assigned=True, changed=changed),
        SharedState(is_assigned=True, changed=changed, is_compared=True),
    ]
    assert [each.note for each in record.findings] == [True]


def test_what_is_not_known_is_written_at_the_start():
    """The kernel may die at any time."""
    record, _, written = recorded({}, "it is untracked")
    assert SharedState.from_json(written[0]) == SharedState("it is untracked")
    assert record.findings == []


def test_a_key_that_is_a_secret_is_masked():
    """It is written to the file."""
    _, run, written = recorded({"so secret": []}, secrets=frozenset(["so secret"]))
    run(0, lambda view: view["so secret"].append(1))
    assert written
    assert "so secret" not in written[-1]


def test_without_a_log_nothing_is_known():
    """As where instances are isolated, or `shared` is no plain dict."""
    record = SharedRecord(None, "", None, frozenset(), lambda text: None)
    asyncio.run(record.begin())
    asyncio.run(record.compare())
    assert record.take(0, again=False) == {}
    assert record.findings == []
    assert not record.restores_first
