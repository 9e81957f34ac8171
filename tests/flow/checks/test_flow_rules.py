"""What of the run's own flow is not called."""

from __future__ import annotations

import functools

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode, BatchFlow, Flow, Node

import flowmagic
from flowmagic.flow.checks import check

from .checked import Plain, said

ROWS = [{}]


class Traced(Flow):
    def run(self, shared):
        return super().run(shared)


def traced(kind):
    original = kind.run_async

    @functools.wraps(original)
    async def run_async(self, shared):
        return await original(self, shared)

    kind.run_async = run_async
    return kind


@traced
class Wrapped(AsyncFlow):
    pass


class OwnBatch(BatchFlow):
    run = Traced.run


class OwnNode(Node):
    def run(self, shared):
        return super().run(shared)


@pytest.mark.parametrize(
    ("flow", "instead"),
    [
        (
            Traced(start=Node()),
            "Derive Traced from BatchFlow, whose run is called once around the batch.",
        ),
        (
            Wrapped(start=Plain()),
            "Derive Wrapped from AsyncBatchFlow, whose run_async is called once",
        ),
        (
            OwnNode(),
            "Call it around the run, or write BatchFlow(start=node) with a run of its own.",
        ),
    ],
)
def test_an_own_run_that_is_not_called_is_found(flow, instead):
    """Before the run, and in its summary: nothing else would tell that it traced nothing."""
    (found,) = check(flow, ROWS)
    assert found.what in {"Its own run is not called.", "Its own run_async is not called."}
    assert found.instead.startswith(instead)
    assert found.place is not None
    assert not found.note
    run = flowmagic.run_batch(flow, ROWS)
    assert found in run.audit()


def test_the_own_run_of_a_batch_flow_is_called():
    """Unless it is set on the object, where it would call the object itself."""
    flow = OwnBatch(start=Node())
    assert said(flow, ROWS) == ""
    flow.run = flow.run
    assert "Define it in the class OwnBatch: that is called once around the batch." in said(
        flow, ROWS
    )


class SetUp(AsyncFlow):
    async def prep_async(self, shared):
        shared["client"] = 1

    async def post_async(self, shared, prep_res, exec_res):
        return "tidied"


class Prepares(Flow):
    def prep(self, shared):
        shared["client"] = 1


class GivesRows(AsyncFlow):
    async def prep_async(self, shared):
        return ROWS


def test_own_steps_of_a_plain_flow_that_are_not_called_are_found():
    """With the line that calls them for each row, which does."""
    flow = SetUp(start=Plain())
    (found,) = check(flow, ROWS)
    assert found.what == "Its own prep_async and post_async are not called."
    assert found.instead == "Write AsyncFlow(start=flow): that calls both for each row."
    assert not found.note
    run = flowmagic.run_batch(AsyncFlow(start=flow), ROWS)
    assert (run.results, run.shared) == (["tidied"], {"client": 1})
    assert run.audit() == []
    assert found in flowmagic.run_batch(flow, ROWS).audit()
    assert "Its own prep is not called." in said(Prepares(start=Node()), ROWS)


def test_a_prep_that_gives_the_rows_is_replaced_by_those_that_are_given():
    """That is what giving them is for. Without params it is called, and a post still is not."""
    assert said(GivesRows(start=Plain()), ROWS) == ""
    assert said(GivesRows(start=Plain())) == ""
    assert "Its own post_async is not called." in said(SetUp(start=Plain()))
    run = flowmagic.run_batch(GivesRows(start=Plain()))
    assert run.audit() == []


def test_batch_flows_nested_flows_and_nodes_are_fine():
    """Their own steps are called."""
    own = {"prep_async": SetUp.prep_async, "post_async": SetUp.post_async}
    assert said(type("Own", (AsyncNode,), own)(), ROWS) == ""
    assert said(AsyncFlow(start=SetUp(start=Plain())), ROWS) == ""
    assert said(type("Own", (AsyncBatchFlow,), own)(start=Plain()), ROWS) == ""
