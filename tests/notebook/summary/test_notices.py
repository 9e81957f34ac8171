"""What panel and summary say of crossings."""

import asyncio
import time

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.engines.local import LocalEngine
from flowmagic.limits.limits import Limits
from flowmagic.notebook.panel.header import header_of
from flowmagic.notebook.summary import summary
from flowmagic.notebook.summary.notices import (
    MOST_LINES,
    crossing_lines,
    crossing_notice,
    engine_lines,
    engine_notice,
    isolation_notice,
    reuse_line,
)
from flowmagic.notebook.summary.summary import as_html, as_text

from ...virtualtime import virtual


class Load(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        for key in self.params.get("keys", ["image"]):
            shared[key] = self.params["i"]


class Filter(AsyncNode):
    async def prep_async(self, shared):
        await asyncio.sleep(1)
        for key in self.params.get("keys", ["image"]):
            shared[key]


async def crossed(row, **options):
    """Return a run of two instances that meet."""
    first = Load()
    first >> Filter()
    rows = [{"i": i, **row} for i in range(2)]
    return await flowmagic.batchflow(AsyncFlow(start=first), rows, **options)


@virtual
async def test_the_summary_says_who_read_what_and_what_to_do():
    """Both instances with their params, and how to mend it."""
    run = await crossed({})
    html = summary.as_html(run)
    for text in (summary.as_text(run), html.replace("&#x27;", "'")):
        assert (
            "shared['image']: instance 0 (Filter, i=0) read what instance 1 (Load, i=1) wrote"
        ) in text
        assert "--isolate (isolate=True)" in text
        assert "--allow-shared image." in text


@virtual
async def test_the_panel_says_it_while_the_run_goes_on():
    """In its line of notices, unless something worse stands there."""
    run = await crossed({})

    def notice(given=""):
        header = header_of(
            run, run.records, flow="flow", limits=Limits(), notice=given, acknowledged={}
        )
        return header["notice"]

    assert notice().startswith("Instances crossed: shared['image']: instance 0 (Filter, i=0) read")
    assert notice("something else") == "something else"


@virtual
async def test_nothing_is_said_when_all_is_well():
    """Isolated, nothing meets."""
    run = await crossed({}, isolate=True)
    assert crossing_lines(run) == []
    assert crossing_notice(run) == ""
    assert "Instances crossed" not in summary.as_html(run)


@virtual
async def test_what_was_only_overwritten_is_said_more_quietly():
    """A note in the summary, and nothing in the panel."""
    run = await flowmagic.batchflow(AsyncFlow(start=Load()), [{"i": 1}, {"i": 2}])
    lines = crossing_lines(run)
    assert lines[0].startswith("Instances overwrote each other's values")
    assert "instance 1 (Load, i=2) replaced what instance 0 (Load, i=1) wrote" in lines[1]
    assert crossing_notice(run) == ""
    assert "Instances crossed" not in summary.as_html(run)
    assert lines[1].replace("'", "&#x27;") in summary.as_html(run)


@virtual
async def test_keys_are_foreign_text_and_secrets_are_masked():
    """A key may be any text, or a secret itself."""
    row = {"api_key": "sk-secret-12345", "keys": ["<script>alert(1)</script>", "sk-secret-12345"]}
    run = await crossed(row)
    html = summary.as_html(run)
    assert "<script" not in html
    assert "&lt;script" in html
    for text in (html, summary.as_text(run), crossing_notice(run)):
        assert "sk-secret" not in text


@virtual
async def test_many_are_listed_in_part():
    """The first ten, and how many more."""
    run = await crossed({"keys": [f"key{n}" for n in range(30)]})
    lines = crossing_lines(run)
    assert len(lines) == MOST_LINES + 3
    assert lines[-2] == "… and 20 more, all in run.crossings"
    assert "And 29 more" in crossing_notice(run)


@pytest.fixture(autouse=True)
def _no_named_limits():
    yield
    for name in flowmagic.named_limits():
        flowmagic.remove_limit(name)


class Elsewhere:
    """An engine that is none of ours, and isolates."""

    name, isolates = "<else & where>", True

    def begin(self, work):
        return LocalEngine().begin(work)


class Writes(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["mine"] = 1


async def ran(**options):
    return await flowmagic.batchflow(Writes(), [{"i": 1}], **options)


def notice(run, given=""):
    header = header_of(
        run, run.records, flow="flow", limits=Limits(), notice=given, acknowledged={}
    )
    return header["notice"]


@virtual
async def test_an_engine_that_isolates_unasked_is_said_to_in_panel_and_summary():
    """Whichever engine it is; a word of more weight takes the line's place."""
    run = await ran(engine=Elsewhere())
    [line] = engine_lines(run.options.engine)
    assert line.startswith("Each instance has its own snapshot of the shared store, as with --iso")
    assert 'engine "<else & where>"' in line
    assert notice(run) == engine_notice(run.options.engine) == line
    assert notice(run, "something else") == "something else"
    assert f"  {line}\n" in as_text(run)
    assert "snapshot of the shared store, as with --isolate (engine &quot;&lt;else &amp; " in (
        as_html(run)
    )
    assert "<else" not in as_html(run)


@virtual
async def test_that_named_limits_count_for_each_process_is_said_first():
    """Before a provider says it. Of many limits, some are named."""
    for name in ("openai", "search", "<mail>", "four", "five"):
        flowmagic.set_limit(name, concurrency=1)
    run = await ran(engine=Elsewhere())
    assert notice(run).startswith(
        "The named limits (openai, search, <mail> and 2 more) do not count"
    )
    assert "snapshot" in notice(run)
    assert "(openai, search, &lt;mail&gt; and 2 more)" in as_html(run)
    assert len(notice(run)) < 500  # all of it


@virtual
async def test_of_the_engine_that_changes_nothing_nothing_is_said():
    """Nor where the user asked for it."""
    flowmagic.set_limit("openai", concurrency=1)
    for run in (await ran(), await ran(isolate=True)):
        assert engine_lines(run.options.engine) == []
        assert notice(run) == ""
        assert "snapshot" not in as_html(run) + as_text(run)


@virtual
async def test_an_object_that_isolated_instances_share_is_said_in_panel_and_summary():
    """It is of less weight than a crossing, or what an engine changes."""
    run = await ran(isolate=True, shared={"client": asyncio.Event(), "other": asyncio.Event()})
    text = "Isolated instances use one and the same object in shared['client'] (Event)."
    assert notice(run).startswith(text)
    assert notice(run).endswith("And 1 more.")
    assert notice(run, "something else") == "something else"
    assert text in as_text(run)
    assert text.replace("'", "&#x27;") in as_html(run)
    assert isolation_notice(await ran(isolate=True, shared={"data": [1]})) == ""


class Styled(AsyncNode):
    style = "warm"

    async def exec_async(self, _):
        return self.style


class Clocked(AsyncNode):
    async def exec_async(self, _):
        return time.time()


async def test_a_run_with_reuse_says_what_ran_and_why(tmp_path, monkeypatch):
    """In one line: how many execs, what was saved, what has changed, what cannot be reused."""
    node = Styled()
    node >> Clocked()

    async def said():
        flow, journal = AsyncFlow(start=node), tmp_path / "runs.journal"
        run = await flowmagic.batchflow(flow, [{}, {}], journal=journal, reuse=True)
        assert reuse_line(run) in as_text(run)
        assert reuse_line(run) in as_html(run)
        return reuse_line(run)

    clock = "Clocked is not reused: it uses the time (time.time)."
    assert await said() == f"4 execs ran, 0 were reused. {clock}"
    assert await said() == f"2 execs ran, 2 were reused, which had taken 0.0 s. {clock}"
    monkeypatch.setattr(Styled, "style", "cold")
    assert "Styled: tests.notebook.summary.test_notices.Sty… has changed. Clocked" in await said()


class Calling(AsyncNode):
    async def exec_async(self, _):
        return bool(self.client)


async def test_clients_that_count_by_class_and_plain_attributes_are_named(tmp_path):
    """Once for the run: another header of the client is no other key."""
    node = Calling()
    node.client = pytest.importorskip("httpx").Client()
    run = flowmagic.batchflow(node, [{}, {}], journal=tmp_path / "runs.journal", reuse=True)
    text = reuse_line(await run)
    assert text.endswith("Of self['client'], only class and plain attributes count.")


async def test_a_run_without_reuse_says_nothing_of_it():
    """There is nothing to say."""
    assert reuse_line(await flowmagic.batchflow(Styled(), [{}])) == ""
