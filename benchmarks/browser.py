"""A real JupyterLab in headless Chromium, for the benchmarks that need one; as the tests drive it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def opener(script: str = "") -> Iterator[Any]:
    """Give a function that opens a notebook with the given cells, and runs the first.

    Args:
        script: a function that each page calls before anything else.
    """
    sys.path.insert(0, str(Path(__file__).parent.parent))
    try:
        from playwright.sync_api import sync_playwright

        from tests.browser.conftest import QUIET, Server
    except ImportError as error:
        sys.exit(f"This is measured with the tests' browser: pip install -e '.[test]' ({error})")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=QUIET)
        server = Server("lab", Path(folder))
        try:
            with opening(server, browser, script) as open_one:
                yield open_one
        finally:
            browser.close()
            server.stop()


@contextmanager
def opening(server: Any, browser: Any, script: str) -> Iterator[Any]:
    """Give the function of `opener`, with a server and a browser that are there."""
    from tests.browser.conftest import Notebook

    pages: list[Any] = []

    def open_one(*cells: str, again: bool = False) -> Any:
        """Open one, if `again` in the page of the one before, which is closed."""
        if not again:
            close()
            pages.append(browser.new_context(viewport={"width": 1280, "height": 900}).new_page())
            if script:
                pages[0].add_init_script(f"({script})()")
        book = Notebook(server, pages[0], list(cells))
        book.run(0)
        return book

    def close() -> None:
        while pages:
            pages.pop().context.close()

    try:
        yield open_one
    finally:
        close()


def share(ordered: list[float], share: float) -> float | None:
    """Return the value below which a share of them lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
