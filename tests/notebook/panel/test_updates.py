"""What a panel sends, and how much of it."""

from __future__ import annotations

import asyncio
import json

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic import CallLimit, named_limits, set_limit
from flowmagic.limits.limits import Limits
from flowmagic.notebook.panel import queries
from flowmagic.notebook.panel.ticker import INTERVAL
from flowmagic.records.batch import as_batch
from flowmagic.records.status import FAILED, SUCCEEDED

from ...virtualtime import run_virtual
from .spied import Page, Spy, Work, ended, headers, made, refused


def test_every_message_has_the_next_number_and_the_page_ends_right():
    """Deltas and snapshots alone give the page the true state of every row."""

    async def lifecycle():
        panel, _ = made([{"i": i, "fail": i % 5 == 0} for i in range(300)], limits=Limits(20))
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ended(panel)
        page = Page()
        for _, content, buffers in panel.sent:
            page.take(content, buffers)
        assert page.gaps == 0
        assert page.status == {i: SUCCEEDED if i % 5 else FAILED for i in range(300)}
        assert page.header["counts"] == [0, 0, 240, 60, 0]
        assert page.header["can"] == ["run", "retry"]

    run_virtual(lifecycle())


@pytest.mark.parametrize("lost", ["all deltas", "all but the last"])
def test_a_page_that_lost_messages_ends_right(lost):
    """The traits are pushed again and again, and at the end: nothing needs an answer."""

    async def lifecycle():
        panel, _ = made([{"i": i} for i in range(100)], limits=Limits(5))
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ended(panel)
        kept = [each for each in panel.sent if "snapshot" in each[1]]
        begun = panel.run.records.began
        times = [round(at - begun, 1) for at, _, _ in kept]
        assert [at for at in times if at < 3.5] == [0, 0.3, 1, 3]
        page = Page()
        for _, content, buffers in kept[-1:] if lost == "all but the last" else kept:
            page.take(content, buffers)
        assert set(page.status.values()) == {SUCCEEDED}
        assert page.header["status"] == "finished"

    run_virtual(lifecycle())


def test_a_panel_of_a_run_is_opened_with_its_state_and_sends_that_again_later():
    """Its first picture needs no second message, and a page that was not ready for deltas ends right."""

    async def lifecycle():
        rows = [{"i": i, "fail": i == 3} for i in range(20)]
        run = flowmagic.batchflow(AsyncFlow(start=Work()), rows, limit=2)
        panel = Spy("flow", None, run=run)
        await asyncio.sleep(0.05)
        page = Page()
        page.take(panel.opened, [])
        assert (page.header["status"], page.header["counts"]) == ("running", [20, 0, 0, 0, 0])
        assert panel.opened["texts"]["texts"][3] == "i=3, fail=True"
        _, first, buffers = panel.sent[0]
        assert first["seq"] == 1 and not {"flow", "limit"} & first["header"].keys()
        page.take(first, buffers)
        assert page.gaps == 0 and page.header["counts"] == [18, 2, 0, 0, 0]
        await ended(panel)
        pushed = [at - run.records.began for at, content, _ in panel.sent if "snapshot" in content]
        assert [round(at, 1) for at in pushed] == [0.1, 0.3, 1, 2]

    run_virtual(lifecycle())


@pytest.mark.parametrize(("panels", "most"), [(1, 22), (8, 50)])
def test_the_message_budget_is_kept(panels, most):
    """20 deltas a second for one panel; 50 messages for all panels together."""

    async def lifecycle():
        class Busy(AsyncNode):
            async def exec_async(self, prepared):
                await asyncio.sleep(0.01)

        def start(batch, limits):
            return flowmagic.batchflow(Busy(), batch, limit=limits.concurrency)

        rows = [{"i": i} for i in range(2_000)]
        spies = [Spy("flow", start, batch=as_batch(rows)) for _ in range(panels)]
        for panel in spies:
            panel.ask("run", text=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(50):
            for panel in spies:
                panel.ask("limit", value=5)
                panel.ask("rows", rows=list(range(100)))
                panel.ask("open", index=3)
                panel.ask("check", text="[]")
            await asyncio.sleep(0.05)
        assert not any(panel.run.ended for panel in spies)
        times = sorted(at for panel in spies for at, _, _ in panel.sent)
        # The first second also holds the first push of each.
        worst = max(sum(1 for at in times if t <= at < t + 1) for t in times if t > times[0] + 1)
        assert worst <= most
        for panel in spies:
            panel.run.cancel()
            await ended(panel)

    run_virtual(lifecycle())


def test_nothing_is_sent_once_the_run_has_ended():
    """No timer, no task is left: the chain lives as long as the run."""

    async def lifecycle():
        panel, _ = made([{}] * 3)
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ended(panel)
        before = len(panel.sent)
        await asyncio.sleep(60)
        assert len(panel.sent) == before
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not panel._ticker.live

    run_virtual(lifecycle())


def test_the_end_is_sent_before_whoever_awaits_the_run_goes_on():
    """A `--wait` cell may be the last: what comes after it is lost."""

    async def lifecycle():
        panel, _ = made([{}] * 3)
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await panel.run
        assert panel.sent[-1][1]["header"]["status"] == "finished"

    run_virtual(lifecycle())


def test_many_changes_at_once_travel_as_a_snapshot():
    """Cancelling 50,000 rows must not hold up the loop while each is packed."""

    async def lifecycle():
        panel, _ = made([{"i": i} for i in range(50_000)])
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        panel.run.cancel()
        await ended(panel)
        assert all(len(buffer) <= 16 * 4_096 for _, _, buffers in panel.sent for buffer in buffers)
        last = [content for _, content, _ in panel.sent if "snapshot" in content][-1]
        assert set(last["snapshot"][-4 - 100_000 : -4 - 50_000]) == {4}

    run_virtual(lifecycle())


def test_a_cool_down_is_sent_once_and_the_page_counts():
    """Twenty-three seconds in which nothing happens cost no message but the usual snapshots."""

    async def lifecycle():
        panel = refused(adaptive="2-10-50")
        panel.ask("run", text=None)
        await asyncio.sleep(1)
        assert headers(panel, "cooling") == [pytest.approx(23, abs=0.06)]
        assert panel.now["limit"] == 5
        assert headers(panel, "limit")[-1:] == [5]
        before = len(panel.sent)
        await asyncio.sleep(20)
        assert not [content for _, content, _ in panel.sent[before:] if "seq" in content]
        assert panel.get_state("header")["header"]["cooling"] == pytest.approx(2.2, abs=0.1)
        await ended(panel)
        assert panel.run.ok
        assert headers(panel, "cooling") == [pytest.approx(23, abs=0.06)]

    run_virtual(lifecycle())


def test_busy_named_limits_stay_within_the_message_budget():
    """Their counters change all the time; that alone is told five times a second."""

    async def lifecycle():
        loop = asyncio.get_running_loop()
        clock, CallLimit._clock = CallLimit._clock, staticmethod(loop.time)
        try:
            for number in range(20):
                set_limit(f"limit {number}", concurrency=5)
            limit = named_limits()["limit 0"]
            panel, _ = made([{"i": i} for i in range(40)], limits=Limits(1))
            panel.ask("run", text=None)
            await asyncio.sleep(1.5)
            since = len(panel.sent)
            for _ in range(100):
                async with limit.call(tokens=7):
                    await asyncio.sleep(0.01)
            told = [each for each in panel.sent[since:] if "limits" in each[1].get("header", {})]
            assert 3 <= len(told) <= 6
            assert len(panel.sent) - since <= 22
            assert max(len(json.dumps(content)) for _, content, _ in told) < 6_000
            await ended(panel)
        finally:
            CallLimit._clock = clock

    run_virtual(lifecycle())


def test_an_output_is_sent_within_a_tick_of_the_end_of_its_row(monkeypatch):
    """Of the first rows, and of those that a page has queried; also where the whole state is sent."""
    monkeypatch.setattr(queries, "_SLICE", 60.0)  # time is virtual, but the slices are real

    async def lifecycle():
        panel, _ = made([{"i": i, "fail": i % 7 == 0} for i in range(1_000)], limits=Limits(100))
        panel.ask("run", text=None)
        await asyncio.sleep(0.01)
        panel.ask("rows", n=2, rows=list(range(500, 540)))
        await ended(panel)
        waits = {}
        none = {"rows": [], "outcomes": []}
        for now, content, _ in panel.sent:
            for texts in (*content.get("rows", ()), content.get("texts", none)):
                for index, text in zip(texts["rows"], texts["outcomes"], strict=True):
                    if text:
                        waits.setdefault(index, now - panel.run.records.ended[index])
        assert set(waits) == {i for i in (*range(200), *range(500, 540)) if i % 7 == 0}
        assert max(waits.values()) <= 1.01 * INTERVAL

    run_virtual(lifecycle())
