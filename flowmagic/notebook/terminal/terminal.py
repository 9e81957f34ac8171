"""A run at a terminal: lines that live while it goes on, and the summary at its end."""

from __future__ import annotations

import os
import sys

from ...limits.limits import Limits
from ...records.batch import Batch
from ...run.batchrun import BatchRun
from ..panel.widget import Start
from ..summary import summary
from .live_block import Block, terminal_size
from .progress import BARS, PLAIN_BARS, Progress
from .width import width_of

_ROWS = 8
_AROUND = 6  # lines that are left for what stands above: the prompt, what nodes print


class TerminalDisplay:
    """Tqdm's line and a table of what runs, where somebody looks; and the summary at the end.

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
        """Draw what there is to see of the run now: to a terminal, not to a file."""
        if self._run is None or self._run.ended:
            return
        moves = moves_cursor()
        if self._block is None:
            if not sys.stdout.isatty():
                return
            bars = BARS if "utf" in (sys.stdout.encoding or "").lower() else PLAIN_BARS
            self._progress = Progress(self._run, coloured=self._coloured and moves, bars=bars)
            self._block = Block(moves=moves)
            self._block.open()
        assert self._progress is not None
        columns, lines = terminal_size()
        columns -= 1  # a terminal that wraps at once, wraps behind the last one
        line = self._progress.line(columns)
        rows = max(0, min(_ROWS, lines - _AROUND)) if moves else 0
        table = self._progress.table(columns, rows) if rows else []
        self._block.draw([self._progress.coloured(line), *table], width_of(line))

    def close(self) -> None:
        """Take away what is drawn only while one waits."""
        if self._block is not None:
            self._block.close()
            self._block = None

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            print(summary.as_text(run))  # noqa: T201 - that is what a terminal is for


def moves_cursor() -> bool:
    """Whether the terminal can be told to move its cursor, and the user has not said to spare them that."""
    able = os.environ.get("TERM", "dumb") != "dumb" or "WT_SESSION" in os.environ
    return able and not os.environ.get("NO_COLOR")
