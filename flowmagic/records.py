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
from typing import Any

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
"""Fields of one node copy in a trace: node number, parent, action number, started, ended."""

_FORMAT = "iiidd"
_SIZE = Struct(f"<{_FORMAT}").size
_LONG_WALK = 100  # node copies; the formats of longer traces are not worth keeping
# In place of an action's number: the copy has not returned; it returned None, or no known action.
_OPEN, _NO_ACTION = -2, -1
# Beyond it, an action is kept with its row: some flows return a text as their action.
_MAX_NAMES = 4096


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


class Trace:
    """The node copies of one running instance, as they are being written.

    One flat list, no objects: `open` appends a copy and gives its position; `close` and `fail` end
    it.
    """

    __slots__ = ("extras", "flat", "index", "records")

    def __init__(self, records: Records, index: int) -> None:
        self.records = records
        self.index = index
        self.flat: list[Any] = []
        self.extras: dict[int, dict[str, Any]] | None = None

    def open(self, kind: type, parent: int, now: float, params: Params | None) -> int:
        """Begin a node copy of class `kind`; `params` where they differ from the instance's."""
        flat = self.flat
        position = len(flat) // FIELDS
        records = self.records
        node = records.node_id(kind)
        flat += (node, parent, _OPEN, now, NAN)
        if params is not None:
            self._extra(position)["params"] = params
        index = self.index
        records.nodes[index] = node
        for changed in records.watchers:
            changed.add(index)
        return position

    def close(self, position: int, action: Any, now: float) -> None:
        """End a node copy that returned `action`."""
        flat = self.flat
        at = position * FIELDS
        flat[at + 4] = now
        if action is None:
            flat[at + 2] = _NO_ACTION
        elif (known := self.records.action_id(action)) >= 0:
            flat[at + 2] = known
        else:
            flat[at + 2] = _NO_ACTION
            self._extra(position)["action"] = action

    def fail(self, position: int, error: BaseException, now: float) -> None:
        """End a node copy that raised `error`."""
        self.flat[position * FIELDS + 4] = now
        self._extra(position)["error"] = error

    def _extra(self, position: int) -> dict[str, Any]:
        if self.extras is None:
            self.extras = {}
        return self.extras.setdefault(position, {})

    def packed(self) -> bytes:
        """Return the node copies in their final form."""
        flat = self.flat
        return _packer(len(flat) // FIELDS).pack(*flat)


_packers: dict[int, Struct] = {}


def _packer(copies: int) -> Struct:
    packer = _packers.get(copies)
    if packer is None:
        packer = Struct("<" + _FORMAT * copies)
        if copies < _LONG_WALK:
            _packers[copies] = packer
    return packer


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
        self.attempts = bytearray()
        self.results: list[Any] = []
        self.tally = [0] * len(STATUSES)
        self.watchers: tuple[set[int], ...] = ()
        self.dropped = 0
        """Rows of which params and node copies were dropped (see `keep`)."""
        self.live: dict[int, Trace] = {}
        self._copies: dict[int, bytes] = {}
        self._extras: dict[int, dict[int, dict[str, Any]]] = {}
        self._keep = keep
        self._full: deque[int] = deque()
        self.node_names: list[str] = [""]
        self._node_ids: dict[type, int] = {}
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
        self.started.extend([NAN] * n)
        self.ended.extend([NAN] * n)
        self.attempts.extend(bytes(n))
        self.results.extend([None] * n)
        self.tally[PENDING] += n
        for changed in self.watchers:
            changed.update(range(n))

    def add(self, row: Params) -> int:
        """Add a row drawn from a generator; return its index."""
        index = len(self.status)
        self.status.append(PENDING)
        self.nodes.append(0)
        self.started.append(NAN)
        self.ended.append(NAN)
        self.attempts.append(0)
        self.results.append(None)
        self.rows[index] = row
        self.tally[PENDING] += 1
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

    def node_id(self, kind: type) -> int:
        """Return the number of a node class, whose name is `node_names[number]`."""
        try:
            return self._node_ids[kind]
        except KeyError:
            pass
        if len(self.node_names) < _MAX_NAMES:
            self.node_names.append(kind.__name__)
            self._node_ids[kind] = len(self.node_names) - 1
            return len(self.node_names) - 1
        return 0

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
        """Mark a row as running and return the trace that its instance writes to."""
        self._move(index, RUNNING)
        self.started[index] = now
        self.ended[index] = NAN
        self.attempts[index] = min(255, self.attempts[index] + 1)
        self._copies.pop(index, None)
        self._extras.pop(index, None)
        trace = self.live[index] = Trace(self, index)
        return trace

    def finish(self, index: int, code: int, result: Any, now: float) -> None:
        """Mark a running row as ended, with its result or exception."""
        trace = self.live.pop(index)
        self._copies[index] = trace.packed()
        if trace.extras:
            self._extras[index] = trace.extras
        self.ended[index] = now
        self.results[index] = result
        self._move(index, code)
        if code == SUCCEEDED and isinstance(self.rows, dict):
            self._full.append(index)
            if len(self._full) > self._keep:
                self._drop(self._full.popleft())

    def _drop(self, index: int) -> None:
        del self.rows[index]
        self._copies.pop(index)
        self._extras.pop(index, None)
        self.dropped += 1

    def requeue(self, index: int) -> None:
        """Mark an ended row as pending again; what it left stays until it starts."""
        self._move(index, PENDING)

    def cancel_pending(self) -> None:
        """Mark every row that has not started as cancelled."""
        n = len(self.status)
        # Most of them are the tail, which may be very long: it goes in one sweep.
        tail = len(self.status.rstrip(bytes([PENDING])))
        for at in self.with_status(PENDING, tail):
            self.results[at] = asyncio.CancelledError()
            self._move(at, CANCELLED)
        self.results[tail:] = [asyncio.CancelledError()] * (n - tail)
        self.status[tail:] = bytes([CANCELLED]) * (n - tail)
        self.tally[PENDING] -= n - tail
        self.tally[CANCELLED] += n - tail
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
        tally = self.tally
        tally[self.status[index]] -= 1
        tally[code] += 1
        self.status[index] = code
        for changed in self.watchers:
            changed.add(index)

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
        """Return what the node copies of an instance left: the fields, and the extras by position.

        The fields come `FIELDS` by `FIELDS`, as `Trace` wrote them, from the trace of a running
        instance or from what is kept of an ended one.
        """
        trace = self.live.get(index)
        if trace is not None:
            return tuple(trace.flat), trace.extras or {}
        packed = self._copies.get(index, b"")
        return _packer(len(packed) // _SIZE).unpack(packed), self._extras.get(index, {})

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
