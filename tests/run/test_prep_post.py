"""The batch-level prep and post of the user's flow."""

import asyncio
import sys

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncParallelBatchFlow, BatchFlow, Flow, Node

from flowmagic import BatchError, batchflow
from flowmagic.records.batch import as_batch
from flowmagic.run.prep_post import check_own_prep, has_own_prep, own_batch, own_post

from ..virtualtime import virtual

ROWS = [{"n": 1}, {"n": 2}]
KINDS = [Flow, BatchFlow, AsyncFlow, AsyncBatchFlow, AsyncParallelBatchFlow]


@pytest.mark.parametrize(
    ("kind", "name"), [(Flow, "prep"), (AsyncFlow, "prep_async"), (Node, "prep")]
)
def test_an_own_prep_is_found_on_the_class_and_on_the_object(kind, name):
    """PocketFlow's empty one is not the user's."""
    flow = kind()
    assert not has_own_prep(flow)
    with pytest.raises(BatchError, match=f"{kind.__name__} has no {name} of its own"):
        check_own_prep(flow)
    setattr(flow, name, lambda shared: ROWS)
    assert has_own_prep(flow)
    check_own_prep(flow)
    assert has_own_prep(type("Own", (kind,), {name: lambda self, shared: ROWS})())


@virtual
async def test_the_own_prep_returns_the_batch():
    """Awaited where it is async; it gets the shared store; None is an empty batch."""

    class Own(AsyncFlow):
        async def prep_async(self, shared):
            return shared["rows"]

    class Sync(BatchFlow):
        def prep(self, shared):
            return shared["rows"]

    for flow in (Own(), Sync()):
        assert (await own_batch(flow, {"rows": ROWS})).rows == ROWS
        assert (await own_batch(flow, {"rows": None})).rows == []
        with pytest.raises(
            BatchError, match=r"prep\w* returned no batch. The batch is an int \(3\)"
        ):
            await own_batch(flow, {"rows": 3})
        with pytest.raises(KeyError):
            await own_batch(flow, {})


@virtual
async def test_post_is_called_for_batch_kinds_only():
    """As post(shared, params, results), with the very list that was given; its action is returned."""
    calls = []

    def post(self, shared, params, results):
        calls.append((shared, params, results))
        return "posted"

    async def post_async(self, shared, params, results):
        return post(self, shared, params, results)

    shared, batch, results = {}, as_batch(ROWS), [1, 2]
    for kind in (BatchFlow, AsyncBatchFlow, AsyncParallelBatchFlow):
        flow = type("Own", (kind,), {"post": post, "post_async": post_async})()
        assert await own_post(flow, shared, batch, results) == "posted"
    assert len(calls) == 3
    assert all(call[0] is shared and call[1] is ROWS and call[2] is results for call in calls)
    for kind in (Flow, AsyncFlow, Node):
        flow = type("Own", (kind,), {"post": post, "post_async": post_async})()
        assert await own_post(flow, shared, batch, results) is None
    assert len(calls) == 3


@pytest.mark.skipif(sys.version_info < (3, 11), reason="it cannot be told from a cancellation")
@virtual
async def test_a_post_that_raises_a_cancelled_error_has_failed(capsys):
    """As where it awaits a task that was cancelled. That the event loop has ended is not said."""

    class Own(AsyncParallelBatchFlow):
        async def post_async(self, shared, params, results):
            raise asyncio.CancelledError

    run = batchflow(Own(Node()), ROWS)
    await run.settled()
    assert (run.status, run.counts.succeeded) == ("failed", 2)
    assert isinstance(run.error, asyncio.CancelledError)
    assert capsys.readouterr().err == ""
