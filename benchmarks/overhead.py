"""CPU per instance, divided by PocketFlow's own sequential loop over the same instances.

A ratio of 1 would mean that running them at once costs nothing. flowmagic records every node copy,
as it always does; the others record nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median

from . import contestants
from .contestants import (
    AIOMETER,
    BATCHFLOW,
    FLOOR,
    SEMAPHORE,
    THROTTLED,
    UNLIMITED,
    UNTRACKED,
    AtOnce,
    Way,
    Yielding,
    chain,
)
from .figures import Figure, over_each, print_figures, ratio
from .measuring import interleaved, print_heading, print_table

OPTIONS = {
    "instances": (10_000, "instances of each run"),
    "limit": (100, "how many run at once"),
    "rounds": (7, "how often each is measured; the median counts"),
}

FLOWS = {
    f"{length} node{'s' * (length > 1)}, {does}": (kind, length)
    for kind, does in ((AtOnce, "at once"), (Yielding, "sleep(0)"))
    for length in (1, 3)
}
OVER_FLOOR = {1: (1.5, 0.9), 3: (1.1, 0.75)}
"""Goal and stretch, by the number of nodes."""

OVER_UNTRACKED = 1.1
"""Goal for what it costs to find the instances that meet in `shared`, with more than one node."""

Columns = dict[str, dict[str, list[float]]]
"""By flow and contestant: CPU seconds per instance, round by round."""


def measure(instances: int, limit: int, rounds: int) -> None:
    """Print the tables."""
    print_heading()
    contestants.print_missing()
    columns = taken(instances, limit, rounds)
    names = list(next(iter(columns.values())))
    for divisor, shown in (
        (FLOOR, names),
        (SEMAPHORE, (BATCHFLOW, THROTTLED)),
        (AIOMETER, (BATCHFLOW, THROTTLED)),
    ):
        if divisor in names:
            print_table(
                [f"CPU / {'sequential loop' if divisor == FLOOR else divisor}", *columns],
                [
                    [
                        name,
                        *(
                            f"{median(over_each(c[name], c[divisor])):.2f}"
                            for c in columns.values()
                        ),
                    ]
                    for name in shown
                ],
            )
    print_figures(figures(columns, limit))
    floors = ", ".join(f"{median(c[FLOOR]) * 1e6:.1f}" for c in columns.values())
    print(f"{instances:,} instances, limit {limit}; the sequential loop: {floors} µs each")


def taken(instances: int, limit: int, rounds: int) -> Columns:
    """Measure every contestant with every flow."""
    # The floor and ours next to each other: they are what is divided most.
    ways: dict[str, Way] = {
        FLOOR: contestants.sequential,
        BATCHFLOW: contestants.batchflow(limit),
        UNTRACKED: contestants.batchflow(limit, track_shared=False),
        THROTTLED: contestants.throttled(limit),
        SEMAPHORE: contestants.semaphore(limit),
        UNLIMITED: contestants.unlimited,
        **contestants.aiometer(limit),
    }
    for way in ways.values():
        # What a first run imports is no cost of its instances.
        asyncio.run(_awaited(way))
    return {
        label: interleaved(
            {name: _cpu(way, kind, length, instances) for name, way in ways.items()}, rounds
        )
        for label, (kind, length) in FLOWS.items()
    }


def figures(columns: Columns, limit: int) -> list[Figure]:
    """Return the figures that have goals."""
    at_goal = limit == 100
    found = []
    for label, column in columns.items():
        most, stretch = OVER_FLOOR[FLOWS[label][1]]
        what = f"CPU / sequential loop: {label}, limit {limit}"
        ours, floor = column[BATCHFLOW], column[FLOOR]
        found.append(ratio(what, ours, floor, most, stretch=stretch, at_goal=at_goal))
    for label, column in columns.items():
        if FLOWS[label][1] > 1:
            ours, without = column[BATCHFLOW], column[UNTRACKED]
            what = f"CPU / {UNTRACKED}: {label}"
            found.append(ratio(what, ours, without, OVER_UNTRACKED, at_goal=at_goal))
    for label, column in columns.items():
        what = f"CPU / {SEMAPHORE}: {label}"
        ours, peer = column[BATCHFLOW], column[SEMAPHORE]
        found.append(ratio(what, ours, peer, 0.65, stretch=0.4, at_goal=at_goal))
    for label, column in columns.items():
        peer = column.get(AIOMETER, [])
        ours = column[BATCHFLOW] if peer else None
        found.append(ratio(f"CPU / {AIOMETER}: {label}", ours, peer, 0.25, at_goal=at_goal))
    return found


async def _awaited(way: Way) -> None:
    await way(AtOnce(), contestants.params(2))


def _cpu(way: Way, kind: type, length: int, instances: int) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        start, batch = chain(kind, length), contestants.params(instances)
        began = time.process_time()
        await way(start, batch)
        return (time.process_time() - began) / instances

    return seconds
