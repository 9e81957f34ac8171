"""Show a run at a terminal: progress lines while it runs, and the summary at the end."""

from __future__ import annotations

import os
import sys

from wcwidth import wcswidth

from ...limits.limits import Limits
from ...records.batch import Batch
from ...run.batchrun import BatchRun
from ..panel.widget import Start
from ..summary import summary
from .live_block import Block, terminal_size
from .progress import ASCII_BARS, BARS, Progress

_ROWS = 8
_LINES_ABOVE = 6  # left for the prompt, and for what nodes print


class TerminalDisplay:
    """A progress line and a table of the running rows, if this is a terminal; the summary at the end.

    Args:
        start: starts a run.
        coloured: whether the shell shows colours.
    """

    def __init__(self, start: Start, *, coloured: bool = True) -> None:
        self._start = start
        self._coloured = coloured
        self._run: BatchRun | None = None
        self._progress: Progress | None = None
        self._block: Block | None = None

    def start(self, batch: Batch | None, limits: Limits) -> BatchRun:
        """Start a run and show it."""
        self._run = self._start(batch, limits)
        self._run.observe(self._publish)
        return self._run

    def tick(self) -> None:
        """Draw the current progress, unless the output goes to a file."""
        if self._run is None or self._run.ended:
            return
        moves = moves_cursor()
        if self._block is None:
            if not sys.stdout.isatty():
                return
            bars = BARS if "utf" in (sys.stdout.encoding or "").lower() else ASCII_BARS
            self._progress = Progress(self._run, coloured=self._coloured and moves, bars=bars)
            self._block = Block(moves=moves)
            self._block.open()
        assert self._progress is not None
        columns, lines = terminal_size()
        columns -= 1  # some terminals wrap as soon as the last column is written
        line = self._progress.line(columns)
        rows = max(0, min(_ROWS, lines - _LINES_ABOVE)) if moves else 0
        table = self._progress.table(columns, rows) if rows else []
        self._block.draw([self._progress.coloured(line), *table], wcswidth(line))

    def close(self) -> None:
        """Remove the progress lines."""
        if self._block is not None:
            self._block.close()
            self._block = None

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            print(summary.as_text(run))  # noqa: T201 - the output of a terminal


def moves_cursor() -> bool:
    """Whether the terminal can move its cursor, and NO_COLOR does not forbid that."""
    is_able = os.environ.get("TERM", "dumb") != "dumb" or "WT_SESSION" in os.environ
    return is_able and not os.environ.get("NO_COLOR")
