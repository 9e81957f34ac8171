"""As many instances as the limiter admits, each in its own context, and turns for everybody else."""

import asyncio
import contextvars
import inspect
import itertools

import pytest

from flowmagic.limits.limits import Limiter, Limits
from flowmagic.run.workers import SLICE, WorkerPool, drive

from ..virtualtime import virtual

variable = contextvars.ContextVar("variable", default="unset")


class Instances:
    """Stands in for scheduler and outcomes: instances that run `work(index)`, and how they ended."""

    needs_claim = False

    def __init__(self, number, work):
        self.left = list(range(number))
        self.work = work
        self.ends = {}
        self.started = []
        self.decision = None

    def has_next(self):
        return bool(self.left)

    async def claim(self):
        raise AssertionError("needs no claim")

    def take(self, now):
        if not self.left:
            return None
        index = self.left.pop(0)
        self.started.append(index)
        return index, self.work(index), contextvars.copy_context()

    def succeeded(self, index, result, now):
        self.ends[index] = result
        return self.decision

    def raised(self, index, error, now, *, cancelled=False):
        self.ends[index] = "cancelled" if cancelled else error
        return self.decision


class Pooled:
    """A pool over instances, what it reported, and an event for when it is idle."""

    def __init__(self, number, work, timeout=None, decision=None, **limits):
        self.instances = Instances(number, work)
        self.instances.decision = decision
        self.limiter = Limiter(Limits(**limits))
        self.idle = asyncio.Event()
        self.decisions, self.errors = [], []
        self.pool = WorkerPool(
            self.instances,
            self.instances,
            self.limiter,
            asyncio.get_running_loop(),
            events=self,
            timeout=timeout,
        )
        self.pool.pump()

    def workers_idle(self):
        self.idle.set()

    def carry_out(self, index, decision):
        self.decisions.append((index, decision))

    def broke(self, error):
        self.errors.append(error)


@virtual
async def test_all_rows_run_and_then_the_pool_is_idle():
    """Each instance once; every slot is given back."""

    async def work(index):
        await asyncio.sleep(index % 3)
        return f"did {index}"

    pooled = Pooled(20, work, concurrency=4)
    await pooled.idle.wait()
    assert pooled.instances.ends == {index: f"did {index}" for index in range(20)}
    assert pooled.instances.started == list(range(20))
    assert (pooled.limiter.running, pooled.pool.idle) == (0, True)


@virtual
async def test_a_pool_without_rows_is_idle():
    """An empty batch ends."""
    pooled = Pooled(0, None)
    await pooled.idle.wait()
    assert pooled.pool.idle


@virtual
async def test_a_worker_cancelled_before_its_first_step_gives_its_slot_back():
    """Bookkeeping in the task's own body would never have run."""

    async def work(index):
        await asyncio.sleep(1)

    pooled = Pooled(6, work, concurrency=3)
    assert pooled.limiter.running == 3
    pooled.pool.cancel()
    pooled.pool.hold()
    await pooled.idle.wait()
    assert (pooled.limiter.running, pooled.instances.started) == (0, [])
    pooled.pool.release()
    pooled.idle.clear()
    pooled.pool.pump()
    await pooled.idle.wait()
    assert len(pooled.instances.ends) == 6


@virtual
async def test_one_instance_can_be_cancelled():
    """Its row can be distinguished from one whose node raised CancelledError by itself."""

    async def work(index):
        await asyncio.sleep(5)
        if index == 2:
            raise asyncio.CancelledError
        return index

    pooled = Pooled(4, work, concurrency=4)
    await asyncio.sleep(1)
    pooled.pool.cancel(1)
    await pooled.idle.wait()
    assert pooled.instances.ends[1] == "cancelled"
    assert isinstance(pooled.instances.ends[2], asyncio.CancelledError)
    assert [pooled.instances.ends[index] for index in (0, 3)] == [0, 3]


@virtual
async def test_an_instance_that_takes_too_long_ends_with_a_timeout():
    """Only that one; the message names the instance and the limit; its slot is free again."""

    async def work(index):
        await asyncio.sleep(10 if index == 1 else 1)
        return index

    pooled = Pooled(6, work, concurrency=2, timeout=2.0)
    await pooled.idle.wait()
    error = pooled.instances.ends.pop(1)
    assert isinstance(error, TimeoutError)
    assert str(error) == "Instance 1 took longer than timeout=2 s."
    assert pooled.instances.ends == {index: index for index in (0, 2, 3, 4, 5)}
    assert pooled.limiter.running == 0


@virtual
async def test_the_time_in_which_an_instance_waits_for_its_engine_does_not_count():
    """Its timeout goes on with what was left; instances that have ended are none of its business."""

    async def work(index):
        await asyncio.sleep(100)

    pooled = Pooled(1, work, concurrency=1, timeout=2.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for seconds in (1, 0.5):
        await asyncio.sleep(seconds)
        pooled.pool.wait_for_engine(0, waits=True)
        await asyncio.sleep(10)
        for _ in range(2):
            pooled.pool.wait_for_engine(0, waits=False)
    await pooled.idle.wait()
    assert loop.time() == began + 22
    assert isinstance(pooled.instances.ends[0], TimeoutError)
    pooled.pool.wait_for_engine(0, waits=True)
    assert not loop._scheduled


@virtual
async def test_an_instance_that_is_cancelled_while_it_waits_for_its_engine_leaves_no_timer():
    """Its time was stopped, and nothing lets it go on."""

    async def work(index):
        await asyncio.sleep(100)

    pooled = Pooled(1, work, concurrency=1, timeout=2.0)
    await asyncio.sleep(1)
    pooled.pool.wait_for_engine(0, waits=True)
    pooled.pool.cancel(0)
    await pooled.idle.wait()
    assert pooled.instances.ends == {0: "cancelled"}
    pooled.pool.wait_for_engine(0, waits=False)
    assert not asyncio.get_running_loop()._scheduled
    assert not pooled.pool._paused


@virtual
async def test_an_instance_that_ends_in_time_leaves_no_timer():
    """However often workers go on to the next one, none is cancelled for the one before it."""

    async def work(index):
        await asyncio.sleep(1.5)
        return index

    pooled = Pooled(4, work, concurrency=1, timeout=2.0)
    await pooled.idle.wait()
    assert pooled.instances.ends == {index: index for index in range(4)}
    assert not asyncio.get_running_loop()._scheduled


@virtual
async def test_an_instance_cancelled_by_hand_has_not_timed_out():
    """Even if its time is over in the same moment."""

    async def work(index):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)  # it takes its time to leave
            raise

    pooled = Pooled(1, work, concurrency=1, timeout=2.0)
    await asyncio.sleep(2.5)
    pooled.pool.cancel(0)
    await pooled.idle.wait()
    assert pooled.instances.ends == {0: "cancelled"}


@virtual
async def test_an_instance_that_finishes_after_its_time_has_succeeded():
    """Its result is not thrown away."""

    async def work(index):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "late"

    pooled = Pooled(1, work, concurrency=1, timeout=2.0)
    await pooled.idle.wait()
    assert pooled.instances.ends == {0: "late"}


@virtual
async def test_a_held_pool_starts_nothing_until_it_is_pumped_again():
    """Running instances finish."""

    async def work(index):
        await asyncio.sleep(1)
        return index

    pooled = Pooled(5, work, concurrency=2)
    await asyncio.sleep(0.5)
    pooled.pool.hold()
    await pooled.idle.wait()
    assert pooled.instances.started == [0, 1]
    pooled.pool.release()
    pooled.idle.clear()
    pooled.pool.pump()
    await pooled.idle.wait()
    assert pooled.instances.started == list(range(5))


@virtual
async def test_paced_starts_need_no_pumping():
    """A timer pumps again when the next start is due; between them the pool is not idle."""
    loop = asyncio.get_running_loop()
    starts = []

    async def work(index):
        starts.append(loop.time() - began)

    began = loop.time()
    pooled = Pooled(4, work, concurrency=4, per_minute=60)
    await pooled.idle.wait()
    assert starts == pytest.approx([0, 1, 2, 3], abs=0.02)  # as far as starts may catch up


@virtual
async def test_other_callbacks_run_while_many_instances_start():
    """A slice at most goes into starting instances, whatever their number; then the loop turns."""
    loop = asyncio.get_running_loop()
    turns = []

    async def work(index):
        loop.now += SLICE / 5  # an instance that computes and awaits nothing

    def tick():
        turns.append(loop.time())
        if not pooled.idle.is_set():
            loop.call_soon(tick)

    pooled = Pooled(500, work, concurrency=50)
    tick()
    await pooled.idle.wait()
    waits = [after - before for before, after in itertools.pairwise(turns)]
    assert max(waits) <= SLICE * 1.2 + 1e-9
    assert len(pooled.instances.ends) == 500


@virtual
async def test_a_limit_lowered_while_workers_wait_for_their_turn_is_kept():
    """They were let in under the old limit, and have not started: under the new one they leave."""
    loop = asyncio.get_running_loop()
    live = peak = 0

    async def work(index):
        nonlocal live, peak
        live += 1
        if lowered:
            peak = max(peak, live)
        loop.now += SLICE  # the first uses the slice up, so that the others wait for theirs
        await asyncio.sleep(1)
        live -= 1

    lowered = False
    pooled = Pooled(40, work, concurrency=20)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < live < 3
    pooled.limiter.limits = Limits(concurrency=3)
    lowered = True
    await pooled.idle.wait()
    assert len(pooled.instances.ends) == 40
    assert peak == 3


@virtual
async def test_each_decision_is_reported_with_its_instance():
    """After a success as after an error, once it is recorded."""

    async def work(index):
        await asyncio.sleep(1)
        if index == 1:
            raise ValueError

    pooled = Pooled(3, work, concurrency=1, decision="what follows")
    await pooled.idle.wait()
    assert pooled.decisions == [(index, "what follows") for index in range(3)]
    assert len(pooled.instances.ends) == 3
    quiet = Pooled(3, work, concurrency=1)
    await quiet.idle.wait()
    assert quiet.decisions == []


@virtual
async def test_a_worker_that_breaks_outside_an_instance_is_reported():
    """Its slot is free again, and the others continue."""

    def work(index):
        if index == 1:
            raise LookupError("no such instance")
        return asyncio.sleep(1, index)

    pooled = Pooled(4, work, concurrency=2)
    await pooled.idle.wait()
    assert [type(each) for each in pooled.errors] == [LookupError]
    assert pooled.instances.ends == {0: 0, 2: 2, 3: 3}
    assert pooled.limiter.running == 0


# drive


def _driven(walk, context):
    """Await `drive` in a coroutine that is stepped by hand."""

    async def outer():
        return await drive(walk, context)

    return outer()


def test_every_step_of_a_driven_coroutine_runs_in_its_context():
    """Before an await and after it; the driver's own context sees nothing of it."""
    context = contextvars.copy_context()

    class Pause:
        def __await__(self):
            return (yield "paused")

    async def walk():
        variable.set("first")
        got = await Pause()
        seen.append((variable.get(), got))
        variable.set("second")
        return "result"

    seen = []
    outer = _driven(walk(), context)
    assert outer.send(None) == "paused"
    assert variable.get() == "unset"
    with pytest.raises(StopIteration) as end:
        outer.send("sent")
    assert end.value.value == "result"
    assert seen == [("first", "sent")]
    assert (variable.get(), context[variable]) == ("unset", "second")


def test_what_is_thrown_into_the_driver_reaches_the_coroutine():
    """It may catch it and go on, as with a cancellation that a node handles."""

    class Pause:
        def __await__(self):
            yield

    async def walk():
        try:
            await Pause()
        except KeyError:
            await Pause()
            return "went on"

    outer = _driven(walk(), contextvars.copy_context())
    outer.send(None)
    outer.throw(KeyError("x"))
    with pytest.raises(StopIteration) as end:
        outer.send(None)
    assert end.value.value == "went on"


def test_closing_the_driver_closes_the_coroutine_in_its_context():
    """Its `finally` blocks run, and read the variables they set."""

    class Pause:
        def __await__(self):
            yield

    async def walk():
        variable.set("inside")
        try:
            await Pause()
        finally:
            closed.append(variable.get())

    closed = []
    inner = walk()
    outer = _driven(inner, contextvars.copy_context())
    outer.send(None)
    outer.close()
    assert closed == ["inside"]
    assert inspect.getcoroutinestate(inner) == inspect.CORO_CLOSED


@virtual
async def test_a_huge_limit_starts_no_more_workers_than_there_may_be_rows():
    """A turn starts a thousand at most, though the rows are not taken before the next one."""

    async def work(index):
        return index

    pooled = Pooled(3, work, concurrency=10**30)
    assert len(asyncio.all_tasks()) <= 1_002
    await pooled.idle.wait()
    assert pooled.instances.ends == {0: 0, 1: 1, 2: 2}
