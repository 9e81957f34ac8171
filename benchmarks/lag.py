"""How long the event loop, and so the notebook, is deaf while a batch runs; and what the run takes.

A ticker wakes every 5 ms beside the batch and notes its worst delay: the time for which no button,
slider or other cell would have been served.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

from . import contestants
from .contestants import (
    BATCHFLOW,
    NOTHING,
    SEMAPHORE,
    UNLIMITED,
    AtOnce,
    Sleeping,
    Way,
    Yielding,
    chain,
)
from .figures import Figure, print_figures
from .measuring import Ticker, interleaved, print_heading, print_table

OPTIONS = {
    "instances": (10_000, "instances that wait: of one sleep(0.01), or of three sleep(0)"),
    "at-once": (100_000, "instances that return at once"),
    "limit": (100, "how many run at once"),
    "high-limit": (1_000, "the same, where a high limit is measured"),
    "rounds": (3, "how often each is measured; the median counts for time, the worst for lag"),
}


@dataclass(frozen=True)
class Load:
    """What is run, and the goals for it.

    Attributes:
        kind, length: the nodes.
        most_wall: what the wall time may be at most, over the ideal; None: there is no ideal.
        most_lag: what the worst lag may be at most, in ms; None: no goal.
        usual: number and limit that the goals are for.
    """

    does: str
    kind: type
    length: int
    number: int
    limit: int
    usual: tuple[int, int]
    most_wall: float | None = None
    most_lag: float | None = None

    def __str__(self) -> str:
        return f"{self.number:,} instances {self.does}, limit {self.limit:,}"

    @property
    def ideal(self) -> float:
        """Seconds that the sleeping alone takes at this limit."""
        return -(-self.number // self.limit) * Sleeping.seconds


@dataclass(frozen=True)
class Taken:
    """What one contestant took, round by round: seconds of wall time, and of the worst lag."""

    walls: list[float]
    lags: list[float]


def measure(instances: int, at_once: int, limit: int, high_limit: int, rounds: int) -> None:
    """Print the tables."""
    print_heading()
    found: list[Figure] = []
    for load in loads(instances, at_once, limit, high_limit):
        results = taken(load, rounds)
        print_table(
            [str(load), "wall", "wall / ideal", "worst lag"],
            [
                [
                    name,
                    f"{median(each.walls):.2f} s",
                    # The ideal counts on the limit: it says nothing of those that know none.
                    f"{median(each.walls) / load.ideal:.2f}"
                    if load.most_wall is not None and name not in {UNLIMITED, NOTHING}
                    else "-",
                    f"{max(each.lags) * 1e3:.0f} ms",
                ]
                for name, each in results.items()
            ],
        )
        found += figures(load, results)
    print_figures(found)
    print(f"worst lag of {rounds} rounds")


def loads(instances: int, at_once: int, limit: int, high_limit: int) -> list[Load]:
    """Return what is run."""
    asleep = "of one sleep(0.01)"
    return [
        Load(asleep, Sleeping, 1, instances, limit, (10_000, 100), most_wall=1.25),
        Load(asleep, Sleeping, 1, instances, high_limit, (10_000, 1_000), most_wall=1.8),
        Load("that return at once", AtOnce, 1, at_once, limit, (100_000, 100), most_lag=25),
        Load("of three sleep(0)", Yielding, 3, instances, high_limit, (10_000, 1_000), most_lag=50),
    ]


def taken(load: Load, rounds: int) -> dict[str, Taken]:
    """Measure every contestant."""
    ways: dict[str, Way] = {
        BATCHFLOW: contestants.batchflow(load.limit),
        SEMAPHORE: contestants.semaphore(load.limit),
        UNLIMITED: contestants.unlimited,
        NOTHING: contestants.nothing,
    }
    lags: dict[str, list[float]] = {name: [] for name in ways}
    walls = interleaved({name: _wall(way, load, lags[name]) for name, way in ways.items()}, rounds)
    return {name: Taken(walls[name], lags[name]) for name in ways}


def figures(load: Load, results: dict[str, Taken]) -> list[Figure]:
    """Return the figures that have goals."""
    at_goal = (load.number, load.limit) == load.usual
    ours, peer, noise = (results[name] for name in (BATCHFLOW, SEMAPHORE, NOTHING))
    found = []
    if load.most_wall is not None:
        found.append(
            Figure(
                f"wall / ideal: {load}",
                median(ours.walls) / load.ideal,
                load.most_wall,
                beside=f"{SEMAPHORE} {median(peer.walls) / load.ideal:.2f}",
                at_goal=at_goal,
            )
        )
    if load.most_lag is not None:
        found.append(
            Figure(
                f"worst lag: {load}",
                max(ours.lags) * 1e3,
                load.most_lag,
                unit="ms",
                beside=f"median {median(ours.lags) * 1e3:.0f}, the machine's own "
                f"{max(noise.lags) * 1e3:.0f}, {SEMAPHORE} {max(peer.lags) * 1e3:,.0f} ms",
                at_goal=at_goal,
            )
        )
    return found


def _wall(way: Way, load: Load, lags: list[float]) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        start, batch = chain(load.kind, load.length), contestants.params(load.number)
        gc.collect()
        async with Ticker() as ticker:
            began = time.perf_counter()
            await way(start, batch)
            wall = time.perf_counter() - began
        lags.append(ticker.worst)
        return wall

    return seconds
