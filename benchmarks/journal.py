"""The journal: what it costs, and how long the loop is held."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from pocketflow import AsyncFlow, AsyncNode

import flowmagic

from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {
    "instances": (20_000, "instances of each run that is timed"),
    "rounds": (5, "how often each is timed"),
}

LIMIT = 100
TAKES = 0.01  # seconds: with the limit, some five thousand a second


ANSWER = "A line of the answer, as a model gives it: some forty words.\n" * 8


class Call(AsyncNode):
    """A call that takes its time and returns a text of 500 characters."""

    async def exec_async(self, _: Any) -> str:
        await asyncio.sleep(TAKES)
        return f"{self.params['i']}: {ANSWER}"

    async def post_async(self, _: Any, __: Any, ___: Any) -> str:
        return f"answer {self.params['i']}"


class Timed(NamedTuple):
    """What one run took.

    Attributes:
        cpu, seconds: of all threads, and on the clock.
        call: how long the call took that started it: the file is opened, and made, there.
        lag: the worst delay with which a timer of the loop fired, in seconds.
        turn: the most CPU that the loop's thread took between two ticks, in seconds: what of the lag
            is its own work, and not other programs, other threads or the disk.
    """

    cpu: float
    seconds: float
    call: float
    lag: float
    turn: float


def measure(instances: int, rounds: int) -> None:
    """Print the table."""
    print_heading()
    at_goal = instances >= OPTIONS["instances"][0]
    with_it: list[Timed] = []
    without: list[Timed] = []
    for number in range(rounds):
        # In turn, since a shared machine is now fast, now slow.
        for journaled in (False, True) if number % 2 else (True, False):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "runs.journal" if journaled else None
                (with_it if journaled else without).append(asyncio.run(_timed(instances, path)))
    cost = [
        1e6 * (one.cpu - other.cpu) / instances for one, other in zip(with_it, without, strict=True)
    ]
    rate = median(instances / each.seconds for each in with_it)
    figures = [
        Figure(
            f"CPU of the journal per instance: {instances:,} instances", median(cost), None, "µs",
            beside=f"of all threads; {min(cost):.0f} to {max(cost):.0f}",
        ),
        Figure(
            "until batchflow() has returned, a new file made",
            1_000 * median(each.call for each in with_it), None, "ms",
            beside=_beside([each.call for each in with_it], [each.call for each in without]),
        ),
        Figure(
            f"worst lag of the loop, median of {rounds}: {rate:,.0f} instances a second journaled",
            1_000 * median(each.lag for each in with_it), 20, "ms",
            beside=_beside([each.lag for each in with_it], [each.lag for each in without]),
            at_goal=at_goal,
        ),
        Figure(
            "of it the loop's own work, CPU between two ticks",
            1_000 * median(each.turn for each in with_it), 20, "ms",
            beside=_beside([each.turn for each in with_it], [each.turn for each in without]),
            at_goal=at_goal,
        ),
    ]  # fmt: skip
    print_figures(figures)


def _beside(journaled: list[float], plain: list[float]) -> str:
    least, most = 1_000 * min(journaled), 1_000 * max(journaled)
    return f"{least:.1f} to {most:.1f}; {1_000 * median(plain):.1f} without a journal"


async def _timed(instances: int, journal: Path | None) -> Timed:
    gc.collect()  # or Python looks through what the runs before have left, in the midst of this one
    ticks: list[tuple[float, float]] = []
    over = asyncio.Event()
    watching = asyncio.get_running_loop().create_task(_watch(ticks.append, over))
    rows = [{"i": i} for i in range(instances)]
    await asyncio.sleep(0.01)
    cpu, began = time.process_time(), time.perf_counter()
    run = flowmagic.batchflow(AsyncFlow(start=Call()), rows, limit=LIMIT, journal=journal)
    call = time.perf_counter() - began
    await asyncio.sleep(0.002)
    ticks.clear()  # of the call itself
    await run
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    over.set()
    await watching  # a lag is seen only when it is over, and a short run may end before
    return Timed(cpu, seconds, call, *map(max, zip(*ticks, strict=True)))


async def _watch(note: Callable[[tuple[float, float]], None], over: asyncio.Event) -> None:
    while not over.is_set():
        before, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(0.001)
        note((time.perf_counter() - before - 0.001, time.thread_time() - worked))
