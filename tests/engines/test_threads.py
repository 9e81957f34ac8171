"""The threads of sync nodes: what a call that hangs costs, and what it does not."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref

import pytest
from pocketflow import AsyncFlow, AsyncParallelBatchFlow, BatchNode, Node

import flowmagic
from flowmagic.engines import abandoned_calls
from flowmagic.engines.threads import ThreadPool
from flowmagic.errors import EngineError
from flowmagic.records.printed import row_here

from ..virtualtime import virtual

ROWS = [{"n": n} for n in range(10)]


class Hangs(Node):
    """Returns at once, but for the rows of `hung`, whose calls hang until the end of the test."""

    hung: frozenset[int] = frozenset()

    def __init__(self):
        super().__init__()
        self.released = threading.Event()
        self.begun: list[int] = []

    def prep(self, shared):
        return self.params["n"]

    def exec(self, n):
        self.begun.append(n)
        if n in self.hung:
            self.released.wait(60)
        return n

    def post(self, shared, prepared, executed):
        shared.setdefault("posted", []).append(prepared)


class FailsOrHangs(Hangs):
    def exec(self, n):
        if not self.hung:
            raise ValueError
        return super().exec(n)


@pytest.fixture
def hangs():
    """Return a function that makes such a node; its calls return at the end of the test."""
    nodes = []

    def make(*hung, kind=Hangs):
        node = kind()
        node.hung = frozenset(hung)
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.released.set()


async def until(condition):
    """Let other tasks and threads run, at the same virtual time, until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "what was awaited did not happen"
        await asyncio.sleep(0)


def outcomes(run):
    return [type(result).__name__ for result in run.outputs]


@virtual
async def test_calls_that_hang_cost_their_own_rows_only(hangs):
    """Their places are given back when they time out: all other rows run, and succeed."""
    node = hangs(0, 1)
    run = flowmagic.batchflow(node, ROWS, limit=2, timeout=5)
    await until(lambda: len(node.begun) == 2)
    await asyncio.sleep(5)
    await until(lambda: run.ended)
    assert outcomes(run) == ["TimeoutError"] * 2 + ["int"] * 8
    assert sorted(run.shared["posted"]) == list(range(2, 10))


@virtual
async def test_a_thread_that_hangs_does_not_keep_its_run(hangs):
    """The memory of a run is free as soon as nobody uses it, whatever its threads do."""
    node = hangs(0)
    run = flowmagic.batchflow(node, ROWS, limit=2, timeout=5)
    await until(lambda: node.begun)
    await asyncio.sleep(5)
    await run
    reference = weakref.ref(run)
    del run
    gc.collect()
    assert reference() is None


@virtual
async def test_a_run_that_is_continued_is_stopped_when_too_many_calls_hang(hangs, monkeypatch):
    """The threads know the run again, which they had forgotten at its end."""
    await until(lambda: not abandoned_calls.unreturned())  # those of other tests
    monkeypatch.setattr(abandoned_calls, "MAX_ABANDONED", 1)
    node = hangs(kind=FailsOrHangs)
    run = await flowmagic.batchflow(node, ROWS, limit=1)
    assert run.counts.failed == 10
    node.hung = frozenset(range(10))
    run.retry_failed()
    await until(lambda: node.begun)
    run.cancel(0)
    await until(lambda: run.ended)
    assert run.status == "stopped"
    assert len(node.begun) == 1


@virtual
async def test_a_sync_node_that_hangs_in_an_async_flow_costs_its_own_row_only(hangs):
    """Its threads are those of all sync nodes."""
    node = hangs(0, 1)
    run = flowmagic.batchflow(AsyncFlow(start=node), ROWS, limit=2, timeout=5)
    await until(lambda: len(node.begun) == 2)
    await asyncio.sleep(5)
    await until(lambda: run.ended)
    assert outcomes(run) == ["TimeoutError"] * 2 + ["int"] * 8


@virtual
async def test_rows_that_are_cancelled_while_they_hang_give_their_places_back(hangs):
    """`cancel(0)` costs row 0 only."""
    node = hangs(0, 1)
    run = flowmagic.batchflow(node, ROWS, limit=2)
    await until(lambda: len(node.begun) == 2)
    run.cancel(0)
    run.cancel(1)
    await until(lambda: run.ended)
    assert run.counts.cancelled == 2
    assert run.counts.succeeded == 8


@virtual
async def test_a_row_that_hung_is_retried_in_another_thread(hangs):
    """Its second attempt does not wait for the thread of the first."""

    class OnlyOnce(Hangs):
        def exec(self, n):
            first = n not in self.begun
            self.begun.append(n)
            if first and n in self.hung:
                self.released.wait(60)
            return n

    node = hangs(0, 1, kind=OnlyOnce)
    at_once = flowmagic.Retries(1, wait=1e-9)
    run = flowmagic.batchflow(node, ROWS, limit=2, timeout=5, retries=at_once)
    await until(lambda: len(node.begun) == 2)
    await asyncio.sleep(5)
    await until(lambda: run.ended)
    assert run.ok
    assert [len(each.history) for each in run.instances] == [1, 1] + [0] * 8


@virtual
async def test_when_too_many_calls_hang_the_run_stops_and_says_why(hangs, monkeypatch):
    """Each keeps a thread, and a process has a bound for them. Rows that run finish, and may be retried."""
    monkeypatch.setattr(abandoned_calls, "MAX_ABANDONED", 3)
    node = hangs(*range(4))
    run = flowmagic.batchflow(node, ROWS, limit=2, timeout=5)
    for count in (2, 4):
        await until(lambda count=count: len(node.begun) == count)
        await asyncio.sleep(5)
    await until(lambda: run.ended)
    assert (run.status, run.counts.failed, run.counts.cancelled) == ("stopped", 4, 6)
    assert run.reason == "3 abandoned calls of sync nodes have not returned (3 of Hangs)"
    node.released.set()
    await until(lambda: not abandoned_calls.unreturned())
    node.hung = frozenset()
    run.retry_failed()
    await until(lambda: run.ended)
    assert run.counts.succeeded == 4


class Fans(AsyncParallelBatchFlow):
    """Runs its node twice at once for the first row, and once for the others."""

    async def prep_async(self, shared):
        n = self.params["n"]
        return [{"n": n}] * (1 if n else 2)


@virtual
async def test_waiting_for_a_thread_does_not_count_against_the_timeout(hangs):
    """A row that gets none because another row has them all runs when that has timed out."""
    node = hangs(0)
    flow = AsyncFlow(start=Fans(start=node))
    run = flowmagic.batchflow(flow, ROWS[:2], limit=2, timeout=5)
    await until(lambda: len(node.begun) == 2)
    await asyncio.sleep(5)
    await until(lambda: run.ended)
    assert outcomes(run)[0] == "TimeoutError"
    assert run[1].status == "succeeded"


@virtual
async def test_a_row_whose_own_calls_have_all_threads_times_out(hangs):
    """Its further calls wait for its own, which is no reason to stop its clock."""

    class Many(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"n": n} for n in range(5)]

    node = hangs(*range(5))
    run = flowmagic.batchflow(AsyncFlow(start=Many(start=node)), [{}], limit=2, timeout=5)
    await until(lambda: len(node.begun) == 2)
    await asyncio.sleep(6)
    await until(lambda: run.ended)
    assert outcomes(run) == ["TimeoutError"]
    assert len(node.begun) == 2  # what waited never starts


@virtual
async def test_a_row_that_gets_a_thread_after_all_has_the_time_that_was_left(hangs):
    """Its clock goes on: a call that then hangs times out."""
    node = hangs(0, 1)
    run = flowmagic.batchflow(AsyncFlow(start=Fans(start=node)), ROWS[:2], limit=2, timeout=5)
    await until(lambda: len(node.begun) == 2)
    await asyncio.sleep(5)
    await until(lambda: 1 in node.begun)
    await asyncio.sleep(6)
    await until(lambda: run.ended)
    assert outcomes(run) == ["TimeoutError"] * 2


@virtual
async def test_the_audit_names_the_calls_that_hang_until_they_return(hangs):
    """How many, of which node, in which instances, and since when."""
    before = time.time()
    node = hangs(0, 1, 2)
    run = flowmagic.batchflow(node, ROWS[:4], limit=3)
    await until(lambda: len(node.begun) == 3)
    run.cancel(0)
    await asyncio.sleep(0)
    run.cancel(1)
    run.cancel(2)
    await until(lambda: run.ended)
    [found] = [each for each in run.audit() if "abandoned" in each.what]
    assert found.what.startswith(
        "3 calls of Hangs in instances 0, 1 and 2 were abandoned, the first at "
    )
    assert time.strftime("%H:", time.localtime(before)) in found.what
    assert (found.instances, found.count) == ((0, 1, 2), 3)
    assert "timeout of their own" in str(found)
    node.released.set()
    await until(lambda: not abandoned_calls.unreturned())
    assert not [each for each in run.audit() if "abandoned" in each.what]


@pytest.mark.parametrize("kind", [Node, BatchNode])
@virtual
async def test_a_call_that_was_given_up_does_not_retry_or_go_on_to_the_next_item(hangs, kind):
    """Its thread finishes what it does, and then spends nothing more."""

    class Asks(kind):
        def __init__(self):
            super().__init__(max_retries=1 if kind is BatchNode else 3)
            self.released = threading.Event()
            self.begun = []

        def prep(self, shared):
            return ["a", "b", "c"]

        def exec(self, item):
            self.begun.append(item)
            self.released.wait(60)
            if kind is Node:
                raise ValueError("wrong")

    node = hangs(kind=Asks)
    run = flowmagic.batchflow(node, [{}], limit=1)
    await until(lambda: node.begun)
    run.cancel(0)
    await until(lambda: run.ended)
    node.released.set()
    await until(lambda: not abandoned_calls.unreturned())
    assert len(node.begun) == 1


# The pool itself


class Kind:
    """Stands for a node class."""


class Blocks:
    """A function that blocks the threads that call it until it is released."""

    def __init__(self):
        self.begun: list = []
        self._released = threading.Event()
        self.release = self._released.set

    def __call__(self, argument):
        self.begun.append(argument)
        return self._released.wait(20)


def call(pool, function, argument=None, index=0):
    return asyncio.ensure_future(pool.run(function, argument, Kind, index))


def threads_of(pool):
    return [
        thread for thread in threading.enumerate() if getattr(thread, "_target", None) == pool._work
    ]


async def no_thread_is_left(pool):
    await until(lambda: not threads_of(pool))


variable: contextvars.ContextVar = contextvars.ContextVar("variable")
fresh: contextvars.ContextVar = contextvars.ContextVar("fresh")


@pytest.mark.parametrize("raises", [False, True])
@virtual
async def test_context_variables_travel_into_the_thread_and_back(raises):
    """What was set is seen there, and what is set there is seen after, whether or not it raised."""
    variable.set("before")

    def function(argument):
        seen.append((argument, variable.get()))
        variable.set("after")
        fresh.set("new")
        if raises:
            raise ValueError("wrong")
        return "result"

    seen: list = []
    pool = ThreadPool(1)
    if raises:
        with pytest.raises(ValueError, match="wrong"):
            await pool.run(function, 3, Kind, 0)
    else:
        assert await pool.run(function, 3, Kind, 0) == "result"
    pool.close()
    assert seen == [(3, "before")]
    assert (variable.get(), fresh.get()) == ("after", "new")


@virtual
async def test_cancelled_the_thread_finishes_unobserved():
    """Who awaits a thread is let go at once; what the thread sets arrives nowhere."""
    variable.set("before")
    blocks, done = Blocks(), threading.Event()

    def function(argument):
        blocks(argument)
        variable.set("late")
        done.set()

    pool = ThreadPool(1)
    task = call(pool, function)
    await until(lambda: blocks.begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not done.is_set()
    blocks.release()
    await until(done.is_set)
    assert variable.get() == "before"
    pool.close()
    await no_thread_is_left(pool)


@virtual
async def test_a_call_that_is_cancelled_before_a_thread_takes_it_never_runs():
    """Nor one that waits for its turn."""
    begun = []
    pool = ThreadPool(1)
    first, second = call(pool, begun.append, "first"), call(pool, begun.append, "second")
    pool._start_thread = lambda: ""  # no thread takes them yet
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    del pool._start_thread
    await pool.run(begun.append, "third", Kind, 0)
    pool.close()
    assert begun == ["third"]


@virtual
async def test_a_thread_that_comes_back_serves_the_pool_again_and_one_too_many_ends():
    """However many calls were abandoned, there are no more threads than the size in the end."""
    blocks = Blocks()
    pool = ThreadPool(2)
    for count in (2, 4, 6):
        tasks = [call(pool, blocks) for _ in range(2)]
        await until(lambda count=count: len(blocks.begun) == count)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert len(threads_of(pool)) == 6
    assert len(pool.abandoned()) == 6
    blocks.release()
    await until(lambda: len(threads_of(pool)) == 2 and not pool.abandoned())
    assert await asyncio.gather(*(pool.run(len, "abc", Kind, 0) for _ in range(5))) == [3] * 5
    assert len(threads_of(pool)) == 2
    pool.close()
    await no_thread_is_left(pool)


@virtual
async def test_a_closed_pool_ends_its_threads_also_those_that_hang_and_return():
    """And a call that a task of a node begins after that still runs, in a thread that then ends."""
    blocks = Blocks()
    pool = ThreadPool(2)
    hung = call(pool, blocks)
    await pool.run(len, "abc", Kind, 0)
    await until(lambda: blocks.begun)
    hung.cancel()
    await asyncio.wait([hung])
    pool.close()
    await until(lambda: len(threads_of(pool)) == 1)
    again = call(pool, blocks)
    assert await pool.run(len, "abc", Kind, 0) == 3
    await until(lambda: len(threads_of(pool)) == 2)
    blocks.release()
    assert await again
    await no_thread_is_left(pool)
    pool.open()
    assert await pool.run(len, "abcd", Kind, 0) == 4
    assert len(threads_of(pool)) == 1
    pool.close()
    await no_thread_is_left(pool)


def test_a_call_that_returns_when_its_loop_is_closed_ends_its_thread():
    """There is nobody to report it to."""
    blocks = Blocks()

    async def main():
        pool = ThreadPool(1)
        call(pool, blocks)
        await until(lambda: blocks.begun)
        return pool

    pool = asyncio.run(main())
    assert len(abandoned_calls.unreturned()) == 1
    blocks.release()
    asyncio.run(no_thread_is_left(pool))
    assert not abandoned_calls.unreturned()


@virtual
async def test_a_pool_that_grows_starts_what_waits():
    """And it never shrinks: threads that work finish what they do."""
    meet = threading.Barrier(3, timeout=20)
    pool = ThreadPool(1)
    tasks = [call(pool, lambda _: meet.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    pool.resize(3)
    pool.resize(1)
    assert sorted(await asyncio.gather(*tasks)) == [0, 1, 2]
    pool.close()


@virtual
async def test_what_a_call_used_is_gone_when_it_has_ended():
    """An idle thread keeps nothing of the user's, neither of a call that raised."""

    class Large:
        pass

    def fails(_):
        raise ValueError("wrong")

    pool = ThreadPool(1)
    argument = Large()
    left = weakref.ref(argument)
    gc.disable()
    try:
        await pool.run(id, argument, Kind, 0)
        with pytest.raises(ValueError, match="wrong"):
            await pool.run(fails, argument, Kind, 0)
        del argument
        await until(lambda: left() is None)
    finally:
        gc.enable()
    pool.close()


@virtual
async def test_without_anyone_to_stop_further_calls_are_refused_at_the_bound(monkeypatch):
    """On a Dask worker, whose chunks do not know of each other; the error says what hangs."""
    monkeypatch.setattr(abandoned_calls, "MAX_ABANDONED", 1)
    blocks = Blocks()
    pool = ThreadPool(1)
    hung = call(pool, blocks)
    await until(lambda: blocks.begun)
    hung.cancel()
    await asyncio.wait([hung])
    with pytest.raises(EngineError) as caught:
        await pool.run(len, "abc", Kind, 0)
    assert str(caught.value).startswith(
        "No thread can run Kind: 1 abandoned calls of sync nodes have not returned (1 of Kind)."
    )
    blocks.release()
    await until(lambda: not pool.abandoned())
    assert await pool.run(len, "abc", Kind, 0) == 3
    pool.close()


@virtual
async def test_where_the_system_starts_no_more_threads_the_run_stops_and_says_so(monkeypatch):
    """The calls use the threads that there are; without any they fail, and none waits for ever."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    reasons: list = []
    pool = ThreadPool(2, on_full=reasons.append)
    blocks = Blocks()
    first = call(pool, blocks)
    await until(lambda: blocks.begun)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        second = call(pool, len, "abc")
        await asyncio.sleep(0)
        blocks.release()
        assert await asyncio.gather(first, second) == [True, 3]
        assert reasons == ["the system starts no more threads (can't start new thread)"]
        pool.close()
        await no_thread_is_left(pool)
        pool.open()
        with pytest.raises(EngineError, match="No thread can run Kind: the system starts no more"):
            await pool.run(len, "abc", Kind, 0)
    assert await pool.run(len, "abc", Kind, 0) == 3
    pool.close()


async def test_a_thread_knows_the_row_that_it_runs_for():
    """Whether what the row prints is kept or not, so that a question can name it."""

    class Knows(Node):
        def exec(self, _):
            return row_here()

    run = await flowmagic.batchflow(Knows(), ROWS, limit=4)
    assert run.outputs == list(range(10))
