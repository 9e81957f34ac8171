"""Show a run: with a panel and a summary in a notebook, as text in a terminal."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Mapping
from contextvars import Context
from functools import partial
from typing import Any

from IPython.display import DisplayHandle, display

from ..limits.limits import Limits
from ..records.batch import Batch, BatchLike, as_batch
from ..run.api import start
from ..run.batchrun import BatchRun
from ..run.options import Options
from . import cell_panels
from .panel.header import earlier_text
from .panel.rerun_cell import Origin
from .panel.widget import Panel, Start
from .shell import find_loop
from .summary import summary
from .terminal.terminal import TerminalDisplay

_INTERVAL = 5.0  # seconds between two summaries of a run in progress
_SHARE = 0.01  # most of the event loop's time that making them takes


class NotebookDisplay:
    """A panel, and below it the static summary that the saved notebook keeps.

    While the run goes on, the summary is renewed at intervals, for a notebook that is saved meanwhile. A
    live panel hides it until the end.

    Args:
        start: starts a run, the first one and the one of each press of Run.
        origin: what the panel writes into a cell that runs one row again; None: the run comes from Python.
        compact: whether the panel is folded to one line at first.
        earlier: runs of the same cell that are still in progress, by their numbers.
    """

    def __init__(
        self,
        flow_name: str,
        start: Start,
        limits: Limits,
        batch: Batch | None,
        *,
        origin: Origin | None = None,
        compact: bool = False,
        earlier: Mapping[int, BatchRun] | None = None,
    ) -> None:
        self._start = start
        # Created later, so that no panel remains of a run that could not be started.
        self._make_panel = partial(
            Panel,
            flow_name,
            self._start_observed,
            limits=limits,
            batch=batch,
            origin=origin,
            compact=compact,
            earlier=earlier,
        )
        self._handle = DisplayHandle()
        self._timer: asyncio.TimerHandle | None = None
        self._published: object = None

    def open(self) -> Panel:
        """Show a panel without a run, and below it an empty output for the summary."""
        return self._display(self._make_panel())

    def start(self, batch: Batch | None, limits: Limits) -> BatchRun:
        """Start a run and show it; if it cannot be started, show nothing."""
        run = self._start_observed(batch, limits)
        self._show(run)
        return run

    def attach(self, run: BatchRun) -> None:
        """Show a run that was started before, perhaps with another panel."""
        self._show(run)
        run.observe(self._publish)
        self._publish(run)

    def _show(self, run: BatchRun) -> None:
        self._display(self._make_panel(run=run))

    def _display(self, panel: Panel) -> Panel:
        display(panel)
        cell_panels.add(panel)
        self._handle.display({"text/plain": "", "text/html": ""}, raw=True)
        return panel

    def _start_observed(self, batch: Batch | None, limits: Limits) -> BatchRun:
        run = self._start(batch, limits)
        run.observe(self._publish)
        self._publish_later(run, _INTERVAL)
        return run

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            if self._timer is not None:
                self._timer.cancel()  # it would keep the run for as long as it waits
                self._timer = None
            self._update(summary.bundle(run))
        elif self._timer is None:  # it was resumed after its end, or comes from elsewhere
            self._publish_later(run, _INTERVAL)

    def _publish_later(self, run: BatchRun, seconds: float) -> None:
        if (loop := find_loop()) is not None and not loop.is_closed():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_later(seconds, self._publish_meanwhile, run)

    def _publish_meanwhile(self, run: BatchRun) -> None:
        self._timer = None
        if run.ended:
            return
        began = time.perf_counter()
        if (present := (run.counts, run.status)) != self._published:
            self._published = present
            self._update(summary.bundle(run, brief=True))
        self._publish_later(run, max(_INTERVAL, (time.perf_counter() - began) / _SHARE))

    def _update(self, bundle: dict[str, str]) -> None:
        # A run keeps the Context of its cell, with which ipykernel tells whose output a message is. A
        # front end takes an update from any cell; nbclient only from the one that it executes, such as one
        # that retries the run. An empty Context stands for the latest cell.
        Context().run(self._handle.update, bundle, raw=True)

    def tick(self) -> None:
        """Do nothing: the panel updates itself."""

    def close(self) -> None:
        """Do nothing: the panel stays."""


def make_display(
    shell: Any,
    flow_name: str,
    start: Start,
    limits: Limits,
    batch: Batch | None,
    *,
    origin: Origin | None = None,
    compact: bool = False,
    earlier: Mapping[int, BatchRun] | None = None,
) -> NotebookDisplay | TerminalDisplay:
    """Return a display for notebooks if the shell has a kernel, otherwise one for terminals."""
    if hasattr(shell, "kernel"):
        return NotebookDisplay(
            flow_name, start, limits, batch, origin=origin, compact=compact, earlier=earlier
        )
    for number, run in (earlier or {}).items():
        print(earlier_text(number, run))  # noqa: T201 - for the user of the cell
    return TerminalDisplay(start, coloured=str(shell.colors).lower() != "nocolor")


_HIDDEN: weakref.WeakKeyDictionary[BatchRun, int] = weakref.WeakKeyDictionary()
"""The runs whose panel a cell has opened, each with the number of the cell."""


def hide_as_value(shell: Any, run: BatchRun) -> None:
    """Do not display a run as the value of the cell that runs now, which has opened a panel of it."""
    _HIDDEN[run] = shell.execution_count


def is_hidden(shell: Any, run: BatchRun) -> bool:
    """Return whether `hide_as_value` hides a run from the cell that runs now; once."""
    return bool(_HIDDEN.pop(run, None) == shell.execution_count)


def start_in_panel(
    flow: Any,
    params: BatchLike | None = None,
    *,
    shared: Any = None,
    compact: bool = False,
    **options: Any,
) -> Panel:
    """Start a run like `batchflow`, and return a panel that shows it, steers it, and starts the next.

    `panel.run` is the run; after Run has been pressed, it is the run that was then started.

    Args:
        flow: any PocketFlow flow or single node.
        params: the batch; None to take it from the flow's own prep.
        shared: the shared store of every run that the panel starts.
        compact: whether the panel is folded to one line at first; a click unfolds it.
        options: the options of `batchflow`.

    Raises:
        NoRunningLoopError: no event loop is running here.
        FlowError, BatchError, LimitError, JournalError, SharedError: an argument is wrong; nothing
            has run.
    """
    parsed = Options.of(**options)
    batch = None if params is None else as_batch(params, parsed.sharing.text_param)
    run = start(flow, batch, shared=shared, options=parsed)
    return _panel_of(run, batch, shared, compact=compact)


def folded_panel(run: BatchRun) -> Panel:
    """Return a panel that shows a run, folded to one line, steers it, and starts the next."""
    return _panel_of(run, batch_of(run), run.shared, compact=True)


def _panel_of(run: BatchRun, batch: Batch | None, shared: Any, *, compact: bool) -> Panel:
    def begin(batch: Batch | None, limits: Limits) -> BatchRun:
        return start(run.flow, batch, shared=shared, options=run.options.with_limits(limits))

    name = type(run.flow).__name__
    return Panel(name, begin, limits=run.limits, batch=batch, compact=compact, run=run)


def batch_of(run: BatchRun) -> Batch | None:
    """Return the batch of a run, to run it again; None if it was not kept."""
    rows = run.records.rows
    return Batch(rows, rows=rows, index=run.records.index) if isinstance(rows, list) else None
