"""What a run does by itself: retries, waits, adapts, stops; and that nothing can make it lose count."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic as fm
from flowmagic import RateLimitHit, Retries, batchflow

from ..virtualtime import Spy, VirtualLoop, virtual

ROWS = [{"i": i} for i in range(10)]


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch):
    """Each wait for a retry is the longest that it may be."""
    monkeypatch.setattr("flowmagic.run.failures.random.uniform", lambda least, most: most)


class Scripted(AsyncNode):
    """Sleeps a second, then does what the script says for the row's next attempt.

    `script[i]` is a list with what each attempt raises; None, or an end of the list, succeeds.
    """

    def __init__(self, script=None, seconds=1.0):
        super().__init__()
        self.script = script or {}
        self.seconds = seconds
        self.spy = Spy()
        self.calls = []

    async def exec_async(self, prep_res):
        i = self.params["i"]
        attempt = sum(row == i for row, _ in self.calls)
        self.calls.append((i, asyncio.get_running_loop().time() - 1000.0))
        with self.spy:
            await asyncio.sleep(self.seconds)
        errors = self.script.get(i, [])
        if attempt < len(errors) and errors[attempt] is not None:
            raise errors[attempt]

    async def post_async(self, shared, prep_res, exec_res):
        return f"done {self.params['i']}"


# Timeouts


@virtual
async def test_an_instance_that_takes_too_long_fails_alone():
    """Each attempt has the whole time; the error names the instance and the limit."""
    node = Scripted(seconds=3.0)
    run = await batchflow(node, ROWS[:3], limit=3, timeout=2)
    assert run.counts.failed == 3
    assert str(run.results[1]) == "Instance 1 took longer than timeout=2 s."
    assert isinstance(run.results[1], TimeoutError)
    assert run[1].seconds == 2.0
    assert node.spy.live == 0


@virtual
async def test_a_timeout_may_be_retried():
    """It is a failure like any other; `on=` may ask for it alone."""

    class Slow(Scripted):
        async def exec_async(self, prep_res):
            self.seconds = 5.0 if not self.calls else 1.0
            return await super().exec_async(prep_res)

    run = await batchflow(Slow(), ROWS[:1], timeout=2, retries=Retries(1, on=TimeoutError))
    assert run.ok
    assert [type(each.result) for each in run[0].history] == [TimeoutError]


@virtual
async def test_a_sync_node_that_takes_too_long_fails_in_time_too():
    """Its thread cannot be interrupted and finishes unobserved."""
    release = threading.Event()

    class Blocking(Node):
        def exec(self, prep_res):
            release.wait(10)

    loop = asyncio.get_running_loop()
    loop.call_later(5, release.set)
    run = await batchflow(Blocking(), ROWS[:1], timeout=2)
    release.set()
    assert isinstance(run.results[0], TimeoutError)


# Retries


@virtual
async def test_a_failed_instance_runs_again_with_its_params_and_keeps_its_history():
    """The same row: its last result counts, its earlier attempts can be looked at."""
    errors = [ValueError("first"), ValueError("second")]
    node = Scripted({1: errors})
    run = await batchflow(node, ROWS[:3], retries=2)
    assert run.ok
    assert run.results == ["done 0", "done 1", "done 2"]
    instance = run[1]
    assert instance.attempts == 3
    assert [each.result for each in instance.history] == errors
    assert [each.status for each in instance.history] == ["failed", "failed"]
    assert [len(each.copies) for each in instance.history] == [1, 1]
    assert instance.history[0].copies[0].error is errors[0]
    assert run[0].history == []


@virtual
async def test_an_instance_that_waits_for_its_retry_holds_no_slot():
    """The others go on meanwhile; the row is pending."""
    node = Scripted({0: [ValueError()]})
    run = batchflow(node, ROWS[:5], limit=1, retries=Retries(1, wait=1e6, longest=100.0))
    await asyncio.sleep(1.5)
    assert (run[0].status, run[0].attempts) == ("pending", 1)
    await asyncio.sleep(4)
    assert run.counts == fm.RunCounts(pending=1, succeeded=4)
    assert run.status == "running"
    await run
    assert run.ok
    assert node.spy.peak == 1


@virtual
async def test_retries_that_do_not_help_leave_the_last_failure():
    """And the run ends."""
    run = await batchflow(Scripted({0: [ValueError(str(n)) for n in range(9)]}), ROWS, retries=3)
    assert [str(each.result) for each in run[0].history] == ["0", "1", "2"]
    assert str(run.results[0]) == "3"
    assert run.counts == fm.RunCounts(succeeded=9, failed=1)


@virtual
@pytest.mark.parametrize("verb", ["stop", "cancel"])
async def test_a_row_that_waits_for_a_retry_has_failed_when_the_run_ends(verb):
    """It keeps its error: it is neither lost nor called cancelled."""
    error = ValueError("kept")
    run = batchflow(Scripted({0: [error]}), ROWS[:1], retries=Retries(1, wait=1e6, longest=1e5))
    await asyncio.sleep(2)
    assert run[0].status == "pending"
    getattr(run, verb)()
    await run.settled()
    assert (run[0].status, run[0].result) == ("failed", error)
    assert asyncio.get_running_loop().time() < 1010
    assert [str(each.status) for each in run.failures] == ["failed"]


@virtual
async def test_nothing_is_retried_while_the_run_is_paused():
    """A retry whose time has come waits for `resume()`."""
    node = Scripted({0: [ValueError()]})
    run = batchflow(node, ROWS[:1], retries=Retries(1, wait=0.001))
    await asyncio.sleep(0.5)
    run.pause()
    await asyncio.sleep(5)
    assert (run.status, len(node.calls)) == ("paused", 1)
    run.resume()
    await run
    assert run.ok


@virtual
async def test_retry_failed_gives_new_attempts_and_keeps_the_history():
    """During the run at once, and after its end. All attempts are in the same row."""
    node = Scripted({0: [ValueError(str(n)) for n in range(3)]}, seconds=1.0)
    run = batchflow(node, ROWS[:4], limit=1, retries=0)
    await asyncio.sleep(1.5)
    run.retry_failed()
    await run
    assert [i for i, _ in node.calls] == [0, 1, 0, 2, 3]
    assert str(run.results[0]) == "1"
    run.retry_failed()
    await run
    run.retry_failed()
    await run
    assert run.ok
    assert [str(each.result) for each in run[0].history] == ["0", "1", "2"]
    assert run[0].attempts == 4


@virtual
async def test_a_retry_filter_that_raises_ends_the_run_with_its_error():
    """`Retries.on` is the user's function: the run keeps what it raised, and no row is lost."""
    run = batchflow(
        Scripted({0: [ValueError()]}), ROWS, limit=2, retries=Retries(1, on=lambda e: 1 / 0)
    )
    with pytest.raises(ZeroDivisionError):
        await run
    assert run.status == "failed"
    assert run.counts == fm.RunCounts(succeeded=2, failed=1, cancelled=7)  # one was running


@virtual
async def test_a_retry_by_hand_has_all_attempts_again():
    """The attempts that were used up before do not count."""
    run = await batchflow(Scripted({0: [ValueError()] * 3}), ROWS[:1], retries=1)
    assert (run[0].attempts, run[0].status) == (2, "failed")
    run.retry_failed()
    await run
    assert (run[0].attempts, run[0].status) == (4, "succeeded")


async def test_a_retry_while_the_end_is_written_to_the_journal_is_not_lost(tmp_path):
    """The run continues after it, and its journal has the second attempt; a cancel comes too late."""
    node = Scripted({0: [ValueError()]}, seconds=0.0)
    run = batchflow(node, ROWS[:3], journal=tmp_path / "run.db")
    write_rows = run.journal.all_rows

    async def meanwhile():
        run.journal.all_rows = write_rows
        await write_rows()
        run.cancel()
        run.retry_failed()
        await asyncio.sleep(0.05)

    run.journal.all_rows = meanwhile
    await run
    assert run.ok
    assert (run[0].attempts, run.status) == (2, "finished")
    run.journal.join(10)
    with fm.open_journal(tmp_path / "run.db") as journal:
        assert [each.status for each in journal[-1].instances] == ["succeeded"] * 3


@virtual
async def test_an_instance_that_fails_while_the_run_is_stopping_is_not_retried():
    """The run ends when the running instances have ended, not when a wait is over."""
    run = batchflow(
        Scripted({0: [ValueError()]}), ROWS, limit=1, retries=Retries(1, wait=1e5, longest=1e5)
    )
    await asyncio.sleep(0.5)
    run.stop()
    await run
    assert asyncio.get_running_loop().time() == 1001.0
    assert run.counts == fm.RunCounts(failed=1, cancelled=9)


# Cancelling one


@virtual
async def test_one_running_instance_can_be_cancelled():
    """Its slot goes to the next one at once."""
    node = Scripted(seconds=10.0)
    run = batchflow(node, ROWS[:4], limit=2)
    await asyncio.sleep(1)
    run.cancel(0)
    await asyncio.sleep(0)
    await asyncio.sleep(1)
    assert run[0].status == "cancelled"
    assert [i for i, _ in node.calls] == [0, 1, 2]
    await run
    assert run.counts == fm.RunCounts(succeeded=3, cancelled=1)
    assert run.status == "finished"


@virtual
async def test_an_instance_cancelled_before_it_starts_never_runs():
    """Also by an index from the end; an ended one stays what it is."""
    node = Scripted()
    run = batchflow(node, ROWS[:4], limit=1)
    await asyncio.sleep(1.5)
    run.cancel(2)
    run.cancel(-1)
    run.cancel(0)
    assert [str(each.status) for each in run.instances] == [
        "succeeded", "running", "cancelled", "cancelled",
    ]  # fmt: skip
    await run
    assert [i for i, _ in node.calls] == [0, 1]
    run.cancel(1)
    assert run[1].status == "succeeded"


@virtual
async def test_the_run_ends_when_its_last_waiting_row_is_cancelled():
    """Whether it is paused or waits for a retry."""
    run = batchflow(
        Scripted({0: [ValueError()]}), ROWS[:1], retries=Retries(1, wait=1e6, longest=1e5)
    )
    await asyncio.sleep(2)
    run.cancel(0)
    await run
    assert (run.status, run[0].status) == ("finished", "failed")
    run = batchflow(Scripted(), ROWS[:1])
    run.pause()
    await asyncio.sleep(1)
    run.cancel(0)
    run.resume()
    await run
    assert run.counts == fm.RunCounts(cancelled=1)


@virtual
async def test_an_instance_that_is_not_there_cannot_be_cancelled():
    """IndexError to the caller, from any thread; the run goes on."""
    run = batchflow(Scripted(), ROWS[:2])
    with pytest.raises(IndexError, match="no instance 7: the run has 2"):
        run.cancel(7)
    await run
    assert run.ok


# Early ends


@virtual
async def test_too_many_errors_stop_the_run_with_a_reason():
    """Running instances finish, the rest never start; `retry_failed` continues the run."""
    node = Scripted({i: [ValueError()] for i in range(10)})
    run = await batchflow(node, ROWS, limit=2, max_errors=3)
    assert run.status == "stopped"
    assert run.reason == "4 instances failed, more than max_errors=3"
    # The fourth to fail found another one running.
    assert run.counts == fm.RunCounts(failed=5, cancelled=5)
    run.retry_failed()
    assert run.reason == ""
    await run
    assert run.counts == fm.RunCounts(succeeded=5, cancelled=5)


@virtual
async def test_a_share_of_errors_stops_a_long_run_early():
    """Not before its sample has ended."""
    rows = [{"i": i} for i in range(1000)]
    node = Scripted({i: [ValueError()] for i in range(0, 1000, 3)})
    run = await batchflow(node, rows, limit=10, max_errors=(0.25, 50))
    assert run.status == "stopped"
    assert "instances failed, more than max_errors=25%" in run.reason
    assert 50 <= run.counts.succeeded + run.counts.failed <= 70


@virtual
async def test_a_run_within_its_error_budget_finishes():
    """It has no reason to give."""
    run = await batchflow(Scripted({0: [ValueError()]}), ROWS, max_errors=1)
    assert (run.status, run.reason) == ("finished", "")


# Cooling down


@virtual
async def test_a_retry_after_holds_back_all_starts_once():
    """Ten refused together cool down once, not ten times; then the rest runs."""
    refused = {i: [RateLimitHit("slow", retry_after=30)] for i in range(5)}
    node = Scripted(refused)
    run = batchflow(node, ROWS, limit=5, retries=1)
    await asyncio.sleep(2)
    assert run.cooling == 29.0
    assert run.counts == fm.RunCounts(pending=10)
    await run
    assert run.cooling == 0.0
    assert [at for _, at in node.calls] == [0.0] * 5 + [31.0] * 5 + [32.0] * 5
    assert sorted(i for i, _ in node.calls[5:10]) == [0, 1, 2, 3, 4]
    assert run.ok


class RefusedAtOnce(AsyncNode):
    """Row 0 is refused at its first attempt, before any other instance of the same turn begins."""

    def __init__(self, took=0.0):
        super().__init__()
        self.took = took
        self.calls = []

    async def exec_async(self, prep_res):
        loop = asyncio.get_running_loop()
        self.calls.append((self.params["i"], loop.time() - 1000.0))
        if len(self.calls) == 1:
            loop.now += self.took
            raise RateLimitHit("slow down", retry_after=20)


@virtual
async def test_a_cool_down_also_holds_back_instances_that_have_a_slot_already():
    """Of two admitted together, the first is refused before the second begins."""
    node = RefusedAtOnce()
    run = await batchflow(node, ROWS[:3], limit=2)
    assert node.calls == [(0, 0.0), (1, 20.0), (2, 20.0)]
    assert run.counts.failed == 1


@virtual
async def test_a_cool_down_holds_back_a_worker_that_waits_for_its_turn_of_the_loop():
    """The refused instance took longer than a slice: its slot is given back before the other goes on."""
    node = RefusedAtOnce(took=0.5)
    await batchflow(node, ROWS[:2], adaptive="1-2-3")
    assert [at for _, at in node.calls] == [0.0, 20.5, 20.5]


@virtual
async def test_a_run_that_cools_down_can_be_stopped_cancelled_and_changed():
    """Nothing waits for the end of the cool-down; a higher limit does not end it."""
    node = Scripted({0: [RateLimitHit("slow", retry_after=1000)]})
    run = batchflow(node, ROWS, limit=1)
    await asyncio.sleep(2)
    run.limit = 5
    await asyncio.sleep(10)
    assert len(node.calls) == 1
    run.stop()
    await run
    assert run.counts == fm.RunCounts(failed=1, cancelled=9)
    assert asyncio.get_running_loop().time() < 1020


# Adapting


@virtual
async def test_an_adaptive_run_finds_the_limit_of_the_provider():
    """Refused above 6 at once: it halves, climbs again one by one, and every row is done."""

    class Provider(AsyncNode):
        def __init__(self):
            super().__init__()
            self.spy = Spy()
            self.refused = []

        async def exec_async(self, prep_res):
            with self.spy:
                if self.spy.live > 6:
                    self.refused.append(self.params)
                    await asyncio.sleep(0.1)
                    raise RateLimitHit
                await asyncio.sleep(1)

    node = Provider()
    limits = []
    run = batchflow(AsyncFlow(start=node), [{"i": i} for i in range(300)], adaptive="1-20-40")
    while not run.ended:
        limits.append((run.limit, run.counts.running))
        await asyncio.sleep(0.5)
    assert run.ok
    assert node.refused
    # After the first refusals have come down, what is in force is what the provider bears, or one
    # more; and what is reported is what runs.
    settled = limits[len(limits) // 3 :]
    assert all(1 <= limit <= 7 for limit, _ in settled)
    assert all(running <= 7 for _, running in settled)
    assert run.adaptive.rate_limits == len(node.refused)


@virtual
async def test_refusals_of_one_burst_lower_the_limit_once():
    """Twenty refusals of one burst halve the limit, they do not bring it down to one."""
    refused = {i: [RateLimitHit()] for i in range(20)}
    run = batchflow(Scripted(refused), [{"i": i} for i in range(40)], adaptive="1-20-40")
    await asyncio.sleep(1.01)
    assert run.limit == 10
    assert run.adaptive.rate_limits == 20
    await run
    assert run.ok


@virtual
async def test_an_adaptive_limit_continues_from_the_users_value():
    """In either direction, while it runs."""
    run = batchflow(Scripted(), [{"i": i} for i in range(200)], adaptive="1-4-6")
    await asyncio.sleep(0.5)
    run.limit = 30
    await asyncio.sleep(0)
    assert (run.limit, run.counts.running) == (30, 30)
    await run
    assert run.ok


@virtual
async def test_a_refusal_lowers_the_users_value():
    """Not from where it would have been without."""
    node = Scripted({i: [RateLimitHit()] for i in range(4, 100)})
    run = batchflow(node, [{"i": i} for i in range(60)], adaptive="1-4-50")
    await asyncio.sleep(0.5)
    run.limit = 20
    await asyncio.sleep(1.1)
    assert run.limit == 10
    await run


@virtual
async def test_a_used_up_quota_ends_an_adaptive_run_with_its_reason():
    """The rest would only be refused, too."""

    class QuotaError(Exception):
        status_code = 429
        code = "insufficient_quota"

    run = await batchflow(Scripted({1: [QuotaError("over")]}), ROWS, adaptive="1-2-4")
    assert run.status == "stopped"
    assert run.reason == "the provider's quota is used up (instance 1, QuotaError)"
    assert run.counts.cancelled >= 6
    assert len(run.failures) == 1


# Cancelled at every await


class Attempts:
    """Counts the attempts of a row; a plain list would be as the row was given."""

    made = 0


class Everything(AsyncNode):
    """Awaits, fails, is refused, and cleans up with an await."""

    async def exec_async(self, prep_res):
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.1)
        self.params["attempts"].made += 1
        attempt = self.params["attempts"].made
        if self.params["i"] == 1 and attempt == 1:
            raise ValueError
        if self.params["i"] == 2 and attempt == 1:
            raise RateLimitHit("slow", retry_after=3)


class Flow(fm.ThrottledAsyncParallelBatchFlow):
    """A flow whose prep gives an async generator, and whose post awaits."""

    max_concurrent_flows = 2
    max_flows_per_minute = 600
    flow_retries = 1

    async def prep_async(self, shared):
        await asyncio.sleep(1)

        async def rows():
            try:
                for i in range(5):
                    await asyncio.sleep(0.2)
                    yield {"i": i, "attempts": Attempts()}
            finally:
                shared["closed"] = True
                await asyncio.sleep(0.1)

        return rows()

    async def post_async(self, shared, prep_res, exec_res):
        await asyncio.sleep(1)
        shared["results"] = exec_res


class TurningLoop(VirtualLoop):
    """Counts its turns, and calls `strike` after one of them."""

    turns = 0
    strike_at = None

    def _run_once(self):
        super()._run_once()
        if self.turns == self.strike_at:
            self.strike()
        self.turns += 1


def cancelled_after(turns, begin, cancel):
    """Run in a loop of its own, cancel after one of its turns; return whether it was in time.

    `begin` gives what to wait for; `cancel` is called with it.
    """
    loop = TurningLoop()
    asyncio.set_event_loop(loop)
    struck = []

    def strike():
        struck.append(not waited.done())
        cancel(waited)

    try:
        waited = loop.run_until_complete(begin())
        loop.turns, loop.strike_at, loop.strike = 0, turns, strike
        loop.run_until_complete(asyncio.wait([waited], timeout=1000))
        assert waited.done()
        loop.run_until_complete(asyncio.sleep(0))
        assert not asyncio.all_tasks(loop)
        assert not [each for each in loop._scheduled if not each.cancelled()]
        return bool(struck and struck[0])
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_a_flow_cancelled_at_any_await_ends_with_nothing_left():
    """Wherever the cancellation strikes: in prep, a node, its cleanup, a wait, the source, post."""
    steps, shared = 0, {}

    async def begin():
        shared.clear()
        return asyncio.ensure_future(Flow(start=Everything()).run_async(shared))

    while cancelled_after(steps, begin, lambda task: task.cancel()):
        steps += 1
    assert steps > 40
    assert [type(each) for each in shared["results"]] == [type(None)] * 5


def test_a_run_cancelled_at_any_moment_keeps_every_row_in_one_status():
    """Each row that was drawn has ended, the source is closed, and what succeeded has its result."""
    steps, runs, shared, ended = 0, [], {}, []

    def cancel(_):
        ended.append(runs[-1].ended)
        runs[-1].cancel()

    async def begin():
        shared.clear()
        flow = Flow(start=Everything())
        runs.append(batchflow(flow, shared=shared, limit=2, retries=Retries(1, wait=2.0)))
        return asyncio.ensure_future(runs[-1].settled())

    while cancelled_after(steps, begin, cancel):
        run = runs[-1]
        assert run.status == ("finished" if ended[-1] else "cancelled")
        assert run.counts.ended == run.counts.total == run.total == len(run)
        assert shared.get("closed", not len(run))
        for each in run.instances:
            assert (each.error is None) == (each.status == "succeeded")
        steps += 1
    assert steps > 40
    assert runs[-1].ok


# Whatever is done to it


class RunMachine(RuleBasedStateMachine):
    """A run under random limit changes, pauses, stops, cancellations, retries, failures and waits.

    After every step the counts add up and no more instances run than a limit that was in force
    while they began; in the end nothing is left.
    """

    def __init__(self):
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.run = None

    @initialize(
        data=st.data(),
        rows=st.integers(0, 30),
        limit=st.integers(1, 6),
        drawn=st.booleans(),
        adaptive=st.booleans(),
        retries=st.integers(0, 2),
        timeout=st.sampled_from([None, 2.5]),
        max_errors=st.sampled_from([None, 3, (0.3, 5)]),
        per_minute=st.sampled_from([None, 60, 6000]),
    )
    def start(  # noqa: PLR0917 - hypothesis gives them by name
        self, data, rows, limit, drawn, adaptive, retries, timeout, max_errors, per_minute
    ):
        self.live = 0
        self.too_many = []
        choices = st.sampled_from(["ok"] * 5 + ["fail", "refuse", "wait", "slow", "swallow"])
        self.plan = [data.draw(choices) for _ in range(40)]
        machine = self

        class Work(AsyncNode):
            async def exec_async(self, prep_res):
                what = machine.plan[machine.next_number() % len(machine.plan)]
                machine.began()
                try:
                    await asyncio.sleep(3.0 if what == "slow" else 1.0)
                except asyncio.CancelledError:
                    if what != "swallow":
                        raise
                finally:
                    machine.live -= 1
                if what == "fail":
                    raise ValueError
                if what == "refuse":
                    raise RateLimitHit
                if what == "wait":
                    raise RateLimitHit("slow", retry_after=2)

        self.number = 0
        batch = [{"i": i} for i in range(rows)]

        async def begin():
            return batchflow(
                AsyncFlow(start=Work()),
                iter(batch) if drawn else batch,
                limit=None if adaptive else limit,
                adaptive=(1, limit, 8) if adaptive else None,
                retries=Retries(retries, wait=0.5),
                timeout=timeout,
                max_errors=max_errors,
                per_minute=per_minute,
            )

        self.run = self.loop.run_until_complete(begin())
        self.rows = rows

    def next_number(self):
        self.number += 1
        return self.number

    def began(self):
        """Note an instance that begins beside more than the limit in force allows, itself included."""
        self.live += 1
        if self.live > self.run.limit:
            self.too_many.append((self.live, self.run.limit))

    def act(self, function):
        """Do something on the loop, and let everything happen that follows at once."""

        async def main():
            function()
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(main())

    @rule(seconds=st.sampled_from([0.4, 1.0, 2.5, 7.0]))
    def time_passes(self, seconds):
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(limit=st.integers(1, 9))
    def change(self, limit):
        self.act(lambda: setattr(self.run, "limit", limit))

    @rule(per_minute=st.sampled_from([None, 60, 600]))
    def repace(self, per_minute):
        self.act(lambda: setattr(self.run, "per_minute", per_minute))

    @rule(verb=st.sampled_from(["pause", "resume", "retry_failed"]))
    def verb(self, verb):
        self.act(getattr(self.run, verb))

    @rule(verb=st.sampled_from(["stop", "cancel"]), sure=st.integers(0, 3))
    def end_it(self, verb, sure):
        if sure == 0:  # not so often that little else is tried
            self.act(getattr(self.run, verb))

    @rule(index=st.integers(0, 29))
    def cancel_one(self, index):
        if index < len(self.run):
            self.act(lambda: self.run.cancel(index))

    @invariant()
    def counts_add_up(self):
        if self.run is None:
            return
        statuses = [str(each.status) for each in self.run.instances]
        counts = self.run.counts
        assert counts.total == len(self.run) == len(self.run.records.results) <= self.rows
        for status in fm.Status:
            assert getattr(counts, status.value) == statuses.count(status.value)
        # A node that swallows its cancellation or was cut short may outlive its row by a moment.
        assert counts.running >= self.live
        if self.run.ended:
            assert counts.pending == counts.running == self.live == 0
        assert not self.too_many

    def teardown(self):
        try:
            if self.run is not None:
                self.act(self.run.resume)
                self.loop.run_until_complete(asyncio.wait_for(self.run.settled(), 10_000))
                self.counts_add_up()
                assert self.run.ended
                for each in self.run.instances:
                    assert each.status in ("succeeded", "failed", "cancelled")
                self.loop.run_until_complete(asyncio.sleep(0))
                left = asyncio.all_tasks(self.loop)
                assert not left, left
                assert not [h for h in self.loop._scheduled if not h.cancelled()]
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()


TestRunMachine = RunMachine.TestCase
TestRunMachine.settings = settings(
    max_examples=150, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
