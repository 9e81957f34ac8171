"""The graph in a real page: the flow's own nodes and actions, with live counts."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, flowmagic
from pocketflow import AsyncFlow, AsyncNode

gate = asyncio.Event()
broken = True

class Decide(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return "answer" if self.params["i"] % 4 == 0 else self.params.setdefault("turn", "search")

class Search(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        self.params["turn"] = "answer"
        return "decide"

class Read(AsyncNode):
    async def exec_async(self, prepared):
        if self.params["i"] in self.params["waiting"]:
            await gate.wait()

class Grade(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        if broken and self.params["i"] in (2, 7):
            raise ValueError("no good")

class Report(AsyncNode): ...

class Apology(AsyncNode): ...

decide, search, report, apology = Decide(), Search(), Report(), Apology()
decide - "search" >> search
search - "decide" >> decide
read, grade = Read(), Grade()
read >> grade
review = AsyncFlow(start=read)
decide - "answer" >> review
review >> report
review - "refused" >> apology
flow = AsyncFlow(start=decide)
"""
RUN = "%%batchflow flow --limit 4 -o run\n[{'i': i, 'waiting': range(20, 23)} for i in range(40)]"


def drawn(book):
    """Choose the graph; return its root."""
    book.panel.get_by_role("tab", name="Graph").click()
    return book.panel.get_by_role("group", name="Graph of the flow")


def node(book, name: str):
    return book.panel.get_by_role("button", name=re.compile(rf"^{name}: "))


def labels(book) -> dict[str, str]:
    """Return what the edges' labels say, by the actions."""
    texts = book.page.evaluate(
        "() => [...document.querySelectorAll('.fm-graph-label')].map(each => each.title)"
    )
    parts = [line.rpartition(" ") for text in texts for line in text.splitlines()]
    return {action: count for action, _, count in parts}


def until_settled(book) -> None:
    """Let what has been told be drawn."""
    book.page.wait_for_timeout(300)


@in_lab
def test_nodes_and_edges_count_while_the_run_goes_on_and_tell_never_in_the_end(notebook):
    """As many as ran there; a failed retry's second attempt counts as well; the table follows."""
    book = started(notebook, RUN, setup=SETUP)
    book.until("run.counts.running == 3 and run.counts.pending == 0")
    drawn(book)
    expect(node(book, "Read")).to_have_accessible_name(
        "Read: 3 running, 37 done, 0 failed; default 37"
    )
    expect(node(book, "Grade")).to_have_accessible_name("Grade: 0 running, 35 done, 2 failed")
    expect(node(book, "Decide")).to_have_accessible_name(
        "Decide: 0 running, 70 done, 0 failed; search 30; answer 40"
    )
    said = labels(book)
    shown = [said[each] for each in ("search", "answer", "decide", "refused")]
    assert shown == ["30", "40", "30", "0"]
    book.value("gate.set() or 0")
    book.until("run.ended")
    expect(node(book, "Apology")).to_have_accessible_name("Apology: 0 running, 0 done, 0 failed")
    expect(node(book, "AsyncFlow")).to_have_accessible_name(
        re.compile(r"0 running, 38 done, 0 failed; default 38; refused never")
    )
    never = book.panel.locator(".fm-graph-lines > .fm-never")
    expect(never).to_have_count(1)
    assert never.evaluate("each => getComputedStyle(each).strokeDasharray") != "none"
    book.value("globals().update(broken=False) or run.retry_failed().ended")
    book.until("run.ended and run.ok")
    expect(node(book, "Grade")).to_have_accessible_name("Grade: 0 running, 40 done, 0 failed")
    title = node(book, "Grade").locator("..").get_attribute("title")
    assert "Raised 2 times in all attempts." in title
    assert "Cell In[" in title


TWINS = """
class ARetrieverOfDocumentsThatAreRelevantAndRerankedTwice(Read):
    async def exec_async(self, prepared):
        await asyncio.sleep(0.1)
        if self.params["i"] == 3 and broken:
            raise ValueError("no good")
        await super().exec_async(prepared)

broken = True
first, second, retriever = Read(), Read(), ARetrieverOfDocumentsThatAreRelevantAndRerankedTwice()
first >> retriever >> second
twins = AsyncFlow(start=first)
"""
LONG_NAME = "ARetrieverOfDocumentsThatAreRelevantAndRerankedTwice"
STROKE = """each => {
    const probe = each.closest(".fm-panel").appendChild(document.createElement("i"));
    probe.style.color = "var(--fm-bad)";
    const bad = getComputedStyle(probe).color;
    probe.remove();
    return getComputedStyle(each).stroke === bad;
}"""


@in_lab
def test_each_node_has_its_own_counts_and_times_and_the_edge_to_a_failure_is_red(notebook):
    """Two nodes of one class as well; a long name stays in its box; after a retry nothing is red."""
    cell = "%%batchflow twins --limit 9 -o run\n[{'i': i, 'waiting': (8,)} for i in range(9)]"
    book = started(notebook, cell, setup=SETUP + TWINS)
    book.until("run.counts.running == 1 and run.counts.pending == 0")
    drawn(book)
    first, second = (node(book, "Read").nth(at) for at in (0, 1))
    expect(first).to_have_accessible_name(re.compile("^Read: 1 running, 8 done, 0 failed"))
    expect(second).to_have_accessible_name(re.compile("^Read: 0 running, 7 done, 0 failed"))
    book.value("gate.set() or 0")
    book.until("run.ended")
    expect(second).to_have_accessible_name(re.compile("^Read: 0 running, 8 done, 0 failed"))
    lines = book.panel.locator(".fm-graph-lines > path:not(.fm-arrow)")
    expect(lines).to_have_count(2)
    assert [line.evaluate(STROKE) for line in lines.all()] == [True, False]
    total, mine = book.value(
        "[sum(copy.ended - copy.started for row in run for copy in row.copies"
        f" if name in copy.node) for name in ('', {LONG_NAME!r})]"
    )
    box = node(book, LONG_NAME).locator("..")
    said = re.search(r"0\.1\d s · (\d+)%", box.inner_text())
    assert said, box.inner_text()
    assert abs(int(said[1]) - 100 * mine / total) <= 1
    inside = "each => each.scrollWidth > each.clientWidth && getComputedStyle(each).textOverflow"
    assert node(book, LONG_NAME).evaluate(inside) == "ellipsis"
    assert box.evaluate("each => each.scrollHeight <= each.clientHeight")
    book.panel.get_by_role("tab", name="Timeline").click()
    legend = book.panel.locator(".fm-shade-name", has_text=LONG_NAME)
    assert legend.evaluate(inside) == "ellipsis"
    book.value("globals().update(broken=False) or run.retry_failed().ended")
    book.until("run.ended and run.ok")
    drawn(book)
    expect(book.panel.locator(".fm-graph-lines > .fm-failing")).to_have_count(0)


@in_lab
def test_a_node_and_its_counts_lead_to_their_instances(notebook):
    """By mouse and by keyboard; no key is the notebook's."""
    book = started(notebook, RUN, setup=SETUP)
    book.until("run.counts.running == 3 and run.counts.pending == 0")
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    count = book.page.evaluate(cells)
    drawn(book)
    book.panel.get_by_role("button", name="2 failed at Grade: show").click()
    expect(book.panel).to_contain_text("2 of 40 shown")
    assert book.page.evaluate("() => document.activeElement.textContent") == "Table"
    drawn(book)
    node(book, "Read").focus()
    for key in ("b", "a", "d", "d", "x", "c"):
        book.page.keyboard.press(key)
    book.page.keyboard.press("Enter")
    expect(book.panel).to_contain_text("3 of 40 shown")
    assert book.page.evaluate(cells) == count
    drawn(book)
    book.panel.get_by_role("button", name="3 running at Read: show").press("Enter")
    expect(book.panel).to_contain_text("3 of 40 shown")
    book.value("gate.set() or 0")
    book.until("run.ended")


@in_lab
def test_the_idle_panel_shows_the_graph_without_counts(notebook):
    """Before anything runs; what a class is called is text; very large graphs are cut."""
    many = (
        f"{SETUP}\nfirst = last = type(\"<img src=x onerror='window.hacked=1'>\", (AsyncNode,), {{}})()\n"
        "for i in range(199):\n    last = last >> Report()\n"
        "many = AsyncFlow(start=first)"
    )
    book = started(notebook, "%batchflow flow", "%batchflow many", setup=many)
    panel = book.panel.first
    panel.get_by_role("tab", name="Graph").click()
    expect(panel.get_by_role("button", name="Decide: async node; search; answer")).to_be_visible()
    expect(panel.get_by_role("button", name=re.compile("^AsyncFlow: async flow"))).to_be_visible()
    assert "done" not in panel.locator(".fm-graph").inner_text()
    book.panel.nth(1).get_by_role("tab", name="Graph").click()
    expect(book.panel.nth(1)).to_contain_text("50 more nodes not drawn.")
    expect(book.panel.nth(1).locator(".fm-graph-node")).to_have_count(150)
    expect(book.panel.nth(1).locator(".fm-graph-name").first).to_contain_text("<img src=x")
    assert book.panel.locator("img, script").count() == 0
    assert book.page.evaluate("() => window.hacked") is None


@in_lab
def test_where_it_is_narrow_the_flow_goes_from_top_to_bottom(notebook):
    """And nothing but the graph itself scrolls sideways; it turns when the width does."""
    book = started(notebook, RUN, setup=SETUP)
    drawn(book)

    def corner(name: str) -> tuple[float, float]:
        box = node(book, name).bounding_box()
        return box["x"], box["y"]

    expect(node(book, "Report")).to_be_visible()
    assert corner("Report")[0] > corner("Decide")[0] + 300
    book.page.set_viewport_size({"width": 640, "height": 900})
    book.page.evaluate("() => { document.querySelector('.fm-panel').style.width = '400px'; }")
    until_settled(book)
    assert corner("Report")[1] > corner("Decide")[1] + 200
    root = book.panel.locator(".fm-graph")
    assert root.evaluate("each => each.scrollWidth <= each.clientWidth")
    book.value("gate.set() or 0")
    book.until("run.ended")


@in_lab
def test_several_nodes_of_one_class_say_what_the_page_cannot_tell(notebook):
    """Of too many running instances it is said where all of them are; what is done, node by node."""
    setup = (
        f"{SETUP}\nfirst, second = Read(), Read()\nfirst >> second\ntwice = AsyncFlow(start=first)"
        "\nflowmagic.flow.traffic._MOST_LIVE = 0"
    )
    run = "%%batchflow twice --limit 4 -o run\n[{'i': i, 'waiting': [3]} for i in range(4)]"
    book = started(notebook, run, setup=setup)
    book.until("run.counts.running == 1 and run.counts.succeeded == 3")
    drawn(book)
    boxes = book.panel.locator(".fm-graph-node")
    expect(boxes).to_have_count(2)
    for each in (boxes.first, boxes.nth(1)):
        expect(each).to_contain_text("1 running at 2 nodes")
        expect(each).to_contain_text("3 done")
        assert "2 nodes are called Read." in each.get_attribute("title")
    book.value("gate.set() or 0")
    book.until("run.ended")
    for each in (boxes.first, boxes.nth(1)):
        expect(each).to_contain_text("4 done")


@in_lab
def test_reused_outputs_are_counted_at_their_node(notebook, tmp_path):
    """Beside how many are done."""
    journal = tmp_path / "runs.journal"
    rows = "[{'i': i} for i in range(%d)]"
    before = (
        f"await flowmagic.batchflow(Report(), {rows % 3}, journal={str(journal)!r}, reuse=True)"
    )
    cell = f"%%batchflow alone -o run --journal {journal} --reuse\n{rows % 5}"
    book = started(notebook, cell, setup=f"{SETUP}\n{before}\nalone = Report()")
    book.until("run.ended")
    drawn(book)
    expect(node(book, "Report")).to_have_accessible_name(
        "Report: 0 running, 5 done, 0 failed; 3 reused"
    )
