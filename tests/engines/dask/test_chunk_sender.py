"""How instances get to a cluster in chunks, and how they are cancelled there; the cluster is a fake."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flowmagic import EngineError, InstanceLostError
from flowmagic.engines.dask.chunk_runner import cancel_instances
from flowmagic.engines.dask.chunk_sender import ChunkSender
from flowmagic.engines.dask.chunk_size import ChunkSizePolicy
from flowmagic.engines.dask.connection import Connection

from ...virtualtime import virtual


class Future:
    """Of a task whose end the test decides."""

    def __init__(self, task):
        self.task = task
        self.status = "pending"
        self.result = asyncio.get_running_loop().create_future()

    def add_done_callback(self, call):
        self.result.add_done_callback(call)

    def __await__(self):
        return self.result.__await__()

    def finish(self, outcomes):
        self.status = "finished"
        self.result.set_result(outcomes)

    def fail(self, error):
        self.status = "error"
        self.result.set_exception(error)

    async def cancel(self):
        self.status = "cancelled"
        self.result.cancel()

    def release(self):
        self.status += ", released"


class Client:
    def __init__(self):
        self.sent = []
        self.calls = []

    def submit(self, function, task, *, key, pure):
        self.sent.append(Future(task))
        return self.sent[-1]

    async def run(self, function, *args, workers, on_error):
        self.calls.append((function, args, workers))

    async def close(self):
        pass


@pytest.fixture
def cluster():
    """A cluster of two workers, of which nothing is real."""
    return SimpleNamespace(
        workers={"a": 1, "b": 1}, failure=None, check_scheduler=lambda: None, start_errors=[]
    )


def sender_on(cluster):
    connection = Connection(Client(), "tcp://s:1", None)
    common = {"payload_key": "p", "run": "r", "topic": "t", "threads": True}

    async def on_start_error(error):
        cluster.start_errors.append(error)

    policy = ChunkSizePolicy()
    sender = ChunkSender(connection, cluster, policy, on_start_error=on_start_error, **common)
    return sender, connection


def add(sender, n):
    return [sender.add({"i": i}, SimpleNamespace(row=i)) for i in range(n)]


@virtual
async def test_what_starts_together_travels_together_and_no_more_than_workers_soon_begin(cluster):
    """The rest waits here, where a worker that joins can still get it."""
    sender, connection = sender_on(cluster)
    sent = connection.client.sent
    instances = add(sender, 8)
    assert sent == []
    await asyncio.sleep(1)
    assert [each.task["ids"] for each in sent] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    later = add(sender, 1)
    await asyncio.sleep(1)
    assert len(sent) == 4
    sender.on_begun(instances[0].chunk, "a")
    await asyncio.sleep(1)
    assert sent[4].task["ids"] == [later[0].id]
    await connection.close()


@virtual
async def test_of_instances_that_compute_one_chunk_lies_ready_and_the_next_ones_gather(cluster):
    """Until a worker has begun that chunk; so they go together and not one by one."""
    sender, connection = sender_on(cluster)
    sender._policy.learn(0.06, 0.06, 2)
    sent = connection.client.sent
    first = add(sender, 4)
    await asyncio.sleep(1)
    assert [each.task["ids"] for each in sent] == [[0, 1], [2, 3]]
    later = [add(sender, 1)[0]]
    await asyncio.sleep(1)
    later += add(sender, 1)
    await asyncio.sleep(1)
    assert len(sent) == 2
    sender.on_begun(first[0].chunk, "a")
    await asyncio.sleep(1)
    assert [each.task["ids"] for each in sent[2:]] == [[each.id for each in later]]
    await connection.close()


@virtual
async def test_an_outcome_too_large_to_be_told_comes_with_the_chunks_end(cluster):
    """What nobody has told anything of by then is lost, and the hint says what helps."""
    sender, connection = sender_on(cluster)
    there, lost = add(sender, 2)
    await asyncio.sleep(1)
    for future in connection.client.sent:
        future.finish({there.id: b"large"} if there.id in future.task["ids"] else {})
    assert await there.future == b"large"
    with pytest.raises(
        InstanceLostError,
        match=r"^Instance 1 was lost: its chunk ended without an outcome for it\. "
        r"Write retries=2 to run lost instances again\.$",
    ):
        await lost.future
    assert sender.chunks == {}
    assert {each.status for each in connection.client.sent} == {"finished, released"}
    await connection.close()


@virtual
async def test_instances_that_are_forgotten_are_cancelled_where_they_run(cluster):
    """All of one moment in one call; a chunk that nobody wants and that has not begun never begins."""
    sender, connection = sender_on(cluster)
    instances = add(sender, 8)
    await asyncio.sleep(1)
    begun, waits = instances[0].chunk, instances[2].chunk
    sender.on_begun(begun, "a")
    for instance in instances[:2]:
        sender.remove(instance)
    await asyncio.sleep(1)
    for instance in instances[2:4]:
        sender.remove(instance)
    await asyncio.sleep(1)
    assert connection.client.calls == [
        (cancel_instances, ("r", {begun.number: [0, 1]}), ["a"]),
        (cancel_instances, ("r", {waits.number: [2, 3]}), None),
    ]
    assert begun.future.status == "pending"
    assert waits.future.status == "cancelled, released"
    await connection.close()


@virtual
async def test_what_was_on_a_worker_that_is_gone_is_lost_at_once(cluster):
    """The other chunks go on."""
    sender, connection = sender_on(cluster)
    instances = add(sender, 8)
    await asyncio.sleep(1)
    sender.on_begun(instances[0].chunk, "a")
    sender.on_begun(instances[2].chunk, "b")
    del cluster.workers["a"]
    sender.lose_orphans()
    assert [each.future.done() for each in instances] == [True, True] + [False] * 6
    assert "Instance 1 was lost: its worker, a, is gone." in str(instances[1].future.exception())
    assert instances[0].future.exception()
    await connection.close()


@virtual
async def test_without_a_scheduler_all_is_lost_and_no_retry_is_advised(cluster):
    """Those that wait here, too."""
    sender, connection = sender_on(cluster)
    instances = add(sender, 3)
    cluster.failure = EngineError("gone")
    sender.lose_all()
    assert [str(each.future.exception()) for each in instances] == [
        f"Instance {i} was lost: its cluster is gone." for i in range(3)
    ]
    await connection.close()


@virtual
async def test_a_chunk_that_does_not_end_holds_up_the_end_for_seconds_only(cluster):
    """Its worker may hang in the user's code."""
    sender, connection = sender_on(cluster)
    add(sender, 1)
    await asyncio.sleep(1)
    await sender.finish()
    assert asyncio.get_running_loop().time() == pytest.approx(1006)
    await connection.close()
    assert [each.status for each in connection.client.sent] == ["pending, released"]


class KilledWorker(Exception):
    """As Dask calls it."""


@virtual
async def test_what_lay_ready_on_workers_that_died_is_sent_again(cluster):
    """It has not begun: it is not its fault. But not for ever, for it may be."""
    sender, connection = sender_on(cluster)
    [instance] = add(sender, 1)
    for _ in range(5):
        await asyncio.sleep(1)
        assert not instance.future.done()
        connection.client.sent[-1].fail(KilledWorker("died"))
    await asyncio.sleep(1)
    assert len(connection.client.sent) == 5
    with pytest.raises(
        InstanceLostError, match="its workers died 5 times before they could start it"
    ):
        await instance.future
    assert cluster.start_errors == []
    await connection.close()


@virtual
async def test_a_worker_that_cannot_begin_with_any_instance_is_told_of(cluster):
    """It would fail all rows in no time. An error after the beginning is no such thing."""
    sender, connection = sender_on(cluster)
    first, second = add(sender, 2)
    await asyncio.sleep(1)
    error = ModuleNotFoundError("No module named 'mine'")
    sender.on_begun(second.chunk, "a")
    for sent in connection.client.sent:
        sent.fail(error)
    for instance in (first, second):
        with pytest.raises(
            InstanceLostError, match="its chunk failed on the cluster .*named 'mine'"
        ):
            await instance.future
    assert cluster.start_errors == [error]
    await connection.close()


@virtual
async def test_a_worker_to_which_the_scheduler_was_slow_ends_no_run(cluster):
    """Its chunk is lost; the next one may have more luck."""
    sender, connection = sender_on(cluster)
    [instance] = add(sender, 1)
    await asyncio.sleep(1)
    connection.client.sent[0].fail(TimeoutError())
    with pytest.raises(InstanceLostError, match="its chunk failed on the cluster"):
        await instance.future
    assert cluster.start_errors == []
    await connection.close()


@virtual
async def test_without_any_worker_one_chunk_asks_the_cluster_for_one(cluster):
    """An adaptive cluster starts workers only when something is there for them."""
    sender, connection = sender_on(cluster)
    cluster.workers.clear()
    add(sender, 8)
    await asyncio.sleep(1)
    assert [each.task["ids"] for each in connection.client.sent] == [[0, 1, 2, 3]]
    await connection.close()
