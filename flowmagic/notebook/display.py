"""Put a run before the user's eyes: a panel and a summary in a notebook, text in a terminal."""

from __future__ import annotations

import sys
from typing import Any

from IPython.display import DisplayHandle, display

from ..batchrun import BatchRun
from ..limits import Limits
from ..params import Batch
from . import summary
from .panel import Panel, Start


class NotebookDisplay:
    """A panel, and below it the static summary that a saved notebook keeps.

    Args:
        start: starts a run, for the first time and whenever Run is pressed.
    """

    def __init__(self, flow_name: str, start: Start, limits: Limits, batch: Batch | None) -> None:
        self._start = start
        self.panel = Panel(flow_name, self._started, limits=limits, batch=batch)
        display(self.panel)
        self._handle = DisplayHandle()
        self._handle.display({"text/plain": "", "text/html": ""}, raw=True)

    def start(self, batch: Batch | None, limits: Limits) -> BatchRun:
        """Start a run and show it."""
        run = self._started(batch, limits)
        self.panel.show(run)
        return run

    def _started(self, batch: Batch | None, limits: Limits) -> BatchRun:
        run = self._start(batch, limits)
        run.observe(self._publish)
        return run

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            self._handle.update(summary.bundle(run), raw=True)

    def tick(self) -> None:
        """Do nothing: the panel draws itself."""


class TerminalDisplay:
    """A progress line while the run goes on (at a terminal), and the summary at its end."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._run: BatchRun | None = None
        self._width = 0

    def start(self, batch: Batch | None, limits: Limits) -> BatchRun:
        """Start a run and show it."""
        self._run = self._start(batch, limits)
        self._run.observe(self._publish)
        return self._run

    def tick(self) -> None:
        """Draw the progress line."""
        if self._run is not None and not self._run.ended and sys.stdout.isatty():
            self._line(summary.headline(self._run))

    def _line(self, text: str) -> None:
        sys.stdout.write("\r" + text.ljust(self._width))
        sys.stdout.flush()
        self._width = len(text)

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            if self._width:
                self._line("")
                sys.stdout.write("\r")
            print(summary.as_text(run))  # noqa: T201 - that is what a terminal is for


def make_display(
    shell: Any, flow_name: str, start: Start, limits: Limits, batch: Batch | None
) -> NotebookDisplay | TerminalDisplay:
    """Choose by whether a kernel stands between the shell and its user."""
    if hasattr(shell, "kernel"):
        return NotebookDisplay(flow_name, start, limits, batch)
    return TerminalDisplay(start)
