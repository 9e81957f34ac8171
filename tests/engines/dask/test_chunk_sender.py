"""How instances get to a cluster in chunks, and how they are cancelled there; the cluster is a fake."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flowmagic import EngineError, InstanceLostError
from flowmagic.engines.dask.chunk_runner import cancel_instances
from flowmagic.engines.dask.chunk_sender import ChunkSender
from flowmagic.engines.dask.chunk_size import ChunkSizePolicy
from flowmagic.engines.dask.cluster_connection import ClusterConnection

from ...virtualtime import virtual


class Future:
    """The future of a task whose end the test decides."""

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
    """A fake cluster monitor that knows two workers."""
    return SimpleNamespace(
        workers={"a": 1, "b": 1}, failure=None, check_scheduler=lambda: None, start_errors=[]
    )


def sender_on(cluster):
    connection = ClusterConnection(Client(), "tcp://s:1", None)
    common = {"payload_key": "p", "run": "r", "topic": "t", "threads": True}

    async def on_start_error(error):
        cluster.start_errors.append(error)

    policy = ChunkSizePolicy()
    sender = ChunkSender(connection, cluster, policy, on_start_error=on_start_error, **common)
    return sender, connection


def add(sender, n):
    return [sender.add({"i": i}, SimpleNamespace(row=i)) for i in range(n)]


@virtual
async def test_instances_that_start_together_share_chunks_and_no_more_are_sent_than_soon_begin(
    cluster,
):
    """The rest waits in the sender, so that a worker that joins can get it."""
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
async def test_if_instances_compute_one_chunk_lies_ready_and_further_instances_share_the_next(
    cluster,
):
    """They wait until a worker has begun that chunk, so that they are not sent one by one."""
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
async def test_an_outcome_too_large_for_a_message_arrives_with_the_end_of_the_chunk(cluster):
    """An instance without an outcome by then is lost, and the message says what helps."""
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
async def test_removed_instances_are_cancelled_on_their_workers(cluster):
    """Those of one moment in one call; a chunk that has not begun is cancelled with its last instance."""
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
async def test_instances_on_a_worker_that_is_gone_are_lost_at_once(cluster):
    """The other chunks are not affected."""
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
async def test_without_a_scheduler_all_instances_are_lost_and_no_retry_is_advised(cluster):
    """Including those that have not been sent."""
    sender, connection = sender_on(cluster)
    instances = add(sender, 3)
    cluster.failure = EngineError("gone")
    sender.lose_all()
    assert [str(each.future.exception()) for each in instances] == [
        f"Instance {i} was lost: its cluster is gone." for i in range(3)
    ]
    await connection.close()


@virtual
async def test_a_chunk_that_does_not_end_delays_the_end_of_the_run_by_seconds_only(cluster):
    """Its worker may hang in the user's code."""
    sender, connection = sender_on(cluster)
    add(sender, 1)
    await asyncio.sleep(1)
    await sender.finish(4)
    assert asyncio.get_running_loop().time() == pytest.approx(1005)
    await connection.close()
    assert [each.status for each in connection.client.sent] == ["pending, released"]


class KilledWorker(Exception):
    """Has the name of Dask's exception."""


@virtual
async def test_instances_whose_workers_die_before_they_begin_are_sent_again(cluster):
    """But not forever: they may be the reason why the workers die."""
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
async def test_a_chunk_that_fails_before_it_begins_is_reported(cluster):
    """Its worker would soon fail all rows. A chunk that fails after it has begun is not reported."""
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
async def test_a_timeout_between_worker_and_scheduler_does_not_end_the_run(cluster):
    """Its chunk is lost; the next one may begin."""
    sender, connection = sender_on(cluster)
    [instance] = add(sender, 1)
    await asyncio.sleep(1)
    connection.client.sent[0].fail(TimeoutError())
    with pytest.raises(InstanceLostError, match="its chunk failed on the cluster"):
        await instance.future
    assert cluster.start_errors == []
    await connection.close()


@virtual
async def test_without_any_worker_one_chunk_is_sent(cluster):
    """An adaptive cluster starts workers only when there are tasks for them."""
    sender, connection = sender_on(cluster)
    cluster.workers.clear()
    add(sender, 8)
    await asyncio.sleep(1)
    assert [each.task["ids"] for each in connection.client.sent] == [[0, 1, 2, 3]]
    await connection.close()
