"""What a pool is scheduled with, and what is noted when an instance ends."""

import asyncio
import contextvars
from typing import ClassVar

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import BatchError
from flowmagic.records.batch import Batch, as_batch
from flowmagic.records.status import CANCELLED, FAILED, PENDING
from flowmagic.records.store import RecordStore
from flowmagic.run.scheduler import Scheduler

from ..virtualtime import virtual

variable = contextvars.ContextVar("variable", default="unset")


class Engine:
    """Stands in for an engine: remembers the params, and walks nowhere."""

    def __init__(self):
        self.params = []

    def run(self, params, trace):
        self.params.append(params)

        async def walk():
            return params

        return walk()


class FailsOnce(AsyncNode):
    """Fails in the row 0."""

    ran: ClassVar[list[int]] = []

    async def exec_async(self, prep_res):
        self.ran.append(self.params["n"])
        await asyncio.sleep(1)
        if self.params["n"] == 0:
            raise ValueError


class Scheduled:
    """A scheduler with its records, and what it reported."""

    def __init__(self, batch, keep=10, loop=None, **base):
        self.batch = as_batch(batch)
        self.records = RecordStore(base, 0.0, keep)
        self.engine = Engine()
        self.errors = []
        self.due = 0
        self.scheduler = Scheduler(
            self.records,
            self.engine,
            loop=loop,
            context=contextvars.copy_context(),
            events=self,
        )
        self.scheduler.load(self.batch)

    def broke(self, error):
        self.errors.append(error)

    def retry_is_due(self):
        self.due += 1

    def fail(self, index):
        """Let a running instance fail."""
        self.records.finish(index, ValueError(index), 2.0, FAILED)

    def take(self, claimed=None):
        """Take the next instance, or one that was claimed; return its index, None at the end."""
        taken = self.scheduler.take(1.0, claimed)
        if taken is None:
            return None
        index, walk, _ = taken
        walk.close()
        return index


def test_rows_come_in_their_order_with_their_merged_params():
    """Then none is left."""
    scheduled = Scheduled([{"n": 1}, {"n": 2}], base=0)
    assert [scheduled.take(), scheduled.take(), scheduled.take()] == [0, 1, None]
    assert scheduled.engine.params == [{"base": 0, "n": 1}, {"base": 0, "n": 2}]
    assert not scheduled.scheduler.has_next()


def test_rows_to_retry_come_before_all_others():
    """In the order in which they were given."""
    scheduled = Scheduled([{"n": n} for n in range(5)])
    for index in (scheduled.take(), scheduled.take()):
        scheduled.fail(index)
    scheduled.scheduler.retry([1, 0])
    assert [scheduled.take() for _ in range(6)] == [1, 0, 2, 3, 4, None]
    assert list(scheduled.records.earlier) == [1, 1, 0, 0, 0]


def test_a_generator_is_drawn_only_when_a_row_is_taken():
    """Its length is known when it is exhausted."""
    drawn = []

    def rows():
        for n in range(3):
            drawn.append(n)
            yield {"n": n}

    scheduled = Scheduled(rows())
    assert drawn == [0]  # the first row is looked at when the batch is checked
    assert scheduled.scheduler.has_next()
    assert [scheduled.take(), scheduled.take()] == [0, 1]
    assert (drawn, scheduled.records.total) == ([0, 1], None)
    assert [scheduled.take(), scheduled.take(), scheduled.take()] == [2, None, None]
    assert scheduled.records.total == 3


@virtual
async def test_the_rows_of_an_async_generator_are_claimed_and_then_taken():
    """Each is claimed once. One that is given back comes before all others, and is not drawn again."""

    async def rows():
        for n in range(3):
            await asyncio.sleep(1)
            yield {"n": n}

    scheduled = Scheduled(rows(), loop=asyncio.get_running_loop())
    scheduler = scheduled.scheduler
    assert scheduler.needs_claim
    assert (await scheduler.claim(), await scheduler.claim()) == (0, 1)
    assert scheduled.take(1) == 1
    scheduler.give_back(0)
    assert scheduler.has_next()
    assert (await scheduler.claim(), len(scheduled.records)) == (0, 2)
    assert scheduled.take(0) == 0
    assert scheduled.take(await scheduler.claim()) == 2
    assert (await scheduler.claim(), await scheduler.claim()) == (None, None)
    assert scheduled.records.total == 3


@virtual
async def test_a_row_that_is_cancelled_while_it_is_claimed_does_not_come_again():
    """Nor does it keep the run waiting."""
    scheduled = Scheduled([{"n": 0}], loop=asyncio.get_running_loop())
    scheduler = scheduled.scheduler
    index = await scheduler.claim()
    scheduler.drop(index)
    assert not scheduler.is_pending(index)
    scheduler.give_back(index)
    assert (scheduler.has_next(), await scheduler.claim()) == (False, None)


@virtual
async def test_a_retry_needs_no_drawing():
    """It is taken whatever the source is doing."""

    async def rows():
        yield {"n": 0}
        await asyncio.Event().wait()

    scheduled = Scheduled(rows(), loop=asyncio.get_running_loop())
    scheduled.fail(scheduled.take(await scheduled.scheduler.claim()))
    scheduled.scheduler.retry([0])
    assert scheduled.take(await scheduled.scheduler.claim()) == 0
    await scheduled.batch.close()


@pytest.mark.parametrize("error", [ValueError("rows"), KeyboardInterrupt(), SystemExit()])
def test_a_source_that_raises_is_reported_and_draws_no_more(error):
    """Whatever it raises; the rows drawn so far are all there are."""

    def rows():
        yield {"n": 0}
        raise error

    scheduled = Scheduled(rows())
    assert [scheduled.take(), scheduled.take(), scheduled.take()] == [0, None, None]
    assert scheduled.errors == [error]
    assert scheduled.records.total == 1


def test_a_wrong_row_is_a_source_that_raises():
    """Nothing behind it is drawn."""
    scheduled = Scheduled(row for row in [{"n": 0}, 3, {"n": 2}])
    assert [scheduled.take(), scheduled.take(), scheduled.take()] == [0, None, None]
    [error] = scheduled.errors
    assert isinstance(error, BatchError)
    assert "Item 1" in str(error)


@virtual
async def test_a_row_may_be_retried_later():
    """Until then it is pending and not to be taken; then it comes before all others."""
    scheduled = Scheduled([{"n": n} for n in range(3)], loop=asyncio.get_running_loop())
    scheduled.fail(scheduled.take())
    scheduled.scheduler.retry_later(0, 5.0)
    assert (scheduled.records.status[0], scheduled.scheduler.waits_for_retry) == (PENDING, True)
    await asyncio.sleep(4)
    assert (scheduled.take(), scheduled.due) == (1, 0)
    await asyncio.sleep(2)
    assert (scheduled.scheduler.waits_for_retry, scheduled.due) == (False, 1)
    assert [scheduled.take(), scheduled.take(), scheduled.take()] == [0, 2, None]


@virtual
async def test_rows_retried_at_once_keep_their_order():
    """They need no timer, and are reported in the next turn of the loop."""
    scheduled = Scheduled([{"n": n} for n in range(3)], loop=asyncio.get_running_loop())
    for index in (scheduled.take(), scheduled.take()):
        scheduled.fail(index)
    scheduled.scheduler.retry_later(1, 0.0)
    scheduled.scheduler.retry_later(0, 0.0)
    assert (scheduled.scheduler.waits_for_retry, scheduled.due) == (False, 0)
    await asyncio.sleep(0)
    assert scheduled.due == 2
    assert [scheduled.take() for _ in range(4)] == [1, 0, 2, None]


@virtual
async def test_forgotten_retries_never_run():
    """Neither those that wait for their time nor those that wait for a slot; no timer is left."""
    scheduled = Scheduled([{"n": n} for n in range(2)], loop=asyncio.get_running_loop())
    for index in (scheduled.take(), scheduled.take()):
        scheduled.fail(index)
    scheduled.scheduler.retry_later(0, 5.0)
    scheduled.scheduler.retry([1])
    scheduled.scheduler.forget_retries()
    left = (scheduled.take(), scheduled.scheduler.waits_for_retry, scheduled.scheduler.has_next())
    assert left == (None, False, False)
    await asyncio.sleep(6)
    assert scheduled.due == 0
    scheduled.records.cancel_pending()
    assert list(scheduled.records.status) == [FAILED, FAILED]  # as they were: their errors are kept
    assert [type(each) for each in scheduled.records.results] == [ValueError, ValueError]


@virtual
async def test_a_dropped_row_is_skipped():
    """Wherever it waits: in its place of the batch, or for the time of its retry."""
    scheduled = Scheduled([{"n": n} for n in range(4)], loop=asyncio.get_running_loop())
    scheduled.fail(scheduled.take())
    scheduled.scheduler.retry_later(0, 5.0)
    scheduled.scheduler.drop(0)
    scheduled.scheduler.drop(2)
    assert not scheduled.scheduler.waits_for_retry
    await asyncio.sleep(6)
    assert [scheduled.take(), scheduled.take(), scheduled.take()] == [1, 3, None]
    assert [scheduled.records.status[index] for index in (0, 2)] == [FAILED, CANCELLED]


def test_each_instance_and_the_source_have_contexts_of_their_own():
    """No instance sees what another one sets; what a generator sets, only the generator sees."""
    seen = []

    def rows():
        for n in range(3):
            seen.append(variable.get())
            variable.set(f"row {n}")
            yield {"n": n}

    variable.set("run")
    scheduled = Scheduled(rows())  # its first row is drawn here, by the one who makes the batch
    contexts = []
    while (taken := scheduled.scheduler.take(1.0)) is not None:
        taken[1].close()
        contexts.append(taken[2])
    assert len({id(each) for each in contexts}) == 3
    assert all(each[variable] == "row 0" for each in contexts)
    assert seen == ["run", "row 0", "row 1"]
    variable.set("unset")


def test_an_empty_batch_has_no_rows_to_take():
    """At once, and as often as asked."""
    scheduled = Scheduled(Batch([], rows=[]))
    assert not scheduled.scheduler.has_next()
    assert scheduled.take() is None


@virtual
async def test_a_row_dropped_while_it_waits_for_a_retry_lets_the_source_be_asked():
    """An async source is asked for the next row when the one to retry was cancelled meanwhile."""

    async def source():
        for n in range(4):
            yield {"n": n}

    run = flowmagic.batchflow(AsyncFlow(start=FailsOnce()), source(), limit=1)
    await asyncio.sleep(2.5)
    run.pause()
    run.retry_failed()
    run.cancel(0)
    run.resume()
    await run
    assert run.error is None
    assert [str(each.status) for each in run.instances] == ["failed", *["succeeded"] * 3]


@virtual
async def test_a_row_behind_a_cancelled_one_is_restored_all_the_same(tmp_path):
    """Rows that had succeeded do not run again, whichever rows before them are cancelled."""
    FailsOnce.ran.clear()
    rows = [{"n": n + 1} for n in range(10)]
    flow, journal = AsyncFlow(start=FailsOnce()), tmp_path / "runs.journal"
    await flowmagic.batchflow(flow, rows[1::2], journal=journal)
    FailsOnce.ran.clear()
    run = flowmagic.batchflow(flow, rows, journal=journal, resume=True, limit=1)
    for index in range(0, 10, 2):
        run.cancel(index)
    await run
    assert FailsOnce.ran == []
    assert [each.restored for each in run.instances] == [None, 1] * 5
    assert run.counts.cancelled == 5
