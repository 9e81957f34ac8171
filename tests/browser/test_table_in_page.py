"""The table in a real page: its columns, its order, and which rows it shows."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .test_overview_in_page import until_drawn
from .test_panel_in_page import in_lab

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, flowmagic
from pocketflow import AsyncFlow, AsyncNode

gate = asyncio.Event()

class Load(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params["nap"])

class Write(AsyncNode):
    async def exec_async(self, prepared):
        if self.params["city"] == "Rome":
            raise ValueError("no road leads there")
        if self.params["city"] == "Bonn":
            await gate.wait()
        return f"Dear {self.params['city']}"
    async def post_async(self, shared, prepared, executed):
        return "sent"

load, write = Load(), Write()
load >> write
flow = AsyncFlow(start=load)
"""
CELL = """%%batchflow flow --limit 50 -o run
[{"city": ["Oslo", "Rome", "Bonn", "Lima"][i % 4], "nap": (i * 7 % 20) / 100, "model": "m",
  "api_key": "sk-12345678"} for i in range(20)]"""


HOLDS = "import pathlib, time\nwhile not pathlib.Path('table-let-go').exists(): time.sleep(0.02)"


def begun(notebook, *, extra: str = "", **options):
    """Open a notebook, with an `extra` cell that is not run, and wait until only Bonn is left."""
    book = notebook(SETUP, CELL, extra, **options)
    book.run(0)
    book.run(1)
    book.panel.wait_for()
    book.until("run.counts.running == 5 and run.counts.ended == 15")
    return book


def shown(book, column: str) -> list[str]:
    """Return the texts of a column, from top to bottom."""
    rows = book.panel.locator(".fm-spacer > .fm-row:visible")
    found = rows.evaluate_all(
        """(rows, column) => rows
            .map(row => [Number(row.getAttribute("aria-rowindex")), row.querySelector(column).textContent])
            .sort(([one], [other]) => one - other).map(([, text]) => text)""",
        column,
    )
    return found


def header(book, name: str):
    return book.panel.get_by_role("columnheader", name=name, exact=True)


def pick(book, status: str):
    return book.panel.get_by_role("button", name=re.compile(f"^[0-9,]+ {status}"))


def find(book):
    return book.panel.get_by_role("searchbox", name="Find in params, outputs and errors")


@in_lab
def test_params_that_vary_have_columns_and_sort_by_mouse_and_keys(notebook):
    """Cities, then seconds; a third press gives the order of the params back."""
    book = begun(notebook)
    expect(book.panel.locator(".fm-same")).to_have_text(
        "The same in all rows: model='m', api_key=•••"
    )
    header(book, "city").get_by_role("button").click()
    expect(header(book, "city")).to_have_attribute("aria-sort", "ascending")
    expect(book.row(0)).to_contain_text("Bonn")
    assert shown(book, ".fm-col-index")[:7] == ["2", "6", "10", "14", "18", "3", "7"]
    by_time = header(book, "nap").get_by_role("button")
    by_time.focus()
    book.page.keyboard.press("Enter")
    book.page.keyboard.press("Enter")
    expect(header(book, "nap")).to_have_attribute("aria-sort", "descending")
    expect(header(book, "city")).not_to_have_attribute("aria-sort", re.compile("."))
    expect(book.row(0)).to_contain_text("0.19")
    book.page.keyboard.press("Enter")
    expect(header(book, "nap")).not_to_have_attribute("aria-sort", re.compile("."))
    expect(book.row(0)).to_contain_text("Oslo")
    header(book, "time").get_by_role("button").click()
    expect(header(book, "time")).to_have_attribute("aria-sort", "ascending")
    # Asleep for no time at all it is 0, unless a crowded machine held it up.
    first = book.value("min((i for i in run.instances if i.ended), key=lambda i: i.seconds).index")
    book.page.wait_for_function(
        """first => document.querySelector('[aria-rowindex="2"] .fm-col-index').textContent === first""",
        arg=str(first),
    )


def test_rows_are_filtered_by_status_node_and_text(notebook):
    """Errors and outputs are found too; what is shown is counted, and Show all gives all back."""
    book = begun(notebook)
    pick(book, "failed").click()
    expect(book.panel).to_contain_text("5 of 20 shown")
    assert set(shown(book, ".fm-col-index")) == {"1", "5", "9", "13", "17"}
    assert set(shown(book, ".fm-col-output")) == {"ValueError: no road leads there"}
    pick(book, "running").click()
    expect(book.panel).to_contain_text("10 of 20 shown")
    find(book).fill("road city=rome")
    expect(book.panel).to_contain_text("5 of 20 shown")
    find(book).fill("dear oslo")
    expect(book.panel).to_contain_text("No matching instances.")  # they have succeeded
    pick(book, "succeeded").click()
    expect(book.panel).to_contain_text("5 of 20 shown")
    find(book).fill("nowhere")
    expect(book.panel).to_contain_text("No matching instances.")
    book.panel.get_by_role("button", name="Show all").click()
    expect(book.row(19)).to_be_visible()
    expect(find(book)).to_have_value("")
    book.panel.get_by_role("combobox", name="Node").select_option("Write")
    expect(book.panel).to_contain_text("20 of 20 shown")
    find(book).fill("sk-12345678")
    expect(book.panel).to_contain_text("No matching instances.")


@in_lab
def test_a_filtered_table_follows_the_run(notebook):
    """A row that is no longer running leaves the running ones, and comes to the succeeded."""
    book = begun(notebook)
    pick(book, "running").click()
    expect(book.panel).to_contain_text("5 of 20 shown")
    book.value("[gate.set()] and 0")
    expect(book.panel).to_contain_text("No matching instances.")
    pick(book, "running").click()
    expect(book.row(2)).to_contain_text("Dear Bonn")


@in_lab
def test_keys_move_through_the_rows_as_they_are_shown(notebook):
    """Down goes to the next one of the order, Enter opens it, Escape goes back."""
    book = begun(notebook)
    header(book, "#").get_by_role("button").click()
    header(book, "#").get_by_role("button").click()
    expect(book.row(0)).to_contain_text("19")
    grid = book.panel.get_by_role("grid", name="Instances")
    grid.focus()
    book.page.keyboard.press("Home")
    book.page.keyboard.press("ArrowDown")
    book.page.keyboard.press("ArrowDown")
    book.page.keyboard.press("Enter")
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text("Instance 17")
    book.page.keyboard.press("Escape")
    assert book.page.evaluate("() => document.activeElement.getAttribute('role')") == "grid"


@in_lab
def test_from_a_row_that_is_not_shown_keys_lead_to_the_first_that_is(notebook):
    """Nor does a screen reader hear of a row that is not there."""
    book = begun(notebook)
    grid = book.panel.get_by_role("grid", name="Instances")
    grid.focus()
    book.page.keyboard.press("Home")
    expect(grid).to_have_attribute("aria-activedescendant", re.compile("-row-0$"))
    pick(book, "failed").click()
    expect(grid).not_to_have_attribute("aria-activedescendant", re.compile("."))
    expect(grid).to_have_attribute("aria-rowcount", "6")
    grid.focus()
    book.page.keyboard.press("ArrowDown")
    expect(grid).to_have_attribute("aria-activedescendant", re.compile("-row-1$"))
    book.page.keyboard.press("Enter")
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text("Instance 1")


@in_lab
def test_the_row_under_the_keyboard_stays_where_it_is_while_others_come_before_it(notebook):
    """The table is put in order anew, and scrolls by as much as that row was moved."""
    book = begun(notebook)
    by_status = header(book, "status").get_by_role("button")
    by_status.click()
    by_status.click()
    expect(book.row(5)).to_contain_text("Oslo")  # 0, the first that succeeded, behind the failed
    grid = book.panel.get_by_role("grid", name="Instances")
    grid.focus()
    book.page.keyboard.press("Home")
    for _ in range(9):
        book.page.keyboard.press("ArrowDown")
    row = book.panel.locator(".fm-spacer > [id$='-row-8']")
    expect(row).to_have_attribute("aria-rowindex", "11")
    where = "row => row.getBoundingClientRect().y - row.closest('[role=grid]').getBoundingClientRect().y"
    until_drawn(book)  # the scrolling that the last key asked for
    before = row.evaluate(where)
    book.value("[gate.set()] and 0")
    expect(row).to_have_attribute("aria-rowindex", "13")
    until_drawn(book)
    assert row.evaluate(where) == before


@in_lab
def test_while_the_kernel_is_busy_the_table_shows_what_it_has(notebook):
    """It says that it asks, status and node are filtered all the same, and the answer comes."""
    book = begun(notebook, extra=HOLDS)
    book.run(2, wait=False)
    book.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
    )
    find(book).fill("rome")
    expect(book.panel).to_contain_text("waiting for the kernel…")
    expect(book.row(19)).to_be_attached()
    pick(book, "succeeded").click()
    expect(book.row(9)).to_be_visible()
    expect(book.row(10)).to_be_hidden()
    pick(book, "succeeded").click()
    (book.server.root / "table-let-go").touch()
    expect(book.panel).to_contain_text("5 of 20 shown")
    find(book).press("Escape")
    expect(find(book)).to_have_value("")
    expect(book.row(19)).to_be_attached()


@in_lab
def test_numbers_stand_one_below_the_other(notebook):
    """At the right, as does the name of their column; texts begin at the left."""
    book = begun(notebook)
    align = "cell => getComputedStyle(cell).textAlign"
    assert header(book, "nap").evaluate(align) == "right"
    assert header(book, "city").evaluate(align) != "right"
    city, nap = (book.row(0).locator(".fm-col-param").nth(at) for at in range(2))
    assert (nap.evaluate(align), city.evaluate(align) == "right") == ("right", False)


@in_lab
def test_a_narrow_table_can_be_read(notebook):
    """At 400 pixels a row says its params, and nothing is cut off at the right."""
    book = begun(notebook, width=400)
    expect(book.row(0)).to_contain_text("city='Oslo'")
    assert book.row(0).evaluate("row => row.scrollWidth <= row.clientWidth")
    params = book.row(0).locator(".fm-col-params").bounding_box()
    assert params["width"] > 90


@in_lab
def test_an_empty_list_is_said_to_be_one(notebook):
    """The run has finished, and nothing is still to come."""
    book = notebook(SETUP, "%%batchflow flow\n[]")
    book.run(0)
    book.run(1)
    expect(book.panel).to_contain_text("The param list is empty: there was nothing to run.")
