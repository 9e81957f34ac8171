"""What a panel that was off screen shows when one comes back to it: what the records say, painted."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from .test_panel_in_page import in_lab

expect.set_options(timeout=30_000)

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"
RUNS = ("users", "run", "rush")

PAINTED = """panel => [
    panel.querySelector(".fm-say").innerText,
    Object.fromEntries([...panel.querySelectorAll(".fm-segment")].map(each => [
        each.dataset.status,
        each.getBoundingClientRect().width / each.parentElement.getBoundingClientRect().width,
    ])),
]"""
MIDDLE_LINE = """async png => {
    const blob = await (await fetch(`data:image/png;base64,${png}`)).blob();
    const picture = await createImageBitmap(blob);
    const pen = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    pen.drawImage(picture, 0, 0);
    const { data } = pen.getImageData(0, Math.floor(picture.height / 2), picture.width, 1);
    const shares = {};
    for (let i = 0; i < data.length; i += 4) {
        const colour = `rgb(${data[i]}, ${data[i + 1]}, ${data[i + 2]})`;
        shares[colour] = (shares[colour] ?? 0) + 1 / picture.width;
    }
    return shares;
}"""


def painted(book, locator) -> dict[str, float]:
    """Return the share of each colour along the middle of a screenshot of an element."""
    png = base64.b64encode(locator.screenshot()).decode()
    return book.page.evaluate(MIDDLE_LINE, png)


@in_lab
def test_the_quickstart_run_at_once_shows_the_records_wherever_one_scrolls(notebook):
    """Run All scrolls past every panel; back at each, widths, words and pixels are those of the records."""
    cells = nbformat.read(QUICKSTART, as_version=4).cells
    book = notebook(*cells, width=1300, height=900, alone=True)
    book.page.evaluate(
        "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return null; }"
    )
    book.until("'rush' in globals() and 'largest' in globals() and rush.ended", 120)
    expect(book.panel).to_have_count(len(RUNS))
    for name, panel in zip(RUNS, book.panel.all(), strict=True):
        succeeded, total = book.value(f"[{name}.counts.succeeded, {name}.total]")
        panel.evaluate("each => each.scrollIntoView({ block: 'center' })")
        expect(panel.locator(".fm-say")).to_contain_text(str(total))
        book.page.wait_for_timeout(500)  # transitions end, if they were started
        words, widths = panel.evaluate(PAINTED)
        assert str(total) in words
        assert widths["succeeded"] == pytest.approx(succeeded / total, abs=0.01), name
        green = panel.locator(".fm-segment[data-status=succeeded]")
        colour = green.evaluate("each => getComputedStyle(each).backgroundColor")
        assert painted(book, panel.locator(".fm-bar"))[colour] > succeeded / total - 0.01, name
