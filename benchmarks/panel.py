"""The live panel in a real JupyterLab: first paint, wire, event and output to pixel, frames, CPU.

In headless Chromium without a graphics card, on the machine that runs the kernel and the server too:
what is measured is all of them together. It needs the tests' browser (see `tests/browser/conftest.py`).
"""

from __future__ import annotations

from statistics import median
from typing import Any

from .browser import opener, share
from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {
    "fewer": (10_000, "instances of the first first paint"),
    "instances": (100_000, "instances of the second one, and of the run that is watched"),
    "changes": (2_000, "changes of an instance's state per second while it is watched"),
    "seconds": (10, "for how long it is watched"),
}

SETUP = """
%load_ext flowmagic
import asyncio, random, time, flowmagic
from pocketflow import AsyncFlow, AsyncNode

class Call(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep({seconds} * random.uniform(0.5, 1.5))  # not all in step
        return f'{{time.time():.6f}} is when this answer of some forty words was given. ' + 'More. ' * 30

flow = AsyncFlow(start=Call())
rows = [{{'user_id': i, 'model': 'm'}} for i in range({instances})]
offset = time.time() - time.monotonic()
"""
CELL = "%%batchflow flow --limit {limit} -o run\nrows"
BARE = "run = flowmagic.batchflow(flow, rows, limit={limit})"
TAKES = 0.2  # seconds that an instance runs, on average; it changes twice: it starts, it ends
PER_INSTANCE = 2
OTHERS = ("Timeline", "Graph")  # tabs that are measured beside the first one, the Table
FEW = 3  # instances of which the panel shows the rows and nothing else
OUTPUTS = ((12, 2), (1_000, 100))  # instances and limit of runs in which outputs are timed
PAINTINGS = 5  # of which the median is a first paint
SETTLED = 4_000  # milliseconds after which a panel sends no more for the sake of pages that open

WIRE = """() => {
    window.wire = { messages: 0, bytes: 0 };
    const real = window.WebSocket;
    window.WebSocket = class extends real {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({ data }) => {
                window.wire.messages += 1;
                window.wire.bytes += data.byteLength ?? data.size ?? data.length;
            });
        }
    };
}"""
PAINTED = """index => new Promise(done => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = index;
    const before = [...document.querySelectorAll(".fm-panel")];
    const began = performance.now();
    window.jupyterapp.commands.execute("notebook:run-cell");
    // The panel draws while a frame is laid out, after the frame's callbacks; what comes after a
    // frame comes after its painting.
    const look = () => requestAnimationFrame(() => setTimeout(() => {
        const panel = [...document.querySelectorAll(".fm-panel")].find(each => !before.includes(each));
        const rows = panel?.matches(".fm-few") && panel.querySelector(".fm-spacer > .fm-row:not([hidden])");
        if (rows || panel?.querySelector(".fm-canvas")?.style.width) done(performance.now() - began);
        else look();
    }));
    look();
})"""
TIMED = """() => {
    const seen = new Set();
    window.outputs = [];
    window.since = Infinity;
    new MutationObserver(changes => {
        for (const { target } of changes) {
            const changed = target instanceof Element ? target : target.parentElement;
            const cell = changed?.closest(".fm-col-output");
            const [answered] = /^\\d+\\.\\d+/.exec(cell?.textContent ?? "") ?? [];
            if (!answered || seen.has(answered) || 1000 * answered < window.since) continue;
            seen.add(answered);
            // After the next frame, it has been painted.
            requestAnimationFrame(() => setTimeout(() => {
                window.outputs.push(performance.timeOrigin + performance.now() - 1000 * answered);
            }));
        }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
WATCH = """([seconds, began, listen]) => new Promise(done => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const seen = { frames: [], latencies: [], long: 0, deltas: 0 };
    const now = () => (performance.timeOrigin + performance.now()) / 1000;
    const noted = (_, message) => {
        const { msg_type: type } = message.header;
        if (type !== "comm_msg" || message.content.data?.content?.type !== "delta") return;
        seen.deltas += 1;
        const [buffer] = message.buffers ?? [];
        if (!buffer) return;
        const view = new DataView(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
        let oldest = Infinity;
        for (let at = 0; at < view.byteLength; at += 16) {
            const ended = view.getFloat32(at + 12, true);
            const happened = Number.isNaN(ended) ? view.getFloat32(at + 8, true) : ended;
            if (!Number.isNaN(happened)) oldest = Math.min(oldest, happened);
        }
        // The panel's frame, and then whatever comes after it: it has been painted.
        requestAnimationFrame(() => requestAnimationFrame(() => {
            seen.latencies.push(1000 * (now() - began - oldest));
        }));
    };
    if (listen) kernel.iopubMessage.connect(noted);
    const observer = new PerformanceObserver(list => { seen.long += list.getEntries().length; });
    observer.observe({ type: "longtask" });
    window.wire.messages = window.wire.bytes = 0;
    const start = performance.now();
    let last = start;
    const frame = at => {
        seen.frames.push(at - last);
        last = at;
        if (at - start < 1000 * seconds) {
            requestAnimationFrame(frame);
            return;
        }
        kernel.iopubMessage.disconnect(noted);
        observer.disconnect();
        done({ ...seen, ...window.wire, took: (performance.now() - start) / 1000 });
    };
    requestAnimationFrame(frame);
})"""


def measure(fewer: int, instances: int, changes: int, seconds: int) -> None:
    """Print the table."""
    print_heading()
    limit = max(1, round(changes / PER_INSTANCE * TAKES))
    at_goal = changes == OPTIONS["changes"][0]
    with opener(WIRE) as notebook:
        _first_paint(notebook, 10, limit)  # the server reads its files
        figures = []
        for n, most, goal in ((FEW, 120, ""), (fewer, 250, "fewer"), (instances, 400, "instances")):
            cold, took = _first_paint(notebook, n, limit)
            what = f"first paint: {n:,} instances, from running the cell"
            beside = (
                f"{took[0]:.0f} to {took[-1]:.0f} ms; {cold:.0f} ms with the page's first widget, "
                "which loads JupyterLab's own code"
            )
            at_size = n == (OPTIONS[goal][0] if goal else FEW)
            figures.append(Figure(what, median(took), most, "ms", beside=beside, at_goal=at_size))
        figures += [_output_to_pixel(notebook, *each, min(PAINTINGS, seconds)) for each in OUTPUTS]
        at_goal = at_goal and instances == OPTIONS["instances"][0]
        figures += _watched(notebook, instances, limit, seconds, at_goal=at_goal)
        for tab in OTHERS:
            figures += _looked_at(notebook, instances, limit, seconds, tab, at_goal=at_goal)
    print_figures(figures)


def _setup(instances: int) -> str:
    return SETUP.format(seconds=TAKES, instances=instances)


def _first_paint(notebook: Any, instances: int, limit: int) -> tuple[float, list[float]]:
    """Return milliseconds until a page's first panel was painted, and sorted those of the next ones."""
    book = notebook(_setup(instances), CELL.format(limit=limit), "run.cancel();")
    took = []
    for _ in range(1 + PAINTINGS):
        took.append(float(book.page.evaluate(PAINTED, 1)))
        book.run(2)
        book.until("run.ended")
    book.close()
    return took[0], sorted(took[1:])


def _output_to_pixel(notebook: Any, instances: int, limit: int, runs: int) -> Figure:
    """Return how long after a row's end its output is on the screen; of rows that end all the time."""
    book = notebook(_setup(instances), CELL.format(limit=limit))
    book.page.evaluate(TIMED)
    for _ in range(runs):
        book.run(1)
        book.panel.scroll_into_view_if_needed()
        # Rows in the middle, and none that ended before one could see them: that is the first paint.
        book.page.evaluate(
            """n => {
                document.querySelector(".fm-grid").scrollTop = 28 * n;
                window.since = performance.timeOrigin + performance.now();
            }""",
            instances // 2,
        )
        book.until("run.ended")
        book.page.wait_for_timeout(500)
        book.page.evaluate("() => { window.since = Infinity; }")
    latencies = sorted(book.page.evaluate("() => window.outputs"))
    book.close()
    return Figure(
        f"output to pixel, p95: {instances:,} instances, limit {limit}",
        share(latencies, 0.95), 100, "ms",
        beside=f"median {share(latencies, 0.5) or 0:.0f} ms, of {len(latencies)} outputs",
    )  # fmt: skip


def _watched(
    notebook: Any, instances: int, limit: int, seconds: int, *, at_goal: bool
) -> list[Figure]:
    book = notebook(
        _setup(instances),
        CELL.format(limit=limit),
        "run.cancel();",
        BARE.format(limit=limit),
        again=True,
    )
    book.run(1)
    settled = min(SETTLED, 1_000 * seconds)
    book.page.wait_for_timeout(settled)
    began = book.value("run.records.began + offset")
    before = book.value("[time.process_time(), run.counts.ended]")
    watched = book.page.evaluate(WATCH, [seconds, began, False])
    after = book.value("[time.process_time(), run.counts.ended]")
    timed = book.page.evaluate(WATCH, [seconds, began, True])
    book.run(2)
    book.run(3)
    book.page.wait_for_timeout(settled)
    bare_before = book.value("[time.process_time(), run.counts.ended]")
    book.page.wait_for_timeout(1_000 * seconds)
    bare_after = book.value("[time.process_time(), run.counts.ended]")
    book.close()
    with_panel, rate = _per_change(before, after, watched["took"])
    without, _ = _per_change(bare_before, bare_after, seconds)
    at = f"{instances:,} instances, {rate:,.0f} changes a second"
    took = watched["took"]
    frames, latencies = sorted(watched["frames"]), sorted(timed["latencies"])

    def figure(
        what: str, measured: float | None, most: float | None, unit: str, beside: str
    ) -> Figure:
        return Figure(f"{what}: {at}", measured, most, unit, beside=beside, at_goal=at_goal)

    return [
        figure("wire", watched["bytes"] / took / 1_000, 50, "kB/s", "everything from the server"),
        figure("messages", watched["messages"] / took, 25, "/s", "of any kind"),
        figure(
            "oldest event to pixel, p95", share(latencies, 0.95), 100, "ms",
            f"median {share(latencies, 0.5) or 0:.0f} ms, of {len(latencies)} deltas",
        ),
        figure(
            "frames, p99", share(frames, 0.99), 25, "ms",
            f"median {share(frames, 0.5) or 0:.1f} ms, worst {frames[-1]:.0f} ms",
        ),
        figure("tasks longer than 50 ms", watched["long"], 0, "", f"in {took:.0f} s"),
        figure(
            "CPU of the kernel for the panel, per change", 1e6 * (with_panel - without), 15, "µs",
            f"{1e6 * with_panel:.0f} µs with it, {1e6 * without:.0f} µs without",
        ),
    ]  # fmt: skip


def _looked_at(
    notebook: Any, instances: int, limit: int, seconds: int, tab: str, *, at_goal: bool
) -> list[Figure]:
    """Return how fluent a page is that shows the instances in another way."""
    book = notebook(_setup(instances), CELL.format(limit=limit), "run.cancel();", again=True)
    book.run(1)
    book.panel.get_by_role("tab", name=tab).click()
    book.page.wait_for_timeout(min(SETTLED, 1_000 * seconds))
    before = book.value("[time.process_time(), run.counts.ended]")
    watched = book.page.evaluate(WATCH, [seconds, 0, False])
    after = book.value("[time.process_time(), run.counts.ended]")
    book.run(2)
    book.close()
    _, rate = _per_change(before, after, watched["took"])
    at = f"{instances:,} instances, {rate:,.0f} changes a second"
    frames = sorted(watched["frames"])
    return [
        Figure(
            f"{tab}: frames, p99: {at}", share(frames, 0.99), 25, "ms",
            beside=f"median {share(frames, 0.5) or 0:.1f} ms, worst {frames[-1]:.0f} ms",
            at_goal=at_goal,
        ),
        Figure(
            f"{tab}: tasks longer than 50 ms: {at}", watched["long"], 0, "",
            beside=f"in {watched['took']:.0f} s", at_goal=at_goal,
        ),
        Figure(
            f"{tab}: wire: {at}", watched["bytes"] / watched["took"] / 1_000, 50, "kB/s",
            beside="everything from the server", at_goal=at_goal,
        ),
    ]  # fmt: skip


def _per_change(
    before: tuple[float, int], after: tuple[float, int], seconds: float
) -> tuple[float, float]:
    """Return CPU seconds per change of state, and changes per second."""
    changes = max(1, PER_INSTANCE * (after[1] - before[1]))
    return (after[0] - before[0]) / changes, changes / seconds
