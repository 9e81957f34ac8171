"""The bars of a timeline: when each instance ran, and in which lane."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

from ...records.status import STATUSES
from ...records.store import RecordStore

EARLIER = len(STATUSES)
"""In place of a status, the code of an attempt that another one has followed, however it ended."""


class Bar(NamedTuple):
    """An instance, or some that one sees as one; times in seconds since the run began."""

    start: float
    end: float
    code: int
    title: str = ""


def bars_of(records: RecordStore, now: float) -> list[Bar]:
    """Return a bar for each attempt of an instance that has started, in the order of their starts.

    Args:
        now: seconds since the run began, up to which a running one is drawn.
    """
    began = records.began
    found: list[tuple[int, Bar]] = []
    for index, (started, ended) in enumerate(zip(records.started, records.ended, strict=True)):
        if math.isnan(started):
            continue
        start = max(0.0, started - began)
        end = max(start, now if math.isnan(ended) else ended - began)
        code = records.status[index]
        found.append((index, Bar(start, end, code, _title(index, STATUSES[code], start, end))))
    for index, attempts in records.history.items():
        for each in attempts:
            start, end = max(0.0, each.started - began), each.ended - began
            how = f"attempt {each.number + 1} {STATUSES[each.code]}"
            found.append((index, Bar(start, end, EARLIER, _title(index, how, start, end))))
    # Of those that started at once, in the order in which they were given their slots.
    return [bar for _, bar in sorted(found, key=lambda each: (each[1].start, each[0]))]


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
