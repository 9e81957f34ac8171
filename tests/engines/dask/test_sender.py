"""How instances get to a cluster in chunks, and away from it again; the cluster is told what to do."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic import EngineError, InstanceLostError
from flowmagic.engines.dask.chunk_runner import drop
from flowmagic.engines.dask.cluster import Connection
from flowmagic.engines.dask.sender import MOST, TARGET, Chunking, ChunkSender

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
        self.told = []

    def submit(self, function, task, *, key, pure):
        self.sent.append(Future(task))
        return self.sent[-1]

    async def run(self, function, *args, workers, on_error):
        self.told.append((function, args, workers))

    async def close(self):
        pass


@pytest.fixture
def cluster():
    """A cluster of two workers, of which nothing is real."""
    return SimpleNamespace(workers={"a": 1, "b": 1}, gone=None, check=lambda: None, unfit=[])


def sending(cluster):
    connection = Connection(Client(), "tcp://s:1", None)
    common = {"package": "p", "run": "r", "topic": "t", "threads": True}

    async def unfit(error):
        cluster.unfit.append(error)

    return ChunkSender(connection, cluster, Chunking(), unfit=unfit, **common), connection


def add(made, n):
    return [made.add({"i": i}, SimpleNamespace(row=i)) for i in range(n)]


@virtual
async def test_what_starts_together_travels_together_and_no_more_than_workers_soon_begin(cluster):
    """The rest waits here, where a worker that joins can still get it."""
    made, connection = sending(cluster)
    sent = connection.client.sent
    tickets = add(made, 8)
    assert sent == []
    await asyncio.sleep(1)
    assert [each.task["tickets"] for each in sent] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    later = add(made, 1)
    await asyncio.sleep(1)
    assert len(sent) == 4
    made.begun(tickets[0].chunk, "a")
    await asyncio.sleep(1)
    assert sent[4].task["tickets"] == [later[0].number]
    await connection.close()


@virtual
async def test_of_instances_that_compute_one_chunk_lies_ready_and_the_next_ones_gather(cluster):
    """Until a worker has begun that chunk; so they go together and not one by one."""
    made, connection = sending(cluster)
    made._chunking.learn(0.06, 0.06, 2)
    sent = connection.client.sent
    first = add(made, 4)
    await asyncio.sleep(1)
    assert [each.task["tickets"] for each in sent] == [[0, 1], [2, 3]]
    later = [add(made, 1)[0]]
    await asyncio.sleep(1)
    later += add(made, 1)
    await asyncio.sleep(1)
    assert len(sent) == 2
    made.begun(first[0].chunk, "a")
    await asyncio.sleep(1)
    assert [each.task["tickets"] for each in sent[2:]] == [[each.number for each in later]]
    await connection.close()


@virtual
async def test_an_outcome_too_large_to_be_told_comes_with_the_chunks_end(cluster):
    """What nobody has told anything of by then is lost, and the hint says what helps."""
    made, connection = sending(cluster)
    there, lost = add(made, 2)
    await asyncio.sleep(1)
    for future in connection.client.sent:
        future.finish({there.number: b"large"} if there.number in future.task["tickets"] else {})
    assert await there.future == b"large"
    with pytest.raises(
        InstanceLostError, match="Instance 1 was not heard of again. Lost .*retries=2"
    ):
        await lost.future
    assert made.chunks == {}
    assert {each.status for each in connection.client.sent} == {"finished, released"}
    await connection.close()


@virtual
async def test_instances_that_are_forgotten_are_cancelled_where_they_run(cluster):
    """All of one moment in one call; a chunk that nobody wants and that has not begun never begins."""
    made, connection = sending(cluster)
    tickets = add(made, 8)
    await asyncio.sleep(1)
    begun, waits = tickets[0].chunk, tickets[2].chunk
    made.begun(begun, "a")
    for ticket in tickets[:2]:
        made.forget(ticket)
    await asyncio.sleep(1)
    for ticket in tickets[2:4]:
        made.forget(ticket)
    await asyncio.sleep(1)
    assert connection.client.told == [
        (drop, ("r", {begun.number: [0, 1]}), ["a"]),
        (drop, ("r", {waits.number: [2, 3]}), None),
    ]
    assert begun.future.status == "pending"
    assert waits.future.status == "cancelled, released"
    await connection.close()


@virtual
async def test_what_was_on_a_worker_that_is_gone_is_lost_at_once(cluster):
    """The other chunks go on."""
    made, connection = sending(cluster)
    tickets = add(made, 8)
    await asyncio.sleep(1)
    made.begun(tickets[0].chunk, "a")
    made.begun(tickets[2].chunk, "b")
    del cluster.workers["a"]
    made.lose_orphans()
    assert [each.future.done() for each in tickets] == [True, True] + [False] * 6
    assert "Instance 1 was lost with its worker, a." in str(tickets[1].future.exception())
    assert tickets[0].future.exception()
    await connection.close()


@virtual
async def test_without_a_scheduler_all_is_lost_and_no_retry_is_advised(cluster):
    """Those that wait here, too."""
    made, connection = sending(cluster)
    tickets = add(made, 3)
    cluster.gone = EngineError("gone")
    made.lose_all()
    assert [str(each.future.exception()) for each in tickets] == [
        f"Instance {i} was lost with its cluster." for i in range(3)
    ]
    await connection.close()


@virtual
async def test_a_chunk_that_does_not_end_holds_up_the_end_for_seconds_only(cluster):
    """Its worker may hang in the user's code."""
    made, connection = sending(cluster)
    add(made, 1)
    await asyncio.sleep(1)
    await made.finish()
    assert asyncio.get_running_loop().time() == pytest.approx(1006)
    await connection.close()
    assert [each.status for each in connection.client.sent] == ["pending, released"]


class KilledWorker(Exception):
    """As Dask calls it."""


@virtual
async def test_what_lay_ready_on_workers_that_died_is_sent_again(cluster):
    """It has not begun: it is not its fault. But not for ever, for it may be."""
    made, connection = sending(cluster)
    [ticket] = add(made, 1)
    for _ in range(5):
        await asyncio.sleep(1)
        assert not ticket.future.done()
        connection.client.sent[-1].fail(KilledWorker("died"))
    await asyncio.sleep(1)
    assert len(connection.client.sent) == 5
    with pytest.raises(InstanceLostError, match="found its workers dead 5 times before it could"):
        await ticket.future
    assert cluster.unfit == []
    await connection.close()


@virtual
async def test_a_worker_that_cannot_begin_with_any_instance_is_told_of(cluster):
    """It would fail all rows in no time. An error after the beginning is no such thing."""
    made, connection = sending(cluster)
    first, second = add(made, 2)
    await asyncio.sleep(1)
    error = ModuleNotFoundError("No module named 'mine'")
    made.begun(second.chunk, "a")
    for sent in connection.client.sent:
        sent.fail(error)
    for ticket in (first, second):
        with pytest.raises(InstanceLostError, match="could not run on a worker .*named 'mine'"):
            await ticket.future
    assert cluster.unfit == [error]
    await connection.close()


@virtual
async def test_a_worker_to_which_the_scheduler_was_slow_ends_no_run(cluster):
    """Its chunk is lost; the next one may have more luck."""
    made, connection = sending(cluster)
    [ticket] = add(made, 1)
    await asyncio.sleep(1)
    connection.client.sent[0].fail(TimeoutError())
    with pytest.raises(InstanceLostError, match="could not run on a worker"):
        await ticket.future
    assert cluster.unfit == []
    await connection.close()


@virtual
async def test_without_any_worker_one_chunk_asks_the_cluster_for_one(cluster):
    """An adaptive cluster starts workers only when something is there for them."""
    made, connection = sending(cluster)
    cluster.workers.clear()
    add(made, 8)
    await asyncio.sleep(1)
    assert [each.task["tickets"] for each in connection.client.sent] == [[0, 1, 2, 3]]
    await connection.close()


def learned(seconds, cpu, instances):
    chunking = Chunking()
    chunking.learn(seconds, cpu, instances)
    return chunking


def test_before_anything_is_known_each_worker_gets_two_small_ones():
    """Nobody computes much longer than the others, whatever the instances are."""
    assert Chunking().size(100, 4, 8) == 13
    assert Chunking().size(100, 4, 1) == 13
    assert Chunking().size(1, 4, 8) == 1
    assert Chunking().size(10, 0, 0) == 5


def test_long_instances_travel_alone_and_short_ones_together():
    """A chunk keeps its worker busy for `TARGET`, and no longer."""
    assert learned(1.0, 1.0, 1).size(1000, 2, 2) == 1
    assert learned(0.1, 0.1, 10).size(1000, 2, 2) == round(TARGET / 0.01)
    assert learned(0.001, 0.001, 100).size(100_000, 2, 2) == MOST


def test_instances_that_only_wait_travel_together_however_long_they_wait():
    """What counts is what they compute; they wait side by side."""
    chunking = learned(30.0, 0.01, 10)
    assert chunking.waits
    assert chunking.size(40, 2, 2) == 20
    assert not learned(1.0, 1.0, 4).waits
    assert not Chunking().waits


@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(1, 500)), max_size=20),
    st.integers(1, 10**6),
    st.integers(0, 10**4),
    st.integers(1, 10**4),
)
def test_a_chunk_is_never_empty_and_leaves_something_for_the_others(learnt, waiting, places, room):
    """Whatever was learned."""
    chunking = Chunking()
    for each in learnt:
        chunking.learn(*each)
    size = chunking.size(waiting, places, room)
    assert 1 <= size <= MOST
    assert size <= -(-waiting // (room if learnt else max(1, places)))
    assert 0 < chunking.pause(3) <= 1.0


def test_where_instances_compute_for_long_what_waits_goes_as_one_when_a_worker_needs_it():
    """Not piece by piece, as one instance after the other ends: each piece would cost."""
    long, short = learned(0.06, 0.06, 2), learned(0.01, 0.01, 100)
    assert (long.ahead, short.ahead, Chunking().ahead) == (1, 2, 2)
    assert long.size(2, 2, 1) == 2
    assert long.size(4, 2, 2) == 2


def test_the_latest_chunks_count_most():
    """A flow whose rows grow longer is sent in smaller chunks before long."""
    chunking = learned(0.1, 0.1, 100)
    assert chunking.size(1000, 2, 2) == 100
    for _ in range(10):
        chunking.learn(1.0, 1.0, 1)
    assert chunking.size(1000, 2, 2) == 1


def test_instances_are_gathered_longer_the_longer_they_take():
    """By a small part of that; and so long that the tasks do not take all of the scheduler."""
    assert Chunking().pause(0) == pytest.approx(0.002)
    assert Chunking().pause(10) == pytest.approx(0.04)
    assert learned(6.4, 0.0, 1).pause(0) == pytest.approx(0.1)
    assert learned(1e9, 0.0, 1).pause(0) == 1.0
