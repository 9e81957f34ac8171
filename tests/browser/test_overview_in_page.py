"""The overview in a real page: what is drawn of each instance, and how one gets to it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .test_panel_in_page import in_lab, started

expect.set_options(timeout=30_000)

SETUP = """
%load_ext flowmagic
import asyncio, gc, flowmagic
from pocketflow import AsyncFlow, AsyncNode

broken = True
gate = asyncio.Event()

class Fetch(AsyncNode):
    async def exec_async(self, prepared):
        if self.params["i"] in self.params.get("waiting", ()):
            await gate.wait()

class Report(AsyncNode):
    async def exec_async(self, prepared):
        if broken and self.params.get("fail"):
            raise ValueError(self.params["fail"])

fetch, report = Fetch(), Report()
fetch >> report
flow = AsyncFlow(start=fetch)
"""
# 2 and 7 fail, 10 to 14 wait, 15 to 19 are cancelled before they begin, 20 up to 99 are pending.
MIXED = (
    "%%batchflow flow --limit 5 -o run\n"
    "[{'i': i, 'waiting': range(10, 15), 'fail': 'no' * (i in (2, 7))} for i in range(100)]"
)
SECOND = "display([w for w in gc.get_objects() if type(w).__name__ == 'Panel'][-1])"
SIDE = 22  # of a cell, where there are a hundred


def mixed(notebook, **options):
    book = started(notebook, MIXED, setup=SETUP, **options)
    book.until("run.counts.running == 5 and run.counts.failed == 2")
    book.value("[run.cancel(i) for i in range(15, 20)] and 0")
    expect(book.panel).to_contain_text("5 cancelled")
    return book


def overview(book):
    return book.panel.get_by_role("listbox", name="Overview")


def told(book):
    return book.panel.locator(".fm-overview .fm-status-line")


def colour(book, tone: str) -> list[int]:
    """Return the colour that the theme has for a status."""
    return book.page.evaluate(
        """tone => {
            const swatch = [...document.querySelectorAll(".fm-swatch")]
                .find(each => each.style.color === `var(--fm-cell-${tone})`);
            const pen = new OffscreenCanvas(1, 1).getContext("2d");
            const paper = [...document.querySelectorAll(".fm-swatch")]
                .find(each => each.style.color === "var(--fm-cell-paper)");
            for (const each of [paper, swatch]) {
                pen.fillStyle = getComputedStyle(each).color;
                pen.fillRect(0, 0, 1, 1);
            }
            return [...pen.getImageData(0, 0, 1, 1).data];
        }""",
        tone,
    )


def pixel(book, x: int, y: int) -> list[int]:
    return book.page.evaluate(
        "([x, y]) => [...document.querySelector('.fm-canvas').getContext('2d')"
        ".getImageData(x, y, 1, 1).data]",
        [x, y],
    )


def cell(book, index: int, side: int, columns: int, at: str = "corner") -> list[int]:
    """Return a pixel of a cell: at its corner, its middle, or near the end of its first line."""
    dx, dy = {"corner": (2, 5), "middle": (side // 2, side // 2 + 1), "end": (side - 5, 2)}[at]
    return pixel(book, index % columns * side + dx, index // columns * side + dy)


def columns_of(book, side: int) -> int:
    return book.page.evaluate("() => document.querySelector('.fm-canvas').width") // side


def until_drawn(book) -> None:
    """Let what has been told be drawn."""
    book.page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def point(book, x: float, y: float) -> None:
    """Move the pointer to a place on the canvas."""
    book.panel.locator(".fm-canvas").first.hover(position={"x": x, "y": y})


@in_lab
def test_each_status_has_a_colour_and_a_shape_and_changes_where_it_stands(notebook):
    """Read back from the canvas, at known cells; then again at another width of the window."""
    book = mixed(notebook)
    until_drawn(book)

    def shapes(width: int) -> dict[int, list[bool]]:
        """Per instance whether corner, middle and end of its cell have its status' colour."""
        tones = {0: "succeeded", 2: "failed", 12: "running", 17: "cancelled", 30: "pending"}
        return {
            index: [
                cell(book, index, SIDE, width, at) == colour(book, tone)
                for at in ("corner", "middle", "end")
            ]
            for index, tone in tones.items()
        }

    expected = {
        0: [True, True, True],  # full
        2: [True, False, True],  # crossed
        12: [True, False, True],  # a frame
        17: [True, True, False],  # half
        30: [False, True, False],  # small
    }
    assert shapes(columns_of(book, SIDE)) == expected
    assert len({tuple(colour(book, t)) for t in ("succeeded", "failed", "running", "pending")}) == 4
    wide = columns_of(book, SIDE)
    book.page.set_viewport_size({"width": 700, "height": 900})
    book.page.wait_for_function(
        "wide => document.querySelector('.fm-canvas').width < wide", arg=wide * SIDE
    )
    until_drawn(book)
    assert shapes(columns_of(book, SIDE)) == expected
    book.value("gate.set() or 0")
    book.until("run.ended")
    expect(book.panel).to_contain_text("93 succeeded")
    until_drawn(book)
    assert cell(book, 12, SIDE, columns_of(book, SIDE), "middle") == colour(book, "succeeded")
    assert cell(book, 99, SIDE, columns_of(book, SIDE)) == colour(book, "succeeded")


@in_lab
def test_a_cell_tells_what_it_is_and_a_click_opens_it(notebook):
    """Index, status, node and params, as text whatever they are; the table goes there too."""
    evil = "<img src=x onerror='window.hacked=1'>"
    rows = f"[{{'i': i, 'html': {evil!r}}} for i in range(500)]"
    book = started(notebook, f"%%batchflow flow -o run\n{rows}", setup=SETUP)
    book.until("run.ended")
    point(book, 5, 5)
    expect(told(book)).to_contain_text(re.compile(r"#0\s*succeeded\s*Report · .* s · i=0, html="))
    expect(told(book)).to_contain_text("<img src=x onerror")
    # The last one's params were never sent unasked.
    overview(book).focus()
    book.page.mouse.move(0, 0)
    book.page.keyboard.press("End")
    expect(told(book)).to_contain_text(re.compile(r"#499\s*succeeded\s*Report · .* s · i=499"))
    point(book, 5, 5)
    expect(told(book)).to_contain_text("#0")
    book.page.mouse.down()
    book.page.mouse.up()
    opened = book.panel.get_by_role("region", name="Opened instance")
    expect(opened).to_contain_text("Instance 0")
    expect(book.row(0)).to_have_attribute("aria-selected", "true")
    expect(book.panel.locator(".fm-overview .fm-held")).to_be_visible()
    book.panel.locator(".fm-canvas").click(position={"x": 5, "y": 5})
    expect(opened).to_be_hidden()
    assert book.panel.locator("img, script").count() == 0
    assert book.page.evaluate("() => window.hacked") is None


def test_the_keyboard_reaches_every_cell_and_stays_in_the_panel(notebook):
    """Arrows, Home, End and pages; Enter opens, Escape closes; no key is the notebook's."""
    book = mixed(notebook)
    columns = columns_of(book, SIDE)
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    count = book.page.evaluate(cells)
    map_ = overview(book)
    map_.focus()
    said = map_.get_by_role("option")
    expect(said).to_have_text(re.compile(r"^#0, succeeded, Report, .*i=0"))
    for key, index in [
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns),
        ("ArrowUp", 0),
        ("ArrowUp", 0),
        ("End", 99),
        ("Home", 0),
        ("PageDown", columns),
        ("PageUp", 0),
    ]:
        book.page.keyboard.press(key)
        expect(said).to_have_attribute("aria-posinset", str(index + 1))
        assert map_.get_attribute("aria-activedescendant") == said.get_attribute("id")
    expect(said).to_have_attribute("aria-setsize", "100")
    for key in ("b", "a", "d", "d", "x", "j", "c", "0", "0", "Shift+Enter", "Control+Enter"):
        book.page.keyboard.press(key)
    for _ in range(2):
        book.page.keyboard.press("ArrowRight")
    expect(told(book)).to_contain_text(re.compile(r"#2\s*failed\s*Report"))
    assert book.page.evaluate(cells) == count
    assert book.value("run.counts.running") == 5
    opened = book.panel.get_by_role("region", name="Opened instance")
    if opened.is_visible():  # Shift+Enter is an Enter too
        book.page.keyboard.press("Escape")
        expect(opened).to_be_hidden()
    book.page.keyboard.press("Enter")
    expect(opened).to_contain_text("ValueError: no")
    expect(said).to_have_attribute("aria-selected", "true")
    book.page.keyboard.press("Escape")
    expect(opened).to_be_hidden()
    assert book.page.evaluate("() => document.activeElement.getAttribute('role')") == "listbox"
    book.value("gate.set() or 0")
    book.until("run.ended")


@in_lab
def test_a_few_instances_are_cards_with_words(notebook):
    """Index, node copies and the values in which they differ, and those alone; secrets are masked."""
    rows = (
        "[{'i': i, 'model': 'the same', 'api_key': f'sk-secret-{i}', 'waiting': [7]} "
        "for i in range(14)]"
    )
    book = notebook(SETUP, f"%%batchflow flow -o run\n{rows}")
    book.page.evaluate(
        """() => {
            window.said = [];
            const { prototype } = CanvasRenderingContext2D;
            const real = prototype.fillText;
            prototype.fillText = function (text, ...where) {
                window.said.push(text);
                return real.call(this, text, ...where);
            };
        }"""
    )
    book.run(0)
    book.run(1)
    book.panel.wait_for()
    book.panel.scroll_into_view_if_needed()
    book.page.wait_for_function(
        "() => window.said.includes('✓ Fetch → ✓ Report') && window.said.length > 24"
    )
    said = set(book.page.evaluate("() => window.said"))
    assert {"0", "7", "Fetch", "3 · •••"} <= said
    assert not any("the same" in each or "secret" in each for each in said)
    book.value("gate.set() or 0")
    book.until("run.ended")


@in_lab
def test_a_hundred_thousand_instances_are_all_there(notebook):
    """One pixel each; a failure among them can be seen, pointed at and opened."""
    cell_ = (
        "%%batchflow flow --limit 2000 -o run\n"
        "[{'i': i, **({'fail': 'no'} if i in (41_230, 70_007) else {})} for i in range(100_000)]"
    )
    book = started(notebook, cell_, setup=SETUP)
    book.until("run.ended", 60)
    expect(book.panel).to_contain_text("99,998 succeeded")
    until_drawn(book)
    columns = book.page.evaluate("() => document.querySelector('.fm-canvas').width")
    succeeded, failed = colour(book, "succeeded"), colour(book, "failed")
    seen = book.page.evaluate(
        """colours => {
            const canvas = document.querySelector(".fm-canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return colours.map(colour => {
                let n = 0;
                for (let at = 0; at < data.length; at += 4) {
                    n += colour.every((each, i) => each === data[at + i]);
                }
                return n;
            });
        }""",
        [succeeded, failed],
    )
    assert seen == [100_000 - 2 * 9, 2 * 9]
    x, y = 41_230 % columns, 41_230 // columns
    point(book, x + 1.5, y + 0.5)  # beside it, where it is drawn larger
    expect(told(book)).to_contain_text(re.compile(r"#41,230\s*failed\s*Report .* i=41230"))
    book.page.mouse.down()
    book.page.mouse.up()
    expect(book.panel.get_by_role("region", name="Opened instance")).to_contain_text(
        "ValueError: no"
    )
    expect(book.row(41_230)).to_be_visible()
    # Retried, its mark goes; and what is drawn bit by bit is what a second view draws at once.
    book.value("globals().update(broken=False)")
    book.panel.get_by_role("button", name=re.compile("^Retry [0-9,]+ failed$")).click()
    book.until("run.ok")
    expect(book.panel).to_contain_text("100,000 succeeded")
    until_drawn(book)
    assert pixel(book, x, y) == succeeded
    assert pixel(book, x + 1, y) == succeeded


@in_lab
def test_what_is_drawn_bit_by_bit_is_what_is_drawn_at_once(notebook):
    """A second view, shown later, has the same pixels; so has the page after a reload."""
    rows = "[{'i': i, 'fail': 'no' * (i % 7 == 3)} for i in range(3_000)]"
    book = started(notebook, f"%%batchflow flow --limit 40 -o run\n{rows}", setup=SETUP)
    book.until("run.ended")
    book.value("globals().update(broken=False)")
    book.panel.get_by_role("button", name=re.compile("^Retry [0-9,]+ failed$")).click()
    book.until("run.ok")
    expect(book.panel).to_contain_text("3,000 succeeded")
    pixels = """() => [...document.querySelectorAll(".fm-canvas")].map(canvas =>
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.join())"""
    book.value(f"[{SECOND}, 0][1]")
    book.page.evaluate(
        """code => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.widgets[0].model.sharedModel.setSource(code);
        }""",
        SECOND,
    )
    book.run(0)
    expect(book.panel).to_have_count(2)
    book.page.wait_for_function("() => document.querySelectorAll('.fm-canvas').length === 2")
    until_drawn(book)
    book.page.wait_for_function("() => document.querySelectorAll('.fm-canvas')[1]?.style.width")
    until_drawn(book)
    one, other = book.page.evaluate(pixels)
    assert one == other
    book.save()
    book.reload()
    expect(book.panel).to_have_count(2)
    expect(book.panel.first).to_contain_text("3,000 succeeded")
    book.page.wait_for_function("() => document.querySelectorAll('.fm-canvas')[1]?.style.width")
    until_drawn(book)
    assert book.page.evaluate(pixels)[0] == one


@in_lab
def test_the_colours_are_those_of_the_theme(notebook):
    """Light, then dark, then the few colours of a forced palette, each as soon as it is there."""
    book = mixed(notebook)
    columns = columns_of(book, SIDE)

    def drawn_anew(before: list[int]) -> list[int]:
        book.page.wait_for_function(
            """before => document.querySelector(".fm-canvas").getContext("2d")
                .getImageData(2, 2, 1, 1).data.join() !== before""",
            arg=",".join(map(str, before)),
        )
        until_drawn(book)
        for index, tone in ((0, "succeeded"), (2, "failed"), (12, "running")):
            assert cell(book, index, SIDE, columns) == colour(book, tone)
        assert cell(book, 12, SIDE, columns, "middle") == colour(book, "paper")
        return cell(book, 0, SIDE, columns)

    light = cell(book, 0, SIDE, columns)
    book.theme("JupyterLab Dark")
    dark = drawn_anew(light)
    assert sum(colour(book, "paper")[:3]) < 200
    book.page.emulate_media(forced_colors="active")
    forced = drawn_anew(dark)
    assert forced not in (light, dark)
    book.value("gate.set() or 0")
    book.until("run.ended")
