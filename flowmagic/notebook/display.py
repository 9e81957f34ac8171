"""Put a run before the user's eyes: a panel and a summary in a notebook, text in a terminal."""

from __future__ import annotations

from functools import partial
from typing import Any

from IPython.display import DisplayHandle, display

from ..limits.limits import Limits
from ..records.batch import Batch
from ..run.batchrun import BatchRun
from .panel.rerun_cell import Origin
from .panel.widget import Panel, Start
from .summary import summary
from .terminal.terminal import TerminalDisplay


class NotebookDisplay:
    """A panel, and below it the static summary that a saved notebook keeps.

    Args:
        start: starts a run, for the first time and whenever Run is pressed.
        origin: what a cell says that starts one more; None: it is Python.
    """

    def __init__(
        self,
        flow_name: str,
        start: Start,
        limits: Limits,
        batch: Batch | None,
        *,
        origin: Origin | None = None,
    ) -> None:
        self._start = start
        # Made with a run or for want of one: a panel of a run that was refused would be one too many.
        self._panel = partial(
            Panel, flow_name, self._started, limits=limits, batch=batch, origin=origin
        )
        self._handle = DisplayHandle()

    def open(self) -> Panel:
        """Show a panel without a run, and below it the place of the summary."""
        return self._put(self._panel())

    def start(self, batch: Batch | None, limits: Limits) -> BatchRun:
        """Start a run and show it; of one that is refused, nothing is shown."""
        run = self._started(batch, limits)
        self._show(run)
        return run

    def attach(self, run: BatchRun) -> None:
        """Show a run that somebody has started; there may be other panels of it."""
        self._show(run)
        run.observe(self._publish)
        self._publish(run)

    def _show(self, run: BatchRun) -> None:
        panel = self._panel()
        panel.show(run)
        self._put(panel)

    def _put(self, panel: Panel) -> Panel:
        display(panel)
        self._handle.display({"text/plain": "", "text/html": ""}, raw=True)
        return panel

    def _started(self, batch: Batch | None, limits: Limits) -> BatchRun:
        run = self._start(batch, limits)
        run.observe(self._publish)
        return run

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            self._handle.update(summary.bundle(run), raw=True)

    def tick(self) -> None:
        """Do nothing: the panel draws itself."""

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
) -> NotebookDisplay | TerminalDisplay:
    """Choose by whether a kernel stands between the shell and its user."""
    if hasattr(shell, "kernel"):
        return NotebookDisplay(flow_name, start, limits, batch, origin=origin)
    return TerminalDisplay(start, coloured=str(shell.colors).lower() != "nocolor")
