"""Content that no page expects, in a real one: nothing breaks, nothing is executed, all is bounded."""

from __future__ import annotations

import os
import random

import nbformat
import pytest
from playwright.sync_api import expect

from tests.hostiletexts import FRAGMENTS, some_text

from .test_overview_in_page import until_drawn
from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = r"""
%load_ext flowmagic
import asyncio, json, time, flowmagic
from ipykernel.comm.comm import BaseComm
from pocketflow import AsyncFlow, AsyncNode

sizes = []
publish = BaseComm.publish_msg

def publish_msg(self, kind, data=None, metadata=None, buffers=None, **keys):
    if kind == "comm_msg":
        sizes.append(len(json.dumps(data)) + sum(map(len, buffers or ())))
    return publish(self, kind, data, metadata, buffers, **keys)

BaseComm.publish_msg = publish_msg

class Loud:
    def __repr__(self):
        raise RuntimeError("no repr")

class Slow:
    said = 0
    def __repr__(self):
        Slow.said += 1
        time.sleep(0.3)
        return "Slow()"

def deep(kind, n=900):
    value = 1
    for _ in range(n):
        value = [value] if kind is list else {"d": value}
    return value

async def exec_async(self, prepared):
    print(self.params.get("print", ""), self.params.get("api_key"))
    if "raise" in self.params:
        raise ValueError(self.params["raise"])
    return self.params.get("value") or dict(self.params)

async def post_async(self, shared, prepared, executed):
    shared[self.params.get("shared", "x")] = self.params.get("shared")
    return self.params.get("action")

hostile = "<img src=x onerror=window.hit=1>\u202e"
Node = type(hostile, (AsyncNode,), {"exec_async": exec_async, "post_async": post_async})
node, last = Node(), Node()
node >> last
last - "<b>again</b>" >> node
flow = AsyncFlow(start=node)
big = "<script>window.hit=1</script>" + "y" * 10_000_000
"""
EXTREME = r"""%%batchflow flow --limit 3 -o run
[
    {"name": "big", "value": big, "print": big, "action": big, "shared": big},
    {"name": "raising", "raise": big, "print": big},
    {"name": "loud", "value": Loud(), "action": Loud(), "raise": Loud()},
    {"name": "slow", "value": Slow(), "slow": [Slow() for _ in range(8)], "action": Slow()},
    {"name": "markup", "value": "</script><script>window.hit=1</script>", "raise": "\x1b[31m\x00\ud800"},
    {"name": "turned", "value": "\u202eabc", "\u202ekey": "\u05d0\u05d1 1, 2", "raise": "\u202eabc \u05d0"},
    {"name": "many", **{f"key{i}": i for i in range(1_000)}, "k" * 100_000: "long"},
    {"name": "deep", "list": deep(list), "dict": deep(dict), "__proto__": {"hit": 1}, "constructor": 1},
    *({"name": "plain", "value": 1} for _ in range(5)),
]"""
STATUSES = [
    "succeeded",
    "failed",
    "failed",
    "succeeded",
    "failed",
    "failed",
    "succeeded",
    "succeeded",
]
TABS = ("Table", "Timeline", "Graph", "Params")
# Of every element: its name, and what could act.
ELEMENTS = """panel => [...new Set([...panel.querySelectorAll("*")].flatMap(each => [
    each.localName,
    ...each.getAttributeNames().filter(name => /^on|^href$|^src$/.test(name)).map(name => `@${name}`),
]))].sort()"""
LONGEST = """root => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    let longest = 0;
    while (walker.nextNode()) longest = Math.max(longest, walker.currentNode.data.length);
    return longest;
}"""
HARMLESS = {
    "bdi",
    "button",
    "canvas",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "i",
    "input",
    "label",
}
HARMLESS |= {
    "legend",
    "li",
    "option",
    "path",
    "pre",
    "section",
    "select",
    "span",
    "strong",
    "summary",
}
HARMLESS |= {"svg", "textarea", "ul"}
HARMLESS |= {"table", "tbody", "td", "th", "tr"}  # of outputs that are dicts


@pytest.fixture
def told(request):
    """Return a function that opens a notebook, and note what its page says of errors."""
    said: list[str] = []

    def open_one(notebook, *cells, **options):
        book = started(notebook, *cells, setup=SETUP, **options)
        book.page.on(
            "console",
            lambda message: said.append(message.text) if "blob:" in str(message.location) else None,
        )
        return book

    yield open_one
    assert said == []


def safe(book) -> None:
    """Nothing was executed, and nothing in the panel is more than it should be."""
    assert book.page.evaluate("() => window.hit") is None
    assert set(book.panel.evaluate(ELEMENTS)) <= HARMLESS
    assert book.panel.evaluate(LONGEST) < 45_000
    assert len(book.panel.inner_html()) < 400_000


def look_everywhere(book, rows) -> None:
    """Look at the instances in each way, and at some of them opened."""
    for tab in TABS:
        book.panel.get_by_role("tab", name=tab).click()
        until_drawn(book)
        safe(book)
    book.panel.get_by_role("tab", name="Table").click()
    overview = book.panel.get_by_role("listbox", name="Overview")
    opened = book.panel.get_by_role("region", name="Opened instance")
    keys = book.page.keyboard
    for index in rows:
        overview.focus()
        keys.press("Home")
        for _ in range(index):
            keys.press("ArrowRight")
        keys.press("Enter")
        expect(opened).to_contain_text(f"Instance {index}")
        expect(opened.locator(".fm-copy").first).to_be_visible()
        safe(book)
        keys.press("Escape")
    book.params()
    safe(book)
    book.panel.get_by_role("tab", name="Table").click()


@in_lab
def test_extreme_values_break_nothing_and_are_cut(notebook, told):
    """10 MB, slow reprs, reprs that raise, markup, controls, a thousand keys: each row reaches its end."""
    book = told(notebook, EXTREME)
    book.until("run.ended")
    assert book.value("[str(each.status) for each in run.instances]")[:8] == STATUSES
    look_everywhere(book, range(9))
    expect(book.panel.locator(".fm-editor")).to_contain_text("The list is too long to edit as text")
    find = book.panel.get_by_role("searchbox")
    find.fill("window.hit=1")
    expect(book.panel.get_by_text("of 13 shown").first).to_be_visible()
    assert book.value("len(sizes) > 5 and max(sizes)") < 60_000
    assert book.value("Slow.said") <= 3, "what takes long is not asked again"
    book.save()
    path = book.server.root / book.name
    assert path.stat().st_size < 700_000
    assert "yyyyyyyyyy" * 100 not in path.read_text()


@in_lab
def test_what_turns_text_round_turns_only_itself(notebook, told):
    """Its controls stand there as escapes, and the words beside a text stay where they are."""
    book = told(notebook, EXTREME)
    book.until("run.ended")
    book.row(5).click()
    opened = book.panel.get_by_role("region", name="Opened instance")
    name = opened.locator("dt", has_text=r"\u202ekey").first
    value = name.locator("+ dd")
    expect(value).to_contain_text("\u05d0\u05d1 1, 2")
    assert value.locator("bdi").bounding_box()["x"] >= name.bounding_box()["x"]
    expect(book.row(5)).to_contain_text(r"\u202eabc")
    assert "\u202e" not in book.panel.inner_text()


@in_lab
def test_no_generated_text_becomes_markup_and_no_secret_is_told(notebook, told):
    """Params, keys, actions, outputs, errors, prints of 60 rows; in the page and in the saved notebook."""
    seed = int(os.environ.get("FLOWMAGIC_SEED") or random.randrange(10**9))
    print(f"FLOWMAGIC_SEED={seed}")
    dice = random.Random(seed)
    secret = "sk-5ecret-" + "".join(dice.choice("abcdefghij<>&'\"") for _ in range(12))
    rows = []
    for index in range(60):
        kinds = [
            "print",
            "shared",
            "raise" if index % 3 == 0 else "action",
            some_text(dice),
            "value",
        ]
        row = {kind: some_text(dice) for kind in kinds}
        row["quoted"] = row["print"] + secret
        if index % 3 == 0:
            row["raise"] += secret
        rows.append({**row, "n": index, "api_key": secret})
    rows[0] = {**dict(zip(FRAGMENTS, reversed(FRAGMENTS), strict=True)), **rows[0]}
    book = told(notebook, f"rows = {rows!a}", "%%batchflow flow --limit 3 -o run\nrows")
    book.until("run.ended")
    assert book.value("run.counts.failed") >= 20
    look_everywhere(book, [0, 1, 2, 30])
    book.panel.get_by_role("grid", name="Instances").evaluate("each => { each.scrollTop = 1e6; }")
    expect(book.row(59)).to_be_visible()
    safe(book)
    for text in (book.panel.inner_html(), book.panel.evaluate("each => each.textContent")):
        assert secret not in text
    assert (
        book.panel.evaluate(
            "each => [...each.querySelectorAll('textarea, input')].map(one => one.value).join()"
        ).count(secret)
        == 0
    )
    book.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel"
        ".toJSON().outputs.some(each => JSON.stringify(each.data).includes('failed'))"
    )
    book.save()
    saved = nbformat.read(book.server.root / book.name, as_version=4)
    outputs = str(saved.cells[2].outputs)
    assert "failed" in outputs
    assert secret not in outputs
    summary = book.page.locator(".jp-RenderedHTML > details")
    assert set(summary.evaluate(ELEMENTS)) <= {
        "b", "caption", "code", "details", "div", "i", "li", "p", "pre", "span", "summary", "table",
        "tbody", "td", "th", "thead", "tr", "ul",
    }  # fmt: skip
    assert book.page.evaluate("() => window.hit") is None
