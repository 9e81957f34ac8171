"""What is known of each instance of a run. `columns` holds it; `instances` gives views of it."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Sequence
from typing import Any

from .columns import Columns
from .outputs import RESTORED_OFFSET
from .param_reads import ReadTrackingDict
from .status import CANCELLED, PENDING, RUNNING, SUCCEEDED
from .trace import (
    MOST_ATTEMPTS,
    NAN,
    PackedAttempt,
    Params,
    Restored,
    Trace,
    packer,
    packers,
)

_NO_TIME = array("d", [NAN])


class RecordStore(Columns):
    """Everything that is known about the rows of one run, written as they start and end."""

    def load(self, rows: Sequence[Params], index: Any = None) -> None:
        """Add all rows of a batch that is known in advance, and its pandas index if it has one."""
        n = len(rows)
        self.rows = list(rows)
        self.index = index
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

    def start(
        self,
        index: int,
        now: float,
        params: ReadTrackingDict | None = None,
        mutable: bool = False,  # noqa: FBT001, FBT002 - a keyword costs 1 % (benchmarks overhead)
    ) -> Trace:
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
        trace.mutable = mutable
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
        self.given.forget(index)
        self.writes.pop(index, None)
        self.history.pop(index, None)
        self.dropped += 1

    def requeue(self, index: int) -> None:
        """Mark an ended row as pending again, and add its attempt, if there was one, to the history."""
        if self.status[index] == CANCELLED and math.isnan(self.started[index]):
            self.results[index] = None
            self._move(index, PENDING)
            return
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

    def cancel(self, index: int, *reason: str) -> None:
        """Mark a pending row as cancelled, and say why in its result if there is a reason.

        A row that was waiting for another attempt returns to its last one, whose result is not lost.
        """
        attempts = self.history.get(index)
        if not attempts:
            self.results[index] = asyncio.CancelledError(*reason)
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

    def _move(self, index: int, code: int) -> None:
        """Change the status of a row between pending and a final one."""
        before = self.status[index]
        if before != PENDING:
            self._ends[before] -= 1
        if code != PENDING:
            self._ends[code] += 1
        self.status[index] = code
        self.mark(index)

    def restore(self, index: int, restored: Restored) -> None:
        """Mark a pending row as succeeded, with its outcome in an earlier run."""
        self.restored[index] = restored.run, restored.position
        if restored.writes is not None:
            self.writes[index] = restored.writes
        if restored.output is not None:
            self.outputs.put(index, [RESTORED_OFFSET, restored.output])
        self.results[index] = restored.result
        self._copies[index] = b""
        self._move(index, SUCCEEDED)
