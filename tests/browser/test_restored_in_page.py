"""A run that took up what an earlier one had left, in a real page: what did not run looks like it."""

from __future__ import annotations

from playwright.sync_api import expect

from .test_overview_in_page import cell, colour, columns_of, pixel, point, told, until_drawn
from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import flowmagic, os, tempfile
from pocketflow import AsyncFlow, AsyncNode

os.chdir(tempfile.mkdtemp())
os.environ["BROKEN"] = "yes"  # a variable of the notebook would count as a change of the flow

class Ask(AsyncNode):
    async def exec_async(self, prepared):
        if "BROKEN" in os.environ and self.params["i"] >= 60:
            raise ValueError("not yet")

    async def post_async(self, shared, prepared, executed):
        return "done"

flow = AsyncFlow(start=Ask())
rows = [{"i": i} for i in range(100)]
"""
FIRST = "first = await flowmagic.batchflow(flow, rows, journal='runs.journal')\ndel os.environ['BROKEN']"
SECOND = "%%batchflow flow --journal runs.journal --resume -o run\nrows"
SIDE = 22  # of a cell, where there are a hundred


@in_lab
def test_what_was_restored_is_told_from_what_ran(notebook):
    """In the overview, the legend, the table, the timeline and the opened row."""
    book = started(notebook, FIRST, SECOND, setup=SETUP)
    book.until("run.ended")
    panel = book.panel
    expect(panel.locator(".fm-legend").first).to_contain_text("100 succeeded (60 restored)")
    expect(panel.locator(".fm-bar")).to_have_attribute(
        "aria-label", "Instances: 100 succeeded (60 restored)"
    )
    until_drawn(book)
    columns, done = columns_of(book, SIDE), colour(book, "succeeded")
    assert cell(book, 99, SIDE, columns) == cell(book, 99, SIDE, columns, "middle") == done
    assert cell(book, 0, SIDE, columns, "middle") == done
    assert pixel(book, 4, 10) == colour(book, "paper"), "between the frame and what is in it"
    point(book, SIDE / 2, SIDE / 2)
    expect(told(book)).to_have_text("#0succeededrestored · did not run · i=0")
    expect(book.row(0)).to_contain_text("restored from run 1")
    icon = "each => each.querySelector('.fm-col-status path').getAttribute('d')"
    restored = book.row(0).evaluate(icon)
    book.row(0).click()
    opened = panel.get_by_role("region", name="Opened instance")
    expect(opened).to_contain_text("Restored from run 1. It did not run in this one.")
    expect(opened).not_to_contain_text("No node has run")
    panel.get_by_role("grid", name="Instances").evaluate("each => { each.scrollTop = 1e6; }")
    expect(book.row(99)).to_be_visible()
    assert book.row(99).evaluate(icon) != restored
    panel.get_by_role("tab", name="Timeline").click()
    expect(panel.locator(".fm-nodes")).to_have_text("Ask60 restored (did not run)")
    book.run(2)
    expect(panel.locator(".fm-legend").first).to_contain_text("100 succeeded (100 restored)")
    panel.get_by_role("tab", name="Timeline").click()
    expect(panel.locator(".fm-timeline .fm-empty")).to_contain_text("Nothing ran")
