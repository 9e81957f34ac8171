"""How much a panel shows: as much as it has to say, and only what can act."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .test_access_in_page import settle, violations
from .test_panel_in_page import MANY, SETUP, in_lab, started

expect.set_options(timeout=30_000)

TIMES = "\N{MULTIPLICATION SIGN}"
THREE = "%%batchflow flow --limit 2 -o run\n[{'user_id': i, 'type': 'premium'} for i in (1, 2, 3)]"
FAILING = (
    "%%batchflow flow --limit 20 -o run\n"
    "[{'user_id': i, 'fail': f'no such customer ({i})' if i in (6, 19, 31) else 'late' * (i == 40)}"
    " for i in range(60)]"
)


def height(panel) -> float:
    return panel.bounding_box()["height"]


def buttons(panel) -> list[str]:
    """The names of the run's buttons that one can see."""
    return panel.get_by_role("group", name="Run controls").get_by_role("button").all_inner_texts()


def say(panel):
    return panel.locator(".fm-say")


@in_lab
def test_three_rows_are_a_head_a_bar_and_the_rows(notebook):
    """At most 260 pixels; no second picture of the rows, no search, no chips, no hint."""
    book = started(notebook, THREE)
    expect(say(book.panel)).to_have_text(re.compile(r"^3 in [0-9.]+ s · none failed$"))
    assert height(book.panel) <= 260
    for role, name in (("searchbox", None), ("listbox", "Overview"), ("combobox", None)):
        expect(book.panel.get_by_role(role, name=name)).to_have_count(0)
    expect(book.panel.get_by_role("tab")).to_have_text(["Timeline", "Graph", "Params"])
    assert buttons(book.panel) == ["Run again"]
    settle(book)
    assert violations(book) == []


@in_lab
def test_the_tabs_of_few_rows_lead_away_and_back_by_keyboard(notebook):
    """The rows are a tab only while something else is shown in their place."""
    book = started(notebook, THREE)
    keys = book.page.keyboard
    book.panel.get_by_role("tab", name="Timeline").focus()
    keys.press("ArrowRight")
    expect(book.panel.get_by_role("tab", name="Graph")).to_be_focused()
    expect(book.panel.get_by_role("group", name="Graph of the flow")).to_be_visible()
    expect(book.row(0)).to_be_hidden()
    keys.press("Home")
    expect(book.panel.get_by_role("tab", name="Table")).to_be_focused()
    expect(book.row(0)).to_be_visible()
    keys.press("Tab")  # leaves the tabs
    expect(book.panel.get_by_role("tab", name="Table")).to_be_hidden()


@in_lab
def test_any_panel_folds_to_a_line_and_back(notebook):
    """By keyboard, too; in the line are the counts and the buttons that can act."""
    book = started(notebook, FAILING)
    book.until("run.ended")
    expect(say(book.panel)).to_contain_text("60 in")
    tall = height(book.panel)
    fold = book.panel.get_by_role("button", name="flow", exact=True)
    fold.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(say(book.panel)).to_contain_text("of 60 · finished after")
    assert height(book.panel) < 50
    assert book.panel.inner_text().split()[:3] == ["flow", "finished", "with"]
    expect(book.panel.locator(".fm-count")).to_have_text(["56", "4"])
    assert buttons(book.panel) == ["Run again", "Retry 4 failed"]
    settle(book)
    assert violations(book) == []
    fold.press("Enter")
    expect(book.row(0)).to_be_visible()
    assert height(book.panel) == pytest.approx(tall, abs=2)


@in_lab
def test_a_compact_panel_and_a_run_as_a_value_are_a_line_that_unfolds(notebook):
    """The run is shown live wherever one writes its name."""
    book = started(notebook, THREE.replace("-o run", "-o run --compact"), "run")
    expect(book.panel).to_have_count(2)
    for panel in book.panel.all():
        expect(say(panel)).to_contain_text("of 3 · finished after")
        assert height(panel) < 50
        panel.get_by_role("button", name="flow", exact=True).click()
        expect(panel.get_by_role("grid", name="Instances")).to_be_visible()
    second = book.panel.nth(1)
    book.value("globals().update(again=run)")
    second.get_by_role("button", name="Run again").click()
    book.until("run is not again and run.ok")


@in_lab
def test_a_stopped_run_says_what_is_done_and_runs_the_rest(notebook):
    """Cancelled rows are not done; the button has their number, and they run in their rows."""
    book = started(notebook, MANY.replace("4_000", "200"))
    book.until("run.counts.ended > 5")
    book.button("Stop").click()
    book.until("run.ended")
    done, left = book.value("[run.counts.succeeded, run.counts.cancelled]")
    expect(say(book.panel)).to_have_text(re.compile(rf"^{done} of 200 done · stopped after "))
    assert buttons(book.panel) == ["Run again", f"Run the {left} left"]
    book.panel.get_by_role("spinbutton").fill("50")
    book.button(f"Run the {left} left").click()
    book.until("run.ok and len(run) == 200")
    expect(say(book.panel)).to_contain_text("200 in")
    assert buttons(book.panel) == ["Run again"]


@in_lab
def test_no_remaining_time_is_promised_while_a_run_is_paused(notebook):
    """Nobody knows when it will be resumed."""
    book = started(notebook, MANY)
    expect(say(book.panel)).to_contain_text("left")
    book.button("Pause").click()
    expect(say(book.panel)).to_have_text(re.compile(r"^paused · \d+ of 4,000 done · \d+ s$"))
    assert buttons(book.panel) == ["Resume", "Stop", "Cancel"]
    book.button("Cancel").click()
    book.until("run.ended")


@in_lab
def test_what_failed_is_shown_first_by_error_and_retried_by_error(notebook):
    """Errors that differ in numbers only are one line; its rows are shown and retried alone."""
    book = started(notebook, FAILING)
    book.until("run.ended")
    failed = book.panel.get_by_role("group", name="What failed")
    lines = failed.locator(".fm-failure:visible")
    expect(lines).to_have_count(2)
    assert lines.all_inner_texts() == [
        f"3 {TIMES}\nValueError: no such customer (…)\nin Report\nshow\nretry these",
        f"1 {TIMES}\nValueError: late\nrow 40 · in Report\nshow\nretry",
    ]
    lines.first.get_by_text("show", exact=True).click()
    expect(book.panel.get_by_role("grid", name="Instances")).to_have_attribute("aria-rowcount", "4")
    rows = book.panel.locator(".fm-spacer > .fm-row:visible .fm-col-index")
    expect(rows).to_have_text(["6", "19", "31"])
    book.value("globals().update(broken=False)")
    lines.first.get_by_text("retry these").click()
    book.until("run.ended and run.counts.failed == 1")
    assert book.value("[run[i].attempts for i in (6, 19, 31, 40)]") == [2, 2, 2, 1]
    expect(lines).to_have_count(1)
    expect(book.panel.get_by_role("grid", name="Instances")).to_have_attribute(
        "aria-rowcount", "61"
    )


@in_lab
@pytest.mark.parametrize("width", [420, 1280])
def test_an_error_is_in_sight_where_the_table_has_no_room_for_it(notebook, width):
    """In a narrow page, and beside an opened instance, few rows have the list of errors, too."""
    book = started(notebook, "%%batchflow flow -o run\n[{'fail': 'no'}, {'fail': ''}]", width=width)
    book.until("run.ended")
    failed = book.panel.get_by_role("group", name="What failed")
    if width > 1000:
        expect(failed).to_be_hidden()  # the row says it
        expect(book.row(0)).to_contain_text("ValueError: no")
        book.row(1).click()
    expect(failed).to_contain_text(f"1 {TIMES}ValueError: no")


@in_lab
def test_the_legend_filters_the_table(notebook):
    """Its entries are the only chips; pressed again, all rows are back."""
    book = started(notebook, FAILING)
    book.until("run.ended")
    entry = book.button("4 failed")
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "true")
    grid = book.panel.get_by_role("grid", name="Instances")
    expect(grid).to_have_attribute("aria-rowcount", "5")
    entry.click()
    expect(grid).to_have_attribute("aria-rowcount", "61")


@in_lab
def test_what_holds_a_run_back_is_said_with_the_way_to_change_it(notebook):
    """The number that its calls wait for is one click away, and the sentence goes with its cause."""
    setup = SETUP + (
        "openai = flowmagic.set_limit('openai', concurrency=2)\n"
        "class Ask(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        async with openai.call():\n"
        "            await asyncio.sleep(0.2)\n"
        "ask = AsyncFlow(start=Ask())\n"
    )
    cell = "%%batchflow ask --limit 9 -o run\n[{'i': i} for i in range(2000)]"
    book = started(notebook, cell, setup=setup)
    held = book.panel.locator(".fm-held-back:visible")
    expect(held).to_contain_text("Paced by openai: 2 calls at once. A higher limit won't help.")
    held.get_by_text("change").click()
    book.page.keyboard.type("200")
    book.page.keyboard.press("Enter")
    book.until("openai.concurrency == 2200 or openai.concurrency == 200 or openai.concurrency > 9")
    expect(held).to_have_count(0)
    book.button("Cancel").click()
    book.until("run.ended")


@in_lab
@pytest.mark.parametrize("rows", [6, 60])
def test_what_one_asks_first_is_at_most_a_click_away(notebook, rows):
    """No click: what failed and why, an answer, what holds it back. One: what a copy received, params."""
    setup = SETUP + (
        "openai, gate = flowmagic.set_limit('openai', concurrency=1), asyncio.Event()\n"
        "class Ask(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        async with openai.call():\n"
        "            if self.params['user'] == 1:\n"
        "                raise ValueError('no such customer')\n"
        "            if self.params['user'] == 3:\n"
        "                await gate.wait()\n"
        "        return f'Dear user {self.params[\"user\"]}'\n"
        "ask = AsyncFlow(start=Ask())\n"
    )
    cell = f"%%batchflow ask --limit 6 -o run\n[{{'user': i}} for i in range({rows})]"
    book = started(notebook, cell, setup=setup)
    book.until("run.counts.ended == 3")
    failed = book.panel.get_by_role("group", name="What failed") if rows > 12 else book.row(1)
    expect(failed).to_contain_text("ValueError: no such customer")
    expect(failed).to_contain_text("Ask")
    expect(book.row(2).locator(".fm-col-output")).to_have_text("Dear user 2")
    expect(book.panel.locator(".fm-held-back:visible")).to_contain_text("Paced by openai: 1 call")
    expect(book.row(3).locator(".fm-col-output")).to_have_text("…")
    waits = "waits at openai: 1 call at once"
    expect(book.row(4).locator(".fm-col-output")).to_have_text(waits)

    book.row(4).click()
    opened = book.panel.get_by_role("region", name="Opened instance")
    expect(opened.locator("dl")).to_have_text("user4")
    expect(opened.locator(".fm-chip.fm-cool")).to_have_text(waits)
    book.value("gate.set()")
    expect(opened).to_contain_text("Dear user 4")
    expect(opened.locator(".fm-chip.fm-cool")).to_be_hidden()
    opened.get_by_role("button", name="Close").click()
    book.params()
    expect(book.panel.get_by_role("grid", name="Param list as a table")).to_contain_text("user")


@in_lab
def test_a_cell_that_is_run_again_offers_to_cancel_its_earlier_run(notebook):
    """Its panel and its variable are gone; it still spends."""
    book = started(notebook, MANY)
    book.value("globals().update(first=run)")
    book.run(1)
    offer = book.button("Cancel the earlier run")
    expect(book.panel).to_contain_text("An earlier run of this cell is still in progress")
    offer.click()
    book.until("first.status == 'cancelled' and not run.ended")
    expect(offer).to_be_hidden()
    book.button("Cancel").click()
    book.until("run.ended")


def test_a_cell_that_is_run_again_and_again_keeps_one_panel_in_the_kernel(notebook):
    """And one run: a kernel that lives for a week has the memory for that."""
    book = started(notebook, THREE)
    for _ in range(3):
        book.until("run.ended")
        book.run(1)
    book.until("run.ended")
    expect(book.panel).to_have_count(1)
    expect(say(book.panel)).to_have_text(re.compile(r"^3 in [0-9.]+ s"))
    widgets = "__import__('ipywidgets').widgets.widget._instances"
    book.until(f"len({widgets}) == 2")  # the panel and its layout
    book.button("Run again").click()
    book.until("run.ended and get_ipython().user_ns['run'] is run")
    assert book.errors == []


@in_lab
def test_after_its_kernel_was_shut_down_no_button_is_left(notebook):
    """Neither Run again nor a retry could reach anything."""
    book = started(notebook, FAILING)
    book.until("run.ended")
    expect(book.button("Run again")).to_be_visible()
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null)"
    )
    expect(book.panel).to_contain_text("The kernel of this panel is gone")
    assert buttons(book.panel) == []
    expect(book.panel.locator(".fm-failure").first.get_by_text("retry these")).to_be_hidden()
