"""A run: what its verbs do in each of its states, and that nothing is lost and nothing lingers."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import weakref

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncParallelBatchFlow, BatchFlow, Node

import flowmagic as fm
from flowmagic import batchflow

from ..virtualtime import VirtualLoop, run_virtual, virtual
from .sleepers import ROWS, Calls, Sleeper, adds_up

# What a run gives


@virtual
async def test_at_most_limit_instances_run_at_once():
    """The peak of live instances is the limit: it is reached and never passed."""
    node = Sleeper()
    await batchflow(node, ROWS, limit=4)
    assert node.spy.peak == 4
    assert asyncio.get_running_loop().time() == 1003.0


@virtual
async def test_an_empty_batch_ends():
    """No rows: finished, ok, no results, post is called."""
    run = await batchflow(Sleeper(), [])
    assert (run.status, run.results, run.ok, run.total) == ("finished", [], True, 0)
    run = await batchflow(Sleeper(), iter(()))
    assert (run.status, run.total) == ("finished", 0)
    run.pause()
    run.resume()
    run.retry_failed()
    assert run.status == "finished"


@virtual
async def test_each_verb_returns_the_run_which_can_be_awaited():
    """A verb and the wait for what it leads to are one line; `cancel(3)` waits for the whole run."""
    node = Sleeper(failing=[2])
    run = batchflow(node, ROWS[:5], limit=1)
    assert run.pause() is run
    assert await run.resume() is run
    assert run.counts == fm.RunCounts(succeeded=4, failed=1)
    node.failing.clear()
    assert await run.retry_failed() is run
    assert run.ok
    assert await run.retry_failed() is run  # nothing has failed
    assert (await batchflow(Sleeper(), ROWS, limit=2).cancel(3)).counts.succeeded == 9
    assert (await batchflow(Sleeper(), ROWS, limit=2).stop()).status == "stopped"
    assert (await batchflow(Sleeper(), ROWS, limit=2).cancel()).status == "cancelled"


# What is refused


def test_without_a_loop_the_error_names_run_batch():
    """`batchflow` in a script says what to write instead."""
    with pytest.raises(fm.NoRunningLoopError, match=r"flowmagic\.run_batch\(\.\.\.\)"):
        batchflow(Sleeper(), ROWS)


@virtual
async def test_run_batch_inside_a_loop_names_batchflow():
    """`run_batch` where a loop runs says what to write instead."""
    with pytest.raises(fm.NoRunningLoopError, match=r"await flowmagic\.batchflow"):
        fm.run_batch(Sleeper(), ROWS)


def test_run_batch_returns_the_ended_run():
    """In a script it blocks until the end."""
    run = fm.run_batch(Sleeper(0), ROWS, limit=2)
    assert run.ok
    run.limit = 3  # after the run's end, quietly
    assert run.limit == 3
    assert run.wait() is run


def test_a_run_of_run_batch_can_be_continued():
    """Its loop is kept: `retry_failed().wait()` runs the failed rows on it."""

    class Moody(Node):
        def exec(self, _):
            if self.params["i"] in bad:
                raise ValueError("not yet")

    bad = {1, 2}
    run = fm.run_batch(Moody(), [{"i": i} for i in range(4)])
    assert run.counts.failed == 2
    bad.clear()
    assert run.retry_failed().wait().ok


def test_a_run_whose_loop_is_closed_cannot_be_continued():
    """It says so; a limit that is assigned then changes nothing, quietly."""

    async def main():
        return await fm.batchflow(Sleeper(0), ROWS, limit=2)

    run = asyncio.run(main())
    with pytest.raises(RuntimeError, match=r"closed.*Start a new run"):
        run.retry_failed()
    run.limit = 3
    assert run.limit == 3
    assert run.wait() is run


def test_a_run_that_nobody_awaits_is_not_cancelled_in_silence(capsys):
    """As where an `await` was forgotten: asyncio.run ends its loop, and with it the run."""

    async def forgets():
        fm.batchflow(Sleeper(1), ROWS)
        await asyncio.sleep(0.01)

    async def forgets_at_once():
        fm.batchflow(Sleeper(1), ROWS)

    async def cancels():
        run = fm.batchflow(Sleeper(1), ROWS)
        await asyncio.sleep(0.01)
        run.cancel()

    async def awaits():
        await fm.batchflow(Sleeper(0), ROWS)

    for main in (forgets, forgets_at_once):
        asyncio.run(main())
        said = capsys.readouterr().err
        assert said == (
            "flowmagic: a run of Sleeper was cancelled, because its event loop ended. "
            "Write `await run` in the coroutine that starts it.\n"
        )
    for main in (cancels, awaits):
        asyncio.run(main())
        assert capsys.readouterr().err == ""


@virtual
async def test_without_params_and_prep_the_error_asks_for_a_batch():
    """One error, before anything runs."""
    with pytest.raises(fm.BatchError, match="no prep_async of its own"):
        batchflow(AsyncFlow(start=Sleeper()))
    with pytest.raises(fm.BatchError, match="no prep of its own"):
        batchflow(Node())


@virtual
async def test_wrong_limits_are_refused_during_a_run():
    """0, negatives and non-integers raise ValueError, and the run keeps its limit."""
    run = batchflow(Sleeper(), ROWS, limit=2)
    for wrong in (0, -1, True, 2.0, "3", None):
        with pytest.raises(ValueError, match="limit is"):
            run.limit = wrong
    for wrong in (0, -1, True, "3", float("nan"), float("inf")):
        with pytest.raises(ValueError, match="per_minute is"):
            run.per_minute = wrong
    assert (run.limit, run.per_minute) == (2, None)
    await run


# Limits, live


@virtual
async def test_a_raised_limit_takes_effect_at_once():
    """New instances start when the limit is raised, not when another one ends."""
    node = Sleeper()
    run = batchflow(node, ROWS, limit=2)
    await asyncio.sleep(0.5)
    assert node.spy.live == 2
    run.limit = 6
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert node.spy.live == 6
    assert asyncio.get_running_loop().time() == 1000.5
    await run


@virtual
async def test_running_instances_finish_when_the_limit_is_lowered():
    """Nothing is cancelled; once enough have ended, the peak is the new limit."""
    node = Sleeper()
    run = batchflow(node, [{"i": i} for i in range(20)], limit=8)
    await asyncio.sleep(0.5)
    run.limit = 2
    await asyncio.sleep(0.4)
    assert node.spy.live == 8
    await asyncio.sleep(0.2)
    node.spy.peak = node.spy.live
    assert node.spy.live == 2
    await run
    assert node.spy.peak == 2
    assert run.ok


@virtual
async def test_a_limit_lowered_before_the_first_step_of_the_workers_holds():
    """They are waiting for their turn of the loop when it is lowered."""
    node = Sleeper()
    run = batchflow(node, ROWS, limit=8)
    await asyncio.sleep(0)
    run.limit = 1
    await run
    assert node.spy.peak == 1
    adds_up(run)


@virtual
async def test_per_minute_can_be_changed_during_a_run():
    """Starts keep the pace, and a new pace counts from the last start."""
    node = Sleeper(0.0)
    run = batchflow(node, [{"i": i} for i in range(9)], limit=9, per_minute=60)
    await asyncio.sleep(3.5)
    assert node.spy.starts == pytest.approx([1000, 1001, 1002, 1003], abs=0.021)
    run.per_minute = 600
    await asyncio.sleep(0.25)
    assert len(node.spy.starts) > 5
    run.per_minute = None
    await run
    assert asyncio.get_running_loop().time() < 1004


# Pause, stop, cancel, retry: in every state


@virtual
async def test_nothing_starts_between_pause_and_resume():
    """Running instances finish; the run neither ends nor starts anything until it is resumed."""
    node = Sleeper()
    run = batchflow(node, ROWS, limit=3)
    await asyncio.sleep(0.5)
    run.pause()
    run.pause()
    assert run.status == "paused"
    await asyncio.sleep(5)
    assert run.counts == fm.RunCounts(pending=7, succeeded=3)
    assert not run.ended
    run.limit = 7  # nothing starts
    await asyncio.sleep(1)
    assert run.counts.ended == 3
    run.resume()
    run.resume()
    assert run.status == "running"
    await run
    assert run.ok
    assert node.spy.peak == 7


@virtual
async def test_a_run_paused_before_its_first_step_waits():
    """It starts when it is resumed."""
    run = batchflow(Sleeper(), ROWS)
    run.pause()
    await asyncio.sleep(100)
    assert run.counts.pending == 10
    assert run.status == "paused"
    run.resume()
    assert (await run).ok


@virtual
async def test_a_start_that_falls_due_during_a_pause_is_held_back():
    """At a pace, the next start has a time of its own."""
    node = Sleeper(0.0)
    run = batchflow(node, ROWS, per_minute=60)
    await asyncio.sleep(0.5)
    run.pause()
    await asyncio.sleep(60)
    assert len(node.seen) == 1
    run.stop()
    await run
    assert run.status == "stopped"


@virtual
async def test_a_paused_run_ends_with_its_last_row():
    """A pause holds back starts; there are none left."""
    run = batchflow(Sleeper(), ROWS[:2])
    await asyncio.sleep(0.5)
    run.pause()
    await run
    assert run.status == "finished"


@virtual
async def test_stop_lets_running_instances_finish_and_cancels_the_rest():
    """What never started is cancelled; post runs."""
    node = Sleeper()
    run = batchflow(node, ROWS, limit=3)
    await asyncio.sleep(0.5)
    run.stop()
    assert run.status == "stopping"
    run.stop()
    run.pause()
    run.resume()
    await run
    assert run.status == "stopped"
    assert run.counts == fm.RunCounts(succeeded=3, cancelled=7)
    assert isinstance(run.results[9], asyncio.CancelledError)
    assert len(node.seen) == 3
    adds_up(run)


@virtual
async def test_cancel_also_cancels_running_instances():
    """Every row that has not ended is cancelled, within the same moment."""
    node = Sleeper()
    run = batchflow(node, ROWS, limit=3)
    await asyncio.sleep(1.5)
    run.cancel()
    run.cancel()
    await run
    assert run.status == "cancelled"
    assert run.counts == fm.RunCounts(succeeded=3, cancelled=7)
    assert asyncio.get_running_loop().time() == 1001.5
    run.cancel()
    run.stop()
    assert run.status == "cancelled"
    adds_up(run)


@pytest.mark.parametrize("verb", ["cancel", "stop", "pause"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_no_early_verb_hangs_the_run(verb, turns):
    """Whether it is called before the first step of the main task or of a worker."""

    async def main():
        run = batchflow(Sleeper(), ROWS, limit=3)
        for _ in range(turns):
            await asyncio.sleep(0)
        getattr(run, verb)()
        await asyncio.sleep(0)
        run.stop()
        await asyncio.wait_for(run.settled(), 100)
        adds_up(run)
        assert run.status == ("cancelled" if verb == "cancel" else "stopped")

    run_virtual(main())


@pytest.mark.parametrize("first", ["pause", "stop"])
def test_cancel_ends_a_paused_or_stopping_run(first):
    """Cancel overrides what was asked before."""

    async def main():
        run = batchflow(Sleeper(100), ROWS, limit=3)
        await asyncio.sleep(0.5)
        getattr(run, first)()
        run.cancel()
        await asyncio.wait_for(run.settled(), 1)
        assert run.status == "cancelled"
        assert run.counts == fm.RunCounts(cancelled=10)

    run_virtual(main())


@virtual
async def test_a_cancelled_run_waits_for_an_instance_that_swallows_its_cancellation():
    """Its row says what it did; the run ends after it."""

    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(3)

    run = batchflow(Calls(lambda _: stubborn()), ROWS[:1])
    await asyncio.sleep(0.5)
    run.cancel()
    await run
    assert run.counts == fm.RunCounts(succeeded=1)
    assert asyncio.get_running_loop().time() == 1003.5


@virtual
async def test_retry_failed_runs_failed_rows_again_in_place():
    """An ended run continues: same rows, same params, and attempts are counted."""
    node = Sleeper(failing=[2, 5])
    run = await batchflow(node, ROWS, limit=3)
    node.failing.clear()
    run.retry_failed()
    assert not run.ended
    assert run.status == "running"
    await run
    assert run.ok
    assert [each.attempts for each in run.instances] == [1, 1, 2, 1, 1, 2, 1, 1, 1, 1]
    assert node.seen[-2:] == [2, 5]
    run.retry_failed()
    assert run.ended
    adds_up(run)


@virtual
async def test_retry_failed_during_a_run_takes_failed_rows_next():
    """They come before the rows that have not started."""
    node = Sleeper(failing=[0])
    run = batchflow(node, ROWS[:4], limit=1)
    await asyncio.sleep(1.5)
    node.failing.clear()
    run.retry_failed()
    await run
    assert node.seen == [0, 1, 0, 2, 3]
    assert run.ok


@virtual
async def test_retry_failed_after_a_stop_leaves_the_other_rows_alone():
    """Only what failed runs again: rows that never started stay cancelled, and the status says so."""
    for verb, status in (("stop", "stopped"), ("cancel", "cancelled")):
        node = Sleeper(failing=[0])
        run = batchflow(node, ROWS, limit=2)
        await asyncio.sleep(1.5)
        getattr(run, verb)()
        await run
        seen = len(node.seen)
        node.failing.clear()
        run.retry_failed()
        await run
        assert node.seen[seen:] == [0]
        assert run.status == status
        assert run[9].status == "cancelled"
        adds_up(run)


@virtual
async def test_retry_failed_runs_only_those_that_are_chosen():
    """Other failed rows stay as they are, and so do chosen rows that did not fail."""
    node = Sleeper(failing=[2, 5, 7])
    run = await batchflow(node, ROWS, limit=3)
    node.failing.clear()
    await run.retry_failed([5, -3, 0])
    assert [each.index for each in run.failures] == [2]
    assert [each.attempts for each in run.instances] == [1, 1, 1, 1, 1, 2, 1, 2, 1, 1]
    with pytest.raises(IndexError):
        run.retry_failed([10])


@virtual
@pytest.mark.parametrize("verb", ["stop", "cancel"])
async def test_run_rest_runs_what_a_stop_or_a_cancellation_left_out(verb):
    """Every row has then run once, the ones cut short a second time, and the run is a finished one."""
    node = Sleeper(failing=[0])
    run = batchflow(node, ROWS, limit=2)
    await asyncio.sleep(1.5)
    getattr(run, verb)()
    await run
    assert run.left == run.counts.cancelled == {"stop": 6, "cancel": 8}[verb]
    await asyncio.sleep(1000)
    assert await run.run_rest() is run
    assert run.left == 0
    assert run.counts == fm.RunCounts(succeeded=9, failed=1)
    assert run.status == "finished"
    started = {"stop": 1, "cancel": 2}[verb]
    assert [each.attempts for each in run.instances] == [1, 1, started, started, *[1] * 6]
    assert run.elapsed < 10, "the time between the end and the rest does not count"
    assert await run.run_rest() is run, "nothing is left"
    adds_up(run)


@virtual
async def test_run_rest_during_a_run_takes_the_cancelled_row_again():
    """Also before the run has ended; while it is stopping, nothing starts."""
    node = Sleeper()
    run = batchflow(node, ROWS[:4], limit=1)
    run.cancel(2)
    await asyncio.sleep(0.5)
    run.run_rest()
    await asyncio.sleep(1)
    run.stop()
    run.run_rest()
    await run
    assert node.seen == [0, 2]
    assert run.counts == fm.RunCounts(succeeded=2, cancelled=2)


@virtual
async def test_a_stopped_generator_is_known_to_be_cut_off():
    """What it had not given cannot run any more, so the run stays a stopped one."""
    run = batchflow(Sleeper(), ({"i": i} for i in range(100)), limit=2)
    await asyncio.sleep(1.5)
    run.stop()
    await run.run_rest()
    assert run.status == "stopped"
    assert run.records.cut_off
    assert run.counts == fm.RunCounts(succeeded=4)
    assert not (await batchflow(Sleeper(), ({"i": i} for i in range(3)))).records.cut_off


@virtual
async def test_retry_failed_starts_nothing_while_the_run_is_stopping():
    """The failed rows stay failed."""
    node = Sleeper(failing=[0])
    run = batchflow(node, ROWS, limit=1)
    await asyncio.sleep(1.5)
    run.stop()
    run.retry_failed()
    await run
    assert node.seen == [0, 1]
    assert run[0].status == "failed"


class Posts(AsyncParallelBatchFlow):
    """A batch flow whose post takes a second."""

    posted: list
    on_post = None

    async def post_async(self, shared, params, results):
        self.posted.append(list(results))
        if self.on_post is not None:
            self.on_post()
        await asyncio.sleep(1)
        return "posted"


def posting(node):
    flow = Posts(start=node)
    flow.posted = []
    return flow


@virtual
async def test_retry_failed_during_post_waits_until_post_has_returned():
    """No failed row is lost: it runs after this post, and then post runs again."""
    node = Sleeper(failing=[2])
    flow = posting(node)
    run = batchflow(flow, ROWS[:3])
    await asyncio.sleep(1.5)
    assert len(flow.posted) == 1
    node.failing.clear()
    run.retry_failed()
    await run
    assert run.ok
    assert node.seen == [0, 1, 2, 2]
    assert len(flow.posted) == 2
    assert run.action == "posted"


@virtual
async def test_retry_failed_counts_in_the_moment_of_the_last_end():
    """Between the end of the last instance and the next step of the main task."""
    node = Sleeper(failing=[0])
    flow = posting(node)
    run = batchflow(flow, ROWS[:1])
    changed = run.records.watch()
    while run.counts.failed == 0:
        changed.clear()
        await asyncio.sleep(0.01 if run.elapsed < 0.99 else 0)
    node.failing.clear()
    for _ in range(2):
        await asyncio.sleep(0)
    run.retry_failed()
    await run
    assert run.ok
    adds_up(run)


@virtual
async def test_cancel_during_post_cancels_it():
    """The results stay; the status is cancelled; the await does not raise."""
    flow = posting(Sleeper())
    run = batchflow(flow, ROWS[:3])
    await asyncio.sleep(1.5)
    run.pause()
    run.cancel()
    await run
    assert run.status == "cancelled"
    assert run.counts.succeeded == 3
    assert run.action is None


@virtual
async def test_an_error_in_post_is_raised_and_the_results_remain():
    """`await run` raises the user's own error from the user's own frame, each time the same."""
    flow = posting(Sleeper())
    flow.on_post = lambda: 1 / 0
    run = batchflow(flow, ROWS[:3])
    lengths = []
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as caught:
            await run
        lengths.append(len(list(caught.traceback)))
    assert len(set(lengths)) == 1
    assert caught.traceback[-1].name == "<lambda>"
    assert run.status == "failed"
    assert run.counts.succeeded == 3
    with pytest.raises(ZeroDivisionError):
        run.raise_for_failures()


class OwnPrep(AsyncBatchFlow):
    """Gives its own batch, after a second."""

    given: object = ROWS

    async def prep_async(self, shared):
        await asyncio.sleep(1)
        if isinstance(self.given, Exception):
            raise self.given
        self.set_params({"from": "prep"})
        return self.given

    async def post_async(self, shared, params, results):
        shared["post"] = params
        return "posted"


@virtual
async def test_own_prep_returns_the_batch_and_may_set_params():
    """As in PocketFlow, the flow's params are merged as prep left them; post gets what prep returned."""
    given = ({"i": 1}, {"i": 2})
    flow = OwnPrep(start=Sleeper())
    flow.given = given
    run = batchflow(flow)
    assert run.total is None
    await run
    assert run[0].params == {"from": "prep", "i": 1}
    assert run.shared["post"] is given
    assert run.action == "posted"
    flow.given = None
    run = await batchflow(flow)
    assert run.shared["post"] == []
    assert run.total == 0


@virtual
async def test_a_sync_flow_may_return_its_own_batch_too():
    """`prep` and `post` of a BatchFlow are called once each."""

    class Sync(BatchFlow):
        def prep(self, shared):
            return ROWS

        def post(self, shared, params, results):
            return (params, results)

    run = await batchflow(Sync(start=Node()), threads=False)
    assert run.action == (ROWS, [None] * 10)


@virtual
async def test_an_error_in_prep_is_raised():
    """It is the user's own; for a wrong batch, the error names the prep that returned it."""
    flow = OwnPrep(start=Sleeper())
    flow.given = KeyError("x")
    run = batchflow(flow)
    with pytest.raises(KeyError, match="x"):
        await run
    assert (run.status, run.total) == ("failed", 0)
    run.retry_failed()
    assert run.ended
    flow.given = [{"i": 1}, 2]
    with pytest.raises(fm.BatchError, match=r"OwnPrep\.prep_async returned no batch\. Item 1 "):
        await batchflow(flow)


@pytest.mark.parametrize(("verb", "status"), [("stop", "stopped"), ("cancel", "cancelled")])
@pytest.mark.parametrize("when", [0, 0.5])
def test_a_verb_during_prep_ends_the_run(verb, status, when):
    """Before prep's first step or in it: no instance runs."""

    async def main():
        node = Sleeper()
        run = batchflow(OwnPrep(start=node))
        if when:
            await asyncio.sleep(when)
        getattr(run, verb)()
        await run
        assert run.status == status
        assert node.seen == []
        adds_up(run)

    run_virtual(main())


@virtual
async def test_a_pause_during_prep_holds_back_the_instances():
    """Prep continues; nothing starts before resume."""
    node = Sleeper()
    run = batchflow(OwnPrep(start=node))
    await asyncio.sleep(0.5)
    run.pause()
    await asyncio.sleep(5)
    assert run.counts.pending == 10
    assert node.seen == []
    run.resume()
    assert (await run).ok


# Generators


def generator(n, log, wrong=None):
    try:
        for i in range(n):
            log.append(i)
            if i == wrong:
                yield "wrong"
            yield {"i": i}
    finally:
        log.append("closed")


async def async_generator(n, log, wrong=None, error=None):
    try:
        for i in range(n):
            await asyncio.sleep(1)
            log.append(i)
            if i == wrong:
                if error is not None:
                    raise error
                yield "wrong"
            yield {"i": i}
    finally:
        log.append("closed")


@virtual
async def test_a_generator_is_drawn_as_slots_become_free():
    """At most the running rows are drawn; the total is unknown until its end."""
    log = []
    run = batchflow(Sleeper(), generator(10, log), limit=2)
    await asyncio.sleep(0.5)
    assert log == [0, 1]
    assert run.total is None
    assert run.counts == fm.RunCounts(running=2)
    await run
    assert log[-1] == "closed"
    assert run.total == 10
    assert run.ok


@pytest.mark.parametrize("kind", [generator, async_generator])
@pytest.mark.parametrize("verb", ["stop", "cancel"])
def test_stop_and_cancel_close_the_generator(kind, verb):
    """Rows never drawn are no rows, and the generator's `finally` has run when the run has ended."""

    async def main():
        log = []
        run = batchflow(Sleeper(10), kind(100, log), limit=3)
        await asyncio.sleep(5)
        getattr(run, verb)()
        await run
        assert log == [0, 1, 2, "closed"]
        assert run.total == 3
        adds_up(run)

    run_virtual(main())


@virtual
async def test_a_generator_with_a_wrong_first_row_is_refused_by_the_call():
    """As a list of the wrong things is; and it is closed."""
    log = []
    with pytest.raises(fm.BatchError, match=r"Item 0 of the batch is a str \('wrong'\)"):
        batchflow(Sleeper(), generator(5, log, wrong=0))
    assert log == [0, "closed"]


@pytest.mark.parametrize("kind", [generator, async_generator])
def test_a_wrong_row_ends_the_run(kind):
    """Its status is failed, `await` raises, what ran can be read, and the source is closed."""

    async def main():
        log = []
        node = Sleeper()
        run = batchflow(node, kind(100, log, wrong=57), limit=5)
        with pytest.raises(fm.BatchError, match="Item 57 of the batch"):
            await run
        assert run.status == "failed"
        assert run.counts == fm.RunCounts(succeeded=57)
        assert node.seen == list(range(57))
        assert log == [*range(58), "closed"]
        adds_up(run)
        # Retrying cannot give the rows that never came.
        run.retry_failed()
        assert run.ended

    run_virtual(main())


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), SystemExit(), asyncio.CancelledError()]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_that_raises_ends_the_run_with_its_error(error, is_async):
    """Whatever it raises is the error of the run, and ends no loop."""

    def raising():
        yield {"i": 0}
        yield {"i": 1}
        raise error

    async def main():
        source = async_generator(10, [], wrong=2, error=error) if is_async else raising()
        run = batchflow(Sleeper(failing=[1]), source, limit=1)
        await run.settled()
        assert run.error is error
        assert run.status == "failed"
        assert len(run) == 2
        run.retry_failed()
        await run.settled()
        assert run[1].attempts == (2 if run[1].status == "failed" else 1)
        adds_up(run)
        with pytest.raises(type(error)):
            await run

    run_virtual(main())


@virtual
async def test_a_row_drawn_while_the_run_is_paused_is_not_lost():
    """A row on its way when pause comes is there after resume."""
    for verb in ("pause", "lower"):
        node = Sleeper(0.0)
        run = batchflow(node, async_generator(6, []), limit=2)
        await asyncio.sleep(2.5)
        if verb == "pause":
            run.pause()
            await asyncio.sleep(10)
            assert run.counts == fm.RunCounts(succeeded=2, pending=1)
            run.resume()
        else:
            run.limit = 1
        await run
        assert node.seen == [0, 1, 2, 3, 4, 5]
        assert run.total == 6


@virtual
async def test_a_row_drawn_while_the_run_is_stopped_is_cancelled():
    """Every row that was drawn is accounted for."""
    run = batchflow(Sleeper(0.0), async_generator(6, []), limit=2)
    await asyncio.sleep(2.5)
    run.stop()
    await run
    assert run.counts == fm.RunCounts(succeeded=2, cancelled=1)


@virtual
async def test_a_mapping_that_cannot_be_merged_ends_the_run():
    """No row is left running, and the counts add up."""
    from collections import UserDict

    class OddMapping(UserDict):
        reads = 0

        def __iter__(self):
            self.reads += 1
            if self.reads > 1:  # else it would be refused before anything runs
                raise LookupError("no keys")
            return super().__iter__()

    run = batchflow(Sleeper(), [{"i": 0}, OddMapping(i=1), {"i": 2}], limit=1)
    with pytest.raises(LookupError):
        await run
    assert run.status == "failed"
    assert run.counts.running == 0
    assert run.counts.total == 3


@virtual
async def test_keep_limits_how_many_rows_of_a_generator_are_kept():
    """Beyond it, the oldest successes keep status and result only; failures stay in full."""
    run = await batchflow(Sleeper(failing=[1]), generator(10, []), limit=1, keep=3)
    assert run.records.dropped == 6
    assert run[0].params == {}
    assert run[0].copies == []
    assert run[0].result == "done 0"
    assert run[1].params == {"i": 1}
    assert run[9].params == {"i": 9}
    assert len(run[9].copies) == 1
    run = await batchflow(Sleeper(), ROWS, limit=1, keep=3)
    assert run[0].params == {"i": 0}
    for wrong in (-1, 1.5, None, True):
        with pytest.raises(fm.LimitError, match="keep is"):
            batchflow(Sleeper(), ROWS, keep=wrong)


# What nodes may raise


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError("mine"), SystemExit(3), GeneratorExit(), StopIteration(1)]
)
@pytest.mark.parametrize("suspended", [False, True])
def test_whatever_a_node_raises_fails_only_its_own_instance(error, suspended):
    """The others continue, with the same worker or another one."""

    async def main():
        async def work(params):
            if suspended:
                await asyncio.sleep(1)
            if params["i"] == 3:
                raise error

        run = await batchflow(Calls(work), ROWS, limit=2)
        assert run.counts == fm.RunCounts(succeeded=9, failed=1)
        assert run[3].status == "failed"
        if isinstance(error, StopIteration):
            assert isinstance(run[3].error, RuntimeError)
        else:
            assert run[3].error is error

    run_virtual(main())


@virtual
async def test_an_interrupt_in_a_node_cancels_the_run_and_not_the_loop():
    """KeyboardInterrupt is the user's: the run is over, what ended stays, the loop goes on."""

    def work(params):
        if params["i"] == 3:
            raise KeyboardInterrupt
        return asyncio.sleep(1)

    run = batchflow(Calls(work), ROWS, limit=3)
    with pytest.raises(KeyboardInterrupt):
        await run
    assert run.counts == fm.RunCounts(succeeded=1, cancelled=9)
    adds_up(run)


@virtual
async def test_a_node_that_cancels_its_own_task_affects_no_other_instance():
    """The next instance does not get the cancellation that this one left pending."""

    async def work(params):
        if params["i"] == 2:
            asyncio.current_task().cancel()
        elif params["i"] == 3:
            await asyncio.sleep(1)

    run = await batchflow(Calls(work), ROWS, limit=1)
    assert run.counts == fm.RunCounts(succeeded=10)


@virtual
async def test_a_node_that_swallows_its_own_cancellation_affects_no_other_instance():
    """A later CancelledError raised by another node is that node's failure."""

    async def work(params):
        if params["i"] == 2:
            asyncio.current_task().cancel()
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                return
        if params["i"] == 3:
            raise asyncio.CancelledError

    run = await batchflow(Calls(work), ROWS, limit=1)
    assert run.counts == fm.RunCounts(succeeded=9, failed=1)


@virtual
async def test_timeouts_and_tasks_inside_nodes_work():
    """wait_for, gather, tasks and async generators see one task and one context throughout."""
    variable = contextvars.ContextVar("variable")

    async def numbers():
        for number in range(3):
            variable.set(number)
            await asyncio.sleep(0.1)
            yield number

    async def work(params):
        task = asyncio.current_task()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 1)
        token = variable.set("mine")
        await asyncio.gather(*(asyncio.sleep(0.1) for _ in range(3)))
        child = asyncio.create_task(asyncio.sleep(0.1, variable.get()))
        assert await child == "mine"
        assert [number async for number in numbers()] == [0, 1, 2]
        variable.reset(token)
        assert asyncio.current_task() is task

    run = await batchflow(Calls(work), ROWS, limit=3)
    run.raise_for_failures()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is of Python 3.11")
@virtual
async def test_timeout_scopes_and_task_groups_inside_nodes_work():
    """asyncio.timeout and TaskGroup cancel the worker's task and leave it as they found it."""

    async def boom():
        await asyncio.sleep(0.1)
        raise ValueError

    async def work(params):
        if params["i"] % 2:
            async with asyncio.timeout(1):
                await asyncio.sleep(10)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(boom())
                group.create_task(asyncio.sleep(10))
        except ExceptionGroup:  # noqa: F821 - of Python 3.11, like this test
            pass

    run = await batchflow(Calls(work), ROWS, limit=2)
    assert run.counts == fm.RunCounts(succeeded=5, failed=5)
    assert {type(each.error) for each in run.failures} == {TimeoutError}


# Contexts


@virtual
async def test_context_variables_do_not_leak_from_one_instance_to_the_next():
    """Each instance starts from the context in which the run was begun."""
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("caller")
    seen = []

    async def work(params):
        seen.append(variable.get())
        variable.set(params["i"])
        await asyncio.sleep(1)
        assert variable.get() == params["i"]

    run = batchflow(Calls(work), ROWS, limit=2)
    variable.set("later")
    await run
    run.raise_for_failures()
    assert seen == ["caller"] * 10
    assert variable.get() == "later"


@virtual
async def test_an_async_source_keeps_one_context():
    """What a generator sets it finds again, and no instance sees it."""
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def source():
        for i in range(5):
            seen.append(variable.get())
            variable.set(i)
            await asyncio.sleep(0)
            yield {"i": i}

    def inner():
        for i in range(5):
            seen.append(variable.get())
            variable.set(i)
            yield {"i": i}

    inside = []
    node = Calls(lambda _: inside.append(variable.get()))
    await batchflow(node, source(), limit=3)
    assert seen == ["unset", 0, 1, 2, 3]
    assert inside == ["unset"] * 5
    seen.clear()
    inside.clear()
    await batchflow(node, inner(), limit=3)
    assert seen[2:] == [1, 2, 3]
    assert inside == [0] * 5  # the first row is drawn by the call itself, in the caller's context


def test_context_variables_travel_into_threads_and_back():
    """A sync node's exec sees what prep set, and post sees what exec set."""
    variable = contextvars.ContextVar("variable", default="unset")

    class Sync(Node):
        def prep(self, shared):
            variable.set(("prep", self.params["i"]))

        def exec(self, prep_res):
            assert threading.current_thread() is not threading.main_thread()
            before = variable.get()
            variable.set(("exec", self.params["i"]))
            return before

        def post(self, shared, prep_res, exec_res):
            assert threading.current_thread() is threading.main_thread()
            return f"{exec_res} {variable.get()}"

    run = fm.run_batch(Sync(), ROWS, limit=3)
    assert run.results == [f"('prep', {i}) ('exec', {i})" for i in range(10)]
    assert variable.get() == "unset"


# Threads and loops


def test_sync_nodes_overlap_in_threads():
    """All of them meet at one barrier, which no single thread could pass."""
    barrier = threading.Barrier(5, timeout=10)

    class Meets(Node):
        def exec(self, prep_res):
            barrier.wait()

    fm.run_batch(Meets(), ROWS, limit=5).raise_for_failures()


def test_there_are_more_threads_when_the_limit_is_raised():
    """The pool of threads grows during the run."""
    barrier = threading.Barrier(6, timeout=10)
    entered = threading.Semaphore(0)

    class Meets(Node):
        def exec(self, prep_res):
            entered.release()
            barrier.wait()

    async def main():
        run = batchflow(Meets(), ROWS[:6], limit=2)
        while not entered.acquire(blocking=False):
            await asyncio.sleep(0.001)
        run.limit = 3
        run.limit = 6
        await run
        run.raise_for_failures()

    asyncio.run(main())


def test_cancel_ends_a_row_whose_thread_continues():
    """The row is cancelled at once, its post never runs, the thread finishes."""
    entered, release, finished = threading.Event(), threading.Event(), threading.Event()
    posted = []

    class Slow(Node):
        def exec(self, prep_res):
            entered.set()
            release.wait(10)
            finished.set()

        def post(self, shared, prep_res, exec_res):
            posted.append(self.params)

    async def main():
        run = batchflow(Slow(), ROWS[:1])
        while not entered.is_set():
            await asyncio.sleep(0.001)
        run.cancel()
        await run
        assert run.counts == fm.RunCounts(cancelled=1)
        assert not finished.is_set()
        release.set()

    asyncio.run(main())
    assert finished.wait(10)
    assert posted == []


class Background:
    """A loop in a thread of its own."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def run(self, main):
        return asyncio.run_coroutine_threadsafe(main, self.loop).result(10)


async def begin(*args, **kwargs):
    return batchflow(*args, **kwargs)


def test_verbs_and_wait_work_from_another_thread():
    """Verbs are posted to the run's loop; `wait` blocks until its end, retries included."""
    gate = threading.Event()

    class Gated(Node):
        failing = [True]

        def exec(self, prep_res):
            gate.wait(10)
            if self.params["i"] == 0 and self.failing:
                raise ValueError

    with Background() as background:
        run = background.run(begin(Gated(), ROWS[:3], limit=1))
        run.limit = 2
        run.per_minute = 10**6
        run.pause()
        with pytest.raises(TimeoutError, match="not ended within"):
            run.wait(0.01)
        run.resume()
        gate.set()
        assert run.wait(10) is run
        assert run.status == "finished"
        assert run.counts == fm.RunCounts(succeeded=2, failed=1)
        Gated.failing.clear()
        run.retry_failed()
        assert run.wait(10).ok
        run.retry_failed()
        assert run.wait(10).ok
        # Another loop may await it too, and what a verb returns.
        assert asyncio.run(waited(run)) is run
        stopped = background.run(begin(Sleeper(100), ROWS))
        assert asyncio.run(waited(stopped.cancel())).status == "cancelled"


async def waited(run):
    return await run


def test_the_status_is_final_when_wait_returns():
    """In another thread, too; and the observers have been called by then."""
    told = threading.Event()

    def observer(run):
        if run.ended:
            threading.Event().wait(0.05)
            told.set()

    with Background() as background:
        run = background.run(begin(Sleeper(0.01), ROWS))
        run.observe(observer)
        run.wait(10)
        assert told.is_set()
        assert run.status == "finished"


def test_wait_runs_a_loop_that_is_not_running():
    """Until the end of the run."""
    loop = VirtualLoop()
    try:
        run = loop.run_until_complete(begin(Sleeper(), ROWS))
        with pytest.raises(TimeoutError):
            run.wait(0.5)
        assert run.wait().ok
        run = loop.run_until_complete(begin(Sleeper(failing=[1]), ROWS))
        run.wait()
        run.retry_failed()
        run.wait()
        assert run[1].attempts == 2
        run = loop.run_until_complete(begin(Sleeper(), ROWS))
        loop.run_until_complete(asyncio.sleep(0.5))
    finally:
        loop.close()
    with pytest.raises(RuntimeError, match="closed before the run had ended"):
        run.wait()


def test_wait_works_inside_the_running_loop():
    """nest-asyncio2 lets plain code block in the loop that runs it, and later runs still work."""
    code = """
import asyncio, flowmagic as fm
from pocketflow import AsyncNode
class N(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0.01)
        if self.params["i"] == 1: raise ValueError
async def main():
    first = fm.batchflow(N(), fm.grid(i=range(9)), limit=3)
    await asyncio.sleep(0.015)
    first.wait()
    assert first.counts.succeeded == 8, first
    second = await fm.batchflow(N(), fm.grid(i=range(9)), limit=3)
    assert second.counts.succeeded == 8, second
asyncio.run(main())
"""
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@virtual
async def test_two_runs_of_one_flow_at_once_are_independent():
    """Each has its own records, limit and contexts."""
    node = Sleeper()
    one, two = batchflow(node, ROWS, limit=2), batchflow(node, ROWS, limit=3)
    await asyncio.gather(one, two)
    assert one.ok
    assert two.ok
    assert node.spy.peak == 5


def test_a_run_whose_loop_ends_is_cancelled():
    """`asyncio.run` whose main returns early: every row ends, and nothing more starts."""
    for turns in range(6):
        node = Sleeper(0.0)

        async def main():
            run = batchflow(node, [{"i": i} for i in range(100)], limit=2)  # noqa: B023
            for _ in range(turns):  # noqa: B023
                await asyncio.sleep(0)
            return run, len(node.seen)  # noqa: B023

        run, seen = asyncio.run(main())
        assert run.status == "cancelled"
        assert run.ended
        assert run.wait(0) is run
        assert len(node.seen) <= seen + 2
        adds_up(run)


def test_a_run_whose_loop_was_closed_starts_nothing_more():
    """It closes its instances, and takes no further row."""
    node = Sleeper(100)
    loop = VirtualLoop()
    run = loop.run_until_complete(begin(node, ROWS, limit=2))
    loop.run_until_complete(asyncio.sleep(1))
    assert node.seen == [0, 1]
    records = run.records
    loop._ready.clear()
    loop._scheduled.clear()
    loop.set_exception_handler(lambda *_: None)
    loop.close()
    del run
    gc.collect()
    assert node.seen == [0, 1]
    assert records.counts.running == 0


@virtual
async def test_cancelling_a_task_that_awaits_a_run_does_not_end_the_run():
    """Interrupting `await run` ends that wait only."""
    run = batchflow(Sleeper(), ROWS, limit=2)
    waiter = asyncio.ensure_future(waited(run))
    await asyncio.sleep(0.5)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert run.status == "running"
    assert (await run).ok


@virtual
async def test_join_cancels_the_run_when_it_is_cancelled():
    """A run that belongs to its caller ends with it, before the cancellation goes on."""
    from flowmagic.run.batchrun import join

    run = batchflow(Sleeper(), ROWS, limit=2)
    caller = asyncio.ensure_future(join(run))
    await asyncio.sleep(0.5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert run.status == "cancelled"
    assert run.ended


@virtual
async def test_observers_are_called_for_each_status_and_cannot_break_the_run():
    """One that raises is detached and reported; one may continue the run."""
    heard, reported = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def broken(run):
        raise RuntimeError("observer")

    node = Sleeper(failing=[0])

    def retries(run):
        heard.append(str(run.status))
        if run.ended and node.failing:
            node.failing.clear()
            run.retry_failed()

    run = batchflow(node, ROWS[:2])
    run.observe(broken)
    run.observe(retries)
    run.pause()
    run.resume()
    await run
    assert heard == ["paused", "running", "finished", "running", "finished"]
    assert len(reported) == 1
    assert run.ok


@virtual
async def test_a_flow_is_not_kept_alive_by_an_ended_run():
    """Nothing global holds a flow."""
    flow = AsyncFlow(start=Sleeper())
    gone = weakref.ref(flow)
    run = await batchflow(flow, ROWS)
    del flow, run
    await asyncio.sleep(0)
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are of Python 3.12")
@virtual
async def test_a_loop_with_eager_tasks_runs_the_same_way():
    """Whether a task's first step comes at once or later, the limit and the counts hold."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    node = Sleeper(failing=[3])
    run = batchflow(node, ROWS, limit=3)
    await run
    assert run.counts == fm.RunCounts(succeeded=9, failed=1)
    assert node.spy.peak == 3
    run = await batchflow(Calls(lambda _: None), ROWS, limit=3)
    assert run.ok
    run = batchflow(Sleeper(), ROWS, limit=3)
    run.cancel()
    await run
    assert run.counts == fm.RunCounts(cancelled=10)


async def test_a_task_that_a_node_leaves_behind_goes_on():
    """The run neither waits for it nor ends it."""
    tasks, gate = [], asyncio.Event()

    async def work(params):
        tasks.append(asyncio.create_task(gate.wait()))

    run = await batchflow(Calls(work), ROWS[:2])
    assert run.ok
    assert [each.done() for each in tasks] == [False, False]
    gate.set()
    assert await asyncio.gather(*tasks) == [True, True]
