"""What is known of each instance, in columns; `instances` gives views of it.

A run of 100,000 instances must neither fill the memory nor feed the garbage collector, so nothing
is kept as an object per instance. `RecordStore` holds columns, one slot per row, and what the node
copies of an ended instance did is packed into one `bytes`.

Columns hold times of the run's own clock, the monotonic one of its event loop; views give seconds
since the run began.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

from .param_reads import ReadSets, ReadTrackingDict
from .trace import NAN, Params, Trace, TraceBoard, packer, packers, unpacked


class Status(str, Enum):
    """Where an instance is. A string: `instance.status == "failed"` holds."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __str__ = str.__str__


STATUSES = tuple(Status)
"""Every status, at the index that is its code in the status column."""

PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED = range(len(STATUSES))


class PackedAttempt(NamedTuple):
    """How an attempt went that another one has followed, or may follow. Times as in the columns."""

    code: int
    started: float
    ended: float
    result: Any
    packed: bytes
    extras: dict[int, dict[str, Any]] | None
    number: int
    """How many attempts of the row came before it."""
    read: int


class Printed(Protocol):
    """Keeps what the instances of a run print, by row and number of the attempt."""

    def context(self, base: Context) -> Context:
        """Return what the Context of each instance is to be a copy of."""

    def text(self, index: int, number: int) -> str:
        """Return what an attempt printed."""

    def forget(self, index: int, number: int) -> None:
        """Drop what an attempt printed."""


class Restored(NamedTuple):
    """What an earlier run, by its number in the journal, has left of a row there."""

    run: int
    position: int
    result: Any
    writes: Any


MOST_ATTEMPTS = 20
"""Of one row, how many earlier attempts are kept: the latest."""


@dataclass(frozen=True)
class RunCounts:
    """How many rows are in each status. They always add up to `total`."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All rows known so far."""
        return self.pending + self.running + self.ended

    @property
    def ended(self) -> int:
        """Rows that will not change any more."""
        return self.succeeded + self.failed + self.cancelled


_NO_TIME = array("d", [NAN])


class RecordStore(TraceBoard):
    """Columns of everything known about the rows of one run.

    Args:
        base: params of the flow, to which each row is merged.
        began: when the run began, by the clock that gives all times; views count from there.
        keep: of rows that come by `add`, how many that succeeded are kept in full (params and node
            copies). Beyond it, the oldest are dropped to status, times and result.
        secrets: what is masked wherever something of the run is shown, besides those of its rows.
    """

    def __init__(
        self, base: Params, began: float, keep: int, secrets: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self.base = dict(base)
        self.secrets = secrets
        self.began = began
        self.total: int | None = None
        """Number of rows; None until it is known."""
        self.rows: list[Params] | dict[int, Params] = {}
        self.status = bytearray()
        self.started = array("d")
        self.ended = array("d")
        self.earlier = bytearray()
        """How many attempts of a row have another one after them (255 stands for more)."""
        self.read_sets = ReadSets()
        self.read = array("H")
        """Of each row that has ended, the number of the keys that were read of it; see `read_of`."""
        self.results: list[Any] = []
        self._ends = [0] * len(STATUSES)
        """How many rows have ended with each code; the others follow from it."""
        self.dropped = 0
        """Rows of which params and node copies were dropped (see `keep`)."""
        self.live: dict[int, Trace] = {}
        self.history: dict[int, list[PackedAttempt]] = {}
        """Of rows that were taken up again: their earlier attempts, oldest first."""
        self.restored: dict[int, Restored] = {}
        """Rows that did not run: what an earlier run left of them was taken over."""
        self.writes: dict[int, Any] = {}
        """Of isolated instances: what the last attempt has written to its view of the store."""
        self.printed: Printed | None = None
        """What the instances print; None where that is not kept apart."""
        self._copies: list[bytes] | dict[int, bytes] = {}
        """Packed traces of ended rows: like `rows`, a list if they were known in advance."""
        self._extras: dict[int, dict[int, dict[str, Any]]] = {}
        self._keep = keep
        self._drawn = False
        """Whether rows come by `add`, so that not all of them are kept in full."""
        self._full: deque[int] = deque()

    def __len__(self) -> int:
        return len(self.status)

    def load(self, rows: Sequence[Params]) -> None:
        """Take the rows of a batch that is known in advance."""
        n = len(rows)
        self.rows = list(rows)
        self.total = n
        self.status.extend(bytes(n))
        self.nodes.frombytes(bytes(n * self.nodes.itemsize))
        self.started.extend(_NO_TIME * n)
        self.ended.extend(_NO_TIME * n)
        self.earlier.extend(bytes(n))
        self.read.frombytes(bytes(n * self.read.itemsize))
        self.results.extend([None] * n)
        self._copies = [b""] * n
        for changed in self.watchers:
            changed.update(range(n))

    def add(self, row: Params) -> int:
        """Add a row drawn from a generator; return its index."""
        index = len(self.status)
        self.status.append(PENDING)
        self.nodes.append(0)
        self.started.append(NAN)
        self.ended.append(NAN)
        self.earlier.append(0)
        self.read.append(0)
        self.results.append(None)
        self.rows[index] = row
        self._drawn = True
        return index

    def start(self, index: int, now: float, params: ReadTrackingDict | None = None) -> Trace:
        """Mark a pending row as running and return the trace that its instance writes to."""
        self.status[index] = RUNNING
        self.started[index] = now
        if self.watchers:  # a loop over none is felt
            self.mark(index)
        trace = self.live[index] = Trace()
        # Here and not in an __init__, which would double the cost.
        trace.board = self
        trace.row = index
        trace.extras = None
        trace.params = params
        return trace

    def finish(self, index: int, result: Any, now: float, code: int = SUCCEEDED) -> None:
        """Mark a running row as ended, with its result or exception."""
        trace = self.live.pop(index)
        try:
            pack = packers[len(trace)]
        except KeyError:
            pack = packer(len(trace))
        self._copies[index] = pack(*trace)
        if trace.extras:
            self._extras[index] = trace.extras
        if trace.params is not None and trace.params.read:
            self.read[index] = self.read_sets.number(trace.params.read)
        self.ended[index] = now
        self.results[index] = result
        self._ends[code] += 1
        self.status[index] = code
        if self.watchers:
            self.mark(index)
        if self._drawn and code == SUCCEEDED:
            self._full.append(index)
            if len(self._full) > self._keep:
                self._drop(self._full.popleft())

    def _drop(self, index: int) -> None:
        if self.printed is not None:
            for number in (
                *(each.number for each in self.history.get(index, ())),
                self.attempt(index),
            ):
                self.printed.forget(index, number)
        del self.rows[index]
        del self._copies[index]
        self._extras.pop(index, None)
        self.writes.pop(index, None)
        self.history.pop(index, None)
        self.dropped += 1

    def requeue(self, index: int) -> None:
        """Mark an ended row as pending again; how it went so far becomes history."""
        attempts = self.history.setdefault(index, [])
        attempts.append(
            PackedAttempt(
                self.status[index],
                self.started[index],
                self.ended[index],
                self.results[index],
                self._copies[index],
                self._extras.pop(index, None),
                self.attempt(index),
                self.read[index],
            )
        )
        self.read[index] = 0
        for each in attempts[:-MOST_ATTEMPTS]:
            if self.printed is not None:
                self.printed.forget(index, each.number)
        del attempts[:-MOST_ATTEMPTS]
        self.earlier[index] = min(255, self.earlier[index] + 1)
        self.started[index] = self.ended[index] = NAN
        self.results[index] = None
        self._copies[index] = b""
        self._move(index, PENDING)

    def attempt(self, index: int) -> int:
        """Return how many attempts of a row have another one after them, however many that are."""
        attempts = self.history.get(index)
        return attempts[-1].number + 1 if attempts else 0

    def printed_of(self, index: int, number: int) -> str:
        """Return what an attempt of a row has printed so far, as far as that is kept."""
        return "" if self.printed is None else self.printed.text(index, number)

    def cancel(self, index: int) -> None:
        """Mark a pending row as one that will not start.

        A row that was to be taken up again is what it was before: its result is not lost.
        """
        attempts = self.history.get(index)
        if not attempts:
            self.results[index] = asyncio.CancelledError()
            self._move(index, CANCELLED)
            return
        last = attempts.pop()
        if not attempts:
            del self.history[index]
        self.earlier[index] -= 1
        self.started[index], self.ended[index] = last.started, last.ended
        self.results[index] = last.result
        self.read[index] = last.read
        self._copies[index] = last.packed
        if last.extras:
            self._extras[index] = last.extras
        self._move(index, last.code)

    def cancel_pending(self) -> None:
        """Mark every pending row as one that will not start; see `cancel`."""
        n = len(self.status)
        # Most of them are the tail, which may be very long: it goes in one sweep, but for the rows
        # in it that were to be taken up again.
        for at in [at for at in self.history if self.status[at] == PENDING]:
            self.cancel(at)
        tail = len(self.status.rstrip(bytes([PENDING])))
        for at in self.with_status(PENDING, tail):
            self.cancel(at)
        self.results[tail:] = [asyncio.CancelledError()] * (n - tail)
        self.status[tail:] = bytes([CANCELLED]) * (n - tail)
        self._ends[CANCELLED] += n - tail
        for changed in self.watchers:
            changed.update(range(tail, n))

    def with_status(self, code: int, end: int | None = None) -> list[int]:
        """Return the indices, below `end`, of the rows in a status."""
        found = []
        at = -1
        while (at := self.status.find(code, at + 1, end)) >= 0:
            found.append(at)
        return found

    def _move(self, index: int, code: int) -> None:
        """Take a row from pending to an end, or back."""
        before = self.status[index]
        if before != PENDING:
            self._ends[before] -= 1
        if code != PENDING:
            self._ends[code] += 1
        self.status[index] = code
        self.mark(index)

    @property
    def status_counts(self) -> list[int]:
        """How many rows are in each status, in the order of `STATUSES`."""
        status_counts = self._ends.copy()
        status_counts[RUNNING] = len(self.live)
        status_counts[PENDING] = len(self.status) - sum(status_counts)
        return status_counts

    @property
    def counts(self) -> RunCounts:
        """How many rows are in each status."""
        return RunCounts(*self.status_counts)

    def row(self, index: int) -> Params:
        """Return the params of a row, without the flow's own; empty if it was dropped."""
        try:
            return self.rows[index]
        except KeyError:
            return {}

    def merged(self, index: int) -> dict[Any, Any]:
        """Return the flow's own params overlaid with the row; empty if the row was dropped."""
        try:
            row = self.rows[index]
        except KeyError:
            return {}
        return {**self.base, **row}

    def restore(self, index: int, left: Restored) -> None:
        """Mark a pending row as succeeded, by what an earlier run has left of it."""
        self.restored[index] = left
        if left.writes is not None:
            self.writes[index] = left.writes
        self.results[index] = left.result
        self._copies[index] = b""
        self._move(index, SUCCEEDED)

    def keeps(self, index: int) -> bool:
        """Whether the params of a row are still kept."""
        return isinstance(self.rows, list) or index in self.rows

    def read_of(self, index: int) -> frozenset[Any]:
        """Return the keys of a row's params that its last attempt has asked for, there or not.

        Of one that reads in so many ways that they are not told apart, all that it has.
        """
        trace = self.live.get(index)
        if trace is None:
            return self.read_by(index, self.read[index])
        return frozenset() if trace.params is None else frozenset(trace.params.read)

    def read_by(self, index: int, number: int) -> frozenset[Any]:
        """Return the keys of a row's params that stand under a number; see `read_of`."""
        read = self.read_sets.keys(number)
        return frozenset(self.merged(index)) if read is None else read

    def trace_of(self, index: int) -> tuple[Sequence[Any], dict[int, dict[str, Any]]]:
        """Return what the node copies of an instance left: the fields, and the extras by place.

        The fields come `FIELDS` by `FIELDS`, as `Trace` wrote them, from the trace of a running
        instance or from what is kept of an ended one.
        """
        trace = self.live.get(index)
        if trace is not None:
            return tuple(trace), trace.extras or {}
        packed, extras = self.left_by(index)
        return unpacked(packed), extras

    def left_by(self, index: int) -> tuple[bytes, dict[int, dict[str, Any]]]:
        """Return what is kept of an ended instance: its trace as it is packed, and the extras."""
        try:
            packed = self._copies[index]
        except KeyError:  # of a generator's row that has not ended, or is no longer kept
            packed = b""
        return packed, self._extras.get(index, {})
