"""A run in words while it goes on, for a terminal: tqdm's line, and a table of what runs now."""

from __future__ import annotations

from collections import deque
from itertools import islice

from ...run.batchrun import BatchRun
from ...text.formatting import params_text
from ..summary.summary import cooling_text, limit_text
from .width import cut_to, padded, plain, width_of

_RECENT = 8.0  # seconds over which the rate is taken
_BAR = 30  # columns
_SHORTEST_BAR = 6
_NODE = 20
BARS, PLAIN_BARS = ("━", "─"), ("#", "-")
"""What a bar is made of, done and to be done; and where a terminal knows ASCII only."""
_GREEN, _FAINT, _END = "\x1b[32m", "\x1b[2m", "\x1b[0m"


class Progress:
    """What there is to see of one run, at the moment.

    Args:
        coloured: whether to put colours on it.
        bars: what the bar is made of.
    """

    def __init__(
        self, run: BatchRun, *, coloured: bool = False, bars: tuple[str, str] = BARS
    ) -> None:
        self._run = run
        self._coloured = coloured
        self._full, self._rest = bars
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])
        """How many had ended after how many seconds, of late."""
        self._texts: dict[int, str] = {}
        """The params of the rows in the table: they are asked for ten times a second."""

    def line(self, columns: int) -> str:
        """Return tqdm's line: a bar, done/total, elapsed < remaining, rate; and the states.

        Where there is little room, the bar goes first, then the limit, then the name.
        """
        run, counts = self._run, self._run.counts
        total, done = run.total, counts.ended
        name = plain(run.name)
        if str(run.status) != "running":
            name += f", {run.status}"
        states = [
            f"{number:,} {word}"
            for word in ("failed", "cancelled", "running", "pending")
            if (number := getattr(counts, word))
        ]
        facts = f"{done:,}/{'?' if total is None else f'{total:,}'} {self._times(done, total)}"
        parts = [part for part in (facts, ", ".join(states), cooling_text(run)) if part]
        if total:
            parts.insert(0, f"{100 * done // total:3}%")
        for more in ([name, *parts, limit_text(run)], [name, *parts], parts):
            text = "  ".join(more)
            room = columns - width_of(text) - 1
            if room >= 0:
                break
        if total and room >= _SHORTEST_BAR and "%" in text:
            length = min(_BAR, room)
            full = length * done // total
            before, percent, after = text.partition("%")
            text = f"{before}{percent} {self._full * full}{self._rest * (length - full)}{after}"
        return cut_to(text, columns)

    def coloured(self, line: str) -> str:
        """Return a line with its bar in colours, if so asked."""
        if not self._coloured or self._full not in line:
            return line
        before, bar, after = line.partition(self._full * line.count(self._full))
        return f"{before}{_GREEN}{bar}{_END}{after}"

    def table(self, columns: int, most: int) -> list[str]:
        """Return a table of the rows that run, those that began first on top; empty if none does."""
        records = self._run.records
        shown = list(islice(records.live, most))
        if not shown:
            return []
        self._texts = {at: self._texts.get(at) or self._params(at) for at in shown}
        number = max(3, len(str(len(records) - 1)))
        node = min(_NODE, max(4, *(width_of(plain(each)) for each in records.node_names)))
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
        return lines

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


def clock(seconds: float) -> str:
    """Return seconds as `mm:ss`, or `h:mm:ss`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
