"""The bars of a timeline: when each attempt ran, and in which lane."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

from ...records.status import STATUSES
from ...records.store import RecordStore

EARLIER = len(STATUSES)
"""The code of an earlier attempt, in place of its status: another attempt has followed it."""


class Bar(NamedTuple):
    """One attempt, or several that are drawn as one; times in seconds since the run began."""

    start: float
    end: float
    code: int
    title: str = ""


def bars_of(records: RecordStore, now: float) -> list[Bar]:
    """Return a bar for each attempt that has started, in the order of their starts.

    Args:
        now: seconds since the run began, where the bars of running instances end.
    """
    began = records.began
    bars: list[tuple[int, Bar]] = []
    for index, (started, ended) in enumerate(zip(records.started, records.ended, strict=True)):
        if math.isnan(started):
            continue
        start = max(0.0, started - began)
        end = max(start, now if math.isnan(ended) else ended - began)
        code = records.status[index]
        bars.append((index, Bar(start, end, code, _title(index, STATUSES[code], start, end))))
    for index, attempts in records.history.items():
        for each in attempts:
            start, end = max(0.0, each.started - began), each.ended - began
            how = f"attempt {each.number + 1} {STATUSES[each.code]}"
            bars.append((index, Bar(start, end, EARLIER, _title(index, how, start, end))))
    # Attempts that started at the same time keep the order of their rows.
    return [bar for _, bar in sorted(bars, key=lambda each: (each[1].start, each[0]))]


def _title(index: int, how: str, start: float, end: float) -> str:
    return f"#{index} {how}, {start:.2f} s + {end - start:.2f} s"


def lanes_of(bars: list[Bar]) -> list[list[Bar]]:
    """Give each bar the lowest lane that is free at its start."""
    lanes: list[list[Bar]] = []
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for bar in bars:
        while busy and busy[0][0] <= bar.start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            free.append(len(lanes))
            lanes.append([])
        lane = heapq.heappop(free)
        lanes[lane].append(bar)
        heapq.heappush(busy, (bar.end, lane))
    return lanes
