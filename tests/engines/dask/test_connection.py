"""How a run connects to a cluster, with or without TLS, and disconnects."""

from __future__ import annotations

import asyncio
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
from flowmagic.engines.dask import connection as module
from flowmagic.engines.dask.connection import Connection

from .conftest import until


class Cluster:
    """One of our own, of which nothing is real; counts how often it is closed, and where."""

    def __init__(self, address="tcp://127.0.0.1:9"):
        self.scheduler_address = address
        self.closed = []

    def close(self):
        self.closed.append(threading.current_thread())


async def test_an_address_a_client_and_a_cluster_lead_to_the_same_and_to_a_client_of_our_own(
    cluster,
):
    """What the user handed over stays as it was."""
    async with Client(cluster, asynchronous=True, set_as_default=False) as theirs:
        for where in (cluster.scheduler_address, theirs, cluster):
            connection = await Connection.open(where)
            assert connection.address == cluster.scheduler_address
            assert connection.client is not theirs
            await connection.close()
            assert connection.client.status == "closed"
        assert theirs.status == "running"
        assert len(cluster.workers) == 2


async def test_what_was_started_ends_before_the_connection_closes(cluster):
    """None of it finds a client that is gone."""
    connection = await Connection.open(cluster)
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


async def test_a_cluster_of_our_own_is_closed_where_nobody_answers_there(monkeypatch):
    """In a thread: that takes a while, and the notebook's loop is not to wait."""
    made = Cluster()
    monkeypatch.setattr(distributed, "LocalCluster", lambda **options: made)
    monkeypatch.setattr(module, "_CONNECT_TIMEOUT", 0.2)
    with pytest.raises(EngineError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 \("):
        await Connection.open(None)
    assert made.closed
    assert threading.main_thread() not in made.closed


async def test_a_cluster_that_is_being_made_when_the_run_is_cancelled_is_closed_later(monkeypatch):
    """Its processes would stay for as long as the kernel lives."""
    made, go_on = Cluster(), threading.Event()

    def make(**options):
        go_on.wait(20)
        return made

    monkeypatch.setattr(distributed, "LocalCluster", make)
    connecting = asyncio.create_task(Connection.open(None))
    await asyncio.sleep(0.01)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert not made.closed
    go_on.set()
    await until(lambda: made.closed)


async def test_abandoned_our_cluster_is_closed_once_and_somebody_elses_never():
    """Without a wait, for there is no loop any more that could wait."""
    ours = Cluster()
    connection = Connection(SimpleNamespace(), "tcp://s:1", ours)
    connection.abandon()
    connection.abandon()
    await until(lambda: ours.closed)
    assert connection.closing
    assert [thread.name for thread in ours.closed] == ["flowmagic-dask-closing"]


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
async def test_an_address_that_cannot_be_tried_is_refused_with_what_to_write(address, says):
    """Not with the words of a library below, and nothing is left open."""
    with pytest.raises(EngineError, match=says):
        await Connection.open(address)


class Says(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        print("said by", self.params["i"])
        shared["large"] = "x" * 20_000
        return f"had {self.params['i']}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl")
def test_by_tls_a_client_with_certificates_leads_to_the_cluster_and_none_without(tmp_path, capsys):
    """All that a run sends and hears, prints and large results included."""
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
