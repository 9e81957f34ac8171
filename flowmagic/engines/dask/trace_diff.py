"""What changed in the node copies of an instance on a worker: found there, applied in the kernel.

Each diff starts at the first node copy that is still open, so it needs nothing sent before it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from ...records.trace import ACTION, ENDED, FIELDS, NO_ACTION, Trace, TraceBoard
from .instance_result import dump_error, load_error
from .serialization import Sources, classes_of, dumped

Changes = tuple[int, list[Any], dict[int, str], dict[int, Any], dict[int, dict[str, Any]]]
"""Of an instance: place of the first copy, fields, names of nodes and actions in them, extras."""


class Changed(set[int]):
    """The rows of which there is something to tell; calls `tell` when there is a first one."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def add(self, row: int) -> None:
        """Add a row."""
        if not self:
            self._tell()
        super().add(row)


class _Noted(Trace):
    """A trace whose every change is noted."""

    __slots__ = ("changed", "told")
    changed: Changed
    told: int
    """How many of its fields will not change and have been told."""

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(at, value)
        self.changed.add(self.row)


class TraceDiffer:
    """The traces of the instances on a worker, and which of them have changed.

    Args:
        classes: the node classes that the run knows, in its order.
        rows: how many instances there are.
        tell: called when something has changed, and nothing had before.
    """

    def __init__(self, classes: list[type], rows: int, tell: Callable[[], None]) -> None:
        self._board = TraceBoard()
        for kind in classes:
            self._board.name_node(kind)
        self._known = len(classes)
        self.changed = Changed(tell)
        self._board.watchers = (self.changed,)
        self._board.nodes.frombytes(bytes(rows * self._board.nodes.itemsize))
        self._traces = [self._trace(row) for row in range(rows)]

    def _trace(self, row: int) -> _Noted:
        trace = _Noted()
        trace.board, trace.row, trace.extras = self._board, row, None
        trace.params, trace.changed, trace.told = None, self.changed, 0
        return trace

    def trace(self, row: int) -> Trace:
        """Return the trace of an instance."""
        return self._traces[row]

    def changes(self, row: int, error: BaseException | None) -> Changes:
        """Return what has changed in an instance since the last time.

        Args:
            row: of the instance.
            error: that it ended with; its copies do not carry it a second time.
        """
        trace = self._traces[row]
        at = trace.told
        fields = list.__getitem__(trace, slice(at, None))
        nodes, actions = {}, {}
        for place in range(0, len(fields), FIELDS):
            node, action = fields[place], fields[place + ACTION]
            if node > self._known or not node:
                nodes[node] = self._board.node_names[node]
            if action >= 0:
                actions[action] = self._board.action_name(action)
        extras = {
            place: {name: _dump(name, value, error) for name, value in extra.items()}
            for place, extra in (trace.extras or {}).items()
            if place >= at
        }
        while at < len(trace) and trace[at + ENDED] == trace[at + ENDED]:  # no longer a NaN
            at += FIELDS
        trace.told = at
        return len(trace) - len(fields), fields, nodes, actions, extras


class TracePatcher:
    """Writes changes to the traces of a run, with its own numbers, classes and clock.

    Args:
        flow: of the run.
        sources: of that flow.
        clock: gives the run's time, in seconds.
        strangers: by name, what stands here for node classes that only the workers know; grows.
    """

    def __init__(
        self,
        flow: Any,
        sources: Sources,
        clock: Callable[[], float],
        strangers: dict[str, type],
    ) -> None:
        self._kinds = classes_of(flow)
        self._sources = sources
        self._clock = clock
        self._strangers = strangers

    def take(self, trace: Trace, changes: Changes, shift: float) -> None:
        """Take over what `TraceDiffer.changes` gave; `shift` is added to its times."""
        at, fields, nodes, actions, extras = changes
        now = self._clock()
        own: list[Any] = []
        for start in range(0, len(fields), FIELDS):
            node, parent, action, started, ended = fields[start : start + FIELDS]
            if action >= 0:
                name = actions[action]
                action = trace.board.action_id(name)
                if action < 0:
                    action = NO_ACTION
                    extras.setdefault(at + start, {})["action"] = dumped(name)
            number = _number_of(trace.board, self._kind(node, nodes))
            # Not after now; an end that has not come is a NaN, and stays one.
            own += (number, parent, action, min(started + shift, now), min(ended + shift, now))
        made = {
            place: {name: self._load(name, value) for name, value in extra.items()}
            for place, extra in extras.items()
        }
        trace.take(at, own, made)

    def _kind(self, node: int, names: dict[int, str]) -> type:
        """Return the class that a worker's number stands for; one made there has a stand-in here."""
        if node not in names:
            return self._kinds[node - 1]
        kind = type(names[node], (), {})
        return self._strangers.setdefault(names[node], kind)

    def _load(self, name: str, value: Any) -> Any:
        if name == "after" or value is None:
            return value
        if name == "error":
            return load_error(value, self._sources)
        return pickle.loads(value)  # noqa: S301 - of our own worker


def _dump(name: str, value: Any, error: BaseException | None) -> Any:
    """Return what fits no field of a copy; an error that is also the instance's own: as None."""
    if name == "error":
        return None if value is error else dump_error(value)
    if name == "after":
        return value
    try:
        return dumped(value)
    except Exception:  # noqa: BLE001 - its own code
        return dumped(repr(value))


def _number_of(board: TraceBoard, kind: type) -> int:
    known = board.node_ids.get(kind)
    return board.name_node(kind) if known is None else known
