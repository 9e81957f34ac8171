"""What is known of each instance, in columns; `instances` gives views of it.

A run of 100,000 instances must neither fill the memory nor feed the garbage collector, so nothing
is kept as an object per instance. `Records` holds columns, one slot per row, and what the node
copies of an ended instance did is packed into one `bytes`.

Columns hold times of the run's own clock, the monotonic one of its event loop; views give seconds
since the run began.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Any, NamedTuple

Params = Mapping[Any, Any]


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

NAN = float("nan")
FIELDS = 5
"""Fields of one node copy in a trace: node number, place of its parent, action number, started, ended.

A copy's place is where its first field stands.
"""

_FORMAT = "iiidd"
_SIZE = Struct(f"<{_FORMAT}").size
_LONG_WALK = 100  # node copies; the formats of longer traces are not worth keeping
# In place of an action's number: the copy has not returned; it returned None, or no known action.
_OPEN, _NO_ACTION = -2, -1
# Beyond it, an action is kept with its row: some flows return a text as their action.
_MAX_NAMES = 4096


class Attempt(NamedTuple):
    """How an attempt went that another one has followed, or may follow. Times as in the columns."""

    code: int
    started: float
    ended: float
    result: Any
    packed: bytes
    extras: dict[int, dict[str, Any]] | None


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


class Trace(list[Any]):
    """The node copies of one running instance, as they are being written.

    One flat list of their fields, no objects: `open` appends a copy and gives its place; `close` and
    `fail` end it. Made by `Records.start`.
    """

    __slots__ = ("extras", "records", "row")

    records: Records
    row: int
    extras: dict[int, dict[str, Any]] | None
    """Of some copies, by place, what fits no field: "params", "action", "error"."""

    def open(self, kind: type, parent: int, now: float, params: Params | None) -> int:
        """Begin a node copy of class `kind`; `params` where they differ from the instance's.

        Args:
            parent: what `open` gave for the nested flow that the copy runs in; -1 at the top.
        """
        at = len(self)
        records = self.records
        try:
            node = records.node_ids[kind]
        except KeyError:
            node = records.name_node(kind)
        self += (node, parent, _OPEN, now, NAN)
        if params is not None:
            self._extra(at)["params"] = params
        row = self.row
        records.nodes[row] = node
        for changed in records.watchers:
            changed.add(row)
        return at

    def close(self, at: int, action: Any, now: float) -> None:
        """End a node copy that returned `action`."""
        self[at + 4] = now
        if action is None:
            self[at + 2] = _NO_ACTION
        elif (known := self.records.action_id(action)) >= 0:
            self[at + 2] = known
        else:
            self[at + 2] = _NO_ACTION
            self._extra(at)["action"] = action

    def fail(self, at: int, error: BaseException, now: float) -> None:
        """End a node copy that raised `error`."""
        self[at + 4] = now
        self._extra(at)["error"] = error

    def _extra(self, at: int) -> dict[str, Any]:
        if self.extras is None:
            self.extras = {}
        return self.extras.setdefault(at, {})


_NO_TIME = array("d", [NAN])
_packers: dict[int, Struct] = {}


def _packer(fields: int) -> Struct:
    packer = _packers.get(fields)
    if packer is None:
        packer = Struct("<" + _FORMAT * (fields // FIELDS))
        if fields < _LONG_WALK * FIELDS:
            _packers[fields] = packer
    return packer


def unpacked(packed: bytes) -> tuple[Any, ...]:
    """Return the fields of an ended trace, as `Trace` wrote them."""
    return _packer(len(packed) // _SIZE * FIELDS).unpack(packed)


class Records:
    """Columns of everything known about the rows of one run.

    Args:
        base: params of the flow, to which each row is merged.
        began: when the run began, by the clock that gives all times; views count from there.
        keep: of rows that come by `add`, how many that succeeded are kept in full (params and node
            copies). Beyond it, the oldest are dropped to status, times and result.
    """

    def __init__(self, base: Params, began: float, keep: int) -> None:
        self.base = dict(base)
        self.began = began
        self.total: int | None = None
        """Number of rows; None until it is known."""
        self.rows: list[Params] | dict[int, Params] = {}
        self.status = bytearray()
        self.nodes = array("H")
        self.started = array("d")
        self.ended = array("d")
        self.earlier = bytearray()
        """How many attempts of a row have another one after them (255 stands for more)."""
        self.results: list[Any] = []
        self._ends = [0] * len(STATUSES)
        """How many rows have ended with each code; the others follow from it."""
        self.watchers: tuple[set[int], ...] = ()
        self.dropped = 0
        """Rows of which params and node copies were dropped (see `keep`)."""
        self.live: dict[int, Trace] = {}
        self.history: dict[int, list[Attempt]] = {}
        """Of rows that were taken up again: their earlier attempts, oldest first."""
        self._copies: dict[int, bytes] = {}
        self._extras: dict[int, dict[int, dict[str, Any]]] = {}
        self._keep = keep
        self._drawn = False
        """Whether rows come by `add`, so that not all of them are kept in full."""
        self._full: deque[int] = deque()
        self.node_names: list[str] = [""]
        self.node_ids: dict[type, int] = {}
        """Number of each node class seen so far, whose name is `node_names[number]`."""
        self._actions: list[str] = []
        self._action_ids: dict[str, int] = {}

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
        self.results.extend([None] * n)
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
        self.results.append(None)
        self.rows[index] = row
        self._drawn = True
        return index

    def watch(self) -> set[int]:
        """Return a set that from now on collects the index of each row that changes.

        Whoever watches empties it. However often a row changes in between, it is in there once.
        """
        changed: set[int] = set()
        self.watchers = (*self.watchers, changed)
        return changed

    def unwatch(self, changed: set[int]) -> None:
        """Stop filling a set that `watch` gave."""
        self.watchers = tuple(each for each in self.watchers if each is not changed)

    def name_node(self, kind: type) -> int:
        """Give a node class that was not seen before a number; 0 when there are too many."""
        if len(self.node_names) >= _MAX_NAMES:
            return 0
        self.node_names.append(kind.__name__)
        number = self.node_ids[kind] = len(self.node_names) - 1
        return number

    def action_id(self, action: Any) -> int:
        """Return the number of an action, or -1 when it is no string or there are too many."""
        if type(action) is not str:
            return -1
        known = self._action_ids.get(action, -1)
        if known < 0 and len(self._actions) < _MAX_NAMES:
            known = self._action_ids[action] = len(self._actions)
            self._actions.append(action)
        return known

    def start(self, index: int, now: float) -> Trace:
        """Mark a pending row as running and return the trace that its instance writes to."""
        self.status[index] = RUNNING
        self.started[index] = now
        for changed in self.watchers:
            changed.add(index)
        trace = self.live[index] = Trace()
        # Here and not in an __init__, which would double the cost.
        trace.records, trace.row, trace.extras = self, index, None
        return trace

    def finish(self, index: int, code: int, result: Any, now: float) -> None:
        """Mark a running row as ended, with its result or exception."""
        trace = self.live.pop(index)
        packer = _packers.get(len(trace)) or _packer(len(trace))
        self._copies[index] = packer.pack(*trace)
        if trace.extras:
            self._extras[index] = trace.extras
        self.ended[index] = now
        self.results[index] = result
        self._ends[code] += 1
        self.status[index] = code
        for changed in self.watchers:
            changed.add(index)
        if self._drawn and code == SUCCEEDED:
            self._full.append(index)
            if len(self._full) > self._keep:
                self._drop(self._full.popleft())

    def _drop(self, index: int) -> None:
        del self.rows[index]
        self._copies.pop(index)
        self._extras.pop(index, None)
        self.history.pop(index, None)
        self.dropped += 1

    def requeue(self, index: int) -> None:
        """Mark an ended row as pending again; how it went so far becomes history."""
        attempts = self.history.setdefault(index, [])
        attempts.append(
            Attempt(
                self.status[index],
                self.started[index],
                self.ended[index],
                self.results[index],
                self._copies.pop(index, b""),
                self._extras.pop(index, None),
            )
        )
        del attempts[:-MOST_ATTEMPTS]
        self.earlier[index] = min(255, self.earlier[index] + 1)
        self.started[index] = self.ended[index] = NAN
        self.results[index] = None
        self._move(index, PENDING)

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
        for changed in self.watchers:
            changed.add(index)

    @property
    def tally(self) -> list[int]:
        """How many rows are in each status, in the order of `STATUSES`."""
        tally = self._ends.copy()
        tally[RUNNING] = len(self.live)
        tally[PENDING] = len(self.status) - sum(tally)
        return tally

    @property
    def counts(self) -> RunCounts:
        """How many rows are in each status."""
        return RunCounts(*self.tally)

    def merged(self, index: int) -> dict[Any, Any]:
        """Return the flow's own params overlaid with the row; empty if the row was dropped."""
        try:
            row = self.rows[index]
        except KeyError:
            return {}
        return {**self.base, **row}

    def trace_of(self, index: int) -> tuple[Sequence[Any], dict[int, dict[str, Any]]]:
        """Return what the node copies of an instance left: the fields, and the extras by place.

        The fields come `FIELDS` by `FIELDS`, as `Trace` wrote them, from the trace of a running
        instance or from what is kept of an ended one.
        """
        trace = self.live.get(index)
        if trace is not None:
            return tuple(trace), trace.extras or {}
        return unpacked(self._copies.get(index, b"")), self._extras.get(index, {})

    def action_name(self, action: int) -> str | None:
        """Return the action with a number; None for numbers that stand for none."""
        return self._actions[action] if action >= 0 else None


_PACKAGE = __name__.partition(".")[0]


def from_users_frame(error: BaseException) -> BaseException:
    """Take our frames off the top of an error's traceback, so that it begins in the user's code."""
    entry = error.__traceback__
    while entry is not None:
        module = entry.tb_frame.f_globals.get("__name__", "")
        if module != _PACKAGE and not module.startswith(f"{_PACKAGE}."):
            return error.with_traceback(entry)
        entry = entry.tb_next
    return error
