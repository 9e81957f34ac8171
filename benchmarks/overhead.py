"""CPU per instance, divided by PocketFlow's own sequential loop over the same instances.

A ratio of 1 would mean that running them at once costs nothing. flowmagic records every node copy,
as it always does; the others record nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from . import contestants
from .contestants import AtOnce, Way, Yielding, chain
from .measuring import interleaved, print_heading, print_table

OPTIONS = {
    "instances": (10_000, "instances of each run"),
    "limit": (100, "how many run at once"),
    "rounds": (7, "how often each is measured; the median counts"),
}

FLOOR = "one after the other (PocketFlow)"
SEMAPHORE = "gather + Semaphore"
OURS = ("flowmagic.batchflow", "ThrottledAsyncParallelBatchFlow")


def measure(instances: int, limit: int, rounds: int) -> None:
    """Print the table."""
    ways: dict[str, Way] = {
        FLOOR: contestants.sequential,
        "AsyncParallelBatchFlow, no limit": contestants.unlimited,
        SEMAPHORE: contestants.semaphore(limit),
        OURS[0]: contestants.batchflow(limit),
        OURS[1]: contestants.throttled(limit),
    }
    flows = {
        f"{length} node{'s' * (length > 1)}, {does}": (kind, length)
        for kind, does in ((AtOnce, "at once"), (Yielding, "sleep(0)"))
        for length in (1, 3)
    }
    columns = []
    print_heading()
    for kind, length in flows.values():
        columns.append(
            interleaved(
                {name: _cpu(way, kind, length, instances) for name, way in ways.items()}, rounds
            )
        )
    print_table(
        ["CPU / sequential loop", *flows],
        [[name, *(f"{c[name] / c[FLOOR]:.2f}" for c in columns)] for name in ways],
    )
    print_table(
        ["CPU / gather + Semaphore", *flows],
        [[name, *(f"{c[name] / c[SEMAPHORE]:.2f}" for c in columns)] for name in OURS],
    )
    floors = ", ".join(f"{c[FLOOR] * 1e6:.1f}" for c in columns)
    print(f"{instances:,} instances, limit {limit}; the sequential loop: {floors} µs each")


def _cpu(way: Way, kind: type, length: int, instances: int) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        start, batch = chain(kind, length), contestants.params(instances)
        began = time.process_time()
        await way(start, batch)
        return (time.process_time() - began) / instances

    return seconds
