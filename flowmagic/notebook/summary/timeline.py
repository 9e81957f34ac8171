"""How many instances ran at once, drawn in HTML without scripts, for a saved notebook.

The chart has a fixed number of columns, so that it weighs the same whatever the number of instances.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from html import escape
from itertools import accumulate, pairwise

from ...limits.limits import LimitChange
from ...records.status import FAILED
from ...run.batchrun import BatchRun

_COLUMNS = 120
_MOST_CHANGES, _MOST_STEPS = 6, 60  # of the limit: in words, and drawn
_GREEN, _RED = "#2e9e5b", "#d64545"


def as_html(run: BatchRun) -> str:
    """Return the timeline as HTML; empty if fewer than two instances have started."""
    records, span = run.records, run.elapsed + run.idle
    began = records.began
    starts = [time - began for time in records.started if not math.isnan(time)]
    if len(starts) < 2 or span <= 0:  # noqa: PLR2004 - a single instance is no more than its row
        return ""
    number = len(starts)
    ends = [time - began for time in records.ended if not math.isnan(time)]
    for attempts in records.history.values():
        starts += (each.started - began for each in attempts)
        ends += (each.ended - began for each in attempts)
    running = _running(starts, ends, span)
    most = max(running) or 1
    title = f"Timeline: about {max(1, round(most)):,} at once, in {span:.1f} s"
    legend = f"How many of {number:,} instances ran at once."
    width = f"width:{100 / _COLUMNS:.3f}%"
    columns = "".join(
        f"<i style='{width};height:{100 * each / most:.0f}%;background-color:{_GREEN}'></i>"
        for each in running
    )
    drawn = f"<div style='display:flex;align-items:flex-end;height:70px'>{columns}</div>"
    failed = {
        min(_COLUMNS - 1, int((records.ended[index] - began) / span * _COLUMNS))
        for index in records.with_status(FAILED)
    }
    if failed:
        legend += " Red below: instances failed then."
        marks = "".join(
            f"<i style='{width}{f';background-color:{_RED}' * (column in failed)}'></i>"
            for column in range(_COLUMNS)
        )
        drawn += f"<div style='display:flex;height:9px;background-color:{_TRACK}'>{marks}</div>"
    return (
        f"<details><summary style='cursor:pointer'>{title}</summary>"
        f"<div style='{_CHART}'>{_limit_strip(run, span)}{drawn}{_axis(span)}</div>"
        f"<p style='margin:4px 0'>{legend} {escape(limit_words(run))}</p></details>"
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


def _running(starts: Iterable[float], ends: Iterable[float], span: float) -> list[float]:
    """Return for each column how many ran in it on average."""
    # The seconds that all have run by a time are the area between the two counts.
    counted = [(times := sorted(each), [0.0, *accumulate(times)]) for each in (starts, ends)]

    def seconds_by(time: float) -> float:
        begun, over = (
            (number := bisect_right(times, time)) * time - sums[number] for times, sums in counted
        )
        return begun - over

    width = span / _COLUMNS
    totals = [seconds_by(column * width) for column in range(_COLUMNS + 1)]
    return [max(0.0, after - before) / width for before, after in pairwise(totals)]


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
