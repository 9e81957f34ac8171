"""Does the simulation notice? Bugs of earlier days are put back, and counted is which integers find them.

Each bug is an edit of one method, which is undone afterwards.
"""

# ruff: noqa: E501 - the lines of other modules

from __future__ import annotations

import contextlib
import importlib
import inspect
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .measuring import print_heading, print_table
from .simulation import BrokenError, simulate

OPTIONS = {
    "seeds": (2_000, "integers that are simulated with each bug"),
    "first": (1, "the first of them"),
}


class Bug(NamedTuple):
    """A bug: an edit of a method.

    Attributes:
        name: what goes wrong.
        place: of the method, as "module:Class.method".
        old, new: the lines that differ.
    """

    name: str
    place: str
    old: str
    new: str


BUGS = (
    Bug("a slot leaks when a worker ends",
        "run.workers:WorkerPool._left", "self._limiter.release()", "len(self._workers) == 1 or self._limiter.release()"),
    Bug("a row that was cancelled while it waited ends the batch",
        "run.scheduler:Scheduler.take", "break", "break\n            self.exhaust()\n            return None"),
    Bug("a row that was admitted just before a cool-down runs within it",
        "run.workers:WorkerPool._run_instances", "limiter.cooling(now)", "False"),
    Bug("slots that are held do not heed a lowered limit",
        "run.workers:WorkerPool._run_instances", "self._held or limiter.running > limiter.concurrency", "self._held"),
    Bug("a stopped run still waits for its retries",
        "run.scheduler:Scheduler.forget_retries", "timer.cancel()", "pass"),
    Bug("rows that did not start stay pending",
        "run.lifecycle:Lifecycle._end", "self._records.cancel_pending()", "pass"),
    Bug("outputs of parallel walks are mixed up",
        "records.trace:Trace.note_output", "at > outputs[-2]", "True"),
    Bug("a timeout fires after its instance has ended",
        "run.workers:WorkerPool._run_instances", "self._timeouts.pop(index).cancel()", "self._timeouts.pop(index)"),
    Bug("a claimed row that cannot start is lost",
        "run.scheduler:Scheduler.give_back", "self._retries.appendleft(index)", "self._records.total"),
    Bug("a pause that ends starts nothing",
        "run.lifecycle:Lifecycle.resume", "self._pump()", "None"),
    Bug("what a full disk has cost is forgotten when the run is continued",
        "journal.outbox:Outbox.open", "self.writers.append(self._open_writer(self._on_progress, earlier))",
        "self.writers = [self._open_writer(self._on_progress, None)]"),
    Bug("one too many at once",
        "limits.limits:Limiter.admit", ">= self.concurrency", "> self.concurrency"),
)  # fmt: skip


@contextlib.contextmanager
def put_back(bug: Bug) -> Iterator[None]:
    """Have a bug within a `with` block.

    Raises:
        ValueError: the method has no such lines any more.
    """
    module_name, _, path = bug.place.partition(":")
    module = importlib.import_module(f"flowmagic.{module_name}")
    class_name, _, name = path.partition(".")
    kind = getattr(module, class_name)
    method = vars(kind)[name]
    source = inspect.getsource(module)
    own = inspect.getsource(method)
    edited = own.replace(bug.old, bug.new, 1)
    if edited == own:
        raise ValueError(f"{bug.place} has no {bug.old!r}")
    names: dict[str, Any] = {"__name__": module.__name__, "__package__": module.__package__}
    exec(compile(source.replace(own, edited, 1), "<put back>", "exec"), names)
    code = vars(names[class_name])[name].__code__
    function = types.FunctionType(code, vars(module), name, method.__defaults__, method.__closure__)
    function.__kwdefaults__ = method.__kwdefaults__
    setattr(kind, name, function)
    try:
        yield
    finally:
        setattr(kind, name, method)


def found_by(bug: Bug, seeds: range, folder: Path) -> list[int]:
    """Return the integers whose simulation breaks with a bug, though it does not break without."""
    found = []
    with put_back(bug):
        for seed in seeds:
            try:
                simulate(seed, folder)
            except BrokenError:
                found.append(seed)
            except Exception:  # noqa: BLE001 - a bug may make anything raise
                found.append(seed)
    return found


def measure(seeds: int, first: int) -> None:
    """Print the table."""
    print_heading()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for bug in BUGS:
            found = found_by(bug, range(first, first + seeds), Path(folder))
            rows.append((bug.name, f"{len(found)} of {seeds}", str(found[0]) if found else "never"))
    print_table(("put back", "found in", "first by"), rows)
