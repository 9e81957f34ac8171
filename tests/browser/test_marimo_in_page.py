"""The panel in marimo, as an app and in its editor: what one sees, and that steering reaches the run."""

from __future__ import annotations

import importlib.util
import re
import time

import pytest
from playwright.sync_api import expect

from .conftest import _missing
from .served import PATIENCE, Served, free_port

expect.set_options(timeout=30_000)

SETTINGS = """
[display]
theme = "{theme}"
[runtime]
auto_instantiate = true
"""
BOOK = """
import marimo

app = marimo.App()

@app.cell
def _():
    import asyncio, pathlib
    from pocketflow import AsyncFlow, AsyncNode
    from flowmagic.notebook import start_in_panel

    folder = pathlib.Path("{folder}")

    class Fetch(AsyncNode):
        async def exec_async(self, prepared):
            with (folder / "moves").open("a") as moves:
                moves.write("+")
            try:
                await asyncio.sleep(0.05)
                while not (folder / "open").exists():
                    await asyncio.sleep(0.05)
            finally:
                with (folder / "moves").open("a") as moves:
                    moves.write("-")

        async def post_async(self, shared, prepared, executed):
            if self.params["n"] % 5 == 4:
                raise ValueError("every fifth fails")

    panel = start_in_panel(AsyncFlow(start=Fetch()), [{{"n": n}} for n in range(4_000)], limit=3)
    panel
    return (panel,)

if __name__ == "__main__":
    app.run()
"""

RUN = (
    BOOK.replace("from flowmagic.notebook import start_in_panel", "import flowmagic")
    .replace("panel = start_in_panel(", "run = flowmagic.batchflow(")
    .replace("    panel\n    return (panel,)", "    run\n    return (run,)")
)


class Book:
    """A marimo notebook open in a page, whose flow waits until it may go on."""

    def __init__(self, page, folder) -> None:
        self.page = page
        self.panel = page.get_by_role("region", name="Batch run")
        self._folder = folder

    def go_on(self) -> None:
        """Let the flow go on."""
        (self._folder / "open").touch()

    def moves(self) -> str:
        """Return a + for each node that began and a - for each that ended, in their order."""
        return (self._folder / "moves").read_text()

    def live(self) -> int:
        """Return how many nodes run at this moment."""
        moves = self.moves()
        return moves.count("+") - moves.count("-")

    def peak(self, since: int) -> int:
        """Return how many ran at once, at most, since so many moves."""
        moves = self.moves()
        return max(
            moves.count("+", 0, end) - moves.count("-", 0, end) for end in range(since, len(moves))
        )

    def until(self, holds) -> None:
        """Wait until something holds of the kernel."""
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, "never true"
            self.page.wait_for_timeout(50)

    def paper(self) -> str:
        """Return the colour that the panel is drawn on."""
        return self.panel.evaluate("panel => getComputedStyle(panel).backgroundColor")

    def button(self, name: str):
        return self.panel.get_by_role("button", name=name, exact=True)

    def row(self, index: int):
        return self.panel.locator(f'[role=row][aria-rowindex="{index + 2}"]')


@pytest.fixture
def marimo(browser, tmp_path):
    """Return a function that serves a notebook by `marimo run` or `marimo edit`, and opens it."""
    if importlib.util.find_spec("marimo") is None:
        _missing("no marimo: pip install marimo")
    opened, errors = [], []

    def open_one(verb: str, *, theme: str, book: str = BOOK) -> Book:
        file, port = tmp_path / "book.py", free_port()
        file.write_text(book.format(folder=tmp_path))
        settings = tmp_path / "marimo" / "marimo.toml"
        settings.parent.mkdir()
        settings.write_text(SETTINGS.format(theme=theme))
        address = f"http://127.0.0.1:{port}"
        home = {f"XDG_{kind}_HOME": str(tmp_path) for kind in ("CONFIG", "STATE", "CACHE", "DATA")}
        server = Served(
            tmp_path,
            ["-m", "marimo", "-y", verb, str(file), "--headless", "--no-token", f"--port={port}"],
            answers=f"{address}/health",
            cwd=tmp_path,
            HOME=str(tmp_path),
            MARIMO_SKIP_UPDATE_CHECK="1",
            **home,
        )
        opened.append(server.stop)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.append(page.close)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        book = Book(page, tmp_path)
        book.panel.wait_for()
        return book

    yield open_one
    for close in reversed(opened):
        close()
    assert errors == [], "a script failed in the page"


def test_an_app_of_marimo_shows_its_rows_live_and_steers_them(marimo):
    """`marimo run`: rows go from pending to their ends, and each control reaches the run."""
    book = marimo("run", theme="light")
    assert book.paper() == "rgb(255, 255, 255)"
    expect(book.row(2)).to_contain_text("running")
    expect(book.row(4)).to_contain_text("pending")
    book.go_on()
    expect(book.row(2)).to_contain_text("succeeded")
    expect(book.row(4)).to_contain_text("failed")
    assert book.peak(0) == 3

    book.panel.get_by_role("slider", name="Concurrency limit").focus()
    book.page.keyboard.press("Home")
    expect(book.panel.get_by_role("spinbutton")).to_have_value("1")
    book.until(lambda: book.live() == 1)
    before = len(book.moves())
    book.until(lambda: len(book.moves()) > before + 20)
    assert book.peak(before) == 1
    book.panel.get_by_role("spinbutton").fill("7")
    book.page.keyboard.press("Enter")
    book.until(lambda: book.live() == 7)

    book.button("Pause").click()
    expect(book.button("Resume")).to_be_enabled()
    book.until(lambda: book.live() == 0)
    book.button("Resume").click()
    book.until(lambda: book.live() == 7)
    book.button("Cancel").click()
    expect(book.button("Run again")).to_be_enabled()
    expect(book.panel).to_contain_text("cancelled")
    assert book.live() == 0
    book.button("Run again").click()
    expect(book.panel).to_contain_text(re.compile("[1-9] running"))
    book.until(lambda: book.live() == 7)


def test_in_the_editor_of_marimo_a_reloaded_page_shows_the_present_and_steers_on(marimo):
    """`marimo edit`: the kernel goes on meanwhile; the panel of the new page is dark as the old was."""
    book = marimo("edit", theme="dark")
    assert book.paper() == "rgb(24, 26, 29)"
    book.go_on()
    expect(book.row(4)).to_contain_text("failed")
    done = book.moves().count("-")
    book.page.reload()
    book.panel.wait_for()
    shown = book.panel.get_by_text(re.compile(r"^[\d,]+ of 4,000 done"))
    assert int(shown.inner_text().partition(" ")[0].replace(",", "")) >= done
    expect(book.row(4)).to_contain_text("failed")
    assert book.paper() == "rgb(24, 26, 29)"
    book.button("Pause").click()
    expect(book.button("Resume")).to_be_enabled()
    book.until(lambda: book.live() == 0)
    assert book.moves().count("+") < 4_000


def test_a_run_at_the_end_of_a_cell_of_marimo_is_one_line_that_unfolds(marimo):
    """And steers the run, as in Jupyter: `run` is enough to see how it goes."""
    book = marimo("run", theme="light", book=RUN)
    assert "start_in_panel" not in RUN
    expect(book.panel).to_contain_text("0 of 4,000 done")
    assert book.panel.bounding_box()["height"] < 60
    book.panel.get_by_role("button", name="AsyncFlow").click()
    expect(book.row(2)).to_contain_text("running")
    book.button("Cancel").click()
    expect(book.button("Run again")).to_be_enabled()
    book.until(lambda: book.live() == 0)
