"""What a saved notebook shows of a run: with the kernel it had, without one, and with a new one."""

from __future__ import annotations

import re

import nbformat
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from .test_panel_in_page import SETUP, in_lab

CELL = (
    "%%batchflow flow --limit 5 -o run\n"
    "[{'user_id': i, 'api_key': 'sk-real-key-1234', **({'fail': 'no user'} if i == 3 else {})}"
    " for i in range(6)]"
)
MARKUP = "%%batchflow flow -o run\n[{'fail': '<img src=x onerror=window.hit=1><b>bold</b>'}]"


def _finished(notebook, cell):
    book = notebook(SETUP, cell)
    book.run(0)
    book.run(1)
    book.until("run.ended")
    book.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel"
        ".toJSON().outputs.some(each => JSON.stringify(each.data).includes('failed'))"
    )
    return book


def test_the_summary_of_a_background_run_reaches_the_saved_file(notebook):
    """Filled in after the cell had ended, it is in the file, with secrets masked."""
    book = _finished(notebook, CELL)
    expect(
        book.page.locator("details summary", has_text="5 of 6 succeeded, 1 failed")
    ).to_be_visible()
    book.save()
    saved = (book.server.root / book.name).read_text()
    outputs = nbformat.reads(saved, as_version=4).cells[1].outputs
    [summary] = [each.data for each in outputs if "text/html" in each.data]
    assert "5 of 6 succeeded, 1 failed" in summary["text/html"]
    assert "5 of 6 succeeded, 1 failed" in summary["text/plain"]
    assert "ValueError: no user" in summary["text/plain"]
    assert "sk-real-key-1234" not in "".join(map(str, outputs))


def test_under_a_live_panel_the_summary_is_folded_until_somebody_unfolds_it(notebook):
    """The panel says the same, also in a page that was loaded anew, and after a retry."""
    book = _finished(notebook, CELL)
    error = book.page.locator("details td", has_text="ValueError: no user").first
    folded = book.page.locator("details.fm-summary > summary")
    expect(folded).to_be_visible()
    expect(error).to_be_hidden()
    folded.click()
    expect(error).to_be_visible()
    book.value("globals().update(again=run.retry_failed())")
    book.until("run.ended and run[3].attempts > 1")
    expect(book.page.locator("details.fm-summary")).to_contain_text("(2 attempts)")
    expect(error).to_be_hidden()
    book.save()
    book.reload()
    expect(book.panel).to_contain_text("1 failed")
    expect(folded).to_be_visible()
    expect(error).to_be_hidden()


def test_reopened_with_a_new_kernel_the_summary_stands(notebook):
    """The panel is gone with its kernel, and says so or nothing; what failed is there without a click."""
    book = _finished(notebook, CELL)
    book.save()
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null)"
    )
    book.reload()
    expect(book.page.locator("details td", has_text="ValueError: no user").first).to_be_visible()
    # Nothing of the old run is in the new kernel, and nothing on the page acts as if it were.
    assert book.value("'run' in globals()") is False
    assert book.panel.count() == 0 or book.button("Stop").is_hidden()


@in_lab
def test_saved_during_a_run_and_reopened_without_its_kernel_the_latest_state_stands(notebook):
    """Counts and failures; the live panel hides them, and nothing is said of a lost widget."""
    quick = "\nflowmagic.notebook.display._INTERVAL = 0.5"
    rows = "[{'user_id': i, 'fail': 'no user' * (i == 3)} for i in range(4_000)]"
    book = notebook(SETUP + quick, f"%%batchflow flow --limit 3 -o run\n{rows}")
    book.run(0)
    book.run(1)
    book.page.wait_for_function(
        "() => document.querySelector('.fm-brief')?.innerHTML.includes('ValueError: no user')"
    )
    brief = book.page.locator(".fm-brief")
    expect(brief).to_be_hidden()
    done = book.value("run.counts.succeeded")
    book.page.wait_for_function(
        """done => {
            const text = document.querySelector(".fm-brief").textContent;
            return Number(/(\\d+) of 4000 succeeded, 1 failed/.exec(text)?.[1]) >= done;
        }""",
        arg=done,
    )
    book.save()
    saved = (book.server.root / book.name).read_text()
    [html] = [
        output.data["text/html"]
        for output in nbformat.reads(saved, as_version=4).cells[1].outputs
        if "text/html" in output.data
    ]
    assert int(re.search(r"flow: (\d+) of 4000 succeeded, 1 failed", html)[1]) >= done
    exported, _ = HTMLExporter().from_filename(str(book.server.root / book.name))
    assert "of 4000 succeeded, 1 failed" in exported
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null)"
    )
    book.reload()
    expect(brief).to_be_visible()
    expect(brief).to_contain_text("ValueError: no user")
    book.page.wait_for_timeout(1_000)
    painted = book.page.locator(".jp-Notebook").inner_text()
    assert "of 4000 succeeded, 1 failed" in painted
    assert "widget" not in painted.lower()


@in_lab
def test_markup_in_a_summary_stays_text(notebook):
    """An error message that is HTML is shown, not obeyed."""
    book = _finished(notebook, MARKUP)
    book.page.locator(".jp-RenderedHTML summary").first.click()
    expect(book.page.locator("details td", has_text="<img src=x").first).to_be_visible()
    assert book.page.evaluate("() => window.hit === undefined")
    assert book.page.locator("details img, details b").count() == 0
