"""The header of a panel, and what of it has changed."""

from __future__ import annotations

import asyncio
import json

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic import CallLimit, named_limits, remove_limit, set_limit
from flowmagic.limits.limits import Limits
from flowmagic.notebook.panel.header import (
    LIMITS_INTERVAL,
    MAX_LIMIT_CHANGES,
    SentHeader,
    header_of,
    shown_limits,
)
from flowmagic.records.store import RecordStore

from ...virtualtime import virtual


@pytest.fixture(autouse=True)
def _no_named_limits():
    yield
    for name in named_limits():
        remove_limit(name)


def header(run=None, **more):
    """Return the header of a run, or of a panel without one, as a page would read it."""
    options = {"flow": "flow", "limits": Limits(), "notice": "", "acknowledged": {}, **more}
    records = RecordStore({}, 0.0, 0) if run is None else run.records
    return json.loads(json.dumps(header_of(run, records, **options), allow_nan=False))


def states(header):
    """Return the named limits of a header, by name."""
    return {each["name"]: each for each in header["limits"]}


class Seen(list):
    """Is the same object in each attempt; a plain list is as the row was given."""


class Ask(AsyncNode):
    """Does what its params say: takes a second, and is refused as often as they ask."""

    async def exec_async(self, prepared):
        await asyncio.sleep(1)
        if self.params.get("refusals", 0) > self.params["seen"].count(1):
            self.params["seen"].append(1)
            raise flowmagic.RateLimitHit("slow down", retry_after=self.params.get("after"))
        if self.params.get("fail"):
            raise ValueError("no")


def rows(n, **more):
    return [{"seen": Seen(), **more} for _ in range(n)]


def test_a_panel_without_a_run_has_neither_bounds_nor_cool_down_nor_reason():
    """What is not known is None or empty, never invented."""
    idle = header()
    assert (idle["status"], idle["adaptive"], idle["cooling"], idle["reason"]) == (
        "idle", None, 0.0, "",
    )  # fmt: skip
    assert (idle["limits"], idle["limits_omitted"], idle["refused"]) == ([], 0, 0)
    assert idle["limit_history"] == []


@virtual
async def test_the_limits_that_were_in_force_are_told_with_who_set_them():
    """The start, and of many changes the latest: a page that loads late can still draw them."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), rows(9), limit=3)
    await asyncio.sleep(0.5)
    run.limit = 2
    assert header(run)["limit_history"] == [[0.0, 3, 0], [0.5, 2, 1]]
    for limit in range(10, 10 + MAX_LIMIT_CHANGES):
        run.limit = limit
    told = header(run)["limit_history"]
    assert len(told) == MAX_LIMIT_CHANGES
    assert [told[0], told[1], told[-1]] == [[0.0, 3, 0], [0.5, 11, 1], [0.5, 209, 1]]
    await run


@virtual
async def test_an_adaptive_run_tells_its_bounds_and_how_often_it_was_refused():
    """The bounds are those in force: a limit set beyond them moves them."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), rows(9, refusals=1), adaptive="2-8-50")
    await asyncio.sleep(1.5)
    now = header(run, limits=run.limits)
    assert (now["limit"], now["adaptive"], now["refused"]) == (4, [2, 50], 8)
    run.limit = 60
    assert header(run)["adaptive"] == [2, 60]
    await run
    assert run.ok


@virtual
async def test_a_cool_down_is_told_in_seconds_left_while_the_run_goes_on():
    """It counts down by itself, and an ended run waits for nothing."""
    run = flowmagic.batchflow(
        AsyncFlow(start=Ask()), rows(2, refusals=1, after=23), adaptive="1-2-3"
    )
    await asyncio.sleep(1.5)
    assert header(run)["cooling"] == 22.5
    await asyncio.sleep(2)
    assert header(run)["cooling"] == 20.5
    run.cancel()
    await run
    assert header(run)["cooling"] == 0


@virtual
async def test_the_reason_of_a_run_that_stopped_by_itself_is_told():
    """Beside the notice, not in its place; gone when the run is taken up again."""
    batch = rows(9, fail=True)
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), batch, limit=3, max_errors=2)
    await run
    ended = header(run, notice="something else")
    assert ended["reason"] == "3 instances failed, more than max_errors=2"
    assert ended["notice"] == "something else"
    run.retry_failed()
    assert header(run)["reason"] == ""
    await run


@virtual
async def test_a_named_limit_tells_what_is_set_and_how_far_it_is_used(monkeypatch):
    """Calls and tokens of the last minute; what is not set is None."""
    monkeypatch.setattr(CallLimit, "_clock", staticmethod(asyncio.get_running_loop().time))
    openai = set_limit("openai", concurrency=2, tokens_per_minute=10_000)
    set_limit("other", adaptive="2-4-20", per_minute=60)

    async def call():
        async with openai.call(tokens=150):
            await asyncio.sleep(5)

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(1)
    now = states(header())
    assert now["openai"] == {
        "name": "openai", "concurrency": 2, "adaptive": None, "per_minute": None,
        "tokens_per_minute": 10_000, "window": 60, "running": 2, "waiting": 3, "calls": 2,
        "tokens": 300, "cooling": 0,
    }  # fmt: skip
    assert (now["other"]["concurrency"], now["other"]["adaptive"]) == (4, [2, 20])
    await asyncio.gather(*calls)


@virtual
async def test_of_a_limit_with_another_window_only_that_window_is_told(monkeypatch):
    """The calls of a minute beside a limit per second would read as a limit that is broken."""
    monkeypatch.setattr(CallLimit, "_clock", staticmethod(asyncio.get_running_loop().time))
    limit = set_limit("fast", per_minute=5, burst=5)
    limit.window = 10
    for _ in range(8):
        async with limit.call(tokens=3):
            pass
    fast = states(header())["fast"]
    assert (fast["window"], fast["calls"], fast["tokens"]) == (10, 3, None)
    limit.per_minute = None
    assert states(header())["fast"]["calls"] is None


def test_no_more_than_twenty_limits_are_told_and_the_rest_is_counted():
    """However many there are and however long their names, the header stays small."""
    for number in range(25):
        set_limit(f"{number}{'x' * 10_000}", concurrency=1)
    now = header()
    assert (len(now["limits"]), now["limits_omitted"]) == (20, 5)
    assert len(json.dumps(now)) < 10_000
    assert [each["name"] for each in now["limits"]] == list(shown_limits())


def changes(sent, now=0.0, *, limits_due=False, **entries):
    """Return the entries of a header that would be sent."""
    header = {"status": "running", "cooling": 0.0, "limits": [], **entries}
    return sent.take_changes(header, now, limits_due=limits_due)


def some_limit(**more):
    return {"name": "openai", "running": 0, "cooling": 0.0, **more}


def test_only_what_has_changed_is_sent():
    """The seconds that the page counts by itself are no change."""
    sent = SentHeader()
    assert changes(sent) == {"status": "running"}
    assert changes(sent, elapsed=1.0) == {}
    assert changes(sent, status="paused") == {"status": "paused"}
    sent.mark_sent({"status": "x", "cooling": 0.0, "limits": []}, 1.0)
    assert changes(sent, 2.0, status="x") == {}


def test_of_a_cool_down_only_another_end_is_sent():
    """Neither its countdown nor its end, but that it was extended or cancelled."""
    sent = SentHeader()
    changes(sent)
    assert changes(sent, 10.0, cooling=20.0) == {"cooling": 20.0}
    assert changes(sent, 10.05, cooling=19.95) == {}
    assert changes(sent, 15.0, cooling=15.01) == {}
    assert changes(sent, 16.0, cooling=30.0) == {"cooling": 30.0}
    assert changes(sent, 46.0, cooling=0.0) == {}
    assert changes(sent, 90.0, cooling=0.0) == {}
    assert changes(sent, 91.0, cooling=8.0) == {"cooling": 8.0}
    assert changes(sent, 93.0, cooling=0.0) == {"cooling": 0.0}


def test_of_the_cool_down_of_a_named_limit_too():
    """Its line would be sent twenty times a second otherwise."""
    sent = SentHeader()
    changes(sent, 0.0, limits=[some_limit()])
    assert "limits" in changes(sent, 10.0, limits=[some_limit(cooling=20.0)])
    for now in (11.0, 20.0, 29.9, 30.0, 31.0):
        assert changes(sent, now, limits=[some_limit(cooling=max(0.0, 30.0 - now))]) == {}
    assert "limits" in changes(sent, 32.0, limits=[some_limit(cooling=9.0)])


def test_the_usage_of_limits_is_sent_a_few_times_a_second_unless_it_is_due():
    """A number that a person reads need not change with every message; no change is lost."""
    sent = SentHeader()
    changes(sent, 10.0, limits=[some_limit()])
    busy = [some_limit(running=1)]
    assert changes(sent, 10.0 + LIMITS_INTERVAL / 2, limits=busy) == {}
    assert changes(sent, 10.0 + LIMITS_INTERVAL, limits=busy) == {"limits": busy}
    busier = [some_limit(running=2)]
    now = 10.0 + LIMITS_INTERVAL
    assert changes(sent, now, limits_due=True, limits=busier) == {"limits": busier}


def test_what_the_journal_cannot_do_is_a_notice(tmp_path):
    """A value without a form now; a disk that is full, as long as it is."""

    class Give(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            return object()

    run = flowmagic.run_batch(Give(), [{"i": 1}], journal=tmp_path / "runs")
    notice = header_of(
        run, run.records, flow="give", limits=run.limits, notice="", acknowledged={}
    )["notice"]
    assert "A value could not be written to the journal" in notice
    run.journal._outbox.writer.error = "disk full"
    notice = header_of(
        run, run.records, flow="give", limits=run.limits, notice="", acknowledged={}
    )["notice"]
    assert notice == "The journal cannot be written at the moment: disk full. The run continues."


@virtual
async def test_a_header_without_a_notice_looks_through_no_rows(monkeypatch):
    """It is made 20 times a second, and to look for secrets in 1,000 rows takes milliseconds."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), rows(9))
    monkeypatch.setattr("flowmagic.notebook.panel.header.secrets_of_run", None)
    assert header(run)["notice"] == ""
    await run


@virtual
async def test_rows_that_were_never_drawn_are_no_part_of_a_total():
    """A stopped generator has not been run to its end, whatever it had given."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), ({"fail": True} for _ in range(100)), limit=2)
    await asyncio.sleep(0.5)
    run.stop()
    await run
    assert (header(run)["counts"], header(run)["total"]) == ([0, 0, 0, 2, 0], None)


@virtual
async def test_the_time_between_an_end_and_a_retry_is_idle():
    """Rows are on one axis of time; what the run took is that without the idle time."""
    run = await flowmagic.batchflow(AsyncFlow(start=Ask()), [{"fail": True}])
    await asyncio.sleep(100)
    await run.retry_failed()
    now = header(run)
    assert (now["elapsed"], now["idle"], run.elapsed) == (102, 100, 2)
