"""Crashes: a journal as a kill, or a loss of power, leaves it at every step of its writing.

Runs, each of which resumes those before, are recorded as the sequence of what SQLite does to their
journal. Up to each step it is carried out in another folder: once the process is killed there, once in
the midst of the step, and three times the power is lost: what was not synced is dropped, reordered or
torn. Each state has to open and to hold what had been reported. It is resumed, unless one with the same
rows was.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import flowmagic

from .disk import LOSSES, Disk
from .figures import Figure, print_figures
from .measuring import print_heading, print_table
from .put_back import Bug, put_back
from .recorded_run import LIMIT, NAME, RUNS, Known, Outcome, Recorded, record, resumed
from .recording import NotRecordableError, Op
from .simulation import BrokenError

OPTIONS = {
    "rows": (70, "rows of the recorded batch"),
    "bug-rows": (8, "rows of the batch that is recorded with each bug that is put back"),
    "every": (1, "one of so many states is tried"),
}


class State(NamedTuple):
    """What a crash has left.

    Attributes:
        step: what would have come next.
        crash: "killed", "killed halfway" (through this step), or "power lost: " and what became of what
            was not synced.
        sync: the option of the run.
        files: what is in the folder.
        known: what the runs had reported by then.
    """

    step: int
    crash: str
    sync: str
    files: dict[str, bytes]
    known: list[Known]

    @property
    def has_all(self) -> bool:
        """Whether all that was reported has to be there, and not only what was synced."""
        is_kept = self.sync == "full" or self.crash.startswith("killed")
        return is_kept and not any(run.is_lost for run in self.known)

    def write(self, folder: Path) -> None:
        """Make its files."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    def __str__(self) -> str:
        return f"step {self.step} with sync={self.sync}, {self.crash}"


def states(recorded: Recorded) -> Iterator[State]:
    """Yield what a crash leaves before each step, and after the last one.

    What the runs had reported grows, in the same objects, when the next state is asked for.
    """
    known = [Known() for _ in range(RUNS)]
    disk, step = Disk(), 0

    def state(crash: str, files: dict[str, bytes]) -> State:
        return State(step, crash, recorded.sync, files, known)

    for each in [*recorded.trace, None]:
        if each is not None and not isinstance(each, Op):
            each(known)
            continue
        step += 1
        yield state("killed", disk.after_kill())
        if each is not None and each.kind == "write":
            yield state("killed halfway", disk.after_kill(each))
        for loss in () if disk.is_synced else LOSSES:
            chance = random.Random(f"{step} {loss}")
            yield state(f"power lost: {loss}", disk.without_power(loss, chance))
        if each is not None:
            disk.apply(each)
            if each.kind == "sync" and each.name.endswith("-wal"):
                for run in known:
                    run.note_sync()


def check(state: State, recorded: Recorded, folder: Path, resumed_before: dict[Any, int]) -> int:
    """Check that a journal holds what it promises, resume it, and return how many rows repeat.

    Args:
        folder: an empty one.
        resumed_before: for what is in a journal that was resumed, how many rows repeated; it is added to.

    Raises:
        BrokenError: it has broken a promise.
    """
    state.write(folder)
    # SQLite may use nothing of it, so whatever was there is as good as this.
    (folder / f"{NAME}-shm").write_bytes(random.Random(state.step).randbytes(32_768))
    try:
        content, in_file = _check_file(state, folder / NAME)
        same = content, state.has_all, *(frozenset(run.began) for run in state.known)
        if same not in resumed_before:
            resumed_before[same] = _check_resumed(state, recorded, folder / NAME, in_file)
        return resumed_before[same]
    except BrokenError as error:
        raise BrokenError(f"{state}: {error}") from None
    except Exception as error:
        raise BrokenError(f"{state}: {error!r}") from error
    finally:
        for each in folder.iterdir():
            each.unlink()


def _check_file(state: State, path: Path) -> tuple[int, list[dict[int, Any]]]:
    """Check what is in the journal; return a hash of its tables, and the rows of each run."""
    content = 0
    in_file: list[dict[int, Any]] = [{} for _ in state.known]
    statuses = [""] * len(state.known)
    if path.exists():
        with flowmagic.open_journal(path) as journal:
            (intact,) = journal._connection.execute("PRAGMA integrity_check").fetchone()
            if intact != "ok":
                raise BrokenError(f"the file is damaged: {intact}")
            tables = [journal._connection.execute(f"SELECT * FROM {each}") for each in _TABLES]
            content = hash(tuple(map(tuple, tables)))
            for number, run in enumerate(journal):
                in_file[number] = {each.index: each for each in run}
                statuses[number] = run.status
    for known, rows, status in zip(state.known, in_file, statuses, strict=True):
        _check_rows(known, rows, known.written if state.has_all else known.synced)
        if state.has_all:
            _check_begun(known, rows)
            if known.has_ended and status != "finished":
                raise BrokenError(f"a run had ended, and is {status!r}")
    return content, in_file


def _check_rows(known: Known, rows: dict[int, Any], written: int) -> None:
    """Check that each row is as it was, and that what was reported is there."""
    for index, row in rows.items():
        if row.params != {"row": index}:
            raise BrokenError(f"row {index} has the params {row.params}")
        if row.status in _ENDED:
            _, outcome = known.noted.get((index, row.attempts), (0, None))
            if Outcome.of(row) != outcome:
                raise BrokenError(f"row {index} is {Outcome.of(row)}, and was {outcome}")
    for index, attempt in known.reported(written).items():
        row = rows.get(index)
        if row is None or row.status == "pending" or row.attempts < attempt:
            raise BrokenError(f"attempt {attempt} of row {index} was reported, and is lost: {row}")
        if row.attempts == attempt and row.status not in _ENDED:
            raise BrokenError(f"attempt {attempt} of row {index} was reported, and is {row}")


def _check_begun(known: Known, rows: dict[int, Any]) -> None:
    """Check that the journal knows of each attempt that has begun."""
    for index, attempt in known.began.items():
        row = rows.get(index)
        if row is None or row.status == "pending" or row.attempts < attempt:
            raise BrokenError(
                f"attempt {attempt} of row {index} had begun, and is not there: {row}"
            )
    in_doubt = sum(row.status == "in doubt" for row in rows.values())
    if in_doubt > LIMIT:
        raise BrokenError(f"{in_doubt} rows are in doubt with a limit of {LIMIT}")


def _check_resumed(
    state: State, recorded: Recorded, path: Path, in_file: list[dict[int, Any]]
) -> int:
    outcomes, ran = resumed(recorded, path)
    for row, (outcome, calm) in enumerate(zip(outcomes, recorded.calm, strict=True)):
        if outcome != calm:
            raise BrokenError(f"row {row} is {outcome} after resuming, and not {calm}")
    ended = {row for rows in in_file for row, each in rows.items() if each.status in _ENDED}
    succeeded = {
        row for rows in in_file for row, each in rows.items() if each.status == "succeeded"
    }
    if again := succeeded & ran:
        raise BrokenError(f"the rows {sorted(again)} had succeeded, and ran again on resuming")
    repeated = {row for known in state.known for row in known.began} & ran - ended
    if state.has_all and len(repeated) > LIMIT:
        raise BrokenError(f"{len(repeated)} rows ran twice with a limit of {LIMIT}")
    return len(repeated)


_ENDED = ("succeeded", "failed", "cancelled")
_TABLES = ("runs", "instances", "ranges")


# Does it notice?


BUGS = (
    Bug("rows are reported before they are committed",
        "journal.writer:Writer._write", "with transaction(self.connection):",
        """self.written += rows_in(self._unwritten)
            self._on_progress()
            self.written -= rows_in(self._unwritten)
            with transaction(self.connection):"""),
    Bug('sync="full" syncs no more than sync="normal"',
        "journal.writer:Writer._open", "full=self._full", "full=False"),
    Bug("checkpoints do not sync",
        "journal.writer:Writer._open", "wal_autocheckpoint=0", "synchronous=OFF"),
    Bug("a row starts before the file says so",
        "run.workers:WorkerPool._claimed", "await scheduler.recorded()", "pass"),
    Bug("the start of a row is not written",
        "journal.row_log:RowLog.starts", "self._outbox.put_last(self._started, index, attempt)", "pass"),
    Bug("nothing waits for what is to be written",
        "journal.outbox:Outbox.settled", "self._awaited", "0"),
    Bug("the copy that replaces a journal is not synced",
        "journal.file_watch:FileWatch.replace", "os.fsync(descriptor)", "pass"),
)  # fmt: skip
"""Faults of the writer, which are edits of one method."""


@dataclass
class Tried:
    """The states that were tried of one recording.

    Attributes:
        steps: of the recording.
        states: that were tried, by the crash.
        broken: what was found.
        resumed: how many of them were resumed, each with other rows.
        repeated: how many rows ran twice at most, where everything reported has to be there.
    """

    steps: int = 0
    states: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    resumed: int = 0
    repeated: int = 0


def tried(recorded: Recorded, every: int = 1) -> Tried:
    """Check what crashes leave; of the states, one of so many."""
    found = Tried(steps=sum(isinstance(each, Op) for each in recorded.trace))
    resumed_before: dict[Any, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for state in itertools.islice(states(recorded), 0, None, every):
            found.states[state.crash] += 1
            try:
                repeated = check(state, recorded, Path(folder), resumed_before)
            except BrokenError as error:
                found.broken.append(str(error))
            else:
                found.repeated = max(found.repeated, repeated if state.has_all else 0)
    found.resumed = len(resumed_before)
    return found


def measure(rows: int, bug_rows: int, every: int) -> None:
    """Print what was found in all states, and then in how many each bug is found."""
    print_heading()
    began = time.monotonic()
    try:
        done = [tried(record(rows, sync), every) for sync in _SYNCS]
    except NotRecordableError as error:
        print_figures([Figure(str(error), None)])
        return
    taken = time.monotonic() - began
    figures = [
        Figure(
            f'states with a broken promise, sync="{sync}": {each.steps:,} steps',
            len(each.broken), 0, "states",
            beside=f"of {each.states.total():,}: "
            + ", ".join(f"{many:,} {crash}" for crash, many in each.states.items()),
        )
        for sync, each in zip(_SYNCS, done, strict=True)
    ]  # fmt: skip
    resumed_all = sum(each.resumed for each in done)
    figures.append(
        Figure(
            f"rows that had begun and ran twice, at most: limit {LIMIT}",
            max(each.repeated for each in done), LIMIT, "rows",
            beside=f"{resumed_all:,} resumed; {taken:,.0f} s in all",
        )
    )  # fmt: skip
    print_figures(figures)
    for text in itertools.islice(itertools.chain(*(each.broken for each in done)), _MOST_SHOWN):
        print(text)
    table = []
    for bug in BUGS:
        with put_back(bug):
            recorded = record(bug_rows, "full")
        with_bug = tried(recorded, every)
        broken, total = len(with_bug.broken), with_bug.states.total()
        first = with_bug.broken[0][:_WIDTH] if broken else ""
        table.append((bug.name, f"{broken:,} of {total:,} states", first))
    print_table(("put back", "found in", "first found"), table)


_SYNCS = ("normal", "full")
_MOST_SHOWN = 20
_WIDTH = 120  # characters
