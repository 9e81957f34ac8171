"""Steering in a real JupyterLab: how soon a moved slider and a pressed Cancel act on the run.

From the event in the page to the moment when the run acts on it: while the kernel is idle, while a
cell awaits the run, and while one blocks the kernel's main thread until the run has ended. Browser
and kernel share one machine, and so one clock. It needs the tests' browser.
"""

from __future__ import annotations

from typing import Any

from .browser import opener, share
from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {"moves": (30, "how often the slider is moved in each state of the kernel")}

SETUP = """
%load_ext flowmagic
import asyncio, time, flowmagic
from pocketflow import AsyncFlow, AsyncNode

live, acted = 0, {}

class Call(AsyncNode):
    async def exec_async(self, prepared):
        global live
        live += 1
        acted.setdefault(live, time.time())  # when so many ran for the first time
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            acted.setdefault("cancelled", time.time())
            raise
        finally:
            live -= 1

flow = AsyncFlow(start=Call())
rows = [{'i': i} for i in range(100_000)]
"""
CELL = "%%batchflow flow --limit 2 -o run\nrows"
STATES = {
    "idle kernel": (CELL, "0"),
    "a `--wait` cell": (CELL.replace("-o", "--wait -o"), None),
    "a cell in run.wait()": (CELL, "run.wait()"),
}
FIRST = 3  # what the slider is moved to first; then up by one each time
BETWEEN = 150  # milliseconds between two moves
MOVE = """value => {
    const slider = [...document.querySelectorAll(".fm-slider")].pop();
    const at = Date.now() / 1000;
    slider.value = String(value);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    return at;
}"""
CANCEL = """() => {
    const at = Date.now() / 1000;
    [...document.querySelectorAll("[data-command=cancel]")].pop().click();
    return at;
}"""


def measure(moves: int) -> None:
    """Print the table."""
    print_heading()
    figures = []
    at_goal = moves >= OPTIONS["moves"][0]
    with opener() as notebook:
        for state, (cell, then) in STATES.items():
            slider, cancel = _taken(notebook, cell, then, moves, again=bool(figures))
            beside = f"median {share(slider, 0.5) or 0:.0f} ms, of {len(slider)} moves"
            what = f"slider moved to one more instance running, p95: {state}"
            figures.append(
                Figure(what, share(slider, 0.95), 100, "ms", beside=beside, at_goal=at_goal)
            )
            goal = 150 if then and then != "0" else None
            figures.append(
                Figure(f"Cancel pressed to instances cancelled: {state}", cancel, goal, "ms")
            )
    print_figures(figures)


def _taken(
    notebook: Any, cell: str, then: str | None, moves: int, *, again: bool
) -> tuple[list[float], float]:
    """Return milliseconds from each move, and from Cancel, to their effect."""
    book = notebook(SETUP, cell, then or "0", again=again)
    book.run(1, wait=False)
    book.panel.wait_for()
    book.page.wait_for_timeout(1_000)
    if then is not None:
        book.run(2, wait=False)
        book.page.wait_for_timeout(1_000)
    moved = {}
    for value in range(FIRST, FIRST + moves):
        moved[value] = book.page.evaluate(MOVE, value)
        book.page.wait_for_timeout(BETWEEN)
    pressed = book.page.evaluate(CANCEL)
    book.until("'cancelled' in acted")
    acted = book.value("acted")
    book.close()
    return sorted(1_000 * (acted[str(value)] - at) for value, at in moved.items()), 1_000 * (
        acted["cancelled"] - pressed
    )
