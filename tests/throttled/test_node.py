"""A batch node that throttles the call, alone and in all its copies together."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import itertools
import pickle

import pytest
from pocketflow import AsyncFlow, AsyncParallelBatchFlow, AsyncParallelBatchNode

import flowmagic as fm
from flowmagic.errors import RateLimitHit
from flowmagic.limits.calls import CallLimit
from flowmagic.throttled.node import ThrottledParallelBatchNode

from ..virtualtime import Spy, run_virtual, virtual
from .spiednodes import Work, now, run, spied


class Node(Work, ThrottledParallelBatchNode):
    max_concurrent = 3


@pytest.fixture(autouse=True)
def clock_of_the_loop(monkeypatch):
    """Let limits go by virtual time."""
    monkeypatch.setattr(CallLimit, "_clock", staticmethod(now))


# ------------------------------------------------------------------------------- as in PocketFlow


@virtual
async def test_results_are_in_order_whatever_gives_the_items():
    """A list, a generator, nothing, or None, which AsyncParallelBatchNode does not take."""
    node = spied(Node)
    assert await run(node, [1, 2, 3, 4, 5]) == [2, 4, 6, 8, 10]
    assert await run(node, (item for item in range(4))) == [0, 2, 4, 6]
    assert await run(node, {7: "seven"}) == [14]
    assert await run(node, []) == await run(node, None) == []
    assert node.spy.peak == 3


@pytest.mark.parametrize("base", [AsyncParallelBatchNode, ThrottledParallelBatchNode])
@virtual
async def test_an_item_is_retried_and_given_up_as_pocketflow_does_it(base):
    """As many attempts as max_retries for each item, waits between them, and then the fallback."""

    class Failing(base):
        async def prep_async(self, shared):
            return [0, 1, 2]

        async def exec_async(self, item):
            calls.append((item, now() - began))
            if len([1 for one, _ in calls if one == item]) <= item:
                raise ValueError(item)
            return f"done {item}"

        async def exec_fallback_async(self, item, exc):
            return f"gave up {item}: {exc!r}"

        async def post_async(self, shared, prep_res, exec_res):
            shared["results"] = exec_res

    calls, began, shared = [], now(), {}
    await Failing(2, 10).run_async(shared)
    assert shared["results"] == ["done 0", "done 1", "gave up 2: ValueError(2)"]
    assert sorted(calls) == [(0, 0), (1, 0), (1, 10), (2, 0), (2, 10)]


@virtual
async def test_items_in_parallel_lose_no_retry_to_each_other():
    """The counter is the item's own; `cur_retry`, for those who read it, is right at the start."""

    class Failing(Node):
        max_retries = 3

        async def exec_async(self, item):
            seen.append((item, self.cur_retry))
            await asyncio.sleep(item)
            raise ValueError(item)

        async def exec_fallback_async(self, item, exc):
            return None

    seen = []
    assert await run(spied(Failing), [1, 2, 3]) == [None] * 3
    assert sorted(seen) == list(itertools.product([1, 2, 3], range(3)))
    assert await run(spied(Failing, max_retries=0), [1]) == [None]
    assert len(seen) == 9


@virtual
async def test_waiting_for_the_next_attempt_holds_no_slot():
    """Other items are called meanwhile."""

    class Failing(Node):
        async def exec_async(self, item):
            order.append(item)
            if item == 0 and order.count(0) == 1:
                raise ValueError
            await asyncio.sleep(1)

    order = []
    node = spied(Failing, 2, 100, max_concurrent=1)
    await run(node, [0, 1, 2])
    assert order == [0, 1, 2, 0]
    assert node.limiter.running == 0


@virtual
async def test_the_node_itself_runs_each_item_with_its_params():
    """No copy is made for an item: what exec_async keeps on the node is there for post_async."""

    class Keeping(Node):
        async def exec_async(self, item):
            self.seen = [*getattr(self, "seen", []), (item, self.params["who"])]

        async def post_async(self, shared, prep_res, exec_res):
            shared["seen"] = self.seen

    shared = {"items": [1, 2]}
    flow = AsyncFlow(start=spied(Keeping))
    flow.set_params({"who": "me"})
    await flow.run_async(shared)
    assert shared["seen"] == [(1, "me"), (2, "me")]


@virtual
async def test_an_item_has_a_context_of_its_own():
    """As the tasks that asyncio.gather makes: what one sets, the next does not see."""
    variable = contextvars.ContextVar("variable", default=0)

    class Setting(Node):
        async def exec_async(self, item):
            seen.append(variable.get())
            variable.set(item)

    seen = []
    await run(spied(Setting), [1, 2, 3, 4, 5, 6])
    assert seen == [0] * 6


@virtual
async def test_the_first_failure_ends_the_others_and_is_raised():
    """No task is left, and no slot is taken."""

    class Failing(Node):
        async def exec_async(self, item):
            with self.spy:
                await asyncio.sleep(item)
                raise ValueError(item)

    node = spied(Failing)
    with pytest.raises(ValueError, match="1"):
        await run(node, [3, 1, 2, 4])
    assert (node.spy.live, node.limiter.running, node.limiter.waiting) == (0, 0, 0)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("after", [0, 0.5, 30])
@virtual
async def test_cancelled_it_leaves_no_task_and_every_slot_is_free_again(after):
    """While calls run, and during the wait for the pace: reused, nothing hangs."""
    node = spied(Node, max_per_minute=4)
    running = asyncio.ensure_future(run(node, range(20)))
    await asyncio.sleep(after)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (node.spy.live, node.limiter.running, node.limiter.waiting) == (0, 0, 0)
    node.max_per_minute = None
    assert await run(node, range(9)) == list(range(0, 18, 2))
    assert node.spy.peak == 3 or after < 30


# ------------------------------------------------------------------------------------- the limits


@virtual
async def test_a_limit_set_acts_at_once_on_the_items_under_way():
    """Raised, more are called before any ends; lowered, no further one until fewer are."""
    node = spied(Node)
    running = asyncio.ensure_future(run(node, range(40)))
    await asyncio.sleep(0.5)
    assert node.spy.live == 3
    node.max_concurrent = 8
    await asyncio.sleep(0.1)
    assert node.spy.live == 8
    node.max_concurrent = 2
    await asyncio.sleep(1.5)
    assert node.spy.live == 2
    assert node.limiter.concurrency == node.stats["max_concurrent"] == 2
    await running


@virtual
async def test_a_pace_set_acts_at_once_and_so_does_taking_it_away():
    """No more than so many calls begin within any minute."""
    node = spied(Node, max_concurrent=50)
    node.max_per_minute = 6
    running = asyncio.ensure_future(run(node, range(40)))
    await asyncio.sleep(119)
    starts = node.spy.starts
    assert len(starts) == 12
    assert all(later - start >= 60 for start, later in zip(starts, starts[6:], strict=False))
    node.max_per_minute = None
    await asyncio.sleep(0.5)
    assert node.spy.live == 28
    await running


@pytest.mark.parametrize("flow", [AsyncParallelBatchFlow, fm.ThrottledAsyncParallelBatchFlow])
@virtual
async def test_one_at_a_time_is_one_at_a_time_in_all_copies_together(flow):
    """A flow makes a copy of the node for each instance; ten of them are not ten limits."""

    class Ten(flow):
        async def prep_async(self, shared):
            return [{"i": index} for index in range(10)]

    node = spied(Node, max_concurrent=1)
    await Ten(start=node).run_async({"items": [1, 2]})
    assert node.spy.peak == 1
    assert len(node.spy.starts) == 20


@virtual
async def test_setting_a_limit_on_the_original_acts_on_copies_that_run():
    """And the other way round: there is one limit."""
    node = spied(Node, max_concurrent=1)
    copies = [copy.copy(node) for _ in range(3)]
    running = asyncio.gather(*(run(each, range(8)) for each in copies))
    await asyncio.sleep(0.5)
    assert node.spy.live == 1
    node.max_concurrent = 6
    await asyncio.sleep(0.1)
    assert node.spy.live == 6
    copies[0].max_concurrent = 2
    assert node.limiter.concurrency == 2
    await running


def test_deep_copies_and_pickles_take_the_limits_along_and_not_their_state():
    """Each has a limit of its own."""
    node = Node(max_concurrent=6)
    node.max_per_minute = 30
    node.limiter.concurrency = 2
    for other in (copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert (other.max_concurrent, other.max_per_minute) == (6, 30)
        assert other.limiter is not node.limiter
        assert other.limiter.per_minute == 30
        assert other.limiter.concurrency == 6
    assert copy.copy(node).limiter is node.limiter


def test_the_same_node_runs_in_one_loop_after_the_other():
    """Nothing of a loop that is gone is left in the limit."""
    node = spied(Node, max_concurrent=1)
    for _ in range(2):
        node.spy = Spy()
        assert run_virtual(run(node, range(5))) == [0, 2, 4, 6, 8]
        assert node.spy.peak == 1

    async def cut_short():
        running = asyncio.ensure_future(run(node, range(5)))
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.wait([running])

    run_virtual(cut_short())
    assert run_virtual(run(node, range(5))) == [0, 2, 4, 6, 8]


@virtual
async def test_a_limit_taken_away_from_the_limiter_itself_is_none():
    """Then as many are called as there are items, up to a thousand."""
    node = spied(Node)
    node.limiter.concurrency = None
    await run(node, range(1500))
    assert node.spy.peak == 1000
    assert node.stats == {
        "max_concurrent": 3,
        "max_per_minute": None,
        "running": 0,
        "waiting": 0,
    }


@virtual
async def test_many_items_need_few_tasks():
    """And the limit that is raised while they run needs as many more as it is raised by."""
    most = 0

    class Counting(Node):
        async def exec_async(self, item):
            nonlocal most
            if item % 500 == 0:
                most = max(most, len(asyncio.all_tasks()))
                await asyncio.sleep(1)
            if item == 5000:
                self.max_concurrent = 20

    await run(spied(Counting, max_concurrent=4), range(10_000))
    assert 20 <= most <= 22


@virtual
async def test_a_retry_after_is_waited_out_by_the_whole_node():
    """Once: the items that wait, and those that come."""

    class Refused(Node):
        async def exec_async(self, item):
            starts.append((item, now() - began))
            if len(starts) == 1:
                raise RateLimitHit(retry_after=30)
            await asyncio.sleep(1)

    starts, began = [], now()
    await run(spied(Refused, 2, max_concurrent=1), range(3))
    assert sorted(starts) == [(0, 0), (0, pytest.approx(31, abs=1)), *sorted(starts)[2:]]
    assert [at for _, at in starts[1:]] == pytest.approx([30, 31, 32])


@virtual
async def test_a_reset_begins_the_pace_anew():
    """What was begun within the last minute is forgotten; what is inside stays inside."""
    node = spied(Node, max_concurrent=1, max_per_minute=1)
    await run(node, [1])
    node.reset_limiter()
    began = now()
    await run(node, [1])
    assert now() - began == 1
    running = asyncio.ensure_future(run(node, range(4)))
    node.max_per_minute = None
    await asyncio.sleep(0.5)
    node.reset_limiter()
    await asyncio.sleep(0)
    assert node.spy.live == 1
    await running
    assert node.spy.peak == 1


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ("HTTP Error 429: Too Many Requests", True),
        ("Rate limit exceeded. Please try again later.", True),
        ("API quota exceeded for this billing period", True),
        ("Connection timeout", False),
        ("Invalid API key", False),
        ("row 4290 is wrong", False),
    ],
)
def test_a_refusal_is_told_by_its_message_too(message, is_one):
    """Callable on the class, as pocketflow-throttled has it."""
    assert ThrottledParallelBatchNode.is_rate_limit_error(Exception(message)) is is_one
    assert Node().is_rate_limit_error(Exception(message)) is is_one
