"""What is put before the user's eyes, in a shell that keeps what is displayed. (Kernels: tests/kernel.)"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import BatchError, JournalError, LimitError, NoRunningLoopError
from flowmagic.limits.limits import Limits
from flowmagic.notebook.display import (
    NotebookDisplay,
    hide_as_value,
    is_hidden,
    make_display,
    start_in_panel,
)
from flowmagic.notebook.panel.widget import Panel
from flowmagic.notebook.terminal.terminal import TerminalDisplay
from flowmagic.records.batch import as_batch

from ..virtualtime import run_virtual

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shown(shell, monkeypatch):
    """All that was displayed, in order: what a kernel would send."""
    publisher = CapturingDisplayPublisher()
    monkeypatch.setattr(shell.ip, "display_pub", publisher)
    return publisher.outputs


def display_of(shell, batch=None, **options):
    """Return a display of the shell's flow, and the list of the runs that it started."""
    runs = []

    def start(batch, limits):
        runs.append(flowmagic.batchflow(shell["flow"], batch, limit=limits.concurrency, **options))
        return runs[-1]

    return NotebookDisplay("flow", start, Limits(2), batch), runs


def press(panel, kind, **more):
    """Press a button of a panel, as its page does."""
    panel._on_msg(panel, {"type": kind, "client": "page", "n": 1, **more}, [])


def summary_id(shown):
    """Return the display_id of the summary, whose empty place is the output below the panel."""
    panel, below = shown[:2]
    assert WIDGET in panel["data"]
    assert below["data"] == {"text/plain": "", "text/html": ""}
    return below["transient"]["display_id"]


def updates(shown):
    """Return the texts that the summary was filled with."""
    identity = summary_id(shown)
    assert all(each["update"] for each in shown[2:])
    assert {each["transient"]["display_id"] for each in shown[2:]} <= {identity}
    return [each["data"]["text/plain"] for each in shown[2:]]


def test_a_run_has_a_panel_and_a_summary_that_is_filled_at_its_end(shell, shown):
    """In its own place below the panel, as text and as HTML."""

    async def lifecycle():
        display, [] = display_of(shell)
        run = display.start(as_batch([{"n": 1}, {"n": 13}]), Limits(2))
        assert updates(shown) == []
        await run
        [text] = updates(shown)
        assert "1 of 2 succeeded, 1 failed" in text
        assert shown[-1]["data"]["text/html"].startswith("<details")

    run_virtual(lifecycle())


def test_a_notebook_saved_during_a_run_has_its_latest_counts_and_failures(shell, shown):
    """Renewed every few seconds, not while nothing changes; marked, so that a live panel hides it."""

    class Slow(AsyncNode):
        async def exec_async(self, prepared):
            await asyncio.sleep(1)
            if self.params["n"] == 3:
                raise ValueError("unlucky")

    shell.ip.user_ns["flow"] = AsyncFlow(start=Slow())

    async def lifecycle():
        display, [] = display_of(shell, as_batch([{"n": n} for n in range(60)]))
        run = display.start(as_batch([{"n": n} for n in range(60)]), Limits(2))
        await asyncio.sleep(4.9)
        assert updates(shown) == []
        await asyncio.sleep(0.2)
        run.pause()
        [text] = updates(shown)
        assert "7 of 60 succeeded, 1 failed, 2 running" in text
        assert "ValueError: unlucky" in text
        html = shown[-1]["data"]["text/html"]
        assert " fm-brief'" in html
        await asyncio.sleep(30)
        assert len(updates(shown)) <= 3, "while it is paused nothing changes"
        assert "run paused" in updates(shown)[-1]
        run.resume()
        await run
        await asyncio.sleep(30)
        assert "59 of 60 succeeded, 1 failed (" in updates(shown)[-1]
        assert " fm-brief'" not in shown[-1]["data"]["text/html"]

    run_virtual(lifecycle())


def test_of_a_run_that_is_refused_nothing_is_shown(shell, shown):
    """A panel would offer what was just refused."""

    async def lifecycle():
        display, [] = display_of(shell, journal="/nowhere/runs")
        with pytest.raises(JournalError, match="There is no folder"):
            display.start(as_batch([{"n": 1}]), Limits(2))
        assert shown == []

    run_virtual(lifecycle())


def test_an_opened_panel_starts_nothing_until_run_is_pressed(shell, shown):
    """Each run that is started from it fills the same summary."""

    async def lifecycle():
        display, runs = display_of(shell, as_batch([{"n": 7}, {"n": 8}]))
        panel = display.open()
        await asyncio.sleep(1)
        assert (runs, updates(shown)) == ([], [])
        for text in (None, '[{"n": 1}, {"n": 2}, {"n": 3}]'):
            press(panel, "run", text=text)
            await asyncio.sleep(1)
        assert [[each.params["n"] for each in run.instances] for run in runs] == [
            [7, 8],
            [1, 2, 3],
        ]
        first, second = updates(shown)
        assert "2 of 2 succeeded" in first
        assert "3 of 3 succeeded" in second
        assert [run.limit for run in runs] == [2, 2]

    run_virtual(lifecycle())


def test_a_run_that_is_taken_up_again_fills_the_summary_anew(shell, shown):
    """With the end it has come to at last."""

    async def lifecycle():
        display, [] = display_of(shell)
        run = display.start(as_batch([{"n": 13}, {"n": 1}]), Limits(2))
        await run
        shell["Add"].post_async = lambda *_: asyncio.sleep(0, "mended")
        run.retry_failed()
        await run
        first, second = updates(shown)
        assert "1 of 2 succeeded, 1 failed" in first
        assert "2 of 2 succeeded" in second

    run_virtual(lifecycle())


def test_a_run_that_somebody_has_started_is_shown_too(shell, shown):
    """Of one that goes on the summary is still to come; of one that has ended it is there at once."""

    async def lifecycle():
        run = flowmagic.batchflow(shell["flow"], [{"n": 1}])
        display, [] = display_of(shell)
        display.attach(run)
        assert updates(shown) == []
        await run
        assert len(updates(shown)) == 1
        before = len(shown)
        late, [] = display_of(shell)
        late.attach(run)
        assert updates(shown[before:]) == updates(shown[:before])
        assert summary_id(shown[before:]) != summary_id(shown)

    run_virtual(lifecycle())


def test_in_a_notebook_there_is_nothing_to_draw_by_hand(shell, shown):
    """The panel draws itself, and stays when the cell has ended."""

    async def lifecycle():
        display, [] = display_of(shell)
        run = display.start(as_batch([{"n": 1}]), Limits(2))
        before = list(shown)
        display.tick()
        display.close()
        assert shown == before
        await run

    run_virtual(lifecycle())


def test_without_a_kernel_a_run_is_shown_as_text(shell, shown, capsys):
    """Nothing is displayed at a terminal; the summary is printed at the end."""

    async def lifecycle():
        def start(batch, limits):
            return flowmagic.batchflow(shell["flow"], batch, limit=limits.concurrency)

        display = make_display(shell.ip, "flow", start, Limits(2), None)
        assert isinstance(display, TerminalDisplay)
        await display.start(as_batch([{"n": 1}]), Limits(2))
        assert shown == []
        assert "1 of 1 succeeded" in capsys.readouterr().out

    run_virtual(lifecycle())


def test_with_a_kernel_a_run_is_shown_in_a_panel(shell, shown, monkeypatch):
    """Whatever the kernel is."""
    monkeypatch.setattr(shell.ip, "kernel", object(), raising=False)
    display = make_display(shell.ip, "flow", None, Limits(2), as_batch([{"n": 1}]))
    assert isinstance(display, NotebookDisplay)
    display.open()
    assert updates(shown) == []


class Double(AsyncNode):
    async def post_async(self, shared, *_):
        shared["seen"] = shared.get("seen", 0) + 1
        return 2 * self.params["n"]


async def test_the_panel_shows_a_run_that_has_been_started():
    """With the options of `batchflow`, and awaited as `panel.run`."""
    shared = {}
    panel = start_in_panel(AsyncFlow(start=Double()), [{"n": 1}, {"n": 2}], limit=1, shared=shared)
    await panel.run
    assert panel.run.results == [2, 4]
    assert panel.run.limit == 1
    assert panel.get_state()["header"]["flow"] == "AsyncFlow"
    assert shared == {"seen": 2}
    panel.close()


async def test_run_in_the_panel_runs_the_same_batch_again():
    """With the limit that the slider then shows, and the other options as they were."""
    panel = start_in_panel(Double(), [{"n": 3}], limit=2, retries=1)
    first = await panel.run
    panel._handle({"type": "limit", "value": 7, "client": "page", "n": 1})
    panel._handle({"type": "run", "client": "page", "n": 2})
    assert panel.run is not first
    await panel.run
    assert panel.run.results == [6]
    assert panel.run.limit == 7
    panel.close()


async def test_a_run_that_was_started_in_python_gets_a_folded_panel_that_runs_it_again():
    """With its rows, its shared store and its options; marimo asks the run for it."""
    shared = {}
    run = flowmagic.batchflow(Double(), [{"n": 2}], shared=shared, limit=4)
    panel = run._display_()
    assert isinstance(panel, Panel)
    assert panel.run is run
    assert panel.get_state("header")["header"]["compact"] is True
    await run
    panel._handle({"type": "run", "client": "page", "n": 1})
    assert panel.run is not run
    await panel.run
    assert panel.run.results == [4]
    assert panel.run.limit == 4
    assert shared == {"seen": 2}
    panel.close()


async def test_what_is_wrong_is_said_before_anything_runs():
    """The errors of `batchflow`."""
    with pytest.raises(BatchError, match="not a list of dicts"):
        start_in_panel(Double(), 3)
    with pytest.raises(LimitError, match="limit is"):
        start_in_panel(Double(), [{"n": 1}], limit=0)
    with pytest.raises(TypeError, match="limits"):
        start_in_panel(Double(), [{"n": 1}], limits=3)


def test_without_a_loop_there_is_no_run():
    """And so no panel."""
    with pytest.raises(NoRunningLoopError, match="run_batch"):
        start_in_panel(Double(), [{"n": 1}])


def test_a_run_is_hidden_once_and_only_in_the_cell_that_opened_its_panel():
    """Otherwise it is displayed."""
    shell = SimpleNamespace(execution_count=7)
    run, other = (flowmagic.run_batch(AsyncNode(), [{}]) for _ in range(2))
    hide_as_value(shell, run)
    assert not is_hidden(shell, other)
    assert [is_hidden(shell, run), is_hidden(shell, run)] == [True, False]
    hide_as_value(shell, run)
    shell.execution_count += 1
    assert not is_hidden(shell, run)


def test_a_run_that_has_ended_is_kept_by_no_timer(shell, shown):
    """Of the summaries in between: each would keep its run for seconds."""

    async def lifecycle():
        display, [] = display_of(shell)
        await display.start(as_batch([{"n": 1}]), Limits(2))
        timers = [each for each in asyncio.get_running_loop()._scheduled if not each.cancelled()]
        assert [each for each in timers if "_publish" in repr(each)] == []

    run_virtual(lifecycle())
