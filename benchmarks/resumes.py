"""Runs of generated flows are killed at a random turn of the loop, and resumed.

Each flow, its source, faults and events are those of an integer of the simulation (`scenario`). A
process that is forked for it runs them with a journal, and gets a SIGKILL; then the run is resumed in
this process, without faults, and compared with an uninterrupted one.
`python -m benchmarks resumes --first 4711 --flows 1` repeats one integer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import tempfile
import warnings
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import flowmagic

from .figures import Figure, print_figures
from .forked import forked, written_numbers
from .measuring import print_heading
from .scenario import Scenario, scenario
from .scripted_nodes import World
from .simulated_run import BoundedLoop, let_journal_keep_up, without_part

OPTIONS = {
    "flows": (500, "generated flows, each of which is killed once"),
    "first": (1, "the first of their integers"),
}

_WAIT = 60.0  # seconds for a run to be killed, on any machine

_T = TypeVar("_T")


@dataclass
class Resumed:
    """What was found after one kill.

    Attributes:
        seed: of the scenario.
        was_killed: False: the run ended before the turn came.
        reported: rows that the run had given as succeeded.
        lost: of them, those that have not succeeded in the journal.
        restored: rows that have succeeded there.
        again: of them, those that ran again on resuming.
        differs: in what the resumed run differs from the uninterrupted one.
    """

    seed: int
    was_killed: bool
    reported: int
    lost: int
    restored: int
    again: int
    differs: list[str]


def run_until_killed(seed: int, folder: Path, turn: int) -> None:
    """Run a scenario, and kill this process at a turn of the loop."""
    _run(_scripted(scenario(seed), folder, turn))
    os._exit(0)


async def _scripted(made: Scenario, folder: Path, turn: int) -> int:
    """Run a scenario with a journal, and note what succeeds; return how many turns of the loop it took.

    Args:
        turn: at which this process is killed; 0: at none.
    """
    loop: Any = asyncio.get_running_loop()
    began = loop.turns
    loop.at_turn[began + turn] = lambda: os.kill(os.getpid(), signal.SIGKILL)
    world = World(made.seed, made.rate)
    options = made.options | {"journal": folder / "runs.journal"}
    batch = made.source.batch(world)
    run = flowmagic.batchflow(made.flow(world), batch, threads=False, **options)
    let_journal_keep_up(run, world)
    for event in made.events:
        loop.call_later(event.at, event, run, world)
    reported = os.open(folder / "reported", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    with contextlib.suppress(BaseException):  # what broke the run, such as its source
        async for instance in run.as_completed():
            if instance.status == "succeeded":
                os.write(reported, b"%d\n" % instance.index)
    os.close(reported)
    await run.settled()
    turns: int = loop.turns - began
    run.cancel()  # a retry may have continued it
    await run.settled()
    run.journal.join()
    return turns


def _run(main: Coroutine[Any, Any, _T]) -> _T:
    loop = BoundedLoop()
    loop.set_exception_handler(lambda *_: None)  # of tasks that nodes have left to themselves
    asyncio.set_event_loop(loop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _whole(made: Scenario, world: World, **options: Any) -> dict[str, Any]:
    """Run all rows without faults and events, and return what the run gives."""
    shared: dict[Any, Any] = {}
    kept = {name: made.options[name] for name in ("isolate", "track_shared")}
    rows = [{"row": row} for row in range(made.source.rows)]
    run = flowmagic.batchflow(
        made.calm_flow(world), rows, shared=shared, threads=False, limit=3, **kept, **options
    )
    let_journal_keep_up(run, world)
    await run.settled()
    if run.journal is not None:
        run.journal.join()
    whole = {"status": run.ok, "outputs": without_part(run.outputs), "results": run.results}
    # What is not tracked cannot come back, and the run says so.
    if made.options["track_shared"]:
        whole["shared"] = {key: without_part(value) for key, value in shared.items()}
    return whole


def kill_and_resume(seed: int) -> Resumed:
    """Kill the run of a scenario at a turn that its integer gives, and resume it."""
    made = scenario(seed)
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as broken:
        turns = _run(_scripted(made, Path(whole), 0))
        turn = random.Random(seed).randint(1, turns)
        with forked(run_until_killed, seed, Path(broken), turn) as process:
            process.join(_WAIT)
            exitcode = process.exitcode
        journal = Path(broken, "runs.journal")
        succeeded = _succeeded(journal)
        reported = set(written_numbers(Path(broken, "reported")))
        calm = _run(_whole(made, World()))
        world = World()
        resumed = _run(_whole(made, world, journal=journal, resume="anyway"))
    return Resumed(
        seed,
        was_killed=exitcode == -signal.SIGKILL,
        reported=len(reported),
        lost=len(reported - succeeded),
        again=len(succeeded & set(world.calls)),
        restored=len(succeeded),
        differs=[name for name in calm if calm[name] != resumed[name]],
    )


def _succeeded(journal: Path) -> set[int]:
    if not journal.exists():  # it was killed before the file was made
        return set()
    with flowmagic.open_journal(journal) as opened:
        return {each.index for run in opened for each in run if each.status == "succeeded"}


def figures(found: Iterable[Resumed]) -> list[Figure]:
    """Return the figures of many kills; beside them, the integers at which something went wrong."""
    found = list(found)
    killed = sum(each.was_killed for each in found)
    reported = sum(each.reported for each in found)
    restored = sum(each.restored for each in found)
    return [
        Figure(
            f"reported, and not in the journal: {len(found)} generated flows",
            sum(each.lost for each in found), 0,
            beside=_beside(f"of {reported:,}; {killed} killed within the run", found, "lost"),
        ),
        Figure(
            "succeeded in the journal, and run again on resuming",
            sum(each.again for each in found), 0, beside=_beside(f"of {restored:,}", found, "again"),
        ),
        Figure(
            "resumed runs that differ from the uninterrupted one",
            sum(bool(each.differs) for each in found), 0,
            beside=_beside("outputs, results, shared", found, "differs"),
        ),
    ]  # fmt: skip


def _beside(text: str, found: Iterable[Resumed], wrong: str) -> str:
    seeds = [str(each.seed) for each in found if getattr(each, wrong)]
    return f"{text}; at {', '.join(seeds)}" if seeds else text


def measure(flows: int, first: int) -> None:
    """Print the table."""
    print_heading()
    print_figures(figures(map(kill_and_resume, range(first, first + flows))))
