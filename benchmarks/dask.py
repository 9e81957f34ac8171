"""What a run on a Dask cluster costs, what it gains where nodes compute, and how live it is.

The cluster is one of processes on this machine, of one thread each, and is there before the clock starts.
What more workers would gain is planned, not measured: a run cannot be faster than the process of kernel and
scheduler, which hands out every instance and takes every result. The plan is made from CPU time, which
others on a shared machine do not lengthen as they do the time on the clock.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, Flow, Node

import flowmagic

from .measuring import interleaved, print_heading, print_table

OPTIONS = {
    "workers": (os.cpu_count() or 1, "how many processes the cluster has"),
    "instances": (2_000, "how many instances without any work"),
    "computing": (100, "how many instances that compute"),
    "loops": (1_000_000, "how many loops each of those computes"),
    "rounds": (5, "how often each is measured; the median is printed"),
}

_IDLE = 1.0  # seconds
_PLANNED = (2, 4, 8, 16, 32, 64)


class Returns(AsyncNode):
    """A node without any work."""


class Computes(Node):
    """A node that computes in Python, and so holds the GIL."""

    def exec(self, _: Any) -> int:
        return compute(self.params["loops"])


def compute(loops: int) -> int:
    """Compute for a while, in Python."""
    total = 0
    for number in range(loops):
        total += number & 3
    return total


class Tells(AsyncNode):
    """A node that tells when it has ended, by a clock that all processes of a machine share."""

    async def exec_async(self, _: Any) -> None:
        await asyncio.sleep(0.02)

    async def post_async(self, shared: Any, _prep_res: Any, _exec_res: Any) -> None:
        shared["at"] = time.monotonic()


class Lingers(AsyncNode):
    """A node that runs for a while."""

    async def exec_async(self, _: Any) -> None:
        await asyncio.sleep(0.2)


def measure(workers: int, instances: int, computing: int, loops: int, rounds: int) -> None:
    """Print the tables."""
    from distributed import LocalCluster

    print_heading()
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        engine = flowmagic.DaskEngine(cluster)
        _print_overhead(engine, instances, rounds)
        _print_speed_up(cluster, workers, computing, loops, rounds)
        _print_latency(engine, rounds)


def _print_overhead(engine: Any, instances: int, rounds: int) -> None:
    """Print what an instance without work costs."""
    rows = [{"i": i} for i in range(instances)]
    cpu: dict[int, list[float]] = {}

    def ours(limit: int) -> Callable[[], Awaitable[float]]:
        async def seconds() -> float:
            began, used = time.perf_counter(), time.process_time()
            run = await flowmagic.batchflow(
                AsyncFlow(start=Returns()), rows, limit=limit, engine=engine
            )
            assert run.ok
            cpu.setdefault(limit, []).append(time.process_time() - used)
            return time.perf_counter() - began

        return seconds

    limits = [limit for limit in (10, 100, 1000) if limit <= instances] or [instances]
    taken = interleaved({str(limit): ours(limit) for limit in limits}, rounds)
    print_table(
        ["instances without work, limit", "µs each", "CPU here, µs each", "instances a second"],
        [
            [
                f"{limit:,}",
                f"{median(taken[str(limit)]) / instances * 1e6:,.0f}",
                f"{median(cpu[limit]) / instances * 1e6:,.0f}",
                f"{instances / median(taken[str(limit)]):,.0f}",
            ]
            for limit in limits
        ],
    )


def _print_speed_up(cluster: Any, workers: int, computing: int, loops: int, rounds: int) -> None:
    rows = [{"loops": loops} for _ in range(computing)]
    cpu: dict[str, list[float]] = {"kernel alone": [], "kernel": [], "workers": []}

    from distributed import Client

    def of_workers() -> float:
        with Client(cluster, set_as_default=False) as client:
            return sum(client.run(time.process_time).values())

    def ours(name: str, **options: Any) -> Callable[[], Awaitable[float]]:
        async def seconds() -> float:
            there = await asyncio.to_thread(of_workers)
            began, used = time.perf_counter(), time.process_time()
            run = await flowmagic.batchflow(Flow(start=Computes()), rows, **options)
            assert run.ok
            taken = time.perf_counter() - began
            cpu[name].append((time.process_time() - used) / computing)
            if name == "kernel":
                used = await asyncio.to_thread(of_workers) - there
                cpu["workers"].append((used - taken * idle_there) / computing)
                cpu["kernel"][-1] -= taken * idle_here / computing
            return taken

        return seconds

    def bare(pool: ProcessPoolExecutor) -> Callable[[], Awaitable[float]]:
        async def seconds() -> float:
            began = time.perf_counter()
            await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(pool, compute, loops) for _ in rows)
            )
            return time.perf_counter() - began

        return seconds

    # What Dask's processes compute without any run: the longer a crowded machine lets a run take, the more.
    began, here, there = time.perf_counter(), time.process_time(), of_workers()
    time.sleep(_IDLE)
    idle_here = (time.process_time() - here) / (time.perf_counter() - began)
    idle_there = (of_workers() - there) / (time.perf_counter() - began)
    limit = 4 * workers
    # What the machine gives away at all, whatever else runs on it: a pool that does nothing but compute.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(compute, [1] * 2 * workers))
        taken = interleaved(
            {
                "in this kernel": ours("kernel alone", limit=limit),
                f"on {workers} workers": ours(
                    "kernel", limit=limit, engine=flowmagic.DaskEngine(cluster)
                ),
                f"a bare pool of {workers} processes": bare(pool),
            },
            rounds,
        )
    rounds_here, rounds_there, rounds_bare = taken.values()
    ratios = {
        name: median(here / other for here, other in zip(rounds_here, seconds, strict=True))
        for name, seconds in taken.items()
    }
    each, kernel, on_workers = (median(seconds) for seconds in cpu.values())
    print_table(
        [f"{computing} instances that compute {each * 1e3:.0f} ms each", "seconds", "speed-up"],
        [
            [name, f"{median(seconds):.2f}", f"{ratios[name]:.2f}"]
            for name, seconds in taken.items()
        ],
    )
    of_bare = median(bare / ours for bare, ours in zip(rounds_bare, rounds_there, strict=True))
    print_table(
        ["CPU of such an instance", "ms"],
        [
            ["in this kernel", f"{each * 1e3:.1f}"],
            [f"on {workers} workers, there", f"{on_workers * 1e3:.1f}"],
            [f"on {workers} workers, here: kernel and scheduler", f"{kernel * 1e3:.1f}"],
            ["speed of the bare pool that is reached", f"{of_bare:.0%}"],
        ],
    )
    cores = os.cpu_count() or 1
    shared = max((on_workers + kernel) / cores, on_workers / workers)
    free = 1 - (idle_here + idle_there) / cores
    print_table(
        ["planned speed-up, from CPU", ""],
        [
            [
                f"{workers} workers, on the {cores} cores of this machine, all of them free",
                f"{free * each / shared:.1f}",
            ],
            *(
                [
                    f"{count} workers, each with a core, beside the kernel",
                    f"{planned(count, each, on_workers, kernel):.1f}",
                ]
                for count in _PLANNED
            ),
        ],
    )


def planned(workers: int, here: float, there: float, handing_out: float) -> float:
    """Return the speed-up that is to be expected of so many workers.

    Args:
        here, there: CPU seconds of an instance in the kernel, and on a worker.
        handing_out: CPU seconds that it takes of kernel and scheduler, which is the bound.
    """
    return here / max(there / workers, handing_out)


def _print_latency(engine: Any, rounds: int) -> None:
    delays: list[float] = []
    asyncio.run(_latency(engine, 20 * rounds, delays))
    stops = [asyncio.run(_cancelled(engine)) for _ in range(rounds)]
    delays.sort()
    print_table(
        ["how live it is", "median", "worst"],
        [
            [
                "from the end of an instance there to its row here",
                f"{median(delays) * 1e3:.1f} ms",
                f"{delays[-1] * 1e3:.1f} ms",
            ],
            [
                "from cancel() to the run's end, its work stopped there",
                f"{median(stops) * 1e3:.1f} ms",
                f"{max(stops) * 1e3:.1f} ms",
            ],
        ],
    )


async def _latency(engine: Any, instances: int, delays: list[float]) -> None:
    run = flowmagic.batchflow(
        AsyncFlow(start=Tells()), [{"i": i} for i in range(instances)], limit=4, engine=engine
    )
    await run
    records = run.records
    delays += [records.ended[each.index] - each.writes["at"] for each in run.instances]


async def _cancelled(engine: Any) -> float:
    run = flowmagic.batchflow(
        AsyncFlow(start=Lingers()), [{"i": i} for i in range(1_000)], limit=20, engine=engine
    )
    await asyncio.sleep(1)
    began = time.perf_counter()
    run.cancel()
    await run
    return time.perf_counter() - began
