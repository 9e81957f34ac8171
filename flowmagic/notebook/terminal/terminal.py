"""Show a run at a terminal: a line like tqdm's, running rows, latest outputs; the summary at the end."""

from __future__ import annotations

import os
import sys
from collections import deque
from heapq import nlargest
from itertools import islice

from wcwidth import wcswidth

from ...limits.limits import Limits
from ...records.batch import Batch
from ...records.row_secrets import secrets_of_row
from ...records.status import FAILED, SUCCEEDED
from ...run.batchrun import BatchRun
from ...text.formatting import params_text
from ..output_text import outcome_text
from ..panel.widget import Start
from ..shell import encodable
from ..summary import summary
from ..summary.summary import cooling_text, limit_text
from .live_block import Block, terminal_size, without_sequences

_RECENT = 8.0  # seconds over which the rate is measured
_BAR, _SHORTEST_BAR, _NODE = 30, 6, 20  # columns
BARS, ASCII_BARS = ("━", "─"), ("#", "-")
"""The characters of a bar, done and to do; the second pair for terminals that only know ASCII."""

_GREEN, _FAINT, _END = "\x1b[32m", "\x1b[2m", "\x1b[0m"

_ROWS = 8
_ENDED = 3  # rows that ended last
_OUTPUT = 200  # characters
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
        if self._block is not None and self._progress is not None:
            self._progress.close()
            self._block.close()
            self._block = None

    def _publish(self, run: BatchRun) -> None:
        if run.ended:
            print(encodable(summary.as_text(run)))  # noqa: T201 - the output of a terminal


def moves_cursor() -> bool:
    """Whether the terminal can move its cursor, and NO_COLOR does not forbid that."""
    is_able = os.environ.get("TERM", "dumb") != "dumb" or "WT_SESSION" in os.environ
    return is_able and not os.environ.get("NO_COLOR")


class Progress:
    """The current progress of one run.

    Args:
        coloured: whether lines get colours.
        bars: the characters of the bar.
    """

    def __init__(
        self, run: BatchRun, *, coloured: bool = False, bars: tuple[str, str] = BARS
    ) -> None:
        self._run = run
        self._coloured = coloured
        self._full, self._rest = bars
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])
        """Recent pairs of seconds and of how many instances had ended by then."""
        self._texts: dict[int, str] = {}
        """The params of the rows in the table, which is drawn ten times a second."""
        self._changed = run.records.watch()
        self._ended: list[int] = []
        """The rows that ended last, the latest at the end."""

    def line(self, columns: int) -> str:
        """Return a line like tqdm's: a bar, done/total, elapsed < remaining, rate; then the statuses.

        If there is too little room, it leaves out the bar first, then the limit, then the name.
        """
        run, counts = self._run, self._run.counts
        total, done = run.total, counts.ended
        name = plain(run.name)
        if str(run.status) != "running":
            name += f", {run.status}"
        statuses = [
            f"{number:,} {word}"
            for word in ("failed", "cancelled", "running", "pending")
            if (number := getattr(counts, word))
        ]
        facts = f"{done:,}/{'?' if total is None else f'{total:,}'} {self._times(done, total)}"
        parts = [part for part in (facts, ", ".join(statuses), cooling_text(run)) if part]
        if total:
            parts.insert(0, f"{100 * done // total:3}%")
        for more in ([name, *parts, limit_text(run)], [name, *parts], parts):
            text = "  ".join(more)
            room = columns - wcswidth(text) - 1
            if room >= 0:
                break
        if total and room >= _SHORTEST_BAR and "%" in text:
            length = min(_BAR, room)
            full = length * done // total
            before, percent, after = text.partition("%")
            text = f"{before}{percent} {self._full * full}{self._rest * (length - full)}{after}"
        return cut_to(text, columns)

    def coloured(self, line: str) -> str:
        """Return a line with its bar in colour, if colours are on."""
        if not self._coloured or self._full not in line:
            return line
        before, bar, after = line.partition(self._full * line.count(self._full))
        return f"{before}{_GREEN}{bar}{_END}{after}"

    def table(self, columns: int, most: int) -> list[str]:
        """Return a table of the running rows and of the latest outputs; empty if no row is running."""
        records = self._run.records
        ended = self._latest_ended() if most > 2 * _ENDED else []
        shown = list(islice(records.live, most - len(ended)))
        if not shown:
            return []
        self._texts = {at: self._texts.get(at) or self._params(at) for at in shown}
        number = max(3, len(str(len(records) - 1)))
        node = min(_NODE, max(4, *(wcswidth(plain(each)) for each in records.node_names)))
        left = columns - number - node - 16
        head = f"  {'#':>{number}}  {padded('node', node)}  {'seconds':>8}  params"
        lines = [cut_to(head, columns)]
        if self._coloured:
            lines[0] = f"{_FAINT}{lines[0]}{_END}"
        elapsed = self._run.elapsed
        for at in shown:
            seconds = elapsed - (records.started[at] - records.began)
            name = padded(plain(records.node_names[records.nodes[at]]), node)
            start = f"  {at:>{number}}  {name}  {max(0.0, seconds):8.1f}"
            text = cut_to(self._texts[at], left) if left > 1 else ""
            lines.append(cut_to(f"{start}  {text}", columns).rstrip())
        if (more := len(records.live) - len(shown)) > 0:
            lines.append(cut_to(f"  … and {more:,} more", columns))
        for at in ended:
            output = plain(outcome_text(records, at, _OUTPUT, secrets_of_row(records, at)))
            lines.append(cut_to(f"  {at:>{number}}  {self._params(at)} → {output}", columns))
        return lines

    def _latest_ended(self) -> list[int]:
        """Return the rows that ended last, of those that are still ended."""
        records, changed = self._run.records, self._changed
        rows = {*self._ended, *(changed.pop() for _ in range(len(changed)))}
        ended = (at for at in rows if records.status[at] in (SUCCEEDED, FAILED))
        self._ended = nlargest(_ENDED, ended, key=records.ended.__getitem__)[::-1]
        return self._ended

    def close(self) -> None:
        """Watch the run no longer."""
        self._run.records.unwatch(self._changed)

    def _params(self, at: int) -> str:
        return plain(params_text(self._run.records.merged(at)))

    def _times(self, done: int, total: int | None) -> str:
        elapsed = self._run.elapsed
        samples = self._samples
        samples.append((elapsed, done))
        while len(samples) > 1 and elapsed - samples[1][0] > _RECENT:
            samples.popleft()
        since, before = samples[0]
        rate = (done - before) / (elapsed - since) if elapsed > since else 0.0
        left = clock((total - done) / rate) if total is not None and rate else "?"
        shown = f"{rate:,.1f}" if rate >= 10 else f"{rate:.2f}"  # noqa: PLR2004 - three digits
        return f"[{clock(elapsed)} < {left}, {shown if rate else '?'} inst/s]"


def plain(text: str) -> str:
    """Return a text on one line, without escape sequences and other unprintable characters."""
    return "".join(filter(str.isprintable, " ".join(without_sequences(text).split())))


def cut_to(text: str, columns: int) -> str:
    """Cut a plain text to a number of columns, the last of them an ellipsis."""
    if wcswidth(text) <= columns:
        return text
    kept = text[: max(0, columns - 1)]
    while wcswidth(kept) > columns - 1 and kept:
        kept = kept[:-1]
    return kept + "…" * (columns > 0)


def padded(text: str, columns: int) -> str:
    """Return a plain text in exactly so many columns, cut or followed by spaces."""
    text = cut_to(text, columns)
    return text + " " * (columns - wcswidth(text))


def clock(seconds: float) -> str:
    """Return seconds as `mm:ss`, or `h:mm:ss`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
