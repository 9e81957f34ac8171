"""The instances of a run as one looks at them."""

from __future__ import annotations

import copy

import pytest
from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic.records.instances import _RIGHT_NAMES, Attempt, Instance, Instances
from flowmagic.records.status import CANCELLED, FAILED, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.text.redact import MASK


class Load:
    pass


def records_of_every_kind():
    """Rows 0 to 4: succeeded, failed, cancelled, running, pending."""
    records = RecordStore({"base": 1}, 10.0, 5)
    records.load([{"n": n} for n in range(5)])
    ends = [(SUCCEEDED, "done"), (FAILED, ValueError("no")), (CANCELLED, TimeoutError())]
    for index, (code, result) in enumerate(ends):
        trace = records.start(index, 11.0)
        trace.close(trace.open(Load, -1, 11.0, None), "next", 12.0)
        records.finish(index, result, 13.0, code)
    records.start(3, 14.0).open(Load, -1, 14.0, None)
    return records


def test_an_ended_instance_shows_what_it_did():
    """Params, status, times since the run began, result, node copies."""
    done = Instance(records_of_every_kind(), 0)
    assert (done.index, done.status, done.result, done.error) == (0, "succeeded", "done", None)
    assert done.params == {"base": 1, "n": 0}
    assert (done.started, done.ended, done.seconds) == (1.0, 3.0, 2.0)
    assert (done.node, done.attempts, done.traceback) == ("Load", 1, "")
    assert [(c.node, c.action) for c in done.copies] == [("Load", "next")]
    assert done.copies[0].params == done.params
    assert repr(done) == "<Instance 0: succeeded, base=1, n=0; 'done'>"
    assert repr(done.copies) == (
        "[NodeCopy(node='Load', params={'base': 1, 'n': 0}, started=1.000, ended=2.000, "
        "action='next')]"
    )


def test_a_failed_instance_has_an_error_and_its_traceback():
    """`result` is the exception too, as in `run.results`."""
    failed = Instance(records_of_every_kind(), 1)
    assert isinstance(failed.error, ValueError)
    assert failed.result is failed.error
    assert failed.traceback.endswith("ValueError: no\n")
    assert repr(failed) == "<Instance 1: failed, base=1, n=1; ValueError: no>"
    assert isinstance(Instance(records_of_every_kind(), 2).error, TimeoutError)


def test_a_wrong_name_is_answered_with_the_right_one():
    """`hasattr`, defaults and copies work as ever; what is named exists."""
    done = Instance(records_of_every_kind(), 0)
    with pytest.raises(fm.MissingAttributeError, match=r"'outputs'. Write run\[i\]\.output\.$"):
        done.outputs
    with pytest.raises(AttributeError, match=r"Did you mean run\[i\]\.attempts\?$"):
        done.atempts
    assert not hasattr(done, "stdout")
    assert copy.copy(done).params == done.params
    for wrong, right in _RIGHT_NAMES.items():
        assert not hasattr(done, wrong)
        assert hasattr(done, right.removeprefix("run[i]."))


def test_a_repr_shows_no_secret_of_the_flow_or_the_shared_store():
    """As it shows none of the instance's own params."""
    records = RecordStore({}, 0.0, 5, lambda: frozenset({"sk-of-the-node"}))
    records.load([{}, {}])
    for index, (result, code) in enumerate(
        [(ValueError("sk-of-the-node is refused"), FAILED), ("sk-of-the-node", SUCCEEDED)]
    ):
        records.start(index, 0.0)
        records.finish(index, result, 1.0, code)
    assert repr(Instance(records, 0)) == f"<Instance 0: failed; ValueError: {MASK} is refused>"
    assert repr(Instance(records, 1)) == f"<Instance 1: succeeded; '{MASK}'>"


def test_a_traceback_shows_no_secret_of_the_row_or_of_the_run():
    """As the panel and the journal show none; the error itself is the user's own object."""

    class Ask(AsyncNode):
        async def exec_async(self, _):
            raise ValueError(f"{self.params['api_key']}, {self.api_key} and password='swordfish'")

    node = Ask()
    node.api_key = "sk-of-the-node"
    (failed,) = fm.run_batch(node, [{"api_key": "hunter22"}]).failures
    assert failed.traceback.endswith(f"ValueError: {MASK}, {MASK} and password='{MASK}'\n")
    assert "raise ValueError(" in failed.traceback
    assert "flowmagic" not in failed.traceback.replace(__file__, "")
    assert str(failed.error) == "hunter22, sk-of-the-node and password='swordfish'"


def test_an_exception_that_a_node_returned_is_a_result():
    """Only a failed instance has an error."""
    records = RecordStore({}, 0.0, 5)
    records.load([{}])
    records.start(0, 0.0)
    records.finish(0, returned := ValueError(), 1.0)
    assert Instance(records, 0).result is returned
    assert Instance(records, 0).error is None


def test_what_has_not_happened_is_none():
    """A running instance has no end; a pending one not even a beginning."""
    records = records_of_every_kind()
    running, pending = Instance(records, 3), Instance(records, 4)
    assert (running.started, running.ended, running.seconds, running.result) == (
        4.0,
        None,
        None,
        None,
    )
    assert running.copies[0].ended is None
    assert (pending.started, pending.ended, pending.seconds, pending.node) == (None,) * 4
    assert (pending.attempts, pending.copies, pending.error) == (0, [], None)


def test_a_view_is_live():
    """It shows what its row is now, not what it was when it was made."""
    records = records_of_every_kind()
    running = Instance(records, 3)
    records.finish(3, "late", 20.0)
    assert (running.status, running.result, running.seconds) == ("succeeded", "late", 6.0)


def test_instances_are_a_sequence():
    """By number, from the end, by slice, one after the other."""
    instances = Instances(records_of_every_kind())
    assert len(instances) == 5
    assert instances[1].index == 1
    assert instances[-1].index == 4
    assert [each.index for each in instances[1:4:2]] == [1, 3]
    assert [each.index for each in instances] == list(range(5))
    assert repr(instances) == "<5 instances>"


def test_a_repr_is_short_and_has_no_secrets():
    """A saved notebook keeps it; params, results and errors may be of any size."""
    records = RecordStore({"api_key": "sk-123456"}, 0.0, 5)
    records.load([{"text": "x" * 10_000}])
    trace = records.start(0, 0.0)
    trace.fail(trace.open(Load, -1, 0.0, None), error := ValueError("sk-123456 " * 999), 1.0)
    records.finish(0, error, 1.0, FAILED)
    failed = Instance(records, 0)
    attempt = Attempt(failed.status, 0.0, 1.0, error, failed.copies, "", frozenset())
    assert repr(attempt).startswith("Attempt(status=<Status.FAILED: 'failed'>, started=0.000")
    for shown in map(repr, (failed, failed.copies[0], attempt)):
        assert "sk-123456" not in shown
        assert "api_key" in shown
        assert "ValueError: " in shown
        assert len(shown) < 500


def test_an_index_must_be_an_integer():
    """Rows have no names; numpy's integers are integers."""
    with pytest.raises(
        TypeError, match=r"The index of an instance is an int, and this is a str \('a'\)"
    ):
        Instances(records_of_every_kind())["a"]
    two = type("Int64", (), {"__index__": lambda _: 2})()
    assert Instances(records_of_every_kind())[two].index == 2


@pytest.mark.parametrize("index", [5, -6])
def test_an_index_beyond_the_end_is_an_error(index):
    """The message says how many instances there are."""
    with pytest.raises(IndexError, match=f"There is no instance {index}: the run has 5."):
        Instances(records_of_every_kind())[index]
