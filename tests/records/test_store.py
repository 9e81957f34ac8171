"""What is on record of each instance: columns that always add up."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from flowmagic.records.instances import Instance
from flowmagic.records.node_copies import copies_of
from flowmagic.records.status import (
    CANCELLED,
    FAILED,
    PENDING,
    RUNNING,
    STATUSES,
    SUCCEEDED,
)
from flowmagic.records.store import RecordStore


class Load:
    pass


def loaded(n, **params):
    records = RecordStore(params, 100.0, 10)
    records.load([{"n": i} for i in range(n)])
    return records


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "start", "succeed", "fail", "cancel", "requeue", "cancel_pending"]),
        st.integers(0, 30),
    ),
    max_size=80,
)


@given(OPERATIONS, st.booleans())
def test_counts_equal_the_statuses_of_the_rows_after_any_operations(operations, drawn):
    """Whatever happens to the rows, in any order; and watchers see every row that changed."""
    records = RecordStore({}, 0.0, 3)
    if not drawn:
        records.load([{"n": n} for n in range(8)])
    seen = records.watch()
    before = bytes(records.status)
    for name, number in operations:
        codes = {"start": PENDING, "requeue": FAILED}.get(name, RUNNING)
        rows = records.with_status(codes)
        if name == "add" and drawn:
            records.add({"n": number})
        elif name == "cancel_pending":
            records.cancel_pending()
        elif name != "add" and rows:
            index = rows[number % len(rows)]
            if name == "start":
                records.start(index, 1.0).open(Load, -1, 1.0, None)
            elif name == "requeue":
                records.requeue(index)
            else:
                code = {"succeed": SUCCEEDED, "fail": FAILED, "cancel": CANCELLED}[name]
                records.finish(index, number, 2.0, code)
        status_counts = [records.status.count(code) for code in range(len(STATUSES))]
        assert records.status_counts == status_counts
        assert records.counts.total == len(records)
    for index, code in enumerate(records.status):
        if index < len(before) and before[index] != code:
            assert index in seen


def test_the_rows_of_a_list_are_the_callers_own():
    """They are not copied: a batch may be large, and its values larger."""
    rows = [{"n": 1}, {"n": 2}]
    records = RecordStore({"base": 0}, 0.0, 10)
    records.load(rows)
    assert records.rows[0] is rows[0]
    assert records.merged(0) == {"base": 0, "n": 1}


def test_a_row_overrides_the_flows_own_params():
    """The merge is `{**flow.params, **row}`."""
    records = RecordStore({"n": "flow", "kept": 1}, 0.0, 10)
    records.load([{"n": "row"}])
    assert records.merged(0) == {"n": "row", "kept": 1}


def test_of_a_generators_rows_the_latest_successes_and_all_failures_are_kept():
    """Beyond `keep`, status, times and result remain of a success; `dropped` says how many."""
    records = RecordStore({}, 0.0, 2)
    for number in range(10):
        index = records.add({"n": number})
        records.start(index, 1.0).open(Load, -1, 1.0, None)
        records.finish(index, number, 2.0, FAILED if number < 3 else SUCCEEDED)
    assert records.dropped == 5
    assert [records.merged(index) for index in range(10)] == [
        *({"n": n} for n in range(3)),
        *[{}] * 5,
        {"n": 8},
        {"n": 9},
    ]
    assert [len(copies_of(records, index)) for index in range(10)] == [1] * 3 + [0] * 5 + [1] * 2
    assert records.results == list(range(10))
    assert list(records.ended) == [2.0] * 10


def test_rows_of_a_list_are_never_dropped():
    """The caller holds them anyway."""
    records = RecordStore({}, 0.0, 1)
    records.load([{"n": n} for n in range(5)])
    for index in range(5):
        records.start(index, 1.0)
        records.finish(index, None, 2.0)
    assert records.dropped == 0
    assert records.merged(0) == {"n": 0}


def test_a_second_attempt_starts_a_new_record():
    """Node copies are those of the last attempt; attempts are counted up to 255."""
    records = loaded(1)
    for attempt in range(300):
        trace = records.start(0, 100.0)
        trace.fail(trace.open(Load, -1, 100.0, None), ValueError(), 101.0)
        records.finish(0, ValueError(), 101.0, FAILED)
        assert len(copies_of(records, 0)) == 1
        assert Instance(records, 0).attempts == min(255, attempt + 1)
        records.requeue(0)


def test_earlier_attempts_are_history():
    """With status, times, result and node copies; of many, the latest twenty."""
    records = loaded(1)
    errors = [ValueError(str(number)) for number in range(25)]
    for number, error in enumerate(errors):
        trace = records.start(0, 100.0 + number)
        trace.fail(trace.open(Load, -1, 100.0 + number, {"n": number}), error, 100.5 + number)
        records.finish(0, error, 100.5 + number, FAILED)
        records.requeue(0)
    instance = Instance(records, 0)
    assert (instance.result, instance.started, instance.copies) == (None, None, [])
    history = instance.history
    assert [each.result for each in history] == errors[-20:]
    last = history[-1]
    assert (last.status, last.started, last.ended) == ("failed", 24.0, 24.5)
    assert [(c.node, c.params, c.error) for c in last.copies] == [("Load", {"n": 24}, errors[-1])]


def test_a_retry_that_never_began_leaves_the_row_as_it_was():
    """Its error, its times and its node copies are not lost when the run ends before."""
    records = loaded(3)
    for index in range(2):
        trace = records.start(index, 100.0)
        trace.fail(trace.open(Load, -1, 100.0, {"x": 1}), error := ValueError(), 101.0)
        records.finish(index, error, 101.0, FAILED)
    before = (records.results[0], copies_of(records, 0), Instance(records, 0).attempts)
    records.requeue(0)
    records.requeue(1)
    records.cancel(1)
    records.cancel_pending()
    assert list(records.status) == [FAILED, FAILED, CANCELLED]
    assert (records.results[0], copies_of(records, 0), Instance(records, 0).attempts) == before
    assert (records.history, records.status_counts) == ({}, [0, 0, 0, 2, 1])


def test_rows_that_never_started_are_cancelled_in_one_sweep():
    """Rows between running ones, and the long tail behind them."""
    records = loaded(6)
    records.start(1, 100.0)
    records.start(3, 100.0)
    records.cancel_pending()
    assert list(records.status) == [CANCELLED, RUNNING, CANCELLED, RUNNING, CANCELLED, CANCELLED]
    assert isinstance(records.results[5], asyncio.CancelledError)
    assert records.results[1] is None


def test_a_row_that_never_started_is_requeued_without_an_attempt():
    """It is run for the first time when the rest of a stopped run is run."""
    records = RecordStore({}, 0.0, 0)
    records.load([{}, {}])
    records.cancel_pending()
    records.requeue(1)
    assert list(records.status_counts) == [1, 0, 0, 0, 1]
    assert records.results[1] is None
    assert (records.attempt(1), records.history) == (0, {})
