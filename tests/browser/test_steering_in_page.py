"""Limits, cool-downs, attempts and single instances in a real page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .test_panel_in_page import drag, in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, flowmagic
from flowmagic.limits.calls.named import limit, named_limits, set_limit
from pocketflow import AsyncFlow, AsyncNode

live = peak = 0
most = 1_000
gate = asyncio.Event()
failures = {}

class Ask(AsyncNode):
    # A provider that refuses more than `most` calls at once.
    async def exec_async(self, prepared):
        global live, peak
        live += 1
        peak = max(peak, live)
        try:
            if live > most:
                raise flowmagic.RateLimitHit("429: too many at once")
            await asyncio.sleep(0.05)
        finally:
            live -= 1

class Limited(Ask):
    async def exec_async(self, prepared):
        async with limit("openai", tokens=10):
            await super().exec_async(prepared)

class Gated(AsyncNode):
    # Fails, or waits at the gate, when its params say so.
    async def exec_async(self, prepared):
        index = self.params["user_id"]
        left = failures.setdefault(index, self.params.get("failures", 0))
        failures[index] -= 1
        if left > 0:
            error = flowmagic.RateLimitHit if "after" in self.params else ValueError
            if error is ValueError:
                raise ValueError(f"failure {left} of user {index}")
            raise flowmagic.RateLimitHit("slow down", retry_after=self.params["after"])
        if self.params.get("wait"):
            await gate.wait()

class Report(AsyncNode):
    async def exec_async(self, prepared):
        if self.params.get("wait"):
            await later.wait()

later = asyncio.Event()
flow = AsyncFlow(start=Ask())
limited = AsyncFlow(start=Limited())
first = Gated()
first >> Report()
gated = AsyncFlow(start=first)
"""
LIMITED = "%%batchflow limited --limit 30 -o run\n[{'user_id': i} for i in range(20_000)]"


def tuned(book, name: str):
    """The input of one number of the limit `openai`."""
    book.limits()
    group = book.panel.get_by_role("group", name="Limit openai")
    return group.get_by_role("spinbutton", name=f"openai: {name}")


def chip(book):
    return book.panel.locator(".fm-held-back:not(.fm-earlier-run) > span")


def bar(book):
    return book.panel.get_by_role("img")


def opened(book):
    return book.panel.get_by_role("region", name="Opened instance")


@in_lab
def test_the_slider_of_an_adaptive_run_moves_by_itself_and_refused_rows_come_back(notebook):
    """It shows what is in force, says between what it adapts, and can still be dragged."""
    cell = "%%batchflow flow --adaptive 2-20-40 -o run\n[{'user_id': i} for i in range(20_000)]"
    book = started(notebook, cell, setup=SETUP.replace("most = 1_000", "most = 8"))
    book.page.wait_for_function("() => Number(document.querySelector('.fm-slider').value) <= 10")
    expect(book.panel).to_contain_text(re.compile(r"adaptive, 2 to 40 · \d+ refused"))
    expect(book.slider).to_have_attribute(
        "aria-valuetext", re.compile(r"^limit \d+, adaptive, 2 to 40$")
    )
    book.until("any(i.attempts > 1 and i.status == 'succeeded' for i in run.instances[:20])")
    assert book.value("run.counts.failed") == 0
    # Nobody refuses any more: it climbs, and the page with it.
    book.value("globals().update(most=1_000)")
    book.page.wait_for_function("() => Number(document.querySelector('.fm-slider').value) >= 12")
    drag(book, 0.98)
    book.until("run.limit >= 45 and peak >= 45")
    expect(book.panel).to_contain_text(re.compile(r"adaptive, 2 to (4[5-9]|50)\b"))
    book.button("Cancel").click()
    book.until("run.ended")


@in_lab
def test_a_cool_down_is_counted_down_and_goes(notebook):
    """One chip near the status, whatever else is told meanwhile; gone when the run goes on."""
    cell = (
        "%%batchflow gated --adaptive 1-5-9 -o run\n"
        "[{'user_id': i, 'failures': int(i == 4), 'after': 6, 'wait': i < 4} for i in range(30)]"
    )
    book = started(notebook, cell, setup=SETUP)
    expect(chip(book)).to_have_text(re.compile(r"^Waiting [3-6] s, as the provider asked\.$"))
    chip(book).evaluate(
        """chip => {
            window.seen = [];
            const note = () => window.seen.push(Number(/\\d+/.exec(chip.textContent)[0]));
            new MutationObserver(note).observe(chip, {subtree: true, childList: true});
        }"""
    )
    # Running instances finish, and the page is told of them.
    book.value("[gate.set(), later.set()] and 0")
    for index in range(4):
        expect(book.row(index)).to_contain_text("succeeded")
    assert book.value("run.cooling > 0")
    expect(chip(book)).to_have_text("Waiting 1 s, as the provider asked.")
    assert book.value("run.cooling") <= 1.2
    expect(chip(book)).to_be_hidden()
    seen = book.page.evaluate("() => window.seen")
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 1
    book.until("run.ok")
    assert book.value("run[4].attempts") == 2


def test_a_named_limit_tuned_by_typing_acts_on_what_runs(notebook):
    """Enter, or a pause in typing; what is typed is not overwritten, nor taken for less than it is."""
    setup = SETUP + "set_limit('openai', concurrency=2)\nopenai = named_limits()['openai']\n"
    book = started(notebook, LIMITED, setup=setup)
    at_once = tuned(book, "calls at once")
    expect(at_once).to_have_value("2")
    book.limits()
    line = book.panel.get_by_role("group", name="Limit openai")
    expect(line).to_contain_text(re.compile(r"2 /\s*at once.*28 waiting"))
    assert book.value("peak") == 2
    at_once.fill("9")
    at_once.press("Enter")
    book.until("openai.concurrency == 9 and peak == 9")

    # Emptied on the way to another number: it stays empty, and nothing is let through.
    at_once.press("ControlOrMeta+a")
    at_once.press("Backspace")
    done = book.value("run.counts.ended")
    book.page.wait_for_function(
        "done => Number(document.querySelector('.fm-say').textContent"
        ".match(/[\\d,]+/)[0].replace(/,/g, '')) > done + 100",
        arg=done,
    )
    expect(at_once).to_have_value("")
    assert book.value("openai.concurrency") == 9
    at_once.press_sequentially("4")
    book.until("openai.concurrency == 4 and live <= 4")
    book.value("globals().update(peak=0, mark=run.counts.ended)")
    book.until("run.counts.ended > mark + 40")
    assert book.value("peak") == 4

    # Refused: said by name, and what is in force is there again.
    at_once.fill("0")
    at_once.press("Enter")
    expect(book.panel).to_contain_text("Limit 'openai': concurrency is an int (0)")
    expect(at_once).to_have_value("4")
    # Given up: nothing was asked.
    tokens = tuned(book, "tokens per minute")
    tokens.press_sequentially("77")
    tokens.press("Escape")
    expect(tokens).to_have_value("")
    # Empty, and meant: no such limit; by arrow keys: at once.
    at_once.fill("")
    at_once.press("Enter")
    book.until("openai.concurrency is None and peak == 30")
    expect(book.panel).not_to_contain_text("concurrency is an int (0)")
    calls = tuned(book, "calls per minute")
    calls.fill("6000")
    calls.press("ArrowUp")
    book.until("openai.per_minute == 6001")
    assert book.value("openai.tokens_per_minute") is None
    book.button("Cancel").click()
    book.until("run.ended")


def test_keys_in_a_named_limit_are_no_commands_of_the_notebook(notebook):
    """No cell is added, deleted, run or left, whatever is pressed in there."""
    setup = SETUP + "set_limit('openai', concurrency=2, per_minute=60)\n"
    book = started(notebook, "%%batchflow limited -o run\n[{'user_id': 1}]", setup=setup)
    book.until("run.ended")
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    count = book.page.evaluate(cells)
    executed = book.value("run.started_at.isoformat()")
    per_minute = tuned(book, "calls per minute")
    per_minute.focus()
    for key in (
        "b",
        "a",
        "d",
        "d",
        "x",
        "Escape",
        "j",
        "ArrowDown",
        "Shift+Enter",
        "Control+Enter",
    ):
        book.page.keyboard.press(key)
    assert book.page.evaluate(cells) == count
    assert book.page.evaluate("() => document.activeElement.dataset.field") == "per_minute"
    assert book.value("run.started_at.isoformat()") == executed
    book.until("named_limits()['openai'].per_minute == 59")


@in_lab
def test_a_named_limit_that_cools_down_says_so_in_its_line(notebook):
    """Counted down by the page, also when no run is on; gone at its end."""
    setup = (
        SETUP
        + "set_limit('openai', concurrency=2)\n"
        + "async def refuse():\n"
        + "    async with limit('openai'):\n"
        + "        raise flowmagic.RateLimitHit('slow down', retry_after=5)\n"
        + "await asyncio.gather(refuse(), return_exceptions=True)\n"
    )
    book = started(notebook, "%batchflow flow", setup=setup)
    book.limits()
    line = book.panel.get_by_role("group", name="Limit openai")
    expect(line).to_contain_text(re.compile("waiting [345] s, as the provider asked"))
    expect(line).to_contain_text("waiting 1 s, as the provider asked")
    expect(line.locator(".fm-cool")).to_be_hidden()


@in_lab
def test_one_instance_is_cancelled_from_its_opened_row(notebook):
    """A running one, then a pending one, by keyboard; the others go on to their end."""
    cell = "%%batchflow gated --limit 2 -o run\n[{'user_id': i, 'wait': i < 2} for i in range(8)]"
    book = started(notebook, cell, setup=SETUP)
    book.until("run.counts.running == 2")
    book.row(5).click()
    button = opened(book).get_by_role("button", name="Cancel this one")
    button.focus()
    book.page.keyboard.press("Enter")
    expect(book.row(5)).to_contain_text("cancelled")
    expect(button).to_have_count(0)
    # The button is gone, the keyboard's place is not.
    assert book.page.evaluate("() => document.activeElement.closest('.fm-detail') !== null")
    book.row(0).click()
    button.click()
    expect(book.row(0)).to_contain_text("cancelled")
    book.until("run.counts.succeeded == 5")
    assert book.value("[run.status, run[1].status]") == ["running", "running"]
    book.value("[gate.set(), later.set()] and 0")
    book.until("run.ended")
    assert book.value("[str(i.status) for i in run.instances].count('cancelled')") == 2
    expect(button).to_have_count(0)


def test_a_cell_that_blocks_until_the_run_has_ended_is_no_bar_to_the_panel(notebook):
    """The limit and Cancel act while `run.wait()` holds the main thread; a deaf panel never ended it."""
    cell = "%%batchflow gated --limit 2 -o run\n[{'user_id': i, 'wait': True} for i in range(8)]"
    book = notebook(SETUP, cell, "run.wait()\nprint('over')")
    book.run(0)
    book.run(1)
    book.until("run.counts.running == 2")
    book.run(2, wait=False)
    book.panel.get_by_role("spinbutton", name="Concurrency limit as a number").fill("5")
    expect(bar(book)).to_have_accessible_name(re.compile("5 running"))
    book.button("Cancel").click()
    expect(bar(book)).to_have_accessible_name(re.compile("8 cancelled"))
    book.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    )
    assert "over" in book.text(2)


@in_lab
def test_a_command_that_a_held_loop_keeps_waiting_says_why(notebook):
    """Cancel during `time.sleep`: the panel says what it waits for, and acts when the cell lets go."""
    cell = "%%batchflow gated --limit 2 -o run\n[{'user_id': i, 'wait': True} for i in range(8)]"
    holds = "import pathlib, time\nwhile not pathlib.Path('let-go').exists(): time.sleep(0.02)"
    book = notebook(SETUP, cell, holds)
    book.run(0)
    book.run(1)
    book.until("run.counts.running == 2")
    book.run(2, wait=False)
    book.button("Cancel").click()
    expect(book.panel).to_contain_text("The kernel is busy with a cell")
    expect(bar(book)).to_have_accessible_name(re.compile("2 running"))
    (book.server.root / "let-go").touch()
    expect(bar(book)).to_have_accessible_name(re.compile("8 cancelled"))
    expect(book.panel).not_to_contain_text("busy with a cell")
    (book.server.root / "let-go").unlink()


@in_lab
def test_an_opened_row_shows_its_earlier_attempts(notebook):
    """Folded; what the user has unfolded stays so while the instance goes on."""
    cell = (
        "%%batchflow gated --retries 2 -o run\n"
        "[{'user_id': 0, 'failures': 2, 'wait': True, 'api_key': 'sk-very-secret'}]"
    )
    book = started(notebook, cell, setup=SETUP)
    book.until("run[0].attempts == 3")
    book.row(0).click()
    row = opened(book)
    expect(row).to_contain_text("2 earlier attempts")
    expect(row).to_contain_text("attempt 3")
    first = row.locator("summary", has_text="Attempt 1")
    expect(first).to_contain_text("failure 2 of user 0")
    expect(row.locator("summary", has_text="Attempt 2")).to_contain_text("failure 1 of user 0")
    copies = row.get_by_role("region", name="Node copy 1: Gated")
    expect(copies.filter(visible=True)).to_have_count(1)
    first.focus()
    book.page.keyboard.press("Enter")
    expect(copies.filter(visible=True)).to_have_count(2)
    book.value("gate.set() or 0")
    expect(row.get_by_role("region", name="Node copy 2: Report")).to_be_visible()
    expect(copies.filter(visible=True)).to_have_count(2)
    assert book.page.evaluate("() => document.activeElement.dataset.key") == "attempt-1"
    assert "very-secret" not in book.panel.inner_text()
    book.value("later.set() or 0")
    book.until("run.ok")


@in_lab
def test_a_row_that_waits_for_its_retry_says_so(notebook):
    """Pending again, with the attempt so far; and it can be cancelled there too."""
    cell = (
        "%%batchflow gated --adaptive 1-2-3 -o run\n"
        "[{'user_id': 0, 'failures': 1, 'after': 600}, {'user_id': 1}]"
    )
    book = started(notebook, cell, setup=SETUP)
    expect(chip(book)).to_be_visible()
    book.row(0).click()
    expect(opened(book)).to_contain_text("waiting to be retried")
    expect(opened(book)).to_contain_text("1 attempt so far")
    expect(opened(book)).to_contain_text("RateLimitHit: slow down")
    opened(book).get_by_role("button", name="Cancel this one").click()
    expect(book.row(0)).to_contain_text("failed")  # what it was before
    book.button("Cancel").click()
    book.until("run.ended")


@in_lab
def test_a_run_that_stops_by_itself_says_why(notebook):
    """In the panel, and in the summary that a saved notebook keeps."""
    cell = (
        "%%batchflow gated --max-errors 2 --limit 1 -o run\n"
        "[{'user_id': i, 'failures': 1} for i in range(9)]"
    )
    book = started(notebook, cell, setup=SETUP)
    because = "3 instances failed, more than max_errors=2"
    expect(book.panel).to_contain_text(f"The run stopped on its own: {because}.")
    expect(book.page.locator("details summary", has_text=because)).to_be_visible()


@in_lab
@pytest.mark.parametrize("width", [400, 700, 1400])
def test_all_of_it_fits_its_page(notebook, width):
    """Nothing sticks out of the panel, with long names, notices and attempts."""
    setup = (
        SETUP
        + "set_limit('a provider with a rather long name', adaptive='2-10-50', "
        + "per_minute=500_000, tokens_per_minute=2_000_000)\n"
        + "set_limit('openai', concurrency=100)\n"
    )
    cell = (
        "%%batchflow gated --adaptive 1-2-30 --retries 5 -o run\n"
        "[{'user_id': i, 'failures': 2, **({'after': 600} if i else {})} for i in range(3)]"
    )
    book = started(notebook, cell, setup=setup, width=width)
    expect(chip(book)).to_be_visible()
    book.row(0).click()
    expect(opened(book)).to_contain_text("Attempt 1")
    tuned(book, "calls at once").fill("0")
    tuned(book, "calls at once").press("Enter")
    expect(book.panel).to_contain_text("concurrency is an int (0)")
    stuck = book.panel.evaluate(
        """panel => {
            const edge = panel.getBoundingClientRect().right + 1;
            return [...panel.querySelectorAll("*")].filter(each =>
                !each.closest(".fm-hidden") && each.getBoundingClientRect().right > edge
            ).map(each => each.className);
        }"""
    )
    assert stuck == []
    book.button("Cancel").click()
    book.until("run.ended")
