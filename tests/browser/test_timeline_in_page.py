"""The timeline in a real page: live in the panel, and without a script in the summary."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import expect

from .test_overview_in_page import colour, until_drawn
from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, gc, flowmagic
from pocketflow import AsyncFlow, AsyncNode

gates = {}

class Fetch(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params.get("first", 0.2))

class Summarise(AsyncNode):
    async def exec_async(self, prepared):
        if "gate" in self.params:
            await gates.setdefault(self.params["gate"], asyncio.Event()).wait()
        if self.params.get("fail"):
            raise ValueError(self.params["fail"])
        await asyncio.sleep(self.params.get("second", 0.2))

fetch, summarise = Fetch(), Summarise()
fetch >> summarise
flow = AsyncFlow(start=fetch)
"""
# Two lanes: 0 runs on, and beside it 1, 2 (which fails) and 3.
FOUR = (
    "%%batchflow flow --limit 2 -o run\n"
    "[{'i': 0, 'gate': 'a'}, {'i': 1}, {'i': 2, 'fail': '<img src=x>'}, {'i': 3}]"
)
MANY = (
    "%%batchflow flow --limit {limit} -o run\n"
    "[{{'i': i, 'first': 0, 'second': 0.03}} for i in range({n})]"
)
LANE = 18  # pixels of a lane, where there are few


def timeline(notebook, *cells: str, setup: str = SETUP, **options):
    book = started(notebook, *cells, setup=setup, **options)
    book.panel.get_by_role("tab", name="Timeline").click()
    expect(lanes(book)).to_be_visible()
    return book


def lanes(book):
    return book.panel.locator(".fm-lanes-canvas")


def bars(book):
    return book.panel.get_by_role("listbox", name="Timeline")


def told(book):
    return book.panel.locator(".fm-timeline .fm-status-line")


def place(book, index: int, share: float = 0.5) -> dict[str, float]:
    """Return where the bar of an instance is on the canvas, of a run shown whole that has ended."""
    start, end, whole = book.value(
        f"[run[{index}].started, run[{index}].ended, run.elapsed * 1.01]"
    )
    width = lanes(book).evaluate("each => each.clientWidth")
    return (start + share * (end - start)) / whole * width


def pixel(book, x: float, y: float) -> list[int]:
    return lanes(book).evaluate(
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]",
        [round(x), round(y)],
    )


def stretch(book, y: float, tone: str) -> int:
    """Return how many pixels along a line of the canvas have the colour of a status."""
    return lanes(book).evaluate(
        """(canvas, [y, tone]) => {
            const { data } = canvas.getContext("2d").getImageData(0, y, canvas.width, 1);
            let found = 0;
            for (let at = 0; at < data.length; at += 4) {
                found += tone.every((each, i) => data[at + i] === each);
            }
            return found;
        }""",
        [y, colour(book, tone)],
    )


def ended(book) -> None:
    book.value("[each.set() for each in gates.values()] and 0")
    book.until("run.ended")
    expect(book.panel.locator(".fm-run-status")).to_contain_text("finished")
    until_drawn(book)


@in_lab
def test_bars_lie_in_lanes_and_a_running_one_grows_until_it_ends(notebook):
    """In the colour of the status; the node is named inside, and in the legend."""
    book = timeline(notebook, FOUR)
    book.until("run.counts.ended == 3 and run.elapsed > 1.3")
    expect(book.panel.locator(".fm-nodes")).to_have_text("FetchSummarise")
    for _ in range(300):  # a page that is busy draws the bar later; it grows until its gate opens
        until_drawn(book)
        if stretch(book, 2, "running") > 50:
            break
    assert stretch(book, 2, "running") > 50, "of the first lane"
    assert stretch(book, LANE + 2, "running") <= 2, "no more than the line of now"
    ended(book)
    done, failed = tuple(colour(book, "succeeded")), tuple(colour(book, "failed"))
    assert tuple(pixel(book, place(book, 1, 0.1), LANE + 2)) == done
    assert tuple(pixel(book, place(book, 2, 1) - 5, LANE + 2)) == failed
    assert tuple(pixel(book, place(book, 0, 0.05), 2)) == done
    # The nodes, asked for, part the bars in shades.
    book.page.wait_for_function(
        """([x, y, before]) => {
            const pen = document.querySelector(".fm-lanes-canvas").getContext("2d");
            return [...pen.getImageData(x, y, 1, 1).data].join() !== before;
        }""",
        arg=[round(place(book, 0, 0.9)), 2, ",".join(map(str, done))],
    )
    assert tuple(pixel(book, place(book, 0, 0.05), 2)) == done
    assert bars(book).evaluate("each => each.querySelectorAll('img').length") == 0


@in_lab
def test_in_a_failed_bar_the_node_that_raised_has_the_colour_and_those_before_it_are_pale(notebook):
    """As the records say which copy raised: the second here, the first one there."""
    fails = [{"i": 0, "fail": "no", "second": 0.2}, {"i": 1, "first": "none"}]
    cell = f"%%batchflow flow --limit 1 -o run\n{[{**each, 'late': 0.2} for each in fails]!r}"
    slow = SETUP.replace("raise", 'await asyncio.sleep(self.params["late"])\n            raise')
    slow = slow.replace("await asyncio.sleep(self.params.get", "await wait(self.params.get", 1)
    late = (
        "async def wait(seconds):\n    await asyncio.sleep(0.2)\n    await asyncio.sleep(seconds)\n"
    )
    book = timeline(notebook, cell, setup=slow + late)
    book.until("run.ended and run.counts.failed == 2")
    until_drawn(book)
    failed = colour(book, "failed")
    raised = book.value("[copy.error is not None for row in run for copy in row.copies]")
    assert raised == [False, True, True]

    def shades() -> list[list[int]]:
        return [pixel(book, place(book, row, at), 2) for row, at in ((0, 0.2), (0, 0.7), (1, 0.4))]

    book.page.wait_for_function(
        """([x, failed]) => {
            const pen = document.querySelector(".fm-lanes-canvas").getContext("2d");
            return [...pen.getImageData(x, 2, 1, 1).data].join() !== failed;
        }""",
        arg=[round(place(book, 0, 0.2)), ",".join(map(str, failed))],
    )
    before, *guilty = shades()
    assert guilty == [failed, failed]
    assert sum(before[:3]) > sum(failed[:3]) + 100, "paler"


@in_lab
def test_a_bar_tells_what_it_is_and_a_click_opens_it(notebook):
    """Status, node, start and duration; the one that is opened has a frame; a click beside it has none."""
    book = timeline(notebook, FOUR)
    book.until("run.counts.ended == 3")
    ended(book)
    lanes(book).hover(position={"x": place(book, 2), "y": LANE + 8})
    expect(told(book)).to_have_text(
        re.compile(
            r"^#2failedSummarise · from \d+\.\d\d s · for \d+\.\d\d s · ValueError: <img src=x> · "
            r"i=2, fail='<img src=x>'"
        )
    )
    lanes(book).click(position={"x": place(book, 2), "y": LANE + 8})
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text("Instance 2")
    expect(book.panel.locator(".fm-timeline .fm-held")).to_be_visible()
    book.page.keyboard.press("Escape")
    expect(book.panel.get_by_role("region", name="Opened instance")).to_be_hidden()
    assert bars(book).evaluate("each => document.activeElement === each")
    lanes(book).click(position={"x": place(book, 3, 1) + 30, "y": LANE + 8})
    expect(book.panel.get_by_role("region", name="Opened instance")).to_be_hidden()
    assert book.panel.locator("img, script").count() == 0


def test_the_keyboard_reaches_every_bar_and_stays_in_the_panel(notebook):
    """Along a lane, to the lane beside, to the ends of a lane; Enter opens, Escape closes."""
    book = timeline(notebook, FOUR)
    book.until("run.counts.ended == 3")
    ended(book)
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    count = book.page.evaluate(cells)
    bars(book).focus()
    option = bars(book).get_by_role("option")
    expect(option).to_have_text(
        re.compile(r"^#0, succeeded, Summarise, from \d+\.\d\d s, for .* s, i=0")
    )
    for key, index in [
        ("ArrowDown", 1),
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowRight", 3),
        ("Home", 1),
        ("End", 3),
        ("ArrowLeft", 2),
        ("ArrowUp", 0),
        ("ArrowUp", 0),
    ]:
        book.page.keyboard.press(key)
        expect(option).to_have_text(re.compile(f"^#{index}, "))
        expect(told(book)).to_contain_text(f"#{index}")
        assert bars(book).get_attribute("aria-activedescendant") == option.get_attribute("id")
    book.page.keyboard.press("Enter")
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text("Instance 0")
    book.page.keyboard.press("Escape")
    expect(book.panel.get_by_role("region", name="Opened instance")).to_be_hidden()
    for key in ("a", "b", "x", "d", "d"):
        book.page.keyboard.press(key)
    assert book.page.evaluate(cells) == count


def shown(book) -> str:
    """Return a picture of the scale, to see whether it has changed."""
    return book.panel.locator(".fm-scale").evaluate("each => each.toDataURL()")


@in_lab
def test_one_zooms_and_moves_by_keys_wheel_pointer_and_buttons(notebook):
    """And Fit leads back to the whole run."""
    book = timeline(notebook, FOUR, height=1_300)
    book.until("run.counts.ended == 3")
    ended(book)
    whole = shown(book)
    fit = book.button("Fit: show the whole run")
    zoom_in, zoom_out = book.button("Zoom in"), book.button("Zoom out")
    box = lanes(book).bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + 10)

    def wheel(x: float, y: float, *keys: str) -> None:
        book.page.mouse.move(*middle)
        for key in keys:
            book.page.keyboard.down(key)
        book.page.mouse.wheel(x, y)
        for key in keys:
            book.page.keyboard.up(key)

    def drag(selector: str) -> None:
        area = book.panel.locator(selector).bounding_box()
        book.page.mouse.move(area["x"] + 300, area["y"] + 8)
        book.page.mouse.down()
        book.page.mouse.move(area["x"] + 500, area["y"] + 8, steps=5)
        book.page.mouse.up()

    assert fit.is_disabled()
    for zoom in (
        zoom_in.click,
        lambda: (bars(book).focus(), book.page.keyboard.press("+")),
        lambda: wheel(0, -120, "Control"),
        lambda: drag(".fm-scale"),
    ):
        zoom()
        expect(fit).to_be_enabled()
        until_drawn(book)
        near = shown(book)
        assert near != whole
        for move in (
            lambda: drag(".fm-lanes-canvas"),
            lambda: (bars(book).focus(), book.page.keyboard.press("Shift+ArrowRight")),
        ):
            move()
            until_drawn(book)
            assert shown(book) != near
            near = shown(book)
        expect(book.panel.get_by_role("region", name="Opened instance")).to_be_hidden()
        fit.click()
        expect(fit).to_be_disabled()
        until_drawn(book)
        assert shown(book) == whole
    # So far out there is nothing more.
    zoom_in.click()
    zoom_out.click()
    expect(zoom_out).to_be_disabled()
    book.page.keyboard.press("a")


@in_lab
def test_while_it_follows_now_stays_on_the_screen_until_one_moves(notebook):
    """Zoomed in, the right edge is now; moved, the part of time stays."""
    book = timeline(notebook, FOUR)
    follow = book.button("Follow the present")
    expect(follow).to_have_attribute("aria-pressed", "true")
    book.until("run.elapsed > 2")
    bars(book).focus()
    for _ in range(3):
        book.page.keyboard.press("+")
    expect(follow).to_have_attribute("aria-pressed", "true")
    until_drawn(book)
    edge = lanes(book).evaluate("each => each.width") - 1
    blue = colour(book, "running")
    book.until("run.counts.ended == 3")
    until_drawn(book)
    assert pixel(book, edge, LANE + 2) == blue, "the line of now, where nothing runs"
    before = shown(book)
    book.page.wait_for_function(
        "before => document.querySelector('.fm-scale').toDataURL() !== before", arg=before
    )
    assert pixel(book, edge, LANE + 2) == blue
    book.page.keyboard.press("Shift+ArrowLeft")
    expect(follow).to_have_attribute("aria-pressed", "false")
    until_drawn(book)
    still = shown(book)
    book.until(f"run.elapsed > {book.value('run.elapsed')} + 1")  # some ticks of the page's clock
    until_drawn(book)
    assert shown(book) == still
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    ended(book)
    expect(follow).to_be_hidden()


@in_lab
def test_a_limit_change_is_marked_and_told(notebook):
    """On the scale, where the pointer is on it."""
    book = timeline(notebook, FOUR)
    book.until("run.elapsed > 1")
    book.value("setattr(run, 'limit', 7) or 0")
    book.until("run.counts.ended == 3")
    ended(book)
    at, whole = book.value("[run.limit_history[1].seconds, run.elapsed * 1.01]")
    width = lanes(book).evaluate("each => each.clientWidth")
    book.panel.locator(".fm-scale").hover(position={"x": at / whole * width, "y": 30})
    expect(told(book)).to_have_text(f"Limit 2 → 7 at {at:.1f} s, by hand")
    book.panel.locator(".fm-scale").hover(position={"x": at / whole * width + 60, "y": 30})
    expect(told(book)).to_have_text("")


@in_lab
def test_thousands_of_bars_are_drawn_and_each_of_them_can_be_found(notebook):
    """Where they are thinner than a pixel, a failure is seen among them; zoomed in, all are bars."""
    cell = MANY.format(limit=100, n=6_000).replace(
        "'first': 0", "'first': 0, 'fail': 'no' * (i == 3000)"
    )
    book = timeline(notebook, cell)
    book.until("run.ended", 60)
    expect(book.panel).to_contain_text("5,999 succeeded")
    until_drawn(book)
    lane = book.page.evaluate("() => document.querySelector('.fm-lanes-canvas').height") // 100
    red = colour(book, "failed")
    found = lanes(book).evaluate(
        """(canvas, red) => {
            const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            for (let at = 0; at < data.length; at += 4) {
                if (!red.every((tone, i) => data[at + i] === tone)) continue;
                return [at / 4 % width, Math.floor(at / 4 / width)];
            }
            return null;
        }""",
        red,
    )
    assert found is not None
    lanes(book).hover(position={"x": found[0] + 0.5, "y": found[1] + lane / 2})
    expect(told(book)).to_contain_text("#3,000failed")
    bars(book).focus()
    for _ in range(12):
        book.page.keyboard.press("+")
    until_drawn(book)
    assert stretch(book, 0, "succeeded") > 5


@in_lab
def test_another_theme_changes_the_colours(notebook):
    """Also when it changes while another tab is on the screen."""
    book = timeline(notebook, FOUR)
    book.until("run.counts.ended == 3")
    ended(book)
    x = place(book, 2, 1) - 5
    light = pixel(book, x, LANE + 2)
    for theme, tab in (("JupyterLab Dark", None), ("JupyterLab Light", "Table")):
        if tab:
            book.panel.get_by_role("tab", name=tab).click()
        book.theme(theme)
        book.panel.get_by_role("tab", name="Timeline").click()
        book.page.wait_for_function(
            """([x, y, light, same]) => {
                const pen = document.querySelector(".fm-lanes-canvas").getContext("2d");
                return ([...pen.getImageData(x, y, 1, 1).data].join() === light.join()) === same;
            }""",
            arg=[round(x), LANE + 2, light, theme == "JupyterLab Light"],
        )
        assert pixel(book, x, LANE + 2) == colour(book, "failed")


@in_lab
def test_before_a_run_it_says_so_and_a_page_that_reloads_has_it_again(notebook):
    """What is seen is made from what the kernel still knows."""
    book = timeline(notebook, FOUR)
    book.until("run.counts.ended == 3")
    ended(book)
    book.save()
    book.reload()
    book.run(0)
    book.run(1)
    book.panel.get_by_role("tab", name="Timeline").click()
    book.until("run.counts.ended == 3")
    expect(lanes(book)).to_be_visible()
    # The page hears of what runs, and draws it, after the kernel knows.
    book.page.wait_for_function(
        """blue => {
            const pen = document.querySelector(".fm-lanes-canvas").getContext("2d");
            return [...pen.getImageData(5, 2, 1, 1).data].join() === blue;
        }""",
        arg=",".join(map(str, colour(book, "running"))),
    )
    ended(book)
    assert pixel(book, place(book, 2, 1) - 5, LANE + 2) == colour(book, "failed")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@in_lab
def test_in_a_notebook_that_is_not_trusted_the_summarys_timeline_is_drawn(notebook, theme):
    """Its tags and styles are left by what removes those that may do harm."""
    book = started(notebook, FOUR, setup=SETUP)
    book.until("run.counts.ended == 3 and run.elapsed > 1.1")
    book.value("setattr(run, 'limit', 3) or 0")
    book.value("[each.set() for each in gates.values()] and 0")
    book.until("run.ended")
    ran = book.value("[[at / run.elapsed for at in (i.started, i.ended)] for i in run.instances]")
    book.theme(theme)
    book.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel"
        ".toJSON().outputs.some(each => JSON.stringify(each.data).includes('Timeline: about 2'))"
    )
    book.save()
    path = book.server.root / book.name
    saved = nbformat.read(path, as_version=4)
    [html] = [
        each.data["text/html"]
        for each in saved.cells[1].outputs
        if "text/html" in each.get("data", {})
    ]
    # Written by somebody else, as far as the server knows: it has never been run here.
    foreign = nbformat.v4.new_notebook(metadata=saved.metadata)
    foreign.cells = [
        nbformat.v4.new_code_cell(
            "1  # not run here",
            outputs=[nbformat.v4.new_output("display_data", {"text/html": html})],
        )
    ]
    nbformat.write(foreign, book.server.root / "foreign.ipynb")
    book.name = "foreign.ipynb"
    book.page.goto(book.server.page(book.name))
    book.ready()
    assert not book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.trusted"
    )
    inner = book.page.locator("details details")
    if not inner.is_visible():
        book.page.locator("details summary").first.click()
    inner.locator("summary").click()
    drawn = inner.evaluate(
        """details => [...details.querySelectorAll("i")].map(each => {
            const box = each.getBoundingClientRect();
            const lane = each.parentElement.getBoundingClientRect();
            return {
                title: each.title, colour: getComputedStyle(each).backgroundColor,
                from: (box.left - lane.left) / lane.width, to: (box.right - lane.left) / lane.width,
                height: box.height,
            };
        })"""
    )
    red = [each for each in drawn if each["colour"] == "rgb(214, 69, 69)"]
    assert {each["height"] for each in red} == {9}
    [mark] = red
    assert mark["from"] - 0.005 <= ran[2][1] <= mark["to"] + 0.005
    columns = [each for each in drawn if each["colour"] == "rgb(46, 158, 91)"]
    assert len(columns) == 120
    assert max(each["height"] for each in columns) == pytest.approx(70, abs=1)
    assert columns[-1]["to"] == pytest.approx(1, abs=0.005)
    [before, after] = [each for each in drawn if each["title"].startswith("limit")]
    assert before["height"] == pytest.approx(after["height"] * 2 / 3, abs=1)
    expect(inner).to_contain_text("Red below: instances failed then. Limit 2; 3 from")


RETRIED = (
    "%%batchflow flow --limit 2 -o run\n"
    "[{'i': 0, 'first': 0.2, 'fail': 'x'}, {'i': 1, 'first': 1.5}, {'i': 2, 'first': 0.2}]"
)


@pytest.mark.parametrize("when", ["as it happens", "later"])
@in_lab
def test_an_earlier_attempt_is_a_pale_bar_where_it_ran(notebook, when):
    """Between those that ran beside it, with words of its own; a click opens its instance."""
    book = started(notebook, RETRIED, setup=SETUP)
    if when == "as it happens":
        book.panel.get_by_role("tab", name="Timeline").click()
    book.until("run.ended")
    book.value("[run[0].params.pop('fail', 0), run.instances[0].row.pop('fail', 0)] and 0")
    book.value("run.retry_failed().ended")
    book.until("run.ended and run.ok and run[0].attempts == 2")
    book.panel.get_by_role("tab", name="Timeline").click()
    expect(book.panel.locator(".fm-nodes")).to_contain_text("earlier attempt")
    expect(book.panel.locator(".fm-run-status")).to_contain_text("finished")
    until_drawn(book)
    assert lanes(book).evaluate("each => each.clientHeight") == 2 * LANE
    start, end, whole = book.value(
        "[run[0].history[0].started, run[0].history[0].ended, run.elapsed * 1.01]"
    )
    width = lanes(book).evaluate("each => each.clientWidth")
    x = (start + end) / 2 / whole * width
    failed, pale = colour(book, "failed"), pixel(book, x, LANE // 2)
    assert 0 < pale[3] < 255
    assert all(abs(one - other) < 4 for one, other in zip(pale[:3], failed[:3], strict=True))
    lanes(book).hover(position={"x": x, "y": LANE // 2})
    expect(told(book)).to_contain_text("#0failedattempt 1 of 2 · from ")
    [[since, seconds]] = re.findall(r"from ([\d.]+) s · for ([\d.]+) s", told(book).inner_text())
    assert (float(since), float(seconds)) == pytest.approx((start, end - start), abs=0.011)
    lanes(book).click(position={"x": x, "y": LANE // 2})
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text(
        "1 earlier attempt"
    )
