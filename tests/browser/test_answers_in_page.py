"""The answers in a real page: outputs beside the params, node copies, pictures, outputs in full."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .test_panel_in_page import in_lab

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, struct, zlib, flowmagic
from pocketflow import AsyncFlow, AsyncNode

gate = asyncio.Event()

def png(width, height, colour):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    pixels = zlib.compress((b"\\0" + bytes(colour) * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

OUTPUTS = {
    "text": "Dear Ann,\\n" + "thank you. " * 300,
    "dict": {"to": "Ann", "password": "hunter2-hunter2", "lines": [1, 2]},
    "png": png(300, 200, (200, 30, 60)),
    "svg": "<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'/>",
}

class LoadUser(AsyncNode):
    async def exec_async(self, prepared):
        return {"name": "Ann"}
    async def post_async(self, shared, prepared, executed):
        self.params["name"] = executed["name"]

class Write(AsyncNode):
    async def exec_async(self, prepared):
        if self.params["kind"] == "wait":
            await gate.wait()
            return "let go"
        if self.params["kind"] == "error":
            raise ValueError("no such customer")
        return OUTPUTS[self.params["kind"]]

class Send(AsyncNode):
    pass

load, write = LoadUser(), Write()
load >> write >> Send()
flow = AsyncFlow(start=load)
"""
CELL = """%%batchflow flow --limit 9 -o run
[{"kind": kind} for kind in ["text", "dict", "png", "svg", "error", "wait"]]"""
MANY = """%%batchflow flow --limit 9 -o run
[{"kind": "wait" if n == 2 else "png" if n == 1 else "text"} for n in range(100)]"""


def begun(notebook, cell=CELL, ended=5, **options):
    book = notebook(SETUP, cell, **options)
    book.run(0)
    book.run(1)
    book.panel.scroll_into_view_if_needed()  # off screen, nothing is drawn
    book.until(f"run.counts.ended == {ended}")
    return book


def output(book, index):
    return book.row(index).locator(".fm-col-output")


def chain(book, index):
    return book.row(index).locator(".fm-step")


def colour(image):
    """Return the colour in the middle of an image as it is painted."""
    return image.evaluate(
        """image => {
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 1;
            const pen = canvas.getContext("2d");
            pen.drawImage(image, -image.naturalWidth / 2, -image.naturalHeight / 2);
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }"""
    )


@in_lab
def test_the_output_of_each_row_stands_beside_its_params(notebook):
    """Of a failed one, the error; of a running one, nothing yet; what looks like markup is text."""
    book = begun(notebook)
    expect(output(book, 0)).to_have_text(re.compile("^Dear Ann, thank you. thank you"))
    expect(output(book, 1)).to_have_text("{'to': 'Ann', 'password': •••, 'lines': [1, 2]}")
    expect(output(book, 3)).to_have_text(re.compile("^<svg"))
    expect(output(book, 4)).to_have_text("ValueError: no such customer")
    expect(output(book, 5)).to_have_text("…")
    book.value("[gate.set()] and 0")
    expect(output(book, 5)).to_have_text("let go")
    assert "hunter2" not in book.panel.inner_text()


@in_lab
def test_a_row_shows_its_node_copies_live(notebook):
    """What it went through, where it is, what is still to come; pointing at one says what passed."""
    book = begun(notebook)
    expect(chain(book, 5)).to_have_text(["LoadUser", "Write", "Send"])
    status = "links => links.map(link => link.dataset.status ?? '')"
    assert chain(book, 5).evaluate_all(status) == ["succeeded", "running", ""]
    assert chain(book, 4).evaluate_all(status) == ["succeeded", "failed"]
    expect(chain(book, 4).nth(1)).to_have_attribute(
        "title", "Write: kind='error', name='Ann' → ValueError: no such customer"
    )
    book.value("[gate.set()] and 0")
    expect(book.panel.locator("[id$='-row-5'] .fm-step[data-status='succeeded']")).to_have_count(3)


@in_lab
def test_a_picture_is_shown_as_one_small_in_its_row_and_large_when_it_is_opened(notebook):
    """In its colours, from its bytes; no other output becomes an image."""
    book = begun(notebook)
    small = output(book, 2).locator("img")
    expect(small).to_be_visible()
    assert colour(small) == [200, 30, 60]
    assert small.bounding_box()["height"] <= 26
    expect(book.panel.locator(".fm-spacer img")).to_have_count(1)
    book.row(2).click()
    large = book.panel.get_by_role("region", name="Opened instance").get_by_role("img", name="PNG")
    expect(large).to_be_visible()
    assert colour(large) == [200, 30, 60]
    assert large.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [300, 200]


@in_lab
def test_an_opened_instance_shows_what_came_out_of_each_node_copy(notebook):
    """A dict as a table; a long text in full on request, which can be copied."""
    book = begun(notebook, permissions=["clipboard-read", "clipboard-write"])
    book.row(1).click()
    opened = book.panel.get_by_role("region", name="Opened instance")
    first = opened.get_by_role("region", name="Node copy 1: LoadUser")
    expect(first.get_by_role("row")).to_have_text(["nameAnn"])
    second = opened.get_by_role("region", name="Node copy 2: Write")
    expect(second.get_by_role("row")).to_have_text(["toAnn", "password•••", "lines[1, 2]"])
    book.row(0).click()
    text = second.locator(".fm-output-text")
    expect(text).to_have_text(re.compile("^Dear Ann,\nthank you. .*…$", re.DOTALL))
    second.get_by_role("button", name="Show all").focus()
    book.page.keyboard.press("Enter")
    whole = "Dear Ann,\n" + "thank you. " * 300
    expect(second.get_by_role("button", name="Copy")).to_be_visible()
    assert text.evaluate("each => each.textContent") == whole
    second.get_by_role("button", name="Copy").click()
    expect(second.get_by_role("button", name="Copied")).to_be_visible()
    assert book.page.evaluate("() => navigator.clipboard.readText()") == whole


@in_lab
def test_in_a_run_of_many_rows_the_output_says_where_a_running_row_is(notebook):
    """There, node copies would take too much room."""
    book = begun(notebook, MANY, ended=99)
    expect(output(book, 2)).to_have_text("Write")
    expect(output(book, 1).locator("img")).to_be_visible()
    expect(book.panel.locator(".fm-step")).to_have_count(0)
    book.panel.get_by_role("searchbox").fill("let go")
    expect(book.panel).to_contain_text("No matching instances.")
    book.value("[gate.set()] and 0")
    expect(book.panel).to_contain_text("1 of 100 shown")


@in_lab
def test_column_heads_stand_above_their_columns(notebook):
    """With many params, of numbers and of texts; and the opened row is outlined to its end."""
    cell = CELL.replace('{"kind": kind}', '{"kind": kind, "n": len(kind), "k" * len(kind): 1}')
    book = begun(notebook, cell)
    lefts = "cells => cells.map(cell => cell.getBoundingClientRect().x)"
    heads = book.panel.get_by_role("columnheader").evaluate_all(lefts)
    assert book.row(0).get_by_role("gridcell").evaluate_all(lefts) == heads
    grid = book.panel.get_by_role("grid", name="Instances").bounding_box()
    row = book.row(0).bounding_box()
    assert grid["x"] + grid["width"] - (row["x"] + row["width"]) <= 2


@in_lab
def test_the_error_stays_visible_beside_an_opened_instance(notebook):
    """Its traceback wraps, and nothing is wider than the panel."""
    cell = CELL.replace('"error"', '"error", "' + "x" * 200 + '"')
    book = begun(notebook, cell, ended=6)
    book.row(4).click()
    expect(output(book, 4)).to_be_visible()
    expect(output(book, 4)).to_have_text("ValueError: no such customer")
    trace = book.panel.get_by_label("Traceback")
    expect(trace).to_be_visible()
    assert trace.evaluate("each => each.scrollWidth <= each.clientWidth")
    book.row(5).click()
    expect(trace).to_contain_text("KeyError")
    assert trace.evaluate("each => each.scrollWidth <= each.clientWidth")
