"""The charts in a real page: when they are there, what they say, and by which ways one asks them."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, gc, flowmagic
from pocketflow import AsyncFlow, AsyncNode

class Call(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(0.1)
        if self.params.get("fail"):
            raise ValueError("no")

flow = AsyncFlow(start=Call())
"""
LONG = "%%batchflow flow --limit 4 -o run\n[{'i': i} for i in range(100_000)]"
FAILING = "%%batchflow flow --limit 20 -o run\n[{'i': i, 'fail': i % 4 == 0} for i in range(400)]"
SHORT = "%%batchflow flow --limit 4 -o run\n[{'i': i} for i in range(3)]"
OVER = re.compile(r"^avg [\d.]+/s$")  # of a run that goes on it is the rate of the moment
SECOND = "display([w for w in gc.get_objects() if type(w).__name__ == 'Panel'][-1])"


def charts(book, which: int = 0):
    return book.panel.nth(which).get_by_role("slider", name="Time shown in the charts")


def chart(book, name: str, which: int = 0):
    return book.panel.nth(which).locator(".fm-gauge").filter(has_text=name)


def value(book, name: str):
    return chart(book, name).locator(".fm-gauge-value")


def colours(book, number: int, which: int = 0) -> int:
    """Return how many pixels of a chart are neither empty nor of its ground line."""
    return (
        book.panel.nth(which)
        .locator(".fm-spark")
        .nth(number)
        .evaluate(
            """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height - 2);
            let drawn = 0;
            for (let at = 3; at < data.length; at += 4) drawn += data[at] > 0;
            return drawn;
        }"""
        )
    )


@in_lab
def test_charts_tell_throughput_running_latency_and_failures_while_a_run_goes_on(notebook):
    """In words beside each, as well as drawn; the line of the limit follows a change."""
    book = started(notebook, LONG, setup=SETUP)
    expect(value(book, "Throughput")).to_have_text(re.compile(r"^[\d.]+/s$"))
    expect(value(book, "Running")).to_have_text("4 of 4")
    expect(value(book, "Latency")).to_have_text(re.compile(r"^p50 \d+\.\d\d s  p95 \d+\.\d\d s$"))
    expect(value(book, "Failures")).to_have_text("None failed")
    book.until("run.elapsed > 2")
    for number in (0, 1, 2):
        assert colours(book, number) > 100
    assert colours(book, 3) == 0, "a calm line where nothing has failed"
    book.value("setattr(run, 'limit', 9) or 0")
    expect(value(book, "Running")).to_have_text("9 of 9")
    spoken = charts(book).get_attribute("aria-valuetext")
    assert spoken.startswith("now: throughput ")
    assert "running 9 of 9" in spoken
    assert "failures none failed" in spoken
    book.value("run.cancel().ended")
    expect(value(book, "Throughput")).to_have_text(OVER)
    expect(value(book, "Running")).to_have_text(re.compile(r"^avg [\d.]+$"))


@in_lab
def test_no_chart_says_that_more_ran_than_the_limit_let(notebook):
    """Not now, where a lowered limit lets running ones finish, nor at a time, nor overall."""
    book = started(notebook, LONG, setup=SETUP.replace("sleep(0.1)", "sleep(1)"))
    book.value("setattr(run, 'limit', 30) or 0")
    expect(value(book, "Running")).to_have_text("30 of 30")
    book.value("setattr(run, 'limit', 5) or 0")
    expect(value(book, "Running")).to_have_text(re.compile(r"^\d+, limit 5$"))
    book.until("run.counts.ended > 60")
    book.value("run.cancel().ended")
    expect(charts(book)).to_be_hidden()  # folded after the end
    book.button("Charts").click()
    expect(value(book, "Running")).to_have_text(re.compile(r"^avg [\d.]+$"))
    charts(book).focus()
    book.page.keyboard.press("Home")
    for _ in range(int(charts(book).get_attribute("aria-valuemax")) - 1):
        spoken = charts(book).get_attribute("aria-valuetext")
        running, limit = re.search(r"running ([\d.]+)(?: of |, limit )(\d+)", spoken).groups()
        assert float(running) <= float(limit) or ", limit" in spoken, spoken
        book.page.keyboard.press("ArrowRight")


@in_lab
def test_failures_of_earlier_are_not_denied(notebook):
    """What failed lately is none; the word says that this is not the whole run."""
    rows = "[{'i': i, 'fail': i < 40} for i in range(100_000)]"
    book = started(notebook, f"%%batchflow flow --limit 20 -o run\n{rows}", setup=SETUP)
    expect(value(book, "Failures")).to_have_text("0% lately")
    book.value("run.cancel().ended")
    expect(value(book, "Failures")).to_have_text(re.compile(r"^[1-9][\d.]*%$"))


@in_lab
def test_pointer_and_keys_ask_what_it_was_like_at_a_time(notebook):
    """A line across all four charts; the keys move it as well, and are kept from the notebook."""
    book = started(notebook, FAILING, setup=SETUP)
    book.until("run.ended")
    expect(charts(book)).to_be_hidden()  # folded after the end
    book.button("Charts").click()
    expect(value(book, "Throughput")).to_have_text(OVER)
    expect(value(book, "Failures")).to_have_text("25%")
    average = value(book, "Throughput").text_content()
    plain = colours(book, 3)
    chart(book, "Running").locator(".fm-spark").hover(position={"x": 100, "y": 10})
    running = book.panel.locator(".fm-gauge").nth(1)
    expect(running.locator(".fm-gauge-name")).to_have_text(re.compile(r"^at \d+\.\d\d s$"))
    expect(value(book, "Failures")).to_have_text(re.compile(r"^\d+ of \d+$"))
    assert colours(book, 3) > plain
    book.page.mouse.move(1, 1)
    expect(value(book, "Throughput")).to_have_text(average)
    assert colours(book, 3) == plain

    group = charts(book)
    group.focus()
    assert group.get_attribute("aria-valuetext").startswith("overall: throughput avg")
    book.page.keyboard.press("Home")
    assert group.get_attribute("aria-valuenow") == "0"
    first = group.get_attribute("aria-valuetext")
    assert re.match(
        r"at \d+\.\d\d s: throughput 0/s, running .* of 20, latency ., failures 0 of 0$", first
    ), first
    expect(book.panel.locator(".fm-gauge-name").first).to_have_text(re.compile("^at 0"))
    book.page.keyboard.press("ArrowRight")
    assert group.get_attribute("aria-valuenow") == "1"
    book.page.keyboard.press("Escape")
    assert group.get_attribute("aria-valuetext").startswith("overall")
    book.page.keyboard.press("ArrowLeft")
    last = int(group.get_attribute("aria-valuemax")) - 1
    assert group.get_attribute("aria-valuenow") == str(last)
    book.page.keyboard.press("PageDown")
    assert group.get_attribute("aria-valuenow") == str(last - 10)
    group.blur()
    expect(value(book, "Throughput")).to_have_text(average)


@in_lab
def test_another_view_and_a_page_that_comes_later_show_the_same(notebook):
    """All of it is in the rows: nothing is kept that they would not have."""
    book = started(notebook, FAILING, SECOND, setup=SETUP)
    book.until("run.ended")
    expect(book.panel).to_have_count(2)
    for which in (0, 1):
        book.panel.nth(which).scroll_into_view_if_needed()
        book.panel.nth(which).get_by_role("button", name="Charts").click()

    # Once each of them has heard of the end.
    book.page.wait_for_function(
        """() => {
            const [one, other] = [...document.querySelectorAll(".fm-charts")].map(charts => [
                charts.getAttribute("aria-valuetext"),
                ...[...charts.querySelectorAll("canvas")].map(canvas => canvas.toDataURL()),
            ]);
            return one[0].startsWith("overall") && one.every((each, i) => each === other[i]);
        }"""
    )
    spoken = charts(book).get_attribute("aria-valuetext")
    assert "failures 25%" in spoken
    book.save()
    book.reload()
    book.panel.first.scroll_into_view_if_needed()
    book.button("Charts").first.click()
    expect(charts(book)).to_have_attribute("aria-valuetext", spoken)


@in_lab
def test_there_are_no_empty_charts(notebook):
    """None before a run has begun, and none of a run that was over at once."""
    book = started(notebook, "%batchflow flow -o run", SHORT, setup=SETUP)
    book.panel.nth(1).scroll_into_view_if_needed()
    expect(book.panel.nth(1)).to_contain_text("none failed")
    expect(charts(book, 0)).to_be_hidden()
    expect(charts(book, 1)).to_be_hidden()


@in_lab
def test_they_stand_in_one_row_and_narrow_in_two_and_follow_the_theme(notebook):
    """Crisp at every width; colours are those of the theme in force."""
    book = started(notebook, LONG, setup=SETUP)
    book.until("run.elapsed > 1.5")
    tops = "each => [...each.querySelectorAll('.fm-gauge')].map(one => one.offsetTop)"
    assert len(set(charts(book).evaluate(tops))) == 1
    assert charts(book).evaluate("each => each.offsetHeight") < 60
    book.panel.evaluate("each => { each.style.width = '400px'; }")
    book.page.wait_for_function("() => document.querySelector('.fm-spark').width < 200")
    assert len(set(charts(book).evaluate(tops))) == 2
    assert charts(book).evaluate(
        """each => [...each.querySelectorAll("canvas")].every(canvas =>
            canvas.width === Math.round(canvas.getBoundingClientRect().width * devicePixelRatio)
            && canvas.offsetWidth <= canvas.parentElement.offsetWidth)"""
    )
    limit = """() => {
        const canvas = document.querySelectorAll(".fm-spark")[1];
        const { data } = canvas.getContext("2d").getImageData(canvas.width - 3, 0, 3, canvas.height);
        let sum = 0;
        for (let at = 0; at < data.length; at += 4) sum += data[at + 3] === 255 ? data[at] : 0;
        return sum;
    }"""
    book.value("run.cancel().ended")
    expect(charts(book)).to_be_hidden()  # folded after the end
    book.button("Charts").click()
    expect(value(book, "Running")).to_have_text(re.compile("^avg"))
    light = book.page.evaluate(limit)
    book.theme("JupyterLab Dark")
    book.page.wait_for_function(f"light => ({limit})() !== light", arg=light)
