"""An engine that is none of ours: all that it needs is in `flowmagic.engines.base`."""

import asyncio

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.errors import EngineError

from ..virtualtime import virtual


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
async def test_another_engine_hears_of_each_change_of_an_adaptive_limit():
    """It may have to make room."""
    engine = Elsewhere()
    rows = [{"i": i} for i in range(5)] + [{"i": 5, "error": flowmagic.RateLimitHit()}]
    run = flowmagic.batchflow(Never(), rows, adaptive="1-1-9", retries=0, engine=engine)
    await run.settled()
    assert [each.limit for each in run.limit_history] == [1, 2, 3, 1]
    assert engine.told[:4] == ["open", 2, 3, 1]


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
