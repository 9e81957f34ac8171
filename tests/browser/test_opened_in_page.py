"""An opened instance in a real page: where its params came from, and its code on the clipboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import flowmagic
from pocketflow import AsyncFlow, AsyncNode

seen = []

class Load(AsyncNode):
    async def exec_async(self, prepared):
        seen.append({key: self.params[key] for key in ("user_id", "model")})

    async def post_async(self, shared, prepared, executed):
        self.params["plan"] = "premium"
        self.params["user_id"] += 1

class Report(AsyncNode):
    async def exec_async(self, prepared):
        return self.params["plan"], self.params.get("lang")

load = Load()
load >> Report()
flow = AsyncFlow(start=load)
flow.set_params({"model": "small", "lang": "en"})
"""
ROWS = """%%batchflow flow --limit 2 -o run
[{"user_id": n, "lang": "de", "temprature": 0.2, "note": "x"} for n in range(3)]"""
PAGE = """() => { Object.defineProperty(navigator, "clipboard", {value: undefined}); }"""


def copies(book):
    return [
        book.panel.get_by_role("region", name=f"Node copy {n}: {name}")
        for n, name in ((1, "Load"), (2, "Report"))
    ]


def param(copy, key):
    """The value of a param, with the words behind it."""
    return copy.locator(f"dt:text-is('{key}') + dd").first


def cells(book):
    return book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.map(w => w.model.sharedModel.source)"
    )


def pasted(book) -> str:
    """Paste into a new cell as a person does, and return what stands there."""
    book.page.evaluate(
        """() => {
            const {commands, shell} = window.jupyterapp;
            shell.currentWidget.content.activeCellIndex = shell.currentWidget.content.widgets.length - 1;
            return commands.execute("notebook:insert-cell-below")
                .then(() => commands.execute("notebook:enter-edit-mode")).then(() => null);
        }"""
    )
    count = len(cells(book))
    book.page.wait_for_function(
        """() => {
            const cell = window.jupyterapp.shell.currentWidget.content.activeCell;
            return cell?.editor?.hasFocus();
        }"""
    )
    book.page.keyboard.press("Control+V")
    book.page.wait_for_function(
        """index => window.jupyterapp.shell.currentWidget.content.widgets[index]
            .model.sharedModel.source !== ''""",
        arg=count - 1,
    )
    return cells(book)[-1]


@in_lab
def test_an_opened_instance_tells_where_its_params_came_from_and_which_nobody_read(notebook):
    """The flow, the batch, a node; what is as it was is folded, and unfolds by the keyboard."""
    book = started(notebook, ROWS, setup=SETUP)
    book.until("run.ended")
    book.row(1).click()
    load, report = copies(book)
    expect(param(load, "user_id")).to_have_text("1")
    expect(param(load, "model")).to_have_text("'small' flow")
    expect(param(load, "lang")).to_have_text("'de' batch over flow")
    expect(param(load, "temprature")).to_have_text("0.2 never read")
    expect(param(report, "plan")).to_have_text("'premium'new by Load")
    expect(param(report, "user_id")).to_have_text("2changed by Load")
    same = report.locator("summary", has_text="same 4 params as before")
    expect(param(report, "model")).to_be_hidden()
    same.focus()
    book.page.keyboard.press("Enter")
    expect(param(report, "model")).to_be_visible()
    expect(param(report, "note")).to_contain_text("never read")
    expect(param(load, "lang").locator(".fm-unread")).to_have_count(0)


@in_lab
@pytest.mark.parametrize("clipboard", [True, False])
def test_copy_as_code_gives_a_cell_that_runs_that_instance_alone(notebook, clipboard):
    """By the page's clipboard, or without one as over plain HTTP; pasted, the cell runs it."""
    permissions = ["clipboard-read", "clipboard-write"] if clipboard else []
    book = notebook(SETUP, ROWS, alone=not clipboard, permissions=permissions)
    if not clipboard:
        book.page.evaluate(PAGE)
    book.run(0)
    book.run(1)
    book.until("run.ended")
    book.row(2).click()
    button = book.panel.get_by_role("button", name="Copy as code")
    button.focus()
    book.page.keyboard.press("Enter")
    expect(book.panel.get_by_role("button", name="Copied", exact=True)).to_be_focused()
    expect(book.panel.get_by_text("Copied a cell that reruns only this instance")).to_have_count(1)
    expect(button).to_be_visible()  # again, after a while
    text = pasted(book)
    assert text == (
        "%%batchflow flow --limit 2\n[{'user_id': 2, 'lang': 'de', 'temprature': 0.2, 'note': 'x'}]"
    )
    book.value("seen.clear() or 0")
    book.run(2, wait=False)
    book.until("len(seen) == 1")
    assert book.value("seen") == [{"user_id": 2, "model": "small"}]


@in_lab
def test_where_nothing_may_be_copied_the_cell_is_shown(notebook):
    """Selected, to be copied by hand; no key typed there reaches the notebook."""
    book = notebook(SETUP, ROWS, alone=True)
    book.page.evaluate(PAGE)
    book.page.evaluate("() => { document.execCommand = () => false; }")
    book.run(0)
    book.run(1)
    book.row(0).click()
    book.panel.get_by_role("button", name="Copy as code").click()
    expect(book.panel.get_by_role("button", name="Not copied")).to_be_visible()
    shown = book.panel.get_by_role(
        "textbox", name="Copy by hand: a cell that reruns only this instance"
    )
    expect(shown).to_be_focused()
    expect(shown).to_have_value(re.compile(r"%%batchflow flow --limit 2\n\[\{'user_id': 0"))
    assert book.page.evaluate("() => getSelection().toString()").startswith("%%batchflow")
    book.page.keyboard.press("d")
    book.page.keyboard.press("d")
    assert len(cells(book)) == 2


EXTREME = r"""%%batchflow flow -o run
class Loud:
    def __repr__(self):
        raise RuntimeError("no repr")
[{
    "user_id": 1, "huge": "y" * 10_000_000, "many": list(range(300_000)), "loud": Loud(),
    "html": "<img src=x onerror='window.hacked=1'>", "</dd><script>window.hacked=2</script>": 1,
    "surrogate": "\ud800", "right": "\u202eabc \u05d0\u05d1\u05d2", "api_key": "sk-very-secret-123",
    "quoting": "call with sk-very-secret-123", "empty": "", "nested": {"a": [{"b": {"c": 1}}]},
}]"""


@in_lab
def test_extreme_params_break_nothing_and_do_nothing(notebook):
    """Megabytes, reprs that raise, markup, surrogates, right-to-left text: shown, and no more."""
    book = started(notebook, EXTREME, setup=SETUP)
    book.until("run.ended")
    book.row(0).click()
    load, _ = copies(book)
    expect(param(load, "html")).to_contain_text("<img src=x onerror='window.hacked=1'>")
    expect(param(load, "loud")).to_contain_text("Loud")
    expect(param(load, "surrogate")).to_contain_text("ud800")
    expect(param(load, "api_key")).to_have_text("••• never read")
    expect(load).to_contain_text("</dd><script>")
    assert book.page.evaluate("() => window.hacked") is None
    assert "sk-very" not in book.panel.inner_text()
    assert len(book.panel.inner_html()) < 200_000
    # Each param stays in the panel, whichever way its text runs.
    box, panel = load.bounding_box(), book.panel.bounding_box()
    assert box["x"] + box["width"] <= panel["x"] + panel["width"]
