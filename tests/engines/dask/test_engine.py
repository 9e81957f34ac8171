"""A run on a Dask cluster gives what the local engine gives."""

from __future__ import annotations

import asyncio
import threading
import traceback

import pytest
from distributed import Client
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow, Flow, Node

import flowmagic as fm
from flowmagic import DaskEngine, EngineError, InstanceLostError, MissingExtraError, RateLimitHit
from flowmagic.engines.base import Work
from flowmagic.engines.dask import requirements
from flowmagic.engines.dask.cluster_connection import ClusterConnection
from flowmagic.engines.registry import engine_of
from flowmagic.errors import SharedError

from ...imported import imported_by
from ...virtualtime import virtual
from .conftest import until

ROWS = [{"i": i} for i in range(12)]


@pytest.fixture(autouse=True)
def _fresh():
    """Workers within this process share these variables; tests must not."""
    gate.clear()
    seen.clear()
    live.clear()


gate = threading.Event()
seen: list = []
live: list = []


class Doubles(AsyncNode):
    async def prep_async(self, shared):
        return shared["base"] + self.params["i"]

    async def exec_async(self, prep_res):
        return 2 * prep_res

    async def post_async(self, shared, prep_res, exec_res):
        shared["doubled"] = exec_res
        return "on"


class Says(Node):
    def exec(self, _):
        if self.params["i"] in self.params.get("bad", ()):
            raise ValueError(f"bad {self.params['i']}")

    def post(self, shared, prep_res, exec_res):
        return f"had {shared['doubled']}"


def flow():
    first = Doubles()
    first - "on" >> Says()
    return AsyncFlow(start=first)


class Waits(AsyncNode):
    """Waits for the gate, without holding its loop."""

    async def exec_async(self, _):
        live.append(self.params["i"])
        try:
            while not gate.is_set():
                await asyncio.sleep(0.002)
        finally:
            live.remove(self.params["i"])
        seen.append(self.params["i"])
        return self.params["i"]

    async def post_async(self, shared, prep_res, exec_res):
        return f"waited {exec_res}"


async def test_results_writes_and_copies_are_those_of_the_local_engine(cluster):
    """Row for row: only the times differ."""
    there = await fm.batchflow(flow(), ROWS, shared={"base": 5}, engine=DaskEngine(cluster))
    here = await fm.batchflow(flow(), ROWS, shared={"base": 5}, isolate=True)
    assert there.ok
    assert there.results == here.results == [f"had {2 * (5 + i)}" for i in range(12)]
    assert there.outputs == here.outputs == [2 * (5 + i) for i in range(12)]
    assert there.shared == here.shared
    assert [each.writes for each in there.instances] == [each.writes for each in here.instances]
    for one, other in zip(there.instances, here.instances, strict=True):
        assert [(c.node, c.params, c.action, c.error, c.output) for c in one.copies] == [
            (c.node, c.params, c.action, c.error, c.output) for c in other.copies
        ]
        assert there.records.read_of(one.index) == here.records.read_of(one.index) == {"i", "bad"}
        times = [one.started, *(t for c in one.copies for t in (c.started, c.ended)), one.ended]
        assert times == sorted(times)
        assert all(copy.started < copy.ended for copy in one.copies)


async def test_rows_are_put_into_shared_as_by_the_local_engine(cluster):
    """The row alone, not the flow's own params; and what was read of it comes back."""

    class Reads(AsyncNode):
        async def post_async(self, shared, prep_res, exec_res):
            shared["log"].append(shared["question"])
            return str(sorted(shared))

    own = AsyncFlow(start=Reads())
    own.set_params({"language": "en"})
    runs = [
        await fm.batchflow(own, ["a", "b"], shared={"log": []}, fill_shared="question", **engine)
        for engine in ({"engine": DaskEngine(cluster)}, {})
    ]
    for run in runs:
        assert run.results == ["['log', 'question']"] * 2
        assert run.shared == {"log": [], 0: {"log": ["a"]}, 1: {"log": ["b"]}}
    assert runs[0][0].read == runs[1][0].read == {"question"}


async def test_an_error_comes_back_as_it_was_with_a_traceback_to_its_source(cluster):
    """Its class, text, cause and frames; the failed copy and the instance share it."""
    rows = [{"i": 0}, {"i": 1, "bad": [1]}]
    run = await fm.batchflow(flow(), rows, shared={"base": 0}, engine=DaskEngine(cluster))
    assert run.results[0] == "had 0"
    error = run.results[1]
    assert type(error) is ValueError
    assert run[1].copies[1].error is error
    assert run[1].writes == {"doubled": 2}
    text = "".join(traceback.format_exception(error))
    assert __file__ in text
    assert 'raise ValueError(f"bad' in text
    assert "flowmagic/engines" not in text


class Rescued(Says):
    def exec_fallback(self, prep_res, exc):
        return None


async def test_retries_and_fallbacks_within_a_node_are_recorded(cluster):
    """As with the local engine, in the node copy."""
    first = Doubles()
    first - "on" >> Rescued(max_retries=3)
    rows = [{"i": 0}, {"i": 1, "bad": [1]}]
    engine = DaskEngine(cluster)
    run = await fm.batchflow(AsyncFlow(start=first), rows, shared={"base": 0}, engine=engine)
    assert [(c.retries, c.fallbacks) for each in run.instances for c in each.copies] == [
        (0, 0), (0, 0), (0, 0), (2, 1),
    ]  # fmt: skip


async def test_the_limit_holds_and_can_be_raised_while_it_runs(cluster):
    """Instances that have not started are in no chunk."""
    run = fm.batchflow(Waits(), ROWS, limit=3, engine=DaskEngine(cluster))
    await until(lambda: len(live) == 3)
    assert run.counts.running == 3
    run.limit = 7
    await until(lambda: len(live) == 7)
    run.pause()
    gate.set()
    await until(lambda: run.counts.running == 0)
    assert run.counts.succeeded == len(seen) == 7
    run.resume()
    assert (await run).ok
    assert sorted(seen) == list(range(12))


class Then(Waits):
    async def exec_async(self, _):
        return self.params["i"]


async def test_node_copies_are_seen_while_the_instance_runs(cluster):
    """The panel shows at which node an instance is."""
    first = Then()
    first - "waited 1" >> Waits()
    run = fm.batchflow(AsyncFlow(start=first), [{"i": 1}, {"i": 1}], engine=DaskEngine(cluster))
    changed = run.records.watch()
    await until(lambda: len(run[1].copies) == 2)
    assert changed
    then, waits = run[1].copies
    assert (then.node, then.action, waits.node, waits.action) == (
        "Then", "waited 1", "Waits", None,
    )  # fmt: skip
    assert (then.output, waits.output) == (1, None)
    assert then.ended <= waits.started
    assert str(run[1].status) == "running"
    assert run[1].node == "Waits"
    gate.set()
    assert (await run).ok


async def test_a_cancelled_run_stops_its_work_on_the_workers(cluster):
    """All instances there are cancelled; those that wait for a worker never begin."""
    run = fm.batchflow(Waits(), ROWS, limit=9, engine=DaskEngine(cluster))
    await until(lambda: len(live) == 9)
    run.cancel()
    await run
    assert live == []
    assert seen == []
    assert run.status == "cancelled"
    assert run.counts.cancelled == 12
    # Dask forgets them a moment later.
    workers = cluster.workers.values()
    await until(lambda: not [each for worker in workers for each in worker.state.tasks])


async def test_one_cancelled_instance_leaves_the_others_of_its_chunk_alone(cluster):
    """It ends on the worker and in the run."""
    run = fm.batchflow(Waits(), ROWS[:8], limit=8, engine=DaskEngine(cluster))
    await until(lambda: len(live) == 8)
    run.cancel(3)
    await until(lambda: len(live) == 7)
    assert 3 not in live
    gate.set()
    await run
    assert sorted(seen) == [0, 1, 2, 4, 5, 6, 7]
    assert (run.counts.cancelled, run.counts.succeeded) == (1, 7)


async def test_an_instance_that_takes_too_long_is_stopped_there(cluster):
    """It fails with the TimeoutError of the run."""
    run = await fm.batchflow(Waits(), ROWS[:2], timeout=0.3, engine=DaskEngine(cluster))
    assert live == []
    assert run.counts.failed == 2
    assert "took longer than timeout=0.3 s" in str(run.results[0])


async def test_a_param_that_cannot_be_pickled_fails_its_row_and_is_named(cluster):
    """Nothing of that row is sent; the others run."""
    rows = [{"i": 1}, {"i": 2, "lock": threading.Lock()}]
    run = await fm.batchflow(flow(), rows, shared={"base": 0}, engine=DaskEngine(cluster))
    assert run.results[0] == "had 2"
    assert isinstance(run.results[1], EngineError)
    assert "The param 'lock' is a lock, which cannot be sent to a worker" in str(run.results[1])


async def test_a_flow_that_cannot_be_pickled_starts_no_run(cluster):
    """EngineError at the call, naming the attribute of the node."""
    node = Waits()
    node.lock = threading.Lock()
    with pytest.raises(
        EngineError, match=r"^Waits\.lock is a lock, which cannot be sent to a worker .*exec"
    ):
        fm.batchflow(AsyncFlow(start=node), ROWS, engine=DaskEngine(cluster))
    with pytest.raises(SharedError, match=r'engine="dask" needs a plain dict.*leave engine out'):
        fm.batchflow(flow(), ROWS, shared=[], engine=DaskEngine(cluster))


class OwnPrep(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        shared["base"] = 100
        return ROWS[:3]

    async def post_async(self, shared, prep_res, results):
        shared["results"] = results


async def test_the_snapshot_is_taken_after_prep_and_post_sees_the_writes(cluster):
    """Prep and post of the flow run in this process, on the user's own store."""
    first = Doubles()
    first - "on" >> Says()
    shared = {}
    run = await fm.batchflow(OwnPrep(start=first), shared=shared, engine=DaskEngine(cluster))
    assert run.ok
    assert shared["results"] == ["had 200", "had 202", "had 204"]
    assert shared[1] == {"doubled": 202}


async def test_failures_are_retried_and_a_refusal_keeps_what_it_carries(cluster):
    """Retry-After delays the next starts, as with the local engine."""
    run = await fm.batchflow(
        Refuses(), ROWS[:4], retries=fm.Retries(1, wait=0.01), engine=DaskEngine(cluster)
    )
    assert run.ok
    assert [each.attempts for each in run.instances] == [2, 1, 1, 1]


class Refuses(AsyncNode):
    async def exec_async(self, _):
        if self.params["i"] == 0 and not seen:
            seen.append("refused")
            raise RateLimitHit("slow down", retry_after=0.05)


async def test_an_ended_run_can_retry_what_has_failed(cluster):
    """The engine is opened again."""
    rows = [{"i": 1, "bad": [1]}, {"i": 2}]
    run = await fm.batchflow(flow(), rows, shared={"base": 0}, engine=DaskEngine(cluster))
    assert run.counts.failed == 1
    rows[0]["bad"] = []
    run.retry_failed()
    assert (await run).ok


async def test_a_run_on_dask_can_be_resumed_on_the_local_engine(cluster, tmp_path):
    """Its journal has the results and the writes."""
    path = tmp_path / "runs.journal"
    rows = [*ROWS[:3], {"i": 3, "bad": [3]}]
    run = await fm.batchflow(
        flow(), rows, shared={"base": 1}, journal=path, engine=DaskEngine(cluster)
    )
    assert run.counts.failed == 1
    again = await fm.resume(path, flow(), rows, shared={"base": 1}, isolate=True)
    assert again.results[:3] == run.results[:3]
    assert again.outputs[:3] == run.outputs[:3] == [2, 4, 6]
    assert [each.writes for each in again.instances][:3] == [
        {"doubled": 2 * (1 + i)} for i in range(3)
    ]
    assert len(again.records.restored) == 3


class Reads(AsyncNode):
    async def exec_async(self, _):
        return {"question": self.params["question"], "page": "p" * self.params["size"]}

    async def post_async(self, shared, prep_res, exec_res):
        shared["page"] = exec_res["page"]


class Answers(AsyncNode):
    async def prep_async(self, shared):
        return shared["page"]

    async def exec_async(self, page):
        return f"{self.params['question']}: {len(page)}"


async def test_the_answers_to_a_filtered_frame_are_the_same_here_there_and_after_a_resume(
    cluster, tmp_path
):
    """Two hundred rows through two nodes; half of them were done when the first run was cancelled."""
    pd = pytest.importorskip("pandas")
    path = tmp_path / "runs.journal"
    frame = pd.DataFrame(
        {"question": [f"q{n}" for n in range(400)], "size": [n % 7 * 3_000 for n in range(400)]}
    )
    rows = frame[frame.index % 2 == 1]
    expected = [f"q{n}: {n % 7 * 3_000}" for n in range(1, 400, 2)]

    def start(**options):
        first = Reads()
        first >> Answers()
        return fm.batchflow(AsyncFlow(start=first), rows, limit=20, **options)

    plain = await start(isolate=True)
    there = await start(engine=DaskEngine(cluster))
    half = start(engine=DaskEngine(cluster), journal=path)
    await until(lambda: half.counts.succeeded >= 100)
    await half.cancel()
    resumed = await start(engine=DaskEngine(cluster), journal=path, resume=True)
    assert 100 <= len(resumed.records.restored) == half.counts.succeeded < 200
    assert plain.outputs == there.outputs == resumed.outputs == expected
    for one, other in zip(plain.instances, there.instances, strict=True):
        assert [copy.output for copy in one.copies] == [copy.output for copy in other.copies]


async def test_a_worker_that_joins_late_takes_part(cluster):
    """Before it joins, the instances wait, with status running."""
    cluster.scale(0)
    await until(lambda: not cluster.workers)
    run = fm.batchflow(flow(), ROWS[:4], shared={"base": 0}, limit=2, engine=DaskEngine(cluster))
    await until(lambda: run.counts.running == 2)
    cluster.scale(1)
    assert (await run).ok


async def test_a_run_without_any_worker_ends_when_it_is_cancelled(cluster):
    """No task is left that a worker could begin later."""
    cluster.scale(0)
    await until(lambda: not cluster.workers)
    run = fm.batchflow(Waits(), ROWS[:4], limit=2, engine=DaskEngine(cluster))
    await until(lambda: run.counts.running == 2)
    run.cancel()
    await run
    assert run.counts.cancelled == 4
    assert not [key for key in cluster.scheduler.tasks if "flowmagic" in key]


async def test_a_run_that_is_cancelled_while_it_connects_is_cancelled(cluster, monkeypatch):
    """A worker that is frozen delays the check of the cluster; nothing has to be drained then."""
    checks = []

    async def check(client, flow):
        checks.append(client)
        await asyncio.sleep(1e6)

    monkeypatch.setattr(requirements, "check", check)
    run = fm.batchflow(Waits(), ROWS[:4], engine=DaskEngine(cluster))
    await until(lambda: checks)
    run.cancel()
    await run
    assert (run.status, run.counts.cancelled) == ("cancelled", 4)
    assert checks[0].status == "closed"


class Deaf:
    """Stands for the parts of a runner whose cluster answers nothing."""

    failure = None

    async def finish(self, seconds):
        await asyncio.sleep(seconds)

    async def run(self, *arguments, **options):
        await asyncio.sleep(1e6)

    async def close(self):
        await asyncio.sleep(1e6)


@virtual
async def test_draining_takes_five_seconds_at_most():
    """However little the cluster answers; the rows have ended by then, and so does the run."""
    runner = DaskEngine("tcp://s:1").begin(Work(flow(), {}, limit=1, threads=True, clock=float))
    await runner.drain()
    runner._connection = ClusterConnection(Deaf(), "tcp://s:1", None)
    runner._monitor = runner._sender = Deaf()
    runner._payload_key = "key"
    began = asyncio.get_running_loop().time()
    await runner.drain()
    assert asyncio.get_running_loop().time() - began == pytest.approx(5)


async def test_when_the_scheduler_is_gone_the_run_ends_and_says_so(cluster):
    """Every row has exactly one status, failed or cancelled; nothing is retried."""
    run = fm.batchflow(Waits(), ROWS, limit=5, retries=3, engine=DaskEngine(cluster))
    await until(lambda: len(live) == 5)
    run._lifecycle._runner._connection.client.scheduler_comm.comm.abort()
    with pytest.raises(EngineError, match=r"The Dask scheduler at inproc://.* is gone"):
        await run
    gate.set()
    assert run.status == "failed"
    assert (run.counts.failed, run.counts.cancelled) == (5, 7)
    assert all(isinstance(error, InstanceLostError) for error in run.results[:5])


async def test_a_client_of_the_users_is_left_alone(cluster):
    """It keeps its own futures, and has none of the run's."""
    async with Client(cluster, asynchronous=True, set_as_default=False) as client:
        mine = client.submit(lambda: 5)
        run = await fm.batchflow(
            flow(), ROWS, shared={"base": 0}, engine=DaskEngine(client), limit=12
        )
        assert run.ok
        assert await mine == 5
        assert set(client.futures) == {mine.key}


async def test_after_a_run_nothing_of_it_is_left_on_the_cluster(cluster):
    """No task, no client, no flow; the scheduler has forgotten its keys."""
    before = set(cluster.scheduler.clients)
    await fm.batchflow(flow(), ROWS, shared={"base": 0}, engine=DaskEngine(cluster))
    await until(lambda: not cluster.scheduler.tasks)
    assert set(cluster.scheduler.clients) == before
    assert not [key for key in cluster.scheduler.task_metadata if "flowmagic" in key]


async def test_sync_nodes_wait_at_the_same_time(cluster):
    """Their exec runs in threads, of which there are more than the worker has for Dask."""
    run = fm.batchflow(Flow(start=Blocks()), ROWS[:8], limit=8, engine=DaskEngine(cluster))
    await until(lambda: len(live) == 8)
    gate.set()
    assert (await run).ok


class Blocks(Node):
    def exec(self, _):
        live.append(self.params["i"])
        gate.wait(20)


async def test_rows_of_a_generator_are_drawn_as_they_are_needed(cluster):
    """As with the local engine."""

    def rows():
        for i in range(30):
            seen.append(i)
            yield {"i": i}

    run = await fm.batchflow(
        flow(), rows(), shared={"base": 0}, limit=4, engine=DaskEngine(cluster)
    )
    assert run.ok
    assert len(run) == 30


def test_an_engine_is_a_value():
    """Two of the same are equal, and one can be used for many runs."""
    assert DaskEngine() == DaskEngine(None) == engine_of("dask")
    assert DaskEngine("tcp://a:1") == DaskEngine("tcp://a:1") != DaskEngine()
    assert DaskEngine.isolates


@pytest.mark.parametrize("wrong", ["a:8786", 8786, object(), ["tcp://a:1"]])
def test_what_is_not_a_cluster_is_refused(wrong):
    """RuntimeError, with the corrected line."""
    with pytest.raises(
        EngineError,
        match=r'^DaskEngine got .*, not the address of a scheduler.*DaskEngine\("tcp://',
    ):
        DaskEngine(wrong)


def test_without_distributed_the_message_has_the_line_that_installs_it(monkeypatch):
    """It is an extra of this package."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install distributed"):
        engine_of("dask")


def test_distributed_is_imported_only_by_a_run_on_it():
    """Other runs do not pay for the import."""
    code = "import flowmagic; flowmagic.DaskEngine()"
    assert imported_by(code, "dask", "distributed", "cloudpickle", "tblib") == "[]"
