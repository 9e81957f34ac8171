"""Where an instance runs: the local engine, its threads, and an engine that is none of ours."""

import asyncio
import contextvars
import threading

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

import flowmagic
from flowmagic.engines.base import Work
from flowmagic.engines.local import LocalEngine
from flowmagic.errors import EngineError
from flowmagic.records.store import RecordStore

from ..virtualtime import virtual

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


# Another engine


class Elsewhere:
    """Runs instances "elsewhere": no node of theirs is called, but for what their params say.

    It has all that an engine needs, and nothing outside this class knows of it.
    """

    name = "elsewhere"

    def __init__(self, *, isolates=False, refuses=None, opens=None):
        self.isolates = isolates
        self.refuses = refuses
        self.opens = opens
        self.told = []
        self.live = self.peak = 0

    def begin(self, work):
        if self.refuses is not None:
            raise self.refuses
        self.work = work
        return self

    async def open(self):
        self.told.append("open")
        await asyncio.sleep(1)
        if self.opens is not None:
            raise self.opens

    async def run(self, params, trace):
        view = self.work.view(trace) if self.work.view is not None else self.work.shared
        self.live += 1
        self.peak = max(self.peak, self.live)
        at = trace.open(type(self.work.flow), -1, self.work.clock(), None)
        try:
            await asyncio.sleep(params.get("seconds", 1))
            if "breaks" in params:
                self.work.broke(EngineError("elsewhere is gone"))
            if "error" in params:
                raise params["error"]
            view[f"by {params['i']}"] = params["i"]
        finally:
            self.live -= 1
        trace.close(at, "done", self.work.clock())
        return "done"

    def resize(self, limit):
        self.told.append(limit)

    async def drain(self):
        assert self.live == 0
        self.told.append("drain")
        await asyncio.sleep(1)

    def close(self):
        self.told.append("close")


class Never(AsyncNode):
    async def prep_async(self, shared):
        raise AssertionError("this node runs elsewhere")


@virtual
async def test_another_engine_needs_nothing_but_itself():
    """Limit, limit changes, records, results and the shared store are the run's, wherever instances run."""
    engine = Elsewhere()
    run = flowmagic.batchflow(Never(), [{"i": i} for i in range(9)], limit=2, engine=engine)
    await asyncio.sleep(2.5)
    assert run.counts.running == 2
    run.limit = 4
    await run
    assert run.ok
    assert engine.peak == 4
    assert run.results == ["done"] * 9
    assert [(copy.node, copy.action) for copy in run[3].copies] == [("Never", "done")]
    assert run.shared == {f"by {i}": i for i in range(9)}
    assert engine.told == ["open", 4, "drain", "close"]


@virtual
async def test_an_engine_that_isolates_says_so_in_the_options():
    """Nobody asked for it, and each instance has a view of its own: its writes are its own."""
    run = await flowmagic.batchflow(Never(), [{"i": 7}], engine=Elsewhere(isolates=True))
    assert run.options.sharing.isolate
    assert run[0].writes == {"by 7": 7}
    assert run.shared == {0: {"by 7": 7}}
    merged = await flowmagic.batchflow(
        Never(),
        [{"i": 7}],
        engine=Elsewhere(isolates=True),
        merge=lambda shared, instance: shared.update(instance.writes),
    )
    assert merged.shared == {"by 7": 7}


@virtual
async def test_pause_cancel_timeout_and_retries_hold_on_another_engine():
    """They are the pool's, and need nothing of the engine but that it can be cancelled."""
    engine = Elsewhere()
    rows = [{"i": 0, "seconds": 9}, {"i": 1, "error": ValueError("1")}, {"i": 2}, {"i": 3}]
    run = flowmagic.batchflow(Never(), rows, limit=2, engine=engine, timeout=4, retries=1)
    await asyncio.sleep(1.5)
    run.pause()
    await asyncio.sleep(10)
    assert run.counts.running == 0
    assert isinstance(run.records.history[0][0].result, TimeoutError)
    run.resume()
    await asyncio.sleep(0.5)
    run.cancel()
    await run
    assert run.status == "cancelled"
    assert run.counts.total == 4
    assert run.counts.running == run.counts.pending == 0
    assert engine.live == 0
    assert engine.told[-2:] == ["drain", "close"]


@virtual
async def test_an_engine_that_refuses_the_work_starts_no_run():
    """Bad input is told where the run would have begun."""
    with pytest.raises(EngineError, match="not this flow"):
        flowmagic.batchflow(
            Never(), [{"i": 1}], engine=Elsewhere(refuses=EngineError("not this flow"))
        )


@virtual
async def test_an_engine_that_cannot_be_reached_fails_the_run():
    """Nothing has run, every row is cancelled, and the error is raised to whoever waits."""
    engine = Elsewhere(opens=EngineError("nobody there"))
    run = flowmagic.batchflow(Never(), [{"i": 1}, {"i": 2}], engine=engine)
    with pytest.raises(EngineError, match="nobody there"):
        await run
    assert run.status == "failed"
    assert run.counts.cancelled == 2
    assert engine.told == ["open", "drain", "close"]


@virtual
async def test_cancelled_while_the_engine_opens_nothing_starts():
    """It is not waited for, and is given back."""
    engine = Elsewhere()
    run = flowmagic.batchflow(Never(), [{"i": 1}], engine=engine)
    await asyncio.sleep(0.5)
    run.cancel()
    await run
    assert run.status == "cancelled"
    assert (run.counts.cancelled, engine.peak) == (1, 0)
    assert run.elapsed == 1.5


@virtual
async def test_an_engine_that_breaks_stops_the_run_and_what_runs_ends_as_it_does():
    """The rows that never started are cancelled; the error is the run's."""
    rows = [{"i": 0, "breaks": True, "error": ValueError()}, {"i": 1}, {"i": 2}, {"i": 3}]
    run = flowmagic.batchflow(Never(), rows, limit=2, engine=Elsewhere(), retries=5)
    with pytest.raises(EngineError, match="elsewhere is gone"):
        await run
    assert [str(each.status) for each in run.instances] == [
        "failed", "succeeded", "cancelled", "cancelled",
    ]  # fmt: skip


@virtual
async def test_retried_after_the_end_the_engine_is_opened_again():
    """It was given back at the end."""
    engine = Elsewhere()
    rows = [{"i": 0, "error": ValueError()}]
    run = await flowmagic.batchflow(Never(), rows, engine=engine)
    del rows[0]["error"]
    run.retry_failed()
    assert (await run).ok
    assert engine.told == ["open", "drain", "close"] * 2


@virtual
async def test_what_is_asked_for_while_the_engine_is_given_back_comes_too_late_or_after_it():
    """Stop and cancel change nothing about rows that have all ended; a retry follows."""
    rows = [{"i": 0}, {"i": 1, "error": ValueError()}]
    run = flowmagic.batchflow(Never(), rows, engine=Elsewhere())
    await asyncio.sleep(2.5)
    assert not run.ended
    run.stop()
    run.cancel()
    del rows[1]["error"]
    run.retry_failed()
    assert (await run).ok
    assert run.status == "finished"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("dusk", r'neither "local" nor "dask"\. Write engine="dask"'),
        ("tcp://host:1", r'engine=flowmagic\.DaskEngine\("tcp://host:1"\)'),
        (Elsewhere, r"the class Elsewhere, .* Write engine=Elsewhere\(\)"),
        (5, r"an int \(5\), not an engine"),
    ],
)
async def test_what_is_no_engine_is_refused(wrong, hint):
    """RuntimeError, with the corrected line; nothing has started."""
    with pytest.raises(EngineError, match=hint):
        flowmagic.batchflow(Never(), [{"i": 1}], engine=wrong)
