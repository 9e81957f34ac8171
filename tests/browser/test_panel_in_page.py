"""The panel in a real page: what one sees, and that steering reaches the run."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=30_000)

in_lab = pytest.mark.parametrize("server", ["lab"], indirect=True)
"""Of what is the same in every front end, one is enough."""

SETUP = """
%load_ext flowmagic
import asyncio, flowmagic
from pocketflow import AsyncFlow, AsyncNode

live = peak = 0
broken = True

class Fetch(AsyncNode):
    async def exec_async(self, prepared):
        global live, peak
        live += 1
        peak = max(peak, live)
        try:
            await asyncio.sleep(0.05)
        finally:
            live -= 1

    async def post_async(self, shared, prepared, executed):
        self.params["seen"] = True

class Report(AsyncNode):
    async def exec_async(self, prepared):
        if broken and self.params.get("fail"):
            raise ValueError(self.params["fail"])

fetch, report = Fetch(), Report()
fetch >> report
flow = AsyncFlow(start=fetch)
"""
MANY = "%%batchflow flow --limit 3 -o run\n[{'user_id': i} for i in range(4_000)]"


def drag(book, share: float) -> None:
    """Drag the slider's thumb to a share of its width, with the mouse."""
    book.slider.scroll_into_view_if_needed()
    box = book.slider.bounding_box()
    value, most = (float(book.slider.evaluate(f"each => each.{name}")) for name in ("value", "max"))
    y = box["y"] + box["height"] / 2
    book.page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (value - 1) / (most - 1), y)
    book.page.mouse.down()
    book.page.mouse.move(box["x"] + box["width"] * share, y, steps=12)
    book.page.mouse.up()


def started(notebook, *cells: str, setup: str = SETUP, **options):
    """Open a notebook with the usual flow, run its cells, and wait for the panel."""
    book = notebook(setup, *cells, **options)
    book.run(0)
    for index in range(1, len(cells) + 1):
        book.run(index)
    book.panel.first.wait_for()
    book.panel.first.scroll_into_view_if_needed()  # off screen nothing is drawn
    return book


def test_a_slider_never_moved_before_steers_a_run_by_mouse_and_keys(notebook):
    """The peak of live instances follows the slider, up and down, while the run goes on."""
    book = started(notebook, MANY)
    book.until("run.counts.ended > 5")
    assert book.value("peak") == 3
    drag(book, 0.98)
    book.until("run.limit >= 45 and peak == run.limit")
    expect(book.panel.get_by_role("spinbutton")).to_have_value(str(book.value("run.limit")))

    book.slider.focus()
    book.page.keyboard.press("Home")
    book.page.keyboard.press("ArrowRight")
    book.until("run.limit == 2 and live <= 2")
    book.value("globals().update(peak=0, mark=run.counts.ended)")
    book.until("run.counts.ended > mark + 20")
    assert book.value("peak") == 2

    book.button("Stop").click()
    book.until("run.status == 'stopped'")
    expect(book.panel).to_contain_text("stopped")
    assert book.value("live") == 0


@in_lab
def test_pause_resume_and_cancel_do_what_they_say(notebook):
    """Each button is there only where it means something, and acts."""
    book = started(notebook, MANY)
    expect(book.button("Run again")).to_be_hidden()
    expect(book.button("Resume")).to_be_hidden()
    book.button("Pause").click()
    expect(book.button("Resume")).to_be_enabled()
    book.until("run.status == 'paused' and live == 0")
    expect(book.button("Pause")).to_be_hidden()
    # Pressed by keyboard, the button must not take the keyboard's place with it.
    book.button("Resume").press("Enter")
    book.until("run.status == 'running' and live == 3")
    assert book.page.evaluate("() => document.activeElement.tagName") == "BUTTON"
    book.button("Cancel").click()
    book.until("run.status == 'cancelled' and live == 0")
    expect(book.button("Run again")).to_be_enabled()
    expect(book.button("Cancel")).to_be_hidden()


def test_a_reloaded_page_shows_the_present_and_steers_on(notebook):
    """After a reload of the saved notebook in mid-run the panel is back, and acts."""
    book = started(notebook, MANY)
    book.until("run.counts.ended > 5")
    book.save()
    book.reload()
    expect(book.panel).to_contain_text("running")
    done = book.value("run.counts.ended")
    book.slider.focus()
    book.page.keyboard.press("End")
    book.until("run.limit == 50 and peak == 50")
    # What it shows goes on from there.
    book.page.wait_for_function(
        "done => Number(document.querySelector('.fm-say').textContent"
        ".match(/[\\d,]+/)[0].replace(/,/g, '')) > done + 50",
        arg=done,
    )
    book.button("Stop").click()
    book.until("run.status == 'stopped'")
    expect(book.panel).to_contain_text("stopped")


def test_the_slider_acts_while_a_cell_waits(notebook):
    """With --wait the cell is busy, and a slider never moved before still reaches the run."""
    cell = "%%batchflow flow --limit 2 --wait -o run\n[{'user_id': i} for i in range(300)]"
    book = notebook(SETUP, cell)
    book.run(0)
    book.run(1, wait=False)
    expect(book.panel).to_contain_text("running")
    book.slider.focus()
    for _ in range(8):
        book.page.keyboard.press("ArrowRight")
    expect(book.panel).to_contain_text("300 in ")
    assert book.value("run.limit") == 10
    assert book.value("peak") == 10


@in_lab
def test_hostile_params_stay_text(notebook):
    """Markup in params, keys and errors is shown as it stands, and does nothing."""
    evil = "<img src=x onerror='window.hacked=1'>"
    end = "</script><script>window.hacked=2</script>"
    rows = [{"html": evil, end: 1, "fail": evil + end}, {"html": end}]
    book = started(notebook, f"%%batchflow flow -o run\n{rows!r}")
    book.until("run.ended")
    expect(book.row(0)).to_contain_text("<img src=x")
    book.row(0).click()
    detail = book.panel.get_by_role("region", name="Opened instance")
    expect(detail.locator("pre")).to_contain_text(evil)
    expect(detail).to_contain_text(end)
    book.params()
    expect(book.panel.locator(".fm-sheet")).to_contain_text("onerror")
    book.button("Text").click()
    expect(book.panel.get_by_role("textbox", name="Param list")).to_have_value(
        re.compile("onerror")
    )
    assert book.panel.locator("img, script").count() == 0
    assert book.page.evaluate("() => window.hacked") is None


@in_lab
def test_a_secret_is_nowhere_in_the_page(notebook):
    """Masked in the row, the opened row, its traceback and the text; the node got the real one."""
    rows = [{"api_key": "sk-very-secret", "fail": "refused: sk-very-secret"}]
    book = started(notebook, f"%%batchflow flow -o run\n{rows!r}")
    book.until("run.ended")
    book.row(0).click()
    detail = book.panel.get_by_role("region", name="Opened instance")
    expect(detail.locator("pre")).to_contain_text("refused: •••")
    book.params()
    expect(book.panel.locator(".fm-sheet")).to_contain_text("•••")
    text = book.panel.locator(".fm-sheet").inner_text()
    book.button("Text").click()
    text += book.panel.get_by_role("textbox", name="Param list").input_value()
    assert "•••" in text
    assert "very-secret" not in text + book.panel.inner_text()
    assert book.value("run[0].copies[0].params['api_key']") == "sk-very-secret"


@in_lab
def test_ten_thousand_instances_scroll_without_freezing(notebook):
    """While 10,000 instances run, scrolling keeps drawing frames, with a few row elements."""
    cell = "%%batchflow flow --limit 60 -o run\n[{'user_id': i} for i in range(10_000)]"
    book = started(notebook, cell)
    book.until("run.counts.ended > 100")
    gaps = book.page.evaluate(
        """async () => {
            const scroller = document.querySelector(".fm-scroller");
            const gaps = [];
            let last = performance.now();
            for (let i = 0; i < 120; i += 1) {
                scroller.scrollTop = (i / 120) * scroller.scrollHeight;
                await new Promise(requestAnimationFrame);
                const now = performance.now();
                gaps.push(now - last);
                last = now;
            }
            return gaps.sort((a, b) => a - b);
        }"""
    )
    assert book.value("run.ended") is False
    assert gaps[60] < 50, f"half of the frames took more than {gaps[60]:.0f} ms"
    assert gaps[-1] < 500, f"a frame took {gaps[-1]:.0f} ms"
    assert book.panel.locator(".fm-spacer > *").count() <= 40
    # The last row's params were never sent unasked.
    book.panel.locator(".fm-scroller").evaluate("each => each.scrollTo(0, each.scrollHeight)")
    expect(book.row(9_999).locator(".fm-col-param")).to_have_text("9999")
    book.button("Cancel").click()
    book.until("run.ended")
    expect(book.row(9_999)).to_contain_text("cancelled")
    expect(book.panel.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(rf"{book.value('run.counts.cancelled'):,} cancelled")
    )


@in_lab
def test_retry_failed_runs_the_failed_again(notebook):
    """The failures are said in words, and Retry failed takes just them up again."""
    cell = "%%batchflow flow -o run\n[{'user_id': i, 'fail': 'no' * (i % 2)} for i in range(6)]"
    book = started(notebook, cell)
    expect(book.panel).to_contain_text("finished with failures")
    expect(book.panel).to_contain_text("3 failed")
    book.value("globals().update(broken=False)")
    book.button("Retry 3 failed").click()
    book.until("run.ok")
    assert book.value("[each.attempts for each in run.instances]") == [1, 2, 1, 2, 1, 2]
    expect(book.panel.get_by_role("img")).to_have_attribute("aria-label", "Instances: 6 succeeded")
    expect(book.panel.get_by_role("button", name="Retry")).to_have_count(0)


def test_a_row_is_opened_by_keyboard_and_shows_what_each_copy_received(notebook):
    """Arrows move, Enter opens, Escape closes; a param that a node added on the way is marked."""
    book = started(notebook, "%%batchflow flow -o run\n[{'user_id': i} for i in range(40)]")
    book.until("run.ended")
    grid = book.panel.get_by_role("grid", name="Instances")
    expect(grid).to_have_attribute("aria-rowcount", "41")
    grid.focus()
    book.page.keyboard.press("End")
    expect(book.row(39)).to_be_visible()
    book.page.keyboard.press("Home")
    for _ in range(7):
        book.page.keyboard.press("ArrowDown")
    book.page.keyboard.press("Enter")
    first = book.panel.get_by_role("region", name="Node copy 1: Fetch")
    second = book.panel.get_by_role("region", name="Node copy 2: Report")
    expect(first).to_contain_text("user_id7")
    expect(first).not_to_contain_text("seen")
    expect(second).to_contain_text("user_id7")
    expect(second.locator("dt.fm-marked")).to_have_text("seen")
    expect(second.locator(".fm-mark")).to_have_text("new")
    expect(book.row(7)).to_have_attribute("aria-selected", "true")
    book.page.keyboard.press("Escape")
    expect(first).to_be_hidden()
    # The notebook has not taken the keys for itself: the same cell is the active one.
    assert book.page.evaluate("() => document.activeElement.getAttribute('role')") == "grid"


@in_lab
def test_an_edited_param_list_is_checked_and_run(notebook):
    """A bad text is refused in place; a good one, JSON or Python, is what Run runs."""
    book = started(notebook, "%%batchflow flow -o run\n[{'user_id': 1, 'api_key': 'real-one'}]")
    book.until("run.ended")
    book.params()
    book.button("Text").click()
    text = book.panel.get_by_role("textbox", name="Param list")
    text.fill("[{'user_id': 1},\n{'user_id': open}]")
    expect(book.panel).to_contain_text("Line 2: Only literals")
    expect(book.button("Run edited params")).to_be_disabled()
    text.fill('[{"user_id": 5, "api_key": "•••"}, {"user_id": 6}]')
    expect(book.panel).to_contain_text("2 instances")
    book.slider.focus()
    book.page.keyboard.press("Home")
    book.button("Run edited params").click()
    book.until("len(run) == 2 and run.ended")
    assert book.value("[run[0].params, run.limit]") == [
        {"user_id": 5, "api_key": "real-one"}, 1,
    ]  # fmt: skip
    expect(book.panel).to_contain_text("2 in ")
    expect(book.row(1).locator(".fm-col-param").first).to_have_text("6")
    book.params()  # Run has closed it
    expect(text).to_have_value(re.compile('"user_id": 6'))


def test_a_panel_whose_kernel_is_gone_says_so(notebook):
    """After the kernel has ended, nothing can be pressed and a sentence says why."""
    book = started(notebook, MANY)
    book.until("run.counts.ended > 5")
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        ".then(() => null)"
    )
    expect(book.panel).to_contain_text("The kernel of this panel is gone")
    expect(
        book.panel.get_by_role("group", name="Run controls").get_by_role("button")
    ).to_have_count(0)
    expect(book.slider).to_be_disabled()
    book.ready()


@pytest.mark.parametrize("width", [400, 1400])
def test_it_fits_its_page(notebook, width):
    """Nothing sticks out of the panel, narrow or wide."""
    book = started(notebook, MANY, width=width)
    book.button("Cancel").click()
    book.until("run.ended")
    book.row(0).click()
    expect(book.panel.get_by_role("region", name="Node copy 1: Fetch")).to_be_visible()
    stuck = book.panel.evaluate(
        """panel => {
            const edge = panel.getBoundingClientRect().right + 1;
            return [...panel.querySelectorAll("*")].filter(each =>
                !each.closest(".fm-hidden") && each.getBoundingClientRect().right > edge
            ).map(each => each.className);
        }"""
    )
    assert stuck == []


@in_lab
def test_two_views_of_a_panel_show_the_same_and_both_steer(notebook):
    """The panel shown in a second cell, in mid-run, is another view of the same run."""
    book = started(
        notebook,
        "import gc",
        MANY,
        "display([w for w in gc.get_objects() if type(w).__name__ == 'Panel'][-1])",
    )
    expect(book.panel).to_have_count(2)
    first, second = book.panel.nth(0), book.panel.nth(1)
    second.get_by_role("slider", name="Concurrency limit").focus()
    book.page.keyboard.press("End")
    book.until("run.limit == 50")
    first.scroll_into_view_if_needed()  # off screen nothing is drawn
    expect(first.get_by_role("spinbutton")).to_have_value("50")
    first.get_by_role("button", name="Stop", exact=True).click()
    for view in (first, second):
        view.scroll_into_view_if_needed()
        expect(view).to_contain_text("stopped")
    done = [view.locator(".fm-say").inner_text() for view in (first, second)]
    assert done[0] == done[1]
