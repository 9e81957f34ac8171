"""A run on worker processes: what only they can show, and what happens when one of them dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from distributed import LocalCluster
from pocketflow import AsyncNode, Flow, Node

import flowmagic as fm
from flowmagic import DaskEngine, EngineError, InstanceLostError
from flowmagic.engines.dask import cluster_connection, engine

from .conftest import until


class Marks(AsyncNode):
    """Writes down that it has begun, with its process, and waits for a file."""

    async def exec_async(self, _):
        with open(Path(self.params["at"]) / f"{self.params['i']}", "a", encoding="utf-8") as begun:
            begun.write(f"{os.getpid()}\n")
        try:
            while not (Path(self.params["at"]) / "gate").exists():
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            (Path(self.params["at"]) / f"{self.params['i']}.cancelled").touch()
            raise

    async def post_async(self, shared, prep_res, exec_res):
        return "done"


def begun(at):
    """Return the ids of the processes in which each row has begun."""
    return {
        int(path.name): path.read_text(encoding="utf-8").split()
        for path in at.iterdir()
        if path.name.isdigit()
    }


def rows(at, n=6):
    return [{"i": i, "at": str(at)} for i in range(n)]


def kill_one(at):
    """Kill the process that runs the first row, and return the rows that it ran."""
    where = begun(at)
    os.kill(int(where[0][0]), signal.SIGKILL)
    return sorted(row for row, pids in where.items() if pids == where[0])


async def test_instances_of_a_worker_that_dies_fail_with_instance_lost_error(processes, tmp_path):
    """The others succeed; none begins a second time, since there are no retries."""
    run = fm.batchflow(Marks(), rows(tmp_path), limit=6, engine=DaskEngine(processes))
    await until(lambda: len(begun(tmp_path)) == 6)
    lost = kill_one(tmp_path)
    assert 0 < len(lost) < 6  # they were spread over both
    await until(lambda: run.counts.failed == len(lost))
    (tmp_path / "gate").touch()
    await run
    assert [each.index for each in run.failures] == lost
    assert all(isinstance(each.result, InstanceLostError) for each in run.failures)
    assert "Instance 0 was lost: its worker" in str(run.results[0])
    assert run.counts.succeeded == 6 - len(lost)
    assert all(len(pids) == 1 for pids in begun(tmp_path).values())


async def test_lost_instances_are_run_again_within_their_retries(processes, tmp_path):
    """Only those, and each once more."""
    await until(lambda: len(processes.scheduler.workers) == 2)
    retries = fm.Retries(1, wait=0.01)
    run = fm.batchflow(
        Marks(), rows(tmp_path), limit=6, retries=retries, engine=DaskEngine(processes)
    )
    await until(lambda: len(begun(tmp_path)) == 6)
    lost = kill_one(tmp_path)
    await until(lambda: sum(map(len, begun(tmp_path).values())) == 6 + len(lost))
    (tmp_path / "gate").touch()
    assert (await run).ok
    again = [index for index, pids in sorted(begun(tmp_path).items()) if len(pids) == 2]
    assert again == lost
    assert [each.index for each in run.instances if each.attempts == 2] == lost


async def test_cancelled_the_work_in_the_processes_stops(processes, tmp_path):
    """Before the run has ended."""
    run = fm.batchflow(Marks(), rows(tmp_path, 20), limit=10, engine=DaskEngine(processes))
    await until(lambda: len(begun(tmp_path)) == 10)
    run.cancel()
    await run
    assert len(list(tmp_path.glob("*.cancelled"))) == 10
    assert run.counts.cancelled == 20


@pytest.fixture
def freeze(monkeypatch):
    """Return a function that stops the process of the first row, and returns the rows that it runs."""
    monkeypatch.setattr(engine, "_DRAIN_TIMEOUT", 1.5)
    frozen = []

    def stop(at):
        where = begun(at)
        frozen.append(int(where[0][0]))
        os.kill(frozen[0], signal.SIGSTOP)
        return [row for row, pids in where.items() if pids == where[0]]

    yield stop
    for process in frozen:
        os.kill(process, signal.SIGCONT)


async def ended(run):
    """Wait for the end of a run, which must come."""
    await asyncio.wait_for(run.settled(), 20)


async def test_a_run_on_a_worker_that_is_frozen_ends_when_it_is_cancelled(
    processes, tmp_path, freeze
):
    """A stopped process answers nothing, and nobody waits for its answers. When it goes on, it cancels."""
    await until(lambda: len(processes.scheduler.workers) == 2)
    run = fm.batchflow(Marks(), rows(tmp_path), limit=6, engine=DaskEngine(processes))
    await until(lambda: len(begun(tmp_path)) == 6)
    freeze(tmp_path)
    run.cancel()
    await ended(run)
    assert (run.status, run.counts.cancelled) == ("cancelled", 6)
    os.kill(int(begun(tmp_path)[0][0]), signal.SIGCONT)
    await until(lambda: len(list(tmp_path.glob("*.cancelled"))) == 6)


async def test_when_all_rows_have_ended_the_run_ends_although_a_worker_is_frozen(
    processes, tmp_path, freeze
):
    """Those on it are cancelled, one by one; the others succeed."""
    await until(lambda: len(processes.scheduler.workers) == 2)
    run = fm.batchflow(Marks(), rows(tmp_path), limit=6, engine=DaskEngine(processes))
    await until(lambda: len(begun(tmp_path)) == 6)
    lost = freeze(tmp_path)
    (tmp_path / "gate").touch()
    for row in lost:
        run.cancel(row)
    await ended(run)
    assert run.status == "finished"
    assert (run.counts.cancelled, run.counts.succeeded) == (len(lost), 6 - len(lost))
    assert 0 < len(lost) < 6


async def test_objects_of_a_notebooks_classes_come_back_with_the_same_classes(processes):
    """Nodes, errors and values that no worker can import; an error keeps its line, too."""
    namespace = {"__name__": "__main__", "Node": Node}
    source = (
        "class Failed(Exception): pass\n"
        "class Made:\n"
        "    def __init__(self, i): self.i = i\n"
        "def help(i):\n"
        "    if i == 1:\n"
        "        raise Failed(i)\n"
        "    return Made(i)\n"
        "class Mine(Node):\n"
        "    def exec(self, _): return help(self.params['i'])\n"
        "    def post(self, shared, p, made):\n"
        "        shared['made'] = made\n"
        "        return 'fine'\n"
    )
    exec(compile(source, "<cell 5>", "exec"), namespace)
    run = await fm.batchflow(
        Flow(start=namespace["Mine"]()), [{"i": 0}, {"i": 1}], engine=DaskEngine(processes)
    )
    assert run.results[0] == "fine"
    assert type(run[0].writes["made"]) is namespace["Made"]
    assert type(run.results[1]) is namespace["Failed"]
    assert 'File "<cell 5>", line 6, in help' in run[1].traceback
    assert run[1].copies[0].node == "Mine"


class Huge(AsyncNode):
    async def exec_async(self, _):
        size = self.params["size"]
        made = [os.urandom(1024) * 1024 for _ in range(size)]
        while size > 10:  # until the worker's nanny has seen it
            await asyncio.sleep(0.01)
        return made

    async def post_async(self, shared, prep_res, exec_res):
        return sum(map(len, exec_res))


def test_an_instance_too_large_for_its_workers_memory_fails_and_the_run_ends():
    """Its nanny kills the worker; the instance is lost, and the rest runs on a new worker."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", memory_limit="350MB"
    ) as cluster:
        run = fm.run_batch(
            Huge(), [{"size": 1}, {"size": 600}, {"size": 2}], limit=1, engine=DaskEngine(cluster)
        )
    assert [str(each.status) for each in run.instances] == ["succeeded", "failed", "succeeded"]
    assert isinstance(run.results[1], InstanceLostError)


def test_without_a_cluster_one_is_started_and_closed():
    """Its processes are gone when the run has ended."""
    run = fm.run_batch(Where(), [{"i": i} for i in range(4)], limit=4, engine="dask")
    assert run.ok
    pids = {each.writes["pid"] for each in run.instances}
    assert os.getpid() not in pids
    end = time.monotonic() + 10
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < end
    assert run.shared[0] == {"pid": run[0].writes["pid"]}


class Where(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["pid"] = os.getpid()


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_without_a_scheduler_the_run_fails_and_says_what_to_do(monkeypatch):
    """Nothing has run."""
    monkeypatch.setattr(cluster_connection, "_CONNECT_TIMEOUT", 0.2)
    run = fm.batchflow(Where(), [{"i": 1}], engine=DaskEngine("tcp://127.0.0.1:9"))
    with pytest.raises(EngineError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9.*"):
        await run
    assert run.counts.cancelled == 1
