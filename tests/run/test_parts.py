"""The parts of a run, made from what it was started with."""

from __future__ import annotations

import asyncio
import contextvars
import time

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.flow import shared_writes
from flowmagic.records.batch import as_batch
from flowmagic.run.options import Options
from flowmagic.run.parts import RunParts

from ..virtualtime import virtual


class Calm(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(0.05)


class Engine:
    """Notes the work that it is given."""

    name = "noting"
    isolates = False

    def begin(self, work):
        self.work = work
        return self


class Events:
    """What a run does by itself, none of which happens here."""

    def engine_broke(self, error):
        raise AssertionError(error)

    def stop_by_itself(self, reason):
        raise AssertionError(reason)


def parts_of(flow=None, *, batch=None, shared=None, options=None, events=None):
    """Make the parts of a run that is not started."""
    return RunParts(
        flow or AsyncFlow(start=Calm()),
        None if batch is None else as_batch(batch),
        shared={} if shared is None else shared,
        options=options or Options(),
        events=events or Events(),
    )


@virtual
async def test_a_loop_with_a_time_of_its_own_is_not_watched():
    """It is never late."""
    run = flowmagic.batchflow(AsyncFlow(start=Calm()), [{"i": 1}])
    await run
    assert run.holds == []
    assert run._lifecycle.parts.holds is None


async def test_a_loop_with_the_time_of_all_loops_is_watched():
    """Its time is read from the clock itself, which is faster than asking the loop."""
    parts = parts_of()
    assert parts.loop is asyncio.get_running_loop()
    assert parts.clock is time.monotonic
    assert parts.holds is not None


@virtual
async def test_all_parts_go_by_the_time_of_the_loop():
    """A run that begins at 1000 has records, limits and an engine that count from there."""
    engine = Engine()
    parts = parts_of(options=Options().on(engine))
    assert (parts.began, parts.records.began, parts.clock()) == (1000.0, 1000.0, 1000.0)
    await asyncio.sleep(5)
    assert parts.clock() == engine.work.clock() == 1005.0


@virtual
async def test_the_engine_gets_the_flow_the_store_and_the_limit():
    """And whom to tell when it breaks."""
    engine, events, flow, shared = Engine(), Events(), AsyncFlow(start=Calm()), {"a": 1}
    options = Options.of(limit=3, threads=False).on(engine)
    parts = parts_of(flow, shared=shared, options=options, events=events)
    assert parts.runner is engine
    assert engine.work.flow is flow
    assert engine.work.shared is shared
    assert (engine.work.limit, engine.work.threads) == (3, False)
    assert engine.work.broke == events.engine_broke
    assert engine.work.stop == events.stop_by_itself
    assert engine.work.on_wait is None


@virtual
async def test_with_a_timeout_the_engine_can_stop_the_clock_of_an_instance():
    """While it has nothing to run it with."""
    engine = Engine()
    parts = parts_of(options=Options.of(timeout=5).on(engine))
    seen = []
    parts.workers.wait_for_engine = lambda index, *, waits: seen.append((index, waits))
    engine.work.on_wait(3, True)
    engine.work.on_wait(3, False)
    assert seen == [(3, True), (3, False)]


@virtual
async def test_what_is_not_asked_for_is_not_made():
    """No journal, no adaptive limit, and nothing that keeps what is printed."""
    parts = parts_of()
    assert parts.journal is None
    assert parts.limits.aimd is None
    assert parts.records.printed is None


@virtual
async def test_the_options_make_the_parts_that_need_them():
    """An adaptive limit, and a store for what the instances print."""
    parts = parts_of(options=Options(capture=True, adaptive=flowmagic.Adaptive(1, 2, 3)))
    assert parts.records.printed is not None
    assert str(parts.limits.aimd.adaptive) == "1-2-3"


async def test_a_journal_is_opened_before_anything_runs(tmp_path):
    """Its run is in the file at once."""
    options = Options.of(journal=tmp_path / "j")
    parts = parts_of(batch=[{"i": 1}], options=options)
    parts.journal.close()
    parts.journal.join(10)
    with flowmagic.open_journal(tmp_path / "j") as journal:
        assert [run.flow for run in journal] == ["AsyncFlow"]


@virtual
async def test_the_records_know_the_flows_params_and_the_secrets_around_it():
    """Those of the nodes and of the store, so that they are masked wherever the run is shown."""
    node = Calm()
    node.api_key = "sk-of-a-node"
    flow = AsyncFlow(start=node)
    flow.set_params({"base": 1})
    records = parts_of(flow, shared={"token": "sk-of-the-store"}).records
    assert records.base == {"base": 1}
    assert records.secrets == {"sk-of-a-node", "sk-of-the-store"}


@virtual
async def test_what_nodes_put_into_the_store_is_a_secret_once_the_run_has_ended():
    """A node logs in, and the next one fails with the token."""

    class Login(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["session"] = {"access_token": f"at-{self.params['i']}2345678"}
            raise ValueError(f"{shared['session']['access_token']} is refused")

    run = flowmagic.batchflow(AsyncFlow(start=Login()), [{"i": 1}])
    assert run.records.secrets == frozenset()
    await run
    assert run.records.secrets == {"at-12345678"}
    assert "at-12345678" not in run[0].traceback + repr(run[0])


@virtual
async def test_instances_start_from_the_context_in_which_the_run_was_started():
    """What is set later, no instance sees."""
    variable = contextvars.ContextVar("variable")
    variable.set("before")
    parts = parts_of()
    variable.set("after")
    assert parts.context[variable] == "before"


@virtual
async def test_where_the_code_of_nodes_cannot_be_read_they_run_all_the_same(monkeypatch):
    """A node may be the first to ask for it, in its thread; dicts are given as they are then."""

    def fails(flow):
        raise SystemError("AST constructor recursion depth mismatch")

    class Assigns(AsyncNode):
        async def prep_async(self, shared):
            kinds.append(type(shared["x"]))
            shared["x"]["k"] = 1

    kinds = []
    monkeypatch.setattr(shared_writes, "shared_writes_of", fails)
    run = await flowmagic.batchflow(Assigns(), [{}], shared={"x": {}})
    run.raise_for_failures()
    monkeypatch.undo()
    await flowmagic.batchflow(Assigns(), [{}], shared={"x": {}})
    assert kinds[0] is dict
    assert kinds[1] is not dict
