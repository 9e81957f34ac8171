"""What can be read from a run."""

from __future__ import annotations

import asyncio
import copy
import re
import warnings

import pandas as pd
import pytest

import flowmagic as fm
from flowmagic import RunStatus, batchflow
from flowmagic.limits.limits import Limits
from flowmagic.run.run_view import _RIGHT_NAMES

from ..virtualtime import virtual
from .sleepers import ROWS, Calls, Sleeper, adds_up


@virtual
async def test_results_are_in_the_order_of_the_params():
    """However long each instance takes, its result is at the index of its params."""
    node = Calls(lambda params: asyncio.sleep(10 - params["i"]))
    node.post_async = Sleeper.post_async.__get__(node)

    class Backwards(Sleeper):
        async def exec_async(self, prep_res):
            await asyncio.sleep(10 - self.params["i"])

    run = await batchflow(Backwards(), ROWS, limit=10)
    assert run.results == [f"done {i}" for i in range(10)]
    assert run.ok
    assert run.status == "finished"
    adds_up(run)


@virtual
async def test_a_failed_instance_has_its_exception_as_its_result():
    """The exception is at its index; the others ran."""
    run = await batchflow(Sleeper(failing=[2, 5]), ROWS, limit=3)
    assert [each.index for each in run.failures] == [2, 5]
    assert isinstance(run.results[2], ValueError)
    assert run.counts == fm.RunCounts(succeeded=8, failed=2)
    assert not run.ok
    with pytest.raises(fm.InstancesFailedError, match="2 of 10 instances failed"):
        run.raise_for_failures()
    assert "exec_async" in run[2].traceback
    assert "flowmagic/pool" not in run[2].traceback


@virtual
async def test_the_repr_has_the_counts():
    """It names the flow, the status and the counts that are not zero."""
    run = batchflow(Sleeper(failing=[1]), ROWS[:2])
    assert repr(run) == "<BatchRun of Sleeper: running, 2 pending>"
    await run
    assert repr(run) == "<BatchRun of Sleeper: finished, 1 succeeded, 1 failed>"
    assert repr(await batchflow(Sleeper(), [])) == "<BatchRun of Sleeper: finished, no instances>"


@virtual
async def test_the_run_status_is_text():
    """It compares with its word."""
    assert RunStatus.FINISHED == "finished"
    assert str(RunStatus.PAUSED) == "paused"
    run = await batchflow(Sleeper(), ROWS)
    assert run.started_at.tzinfo is not None
    assert run.elapsed == 2.0


@virtual
async def test_a_run_that_goes_on_shows_how_far_it_is():
    """While it runs it is neither ended nor ok, and what has not ended has no result."""
    run = batchflow(Sleeper(), ROWS[:4], limit=2)
    await asyncio.sleep(1.5)
    assert (run.status, run.ended, run.ok) == ("running", False, False)
    assert run.counts == fm.RunCounts(running=2, succeeded=2)
    assert run.records.results == ["done 0", "done 1", None, None]
    assert (run.elapsed, run.total, len(run)) == (1.5, 4, 4)
    await run
    assert (run.status, run.ended, run.ok) == ("finished", True, True)


def warned(read):
    """Return the one warning of a call, and check that it is about the line of the call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read()
    [warning] = caught
    assert warning.filename == __file__
    return str(warning.message)


def silent(read):
    """Call a function that must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read()


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda run: run.results, "run.results"),
        (lambda run: run.outputs, "run.outputs"),
        (lambda run: run.to_frame(), "The table of the run"),
        (lambda run: run.to_polars(), "The table of the run"),
    ],
)
@virtual
async def test_what_is_asked_before_its_end_warns_once_that_it_is_not_complete(read, name):
    """How many rows have not ended, pending or running, and what to write; and then never again."""
    run = batchflow(Sleeper(failing=[0]), ROWS, limit=3)
    await asyncio.sleep(2.5)
    assert warned(lambda: read(run)) == (
        f"{name} is not complete: 4 of 10 rows have not ended. Write `await run` first."
    )
    silent(lambda: (run.results, run.outputs, run.to_frame()))
    await run
    other = await batchflow(Sleeper(failing=[0]), ROWS)
    silent(lambda: read(other))
    other.retry_failed()
    assert "1 of 10 rows have not ended" in warned(lambda: read(other))
    await other


@virtual
async def test_of_a_generator_it_is_not_known_how_many_rows_are_missing():
    """That some may be is a reason to warn, also if all have ended that there are."""
    run = batchflow(Sleeper(), iter(ROWS), limit=3)
    assert warned(lambda: run.results) == (
        "run.results is not complete: 0 rows have ended, and more may come. "
        "Write `await run` first."
    )
    await run
    run = batchflow(Sleeper(), iter(ROWS), limit=3)
    await asyncio.sleep(2.5)
    assert "6 rows have ended, and more may come" in warned(lambda: run.results)
    await run


@virtual
async def test_when_no_row_is_missing_nothing_warns():
    """Cancelled rows have ended; and a run whose post still runs has all results."""
    run = batchflow(Sleeper(), ROWS, limit=1)
    await asyncio.sleep(1.5)
    await run.cancel()
    silent(lambda: (run.results, run.to_frame()))

    class Posts(fm.ThrottledAsyncParallelBatchFlow):
        async def post_async(self, *_):
            await asyncio.sleep(10)

    run = batchflow(Posts(start=Sleeper()), ROWS[:2])
    await asyncio.sleep(5)
    assert not run.ended
    assert silent(lambda: run.results) == ["done 0", "done 1"]
    await run


@virtual
async def test_a_wrong_name_is_answered_with_the_right_one():
    """A misspelt one, too. A default and `hasattr` work as ever, and copies as well."""
    run = await batchflow(Sleeper(), ROWS)
    with pytest.raises(AttributeError, match=r"attribute 'df'. Write run\.to_frame\(\)\.$"):
        run.df
    with pytest.raises(fm.MissingAttributeError, match=r"Write run\.to_csv\(path\), "):
        run.save("rows.csv")
    with pytest.raises(fm.MissingAttributeError, match=r"Did you mean run\.shared\?"):
        run.shard
    assert not hasattr(run, "result")
    assert getattr(run, "_ipython_display_", None) is None
    assert copy.copy(run).results == run.results


@virtual
async def test_what_is_named_instead_of_a_wrong_name_exists():
    """And the wrong name does not."""
    run = await batchflow(Sleeper(), ROWS)
    for wrong, right in _RIGHT_NAMES.items():
        assert not hasattr(run, wrong)
        for index, name in re.findall(r"run(\[0\])?\.(\w+)", right):
            assert hasattr(run[0] if index else run, name), right


@virtual
async def test_the_time_of_an_ended_run_stands_still():
    """`elapsed` is how long it took, however late it is read."""
    run = await batchflow(Sleeper(), ROWS[:2], limit=1)
    await asyncio.sleep(100)
    assert run.elapsed == 2.0


@virtual
async def test_instances_are_found_by_their_index():
    """As in `run.instances`, also from the end."""
    run = await batchflow(Sleeper(), ROWS)
    assert run[3].params == run.instances[3].params == {"i": 3}
    assert run[-1].index == 9
    with pytest.raises(IndexError, match="There is no instance 10: the run has 10"):
        run[10]


@virtual
async def test_raise_for_failures_raises_nothing_for_a_run_without_failures():
    """Cancelled instances are no failures."""
    run = batchflow(Sleeper(), ROWS, limit=1)
    await asyncio.sleep(1.5)
    run.cancel()
    await run
    run.raise_for_failures()
    assert not run.ok


@virtual
async def test_raise_for_failures_masks_the_secrets_of_the_params():
    """A saved notebook keeps what a cell raised."""
    node = Calls(lambda params: int(params["api_key"]))
    run = await batchflow(node, [{"api_key": "sk-12345678"}])
    with pytest.raises(fm.InstancesFailedError) as caught:
        run.raise_for_failures()
    assert "sk-12345678" not in str(caught.value)
    assert caught.value.__cause__ is run[0].error


@virtual
async def test_limits_and_their_history_can_be_read():
    """Those in force, and those that were in force before."""
    run = batchflow(Sleeper(), ROWS, limit=2)
    await asyncio.sleep(1)
    run.limit = 5
    assert run.limits == Limits(5)
    assert [(change.seconds, change.limit) for change in run.limit_history] == [(0.0, 2), (1.0, 5)]
    assert run.adaptive is None
    assert run.cooling == 0.0
    await run


@virtual
async def test_a_run_without_a_journal_has_none():
    """Nor has it an error, a reason, or crossings to tell of."""
    run = await batchflow(Sleeper(), ROWS)
    assert run.journal is None
    assert (run.error, run.reason, run.action) == (None, "", None)
    assert (run.crossings, run.holds, run.failures) == ([], [], [])


@virtual
async def test_an_audit_names_the_params_that_no_instance_has_read():
    """It can be asked for when the run has ended."""
    run = await batchflow(Sleeper(), [{"i": 0, "unused": 1}, {"i": 1, "unused": 2}])
    assert any("unused" in str(finding) for finding in run.audit())


@virtual
async def test_the_frame_of_a_run_has_the_index_of_the_records():
    """If the batch was a DataFrame; else it is numbered."""
    run = await batchflow(Sleeper(), ROWS[:2])
    assert list(run.to_frame().index) == [0, 1]
    run.records.index = pd.Index(["a", "b"])
    assert list(run.to_frame().index) == ["a", "b"]


@virtual
async def test_a_run_that_is_on_has_a_frame():
    """With the outcome of what has ended."""
    run = batchflow(Calls(lambda params: asyncio.sleep(1, params["i"])), ROWS[:4], limit=2)
    await asyncio.sleep(1.5)
    with pytest.warns(UserWarning, match="2 of 4 rows have not ended"):
        frame = run.to_frame()
    assert list(frame["status"]) == ["succeeded", "succeeded", "running", "running"]
    assert list(frame["output"][:2]) == [0, 1]
    assert frame["output"].isna().sum() == frame["seconds"].isna().sum() == 2
    await run
