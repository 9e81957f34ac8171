"""Simulation: thousands of random runs, each made from an integer and checked against a calm one.

After each run: all rows have one status, and the counts add up; no more instances ran than the limit
in force allowed when one started; the outputs of rows that succeeded are those of a calm run; nothing
is left; with a journal, it has what the run reported, and a resumed run repeats nothing that had
succeeded. `python -m benchmarks simulation --first 4711 --seeds 1` repeats one integer.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flowmagic
from flowmagic.records.status import CANCELLED, FAILED, SUCCEEDED
from flowmagic.testing import VirtualLoop, assert_no_leaks

from .figures import Figure, print_figures
from .measuring import print_heading
from .scenario import Scenario, World, scenario

OPTIONS = {
    "seeds": (100_000, "integers that are simulated"),
    "first": (1, "the first of them"),
}

_ENDED = (SUCCEEDED, FAILED, CANCELLED)
_MOST_TURNS = 100_000  # of the loop; an ordinary scenario takes some hundred
_PATIENCE = (
    100_000.0  # seconds of the virtual clock, after which a run counts as one that never ends
)


class BrokenError(AssertionError):
    """A promise that a simulated run has broken."""


class BoundedLoop(VirtualLoop):
    """A virtual loop that gives up when something goes round without end."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.at_turn: dict[int, Callable[[], object]] = {}
        """What to do at a turn of the loop, by its number."""

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns == _MOST_TURNS:
            raise BrokenError("it goes round without end")
        if (act := self.at_turn.pop(self.turns, None)) is not None:
            self.call_soon(act)
        super()._run_once()  # type: ignore[misc]


def simulate(seed: int, folder: Path | None = None, *, cancel_at: int | None = None) -> int:
    """Run the scenario of an integer, and check it; return how many turns of the loop the run took.

    Args:
        cancel_at: the turn, from the beginning of the run, at which it is cancelled; None: at none.
        folder: for the journals; None: scenarios with a journal run without one.

    Raises:
        BrokenError: a promise was broken; the message begins with the seed.
    """
    made = scenario(seed)
    loop = BoundedLoop()
    broken: list[str] = []
    # It also hears of tasks of nodes that nobody awaits.
    loop.set_exception_handler(
        lambda _, context: broken.append(str(context)) if "handle" in context else None
    )
    try:
        asyncio.set_event_loop(loop)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            turns = loop.run_until_complete(_simulate(made, folder, cancel_at))
    except BrokenError as error:
        raise BrokenError(f"seed {seed}: {error}") from None
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with contextlib.suppress(RuntimeError):
            loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
    if broken:
        raise BrokenError(f"seed {seed}: a callback raised: {broken[0]}")
    return turns


async def _simulate(made: Scenario, folder: Path | None, cancel_at: int | None) -> int:
    calm = await _calm(made)
    threads = threading.enumerate()
    options = dict(made.options)
    path = None
    if made.has_journal and folder is not None:
        path = folder / f"{made.seed}.journal"
        options["journal"] = path
    run = flowmagic.batchflow(made.flow(made.world), made.source.batch(), **options)
    let_journal_keep_up(run)
    made.world.on_begin = lambda row: _check_limit(run, row)
    loop: Any = asyncio.get_running_loop()
    began = loop.turns
    if cancel_at is not None:
        loop.at_turn[began + cancel_at] = run.cancel
    await _live_through(run, made)
    turns: int = loop.turns - began
    await asyncio.gather(*made.world.tasks, return_exceptions=True)
    _check_records(run, calm)
    succeeded = {index for index, code in enumerate(run.records.status) if code == SUCCEEDED}
    if cancel_at is None and (lost := made.expected() - succeeded):
        raise BrokenError(f"nothing kept the rows {sorted(lost)} from succeeding: {run!r}")
    _check_nothing_left(run, threads)
    if path is not None:
        await _check_journal(run, made, calm, path)
    return turns


async def _calm(made: Scenario) -> dict[int, Any]:
    """Return the outputs of all rows without faults and events."""
    source = made.source
    rows = [{"row": row} for row in range(source.rows)]
    run = flowmagic.batchflow(made.flow(World()), rows, limit=1, threads=False)
    await run.settled()
    if not run.ok:
        raise BrokenError(f"the calm run was {run!r}")
    return dict(enumerate(run.outputs))


async def _live_through(run: Any, made: Scenario) -> None:
    """Let everything happen, and wait for the end."""
    loop = asyncio.get_running_loop()
    for event in made.events:
        loop.call_later(event.at, event, run)
    try:
        await asyncio.wait_for(run.settled(), _PATIENCE)
    except asyncio.TimeoutError:
        raise BrokenError(f"it never ends: {run!r}") from None
    _check_timers()
    # Events may come after the end: they must not break it, and a retry continues it.
    while made.events and loop.time() < run._lifecycle.parts.began + made.events[-1].at + 1:
        await asyncio.sleep(made.events[-1].at / 4)
        await run.settled()


def let_journal_keep_up(run: Any) -> None:
    """Have the virtual clock wait for the writing of the journal of a run."""
    loop: Any = asyncio.get_running_loop()
    if run.journal is not None:
        loop.is_awaiting = lambda: run.journal.is_behind


def _check_limit(run: Any, row: int) -> None:
    running, limit = run.counts.running, run.limit
    if running > limit:
        run._broken = BrokenError(f"row {row} began as one of {running} with a limit of {limit}")
    if run.cooling:
        run._broken = BrokenError(f"row {row} began {run.cooling} s before the end of a cool-down")


def _check_records(run: Any, calm: dict[int, Any]) -> None:
    if broken := vars(run).get("_broken"):
        raise broken
    if not run.ended:
        raise BrokenError(f"it has not ended: {run!r}")
    codes, counts = run.records.status, run.counts
    if any(code not in _ENDED for code in codes):
        raise BrokenError(f"rows have not ended: {run!r}")
    expected = Counter(codes)
    found = (counts.succeeded, counts.failed, counts.cancelled)
    if found != tuple(expected[code] for code in _ENDED) or sum(found) != len(run):
        raise BrokenError(f"the counts {counts} are not those of {len(run)} rows")
    if run.total is not None and run.total != len(run):
        raise BrokenError(f"the total is {run.total} and there are {len(run)} rows")
    for index, code in enumerate(codes):
        instance = run[index]
        if instance.params.get("row", index) != index:
            raise BrokenError(f"row {index} has the params {instance.params}")
        if code == SUCCEEDED:
            kept = instance.output
            if kept != calm[index] and not isinstance(kept, flowmagic.OutputLostError):
                raise BrokenError(f"the output of row {index} is {kept!r}, not {calm[index]!r}")
            _check_copies(instance)
        elif not isinstance(instance.result, BaseException):
            raise BrokenError(
                f"row {index} is {instance.status} with the result {instance.result!r}"
            )


def _check_copies(instance: Any) -> None:
    """Check that the output of each node copy is that of a node of its class, in its row."""
    for copy in instance.copies:
        outputs = copy.output if isinstance(copy.output, list) else [copy.output]
        for each in outputs:
            if type(each) is str and not (
                each.startswith(copy.node) and each.endswith(f" of {instance.index}")
            ):
                raise BrokenError(f"the output of {copy.node} in {instance!r} is {each!r}")


def _check_nothing_left(run: Any, threads: list[threading.Thread]) -> None:
    # PocketFlow gathers: when one walk of a nested batch fails, the others go on.
    gathered = [each for each in asyncio.all_tasks() if _is_of_nodes(each)]
    try:
        assert_no_leaks(run, besides=[*gathered, *threads])
    except AssertionError as error:
        raise BrokenError(str(error)) from None
    _check_timers()


def _check_timers() -> None:
    loop: Any = asyncio.get_running_loop()
    timers = [each for each in loop._scheduled if not each.cancelled() and _is_ours(each)]
    if timers:
        raise BrokenError(f"timers are left: {timers}")


def _is_ours(timer: Any) -> bool:
    owner = getattr(timer._callback, "__self__", None)
    return type(owner).__module__.startswith("flowmagic.")


def _is_of_nodes(task: asyncio.Task[Any]) -> bool:
    name = getattr(task.get_coro(), "__qualname__", "")
    return name == "Walker._walk_nested" or name.endswith("._exec")


async def _check_journal(run: Any, made: Scenario, calm: dict[int, Any], path: Path) -> None:
    with flowmagic.open_journal(path) as journal:
        written = journal[1]
        for index, code in enumerate(run.records.status):
            if code in (SUCCEEDED, FAILED):
                row = written[index]
                if str(row.status) != str(run[index].status):
                    raise BrokenError(
                        f"row {index} is {run[index].status}, and {row.status} in the file"
                    )
                if code == SUCCEEDED and row.output != calm[index]:
                    raise BrokenError(f"the output of row {index} in the file is {row.output!r}")
    succeeded = {index for index, code in enumerate(run.records.status) if code == SUCCEEDED}
    world = World()
    rows = [{"row": row} for row in range(made.source.rows)]
    resumed = flowmagic.batchflow(
        made.flow(world), rows, journal=path, resume="anyway", threads=False, limit=3
    )
    let_journal_keep_up(resumed)
    await resumed.settled()
    if again := succeeded & set(world.calls):
        raise BrokenError(f"the rows {sorted(again)} had succeeded, and ran again on resuming")
    if not resumed.ok or dict(enumerate(resumed.outputs)) != calm:
        raise BrokenError(f"the resumed run has {resumed!r}, {resumed.outputs}")
    for each in (run, resumed):  # as long as it is written it is not to be deleted
        each.journal.join()
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink(missing_ok=True)


def measure(seeds: int, first: int) -> None:
    """Print the table."""
    print_heading()
    began = time.monotonic()
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + seeds):
            try:
                simulate(seed, Path(folder))
            except BrokenError as error:
                broken.append(str(error))
                print(error)
    taken = time.monotonic() - began
    print_figures(
        [
            Figure(f"broken promises in {seeds:,} simulated runs", len(broken), 0, "runs",
                   beside=f"{1000 * taken / seeds:.1f} ms each"),
        ]
    )  # fmt: skip
