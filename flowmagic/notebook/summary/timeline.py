"""When each instance ran, as a picture that needs no script: for a saved notebook, and as text.

A lane per slot that ran, a bar per instance. Very many bars become cells, of several lanes and for
a stretch of time, and beyond that only how many ran at once is drawn.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from html import escape
from itertools import pairwise

from ...limits.history import LimitChange
from ...records.status import CANCELLED, FAILED, RUNNING, STATUSES, SUCCEEDED
from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from .lanes import EARLIER, Bar, bars_of, lanes_of

MOST_BYTES = 60_000
"""The most that the HTML may weigh, in bytes of UTF-8."""

MOST_EACH = 5_000
"""Instances from which on they are not given lanes: it would take too long, and show nothing."""

_MOST_LANES, _MOST_BARS = 60, 800  # of the HTML; a bar is some 70 bytes
_CELLS = (400, 200, 100)  # of a lane, when bars are too many: the most that fit
_COLUMNS = 120  # of how many ran at once
_TEXT_LANES, _TEXT_CELLS = 8, 64
_TEXT_EACH = 250  # as MOST_EACH: with more, hardly a cell would be without a failure
_MOST_CHANGES, _MOST_STEPS = 6, 60  # of the limit: told in words, and drawn
_THINNEST, _GAP = 0.15, 0.12  # percent: of a bar, and what parts it from the next one
# What of several instances in one cell is seen.
_WORST = {EARLIER: 1, SUCCEEDED: 2, CANCELLED: 3, RUNNING: 4, FAILED: 5}
_WORDS = {**dict(enumerate(map(str, STATUSES))), EARLIER: "earlier attempts"}
_COLOURS = {
    SUCCEEDED: "#2e9e5b",
    FAILED: "#d64545",
    CANCELLED: "#9a7fbf",
    RUNNING: "#1976d2",
    EARLIER: "#d6454555",
}
_COLOUR_NAMES = {
    SUCCEEDED: "green",
    FAILED: "red ✗",
    CANCELLED: "violet",
    RUNNING: "blue",
    EARLIER: "pale",
}
_BLOCKS = {FAILED: "✗", CANCELLED: "░", RUNNING: "▒", EARLIER: "·"}
_HEIGHTS = "▁▂▃▄▅▆▇█"


def as_html(run: BatchRun) -> str:
    """Return the timeline as HTML; empty where there is nothing to compare."""
    picture = _picture(run, MOST_EACH, _MOST_LANES)
    if picture is None:
        return ""
    body = picture.html()
    return (
        f"<details><summary style='cursor:pointer'>{escape(picture.title)}</summary>"
        f"<div style='{_CHART}'>{_limit_strip(run, picture.span)}{body}"
        f"{_axis(picture.span)}</div><p style='margin:4px 0'>{escape(picture.words(_COLOUR_NAMES))} "
        f"{escape(limit_words(run))}</p></details>"
    )


def as_lines(run: BatchRun) -> list[str]:
    """Return the timeline as lines of at most 78 characters; none where there is nothing to compare."""
    picture = _picture(run, _TEXT_EACH, _TEXT_LANES)
    if picture is None:
        return []
    end = f"{picture.span:.1f} s"
    names = {SUCCEEDED: "█ ▓", **_BLOCKS}
    return [
        picture.title,
        *(f"│{line}│" for line in picture.lines()),
        f" 0 s{end.rjust(_TEXT_CELLS - 3)}",
        *_wrapped(f"{picture.words(names)} {limit_words(run)}", 78),
    ]


def limit_words(run: BatchRun) -> str:
    """Return which limits were in force when: `Limit 5, from 3.1 s 10 (by hand).` and so on."""
    first, *told = _changes(run)
    text = f"Limit {first.limit}"
    for each in told[:_MOST_CHANGES]:
        by = "by hand" if each.by == "user" else "by itself"
        text += f", from {each.seconds:.1f} s {each.limit} ({by})"
    if len(told) > _MOST_CHANGES:
        text += f", and {len(told) - _MOST_CHANGES} more changes, in the end {told[-1].limit}"
    return f"{text}."


class _Lanes:
    """A picture of bars in lanes, which share at most so many lines."""

    def __init__(self, bars: list[Bar], span: float, most: int) -> None:
        self.span = span
        self.codes = {bar.code for bar in bars}
        self._bars = len(bars)
        self._lanes = lanes_of(bars)
        self._shared = math.ceil(len(self._lanes) / most)
        """Lanes of one line."""
        self.title = f"Timeline: at most {len(self._lanes):,} at once, in {span:.1f} s"

    def words(self, names: dict[int, str]) -> str:
        each = [f"{names[code]} {_WORDS[code]}" for code in sorted(self.codes) if code in names]
        line, bar = "slot", "a bar per instance"
        if self._shared > 1:
            line = f"{self._shared} slots"
        if self._shared > 1 or self._bars > _MOST_BARS:
            bar = "instances that lie close are one bar, in the colour of the worst"
        return f"A line per {line}, {bar}: {', '.join(each)}."

    def html(self) -> str:
        if self._bars <= _MOST_BARS and self._shared == 1:
            return self._drawn(self._lanes)
        for cells in _CELLS:
            drawn = self._drawn(self._merged(cells))
            if len(drawn) <= MOST_BYTES - 10_000:  # what stands around it is less
                break
        return drawn

    def lines(self) -> Iterator[str]:
        for group in self._lines():
            cells = [" "] * _TEXT_CELLS
            rank = [0] * _TEXT_CELLS
            for lane in group:
                for number, bar in enumerate(lane):
                    block = _BLOCKS.get(bar.code) or "█▓"[number % 2]
                    for at in _range(bar, self.span, _TEXT_CELLS):
                        if _WORST.get(bar.code, 0) > rank[at]:
                            cells[at], rank[at] = block, _WORST[bar.code]
            yield "".join(cells)

    def _merged(self, cells: int) -> Iterator[list[Bar]]:
        """Give lines in which the instances of a cell are one bar."""
        width = self.span / cells
        for group in self._lines():
            worst = [0] * cells
            for lane in group:
                for bar in lane:
                    for at in _range(bar, self.span, cells):
                        if _WORST.get(bar.code, 0) > _WORST.get(worst[at], 0):
                            worst[at] = bar.code
            merged: list[Bar] = []
            for at, code in enumerate(worst):
                if not code:
                    continue
                start, end = at * width, (at + 1) * width
                if merged and merged[-1].code == code and at and worst[at - 1] == code:
                    start = merged.pop().start
                merged.append(Bar(start, end, code))
            yield merged

    def _lines(self) -> Iterator[list[list[Bar]]]:
        """Give the lanes of each line."""
        size = self._shared
        return (self._lanes[at : at + size] for at in range(0, len(self._lanes), size))

    def _drawn(self, lanes: Iterator[list[Bar]] | list[list[Bar]]) -> str:
        return "".join(f"<div style='{_LANE}'>{self._lane(lane)}</div>" for lane in lanes)

    def _lane(self, lane: list[Bar]) -> str:
        parts = []
        reached = 0.0  # percent
        for bar in lane:
            left = max(reached, 100 * bar.start / self.span)
            width = max(_THINNEST, min(100 * bar.end / self.span, 100.0) - left - _GAP)
            style = f"margin-left:{left - reached:.2f}%;width:{width:.2f}%"
            title = f" title='{bar.title}'" if bar.title and self._bars <= _MOST_BARS // 2 else ""
            failed = bar.code == FAILED
            style += f";background-color:{_COLOURS[bar.code]}{';overflow:hidden' * failed}"
            parts.append(f"<i{title} style='{style}'>{'✗' * failed}</i>")
            reached = left + width
        return "".join(parts)


class _Profile:
    """A picture of how many ran at once, where bars would be too many."""

    def __init__(self, records: RecordStore, span: float) -> None:
        self.span = span
        began = records.began
        # Sorted by C, and looked up per column: an instance costs less than a microsecond.
        self._started = sorted(time - began for time in records.started if not math.isnan(time))
        self._ended = sorted(time - began for time in records.ended if not math.isnan(time))
        self._failed = sorted(records.ended[index] - began for index in records.with_status(FAILED))
        self._most = max(self._running(at, _COLUMNS) for at in range(_COLUMNS))
        self.title = f"Timeline: about {self._most:,} at once, in {span:.1f} s"

    def words(self, names: dict[int, str]) -> str:
        failed = f" Below it {names[FAILED]}: some failed." if self._failed else ""
        return f"How many ran at once, of {len(self._started):,}.{failed}"

    def html(self) -> str:
        width = f"{100 / _COLUMNS:.3f}%"
        columns = "".join(
            f"<i style='width:{width};height:{100 * running / self._most:.0f}%;"
            f"background-color:{_COLOURS[SUCCEEDED]}'></i>"
            for running in (self._running(at, _COLUMNS) for at in range(_COLUMNS))
        )
        drawn = f"<div style='display:flex;align-items:flex-end;height:70px'>{columns}</div>"
        if self._failed:
            marks = "".join(
                f"<i style='width:{width}"
                f"{f';background-color:{_COLOURS[FAILED]}' * self._fails(at, _COLUMNS)}'></i>"
                for at in range(_COLUMNS)
            )
            drawn += f"<div style='{_LANE}'>{marks}</div>"
        return drawn

    def lines(self) -> Iterator[str]:
        heights = (self._running(at, _TEXT_CELLS) / self._most for at in range(_TEXT_CELLS))
        yield "".join(_HEIGHTS[math.ceil(share * 8) - 1] if share else " " for share in heights)
        if self._failed:
            yield "".join(" ✗"[self._fails(at, _TEXT_CELLS)] for at in range(_TEXT_CELLS))

    def _running(self, column: int, columns: int) -> int:
        """Return how many ran in the middle of a column."""
        time = (column + 0.5) * self.span / columns
        return max(0, bisect_right(self._started, time) - bisect_right(self._ended, time))

    def _fails(self, column: int, columns: int) -> bool:
        width = self.span / columns
        last = math.inf if column == columns - 1 else (column + 1) * width
        return bisect_right(self._failed, last) > bisect_right(self._failed, column * width)


def _picture(run: BatchRun, most_each: int, most_lines: int) -> _Lanes | _Profile | None:
    records = run.records
    now = run.elapsed
    started = len(records) - sum(map(math.isnan, records.started))
    if started < 2 or now <= 0:  # noqa: PLR2004 - one bar says nothing that its row does not say
        return None
    if started + sum(map(len, records.history.values())) <= most_each:
        bars = bars_of(records, now)
        return _Lanes(bars, max(now, *(bar.end for bar in bars)), most_lines)
    return _Profile(records, now)


def _range(bar: Bar, span: float, cells: int) -> range:
    """Return the cells that a bar covers: at least the one that it begins in."""
    first = min(cells - 1, int(bar.start / span * cells))
    return range(first, max(first + 1, min(cells, round(bar.end / span * cells))))


def _changes(run: BatchRun) -> list[LimitChange]:
    """Return the limit of the start, and those after it that differ from the one before."""
    kept = run.limit_history
    return [kept[0], *(each for one, each in pairwise(kept) if one.limit != each.limit)]


def _limit_strip(run: BatchRun, span: float) -> str:
    """Return the limit as steps; empty if it was never another one."""
    steps = _changes(run)[-_MOST_STEPS:]
    if len(steps) == 1:
        return ""
    most = max(each.limit for each in steps)
    ends = [*(each.seconds for each in steps[1:]), span]
    drawn = "".join(
        f"<i title='limit {each.limit} from {each.seconds:.1f} s' style='"
        f"width:{100 * max(0.0, end - each.seconds) / span:.2f}%;height:{100 * each.limit / most:.0f}%;"
        f"background-color:{_TRACK};border-top:1px solid #808080;box-sizing:border-box'></i>"
        for each, end in zip(steps, ends, strict=True)
    )
    offset = f"margin-left:{100 * steps[0].seconds / span:.2f}%"
    flex = f"display:flex;align-items:flex-end;height:18px;margin-bottom:3px;{offset}"
    return f"<div style='{flex}'>{drawn}</div>"


def _axis(span: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(span)))
    marks = "".join(f"<span>{span * share / 4:.{digits}f} s</span>" for share in range(5))
    return f"<div style='display:flex;justify-content:space-between;font-size:11px'>{marks}</div>"


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


_CHART = "margin:8px 0;max-width:1100px;print-color-adjust:exact"
_TRACK = "rgba(128,128,128,0.15)"
_LANE = (
    "display:flex;height:9px;margin-bottom:1px;font-size:8px;line-height:9px;text-align:center;"
    f"color:#ffffff;background-color:{_TRACK}"
)
