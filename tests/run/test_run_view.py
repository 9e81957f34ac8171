"""What can be read from a run."""

from __future__ import annotations

import asyncio

import pytest

import flowmagic as fm
from flowmagic import RunStatus, batchflow

from ..virtualtime import virtual
from .sleepers import ROWS, Calls, Sleeper, adds_up


@virtual
async def test_results_are_in_the_order_of_the_params():
    """However long each takes, results stand at the index of their params."""
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
async def test_a_failure_is_a_result_and_stops_no_other():
    """The exception stands at its index; everything else ran."""
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
async def test_the_repr_tells_the_counts():
    """The repr names the flow, the status and the counts that are not zero."""
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
