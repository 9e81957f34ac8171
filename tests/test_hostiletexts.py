"""Whatever text comes from outside: it is shown as text, bounded, and without secrets."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel.detail import detail_of
from flowmagic.notebook.panel.graph import GraphState
from flowmagic.notebook.panel.header import header_of
from flowmagic.notebook.panel.param_list import ParamList
from flowmagic.notebook.panel.rerun_cell import Origin, cell_of
from flowmagic.notebook.panel.row_text import VaryingColumns, row_labels, row_texts
from flowmagic.notebook.summary import summary
from flowmagic.records.printed import keep
from flowmagic.run.api import start
from flowmagic.run.options import Options

from .hostiletexts import FRAGMENTS, texts

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TAGS = {"b", "caption", "code", "details", "div", "i", "li", "p", "pre", "span", "summary"}
TAGS |= {"table", "tbody", "td", "th", "thead", "tr", "ul"}
secrets = st.text(min_size=8, max_size=30).map(lambda text: f"sk-{text}-9")


class Say(AsyncNode):
    """Says what its params say, in every way in which a node can."""

    async def exec_async(self, prepared):
        keep(f"{self.params['print']}{self.params['api_key']}\n")
        if "raise" in self.params:
            raise ValueError(self.params["raise"], self.params["api_key"])

    async def post_async(self, shared, prepared, executed):
        shared[self.params["key"]] = self.params["api_key"]
        return self.params["action"]


def run_of(said: dict[str, str], extra: dict[str, object], secret: str) -> flowmagic.BatchRun:
    """Run three rows that say these things: two that meet in the store, and one that fails."""
    row = {**extra, **said, "api_key": secret, "quoted": f"{said['print']}{secret}"}
    raising = {**row, "raise": said["action"]}
    rows = [row, raising, {**row, "n": 1}]

    async def main():
        flow, options = AsyncFlow(start=Say()), Options(capture=True)
        return await start(flow, rows, shared=None, options=options)

    return asyncio.run(main())


def sent(run: flowmagic.BatchRun) -> list[object]:
    """Return all that a page is told of a run."""
    records = run.records
    varying = VaryingColumns(records)
    varying.look()
    editor = ParamList(None)
    editor.run = run
    graph = GraphState(call_soon=lambda step: step(), on_ready=lambda: None)
    graph.watch(run.flow, records)
    return [
        header_of(run, records, flow="flow", limits=run.limits, notice="", acknowledged={}),
        row_texts(records, range(3), varying),
        varying.columns(),
        row_labels(records, varying),
        graph.state(),
        editor.editor()["text"].replace("\x7f", ""),  # as JSON has it; a page shows a box
        *(
            detail_of(records, index, partial(cell_of, Origin("flow"), run, records))
            for index in range(3)
        ),
    ]


def strings(value: object) -> list[str]:
    """Return every text in a message, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in strings(each)]
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in strings(each)]
    return []


class Markup(HTMLParser):
    """Reads HTML as a browser does, as far as tags and attributes go."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.others: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_comment(self, data):
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


said = st.fixed_dictionaries(dict.fromkeys(("print", "action", "key"), texts))
extra = st.dictionaries(texts, texts | st.lists(texts, max_size=2), max_size=4)


@settings(max_examples=80)
@given(said, extra, secrets)
def test_no_text_becomes_markup_or_a_command_to_a_terminal_and_no_secret_is_told(
    said, extra, secret
):
    """In what the page is sent, what a saved notebook keeps, and what a cell raises."""
    run = run_of(said, extra, secret)
    html, plain = summary.as_html(run), summary.as_text(run)
    markup = Markup(html)
    assert markup.tags <= TAGS
    assert {name for name, _ in markup.attributes} <= {"class", "style", "open", "title"}
    assert markup.others == []
    with pytest.raises(flowmagic.InstancesFailedError) as caught:
        run.raise_for_failures()
    raised = [str(caught.value), *caught.value._render_traceback_()]
    told = [html, plain, *strings(sent(run)), *raised]
    for text in told:
        assert not UNSEEN.search(text), text
        assert len(text) < 40_000
        assert secret not in unescape(text)
    assert sum(map(len, told)) < 200_000


def test_the_texts_hold_what_they_are_to_be_safe_from():
    """A test of harmless texts would prove nothing."""
    alarming = [Markup(fragment) for fragment in FRAGMENTS]
    assert {"script", "img", "svg"} <= set().union(*(each.tags for each in alarming))
    assert "onerror" in {name for each in alarming for name, _ in each.attributes}
    assert any(each.others for each in alarming)
    assert UNSEEN.search("".join(FRAGMENTS))
