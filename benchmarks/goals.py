"""Every goal of the engine beside what is measured here, in one table; takes some minutes.

The short form of the other benchmarks, which print the contestants too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import calls, cancel, contestants, lag, limit_change, memory, overhead, pacing, threads
from .contestants import BATCHFLOW, SEMAPHORE
from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {
    "rounds": (5, "how often each is measured, but for memory and pacing: these once"),
    "divide-by": (1, "what sizes are divided by, to see whether all runs; the goals are for 1"),
}


def measure(rounds: int, divide_by: int) -> None:
    """Print the table."""
    print_heading()
    contestants.print_missing()

    def size(of: int) -> int:
        return max(2, of // divide_by)

    figures: list[Figure] = []
    for name, part in _parts(rounds, size).items():
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += part()
    print_figures(figures)
    print(
        f"{rounds} rounds each: the median of a time or a ratio, the worst of a lag, as long as nothing "
        "else is said. Beside a ratio stand its lowest and its highest."
    )


def _parts(rounds: int, size: Callable[[int], int]) -> dict[str, Callable[[], list[Figure]]]:
    limit, high = size(100), size(1_000)

    def of_overhead() -> list[Figure]:
        return overhead.figures(overhead.taken(size(10_000), limit, rounds), limit)

    def of_threads() -> list[Figure]:
        at_once, waiting = size(100), size(200)
        results = threads.taken(size(10_000), at_once, waiting, rounds)
        return threads.figures(*results, at_once, waiting)

    def of_lag() -> list[Figure]:
        loads = lag.loads(size(10_000), size(100_000), limit, high)
        return [each for load in loads for each in lag.figures(load, lag.taken(load, rounds))]

    def of_memory() -> list[Figure]:
        names = [BATCHFLOW, SEMAPHORE]
        return memory.figures(memory.grown(names, size(1_000_000), size(100_000), limit, 1))

    def of_cancel() -> list[Figure]:
        running, queued = high, size(10_000)
        return cancel.figures(cancel.taken(running, queued, rounds), running, queued)

    def of_limit_change() -> list[Figure]:
        return limit_change.figures(*limit_change.taken(10, 200, rounds), 10, 200)

    def of_pacing() -> list[Figure]:
        results = pacing.taken(6_000, size(1_000), limit, ours=True)
        return pacing.figures(results, 6_000, size(1_000))

    def of_calls() -> list[Figure]:
        return calls.figures(*calls.taken(size(50_000), 10, rounds))

    return {
        "overhead": of_overhead,
        "threads": of_threads,
        "lag": of_lag,
        "memory": of_memory,
        "cancel": of_cancel,
        "limit_change": of_limit_change,
        "pacing": of_pacing,
        "calls": of_calls,
    }
