"""Instances in the loop that started the run, and the threads of sync nodes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from unittest.mock import MagicMock

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

import flowmagic
from flowmagic.engines.base import Work
from flowmagic.engines.local import LocalEngine
from flowmagic.records.store import RecordStore

variable = contextvars.ContextVar("variable", default="unset")


def _trace(rows=1):
    records = RecordStore({}, 0.0, 10)
    records.load([{"n": n} for n in range(rows)])
    return [records.start(index, 0.0) for index in range(rows)]


def _engine(flow, *, limit=2, threads=True, shared=None):
    store = {} if shared is None else shared
    return LocalEngine().begin(Work(flow, store, limit=limit, threads=threads, clock=lambda: 0.0))


class Where(Node):
    def prep(self, shared):
        return threading.current_thread()

    def exec(self, prepared):
        return prepared, threading.current_thread()

    def post(self, shared, prepared, executed):
        shared["prep"], shared["exec"] = executed
        shared["post"] = threading.current_thread()
        return "done"


async def test_the_exec_of_a_sync_node_runs_in_a_thread_and_the_rest_on_the_loop():
    """Its prep and post touch the shared store, and stay where that is."""
    shared = {}
    engine = _engine(Flow(start=Where()), shared=shared)
    [trace] = _trace()
    assert await engine.run({"n": 0}, trace) == "done"
    engine.close()
    here = threading.current_thread()
    assert shared["prep"] is shared["post"] is here
    assert shared["exec"] is not here
    assert shared["exec"].name.startswith("flowmagic")


async def test_without_threads_everything_runs_on_the_loop():
    """As PocketFlow does it."""
    shared = {}
    engine = _engine(Flow(start=Where()), threads=False, shared=shared)
    [trace] = _trace()
    await engine.run({"n": 0}, trace)
    assert shared["exec"] is threading.current_thread()


class Meets(Node):
    """Goes on when as many threads as its barrier takes are in it at once."""

    def __init__(self, parties):
        super().__init__()
        self.barrier = threading.Barrier(parties, timeout=20)

    def exec(self, _):
        self.barrier.wait()


async def test_in_a_browser_everything_runs_on_the_loop(monkeypatch):
    """Python cannot start threads there, so sync nodes run as with `threads=False`."""
    monkeypatch.setattr("sys.platform", "emscripten")
    refuse = MagicMock(side_effect=RuntimeError("can't start new thread"))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    run = await flowmagic.batchflow(Flow(start=Where()), [{"n": 1}, {"n": 2}])
    run.raise_for_failures()
    assert run.shared["exec"] is threading.current_thread()


async def test_there_are_as_many_threads_as_the_limit_also_when_it_is_raised():
    """Asyncio's default pool would have six on two cores."""
    node = Meets(12)
    engine = _engine(Flow(start=node), limit=12)
    await asyncio.gather(*(engine.run({}, trace) for trace in _trace(12)))
    node.barrier = threading.Barrier(20, timeout=20)
    engine.resize(20)
    await asyncio.gather(*(engine.run({}, trace) for trace in _trace(20)))
    engine.close()


async def test_there_are_no_more_threads_than_the_limit():
    """A nested parallel batch of sync nodes does not start a thread for each."""
    live = peak = 0
    lock = threading.Lock()

    class Count(Node):
        def exec(self, _):
            nonlocal live, peak
            with lock:
                live += 1
                peak = max(peak, live)
            for _ in range(200):
                pass
            with lock:
                live -= 1

    engine = _engine(Flow(start=Count()), limit=3)
    await asyncio.gather(*(engine.run({}, trace) for trace in _trace(50)))
    engine.close()
    assert peak <= 3


async def test_when_the_run_has_ended_its_threads_end():
    """A notebook of many runs does not gather threads."""
    run = await flowmagic.batchflow(Flow(start=Where()), [{"n": 1}, {"n": 2}])
    thread = run.shared["exec"]
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


async def test_context_variables_travel_into_the_thread_and_back():
    """What a node sets in its exec, the next node reads."""

    class Sets(Node):
        def exec(self, _):
            seen.append(variable.get())
            variable.set("by the first")

    class Reads(AsyncNode):
        async def exec_async(self, _):
            seen.append(variable.get())

    seen = []
    first = Sets()
    first >> Reads()
    variable.set("by the caller")
    run = await flowmagic.batchflow(AsyncFlow(start=first), [{"n": 1}, {"n": 2}], limit=1)
    assert run.ok
    assert seen == ["by the caller", "by the first"] * 2
    assert variable.get() == "by the caller"


async def test_cancelled_the_row_ends_at_once_and_the_thread_finishes():
    """Its post never runs; nobody waits for the thread."""
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    class Stays(Node):
        def exec(self, _):
            entered.set()
            leave.wait(20)
            left.set()

        def post(self, shared, prepared, executed):
            shared["posted"] = True

    run = flowmagic.batchflow(Flow(start=Stays()), [{"n": 1}])
    await asyncio.to_thread(entered.wait, 20)
    run.cancel()
    await run
    assert run.counts.cancelled == 1
    assert not left.is_set()
    leave.set()
    assert await asyncio.to_thread(left.wait, 20)
    assert run.shared == {}


async def test_a_stopiteration_in_a_thread_does_not_hang():
    """A future cannot carry it: boxed, it fails its instance like any other error."""

    class Stops(Node):
        def exec(self, _):
            raise StopIteration("no more")

    run = await flowmagic.batchflow(Flow(start=Stops()), [{"n": 1}])
    assert run.counts.failed == 1
    assert "StopIteration" in repr(run[0].copies[0].error)


class Writes(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        shared["wrote"] = self.params["n"]
        if self.params["n"] == 1:
            raise ValueError("unlucky")


async def test_each_attempt_has_its_own_view_which_is_settled_when_it_ends():
    """Also when it ends by an error; the store itself is left alone."""
    views, settled, shared = {}, [], {}

    def view(trace):
        return views.setdefault(id(trace), {})

    work = Work(
        AsyncFlow(start=Writes()),
        shared,
        limit=2,
        threads=True,
        clock=lambda: 0.0,
        view=view,
        settle=settled.append,
    )
    engine = LocalEngine().begin(work)
    traces = _trace(3)
    await engine.run({"n": 0}, traces[0])
    with pytest.raises(ValueError, match="unlucky"):
        await engine.run({"n": 1}, traces[1])
    await engine.run({"n": 2}, traces[2])
    assert [views[id(trace)] for trace in traces] == [{"wrote": 0}, {"wrote": 1}, {"wrote": 2}]
    assert [id(each) for each in settled] == [id(views[id(trace)]) for trace in traces]
    assert shared == {}


async def test_it_needs_no_opening_and_goes_on_after_it_was_closed():
    """A run whose failed rows are retried opens its engine again."""
    shared = {}
    engine = _engine(Flow(start=Where()), shared=shared)
    for trace in _trace(2):
        await engine.open()
        await engine.run({"n": 0}, trace)
        await engine.drain()
        engine.close()
        assert shared["exec"] is not threading.current_thread()


async def test_a_flow_is_read_when_its_first_instance_starts():
    """Its own prep, which comes before, may still change it; the instances after it pay nothing."""
    flow = Flow(start=None)
    engine = _engine(flow)
    flow.start_node = Where()
    first, second = _trace(2)
    await engine.run({}, first)
    found = engine._way
    await engine.run({}, second)
    assert engine._way is found
    engine.close()
