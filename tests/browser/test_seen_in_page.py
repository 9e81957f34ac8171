"""However one looks at a panel, it shows the records: one of many, zoomed, twice, in a hidden tab."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from .test_panel_in_page import SETUP, in_lab, started
from .test_scrolled_away_in_page import PAINTED

expect.set_options(timeout=30_000)

LONG = "%%batchflow flow --limit 2 -o run{n}\n[{{'user_id': i}} for i in range(100_000)]"
MUTATIONS = """async ms => {
    const panels = [...document.querySelectorAll(".fm-panel")];
    const counts = panels.map(() => 0);
    const observers = panels.map((panel, i) => {
        const observer = new MutationObserver(records => {
            counts[i] += records.filter(({ target }) => !target.closest?.("[aria-live]")).length;
        });
        observer.observe(panel, { subtree: true, childList: true, characterData: true, attributes: true });
        return observer;
    });
    const { fillRect } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillRect = function (...box) {
        counts[panels.indexOf(this.canvas.closest(".fm-panel"))] += 1;
        return fillRect.apply(this, box);
    };
    await new Promise(done => setTimeout(done, ms));
    CanvasRenderingContext2D.prototype.fillRect = fillRect;
    for (const each of observers) each.disconnect();
    return counts;
}"""
STUCK_OUT = """panel => {
    const edge = panel.getBoundingClientRect().right + 1;
    return [...panel.querySelectorAll("*")].filter(each =>
        !each.closest(".fm-hidden, .fm-scroller, .fm-graph-scroller")
        && each.checkVisibility() && each.getBoundingClientRect().right > edge
    ).map(each => each.className);
}"""
BLURRED = """panel => [...panel.querySelectorAll("canvas")].filter(each => each.checkVisibility()
    && Math.abs(each.width - each.getBoundingClientRect().width * devicePixelRatio) > 1
).map(each => [each.className, each.width, each.getBoundingClientRect().width, devicePixelRatio])"""


def agrees(book, panel, name: str) -> None:
    """Check that the widths and words that a panel paints are those of a run that has ended."""
    counts = book.value(f"[{name}.counts.succeeded, {name}.counts.failed, {name}.counts.cancelled]")
    total = book.value(f"{name}.total")
    panel.scroll_into_view_if_needed()
    bar = panel.locator(".fm-bar")
    expect(bar).to_have_attribute("aria-label", re.compile(f"{counts[0]:,} succeeded"))
    expected = {
        status: pytest.approx(count / total, abs=0.02)
        for status, count in zip(("succeeded", "failed", "cancelled"), counts, strict=True)
    }
    for _ in range(100):  # it is drawn when it is scrolled to
        _, painted = panel.evaluate(PAINTED)
        shown = {status: painted[status] for status in expected}
        if shown == expected:
            return
        book.page.wait_for_timeout(50)
    raise AssertionError(f"{name} is painted as {shown}, and has {counts} of {total}")


@in_lab
def test_of_ten_panels_only_those_on_screen_are_drawn_and_all_share_one_style_sheet(notebook):
    """While all ten run; scrolled to when they have ended, each shows what became of its run."""
    book = notebook(SETUP, *(LONG.format(n=n) for n in range(10)), alone=True)
    book.page.evaluate(
        """() => {
            window.sheets = 0;
            new MutationObserver(records => {
                window.sheets += records.filter(({ target, addedNodes }) =>
                    target.matches?.(".fm-style-sheet")
                    || [...addedNodes].some(each => each.matches?.(".fm-style-sheet"))).length;
            }).observe(document.head, { subtree: true, childList: true });
        }"""
    )
    for index in range(11):
        book.run(index)
    expect(book.panel).to_have_count(10)
    assert 1 <= book.page.evaluate("window.sheets") <= 2, "added and filled once"
    ids = book.panel.evaluate_all(
        "panels => panels.flatMap(each => [...each.querySelectorAll('[id]')].map(({ id }) => id))"
    )
    assert len(ids) == len(set(ids)), "a panel would refer to parts of another"
    book.panel.nth(4).evaluate("each => each.scrollIntoView({ block: 'start' })")
    book.page.wait_for_timeout(1_000)
    counts = book.page.evaluate(MUTATIONS, 2_000)
    assert counts[4] > 0, counts
    assert [counts[i] for i in (0, 1, 7, 8, 9)] == [0] * 5, counts
    book.value("[run.cancel() for run in (run0, run1, run2, run3, run4)] and 0")
    book.value("[run.cancel() for run in (run5, run6, run7, run8, run9)] and 0")
    book.until("all(globals()[f'run{n}'].ended for n in range(10))")
    said = book.panel.nth(9).locator("[aria-live]")
    expect(said).to_have_text(re.compile("^cancelled: "))  # the end is said, wherever one looks
    for n in range(10):
        agrees(book, book.panel.nth(n), f"run{n}")


@in_lab
@pytest.mark.parametrize("zoom", [0.67, 1.5, 2])
def test_zoomed_nothing_sticks_out_and_canvases_are_sharp(notebook, zoom):
    """As the browser zooms: fewer and larger pixels of the page; also when it changes in a run."""
    rows = "[{'user_id': i, 'fail': 'no' * (i % 9 == 0)} for i in range(300)]"
    cell = f"%%batchflow flow --limit 30 -o run\n{rows}"
    book = started(notebook, cell, width=1300, alone=True)
    book.until("run.counts.ended > 20")
    devtools = book.page.context.new_cdp_session(book.page)
    size = {"width": round(1300 / zoom), "height": round(900 / zoom), "mobile": False}
    devtools.send("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": zoom})
    book.until("run.ended")
    assert book.page.evaluate("[devicePixelRatio, innerWidth]") == pytest.approx(
        [zoom, size["width"]]
    )
    for tab in ("Table", "Timeline", "Graph"):
        book.panel.get_by_role("tab", name=tab).click()
        book.page.wait_for_timeout(500)
        assert book.panel.evaluate(STUCK_OUT) == [], tab
        assert book.panel.evaluate(BLURRED) == [], tab
    agrees(book, book.panel, "run")
    assert book.page.evaluate("[devicePixelRatio, innerWidth]") == pytest.approx(
        [zoom, size["width"]]
    )


@in_lab
def test_a_new_view_of_the_output_shows_the_same_and_steers(notebook):
    """JupyterLab's "Create New View for Cell Output", opened in mid-run."""
    book = started(notebook, LONG.format(n=""), alone=True)
    book.page.evaluate(
        "() => window.jupyterapp.commands.execute('notebook:create-output-view').then(() => null)"
    )
    expect(book.panel).to_have_count(2)
    for _ in range(3):
        book.panel.nth(1).get_by_role("slider", name="Concurrency limit").press("ArrowRight")
    book.until("run.limit == 5")
    for view in book.panel.all():
        expect(view.get_by_role("spinbutton")).to_have_value("5")
    book.value("run.cancel().ended")
    book.until("run.ended")
    for view in book.panel.all():
        agrees(book, view, "run")


@in_lab
def test_two_notebooks_side_by_side_each_show_their_own_run(notebook, server):
    """In one page, where they share the style sheet; one is closed, and the other one goes on."""
    cell = "%%batchflow flow --limit 9 -o run\n[{'user_id': i, 'fail': 'no'} for i in range(40)]"
    book = started(notebook, cell, alone=True, width=1600)
    book.until("run.ended")
    first = book.page.evaluate(
        """() => {
            const { id } = window.jupyterapp.shell.currentWidget;
            window.jupyterapp.shell.mode = "multiple-document";
            return id;
        }"""
    )
    other = type(book)(server, book.page, [SETUP, cell.replace("'fail': 'no'", "'x': 1")])
    book.page.evaluate(
        """id => {
            const { shell } = window.jupyterapp;
            const other = shell.currentWidget.id;
            const first = [...shell.widgets("main")].find(each => each.id === id);
            shell.add(first, "main", { mode: "split-left", ref: other });
            shell.activateById(other);
        }""",
        first,
    )
    other.ready()
    other.run(0)
    other.run(1)
    other.until("run.ended")
    expect(book.panel).to_have_count(2)
    labels = [each.locator(".fm-bar").get_attribute("aria-label") for each in book.panel.all()]
    assert sorted(labels) == ["Instances: 40 failed", "Instances: 40 succeeded"]
    widths = [each.evaluate(PAINTED)[1] for each in book.panel.all()]
    assert sorted((each["succeeded"], each["failed"]) for each in widths) == [(0, 1), (1, 0)]
    other.close()
    expect(book.panel).to_have_count(1)
    colour = "each => getComputedStyle(each).backgroundColor"
    assert (
        book.panel.locator("[data-status=failed].fm-segment").evaluate(colour) != "rgba(0, 0, 0, 0)"
    )


@in_lab
def test_a_hidden_tab_shows_the_end_of_the_run_when_it_is_looked_at_again(notebook, server):
    """Frozen, as browsers freeze hidden tabs, from the middle of the run until after its end."""
    done = server.root / "done"
    watch = (
        "async def end(run):\n    await run\n    open('done', 'w').close()\n"
        "ending = asyncio.ensure_future(end(run))"
    )
    rows = "[{'user_id': i, 'fail': 'no' * (i % 4 == 0)} for i in range(80)]"
    cell = f"%%batchflow flow --limit 3 -o run\n{rows}"
    book = started(notebook, cell, watch, alone=True)
    book.until("run.counts.ended > 3")
    devtools = book.page.context.new_cdp_session(book.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    deadline = time.monotonic() + 60
    while not done.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    expect(book.panel.locator(".fm-bar")).to_have_attribute(
        "aria-label", "Instances: 60 succeeded, 20 failed"
    )
    agrees(book, book.panel, "run")
