"""The flow's own `run` or `run_async` is called once around the batch."""

from __future__ import annotations

import asyncio
import functools
from contextvars import ContextVar

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BatchFlow,
    Flow,
    Node,
)

import flowmagic as fm
from flowmagic.run.own_run import calls_own_run

from ..virtualtime import virtual

ROWS = [{"i": i} for i in range(4)]
trace: ContextVar[str] = ContextVar("trace", default="none")


class Work(Node):
    def post(self, shared, prepared, executed):
        shared["log"].append((self.params["i"], trace.get()))


class AsyncWork(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        await asyncio.sleep(1)
        shared["log"].append((self.params["i"], trace.get()))


class Sync(BatchFlow):
    def run(self, shared):
        shared["log"].append("set up")
        self.client = "open"
        trace.set("traced")
        try:
            return f"run {super().run(shared)}"
        finally:
            self.client = "closed"
            shared["log"].append("torn down")

    def post(self, shared, prep_res, exec_res):
        shared["log"].append((self.client, len(prep_res)))
        return "posted"


class Async(AsyncBatchFlow):
    async def run_async(self, shared):
        shared["log"].append("set up")
        self.client = "open"
        trace.set("traced")
        try:
            return f"run {await super().run_async(shared)}"
        finally:
            self.client = "closed"
            shared["log"].append("torn down")

    async def post_async(self, shared, prep_res, exec_res):
        shared["log"].append((self.client, len(prep_res)))
        return "posted"


def wrapped(kind):
    """Decorate a class as tracing decorators do."""
    original = kind.run_async

    @functools.wraps(original)
    async def run_async(self, shared):
        shared["log"].append("set up")
        self.client = "open"
        trace.set("traced")
        try:
            return f"run {await original(self, shared)}"
        finally:
            self.client = "closed"
            shared["log"].append("torn down")

    kind.run_async = run_async
    return kind


@wrapped
class Wrapped(AsyncParallelBatchFlow):
    post_async = Async.post_async


KINDS = pytest.mark.parametrize(
    "flow", [Sync(start=Work()), Async(start=AsyncWork()), Wrapped(start=AsyncWork())]
)


@KINDS
@pytest.mark.parametrize("limit", [1, 4])
@virtual
async def test_set_up_and_tear_down_are_called_once_around_the_batch(flow, limit):
    """With what they set on the flow and in the Context, as in PocketFlow; `run.action` is theirs."""
    run = await fm.batchflow(flow, ROWS, shared={"log": []}, limit=limit)
    assert run.ok, run.results
    log = run.shared["log"]
    assert (log[0], log[-2:]) == ("set up", [("open", 4), "torn down"])
    assert sorted(log[1:-2]) == [(i, "traced") for i in range(4)]
    assert run.action == "run posted"
    assert flow.client == "closed"
    assert type(flow) in {Sync, Async, Wrapped}
    assert trace.get() == "none"


@pytest.mark.parametrize("kind", [Sync, Async])
@virtual
async def test_it_is_as_pocketflow_does_it(kind):
    """The same log and the same action, row by row, with the rows of the flow's own prep."""

    class Own(kind):
        def prep(self, shared):
            shared["log"].append(("prep", self.client))
            return ROWS

        async def prep_async(self, shared):
            return Own.prep(self, shared)

    one, other = ({"log": []} for _ in range(2))
    flow = Own(start=Work() if kind is Sync else AsyncWork())
    action = flow.run(one) if kind is Sync else await flow.run_async(one)
    run = await fm.batchflow(flow, shared=other, limit=1)
    assert run.ok, run.results
    assert run.action == action
    assert one == other


class Fails(AsyncBatchFlow):
    """Fails in its post, once."""

    async def run_async(self, shared):
        shared["log"].append("set up")
        try:
            return await super().run_async(shared)
        except OSError as error:
            shared["log"].append(repr(error))
            raise KeyError("torn down") from error

    async def post_async(self, shared, prep_res, exec_res):
        raise OSError("post")


class FailsInThread(BatchFlow):
    def run(self, shared):
        shared["log"].append("set up")
        try:
            return super().run(shared)
        except OSError as error:
            shared["log"].append(repr(error))
            raise KeyError("torn down") from error

    def post(self, shared, prep_res, exec_res):
        raise OSError("post")


@pytest.mark.parametrize("flow", [Fails(start=Work()), FailsInThread(start=Work())])
@virtual
async def test_it_sees_the_error_of_the_batch_and_what_it_raises_ends_the_run(flow):
    """As if it had called PocketFlow's own batch."""
    run = fm.batchflow(flow, ROWS, shared={"log": []})
    with pytest.raises(KeyError, match="torn down"):
        await run
    assert (run.shared["log"][0], run.shared["log"][-1]) == ("set up", "OSError('post')")
    assert run.counts.succeeded == 4


class NeverCalls(AsyncBatchFlow):
    async def run_async(self, shared):
        raise RuntimeError("no set-up")


class NeverCallsInThread(BatchFlow):
    def run(self, shared):
        raise RuntimeError("no set-up")


@pytest.mark.parametrize("flow", [NeverCalls(start=Work()), NeverCallsInThread(start=Work())])
@virtual
async def test_without_its_set_up_no_row_runs(flow):
    """All are cancelled, and the run has the error."""
    run = fm.batchflow(flow, ROWS, shared={"log": []})
    with pytest.raises(RuntimeError, match="no set-up"):
        await run
    assert (run.counts.cancelled, run.shared) == (4, {"log": []})


class Hangs(AsyncBatchFlow):
    async def run_async(self, shared):
        await asyncio.sleep(1e9)


@virtual
async def test_a_set_up_that_hangs_can_be_cancelled():
    """The run ends at once."""
    run = fm.batchflow(Hangs(start=Work()), ROWS)
    await asyncio.sleep(1)
    await run.cancel()
    assert (run.status, run.counts.cancelled) == ("cancelled", 4)


@KINDS
@virtual
async def test_a_cancelled_run_is_torn_down(flow):
    """While its instances run."""
    run = fm.batchflow(flow, ROWS * 10, shared={"log": []}, limit=1)
    while not run.counts.succeeded:
        await asyncio.sleep(0.1 if isinstance(flow, AsyncFlow) else 0)
    await run.cancel()
    assert run.status == "cancelled"
    assert run.shared["log"][-1] == "torn down"


@virtual
async def test_rows_that_are_run_again_are_within_it_too():
    """Whoever sets up a client needs it then."""

    class Once(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["log"].append(1)
            if len(shared["log"]) < 4:
                raise OSError

    run = await fm.batchflow(Async(start=Once()), ROWS[:1], shared={"log": []})
    assert not run.ok
    await run.retry_failed()
    assert run.ok
    assert run.shared["log"].count("set up") == run.shared["log"].count("torn down") == 2


class Throttled(fm.ThrottledAsyncParallelBatchFlow):
    async def run_async(self, shared):
        shared["log"].append("set up")
        return await super().run_async(shared)

    async def prep_async(self, shared):
        return ROWS

    async def post_async(self, shared, prep_res, exec_res):
        return "posted"


@virtual
async def test_a_throttled_flow_calls_it_once_however_it_is_run():
    """By itself, and by `batchflow`."""
    for run_it in (
        lambda flow, shared: flow.run_async(shared),
        lambda flow, shared: fm.batchflow(flow, shared=shared),
    ):
        shared = {"log": []}
        await run_it(Throttled(start=AsyncWork()), shared)
        assert shared["log"].count("set up") == 1
        assert len(shared["log"]) == 5


def test_only_that_of_the_class_of_a_batch_flow_is_called():
    """One that is set on the object calls the object itself; other flows are run once per row."""
    assert calls_own_run(Sync()) and calls_own_run(Wrapped())
    assert not calls_own_run(BatchFlow())
    assert not calls_own_run(type("Own", (Flow,), {"run": Sync.run})())
    on_object = BatchFlow()
    on_object.run = lambda shared: None
    assert not calls_own_run(on_object)
