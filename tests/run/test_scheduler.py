"""What a pool is fed with, and what is noted when an instance ends."""

import asyncio
import contextvars

import pytest

from flowmagic.errors import BatchError
from flowmagic.records.batch import Batch, as_batch
from flowmagic.records.status import CANCELLED, FAILED, PENDING, RUNNING, SUCCEEDED
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


class Fed:
    """A feed with its records, and what it told of."""

    def __init__(self, given, keep=10, loop=None, **base):
        self.batch = as_batch(given)
        self.records = RecordStore(base, 0.0, keep)
        self.engine = Engine()
        self.broken, self.interrupts, self.failures, self.successes = [], [], [], []
        self.again = None  # what a failure is answered with
        self.ready = 0
        self.feed = Scheduler(
            self.records,
            self.engine,
            loop=loop,
            context=contextvars.copy_context(),
            on_ready=self.is_ready,
            on_broken=self.broken.append,
            on_interrupt=self.interrupts.append,
            on_failure=self.failed,
            on_success=self.successes.append,
        )
        self.feed.load(self.batch)

    def failed(self, index, error):
        self.failures.append((index, self.records.status[index], error))
        return self.again

    def is_ready(self):
        self.ready += 1

    def fail(self, index):
        """Let a running instance fail."""
        self.feed.note_error(index, ValueError(index), 2.0, cancelled=False)

    def take(self):
        """Take the next instance; return its index, None at the end."""
        taken = self.feed.take(1.0)
        if taken is None:
            return None
        index, walk, _ = taken
        walk.close()
        return index


def test_rows_come_in_their_order_with_their_merged_params():
    """Then none is left."""
    fed = Fed([{"n": 1}, {"n": 2}], base=0)
    assert [fed.take(), fed.take(), fed.take()] == [0, 1, None]
    assert fed.engine.params == [{"base": 0, "n": 1}, {"base": 0, "n": 2}]
    assert not fed.feed.has_next()


def test_rows_to_retry_come_before_all_others():
    """In the order in which they were given."""
    fed = Fed([{"n": n} for n in range(5)])
    for index in (fed.take(), fed.take()):
        fed.fail(index)
    fed.feed.retry([1, 0])
    assert [fed.take() for _ in range(6)] == [1, 0, 2, 3, 4, None]
    assert list(fed.records.earlier) == [1, 1, 0, 0, 0]


def test_a_generator_is_drawn_only_when_a_row_is_taken():
    """Its length is known when it is exhausted."""
    drawn = []

    def rows():
        for n in range(3):
            drawn.append(n)
            yield {"n": n}

    fed = Fed(rows())
    assert drawn == [0]  # the first row is looked at when the batch is checked
    assert fed.feed.has_next()
    assert [fed.take(), fed.take()] == [0, 1]
    assert (drawn, fed.records.total) == ([0, 1], None)
    assert [fed.take(), fed.take(), fed.take()] == [2, None, None]
    assert fed.records.total == 3


@virtual
async def test_an_async_generator_is_prepared_and_then_taken():
    """A prepared row is a row: it is not drawn again, and not lost if it is taken late."""

    async def rows():
        for n in range(2):
            await asyncio.sleep(1)
            yield {"n": n}

    fed = Fed(rows())
    assert fed.feed.needs_prepare
    assert await fed.feed.prepare()
    assert await fed.feed.prepare()
    assert len(fed.records) == 1
    assert fed.take() == 0
    assert await fed.feed.prepare()
    assert fed.take() == 1
    assert not await fed.feed.prepare()
    assert not await fed.feed.prepare()
    assert fed.records.total == 2


@virtual
async def test_a_retry_needs_no_drawing():
    """It is taken whatever the source is doing."""

    async def rows():
        yield {"n": 0}
        await asyncio.Event().wait()

    fed = Fed(rows())
    await fed.feed.prepare()
    fed.fail(fed.take())
    fed.feed.retry([0])
    assert await fed.feed.prepare()
    assert fed.take() == 0
    await fed.batch.close()


@pytest.mark.parametrize("error", [ValueError("rows"), KeyboardInterrupt(), SystemExit()])
def test_a_source_that_raises_is_reported_and_draws_no_more(error):
    """Whatever it raises; the rows drawn so far are all there are."""

    def rows():
        yield {"n": 0}
        raise error

    fed = Fed(rows())
    assert [fed.take(), fed.take(), fed.take()] == [0, None, None]
    assert fed.broken == [error]
    assert fed.records.total == 1


def test_a_wrong_row_is_a_source_that_raises():
    """Nothing behind it is drawn."""
    fed = Fed(row for row in [{"n": 0}, 3, {"n": 2}])
    assert [fed.take(), fed.take(), fed.take()] == [0, None, None]
    [error] = fed.broken
    assert isinstance(error, BatchError)
    assert "Item 1" in str(error)


@pytest.mark.parametrize(
    ("error", "cancelled", "code", "interrupted"),
    [
        (None, False, SUCCEEDED, False),
        (ValueError(), False, FAILED, False),
        (SystemExit(), False, FAILED, False),
        (asyncio.CancelledError(), True, CANCELLED, False),
        (asyncio.CancelledError(), False, FAILED, False),
        (KeyboardInterrupt(), False, CANCELLED, True),
    ],
)
def test_each_kind_of_end_is_one_status(error, cancelled, code, interrupted):
    """A cancellation that nobody asked for is the node's own doing, and a failure."""
    fed = Fed([{"n": 0}])
    index = fed.take()
    assert fed.records.status[index] == RUNNING
    if error is None:
        fed.feed.note_result(index, "action", 2.0)
    else:
        fed.feed.note_error(index, error, 2.0, cancelled=cancelled)
    assert fed.records.status[index] == code
    assert fed.records.results[index] == ("action" if error is None else error)
    assert bool(fed.interrupts) is interrupted
    assert fed.failures == ([(index, FAILED, error)] if code == FAILED else [])
    assert fed.successes == ([index] if code == SUCCEEDED else [])


@virtual
async def test_a_failure_may_be_answered_with_a_later_retry():
    """Until then the row is pending and not to be taken; then it comes before all others."""
    fed = Fed([{"n": n} for n in range(3)], loop=asyncio.get_running_loop())
    fed.again = 5.0
    fed.fail(fed.take())
    assert (fed.records.status[0], fed.feed.waiting) == (PENDING, True)
    await asyncio.sleep(4)
    assert (fed.take(), fed.ready) == (1, 0)
    await asyncio.sleep(2)
    assert (fed.feed.waiting, fed.ready) == (False, 1)
    assert [fed.take(), fed.take(), fed.take()] == [0, 2, None]


@virtual
async def test_retries_that_are_forgotten_never_come():
    """Neither those that wait for their time nor those that wait for a slot; no timer is left."""
    loop = asyncio.get_running_loop()
    fed = Fed([{"n": n} for n in range(2)], loop=loop)
    fed.again = 5.0
    fed.fail(fed.take())
    fed.again = None
    fed.fail(fed.take())
    fed.feed.retry([1])
    fed.feed.forget_retries()
    assert (fed.take(), fed.feed.waiting, fed.feed.has_next()) == (None, False, False)
    await asyncio.sleep(6)
    assert fed.ready == 0
    fed.records.cancel_pending()
    assert list(fed.records.status) == [FAILED, FAILED]  # as they were: their errors are kept
    assert [type(each) for each in fed.records.results] == [ValueError, ValueError]


@virtual
async def test_a_dropped_row_is_passed_over():
    """Wherever it waits: in its place of the batch, or for the time of its retry."""
    fed = Fed([{"n": n} for n in range(4)], loop=asyncio.get_running_loop())
    fed.again = 5.0
    fed.fail(fed.take())
    fed.feed.drop(0)
    fed.feed.drop(2)
    assert not fed.feed.waiting
    await asyncio.sleep(6)
    assert [fed.take(), fed.take(), fed.take()] == [1, 3, None]
    assert [fed.records.status[index] for index in (0, 2)] == [FAILED, CANCELLED]


def test_each_instance_has_a_context_of_its_own_and_the_source_has_one():
    """None sees what another one set; what a generator sets stays with it."""
    seen = []

    def rows():
        for n in range(3):
            seen.append(variable.get())
            variable.set(f"row {n}")
            yield {"n": n}

    variable.set("run")
    fed = Fed(rows())  # its first row is drawn here, by the one who makes the batch
    contexts = []
    while (taken := fed.feed.take(1.0)) is not None:
        taken[1].close()
        contexts.append(taken[2])
    assert len({id(each) for each in contexts}) == 3
    assert all(each[variable] == "row 0" for each in contexts)
    assert seen == ["run", "row 0", "row 1"]
    variable.set("unset")


def test_an_empty_batch_gives_nothing():
    """At once, and as often as asked."""
    fed = Fed(Batch([], rows=[]))
    assert not fed.feed.has_next()
    assert fed.take() is None
