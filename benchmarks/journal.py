"""The journal: what it costs, how long the loop is held, and what is left after kernels are killed.

Kernels are killed with SIGKILL at random moments; each run is resumed after it. It needs the tests.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from pocketflow import AsyncFlow, AsyncNode

import flowmagic

from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {
    "instances": (20_000, "instances of each run that is timed"),
    "rounds": (3, "how often each is timed"),
    "kills": (50, "kernels that are killed"),
}

LIMIT = 60
TAKES = 0.01  # seconds: with the limit, some five thousand a second


class Call(AsyncNode):
    """A call that takes its time."""

    async def exec_async(self, _: Any) -> None:
        await asyncio.sleep(TAKES)

    async def post_async(self, _: Any, __: Any, ___: Any) -> str:
        return f"answer {self.params['i']}"


def measure(instances: int, rounds: int, kills: int) -> None:
    """Print the table."""
    print_heading()
    at_goal = instances >= OPTIONS["instances"][0]
    with_it: list[tuple[float, float, float]] = []
    without: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        without.append(asyncio.run(_timed(instances, None)))
        with tempfile.TemporaryDirectory() as folder:
            with_it.append(asyncio.run(_timed(instances, Path(folder) / "runs.journal")))
    cost = [
        1e6 * (one[0] - other[0]) / instances for one, other in zip(with_it, without, strict=True)
    ]
    rate = median(instances / each[1] for each in with_it)
    figures = [
        Figure(
            f"CPU of the journal per instance: {instances:,} instances", median(cost), None, "µs",
            beside=f"of all threads; {min(cost):.0f} to {max(cost):.0f}",
        ),
        Figure(
            f"worst lag of the loop: {rate:,.0f} instances a second journaled",
            max(1_000 * each[2] for each in with_it), 20, "ms",
            beside=f"{max(1_000 * each[2] for each in without):.0f} ms without a journal",
            at_goal=at_goal,
        ),
    ]  # fmt: skip
    figures += _killed(kills)
    print_figures(figures)


async def _timed(instances: int, journal: Path | None) -> tuple[float, float, float]:
    """Return CPU seconds, seconds, and the worst lag of the loop in seconds."""
    lags: list[float] = []
    watching = asyncio.get_running_loop().create_task(_watch(lags.append))
    cpu, began = time.process_time(), time.perf_counter()
    rows = [{"i": i} for i in range(instances)]
    await flowmagic.batchflow(AsyncFlow(start=Call()), rows, limit=LIMIT, journal=journal)
    took = time.process_time() - cpu, time.perf_counter() - began
    watching.cancel()
    return (*took, max(lags))


async def _watch(note: Callable[[float], None]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        note(time.perf_counter() - before - 0.001)


def _killed(kills: int) -> list[Figure]:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    try:
        from tests.journal.killing import kill_and_resume
    except ImportError as error:
        return [Figure(f"kernels killed: {error}", None)]
    limit = 5
    found = []
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as folder:
            found.append(kill_and_resume(Path(folder), limit=limit, after=random.uniform(0, 0.6)))
    ran = sum(each.began for each in found)
    return [
        Figure(
            f"reported as done, and lost: {kills} kernels killed",
            sum(each.lost for each in found), 0, beside=f"of {sum(each.reported for each in found):,}",
        ),
        Figure(
            f"run twice after a kill, at most: limit {limit}",
            max(each.repeated for each in found), limit,
            beside=f"{sum(each.repeated for each in found)} of {ran:,} in all",
        ),
    ]  # fmt: skip
