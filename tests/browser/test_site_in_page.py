"""The pages of the documentation, as a browser shows them."""

from __future__ import annotations

import functools
import http.server
import re
import sys
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the pages are built with Python 3.11 or later"
)

RUNS_OFF = """() => {
    const inner = element => {
        if (element.closest(".live-panel")) return false;
        const {overflowX} = getComputedStyle(element);
        const {right} = element.getBoundingClientRect();
        const isHidden = overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1;
        return isHidden || (element.clientWidth && right > innerWidth + 1);
    };
    const wide = [...document.querySelectorAll("article, article *")].filter(inner);
    return wide.map(element => element.textContent.trim().slice(0, 60));
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def programs(_items, folder):
    """Build the pages."""
    return {"build": [sys.executable, "-m", "mkdocs", "build", "-q", "-d", f"{folder}/pages"]}


@pytest.fixture(scope="module")
def site(program):
    """The folder of the pages, and their address."""
    done = program("build")
    assert done.returncode == 0, done.stdout + done.stderr
    handler = functools.partial(Quiet, directory=done.args[-1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield done.args[-1], f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_nothing_runs_off_a_page(browser, site):
    """At 1280 pixels, neither a table nor a line of code is cut off or has to be scrolled."""
    folder, address = site
    pages = [path.relative_to(folder).parent for path in Path(folder).rglob("index.html")]
    assert len(pages) > 30
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wide = {}
    for path in pages:
        page.goto(f"{address}/{path.as_posix()}/")
        wide[str(path)] = page.evaluate(RUNS_OFF)
    page.close()
    assert {path: texts for path, texts in wide.items() if texts} == {}


def test_the_panel_plays_a_recorded_run_without_a_kernel(browser, site):
    """Its rows go through their statuses, and at the end the counts are those of the run."""
    _, address = site
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(f"{address}/try/")
    panel = page.locator(".live-panel")
    expect(panel).to_contain_text(re.compile(r"[1-9]\d* running"))
    expect(panel).to_contain_text("57 succeeded")
    expect(panel).to_contain_text("Dear standard user 1")
    page.close()
    assert errors == []
