"""What is stored of attempts that are over: earlier ones of this run, and those of an earlier run."""

from __future__ import annotations

from typing import Any, NamedTuple


class PackedAttempt(NamedTuple):
    """An earlier attempt of a row, as it is stored. `Instance.history` shows it as an `Attempt`.

    Attributes:
        code: the code of its final status.
        started, ended: by the run's own clock, as in the columns.
        result: its last action, or its exception.
        packed: its packed trace; see `trace.unpacked`.
        extras: what fits no field of the trace; see `Trace.extras`.
        number: how many attempts of the row came before it.
        read: the number of the set of keys that it has read; see `ReadSets`.
    """

    code: int
    started: float
    ended: float
    result: Any
    packed: bytes
    extras: dict[int, dict[str, Any]] | None
    number: int
    read: int


class Restored(NamedTuple):
    """The outcome of a row in an earlier run, read from the journal.

    Attributes:
        run: number of the earlier run in the journal.
        position: index of the row in that run.
        result: its last action.
        writes: what it wrote to its own copy of the shared store; None if it was not isolated.
    """

    run: int
    position: int
    result: Any
    writes: Any


MOST_ATTEMPTS = 20
"""How many earlier attempts of a row are kept: the latest ones."""
