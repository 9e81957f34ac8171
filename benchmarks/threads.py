"""Sync nodes in threads, divided by a bare `ThreadPoolExecutor.map` over their `exec`.

The floor calls `exec` and nothing else: no copy of a node, no prep or post, no records. It is measured
as CPU per call where `exec` returns at once, and as wall time where it waits.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from pocketflow import Flow, Node

import flowmagic

from . import contestants
from .contestants import BATCHFLOW
from .figures import Figure, print_figures, ratio
from .measuring import interleaved, print_heading, print_table

OPTIONS = {
    "instances": (10_000, "instances of each run"),
    "limit": (100, "how many run at once where exec returns at once"),
    "high-limit": (200, "how many run at once where exec waits"),
    "rounds": (7, "how often each is measured; the median counts"),
}

MAP = "ThreadPoolExecutor.map"


class AtOnce(Node):
    """Returns at once."""

    def exec(self, _: Any) -> Any:
        return None


class Waiting(Node):
    """Waits as a call of a service does."""

    seconds = 0.01

    def exec(self, _: Any) -> Any:
        time.sleep(self.seconds)


Taken = dict[str, list[float]]
"""By contestant: seconds per instance, round by round."""


def measure(instances: int, limit: int, high_limit: int, rounds: int) -> None:
    """Print the tables."""
    print_heading()
    cpu, wall = taken(instances, limit, high_limit, rounds)
    print_table(
        ["per instance", "CPU, at once", "wall, 10 ms"],
        [
            [name, *(f"{median(column[name]) * 1e6:.1f} µs" for column in (cpu, wall))]
            for name in (MAP, BATCHFLOW)
        ],
    )
    print_figures(figures(cpu, wall, limit, high_limit))
    print(f"{instances:,} instances, {rounds} rounds")


def taken(instances: int, limit: int, high_limit: int, rounds: int) -> tuple[Taken, Taken]:
    """Measure both contestants: the CPU where exec returns at once, and the time where it waits."""

    def compared(kind: type[Node], limit: int, clock: Callable[[], float]) -> Taken:
        ways = {MAP: _mapped(kind(), limit), BATCHFLOW: _run(kind(), limit)}
        return interleaved(
            {name: _seconds(way, clock, instances) for name, way in ways.items()}, rounds
        )

    return (
        compared(AtOnce, limit, time.process_time),
        compared(Waiting, high_limit, time.perf_counter),
    )


def figures(cpu: Taken, wall: Taken, limit: int, high_limit: int) -> list[Figure]:
    """Return the figures that have goals."""
    return [
        ratio(
            f"CPU / {MAP}: sync node, at once, limit {limit}",
            cpu[BATCHFLOW],
            cpu[MAP],
            2,
            at_goal=limit == 100,
        ),
        ratio(
            f"wall / {MAP}: sync node of 10 ms, limit {high_limit}",
            wall[BATCHFLOW],
            wall[MAP],
            1.2,
            at_goal=high_limit == 200,
        ),
    ]


Way = Callable[[list[contestants.Params]], Awaitable[None]]


def _mapped(node: Node, limit: int) -> Way:
    async def run(batch: list[contestants.Params]) -> None:
        with ThreadPoolExecutor(limit) as executor:
            list(executor.map(node.exec, batch))

    return run


def _run(node: Node, limit: int) -> Way:
    async def run(batch: list[contestants.Params]) -> None:
        done = await flowmagic.batchflow(Flow(start=node), batch, limit=limit)
        done.raise_for_failures()

    return run


def _seconds(
    way: Way, clock: Callable[[], float], instances: int
) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        batch = contestants.params(instances)
        began = clock()
        await way(batch)
        return (clock() - began) / instances

    return seconds
