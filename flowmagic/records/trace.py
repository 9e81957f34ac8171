"""The node copies of one instance, as they are written while it runs and packed when it has ended.

Times are of the run's own clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any

from .param_reads import ReadTrackingDict

Params = Mapping[Any, Any]

NAN = float("nan")
FIELDS = 5
"""Fields of one node copy in a trace: node number, place of its parent, action number, started, ended.

A copy's place is where its first field stands.
"""

ACTION, ENDED = 2, 4
"""Where these stand among the fields of a copy."""

_FORMAT = "iiidd"
_SIZE = Struct(f"<{_FORMAT}").size
_ACTIONS = Struct("<i4xi16x")  # of such a copy, its node and its action alone
_LONG_WALK = 100  # node copies; the formats of longer traces are not worth keeping
# In place of an action's number: the copy has not returned; it returned None, or no known action.
OPEN, NO_ACTION = -2, -1
# Beyond it, an action is kept with its row: some flows return a text as their action.
_MAX_NAMES = 4096


class TraceBoard:
    """What the traces of a run write to beside themselves.

    Numbers for the names of nodes and actions, the node that each row is at, and who watches.
    """

    def __init__(self) -> None:
        self.nodes = array("H")
        """Of each row, the number of the node that began last; 0 before the first."""
        self.watchers: tuple[set[int], ...] = ()
        self.node_names: list[str] = [""]
        self.node_ids: dict[type, int] = {}
        """Number of each node class seen so far, whose name is `node_names[number]`."""
        self._actions: list[str] = []
        self._action_ids: dict[str, int] = {}

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

    def mark(self, row: int) -> None:
        """Tell whoever watches that a row has changed."""
        for changed in self.watchers:
            changed.add(row)

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

    def action_name(self, action: int) -> str | None:
        """Return the action with a number; None for numbers that stand for none."""
        return self._actions[action] if action >= 0 else None


class Trace(list[Any]):
    """The node copies of one running instance, as they are being written.

    One flat list of their fields, no objects: `open` appends a copy and gives its place; `close` and
    `fail` end it. Made by `RecordStore.start`.
    """

    __slots__ = ("board", "extras", "params", "row")

    board: TraceBoard
    row: int
    extras: dict[int, dict[str, Any]] | None
    """Of some copies, by place, what fits no field: "params", "after", "action", "error", "tries"."""
    params: ReadTrackingDict | None
    """The params of the instance, which note what is read of them; None if that is not noted."""

    def open(
        self, kind: type, parent: int, now: float, params: Params | None, after: int = -1
    ) -> int:
        """Begin a node copy of class `kind`; `params` where they differ from the instance's.

        Args:
            parent: what `open` gave for the nested flow that the copy runs in; -1 at the top.
            after: what it gave for the copy that ran before this one in the same walk, which may
                be one of several in that flow; -1: the walk begins. Known itself at the top.
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
        if board.watchers:  # a loop over none is felt
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

    def note_retries(self, at: int, retries: int, fallbacks: int) -> None:
        """Note of a node copy how often it tried again, and how often its fallback stepped in."""
        self._extra(at)["tries"] = retries, fallbacks

    def take(self, at: int, fields: Sequence[Any], extras: dict[int, dict[str, Any]]) -> None:
        """Take over the copies from place `at` on as they were recorded elsewhere.

        Args:
            fields: of these copies, with the numbers of this trace's own board.
            extras: of these copies, by place.
        """
        self[at:] = fields
        for place, extra in extras.items():
            self._extra(place).update(extra)
        if fields:
            self.board.nodes[self.row] = fields[-FIELDS]
        self.board.mark(self.row)

    def _extra(self, at: int) -> dict[str, Any]:
        if self.extras is None:
            self.extras = {}
        return self.extras.setdefault(at, {})


packers: dict[int, Callable[..., bytes]] = {}
"""What packs a trace that has ended, by the number of its fields, as far as it is known already."""


def packer(fields: int) -> Callable[..., bytes]:
    """Return what packs a trace of so many fields, and note it where that is worth it."""
    pack = _struct(fields).pack
    if fields < _LONG_WALK * FIELDS:
        packers[fields] = pack
    return pack


def _struct(fields: int) -> Struct:
    return Struct("<" + _FORMAT * (fields // FIELDS))


def unpacked(packed: bytes) -> tuple[Any, ...]:
    """Return the fields of an ended trace, as `Trace` wrote them."""
    return _struct(len(packed) // _SIZE * FIELDS).unpack(packed)


def actions_of(packed: bytes) -> Iterator[tuple[Any, ...]]:
    """Give node number and action number of each copy in a packed trace, or in several joined."""
    return _ACTIONS.iter_unpack(packed)
