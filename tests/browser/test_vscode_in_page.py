"""The panel in the widgets of VS Code: the bundle that its Jupyter extension loads, in a page like its own.

It is not VS Code: the page, and what the extension does around the bundle, are told in tests/vscode.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import TOKEN

expect.set_options(timeout=30_000)

FOLDER = os.environ.get("FLOWMAGIC_VSCODE", "")
PAGE = Path(__file__).parent.parent / "vscode" / "page.html"

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="no widgets of VS Code: nox -s vscode"),
    pytest.mark.parametrize("server", ["lab"], indirect=True),
]

SETUP = """
import asyncio
from pocketflow import AsyncFlow, AsyncNode

live = 0

class Fetch(AsyncNode):
    async def exec_async(self, prepared):
        global live
        live += 1
        try:
            await asyncio.sleep(0.05)
        finally:
            live -= 1

    async def post_async(self, shared, prepared, executed):
        if self.params["n"] % 5 == 4:
            raise ValueError("every fifth fails")

flow = AsyncFlow(start=Fetch())
%load_ext flowmagic
"""
MANY = "%%batchflow flow --limit 3 -o run\n[{'n': n} for n in range(4_000)]"


class Webview:
    """The page that VS Code shows outputs in, with a kernel of its own."""

    def __init__(self, server, browser, theme: str) -> None:
        self._server = server
        self.kernel = self._ask("POST", "api/kernels", b"{}")["id"]
        self.page = browser.new_page(
            viewport={"width": 1000, "height": 900},
            permissions=["local-network-access"],  # since it is not the server that gives the page
        )
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route("**/webview/**", self._give)
        self.page.goto(server.url("webview/page.html"))
        self.theme(theme)
        self.page.evaluate("([id, token]) => connect(id, token)", [self.kernel, TOKEN])
        self.panel = self.page.get_by_role("region", name="Batch run")

    def _ask(self, method: str, path: str, body: bytes | None = None):
        request = urllib.request.Request(self._server.url(path), body, method=method)
        with urllib.request.urlopen(request) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def _give(self, route) -> None:
        path = route.request.url.partition("/webview/")[2].partition("?")[0]
        if path == "page.html":
            file = PAGE
        elif path.startswith("nbextensions/"):
            file = Path(sys.prefix) / "share" / "jupyter" / path
        else:
            file = Path(FOLDER) / path
        route.fulfill(path=file)

    def theme(self, name: str) -> None:
        self.page.evaluate("name => { document.body.className = name; }", name)

    def run(self, code: str) -> None:
        self.page.evaluate("code => execute(code)", code)

    def value(self, expression: str):
        reply = self.page.evaluate("expression => value(expression)", expression)
        assert reply["status"] == "ok", reply
        return json.loads(ast.literal_eval(reply["data"]["text/plain"]))

    def until(self, expression: str) -> None:
        for _ in range(600):
            if self.value(f"bool({expression})"):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never true: {expression}")

    def button(self, name: str):
        return self.panel.get_by_role("button", name=name, exact=True)

    def row(self, index: int):
        return self.panel.locator(f'[role=row][aria-rowindex="{index + 2}"]')

    def close(self) -> None:
        self.page.close()
        self._ask("DELETE", f"api/kernels/{self.kernel}")


@pytest.fixture
def webview(server, browser):
    opened = []

    def open_one(theme: str = "vscode-light") -> Webview:
        opened.append(Webview(server, browser, theme))
        return opened[-1]

    yield open_one
    for each in opened:
        failures = each.page.evaluate("failures")
        each.close()
        assert [*failures, *each.errors] == []


def test_in_the_widgets_of_vs_code_rows_are_shown_live_and_steered(webview):
    """Loaded by its own script loader, over its own kind of connection; by mouse and by keys."""
    view = webview()
    view.run(SETUP)
    view.run(MANY)
    expect(view.row(4)).to_contain_text("failed")
    assert "DataView" in view.page.evaluate("[...buffers]")
    view.panel.get_by_role("slider", name="Concurrency limit").focus()
    view.page.keyboard.press("Home")
    view.until("run.limit == 1 and live == 1")
    view.button("Pause").click()
    view.until("run.status == 'paused' and live == 0")
    view.button("Resume").press("Enter")
    view.until("run.status == 'running'")
    view.button("Cancel").press(" ")
    view.until("run.status == 'cancelled'")
    view.button("Run again").click()
    expect(view.panel).to_contain_text("1 running")


CONTRAST = """([panel, ink, paper]) => {
    const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
    const probe = document.createElement("i");
    panel.append(probe);
    const dip = (...colours) => {
        for (const colour of colours) {
            probe.style.color = colour;
            pen.fillStyle = getComputedStyle(probe).color;
            pen.fillRect(0, 0, 1, 1);
        }
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((part) => (
            part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4
        ));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const found = [dip(paper), dip(paper, ink)];
    probe.remove();
    return Math.max(...found) / Math.min(...found);
}"""
THEMES = {
    "vscode-light": "rgb(255, 255, 255)",
    "vscode-dark": "rgb(31, 31, 31)",
    "vscode-high-contrast": "rgb(0, 0, 0)",
    "vscode-high-contrast-light": "rgb(255, 255, 255)",
}


def test_the_panel_has_the_colours_of_each_kind_of_theme_of_vs_code(webview):
    """With what the extension translates for widgets that know JupyterLab's colours, and without.

    Its bundle sets JupyterLab's light colours on the page, whatever the theme.
    """
    view = webview()
    view.run(SETUP)
    view.run(MANY)
    view.button("Cancel").click()
    expect(view.button("Run again")).to_be_enabled()
    wrong = []
    for bridged in ("", "bridged "):
        for theme, paper in THEMES.items():
            view.theme(bridged + theme)

            def contrast(ink: str, on: str = "var(--fm-paper)"):
                handle = view.panel.element_handle()
                return view.page.evaluate(CONTRAST, [handle, ink, on])

            found = view.panel.evaluate("panel => getComputedStyle(panel).backgroundColor")
            if found != paper:
                wrong.append(f"{bridged}{theme}: on {found}, not {paper}")
            pairs = [("ink", 7), ("quiet", 4.5), ("accent", 3), ("bad-ink", 4.5), ("ok", 2.5)]
            if "contrast" in theme:
                pairs.append(("line", 3))
            for tone, least in pairs:
                if (got := contrast(f"var(--fm-{tone})")) < least:
                    wrong.append(f"{bridged}{theme}: {tone} at {got:.1f}")
            if (got := contrast("var(--fm-ink)", "var(--fm-well)")) < 7:
                wrong.append(f"{bridged}{theme}: what is typed at {got:.1f}")
            run = view.button("Run again").evaluate(
                "button => [getComputedStyle(button).color, getComputedStyle(button).backgroundColor]"
            )
            if (got := contrast(*run)) < 4.5:
                wrong.append(f"{bridged}{theme}: Run at {got:.1f}, {run}")
    assert wrong == [], "\n".join(wrong)
