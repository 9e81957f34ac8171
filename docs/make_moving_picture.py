"""Make docs/panel.gif: a run in the panel, steered by hand, in a real JupyterLab.

Run: python docs/make_moving_picture.py. Needs what the browser tests need (the `test` extra and a
Chromium), and Pillow.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from docs.make_picture import CELL, FLOW  # noqa: E402 - needs the path above
from tests.browser.conftest import QUIET, Notebook, Server  # noqa: E402 - ditto

EVERY = 250  # milliseconds between two pictures
HEIGHT = 800  # pixels of the panel that are shown
COLOURS = 64


def main() -> None:
    """Open a notebook, run it, move the slider, look at the timeline and the graph."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = Server("lab", Path(folder))
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        browser = driver.chromium.launch(executable_path=path, args=QUIET)
        try:
            page = browser.new_context(viewport={"width": 1000, "height": 1250}).new_page()
            book = Notebook(server, page, [FLOW, CELL.replace("--adaptive 2-8-20", "--limit 6")])
            book.run(0)
            book.run(1)
            book.panel.wait_for()
            book.panel.evaluate("panel => panel.scrollIntoView()")
            pictures = list(_taken(book, page))
        finally:
            browser.close()
            server.stop()
    first, *others = [each.quantize(COLOURS) for each in pictures]
    first.save(
        ROOT / "docs" / "panel.gif",
        save_all=True,
        append_images=others,
        duration=EVERY,
        loop=0,
        optimize=True,
    )


def _taken(book, page):  # noqa: ANN001, ANN202 - of the tests, which are untyped
    def film(pictures: int):  # noqa: ANN202
        for _ in range(pictures):
            box = book.panel.bounding_box()
            clip = {**box, "height": HEIGHT}
            yield Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
            page.wait_for_timeout(EVERY // 2)

    yield from film(6)
    box = book.slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * 5 / 49, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, y, steps=8)
    yield from film(4)
    page.mouse.up()
    yield from film(4)
    book.panel.get_by_role("tab", name="Timeline").click()
    yield from film(8)
    book.panel.get_by_role("tab", name="Graph").click()
    yield from film(6)
    book.panel.get_by_role("tab", name="Table").click()
    book.row(6).click()
    yield from film(8)


if __name__ == "__main__":
    main()
