"""On paper, and exported: the panel as a browser prints it, and the saved notebook as nbconvert has it."""

from __future__ import annotations

import nbformat
import pytest
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter
from playwright.sync_api import expect

from .test_overview_in_page import colour, mixed, until_drawn
from .test_panel_in_page import in_lab
from .test_summary_in_page import CELL, _finished

expect.set_options(timeout=30_000)
SHADE = """each => {
    const { data } = each.getContext("2d").getImageData(0, 0, each.width, each.height);
    let [sum, seen] = [0, 0];
    for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] < 255) continue;
        sum += data[at] + data[at + 1] + data[at + 2];
        seen += 1;
    }
    return sum / seen / 3;
}"""


@in_lab
def test_printed_in_a_dark_theme_the_panel_is_light_and_nothing_scrolls(notebook):
    """Canvases too; afterwards it is dark again. What can only be pressed is not printed."""
    book = mixed(notebook)
    book.theme("JupyterLab Dark")
    overview = book.panel.locator(".fm-canvas").first
    book.page.wait_for_function(f"() => ({SHADE})(document.querySelector('.fm-canvas')) < 110")
    book.row(2).click()
    opened = book.panel.get_by_role("region", name="Opened instance")
    expect(opened).to_contain_text("ValueError")
    book.panel.evaluate(
        """each => {
            window.printed = [];
            addEventListener("beforeprint", () => window.printed.push(
                getComputedStyle(each).color, getComputedStyle(each).backgroundColor));
        }"""
    )
    book.page.evaluate(
        f"""() => addEventListener("beforeprint",
            () => window.printed.push(({SHADE})(document.querySelector(".fm-canvas"))))"""
    )
    book.page.pdf()
    ink, paper, shade = book.page.evaluate("() => window.printed")
    assert (ink, paper) == ("rgb(31, 35, 40)", "rgb(255, 255, 255)")
    assert shade > 140
    book.page.wait_for_function(f"() => ({SHADE})(document.querySelector('.fm-canvas')) < 110")
    assert sum(colour(book, "paper")[:3]) < 200
    book.page.emulate_media(media="print")
    until_drawn(book)
    for hidden in (book.slider, book.button("Stop"), book.panel.get_by_role("searchbox")):
        expect(hidden).to_be_hidden()
    cut = book.panel.evaluate(
        """each => [...each.querySelectorAll(".fm-detail, .fm-trace")]
            .filter(one => one.scrollHeight > one.clientHeight + 2).map(one => one.className)"""
    )
    assert cut == []
    expect(overview).to_be_visible()
    book.value("gate.set() or 0")


@pytest.mark.parametrize("theme", ["light", "dark"])
@in_lab
def test_exported_by_nbconvert_the_summary_stands_there_and_the_panel_is_a_line(notebook, theme):
    """In the colours of the page; no script of ours, and the bars of the timeline are there."""
    book = _finished(notebook, CELL)
    book.save()
    saved = nbformat.read(book.server.root / book.name, as_version=4)
    html, _ = HTMLExporter(theme=theme).from_notebook_node(saved)
    path = book.server.root / f"{book.name}.html"
    path.write_text(html, encoding="utf-8")
    page = book.page.context.new_page()
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    expect(
        page.get_by_text("The flowmagic panel of flow; it is live while its kernel runs.")
    ).to_be_visible()
    expect(page.locator("details summary", has_text="5 of 6 succeeded, 1 failed")).to_be_visible()
    expect(page.get_by_text("ValueError: no user").first).to_be_visible()
    page.get_by_text("Timeline: about").click()
    bar = page.locator("details details i:visible").first
    expect(bar).to_be_visible()
    assert bar.evaluate("each => getComputedStyle(each).printColorAdjust") == "exact"
    ink, paper = page.evaluate(
        """() => [getComputedStyle(document.querySelector("details summary")).color,
            getComputedStyle(document.body).backgroundColor]
            .map(each => each.match(/\\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0))"""
    )
    assert abs(ink - paper) > 380, "readable on the page that there is"
    page.close()
    for exporter in (MarkdownExporter(), LatexExporter()):
        text, _ = exporter.from_notebook_node(saved)
        assert "The flowmagic panel of flow" in text
        assert "5 of 6 succeeded, 1 failed" in text
        assert "application/vnd" not in text
