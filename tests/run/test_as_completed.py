"""Instances one by one as they end. (That the others run on as ever: test_batchrun.)"""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowmagic as fm
from flowmagic import batchflow
from flowmagic.records.store import RecordStore
from flowmagic.run.as_completed import EndedRows

from ..virtualtime import VirtualLoop, run_virtual, virtual
from .sleepers import ROWS, Calls, Sleeper


def backwards():
    """Return a node that takes the longer, the earlier its row is."""
    return Calls(lambda params: asyncio.sleep(10 - params["i"]))


async def indices(run):
    return [instance.index async for instance in run.as_completed()]


def watchers(run):
    """Return how many watch the records of a run."""
    gc.collect()
    return len(run.records.watchers)


@virtual
async def test_instances_are_given_as_they_end():
    """Each at the moment of its end, whatever its place in the batch; then the run has ended."""
    loop = asyncio.get_running_loop()
    run = batchflow(backwards(), ROWS, limit=10)
    given = []
    async for instance in run.as_completed():
        assert instance.status == "succeeded"
        given.append((instance.index, loop.time() - 1000))
    assert given == [(index, 10 - index) for index in range(9, -1, -1)]
    assert run.ended
    assert watchers(run) == 0


@virtual
async def test_those_that_have_ended_already_come_first_and_in_their_order():
    """Also after the end, as often as one asks."""
    run = batchflow(backwards(), ROWS, limit=10)
    await asyncio.sleep(4.5)
    assert await indices(run) == list(range(9, -1, -1))
    assert await indices(run) == list(range(9, -1, -1))
    assert await indices(await batchflow(Sleeper(), [])) == []


@virtual
async def test_several_iterate_at_once_and_each_gets_all():
    """Two tasks that share one iterator share its instances."""
    run = batchflow(backwards(), ROWS, limit=3)
    both = await asyncio.gather(indices(run), indices(run))
    assert sorted(both[0]) == list(range(10))
    assert both[0] == both[1]

    run = batchflow(backwards(), ROWS, limit=3)
    shared = run.as_completed()

    async def take():
        return [instance.index async for instance in shared]

    first, second = await asyncio.gather(take(), take())
    assert sorted(first + second) == list(range(10))
    assert first
    assert second
    assert [each async for each in shared] == []


@virtual
async def test_leaving_early_leaves_nothing_behind():
    """No watcher and no task, at once; also if the loop that iterated was cancelled as it waited."""
    run = batchflow(Sleeper(), ROWS, limit=2)
    await asyncio.sleep(0.5)
    before = asyncio.all_tasks()
    async for instance in run.as_completed():
        assert len(run.records.watchers) == 1
        assert instance.index == 0
        break
    assert watchers(run) == 0
    assert asyncio.all_tasks() == before
    waiting = asyncio.ensure_future(indices(run))
    await asyncio.sleep(0)
    assert watchers(run) == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    del waiting
    assert watchers(run) == 0
    never_started = run.as_completed()
    assert watchers(run) == 0
    del never_started
    await run


@virtual
async def test_the_wait_for_one_instance_can_be_given_up_and_nothing_is_lost():
    """As with `asyncio.wait_for`; the next step gives that instance."""
    run = batchflow(Sleeper(), ROWS[:2], limit=1)
    instances = run.as_completed()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anext(instances), 0.5)
    [rows] = run.records.watchers
    assert not rows.waiting
    assert [each.index async for each in instances] == [0, 1]


@virtual
async def test_an_instance_that_waits_for_a_retry_has_not_ended():
    """It comes once, after its last attempt: whether it waits itself, or all starts do."""
    for error in (ValueError(), fm.RateLimitHit(retry_after=5)):

        async def work(params, error=error):
            await asyncio.sleep(1)
            if params["i"] < 2:
                raise error

        run = batchflow(Calls(work), ROWS[:3], limit=3, retries=2)
        given = [(each.index, str(each.status), each.attempts) async for each in run.as_completed()]
        assert given[0] == (2, "succeeded", 1)
        assert sorted(given[1:]) == [(0, "failed", 3), (1, "failed", 3)]


@virtual
async def test_an_instance_whose_retry_never_comes_is_given_with_its_failure():
    """The run was stopped while it waited."""
    run = batchflow(Sleeper(failing=[0]), ROWS[:1], retries=fm.Retries(1, wait=100))
    waiting = asyncio.ensure_future(anext(run.as_completed()))
    await asyncio.sleep(2)
    assert not waiting.done()
    run.stop()
    assert (await waiting).status == "failed"


@virtual
async def test_what_is_retried_by_hand_comes_once_per_iterator():
    """The one that gave its failure does not give it again; one that begins now does, at its end."""
    node = Sleeper(failing=[0])
    run = batchflow(node, ROWS[:4], limit=1)
    given = []
    async for instance in run.as_completed():
        given.append((instance.index, str(instance.status)))
        if instance.index == 0:
            node.failing.clear()
            assert await indices_after_retry(run) == [1, 0, 2, 3]
    assert given == [(0, "failed"), (1, "succeeded"), (2, "succeeded"), (3, "succeeded")]
    assert run.ok


async def indices_after_retry(run):
    return await indices(run.retry_failed())


@virtual
async def test_what_runs_again_before_it_was_given_is_given_when_it_has_ended():
    """Everything that is given has ended, at the moment when it is given."""
    node = Sleeper(failing=[0, 1])
    run = await batchflow(node, ROWS[:3], limit=3)
    node.failing.clear()
    given = []
    async for instance in run.as_completed():
        assert instance.ended is not None
        given.append((instance.index, str(instance.status)))
        if len(given) == 1:
            run.retry_failed()
    assert given == [(0, "failed"), (2, "succeeded"), (1, "succeeded")]


@virtual
async def test_an_iterator_at_its_end_stays_there():
    """Also if the run continues."""
    run = batchflow(Sleeper(failing=[0]), ROWS[:2])
    instances = run.as_completed()
    assert len([each async for each in instances]) == 2
    run.retry_failed()
    assert [each async for each in instances] == []
    assert not run.ended
    await run


@virtual
async def test_only_the_end_of_a_row_wakes_who_waits():
    """Neither its start nor its nodes, of which there may be many."""
    records = RecordStore({}, 0.0, 5)
    records.load([{}, {}])
    rows = EndedRows(records)
    records.watch_with(rows)
    waiting = asyncio.get_running_loop().create_future()
    rows.waiting.add(waiting)
    records.start(1, 1.0).open(Sleeper, -1, 1.0, None)
    assert not waiting.done()
    records.finish(1, None, 2.0)
    assert waiting.done()
    records.cancel_pending()
    assert [rows.take(), rows.take(), rows.take()] == [1, 0, None]


@virtual
async def test_cancelled_instances_have_ended_and_those_that_never_ran_come_last():
    """Live, and afterwards."""
    run = batchflow(Sleeper(), ROWS[:5], limit=2)
    run.cancel(4)
    iterating = asyncio.ensure_future(indices(run))
    await asyncio.sleep(1.5)
    run.cancel()
    assert await iterating == [4, 0, 1, 2, 3]
    assert await indices(run) == [0, 1, 2, 3, 4]


def test_restored_instances_come_first(tmp_path):
    """They have ended before the run began. A run of an earlier loop can be iterated, too."""
    fm.run_batch(Sleeper(0), ROWS[:2], journal=tmp_path / "runs")
    run = fm.run_batch(Sleeper(0), [ROWS[3], *ROWS[:2]], journal=tmp_path / "runs", resume=True)
    assert run.counts.succeeded == 3
    assert asyncio.run(indices(run)) == [1, 2, 0]
    assert watchers(run) == 0


@virtual
async def test_the_rows_of_a_generator_are_given_too():
    """Even those whose params have been dropped; sync or async."""

    async def drawn():
        for row in ROWS:
            yield row

    for batch in (iter(ROWS), drawn()):
        run = batchflow(Sleeper(), batch, limit=3, keep=2)
        assert sorted(await indices(run)) == list(range(10))


@virtual
async def test_it_waits_for_post_and_raises_what_broke_the_run():
    """As `await run` does; after the last instance."""

    class Posts(fm.ThrottledAsyncParallelBatchFlow):
        async def post_async(self, *_):
            await asyncio.sleep(50)
            raise KeyError("post")

    run = batchflow(Posts(start=Sleeper()), ROWS[:2])
    given = []
    with pytest.raises(KeyError, match="post"):
        async for instance in run.as_completed():
            given.append(instance.index)  # noqa: PERF401 - those before the error
    assert given == [0, 1]
    assert asyncio.get_running_loop().time() == 1051.0


def test_it_can_be_iterated_in_another_loop():
    """As the run can be awaited there: while it runs, after its end, and left early."""
    here = threading.current_thread()
    started, leave = threading.Event(), threading.Event()
    begun = []

    async def main():
        loop = asyncio.get_running_loop()
        may_end = asyncio.Semaphore(1)

        async def work(_):
            assert threading.current_thread() is not here
            await may_end.acquire()

        run = batchflow(Calls(work), ROWS[:3], limit=1)
        begun.extend([run, lambda: loop.call_soon_threadsafe(may_end.release)])
        started.set()
        begun.append(await asyncio.to_thread(leave.wait, 10))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert started.wait(10)
    run, let_one_end, *_ = begun

    async def iterate():
        async for instance in run.as_completed():
            assert instance.index == 0
            break
        given = []
        async for instance in run.as_completed():
            given.append(instance.index)
            let_one_end()  # else the next one would never come
        return given, await indices(run)

    try:
        live, afterwards = asyncio.run(iterate())
    finally:
        leave.set()
        thread.join(10)
    assert begun[2], "it waited until the loop of the run was closed"
    assert live == afterwards == [0, 1, 2]
    assert run.records.watchers == ()


def test_a_hundred_thousand_rows_are_each_looked_at_a_few_times():
    """Not all of them at each step: a million looks would be ten per row."""
    looks = 0

    class Status(bytearray):
        def __getitem__(self, row):
            nonlocal looks
            looks += 1
            return super().__getitem__(row)

    async def main():
        run = batchflow(Calls(lambda _: None), [{}] * 100_000, limit=100)
        run.records.status = Status(run.records.status)
        number = 0
        async for _ in run.as_completed():
            number += 1
        assert number == 100_000

    run_virtual(main())
    assert looks < 1_000_000


@settings(max_examples=60)
@given(
    seconds=st.lists(st.integers(0, 4), max_size=12),
    failing=st.sets(st.integers(0, 11)),
    retries=st.integers(0, 2),
    wait=st.sampled_from([0.5, 1]),
    limit=st.integers(1, 4),
    begins=st.integers(0, 6),
    cancels=st.none() | st.integers(1, 8),
    generator=st.booleans(),
)
def test_each_instance_is_given_once_and_in_its_final_status(
    *, seconds, failing, retries, wait, limit, begins, cancels, generator
):
    """Whatever happens in the run, and whenever one begins to iterate."""

    async def work(params):
        await asyncio.sleep(seconds[params["i"]])
        if params["i"] in failing:
            raise ValueError

    async def main():
        rows = [{"i": i} for i in range(len(seconds))]
        run = batchflow(
            Calls(work),
            iter(rows) if generator else rows,
            limit=limit,
            retries=fm.Retries(retries, wait=wait),
        )
        if cancels is not None:
            asyncio.get_running_loop().call_later(cancels, run.cancel)
        await asyncio.sleep(begins)
        given = {}
        async for instance in run.as_completed():
            assert instance.index not in given
            given[instance.index] = instance.status
        assert given == {each.index: each.status for each in run.instances}
        assert run.records.watchers == ()

    run_virtual(main())


def test_a_loop_of_ones_own_that_is_closed_is_no_hindrance():
    """What has ended in it can be iterated in any loop, and left early."""
    loop = VirtualLoop()

    async def main():
        return await batchflow(Sleeper(), ROWS[:2])

    run = loop.run_until_complete(main())
    for close in (lambda: None, loop.close):
        close()

        async def leave():
            async for _ in run.as_completed():
                break
            return await indices(run)

        assert asyncio.run(leave()) == [0, 1]
        assert run.records.watchers == ()


def test_an_instance_is_given_when_it_is_in_the_journal(tmp_path):
    """Whoever acts on it may be killed the next moment, and resuming does not run it again."""

    async def main():
        run = batchflow(Sleeper(0), ROWS[:3], limit=1, journal=tmp_path / "runs")
        async for instance in run.as_completed():
            with fm.open_journal(tmp_path / "runs") as journal:
                assert journal[1][instance.index].status == "succeeded"

    asyncio.run(main())


def test_a_step_that_is_cancelled_while_it_waits_for_the_journal_loses_no_row(tmp_path):
    """The next step gives the row."""

    async def main():
        begin, held = asyncio.Event(), []
        run = batchflow(Calls(lambda _: begin.wait()), ROWS[:3], journal=tmp_path / "runs")
        while run.counts.running < 3:
            await asyncio.sleep(0.001)
        settled = run.journal.settled

        def hold():
            held.append(asyncio.get_running_loop().create_future())
            return held[-1]

        run.journal.settled = hold
        begin.set()
        ended = run.as_completed()
        step = asyncio.ensure_future(ended.__anext__())
        while not held:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        step.cancel()
        await asyncio.wait([step])
        run.journal.settled = settled
        for each in held:
            if not each.done():
                each.set_result(None)
        assert sorted([each.index async for each in ended]) == [0, 1, 2]

    asyncio.run(asyncio.wait_for(main(), 20))
