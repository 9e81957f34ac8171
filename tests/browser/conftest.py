"""Fixtures: a real JupyterLab and a real Notebook 7, driven through the system's Chromium."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from .served import PATIENCE, Served, free_port

INSTALL = "no Chromium found: apt-get install chromium (or: playwright install chromium)"
TOKEN = "flowmagic-test"  # of servers that listen on loopback, for as long as the tests run
QUIET = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"] + [
    f"--disable-{what}" for what in ("background-networking", "component-update", "sync")
]
SPARE = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
c.ServerApp.kernel_manager_class = "sparekernels.SpareKernels"
"""


def pytest_collection_modifyitems(items):
    """Mark every test of this folder, so that one can leave them out, and run them last.

    Playwright's driver leaves an event loop running in the main thread for as long as the session
    has a browser; the tests that start loops of their own must be over by then.
    """
    here = [item for item in items if Path(item.path).parent == Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.browser)
    items[:] = [item for item in items if item not in here] + here


def _missing(reason: str) -> None:
    """Skip; but fail where the one who runs the tests has said that a browser must be there."""
    if os.environ.get("FLOWMAGIC_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """One Chromium for the session."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _missing("no playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=path, args=QUIET)
        except Error as error:
            _missing(INSTALL if path is None else f"Chromium does not start: {error}")
        yield chromium
        chromium.close()


class Server(Served):
    """A Jupyter server with its own root, configuration and runtime folders.

    With a `spare` kernel a notebook need not wait for its own, and the next one is started beside it.
    """

    def __init__(self, app: str, folder: Path, *, spare: bool = False) -> None:
        self.app = app
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        settings = folder / "config" / "labconfig"
        settings.mkdir(parents=True)
        # No news from the network, and no save that a test did not ask for.
        off = {"@jupyterlab/apputils-extension:announcements": True}
        (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": off}))
        if spare:
            (folder / "config" / "jupyter_server_config.py").write_text(SPARE)
        self.port = free_port()
        kind = "LabApp" if app == "lab" else "JupyterNotebookApp"
        super().__init__(
            folder,
            [
                "-m", "jupyter", app, "--no-browser", "--allow-root",
                f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
                "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}",
                f"--ServerApp.root_dir={self.root}", f"--{kind}.expose_app_in_browser=True",
            ],
            answers=self.url("api/status"),
            cwd=self.root,
            JUPYTER_CONFIG_DIR=str(folder / "config"),
            JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
            IPYTHONDIR=str(folder / "ipython"),
        )  # fmt: skip

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}?token={TOKEN}"

    def page(self, name: str) -> str:
        folder = "doc/tree" if self.app == "lab" else "notebooks"
        return self.url(f"{folder}/{name}")


@pytest.fixture(scope="session", params=["lab", "notebook"])
def server(request, browser, tmp_path_factory) -> Iterator[Server]:
    """A JupyterLab, then a Notebook 7."""
    started = Server(request.param, tmp_path_factory.mktemp(request.param), spare=True)
    yield started
    started.stop()


_names = itertools.count(1)


class Notebook:
    """A notebook open in a page."""

    def __init__(self, server: Server, page, cells: list) -> None:
        self.server = server
        self.page = page
        self.name = f"test{next(_names)}.ipynb"
        book = nbformat.v4.new_notebook()
        book.cells = [
            cell if isinstance(cell, dict) else nbformat.v4.new_code_cell(cell) for cell in cells
        ]
        book.metadata["kernelspec"] = {
            "name": "python3", "display_name": "Python 3", "language": "python",
        }  # fmt: skip
        nbformat.write(book, server.root / self.name)
        self.errors: list[str] = []
        page.on("pageerror", self._note_error)
        if page.url == "about:blank":
            page.goto(server.page(self.name))
        else:
            # Notebook 7 would open another page, if it were not told to stay in this one.
            options = {} if server.app == "lab" else {"options": {"ref": "_noref"}}
            page.evaluate(
                "given => window.jupyterapp.commands.execute('docmanager:open', given)"
                ".then(() => null)",
                {"path": self.name, **options},
            )
        self.ready()

    def _note_error(self, error) -> None:
        # The panel's script is loaded from a blob; the front ends' own errors are theirs.
        if "blob:" in (error.stack or ""):
            self.errors.append(str(error))

    def ready(self) -> None:
        """Wait until the notebook is there and its kernel answers."""
        self.page.wait_for_function(
            """name => {
                const book = window.jupyterapp?.shell?.currentWidget;
                return book?.context?.path === name && book.sessionContext.isReady
                    && book.sessionContext.session?.kernel?.status === "idle";
            }""",
            arg=self.name,
            timeout=PATIENCE,
        )

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run a cell; without `wait` return while it runs."""
        self.page.evaluate(
            """([index, wait]) => {
                const {content} = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                const done = window.jupyterapp.commands.execute("notebook:run-cell");
                return wait ? done.then(() => null) : null;
            }""",
            [index, wait],
        )

    def outputs(self, index: int) -> list[dict]:
        """Return what a cell has put out, as the notebook would save it."""
        return self.page.evaluate(
            "index => window.jupyterapp.shell.currentWidget.content.widgets[index]"
            ".model.sharedModel.toJSON().outputs",
            index,
        )

    def text(self, index: int) -> str:
        """Return what a cell has put out, as text."""
        parts = []
        for output in self.outputs(index):
            parts.append(output.get("text", output.get("evalue", "")))
            parts.append(output.get("data", {}).get("text/plain", ""))
        return "".join("".join(part) for part in parts)

    def value(self, expression: str):
        """Return the value of an expression in the kernel, which must be free; JSON only."""
        reply = self.page.evaluate(
            """async expression => {
                const {kernel} = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const future = kernel.requestExecute({
                    code: "import json as _json", silent: true, store_history: false,
                    user_expressions: {value: `_json.dumps(${expression})`},
                });
                return (await future.done).content.user_expressions.value;
            }""",
            expression,
        )
        assert reply["status"] == "ok", reply
        import ast

        return json.loads(ast.literal_eval(reply["data"]["text/plain"]))

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true in the kernel."""
        deadline = time.monotonic() + seconds
        while not self.value(f"bool({expression})"):
            assert time.monotonic() < deadline, f"never true: {expression}"
            self.page.wait_for_timeout(50)

    def save(self) -> None:
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.save().then(() => null)"
        )

    def reload(self) -> None:
        """Load the page anew, also where its address is still that of the notebook before."""
        if self.name in self.page.url:
            self.page.reload()
        else:
            self.page.goto(self.server.page(self.name))
        self.ready()

    def theme(self, name: str) -> None:
        """Have another theme: a setting of the server's, which `close` puts back."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
            ".then(() => null)",
            name,
        )
        self.page.wait_for_function(
            "theme => document.body.dataset.jpThemeName === theme", arg=name
        )

    @property
    def panel(self):
        """The panel on screen."""
        return self.page.get_by_role("region", name="Batch run")

    @property
    def slider(self):
        return self.panel.get_by_role("slider", name="Concurrency limit")

    def button(self, name: str):
        return self.panel.get_by_role("button", name=name, exact=True)

    def params(self) -> None:
        """Show the param list."""
        self.panel.get_by_role("tab", name="Params").click()

    def limits(self) -> None:
        """Unfold the named limits, unless they are."""
        button = self.button("Named limits")
        if button.get_attribute("aria-expanded") == "false":
            button.click()

    def row(self, index: int):
        """The row of an instance, if it is among those drawn."""
        return self.panel.locator(f'[role=row][aria-rowindex="{index + 2}"]')

    def close(self) -> None:
        """Put back what is the server's or the page's, end the kernel and close the notebook."""
        self.theme("JupyterLab Light")
        nothing = dict.fromkeys(
            ("media", "color_scheme", "reduced_motion", "forced_colors"), "null"
        )
        self.page.emulate_media(**nothing)
        self.page.context.clear_permissions()
        self.page.evaluate(
            """() => {
                const book = window.jupyterapp.shell.currentWidget;
                return book.sessionContext.shutdown().then(() => { book.dispose(); });
            }"""
        )
        self.page.remove_listener("pageerror", self._note_error)


class Pages:
    """Gives pages to notebooks, and the one of a notebook that went well to the next.

    To load one takes longer than most tests.
    """

    def __init__(self, browser) -> None:
        self._browser = browser
        self._used = None

    def take(self, width: int, height: int, *, alone: bool):
        """Return a page of that size, and if `alone` a new one."""
        page = None
        if not alone:
            page, self._used = self._used, None
        if page is None:
            page = self._browser.new_context().new_page()
            page.set_default_timeout(PATIENCE)
        page.set_viewport_size({"width": width, "height": height})
        return page

    def give_back(self, page, *, good: bool) -> None:
        """Keep a page for the next notebook, if it is as it was, or close it."""
        if good and self._used is None:
            self._used = page
        else:
            page.context.close()

    def close(self) -> None:
        """Close what is kept."""
        if self._used is not None:
            self._used.context.close()


@pytest.fixture(scope="session")
def pages(server, browser):
    """The pages of one front end."""
    kept = Pages(browser)
    yield kept
    kept.close()


@pytest.fixture
def notebook(server, pages):
    """Return a function that opens a notebook with the given cells.

    `alone`: in a page that no other test has seen or will see, since this one changes it.
    `permissions`: what the page may do, as browsers name it; `close` takes them back.
    """
    opened: list[Notebook] = []
    alone_in: list = []

    def open_one(
        *cells: str, width: int = 1280, height: int = 900, alone: bool = False, permissions=()
    ) -> Notebook:
        page = pages.take(width, height, alone=alone)
        if alone:
            alone_in.append(page)
        if permissions:
            page.context.grant_permissions(list(permissions))
        opened.append(Notebook(server, page, list(cells)))
        return opened[-1]

    yield open_one
    for each in opened:
        good = False
        try:
            each.close()
            good = not each.errors and each.page not in alone_in
        finally:
            pages.give_back(each.page, good=good)
        assert each.errors == [], "a script failed in the page"
