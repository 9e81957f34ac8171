"""How long the event loop, and so the notebook, is deaf while a batch runs; and what the run takes.

A ticker wakes every 5 ms beside the batch and notes its worst delay: the time for which no button,
slider or other cell would have been served.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable

from . import contestants
from .contestants import AtOnce, Sleeping, Way, chain
from .measuring import Ticker, interleaved, print_heading, print_table

OPTIONS = {
    "instances": (10_000, "instances that sleep 10 ms"),
    "at-once": (100_000, "instances that return at once"),
    "limit": (100, "how many run at once"),
    "rounds": (3, "how often each is measured; the median counts for time, the worst for lag"),
}


UNLIMITED = (contestants.unlimited, contestants.nothing)


def measure(instances: int, at_once: int, limit: int, rounds: int) -> None:
    """Print the table."""
    ways: dict[str, Way] = {
        "flowmagic.batchflow": contestants.batchflow(limit),
        "gather + Semaphore": contestants.semaphore(limit),
        "AsyncParallelBatchFlow, no limit": contestants.unlimited,
        "nothing (the machine's own lag)": contestants.nothing,
    }
    print_heading()
    ideal = -(-instances // limit) * Sleeping.seconds
    for kind, number in ((Sleeping, instances), (AtOnce, at_once)):
        worst = dict.fromkeys(ways, 0.0)
        walls = interleaved(
            {name: _wall(way, kind, number, worst, name) for name, way in ways.items()}, rounds
        )
        does = "of one sleep(0.01)" if kind is Sleeping else "that return at once"
        print_table(
            [f"{number:,} instances {does}", "wall", "wall / ideal", "worst lag"],
            [
                [
                    name,
                    f"{walls[name]:.2f} s",
                    # The ideal counts on the limit: it says nothing of those that know none.
                    f"{walls[name] / ideal:.2f}"
                    if kind is Sleeping and way not in UNLIMITED
                    else "-",
                    f"{worst[name] * 1e3:.0f} ms",
                ]
                for name, way in ways.items()
            ],
        )
    print(f"limit {limit}; worst lag of {rounds} rounds")


def _wall(
    way: Way, kind: type, number: int, worst: dict[str, float], name: str
) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        start, batch = chain(kind, 1), contestants.params(number)
        gc.collect()
        async with Ticker() as ticker:
            began = time.perf_counter()
            await way(start, batch)
            wall = time.perf_counter() - began
        worst[name] = max(worst[name], ticker.worst)
        return wall

    return seconds
