"""Panels of a cell that is run again. (That no memory grows: `python -m benchmarks week`.)"""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace

import pytest
from ipywidgets.widgets import widget
from pocketflow import AsyncNode

import flowmagic
from flowmagic.limits.limits import Limits
from flowmagic.notebook import cell_panels
from flowmagic.notebook.display import NotebookDisplay
from flowmagic.records.batch import as_batch


class Wait(AsyncNode):
    """Waits for the event that its row has, if any."""

    async def exec_async(self, _):
        if "event" in self.params:
            await self.params["event"].wait()


@pytest.fixture(autouse=True)
def _no_cell():
    yield
    cell_panels.begin_cell(SimpleNamespace(cell_id=None))
    cell_panels._panels.clear()


def begin(cell):
    cell_panels.begin_cell(SimpleNamespace(cell_id=cell))


def show(*rows):
    """Start a run in a cell, and show it; return the run and what is in the kernel because of its panel."""
    before = set(widget._instances)
    display = NotebookDisplay(
        "flow", lambda batch, _: flowmagic.batchflow(Wait(), batch), Limits(2), None
    )
    run = display.start(as_batch(list(rows)), Limits(2))
    return run, set(widget._instances) - before


def is_open(shown):
    found = {each in widget._instances for each in shown}
    assert len(found) == 1
    return found.pop()


async def test_the_panels_of_a_cell_are_closed_when_it_is_run_again():
    """All of them, with their runs, and those of no other cell."""
    begin("a")
    shown = [show({"n": 1}), show({"n": 2})]
    begin("b")
    other, others = show({"n": 3})
    for run, _ in [*shown, (other, others)]:
        await run
    kept = weakref.ref(shown[0][0])
    panels = [panel for _, panel in shown]
    del shown, run
    begin("a")
    assert [is_open(each) for each in panels] == [False, False]
    assert is_open(others)

    async def until_gone():
        while kept() is not None:  # its last message may be still to be sent
            await asyncio.sleep(0.01)
            gc.collect()

    await asyncio.wait_for(until_gone(), 20)


async def test_the_panel_of_a_run_in_progress_is_closed_at_its_end():
    """Another cell may look at the run until then, and afterwards."""
    begin("a")
    event = asyncio.Event()
    run, shown = show({"event": event})
    begin("a")
    assert is_open(shown)
    event.set()
    await run
    assert not is_open(shown)
    assert await run.run_rest() is run


async def test_panels_of_cells_without_an_id_stay():
    """Not every front end gives its cells ids; then nobody knows what is on the page."""
    begin(None)
    run, shown = show({"n": 1})
    await run
    begin(None)
    assert is_open(shown)
