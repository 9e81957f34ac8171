"""How a run connects to a cluster, with or without TLS, and disconnects."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import threading
from types import SimpleNamespace

import distributed
import pytest
from distributed import Client, LocalCluster
from distributed.security import Security
from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic import DaskEngine, EngineError
from flowmagic.engines.dask import cluster_connection
from flowmagic.engines.dask.cluster_connection import ClusterConnection

from ...virtualtime import virtual
from .conftest import until


class Cluster:
    """A fake cluster that was started for the run; keeps the threads that close it."""

    def __init__(self, address="tcp://127.0.0.1:9"):
        self.scheduler_address = address
        self.closed = []

    def close(self):
        self.closed.append(threading.current_thread())


async def test_an_address_a_client_and_a_cluster_give_a_client_of_the_runs_own(
    cluster,
):
    """What the user passed is not changed."""
    async with Client(cluster, asynchronous=True, set_as_default=False) as theirs:
        for where in (cluster.scheduler_address, theirs, cluster):
            connection = await ClusterConnection.open(where)
            assert connection.address == cluster.scheduler_address
            assert connection.client is not theirs
            await connection.close()
            assert connection.client.status == "closed"
        assert theirs.status == "running"
        assert len(cluster.workers) == 2


async def test_its_tasks_end_before_the_client_closes(cluster):
    """None of them uses a closed client."""
    connection = await ClusterConnection.open(cluster)
    ended = []

    async def work():
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append((connection.client.status, connection.closing))

    connection.start_task(work())
    await asyncio.sleep(0)
    await connection.close()
    assert ended == [("running", True)]


async def test_a_cluster_that_was_started_for_the_run_is_closed_if_it_does_not_answer(monkeypatch):
    """In a thread: closing takes a while, and must not block the notebook's loop."""
    made = Cluster()
    monkeypatch.setattr(distributed, "LocalCluster", lambda **options: made)
    monkeypatch.setattr(cluster_connection, "_CONNECT_TIMEOUT", 0.2)
    with pytest.raises(EngineError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 \("):
        await ClusterConnection.open(None)
    assert made.closed
    assert threading.main_thread() not in made.closed


async def test_a_cluster_that_is_starting_when_the_run_is_cancelled_is_closed_later(monkeypatch):
    """Otherwise its processes would run as long as the kernel."""
    made, go_on = Cluster(), threading.Event()

    def make(**options):
        go_on.wait(20)
        return made

    monkeypatch.setattr(distributed, "LocalCluster", make)
    connecting = asyncio.create_task(ClusterConnection.open(None))
    await asyncio.sleep(0.01)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert not made.closed
    go_on.set()
    await until(lambda: made.closed)


async def test_abandoning_the_connection_closes_its_own_cluster_once():
    """Without waiting, since no loop may be running any more."""
    ours = Cluster()
    connection = ClusterConnection(SimpleNamespace(), "tcp://s:1", ours)
    connection.abandon()
    connection.abandon()
    await until(lambda: ours.closed)
    assert connection.closing
    assert [thread.name for thread in ours.closed] == ["flowmagic-dask-closing"]


class Deaf:
    """A fake client of a cluster that answers nothing, and ends no call that is cancelled."""

    def __init__(self):
        self.gone = False

    async def close(self):
        while not self.gone:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30)

    run = close


@virtual
async def test_closing_takes_no_longer_than_it_may():
    """Neither the tasks nor the client nor the cluster have to end for it: they may be frozen."""
    leave, ours, client = threading.Event(), Cluster(), Deaf()
    close, ours.close = ours.close, lambda: leave.wait(20) and close()
    connection = ClusterConnection(client, "tcp://s:1", ours)
    connection.start_task(client.run())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await connection.close(5)
    assert loop.time() - began == pytest.approx(5)
    assert not ours.closed
    leave.set()
    while not ours.closed:
        await asyncio.sleep(0)
    client.gone = True
    await asyncio.sleep(60)


@virtual
async def test_a_call_that_is_attempted_may_fail_and_takes_no_longer_than_it_may():
    """It is cancelled then; whoever attempts it goes on."""
    connection = ClusterConnection(SimpleNamespace(), "tcp://s:1", None)
    ended = []

    async def fails():
        ended.append("failed")
        raise OSError("the cluster is gone")

    async def hangs():
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("cancelled")

    loop = asyncio.get_running_loop()
    began = loop.time()
    await connection.attempt(fails(), 3)
    assert loop.time() == began
    await connection.attempt(hangs(), 3)
    await asyncio.sleep(0)
    assert loop.time() == began + 3
    assert ended == ["failed", "cancelled"]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (
            "tls://127.0.0.1:9",
            r"needs a client with TLS certificates .*DaskEngine\(Client\(\"tls://127",
        ),
        ("nonsense://127.0.0.1:9", r"No Dask scheduler answers at nonsense://.* \(ValueError\)"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused_with_the_corrected_line(address, says):
    """Not with the message of a library, and nothing is left open."""
    with pytest.raises(EngineError, match=says):
        await ClusterConnection.open(address)


class Says(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        print("said by", self.params["i"])
        shared["large"] = "x" * 20_000
        return f"had {self.params['i']}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl")
def test_a_cluster_with_tls_is_reached_by_a_client_with_certificates_only(tmp_path, capsys):
    """Everything passes, including printed text and large results."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [*command.split(), "-subj", "/CN=test", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    files = {"cert": str(certificate), "key": str(key)}
    security = Security(
        tls_ca_file=str(certificate),
        require_encryption=True,
        **{
            f"tls_{role}_{name}": file
            for role in ("client", "scheduler", "worker")
            for name, file in files.items()
        },
    )
    rows = [{"i": i} for i in range(3)]
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address=":0",
            protocol="tls",
            security=security,
        ) as cluster,
        Client(cluster.scheduler_address, security=security, set_as_default=False) as client,
    ):
        assert cluster.scheduler_address.startswith("tls://")
        for engine in (DaskEngine(client), DaskEngine(cluster)):
            run = fm.run_batch(Says(), rows, engine=engine)
            assert run.results == ["had 0", "had 1", "had 2"]
            assert run[2].writes == {"large": "x" * 20_000}
            assert sorted(capsys.readouterr().out.splitlines()) == [
                f"said by {i}" for i in range(3)
            ]
        with pytest.raises(EngineError, match=r"needs a client with TLS certificates"):
            fm.run_batch(Says(), rows, engine=DaskEngine(cluster.scheduler_address))
