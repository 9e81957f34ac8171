"""What is known of each instance of a run, in columns. `instances` gives views of it.

A run of 100,000 instances must not fill the memory, nor slow down the garbage collector. So there is
no object per instance: `RecordStore` has columns with one slot per row, and the trace of an ended
instance is packed into one `bytes`.

Times in the columns are those of the run's own clock, the monotonic clock of its event loop. Views
give seconds since the run began.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any

from ..errors import OutputLostError
from .outputs import KEEP_BYTES, RESTORED_OFFSET, OutputStore, by_offset
from .param_reads import ReadSets, ReadTrackingDict
from .printed import PrintedTexts
from .status import CANCELLED, PENDING, RUNNING, STATUSES, SUCCEEDED, RunCounts
from .trace import (
    MOST_ATTEMPTS,
    NAN,
    PackedAttempt,
    Params,
    Restored,
    Trace,
    TraceBoard,
    packer,
    packers,
    unpacked,
)

_NOT_KEPT = OutputLostError(
    "This output is no longer in memory: of rows from a generator, only the latest are kept in full. "
    "Raise keep, or write a journal."
)
_NO_TIME = array("d", [NAN])


class RecordStore(TraceBoard):
    """Everything that is known about the rows of one run, in columns.

    Args:
        base: the flow's own params, over which each row is merged.
        began: when the run began, by the clock of all times.
        keep: how many succeeded rows of a generator keep their params, node copies and outputs. Of
            older ones, only status, times and result are kept.
        secrets: secret texts besides those in the rows, to be masked wherever the run is shown.
        keep_bytes: how many bytes of outputs to keep; see `OutputStore`.
        journaled: whether a journal writes each instance when it has ended.
    """

    def __init__(
        self,
        base: Params,
        began: float,
        keep: int,
        secrets: frozenset[str] = frozenset(),
        keep_bytes: int = KEEP_BYTES,
        *,
        journaled: bool = False,
    ) -> None:
        super().__init__()
        self.base = dict(base)
        self.secrets = secrets
        self.began = began
        self.total: int | None = None
        """The number of rows; None until a generator is exhausted."""
        self.rows: list[Params] | dict[int, Params] = {}
        self.status = bytearray()
        self.started = array("d")
        self.ended = array("d")
        self.earlier = bytearray()
        """How many earlier attempts a row has had; 255 stands for 255 or more."""
        self.read_sets = ReadSets()
        self.read = array("H")
        """The number of the set of keys that an ended row has read; see `read_of`."""
        self.results: list[Any] = []
        self.outputs = OutputStore(keep_bytes, spares_latest=journaled)
        """What the nodes of ended instances returned from exec."""
        self._ends = [0] * len(STATUSES)
        """How many rows have ended with each code. The counts of pending and running rows follow."""
        self.dropped = 0
        """How many rows have lost their params and node copies, because of `keep`."""
        self.live: dict[int, Trace] = {}
        """The traces of running rows, by index."""
        self.history: dict[int, list[PackedAttempt]] = {}
        """The earlier attempts of rows that were run again, by index, oldest first."""
        self.restored: dict[int, Restored] = {}
        """The rows that did not run, because the outcome of an earlier run was taken over."""
        self.writes: dict[int, Any] = {}
        """What the last attempt of an isolated instance wrote to its copy of the shared store."""
        self.printed: PrintedTexts | None = None
        """What the instances print; None if that is not recorded."""
        self._copies: list[bytes] | dict[int, bytes] = {}
        """The packed traces of ended rows: like `rows`, a list if the rows were known in advance."""
        self._extras: dict[int, dict[int, dict[str, Any]]] = {}
        self._keep = keep
        self._drawn = False
        """Whether the rows come from a generator, by `add`, so that `keep` applies to them."""
        self._full: deque[int] = deque()
        """The succeeded rows of a generator that still have everything, oldest first."""

    def __len__(self) -> int:
        return len(self.status)

    def load(self, rows: Sequence[Params]) -> None:
        """Add all rows of a batch that is known in advance."""
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
        """Add a row drawn from a generator, and return its index."""
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
        if self.watchers:
            self.mark(index)
        trace = self.live[index] = Trace()
        # Set here, since an __init__ would double the cost.
        trace.board = self
        trace.row = index
        trace.extras = None
        trace.outputs = None
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
        if trace.outputs:
            self.outputs.put(index, trace.outputs)
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
        for each in self.history.get(index, ()):
            self._forget_attempt(index, each.number)
        if self.printed is not None:
            self.printed.forget(index, self.attempt(index))
        self.outputs.forget(index)
        del self.rows[index]
        del self._copies[index]
        self._extras.pop(index, None)
        self.writes.pop(index, None)
        self.history.pop(index, None)
        self.dropped += 1

    def requeue(self, index: int) -> None:
        """Mark an ended row as pending again, and add its attempt to the history."""
        attempts = self.history.setdefault(index, [])
        self.outputs.retire(index, self.attempt(index))
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
            self._forget_attempt(index, each.number)
        del attempts[:-MOST_ATTEMPTS]
        self.earlier[index] = min(255, self.earlier[index] + 1)
        self.started[index] = self.ended[index] = NAN
        self.results[index] = None
        self._copies[index] = b""
        self._move(index, PENDING)

    def _forget_attempt(self, index: int, number: int) -> None:
        self.outputs.forget((index, number))
        if self.printed is not None:
            self.printed.forget(index, number)

    def attempt(self, index: int) -> int:
        """Return how many earlier attempts a row has had. Unlike `earlier`, it has no upper limit."""
        attempts = self.history.get(index)
        return attempts[-1].number + 1 if attempts else 0

    def printed_of(self, index: int, number: int) -> str:
        """Return what an attempt of a row has printed so far, as far as it is kept."""
        return "" if self.printed is None else self.printed.text(index, number)

    def cancel(self, index: int) -> None:
        """Mark a pending row as cancelled.

        A row that was waiting for another attempt returns to its last one, whose result is not lost.
        """
        attempts = self.history.get(index)
        if not attempts:
            self.results[index] = asyncio.CancelledError()
            self._move(index, CANCELLED)
            return
        last = attempts.pop()
        self.outputs.reinstate(index, last.number)
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
        """Mark every pending row as cancelled; see `cancel`."""
        n = len(self.status)
        # Most pending rows are at the end, and may be very many. These are cancelled all at once,
        # except those that were waiting for another attempt.
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
        """Return the indices of the rows in a status; only those below `end`, if it is given."""
        indices = []
        at = -1
        while (at := self.status.find(code, at + 1, end)) >= 0:
            indices.append(at)
        return indices

    def _move(self, index: int, code: int) -> None:
        """Change the status of a row between pending and a final one."""
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
        counts = self._ends.copy()
        counts[RUNNING] = len(self.live)
        counts[PENDING] = len(self.status) - sum(counts)
        return counts

    @property
    def counts(self) -> RunCounts:
        """How many rows are in each status."""
        return RunCounts(*self.status_counts)

    def row(self, index: int) -> Params:
        """Return the params of a row, without the flow's own; empty if they were dropped."""
        return self.rows[index] if self.keeps(index) else {}

    def merged(self, index: int) -> dict[Any, Any]:
        """Return the flow's own params overlaid with those of a row; empty if these were dropped."""
        return {**self.base, **self.rows[index]} if self.keeps(index) else {}

    def restore(self, index: int, restored: Restored) -> None:
        """Mark a pending row as succeeded, with its outcome in an earlier run."""
        # Without the output, which would otherwise stay in memory whatever the budget is.
        self.restored[index] = restored._replace(output=None)
        if restored.writes is not None:
            self.writes[index] = restored.writes
        if restored.output is not None:
            self.outputs.put(index, [RESTORED_OFFSET, restored.output])
        self.results[index] = restored.result
        self._copies[index] = b""
        self._move(index, SUCCEEDED)

    def keeps(self, index: int) -> bool:
        """Return whether the params of a row are still kept."""
        return isinstance(self.rows, list) or index in self.rows

    def output(self, index: int) -> Any:
        """Return the output of an instance: of its last node copy whose output is not None.

        An `OutputLostError` stands for an output that is no longer kept.
        """
        trace = self.live.get(index)
        if trace is not None:
            return trace.outputs[-1] if trace.outputs else None
        return self.outputs.own(index) if self.keeps(index) else _NOT_KEPT

    def outputs_of(self, index: int) -> dict[int, Any]:
        """Return the outputs of the node copies of an instance, by offset; None is left out."""
        trace = self.live.get(index)
        if trace is not None:
            return by_offset(trace.outputs or ())
        return self.outputs.of(index)

    def read_of(self, index: int) -> frozenset[Any]:
        """Return the keys that a row's last attempt has read of its params, there or not.

        All keys of its params, if what it has read is not known (see `ReadSets`).
        """
        trace = self.live.get(index)
        if trace is None:
            return self.keys_read(index, self.read[index])
        return frozenset() if trace.params is None else frozenset(trace.params.read)

    def keys_read(self, index: int, number: int) -> frozenset[Any]:
        """Return the set of keys with a number, for a row; see `read_of`."""
        read = self.read_sets.keys(number)
        return frozenset(self.merged(index)) if read is None else read

    def trace_of(self, index: int) -> tuple[Sequence[Any], dict[int, dict[str, Any]]]:
        """Return the trace of a row: its fields, `FIELDS` per node copy, and its extras by offset."""
        trace = self.live.get(index)
        if trace is not None:
            return tuple(trace), trace.extras or {}
        packed, extras = self.packed_trace_of(index)
        return unpacked(packed), extras

    def packed_trace_of(self, index: int) -> tuple[bytes, dict[int, dict[str, Any]]]:
        """Return the packed trace of an ended row, and its extras by offset."""
        try:
            packed = self._copies[index]
        except KeyError:  # a generator's row that has not ended, or whose trace was dropped
            packed = b""
        return packed, self._extras.get(index, {})
