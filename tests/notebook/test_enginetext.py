"""What a user is told of an engine that changes what a run promises."""

from __future__ import annotations

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.engines.local import LocalEngine
from flowmagic.limits import Limits
from flowmagic.notebook.enginetext import engine_lines, engine_notice
from flowmagic.notebook.header import header_of
from flowmagic.notebook.summary import as_html, as_text

from ..virtualtime import virtual


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
    header = header_of(run, run.records, flow="flow", limits=Limits(), notice=given, heard={})
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
