"""Traces: what the node copies of one instance did, recorded while it runs, and stored afterwards.

Times are those of the run's own clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple, Protocol

from .param_reads import ReadTrackingDict

Params = Mapping[Any, Any]
"""One row of a batch: the params of one instance."""

NAN = float("nan")
FIELDS = 5
"""How many fields of a trace belong to one node copy.

They are: the number of the node, the offset of the parent, the number of the action, started, ended.
The offset of a node copy is the index of its first field.
"""

ACTION, ENDED = 2, 4
"""The index of these fields among those of a node copy."""

_FORMAT = "iiidd"
_SIZE = Struct(f"<{_FORMAT}").size
_ACTIONS = Struct("<i4xi16x")  # only the node and the action of a copy
_TIMES = Struct("<i8xdd")  # only the node and the times of a copy
_LONG_WALK = 100  # node copies; longer traces are rare, and their packers are not kept
OPEN, NO_ACTION = -2, -1
"""Stand for the number of an action: the copy has not returned; it returned nothing with a number."""

_MAX_NAMES = (
    4096  # further actions are stored with their rows: some flows return any text as an action
)


def time_or_none(time: float) -> float | None:
    """Return a time of the columns or of a trace; None for NaN, which stands for no time."""
    return None if time != time else time  # noqa: PLR0124 - a test for NaN without a call


class Watcher(Protocol):
    """Gets the index of each row that changes, on the run's loop: a set, or what acts on it."""

    def add(self, row: int, /) -> None:
        """Take a row that has changed."""

    def update(self, rows: Iterable[int], /) -> None:
        """Take rows that have all changed to the same status."""


class TraceBoard:
    """What all traces of a run share.

    It gives numbers to nodes and actions, knows at which node each row is, and tells watchers which
    rows have changed.
    """

    def __init__(self) -> None:
        self.nodes = array("H")
        """The number of the node of each row that began last; 0 before the first one."""
        self.watchers: tuple[Watcher, ...] = ()
        self.node_names: list[str] = [""]
        self.node_ids: dict[type, int] = {}
        """The number of each node class seen so far. Its name is `node_names[number]`."""
        self._actions: list[str] = []
        self._action_ids: dict[str, int] = {}

    def watch(self) -> set[int]:
        """Return a set to which the index of each row that changes is added from now on.

        The watcher empties the set when it has dealt with the changes.
        """
        changed: set[int] = set()
        self.watch_with(changed)
        return changed

    def watch_with(self, watcher: Watcher) -> None:
        """Give a watcher the index of each row that changes from now on."""
        self.watchers = (*self.watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Give a watcher, or a set that `watch` returned, no more rows."""
        self.watchers = tuple(each for each in self.watchers if each is not watcher)

    def mark(self, row: int) -> None:
        """Tell the watchers that a row has changed."""
        for changed in self.watchers:
            changed.add(row)

    def name_node(self, kind: type) -> int:
        """Give a number to a new node class, and return it; 0 if there are too many classes."""
        if len(self.node_names) >= _MAX_NAMES:
            return 0
        self.node_names.append(kind.__name__)
        number = self.node_ids[kind] = len(self.node_names) - 1
        return number

    def action_id(self, action: Any) -> int:
        """Return the number of an action; -1 if it is not a string, or if there are too many actions."""
        if type(action) is not str:
            return -1
        known = self._action_ids.get(action, -1)
        if known < 0 and len(self._actions) < _MAX_NAMES:
            known = self._action_ids[action] = len(self._actions)
            self._actions.append(action)
        return known

    def action_name(self, action: int) -> str | None:
        """Return the action with a number; None for `OPEN` and `NO_ACTION`."""
        return self._actions[action] if action >= 0 else None


class Trace(list[Any]):
    """The node copies of one running instance.

    A flat list with `FIELDS` fields per node copy. `open` appends a copy and returns its offset;
    `close` and `fail` end it. `RecordStore.start` makes a trace and sets its attributes.
    """

    __slots__ = ("board", "extras", "mutable", "outputs", "params", "row")

    board: TraceBoard
    row: int
    extras: dict[int, dict[str, Any]] | None
    """What fits no field, by offset of the copy: "params", "after", "action", "error", "tries",
    "reused"."""
    mutable: bool
    """Whether there are plain containers among the params, which nodes may change in place."""
    outputs: list[Any] | None
    """What exec returned, unless it was None: the offset of the copy and its output, in turn. The
    offsets ascend."""
    params: ReadTrackingDict | None
    """The params of the instance, which note what is read of them; None if that is not noted."""

    def open(
        self, kind: type, parent: int, now: float, params: Params | None, after: int = -1
    ) -> int:
        """Begin a node copy, and return its offset.

        Args:
            kind: the class of the node.
            parent: the offset of the nested flow that the copy runs in; -1 at the top.
            now: the time.
            params: the params of the copy; None if they are those of the instance.
            after: the offset of the copy that ran before this one in the same walk through the nested
                flow; -1 if it is the first one. Ignored at the top, where there is one walk.
        """
        at = len(self)
        board = self.board
        try:
            node = board.node_ids[kind]
        except KeyError:
            node = board.name_node(kind)
        self += (node, parent, OPEN, now, NAN)
        if params is not None:
            extra = self._extra(at)
            extra["params"] = params
            if parent >= 0 <= after:
                extra["after"] = after
        board.nodes[self.row] = node
        if board.watchers:
            board.mark(self.row)
        return at

    def close(self, at: int, action: Any, now: float) -> None:
        """End a node copy that returned `action`."""
        self[at + ENDED] = now
        if action is None:
            self[at + ACTION] = NO_ACTION
        elif (known := self.board.action_id(action)) >= 0:
            self[at + ACTION] = known
        else:
            self[at + ACTION] = NO_ACTION
            self._extra(at)["action"] = action

    def fail(self, at: int, error: BaseException, now: float) -> None:
        """End a node copy that raised `error`."""
        self[at + ENDED] = now
        self._extra(at)["error"] = error

    def note_output(self, at: int, output: Any) -> None:
        """Note what the exec of a node copy returned."""
        if output is None:
            return
        outputs = self.outputs
        if outputs is None:
            self.outputs = [at, output]
        elif at > outputs[-2]:
            outputs += (at, output)
        else:  # nodes of a parallel flow end in any order, and a node may call its post again
            by_offset = dict(zip(outputs[::2], outputs[1::2], strict=True))
            by_offset[at] = output
            self.outputs = [part for pair in sorted(by_offset.items()) for part in pair]

    def note_retries(self, at: int, retries: int, fallbacks: int) -> None:
        """Note how often the exec of a node copy was retried, and how often its fallback was used."""
        self._extra(at)["tries"] = retries, fallbacks

    def note_reused(self, at: int, seconds: float) -> None:
        """Note that the output of a node copy was taken from an earlier exec, which took so long."""
        self._extra(at)["reused"] = seconds

    def take(self, at: int, fields: Sequence[Any], extras: dict[int, dict[str, Any]]) -> None:
        """Replace the node copies from an offset on by those that were recorded on a worker.

        Args:
            at: the offset of the first one.
            fields: their fields, with the numbers of this trace's own board.
            extras: their extras, by offset.
        """
        self[at:] = fields
        for offset, extra in extras.items():
            self._extra(offset).update(extra)
        if fields:
            self.board.nodes[self.row] = fields[-FIELDS]
        self.board.mark(self.row)

    def _extra(self, at: int) -> dict[str, Any]:
        if self.extras is None:
            self.extras = {}
        return self.extras.setdefault(at, {})


def has_ended(trace: Trace, at: int) -> bool:
    """Whether the node copy at an offset has ended."""
    ended = trace[at + ENDED]
    return bool(ended == ended)  # noqa: PLR0124 - a test for NaN without a call


def open_copy(trace: Trace) -> int:
    """Return the offset of the latest node copy that has not ended; negative if all have ended.

    Among the parallel children of a nested flow, it may be a sibling of the one that is at work.
    """
    at = len(trace) - FIELDS
    while at >= 0 and trace[at + ENDED] == trace[at + ENDED]:  # `has_ended` without the call
        at -= FIELDS
    return at


packers: dict[int, Callable[..., bytes]] = {}
"""Functions that pack an ended trace, by its number of fields. `packer` makes those that are missing."""


def packer(fields: int) -> Callable[..., bytes]:
    """Return a function that packs a trace with so many fields."""
    pack = _struct(fields).pack
    if fields < _LONG_WALK * FIELDS:
        packers[fields] = pack
    return pack


def _struct(fields: int) -> Struct:
    return Struct("<" + _FORMAT * (fields // FIELDS))


def unpacked(packed: bytes) -> tuple[Any, ...]:
    """Return the fields of a packed trace."""
    return _struct(len(packed) // _SIZE * FIELDS).unpack(packed)


def actions_of(packed: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the numbers of node and action of each copy in one packed trace, or in several joined."""
    return _ACTIONS.iter_unpack(packed)


def times_of(packed: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the number of the node, start and end of each copy, as `actions_of`."""
    return _TIMES.iter_unpack(packed)


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
        output: its output; None if it had none.
        assigned: what it assigned to the shared store, see `journal.assigned.Entry`.
    """

    run: int
    position: int
    result: Any
    writes: Any
    output: Any = None
    assigned: Sequence[Any] = ()


MOST_ATTEMPTS = 20
"""How many earlier attempts of a row are kept: the latest ones."""
