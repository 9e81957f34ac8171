"""The instances of a run as one looks at them."""

from __future__ import annotations

import asyncio
import copy
import sys

import pandas as pd
import polars as pl
import pytest
from pocketflow import AsyncNode, BatchFlow, Node

import flowmagic as fm
from flowmagic.records.instances import _RIGHT_NAMES, Attempt, Instance, Instances
from flowmagic.records.status import CANCELLED, FAILED, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.text.redact import MASK

from ..virtualtime import virtual


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
    records = RecordStore({}, 0.0, 5, frozenset({"sk-of-the-node"}))
    records.load([{}, {}])
    for index, (result, code) in enumerate(
        [(ValueError("sk-of-the-node is refused"), FAILED), ("sk-of-the-node", SUCCEEDED)]
    ):
        records.start(index, 0.0)
        records.finish(index, result, 1.0, code)
    assert repr(Instance(records, 0)) == f"<Instance 0: failed; ValueError: {MASK} is refused>"
    assert repr(Instance(records, 1)) == f"<Instance 1: succeeded; '{MASK}'>"


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


class Halve(AsyncNode):
    async def exec_async(self, prep_res):
        self.params["i"] = 4
        return 1 / self.params["divisor"]


class Mark(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["mark"] = self.params["i"]


@virtual
async def test_params_are_columns_and_what_became_of_a_row_follows_them():
    """A param that is named like one of ours keeps its name."""
    rows = [{"status": "x", "divisor": 2}, {"status": "y", "divisor": 0}]
    frame = (await fm.batchflow(Halve(), rows)).to_frame()
    assert list(frame.columns) == [
        *("status", "divisor"),
        *("status_", "seconds", "attempts", "result"),
    ]
    assert list(frame["status"]) == ["x", "y"]
    assert list(frame["status_"]) == ["succeeded", "failed"]
    assert list(frame["seconds"]) == [0.0, 0.0]
    assert isinstance(frame["result"][1], ZeroDivisionError)


@virtual
async def test_what_isolated_instances_wrote_is_a_column():
    """And of others there is no such column."""
    run = await fm.batchflow(Mark(), fm.grid(i=[7, 8]), isolate=True)
    assert list(run.to_frame()["writes"]) == [{"mark": 7}, {"mark": 8}]
    assert "writes" not in (await fm.batchflow(Mark(), [{"i": 1}])).to_frame().columns


TEXTS = pd.DataFrame({"id": [1, 2, 3, 4], "i": [10, 20, 30, 40], "city": ["x", "y", "x", "y"]})

FRAMES = {
    "as it is": TEXTS,
    "filtered": TEXTS[TEXTS["id"] % 2 == 0],
    "sorted": TEXTS.sort_values("id", ascending=False),
    "named": TEXTS.set_index("id").sort_index(ascending=False),
    "several levels": TEXTS.set_index(["city", "id"]),
    "several levels, of which one has a name": TEXTS.set_index(["city", "id"]).rename_axis(
        [None, "id"]
    ),
    "labels that occur twice": TEXTS.set_index("city"),
    "missing labels": TEXTS.set_index(pd.Index([None, 1, None, float("nan")], name="key")),
    "dates": TEXTS.set_index(pd.date_range("2024-01-01", periods=4, tz="UTC", name="day")),
    "no rows": TEXTS.set_index("id").head(0),
    "no columns": TEXTS.set_index("i")[[]],
}


class Answer(AsyncNode):
    async def exec_async(self, prep_res):
        # The last row is the first to end.
        await asyncio.sleep(1 / self.params["i"])

    async def post_async(self, shared, prep_res, exec_res):
        return f"answer to {self.params['i']}"


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@virtual
async def test_a_frame_has_the_index_of_the_frame_that_was_the_batch(frame):
    """So that what became of a row can be put beside it, however the rows are selected or sorted."""
    given = frame.copy()
    run = await fm.batchflow(Answer(), given, limit=4)
    result = run.to_frame()
    pd.testing.assert_index_equal(result.index, frame.index, exact=True)
    # Named levels are params of the nodes, but no columns beside the index.
    assert list(result.columns[:-4]) == list(frame.columns if len(frame) else [])
    asked = list(frame.get("i", frame.index))
    given["answer"] = result["result"]
    assert list(given["answer"]) == [f"answer to {i}" for i in asked]
    named = [name for name in frame.index.names if name is not None]
    assert all(set(each.params) == {*named, *frame.columns} for each in run.instances)


@virtual
async def test_a_change_of_a_frame_does_not_change_those_that_follow():
    """Its index can be named otherwise, or replaced."""
    run = await fm.batchflow(Mark(), TEXTS.set_index("i"))
    run.to_frame().index.name = "other"
    assert run.to_frame().index.name == "i"


@virtual
async def test_a_column_named_like_a_level_of_the_index_gets_an_underscore():
    """As with a param that is a column: pandas would find the name ambiguous."""
    frame = pd.DataFrame({"i": [1]}, index=pd.Index(["new"], name="status"))
    result = (await fm.batchflow(Mark(), frame)).to_frame()
    assert list(result["status_"]) == ["succeeded"]
    assert list(result.index) == ["new"]


class Prepared(BatchFlow):
    def prep(self, shared):
        return TEXTS.set_index("id")


@virtual
async def test_the_index_of_a_frame_that_prep_returned_is_kept():
    """As is that of a frame that was given."""
    run = await fm.batchflow(Prepared(start=Node()))
    assert list(run.to_frame().index) == [1, 2, 3, 4]
    assert run.to_frame().index.name == "id"


async def test_a_resumed_run_has_the_index_of_the_frame_that_is_given_again(tmp_path):
    """Also if its rows are others or in another order; what the journal restores is in its row."""
    path = tmp_path / "a.journal"
    frame = TEXTS.set_index("id")
    await fm.batchflow(Answer(), frame.head(2), journal=path)
    given = frame.sort_values("i", ascending=False)
    run = await fm.resume(path, Answer(), given)
    assert [each.restored for each in run.instances] == [None, None, 1, 1]
    given["answer"] = run.to_frame()["result"]
    assert list(given.loc[[1, 2, 3, 4], "answer"]) == [f"answer to {i}" for i in (10, 20, 30, 40)]
    # The journal has the rows, not the index.
    assert list((await fm.resume(path, Answer())).to_frame().index) == [0, 1, 2, 3]


@virtual
async def test_the_frame_of_a_list_is_numbered():
    """Since it has no index of its own; nor has a DataFrame of polars."""
    for batch in ([{"i": 1}, {"i": 2}], pl.DataFrame({"i": [1, 2]})):
        assert list((await fm.batchflow(Mark(), batch)).to_frame().index) == [0, 1]


@virtual
async def test_no_rows_are_a_frame_too():
    """With the columns that every frame has."""
    frame = (await fm.batchflow(Mark(), [])).to_frame()
    assert list(frame.columns) == ["status", "seconds", "attempts", "result"]
    assert len(frame) == 0
    assert [str(kind) for kind in frame.dtypes[["seconds", "attempts"]]] == ["float64", "int64"]


@virtual
async def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    """It names the pip command."""
    run = await fm.batchflow(Mark(), [])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(fm.MissingExtraError, match="pip install pandas"):
        run.to_frame()
