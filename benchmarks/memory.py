"""How much memory grows, at its peak, while a batch from a generator runs.

Each way runs in fresh processes, which report their peak less what they held with all imported.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from statistics import median

from . import contestants
from .contestants import Way, Yielding, chain
from .measuring import peak_memory, print_heading, print_table

OPTIONS = {
    "instances": (100_000, "rows the generator gives"),
    "limit": (100, "how many run at once"),
    "rounds": (3, "how often each is measured; the median counts"),
}

KEPT = 1000


def ways(limit: int) -> dict[str, Way]:
    """Return what is compared; the first is what the others are divided by."""
    return {
        "AsyncParallelBatchFlow, no limit": contestants.unlimited,
        "gather + Semaphore": contestants.semaphore(limit),
        "flowmagic.batchflow": contestants.batchflow(limit),
        f"flowmagic.batchflow, keep={KEPT:,}": contestants.batchflow(limit, keep=KEPT),
    }


def measure(instances: int, limit: int, rounds: int) -> None:
    """Print the table."""
    print_heading()
    grown: dict[str, list[int]] = {name: [] for name in ways(limit)}
    for _ in range(rounds):
        for name, taken in grown.items():
            taken.append(_in_fresh_process(name, instances, limit))
    peak = {name: median(taken) for name, taken in grown.items()}
    gather = next(iter(peak.values()))
    print_table(
        ["peak memory growth", "MB", "per instance", "/ no limit"],
        [
            [
                name,
                f"{grown / 1e6:.1f}",
                f"{grown / instances:,.0f} B",
                f"{grown / max(gather, 1):.2f}",
            ]
            for name, grown in peak.items()
        ],
    )
    print(f"{instances:,} instances of one sleep(0) node from a generator, limit {limit}")


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
