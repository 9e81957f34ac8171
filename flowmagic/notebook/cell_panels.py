"""Closes the panels that a cell has shown when the cell is run again.

ipywidgets keeps each widget until it is closed, and a panel keeps its run: a cell that is run again and
again would fill the memory of the kernel. Front ends give their cells ids, and clear the outputs of a
cell, the panels among them, when they run it.
"""

from __future__ import annotations

from typing import Any

from ..run.batchrun import BatchRun
from .panel.widget import Panel

_panels: dict[str, list[Panel]] = {}
"""The panels that each cell shows, by the id of the cell."""

_cell: str | None = None
"""The id of the cell that runs; None: its front end has given it none."""


def begin_cell(info: Any) -> None:
    """Close the panels of the cell that begins now; IPython calls it as `pre_run_cell`.

    The panel of a run that is in progress is closed when the run ends.
    """
    global _cell  # noqa: PLW0603 - there is one kernel
    _cell = getattr(info, "cell_id", None)
    for panel in _panels.pop(_cell or "", ()):
        if panel.run is None or panel.run.ended:
            _close(panel)
        else:
            panel.run.observe(_Closing(panel))


def add(panel: Panel) -> None:
    """Add a panel that the running cell shows."""
    if _cell is not None:
        _panels.setdefault(_cell, []).append(panel)


class _Closing:
    """Closes a panel when its run has ended."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def __call__(self, run: BatchRun) -> None:
        if run.ended:
            _close(self._panel)


def _close(panel: Panel) -> None:
    panel.layout.close()  # a widget, too
    panel.close()
