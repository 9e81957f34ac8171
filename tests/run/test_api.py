"""Starting a run, and resuming an earlier one."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from IPython.core.completer import provisionalcompleter
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import BatchError, JournalError

from ..notebook.conftest import shell

__all__ = ["shell"]  # a fixture

ran: list = []


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        ran.append(self.params["i"])

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"


class Own(AsyncBatchFlow):
    async def prep_async(self, shared):
        shared["prepared"] = True
        return [{"i": i} for i in range(4)]


@pytest.fixture(autouse=True)
def fresh():
    ran.clear()


def flow():
    return AsyncFlow(start=Ask())


async def stopped(path, params, *, after=2, flow=flow):
    """Leave a run with a journal when some instances have ended."""
    run = flowmagic.batchflow(flow(), params, limit=1, journal=path)
    while run.counts.ended < after:
        await asyncio.sleep(0)
    run.stop()
    await run
    done = list(ran)
    ran.clear()
    return done


async def test_an_interrupted_run_resumes_without_its_params(tmp_path):
    """The journal has them: rows that never started run, the others do not."""
    rows = [{"i": i} for i in range(9)]
    done = await stopped(tmp_path / "j", rows)
    run = await flowmagic.resume(tmp_path / "j", flow())
    assert sorted([*done, *ran]) == list(range(9))
    assert run.results == [f"answer {i}" for i in range(9)]
    again = await flowmagic.resume(tmp_path / "j", flow())
    assert len(again.records.restored) == 9


def test_run_batch_resumes_as_resume_does(tmp_path):
    """With `resume=True`, and a flow that has no prep to return params."""
    done = asyncio.run(stopped(tmp_path / "j", [{"i": i} for i in range(9)]))
    run = flowmagic.run_batch(flow(), journal=tmp_path / "j", resume=True)
    assert run.ok
    assert sorted([*done, *ran]) == list(range(9))


async def test_a_flow_whose_prep_returned_the_params_is_asked_again(tmp_path):
    """Its prep may fill the store, too."""
    done = await stopped(tmp_path / "j", None, flow=lambda: Own(start=Ask()))
    run = await flowmagic.resume(tmp_path / "j", Own(start=Ask()))
    assert run.shared == {"prepared": True}
    assert sorted([*done, *ran]) == list(range(4))


async def test_resume_says_what_is_missing(tmp_path):
    """No journal, no run of the flow, another flow, or params that cannot be read back."""
    path = tmp_path / "j"
    with pytest.raises(JournalError, match="There is no journal"):
        flowmagic.resume(path, flow())
    await flowmagic.batchflow(Ask(), [{"i": 1}], journal=path)
    with pytest.raises(JournalError, match="no run of AsyncFlow in .* to resume"):
        flowmagic.resume(path, flow())
    await flowmagic.batchflow(flow(), [{"i": 1, "token": "sk-12345678"}], journal=path)
    with pytest.raises(JournalError, match="a secret in it was masked"):
        flowmagic.resume(path, flow())
    with pytest.raises(JournalError, match="AsyncFlow is not the flow that run 2"):
        flowmagic.resume(path, AsyncFlow(start=AsyncNode()))
    with pytest.raises(BatchError, match="There are no params"):
        flowmagic.batchflow(flow(), journal=path)
    assert ran == [1, 1]


def test_the_functions_can_be_called_as_their_signatures_say():
    """What an editor or `batchflow?` shows is what they take: positional flow and params, then names."""
    for function in (flowmagic.batchflow, flowmagic.run_batch):
        signature = inspect.signature(function)
        bound = signature.bind("flow", [{}], shared={}, limit=3)
        assert bound.arguments == {"flow": "flow", "params": [{}], "shared": {}, "limit": 3}
        with pytest.raises(TypeError):
            signature.bind("flow", [{}], {})
        assert not any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
        assert "see below" not in function.__doc__


def test_ipython_shows_and_completes_the_options(shell):
    """`batchflow?` names each with its default, and Tab completes their names."""
    shell.run("from flowmagic import batchflow")
    shown = shell.ip.inspector.info(shell["batchflow"], oname="batchflow")
    assert "limit: 'int | None' = None" in shown["definition"]
    assert "keep: 'int' = 20000" in shown["definition"]
    assert "journal: write each instance to this file" in shown["docstring"]
    with provisionalcompleter():
        matches = [each.text for each in shell.ip.Completer.completions("batchflow(flow, max_", 20)]
    assert "max_errors=" in matches
