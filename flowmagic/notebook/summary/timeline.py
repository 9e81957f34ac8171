"""When each instance ran, drawn in HTML without scripts, for a saved notebook.

Up to `MOST_BARS` attempts there is a lane for each slot, with a bar for each attempt; if there are many,
neighbouring ones share a bar. Beyond that, only the number of running instances is drawn.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from html import escape
from itertools import pairwise

from ...limits.limits import LimitChange
from ...records.status import CANCELLED, FAILED, RUNNING, STATUSES, SUCCEEDED
from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from .lanes import EARLIER, Bar, bars_of, lanes_of

MOST_BYTES = 60_000
"""The most that the HTML may weigh, in bytes of UTF-8."""

MOST_BARS = 5_000
"""Attempts beyond which there are no lanes: they would take too long to compute, and show nothing."""

_MOST_LANES, _MOST_SINGLE_BARS = 60, 800  # a bar is some 70 bytes
_CELLS = (400, 200, 100)  # per lane, if bars are merged: the first that stays below MOST_BYTES
_COLUMNS = 120  # of the chart of concurrency
_MOST_CHANGES, _MOST_STEPS = 6, 60  # of the limit: in words, and drawn
_THINNEST, _GAP = 0.15, 0.12  # percent: the width of a bar, and the space after it
# Which of several statuses a merged bar shows: the one with the highest number.
_SEVERITY = {EARLIER: 1, SUCCEEDED: 2, CANCELLED: 3, RUNNING: 4, FAILED: 5}
_LABELS = {**dict(enumerate(map(str, STATUSES))), EARLIER: "earlier attempts"}
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


def as_html(run: BatchRun) -> str:
    """Return the timeline as HTML; empty if fewer than two instances have started."""
    chart = _chart(run)
    if chart is None:
        return ""
    body = chart.html()
    return (
        f"<details><summary style='cursor:pointer'>{escape(chart.title)}</summary>"
        f"<div style='{_CHART}'>{_limit_strip(run, chart.span)}{body}"
        f"{_axis(chart.span)}</div><p style='margin:4px 0'>{escape(chart.legend())} "
        f"{escape(limit_words(run))}</p></details>"
    )


def limit_words(run: BatchRun) -> str:
    """Return which limits were in force: `Limit 5; 10 from 3.1 s (by hand)`."""
    first, *changes = _changes(run)
    text = f"Limit {first.limit}"
    for each in changes[:_MOST_CHANGES]:
        by = "by hand" if each.by == "user" else "adaptive"
        text += f"; {each.limit} from {each.seconds:.1f} s ({by})"
    if len(changes) > _MOST_CHANGES:
        text += f"; {len(changes) - _MOST_CHANGES} more changes, finally {changes[-1].limit}"
    return f"{text}."


class _LaneChart:
    """Bars in lanes; if there are too many lanes, several share a line."""

    def __init__(self, bars: list[Bar], span: float) -> None:
        self.span = span
        self._codes = {bar.code for bar in bars}
        self._bars = len(bars)
        self._lanes = lanes_of(bars)
        self._lanes_per_line = math.ceil(len(self._lanes) / _MOST_LANES)
        self._is_merged = self._bars > _MOST_SINGLE_BARS or self._lanes_per_line > 1
        self.title = f"Timeline: at most {len(self._lanes):,} at once, in {span:.1f} s"

    def legend(self) -> str:
        colours = ", ".join(
            f"{_COLOUR_NAMES[code]} {_LABELS[code]}"
            for code in sorted(self._codes)
            if code in _COLOURS
        )
        line = "slot" if self._lanes_per_line == 1 else f"{self._lanes_per_line} slots"
        bar = "a bar per instance"
        if self._is_merged:
            bar = "neighbouring instances share a bar, in the colour of the worst status"
        return f"A line per {line}, {bar}: {colours}."

    def html(self) -> str:
        if not self._is_merged:
            return self._drawn(self._lanes)
        for cells in _CELLS:
            drawn = self._drawn(self._merged(cells))
            if len(drawn) <= MOST_BYTES - 10_000:  # leaves room for the rest of the chart
                break
        return drawn

    def _merged(self, cells: int) -> Iterator[list[Bar]]:
        """Give the lines of the chart, divided into cells whose instances share a bar."""
        width = self.span / cells
        size = self._lanes_per_line
        for first in range(0, len(self._lanes), size):
            worst = [0] * cells
            for lane in self._lanes[first : first + size]:
                for bar in lane:
                    for at in _cells_of(bar, self.span, cells):
                        if _SEVERITY.get(bar.code, 0) > _SEVERITY.get(worst[at], 0):
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

    def _drawn(self, lanes: Iterator[list[Bar]] | list[list[Bar]]) -> str:
        return "".join(f"<div style='{_LANE}'>{self._lane(lane)}</div>" for lane in lanes)

    def _lane(self, lane: list[Bar]) -> str:
        parts = []
        reached = 0.0  # percent
        for bar in lane:
            left = max(reached, 100 * bar.start / self.span)
            width = max(_THINNEST, min(100 * bar.end / self.span, 100.0) - left - _GAP)
            style = f"margin-left:{left - reached:.2f}%;width:{width:.2f}%"
            has_title = bar.title and self._bars <= _MOST_SINGLE_BARS // 2
            title = f" title='{bar.title}'" if has_title else ""
            failed = bar.code == FAILED
            style += f";background-color:{_COLOURS[bar.code]}{';overflow:hidden' * failed}"
            parts.append(f"<i{title} style='{style}'>{'✗' * failed}</i>")
            reached = left + width
        return "".join(parts)


class _ConcurrencyChart:
    """How many instances ran at once, over time."""

    def __init__(self, records: RecordStore, span: float) -> None:
        self.span = span
        began = records.began
        # Sorted once, so that each column takes only a few bisections.
        self._started = sorted(time - began for time in records.started if not math.isnan(time))
        self._ended = sorted(time - began for time in records.ended if not math.isnan(time))
        self._failed = sorted(records.ended[index] - began for index in records.with_status(FAILED))
        self._running = [self._running_in(column) for column in range(_COLUMNS)]
        self.title = f"Timeline: about {max(self._running):,} at once, in {span:.1f} s"

    def legend(self) -> str:
        marks = f" A {_COLOUR_NAMES[FAILED]} below: instances failed then." if self._failed else ""
        return f"How many of {len(self._started):,} instances ran at once.{marks}"

    def html(self) -> str:
        width, most = f"{100 / _COLUMNS:.3f}%", max(self._running)
        columns = "".join(
            f"<i style='width:{width};height:{100 * running / most:.0f}%;"
            f"background-color:{_COLOURS[SUCCEEDED]}'></i>"
            for running in self._running
        )
        drawn = f"<div style='display:flex;align-items:flex-end;height:70px'>{columns}</div>"
        if self._failed:
            marks = "".join(
                f"<i style='width:{width}"
                f"{f';background-color:{_COLOURS[FAILED]}' * self._has_failure(column)}'></i>"
                for column in range(_COLUMNS)
            )
            drawn += f"<div style='{_LANE}'>{marks}</div>"
        return drawn

    def _running_in(self, column: int) -> int:
        """Return how many ran in the middle of a column."""
        time = (column + 0.5) * self.span / _COLUMNS
        return max(0, bisect_right(self._started, time) - bisect_right(self._ended, time))

    def _has_failure(self, column: int) -> bool:
        width = self.span / _COLUMNS
        end = math.inf if column == _COLUMNS - 1 else (column + 1) * width
        return bisect_right(self._failed, end) > bisect_right(self._failed, column * width)


def _chart(run: BatchRun) -> _LaneChart | _ConcurrencyChart | None:
    records = run.records
    now = run.elapsed
    started = len(records) - sum(map(math.isnan, records.started))
    if started < 2 or now <= 0:  # noqa: PLR2004 - a single bar says no more than its row
        return None
    if started + sum(map(len, records.history.values())) <= MOST_BARS:
        bars = bars_of(records, now)
        return _LaneChart(bars, max(now, *(bar.end for bar in bars)))
    return _ConcurrencyChart(records, now)


def _cells_of(bar: Bar, span: float, cells: int) -> range:
    """Return the cells that a bar covers, at least the one in which it begins."""
    first = min(cells - 1, int(bar.start / span * cells))
    return range(first, max(first + 1, min(cells, round(bar.end / span * cells))))


def _changes(run: BatchRun) -> list[LimitChange]:
    """Return the first limit, and those that differ from the one before."""
    history = run.limit_history
    return [history[0], *(new for old, new in pairwise(history) if old.limit != new.limit)]


def _limit_strip(run: BatchRun, span: float) -> str:
    """Return the limit as steps; empty if it never changed."""
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


_CHART = "margin:8px 0;max-width:1100px;print-color-adjust:exact"
_TRACK = "rgba(128,128,128,0.15)"
_LANE = (
    "display:flex;height:9px;margin-bottom:1px;font-size:8px;line-height:9px;text-align:center;"
    f"color:#ffffff;background-color:{_TRACK}"
)
