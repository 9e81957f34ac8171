"""What an instance prints, in a real page: in its opened row, and not in the cell."""

from __future__ import annotations

from playwright.sync_api import expect

from .test_panel_in_page import in_lab

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, logging
from pocketflow import AsyncFlow, AsyncNode

log = logging.getLogger("talk")
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

class Talk(AsyncNode):
    async def exec_async(self, prepared):
        print("user", self.params["user_id"], "<b>says</b> \\x1b[31mhello\\x1b[0m")
        await go.wait()
        log.info("key %s of user %s", self.params["api_key"], self.params["user_id"])

go = asyncio.Event()
talk = AsyncFlow(start=Talk())
"""
CELL = """%%batchflow talk -o run
[{"user_id": n, "api_key": "sk-live-12345"} for n in range(3)]"""


@in_lab
def test_what_an_instance_prints_stands_in_its_row_and_not_in_the_cell(notebook):
    """As text, as it comes; logging too; a secret is masked. The notebook's own prints are untouched."""
    book = notebook(SETUP, CELL, "print('my own'); go.set()")
    book.run(0)
    book.run(1)
    book.row(1).click()
    printed = book.panel.get_by_label("What it printed")
    expect(printed).to_have_text("user 1 <b>says</b> hello\n")
    book.run(2)
    book.until("run.ended")
    expect(printed).to_contain_text("INFO key ••• of user 1\n")
    expect(printed).not_to_contain_text("user 0")
    assert book.text(2) == "my own\n"
    assert "says" not in book.text(1)
    assert "sk-live-12345" not in book.panel.inner_text()
    assert book.value("run[2].printed.splitlines()[1]") == "INFO key sk-live-12345 of user 2"
