"""Scenarios of the simulation: each is made from one integer, and is always the same for it.

A scenario has a graph of nodes, a source of rows, faults, options, and a script of events that happen
during the run. Its `repr` is the Python that makes it.
"""

# ruff: noqa: ARG002 - the hooks have the parameters of PocketFlow
from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pocketflow import AsyncFlow, AsyncParallelBatchFlow

from .scripted_nodes import ERRORS, World, block, graph

LONG = 3_000.0
"""Seconds after which a run in which something hangs is cancelled; any other has ended."""

_MOST_ROWS = 12


@dataclass
class Source:
    """Where the rows come from.

    Attributes:
        kind: "list", "generator", "async generator", "frame" or "prep" of the flow.
        rows: how many there are.
        breaks_at: the row at which a generator raises, or yields what is no row; -1: none. With "prep",
            the flow's post raises if there is such a row.
        hangs_at: the row at which an async generator hangs, and another one holds the loop; -1: none.
            With "prep", the flow's post hangs if there is such a row.
    """

    kind: str
    rows: int
    breaks_at: int = -1
    hangs_at: int = -1

    def whole(self) -> Source:
        """Return the same source without what goes wrong."""
        return replace(self, breaks_at=-1, hangs_at=-1)

    def batch(self, world: World) -> Any:
        """Return the batch; None if the flow's prep has it."""
        if self.kind == "prep":
            return None
        if self.kind == "generator":
            return self._generate()
        if self.kind == "async generator":
            return self._generate_async(world)
        rows = [{"row": row} for row in range(self.rows)]
        if self.kind == "frame":
            import pandas as pd

            return pd.DataFrame(rows)
        return rows

    def row(self, row: int) -> Any:
        """Return a row, or raise."""
        if row != self.breaks_at:
            return {"row": row}
        kind = (*ERRORS, None)[(row + self.rows) % (len(ERRORS) + 1)]
        if kind is None:
            return row
        raise kind("the source breaks")

    def _generate(self) -> Iterator[Any]:
        for row in range(self.rows):
            if row == self.hangs_at:
                block()
            yield self.row(row)

    async def _generate_async(self, world: World) -> AsyncIterator[Any]:
        try:
            for row in range(self.rows):
                if row == self.hangs_at:
                    world.hangs = True
                    await asyncio.get_running_loop().create_future()
                await asyncio.sleep(row % 2)
                yield self.row(row)
        finally:
            await asyncio.sleep(self.rows % 2)  # it closes what it has read from


class OwnBatch(AsyncParallelBatchFlow):
    """A flow that has a batch of its own, and looks at what came out."""

    source: Source
    world: World

    async def prep_async(self, shared: Any) -> Any:
        await asyncio.sleep(self.source.rows % 3)
        return [{"row": row} for row in range(self.source.rows)]

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        self.world.posted = list(exec_res)
        await asyncio.sleep(self.source.rows % 3)
        for row in range(self.source.rows):
            if row == self.source.hangs_at:
                self.world.hangs = True
                await asyncio.get_running_loop().create_future()
            self.source.row(row)


@dataclass
class Event:
    """Something that a user does, or that befalls the disk.

    Attributes:
        at: seconds after the beginning of the run.
        verb: a verb of the run; "limit" or "per_minute" to set these; "cancel one"; "disk is full".
        value: the argument, if there is one.
    """

    at: float
    verb: str
    value: Any = None

    def __call__(self, run: Any, world: World) -> None:
        if self.verb in ("limit", "per_minute"):
            setattr(run, self.verb, self.value)
        elif self.verb == "cancel one":
            if self.value < len(run):
                if not run.ended:
                    world.cancelled.add(self.value)
                run.cancel(self.value)
        elif self.verb == "disk is full":
            world.disk_is_full = self.value
        else:
            world.ended_early |= self.verb in ("stop", "cancel") and not run.ended
            getattr(run, self.verb)()


@dataclass
class Scenario:
    """One scenario; see the module.

    Attributes:
        seed: of the graph and the faults.
        rate: how likely a fault is, see `World`.
        depth: how many nodes the graph is deep, at most.
        source, options, events: its parts; the last two events end a pause, and find that the run has
            ended.
        has_journal: whether the run is written, and resumed in the end.
    """

    seed: int
    rate: float
    depth: int
    source: Source
    options: dict[str, Any]
    events: list[Event]
    has_journal: bool

    def flow(self, world: World) -> Any:
        """Return its flow, which sees a world."""
        start = graph(random.Random(self.seed), world, self.depth)
        if self.source.kind != "prep":
            return AsyncFlow(start)
        flow = OwnBatch(start)
        flow.source, flow.world = self.source, world
        return flow

    def calm_flow(self, world: World) -> Any:
        """Return its flow with nothing that goes wrong but what does in a world."""
        return replace(self, source=self.source.whole()).flow(world)


def scenario(seed: int) -> Scenario:
    """Return the scenario of an integer."""
    chance = random.Random(f"scenario {seed}")
    kind = chance.choice(("list", "list", "generator", "async generator", "frame", "prep"))
    rows = chance.randint(0, _MOST_ROWS)
    source = Source(kind, rows)
    if kind in ("generator", "async generator", "prep") and chance.random() < 1 / 3:
        source.breaks_at = chance.randint(1, _MOST_ROWS)
    if kind in ("generator", "async generator", "prep") and chance.random() < 1 / 5:
        source.hangs_at = chance.randint(0, _MOST_ROWS)
    verbs = chance.choice((_GENTLE, _GENTLE, _ALL))
    events = [_event(chance, rows, verbs) for _ in range(chance.choice((0, 1, 2, 4, 8, 16)))]
    has_journal = chance.random() < 1 / 20  # each takes as long as fifteen others
    if has_journal and chance.random() < 1 / 2:
        full_at = chance.randint(1, 10)
        full_until = min(full_at + chance.choice((1, 5, LONG)), LONG - 1)
        events += [Event(full_at, "disk is full", True), Event(full_until, "disk is full", False)]
        events.append(Event(full_at + chance.randint(1, 100), "retry_failed"))
    events += [Event(LONG / 2, "resume"), Event(LONG, "cancel")]
    events.sort(key=lambda each: each.at)
    return Scenario(
        seed,
        rate=chance.choice((0, 0, 0.1, 0.3, 0.6)),
        depth=chance.randint(0, 3),
        source=source,
        options=_options(chance),
        events=events,
        has_journal=has_journal,
    )


def _options(chance: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if chance.random() < 1 / 4:
        options["adaptive"] = chance.choice(("1-2-4", "1-5-9"))
    else:
        options["limit"] = chance.randint(1, 6)
    choices: dict[str, tuple[Any, ...]] = {
        "timeout": (None, None, 5, 20),
        "retries": (0, 0, 1, 3),
        "max_errors": (None, None, None, 2),
        "per_minute": (None, None, None, 60, 600),
        "isolate": (False, False, False, True),
        "track_shared": (True, True, False),
        "keep": (20_000, 1),
    }
    return options | {name: chance.choice(each) for name, each in choices.items()}


_GENTLE = ("limit", "limit", "per_minute", "pause", "resume", "resume", "cancel one", "cancel one")
_ALL = (*_GENTLE, "stop", "cancel", "retry_failed", "retry_failed")


def _event(chance: random.Random, rows: int, verbs: Sequence[str]) -> Event:
    at = float(chance.choice((0, chance.randint(0, 10), chance.randint(0, 40))))
    verb = chance.choice(verbs)
    values = {
        "limit": chance.randint(1, 8),
        "per_minute": chance.choice((None, 30, 600)),
        "cancel one": chance.randint(0, max(0, rows)),
    }
    return Event(at, verb, values.get(verb))
