"""What every benchmark needs: rounds, a ticker, the peak of memory, and a plain table."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

TICK = 0.005
"""Seconds between two ticks of a `Ticker`."""


def positive(text: str) -> int:
    """Return the positive integer that a command line gave."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return number


class Ticker:
    """Wakes every `TICK` seconds, and notes the worst delay with which it woke."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def __aenter__(self) -> Ticker:  # noqa: PYI034 - typing.Self is younger than Python 3.10
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(2 * TICK)  # so that it ticks before the work begins
        self.worst = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(2 * TICK)  # a lag is seen only when it is over
        self._task.cancel()

    async def _tick(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.worst = max(self.worst, time.perf_counter() - before - TICK)


def interleaved(
    contestants: dict[str, Callable[[], Awaitable[float]]], rounds: int
) -> dict[str, list[float]]:
    """Measure each contestant once per round, in turn, and return what each took, round by round.

    In turn, because a shared machine is now fast, now slow: what is compared must be measured at
    the same time. The order is turned round every other time.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(contestants)
        for name in order if number % 2 == 0 else reversed(order):
            gc.collect()
            taken[name].append(asyncio.run(_awaited(contestants[name])))
    return taken


async def _awaited(contestant: Callable[[], Awaitable[float]]) -> float:
    return await contestant()


def print_heading() -> None:
    """Print the command that makes the table, and the machine it was made on."""
    print(f"$ python -m benchmarks {' '.join(sys.argv[1:])}")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{os.cpu_count()} cores, {platform.machine()}, {python}\n")


def peak_memory() -> int:
    """Return the most memory, in bytes, that this process has held so far."""
    try:
        with open("/proc/self/status") as status:
            [kilobytes] = (line.split()[1] for line in status if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024
    except FileNotFoundError:  # no Linux: what there is (on Linux it would count the parent's too)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    for first, *others in lines:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
    print()
