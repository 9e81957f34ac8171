"""How soon a new limit acts: from `run.limit = N` until N instances run.

Raised, that is how long starting them takes. Lowered, the running ones finish first: it takes about
one node's duration.
"""

from __future__ import annotations

import asyncio
from statistics import median
from typing import Any

from pocketflow import AsyncFlow

import flowmagic

from .contestants import Sleeping, generated
from .figures import Figure, print_figures
from .measuring import print_heading, print_table

OPTIONS = {
    "low": (10, "the lower limit"),
    "high": (200, "the higher limit"),
    "rounds": (9, "how often each is measured; the median and the worst are printed"),
}

ENDLESS = 10**9


class Counted(Sleeping):
    """A node of 50 ms that counts how many of it run, and tells when they are enough."""

    seconds = 0.05
    running = 0
    awaited = 0
    reached: asyncio.Event

    async def exec_async(self, prep_res: Any) -> Any:
        self._count(+1)
        try:
            return await super().exec_async(prep_res)
        finally:
            self._count(-1)

    @classmethod
    def _count(cls, change: int) -> None:
        cls.running += change
        if cls.running == cls.awaited:
            cls.reached.set()

    @classmethod
    async def until(cls, number: int) -> None:
        """Wait until `number` of them run."""
        if cls.running != number:
            cls.awaited, cls.reached = number, asyncio.Event()
            await cls.reached.wait()


def measure(low: int, high: int, rounds: int) -> None:
    """Print the table."""
    print_heading()
    raised, lowered = taken(low, high, rounds)
    print_table(
        ["from setting the limit until it is kept", "median", "worst"],
        [
            [label, f"{median(seconds) * 1e3:.1f} ms", f"{max(seconds) * 1e3:.1f} ms"]
            for label, seconds in (
                (f"{low} -> {high}", raised),
                (f"{high} -> {low}", lowered),
            )
        ],
    )
    print_figures(figures(raised, lowered, low, high))
    print(f"one node of {Counted.seconds * 1e3:.0f} ms per instance; {rounds} rounds")


def taken(low: int, high: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds that each raise and each lowering took."""
    each = [asyncio.run(_round(low, high)) for _ in range(rounds)]
    return [raised for raised, _ in each], [lowered for _, lowered in each]


def figures(raised: list[float], lowered: list[float], low: int, high: int) -> list[Figure]:
    """Return the figures that have goals."""
    at_goal = (low, high) == (10, 200)
    node = Counted.seconds * 1e3
    return [
        Figure(
            what,
            median(seconds) * 1e3,
            most,
            unit="ms",
            beside=f"worst {max(seconds) * 1e3:.1f} ms of {len(seconds)}",
            at_goal=at_goal,
        )
        for what, seconds, most in (
            (f"raise {low} to {high}: until {high} run", raised, 10),
            (f"lower {high} to {low}: until {low} run, nodes of {node:.0f} ms", lowered, node + 10),
        )
    ]


async def _round(low: int, high: int) -> tuple[float, float]:
    Counted.running = 0
    flow = AsyncFlow(start=Counted())
    run = flowmagic.batchflow(flow, generated(ENDLESS), limit=low, keep=1)
    await Counted.until(low)
    raised = await _seconds_until(run, high)
    lowered = await _seconds_until(run, low)
    run.cancel()
    await run
    return raised, lowered


async def _seconds_until(run: flowmagic.BatchRun, limit: int) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    run.limit = limit
    await Counted.until(limit)
    return clock() - began
