"""The panel without a page: what it shows, and what it does when asked."""

from __future__ import annotations

import asyncio
import threading

import anywidget
import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic import named_limits, remove_limit, set_limit
from flowmagic.flow.finding import Finding
from flowmagic.limits.limits import Limits
from flowmagic.notebook.panel import jsnull
from flowmagic.notebook.panel.widget import Panel
from flowmagic.records.batch import as_batch
from flowmagic.records.printed import keep
from flowmagic.run.api import start as start_run
from flowmagic.run.options import Options

from ...virtualtime import run_virtual
from .spied import Spy, Work, ended, headers, made, refused


def test_run_starts_what_it_was_given():
    """Untouched, the batch itself goes to `start`, with the limits."""

    async def lifecycle():
        rows = [{"i": i} for i in range(7)]
        panel, calls = made(rows, limits=Limits(3, 600))
        assert panel.now["status"] == "idle"
        assert panel.now["counts"] == [7, 0, 0, 0, 0]
        assert panel.now["can"] == ["run"]
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        assert panel.now["counts"] == [4, 3, 0, 0, 0]
        assert panel.now["can"] == ["pause", "stop", "cancel"]
        await ended(panel)
        assert calls == [(rows, Limits(3, 600))]
        assert panel.now["status"] == "finished"
        assert "7/7" in str(panel)

    run_virtual(lifecycle())


def test_findings_of_flow_and_store_are_shown_before_the_run():
    """Those of the store are given with the flow; when a run begins, they go."""

    async def lifecycle():
        rows = [{"i": 1, "unread": 2}]
        panel, _ = made(rows)
        shared = Finding("Isolated instances share it.", "It cannot be copied.", note=True)
        panel.preview(AsyncFlow(start=Work()), findings=[shared])
        await asyncio.sleep(1)
        assert panel.now["findings"][-1] == "Isolated instances share it. It cannot be copied."
        assert len(panel.now["findings"]) == 2
        panel.load(as_batch([{"i": 1}]))
        await asyncio.sleep(1)
        assert panel.now["findings"][-1] == "Isolated instances share it. It cannot be copied."
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        await ended(panel)
        assert panel.now["findings"] == []

    run_virtual(lifecycle())


def test_null_and_none_are_each_other_in_jupyterlite_too(monkeypatch):
    """In commands, in the state and in messages; its kernel has an object of its own for null."""
    null = "jsnull"
    monkeypatch.setattr(jsnull, "NULL", null)
    sent = []
    monkeypatch.setattr(
        anywidget.AnyWidget, "_send", lambda _, message, __=None: sent.append(message)
    )

    async def lifecycle():
        rows = [{"i": i} for i in range(7)]
        panel, calls = made(rows, limits=Limits(3))
        assert panel.now["per_minute"] is null
        panel.ask("run", text=null)
        await asyncio.sleep(0.1)
        assert panel.now["notice"] == ""
        await ended(panel)
        assert calls == [(rows, Limits(3))]
        set_limit("service", per_minute=60)
        panel.ask("named_limit", name="service", field="per_minute", value=null)
        await asyncio.sleep(0.1)
        assert named_limits()["service"].per_minute is None
        Panel._send(panel, {"method": "custom", "content": {"rows": [(1, None)]}})
        assert sent[-1] == {"method": "custom", "content": {"rows": [[1, null]]}}

    run_virtual(lifecycle())


async def test_commands_from_another_thread_act_on_the_loop():
    """A callback in a foreign thread does nothing but post."""
    where = []

    def start(batch, limits):
        where.append(threading.current_thread())
        return flowmagic.batchflow(Work(), batch, limit=limits.concurrency)

    panel = Spy("flow", start, batch=as_batch([{}]))
    thread = threading.Thread(target=panel.ask, args=("run",))
    thread.start()
    thread.join()
    assert where == []
    while panel.run is None:
        await asyncio.sleep(0)
    assert where == [threading.main_thread()]
    await panel.run


def test_the_limit_acts_on_the_run_and_is_kept_for_the_next():
    """The slider steers what runs; idle, it says what the next run begins with."""

    async def lifecycle():
        panel, calls = made([{"i": i} for i in range(40)])
        panel.ask("limit", value=2)
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        assert panel.now["counts"][1] == 2
        panel.ask("limit", value=9)
        await asyncio.sleep(0.1)
        assert (panel.now["counts"][1], panel.run.limit) == (9, 9)
        panel.run.limit = 8  # from a cell: the panel follows
        assert panel.now["limit"] == 8
        for value in (0, -1, 2.5, "3", True, None):
            panel.ask("limit", value=value)
            await asyncio.sleep(0)
            assert panel.run.limit == 8
            assert "not a positive integer" in panel.now["notice"]
        await ended(panel)
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        assert calls[-1][1].concurrency == 8
        panel.run.cancel()
        await ended(panel)

    run_virtual(lifecycle())


def test_the_buttons_reach_the_run():
    """Pause, Resume, Stop, Cancel and Retry failed do what they say."""

    async def lifecycle():
        panel, _ = made([{"fail": i == 0} for i in range(20)])
        for kind in ("pause", "resume", "stop", "cancel", "retry", "state", "nonsense", "act"):
            panel.ask(kind)  # nothing to act on, nothing breaks
        panel._on_msg(panel, "no dict", [])
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        panel.ask("pause")
        await asyncio.sleep(0.3)
        assert panel.now["can"] == ["resume", "stop", "cancel", "retry"]
        panel.ask("resume")
        await asyncio.sleep(0.1)
        assert panel.now["status"] == "running"
        panel.ask("stop")
        await asyncio.sleep(0)
        assert panel.now["can"] == ["cancel"]
        await ended(panel)
        assert panel.now["can"] == ["run", "rest", "retry"]
        panel.ask("retry")
        await asyncio.sleep(0.1)
        assert panel.now["status"] == "running"
        await ended(panel)
        assert panel.run[0].attempts == 2
        assert panel.sent[-1][1]["header"]["status"] == panel.run.status
        assert panel.now["ticking"] is False

    run_virtual(lifecycle())


def test_the_state_is_made_when_it_is_asked_for():
    """A page that reloads gets the present, not what was true when the panel was made."""

    async def lifecycle():
        panel, _ = made([{"name": "<b>&", "token": "abcd12345678"}] * 4, limits=Limits(2))
        panel.ask("run", text=None)
        await asyncio.sleep(0.3)
        state = panel.get_state()
        assert state["header"]["counts"] == [0, 2, 2, 0, 0]
        assert list(state["snapshot"][40:44]) == [2, 2, 1, 1]
        assert state["texts"]["texts"] == ["name='<b>&', token=•••"] * 4
        assert "abcd12345678" not in str(state["editor"])
        await ended(panel)
        assert panel.get_state()["header"]["counts"] == [0, 0, 4, 0, 0]

    run_virtual(lifecycle())


def test_an_edited_text_is_what_run_runs():
    """Parsed, never evaluated; masks stand for the values they hide."""

    async def lifecycle():
        panel, calls = made([{"i": 1, "token": "abcd12345678"}])
        panel.ask("run", text="[{'i': 2, 'token': '•••'}, {'i': 3}]")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ended(panel)
        assert calls[-1][0] == [{"i": 2, "token": "abcd12345678"}, {"i": 3}]
        assert '"i": 3' in panel.text["text"]
        version = panel.text["version"]
        panel.ask("run", text="[{'i': open('x')}]")
        await asyncio.sleep(0)
        assert len(calls) == 1
        assert panel.now["notice"].startswith("Line 1: Only literals")
        assert panel.text["version"] == version
        panel.ask("check", text="[{'i': 1}, 2]")
        await asyncio.sleep(0.1)
        (check,) = panel.sent[-1][1]["checks"]
        assert (check["client"], check["count"], check["line"]) == ("page", None, 1)
        assert "Item 1 is an int" in check["message"]

    run_virtual(lifecycle())


def test_an_error_of_start_is_shown_in_place():
    """Whatever it raises: in a callback nobody else would show it."""

    async def lifecycle():
        def start(batch, limits):
            raise errors.pop()

        errors = [ZeroDivisionError("no\nway"), flowmagic.FlowError("No start node.")]
        panel = Spy("flow", start, batch=as_batch([{}]))
        for shown in ("No start node.", "ZeroDivisionError: no way"):
            panel.ask("run", text=None)
            await asyncio.sleep(0.2)
            assert panel.sent[-1][1]["header"]["notice"] == shown
        assert panel.run is None

    run_virtual(lifecycle())


def test_a_generator_can_be_run_again_over_the_rows_it_gave():
    """It is used up; its rows are still known."""

    async def lifecycle():
        panel, calls = made({"i": i} for i in range(4))
        assert not panel.text["editable"]
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        assert "generator" in panel.text["reason"]
        await ended(panel)
        assert panel.text["editable"]
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        assert calls[-1][0] == [{"i": i} for i in range(4)]
        await ended(panel)

    run_virtual(lifecycle())


def test_a_panel_without_a_list_leaves_it_to_the_flow():
    """`start` gets None; a list that comes later is shown."""

    async def lifecycle():
        panel, calls = made()
        assert "own prep" in panel.text["reason"]
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        assert calls[-1][0] is None
        panel.show_notice("prep said\nno")
        await asyncio.sleep(0.1)
        assert panel.sent[-1][1]["header"]["notice"] == "prep said no"
        panel.load(as_batch([{"i": 1}, {"i": 2}]))
        await asyncio.sleep(0.1)
        state = panel.sent[-1][1]
        assert state["texts"]["texts"] == ["i=1", "i=2"]
        assert state["header"]["counts"] == [2, 0, 0, 0, 0]
        assert state["header"]["notice"] == ""

    run_virtual(lifecycle())


def test_an_opened_row_is_sent_again_while_it_changes():
    """Its node copies appear as they begin, without being asked for."""

    async def lifecycle():
        panel, _ = made([{"i": 0}, {"i": 1}], limits=Limits(1))
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        panel.ask("open", index=1)
        await asyncio.sleep(0)
        await ended(panel)
        seen = [
            (detail["index"], detail["status"], len(detail["copies"]))
            for _, content, _ in panel.sent
            for detail in content.get("details", ())
        ]
        assert seen == [(1, "pending", 0), (1, "running", 1), (1, "succeeded", 1)]
        panel.ask("open", index=99)
        panel.ask("open", index=None)
        await asyncio.sleep(0.1)
        assert panel._queries._open == {}

    run_virtual(lifecycle())


def test_an_opened_row_is_sent_again_when_it_prints():
    """Though nothing else of it changes; and not when it does not print."""

    class Says(AsyncNode):
        async def exec_async(self, prepared):
            for text in ("one\n", "two\n"):
                await asyncio.sleep(1)
                keep(text)
            await asyncio.sleep(1)

    def start(batch, limits):
        options = Options(limits=limits, capture=True)
        return start_run(AsyncFlow(start=Says()), batch, shared=None, options=options)

    async def lifecycle():
        panel = Spy("flow", start, batch=as_batch([{"i": 0}]))
        panel.ask("run", text=None)
        await asyncio.sleep(0.5)
        panel.ask("open", index=0)
        await ended(panel)
        seen = [
            (detail["status"], detail["printed"])
            for _, content, _ in panel.sent
            for detail in content.get("details", ())
        ]
        assert seen == [
            ("running", ""), ("running", "one\n"), ("running", "one\ntwo\n"), ("succeeded", "one\ntwo\n"),
        ]  # fmt: skip

    run_virtual(lifecycle())


def test_rows_are_answered_in_bounds():
    """A page gets the texts of the window it asks for, at most some hundred at a time."""

    async def lifecycle():
        panel, _ = made([{"i": i} for i in range(5_000)])
        panel.ask("rows", rows=list(range(4_000, 5_000)))
        await asyncio.sleep(0.1)
        (texts,) = panel.sent[-1][1]["rows"]
        assert texts["rows"] == list(range(4_000, 4_400))
        assert (len(texts["texts"]), texts["texts"][0]) == (400, "i=4000")

    run_virtual(lifecycle())


def test_an_adaptive_limit_is_followed_and_can_be_dragged():
    """It goes on from where it was dragged to, and the bounds move out to that."""

    async def lifecycle():
        panel = refused(adaptive="2-10-50")
        panel.ask("run", text=None)
        await asyncio.sleep(0.15)
        assert (panel.now["limit"], panel.now["adaptive"]) == (10, [2, 50])
        panel.ask("limit", value=70)
        await asyncio.sleep(0.05)
        assert (panel.run.limit, panel.now["adaptive"]) == (70, [2, 70])
        await ended(panel)
        assert panel.now["limit"] == panel.run.limit == panel.run.adaptive.limit

    run_virtual(lifecycle())


def test_a_named_limit_is_tuned_in_place():
    """At once, for those who wait; None is no such limit."""

    async def lifecycle():
        loop = asyncio.get_running_loop()
        openai = set_limit("openai", concurrency=1)
        panel, _ = made([{}])

        async def call():
            async with openai.call():
                await asyncio.sleep(5)

        calls = [asyncio.create_task(call()) for _ in range(6)]
        await asyncio.sleep(0.1)
        assert openai.running == 1
        panel.ask("named_limit", name="openai", field="concurrency", value=4)
        await asyncio.sleep(0.1)
        assert openai.running == 4
        (told,) = headers(panel, "limits")[-1]
        assert (told["concurrency"], told["running"], told["waiting"]) == (4, 4, 2)
        panel.ask("named_limit", name="openai", field="concurrency", value=None)
        panel.ask("named_limit", name="openai", field="per_minute", value=0.5)
        panel.ask("named_limit", name="openai", field="tokens_per_minute", value=9000)
        await asyncio.sleep(0)
        assert (openai.concurrency, openai.per_minute, openai.tokens_per_minute) == (
            None,
            0.5,
            9000,
        )
        openai.per_minute = None
        await asyncio.gather(*calls)
        assert loop.time() > 1000

    run_virtual(lifecycle())


def test_what_a_named_limit_refuses_is_said_and_what_is_in_force_stands():
    """The notice names the limit, and goes when the next value is accepted."""

    async def lifecycle():
        openai = set_limit("openai", concurrency=3)
        panel, _ = made([{}])
        for value in (0, -1, 2.5, "3", True, [1]):
            panel.ask("named_limit", name="openai", field="concurrency", value=value)
            await asyncio.sleep(0)
            assert openai.concurrency == 3
            assert panel.now["notice"].startswith("Limit 'openai': concurrency is ")
        panel.ask("named_limit", name="openai", field="per_minute", value=0)
        await asyncio.sleep(0)
        assert "per_minute=None for no such limit" in panel.now["notice"]
        for field in ("_queue", "name", "adaptive", None):
            panel.ask("named_limit", name="openai", field=field, value=1)
            await asyncio.sleep(0)
            assert set_limit("openai") is openai
            assert (openai.name, openai.adaptive) == ("openai", None)
        panel.ask("named_limit", name="openai", field="per_minute", value=0)
        panel.ask("named_limit", name="openai", field="per_minute", value=60)
        await asyncio.sleep(0)
        assert panel.now["notice"] == ""
        remove_limit("openai")
        panel.ask("named_limit", name="openai", field="concurrency", value=5)
        await asyncio.sleep(0.1)
        assert panel.now["notice"] == "There is no limit named 'openai' any more."
        assert panel.sent[-1][1]["header"]["limits"] == []
        panel.show_notice("something else")
        panel.ask("named_limit", name="openai", field=None)
        await asyncio.sleep(0)
        assert panel.now["notice"] == "something else"

    run_virtual(lifecycle())


def test_one_instance_is_cancelled_and_the_others_go_on():
    """A running one and a pending one; without an index it is the run."""

    async def lifecycle():
        panel, _ = made([{"i": i} for i in range(12)], limits=Limits(2))
        panel.ask("cancel", index=0)  # nothing to act on
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        panel.ask("cancel", index=1)
        panel.ask("cancel", index=7)
        await asyncio.sleep(0.05)
        assert [panel.run[i].status for i in (0, 1, 7)] == ["running", "cancelled", "cancelled"]
        panel.ask("cancel", index=99)
        await asyncio.sleep(0)
        assert "There is no instance 99" in panel.now["notice"]
        assert panel.now["status"] == "running"
        await asyncio.sleep(0.3)
        assert panel.run[2].status == "succeeded"
        panel.ask("cancel")
        await ended(panel)
        assert panel.now["status"] == "cancelled"

    run_virtual(lifecycle())


def test_a_run_that_stops_by_itself_says_why():
    """In the last message, wherever the page was."""

    async def lifecycle():
        def start(batch, limits):
            return flowmagic.batchflow(Work(), batch, limit=2, max_errors=3)

        panel = Spy("flow", start, batch=as_batch([{"fail": True}] * 20))
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ended(panel)
        last = panel.sent[-1][1]["header"]
        assert last["status"] == "stopped"
        assert last["reason"] == "4 instances failed, more than max_errors=3"

    run_virtual(lifecycle())


def test_an_opened_row_tells_of_each_attempt_as_it_ends():
    """Pending again, with its earlier attempt; then running, then done."""

    async def lifecycle():
        panel = refused(retries=1, limit=5)
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        panel.ask("open", index=0)
        await asyncio.sleep(0)
        await ended(panel)
        seen = [
            (detail["status"], [each["error"] for each in detail["history"]])
            for _, content, _ in panel.sent
            for detail in content.get("details", ())
        ]
        error = "RateLimitHit: slow down"
        assert seen[0][1] == []
        assert ("pending", [error]) in seen
        assert seen[-1] == ("succeeded", [error])

    run_virtual(lifecycle())


def test_without_a_kernel_it_is_one_line_of_text():
    """In a saved notebook without a kernel the fallback reads as a sentence."""
    panel = Panel("flow", lambda batch, limits: None)
    data, _ = panel._repr_mimebundle_()
    assert data["text/plain"] == "The flowmagic panel of flow; it is live while its kernel runs."


def test_an_unknown_option_is_refused():
    """A typo is an error, not a silent default."""
    with pytest.raises(TypeError):
        Panel("flow", lambda batch, limits: None, limit=3)
