"""How much memory grows, at its peak, while a batch from a generator runs.

Each way runs in fresh processes, which report their peak less what they held with all imported.
Those that hold every instance at once are measured with fewer: all of them would take gigabytes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from statistics import median

from . import contestants
from .contestants import AIOMETER, BATCHFLOW, SEMAPHORE, UNLIMITED, Way, Yielding, chain
from .figures import Figure, print_figures
from .measuring import peak_memory, print_heading, print_table

OPTIONS = {
    "instances": (1_000_000, "rows the generator gives"),
    "fewer": (100_000, "rows it gives to those that hold all of them at once"),
    "limit": (100, "how many run at once"),
    "rounds": (3, "how often each is measured; the median counts"),
}

KEPT = 1000

Growth = dict[str, tuple[int, list[int]]]
"""By contestant: how many instances it ran, and by how many bytes it grew, round by round."""


def ways(limit: int) -> dict[str, Way]:
    """Return what is compared."""
    return {
        UNLIMITED: contestants.unlimited,
        SEMAPHORE: contestants.semaphore(limit),
        **contestants.aiometer(limit),
        BATCHFLOW: contestants.batchflow(limit),
        f"{BATCHFLOW}, keep={KEPT:,}": contestants.batchflow(limit, keep=KEPT),
    }


def measure(instances: int, fewer: int, limit: int, rounds: int) -> None:
    """Print the tables."""
    print_heading()
    contestants.print_missing()
    growth = grown(list(ways(limit)), instances, fewer, limit, rounds)
    print_table(
        ["peak memory growth", "instances", "MB", "per instance"],
        [
            [
                name,
                f"{number:,}",
                f"{median(taken) / 1e6:.1f}",
                f"{median(taken) / number:,.0f} B",
            ]
            for name, (number, taken) in growth.items()
        ],
    )
    print_figures(figures(growth))
    print(f"one sleep(0) node, limit {limit}")


def grown(names: list[str], instances: int, fewer: int, limit: int, rounds: int) -> Growth:
    """Measure the named ways."""
    growth: Growth = {
        name: (fewer if name in {UNLIMITED, SEMAPHORE, AIOMETER} else instances, [])
        for name in names
    }
    for _ in range(rounds):
        for name, (number, taken) in growth.items():
            taken.append(_in_fresh_process(name, number, limit))
    return growth


def figures(growth: Growth) -> list[Figure]:
    """Return the figure that has a goal."""
    (number, ours), (others, peer) = growth[BATCHFLOW], growth[SEMAPHORE]
    return [
        Figure(
            f"peak memory growth: {number:,} instances from a generator",
            median(ours) / 1e6,
            60,
            unit="MB",
            beside=f"{SEMAPHORE} {median(peer) / 1e6:,.0f} MB with {others:,}",
            at_goal=number == 1_000_000,
        )
    ]


def _in_fresh_process(name: str, instances: int, limit: int) -> int:
    done = subprocess.run(
        [sys.executable, "-m", __name__, name, str(instances), str(limit)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout)


def _growth(way: Way, instances: int) -> int:
    # What the first instances alone bring along (imports, caches) is no growth.
    asyncio.run(way(chain(Yielding, 1), contestants.generated(10)))
    before = peak_memory()
    asyncio.run(way(chain(Yielding, 1), contestants.generated(instances)))
    return peak_memory() - before


if __name__ == "__main__":
    print(_growth(ways(int(sys.argv[3]))[sys.argv[1]], int(sys.argv[2])))
