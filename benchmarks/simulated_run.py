"""One simulated run: a scenario is lived through, and its promises are checked.

After it, all rows have one status, for a reason, and the counts add up; no more instances ran than the
limit in force allowed when one started; the outputs of rows that succeeded are those of a calm run;
nothing is left; with a journal, it has what the run reported, and a resumed run repeats nothing that had
succeeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import flowmagic
from flowmagic.journal.database import open_file
from flowmagic.records.status import CANCELLED, FAILED, SUCCEEDED
from flowmagic.testing import VirtualLoop, assert_no_leaks

from .scenario import Event, Scenario
from .scripted_nodes import World, output

_ENDED = (SUCCEEDED, FAILED, CANCELLED)
_MOST_TURNS = 100_000  # of the loop; an ordinary scenario takes some hundred
_PATIENCE = 1e6  # seconds of the virtual clock, after which a run counts as one that never ends


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


class _Disk:
    """Stands in for a connection to a journal, on a disk that may be full."""

    def __init__(self, connection: sqlite3.Connection, world: World) -> None:
        self._connection, self._world = connection, world
        self.close = connection.close
        # A disk can be found to be full at once, or only at the end of a transaction.
        self._fails = "COMMIT" if world.seed % 2 else "INSERT"

    def execute(self, sql: str, values: Any = ()) -> Any:
        if self._world.disk_is_full and sql.startswith(self._fails):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, values)


def check(made: Scenario, folder: Path | None = None, *, cancel_at: int | None = None) -> int:
    """Live through a scenario, and check it; return how many turns of the loop its run took.

    Args:
        folder: for the journal; None: a temporary one.
        cancel_at: the turn, from the beginning of the run, at which it is cancelled; None: at none.

    Raises:
        BrokenError: a promise was broken.
    """
    if not made.has_journal:
        return _check(made, World(made.seed, made.rate), None, cancel_at)
    with tempfile.TemporaryDirectory(dir=folder) as own:
        world = World(made.seed, made.rate)
        with patch.multiple(
            "flowmagic.journal.writer",
            open_file=lambda *given, **how: _Disk(open_file(*given, **how), world),
            _RETRY_EVERY=0.001,
            _GIVE_UP_AFTER=0,
        ):
            return _check(made, world, Path(own) / "journal", cancel_at)


def _check(made: Scenario, world: World, path: Path | None, cancel_at: int | None) -> int:
    loop = BoundedLoop()
    random.seed(made.seed)  # of the waits before retries
    broken: list[str] = []
    # It also gets the errors of nodes' tasks that nobody awaits.
    loop.set_exception_handler(
        lambda _, context: broken.append(str(context)) if "handle" in context else None
    )
    try:
        asyncio.set_event_loop(loop)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            turns = loop.run_until_complete(_simulate(made, world, path, cancel_at))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        # A run that is broken says that it was cut off.
        with contextlib.suppress(RuntimeError), contextlib.redirect_stderr(None):
            loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
    if broken:
        raise BrokenError(f"a callback raised: {broken[0]}")
    return turns


async def _simulate(made: Scenario, world: World, path: Path | None, cancel_at: int | None) -> int:
    calm = await _calm(made)
    threads = threading.enumerate()
    options = made.options if path is None else made.options | {"journal": path}
    batch = made.source.batch(world)
    run = flowmagic.batchflow(made.flow(world), batch, threads=False, **options)
    let_journal_keep_up(run, world)
    world.on_begin = lambda row: _check_limit(run, row)
    loop: Any = asyncio.get_running_loop()
    began = loop.turns
    if cancel_at is not None:
        cancel = Event(0, "cancel")
        loop.at_turn[began + cancel_at] = lambda: cancel(run, world)
    await _live_through(run, made, world)
    turns: int = loop.turns - began
    await asyncio.gather(*world.tasks, return_exceptions=True)
    _check_records(run, calm)
    _check_causes(run, made, world)
    _check_nothing_left(run, threads)
    if path is not None:
        world.disk_is_full = False
        await _check_journal(run, made, calm, path)
    return turns


async def _calm(made: Scenario) -> dict[int, Any]:
    """Return the outputs of all rows without faults and events."""
    source = made.source
    rows = [{"row": row} for row in range(source.rows)]
    run = flowmagic.batchflow(made.calm_flow(World()), rows, limit=1, threads=False)
    await run.settled()
    if not run.ok:
        raise BrokenError(f"the calm run was {run!r}")
    return dict(enumerate(map(without_part, run.outputs)))


def without_part(kept: Any) -> Any:
    """Return an output as it would be in any part of a nested batch flow."""
    if isinstance(kept, list):
        return [without_part(each) for each in kept]
    return kept.partition(" part ")[0] if isinstance(kept, str) else kept


async def _live_through(run: Any, made: Scenario, world: World) -> None:
    """Let everything happen, and wait for the end."""
    loop = asyncio.get_running_loop()
    for event in made.events[:-1]:
        loop.call_later(event.at, event, run, world)
    loop.call_later(made.events[-1].at, _end, run, made.events[-1], world)
    try:
        await asyncio.wait_for(run.settled(), _PATIENCE)
    except asyncio.TimeoutError:
        raise BrokenError(f"it never ends: {run!r}") from None
    _check_timers()
    # Events may come after the end: they must not break it, and a retry continues it.
    while made.events and loop.time() < run._lifecycle.parts.began + made.events[-1].at + 1:
        await asyncio.sleep(made.events[-1].at / 4)
        await run.settled()


def _end(run: Any, event: Event, world: World) -> None:
    if not (run.ended or world.hangs):
        run._broken = BrokenError(f"it stands still: {run!r}")
    event(run, world)


def let_journal_keep_up(run: Any, world: World) -> None:
    """Have the clock wait for the journal of a run, unless its disk is full."""
    loop: Any = asyncio.get_running_loop()
    if (journal := run.journal) is not None:
        loop.is_awaiting = lambda: (
            journal.is_behind or (journal.write_error and not world.disk_is_full)
        )


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
            if isinstance(kept, flowmagic.OutputLostError):
                continue
            if without_part(kept) != calm[index]:
                raise BrokenError(f"the output of row {index} is {kept!r}, not {calm[index]!r}")
            _check_copies(instance)
        elif not isinstance(instance.result, BaseException):
            raise BrokenError(
                f"row {index} is {instance.status} with the result {instance.result!r}"
            )


def _check_copies(instance: Any) -> None:
    """Check that each node copy has its own output, and the instance that of the last one."""
    for copy in instance.copies:
        for each in copy.output if isinstance(copy.output, list) else [copy.output]:
            if type(each) is str and not (
                each.startswith(copy.node)
                and each.endswith(output("", instance.index, copy.params))
            ):
                raise BrokenError(f"the output of {copy.node} in {instance!r} is {each!r}")
    outputs = [copy.output for copy in instance.copies if copy.output is not None]
    if outputs and instance.output != outputs[-1]:
        raise BrokenError(f"the output of {instance!r} is {instance.output!r}, not {outputs[-1]!r}")


def _check_causes(run: Any, made: Scenario, world: World) -> None:
    """Check that something kept each row from succeeding that did not."""
    is_whole = run.status == "finished" and not world.ended_early
    if is_whole and len(run) != made.source.rows:
        raise BrokenError(f"{made.source.rows - len(run)} rows are missing: {run!r}")
    may_fail = made.rate or made.options.get("timeout")
    if is_whole and made.source.kind == "prep" and world.posted != run.results:
        raise BrokenError(f"post got {world.posted}, and the results are {run.results}")
    for index, code in enumerate(run.records.status):
        if code == CANCELLED and is_whole and index not in world.cancelled:
            raise BrokenError(f"nothing cancelled row {index}, which is cancelled: {run!r}")
        if code == FAILED and not may_fail:
            raise BrokenError(f"nothing made row {index} fail: {run[index].error!r}")


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
    run.journal.join()
    with flowmagic.open_journal(path) as journal:
        # There is no run where the disk was full from the beginning to the end.
        succeeded = _check_written(run, journal[1] if journal.runs else (), calm)
    world = World()
    rows = [{"row": row} for row in range(made.source.rows)]
    resumed = flowmagic.batchflow(
        made.calm_flow(world), rows, journal=path, resume="anyway", threads=False, limit=3
    )
    let_journal_keep_up(resumed, world)
    await resumed.settled()
    if again := succeeded & set(world.calls):
        raise BrokenError(f"the rows {sorted(again)} had succeeded, and ran again on resuming")
    if not resumed.ok or dict(enumerate(map(without_part, resumed.outputs))) != calm:
        raise BrokenError(f"the resumed run has {resumed!r}, {resumed.outputs}")
    resumed.journal.join()


def _check_written(run: Any, written: Any, calm: dict[int, Any]) -> set[int]:
    """Check what a journal has of a run; return the rows that have succeeded there."""
    succeeded, missing = set(), []
    rows = {row.index: row for row in written}
    for index, code in enumerate(run.records.status):
        status = str(rows[index].status) if index in rows else "missing"
        if status == "succeeded":
            succeeded.add(index)
            if without_part(rows[index].output) != calm[index]:
                raise BrokenError(f"row {index} has in the file {rows[index].output!r}")
        if code != CANCELLED and status != str(run[index].status):
            missing.append(f"row {index} is {run[index].status}, and {status} in the file")
    if len(missing) > run.journal.lost:
        raise BrokenError(f"{run.journal.lost} rows are said to be lost: {missing}")
    return succeeded
