"""Trace diffs: what changed in the node copies of an instance on a worker, applied to the run's trace.

A diff starts at the first node copy that had not ended when the previous diff was made.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import OutputLostError
from ...records.trace import ACTION, ENDED, FIELDS, NO_ACTION, Trace, TraceBoard
from .instance_result import dump_error, dump_output, load_error, load_output
from .serialization import SourceFiles, dump, node_classes_of

MAX_IN_MESSAGE = 8 * 1024
"""Bytes of an output or an outcome in a message; the scheduler keeps messages for a while."""

_ON_ITS_WORKER = OutputLostError(
    "This output is still on its worker: one of more than 8 kB comes back when its instance has ended."
)


class TraceDiff(NamedTuple):
    """The end of a trace, with the numbers of its worker for nodes and actions.

    Attributes:
        start: the offset of the first node copy in it.
        fields: the fields of its node copies.
        node_names: the names of node classes in it that the flow does not have, by number.
        action_names: the names of the actions in it, by number.
        extras: what fits no field, pickled, by offset of the node copy.
        outputs: the outputs since the previous diff, pickled, by offset of the node copy; None for a
            large one, which comes with the outcome of the instance.
    """

    start: int
    fields: list[Any]
    node_names: dict[int, str]
    action_names: dict[int, Any]
    extras: dict[int, dict[str, Any]]
    outputs: dict[int, bytes | None]


class ChangedRows(set[int]):
    """The rows that have changed; calls `on_first` when one is added to the empty set."""

    def __init__(self, on_first: Callable[[], None]) -> None:
        super().__init__()
        self._on_first = on_first

    def add(self, row: int) -> None:
        """Add a row."""
        if not self:
            self._on_first()
        super().add(row)


class WatchedTrace(Trace):
    """A trace that adds its row to `changed` when a field of it is set, and pickles outputs."""

    __slots__ = ("changed", "large_outputs", "new_outputs", "sent")
    changed: ChangedRows
    sent: int
    """How many of its fields are final and have been in a diff."""
    new_outputs: dict[int, bytes | None]
    """The outputs that have not been in a diff; see `TraceDiff.outputs`."""
    large_outputs: dict[int, bytes]
    """The pickled outputs that are too large for a diff, by offset of the node copy."""

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(at, value)
        self.changed.add(self.row)

    def note_output(self, at: int, output: Any) -> None:
        """Pickle an output at once, as the post of the node receives it."""
        if output is None:
            return
        content = dump_output(output)
        self.large_outputs.pop(at, None)  # of an earlier call of the node's post
        if len(content) > MAX_IN_MESSAGE:
            self.large_outputs[at] = content
            self.new_outputs[at] = None
        else:
            self.new_outputs[at] = content


class TraceDiffer:
    """Keeps the traces of a chunk's instances, and makes the diffs of those that changed.

    Args:
        classes: the node classes of the flow, in the order of `node_classes_of`.
        rows: the number of instances.
        on_first: called when a trace changes, and none had changed before.

    Attributes:
        changed: the rows whose traces have changed; the caller empties it.
    """

    def __init__(self, classes: list[type], rows: int, on_first: Callable[[], None]) -> None:
        self._board = TraceBoard()
        for kind in classes:
            self._board.name_node(kind)
        self._known = len(classes)
        self.changed = ChangedRows(on_first)
        self._board.watchers = (self.changed,)
        self._board.nodes.frombytes(bytes(rows * self._board.nodes.itemsize))
        self._traces = [self._new_trace(row) for row in range(rows)]

    def _new_trace(self, row: int) -> WatchedTrace:
        trace = WatchedTrace()
        trace.board, trace.row = self._board, row
        trace.extras = trace.outputs = None
        trace.mutable = True
        trace.params, trace.changed, trace.sent = None, self.changed, 0
        trace.new_outputs, trace.large_outputs = {}, {}
        return trace

    def trace(self, row: int) -> WatchedTrace:
        """Return the trace of an instance."""
        return self._traces[row]

    def diff(self, row: int, error: BaseException | None) -> TraceDiff:
        """Return what has changed in a trace since the previous call.

        Args:
            row: the row of the instance.
            error: the error that the instance ended with. The diff leaves it out, since the outcome
                of the instance brings it.
        """
        trace = self._traces[row]
        at = start = trace.sent
        fields = list.__getitem__(trace, slice(start, None))
        node_names, action_names = {}, {}
        for offset in range(0, len(fields), FIELDS):
            node, action = fields[offset], fields[offset + ACTION]
            if node > self._known or not node:
                node_names[node] = self._board.node_names[node]
            if action >= 0:
                action_names[action] = self._board.action_name(action)
        extras = {
            offset: {name: _dump_extra(name, value, error) for name, value in extra.items()}
            for offset, extra in (trace.extras or {}).items()
            if offset >= start
        }
        while at < len(trace) and trace[at + ENDED] == trace[at + ENDED]:  # not NaN: it has ended
            at += FIELDS
        trace.sent = at
        outputs, trace.new_outputs = trace.new_outputs, {}
        return TraceDiff(start, fields, node_names, action_names, extras, outputs)


class TracePatcher:
    """Applies diffs to the traces of a run, which have other numbers, classes and times.

    Args:
        flow: the flow of the run.
        source_files: those of the flow.
        clock: returns the run's time, in seconds.
        stand_ins: classes that stand for node classes that only the workers know, by name. New ones
            are added to it.
    """

    def __init__(
        self,
        flow: Any,
        source_files: SourceFiles,
        clock: Callable[[], float],
        stand_ins: dict[str, type],
    ) -> None:
        self._classes = node_classes_of(flow)
        self._source_files = source_files
        self._clock = clock
        self._stand_ins = stand_ins

    def apply(self, trace: Trace, diff: TraceDiff, shift: float) -> None:
        """Apply a diff to a trace, and add `shift` seconds to the times in it."""
        now = self._clock()
        own: list[Any] = []
        extras = {
            offset: {name: self._load_extra(name, value) for name, value in extra.items()}
            for offset, extra in diff.extras.items()
        }
        for offset in range(0, len(diff.fields), FIELDS):
            node, parent, action, started, ended = diff.fields[offset : offset + FIELDS]
            if action >= 0:
                name = diff.action_names[action]
                action = trace.board.action_id(name)
                if action < 0:
                    action = NO_ACTION
                    extras.setdefault(diff.start + offset, {})["action"] = name
            number = _number_of(trace.board, self._class_of(node, diff.node_names))
            # No time is later than now. NaN, which stands for no end, stays NaN in `min`.
            own += (number, parent, action, min(started + shift, now), min(ended + shift, now))
        trace.take(diff.start, own, extras)
        for offset, output in diff.outputs.items():
            trace.note_output(offset, _ON_ITS_WORKER if output is None else load_output(output))

    def _class_of(self, node: int, names: dict[int, str]) -> type:
        """Return the class for a worker's number; a stand-in if only the worker knows the class."""
        if node not in names:
            return self._classes[node - 1]
        kind = type(names[node], (), {})
        return self._stand_ins.setdefault(names[node], kind)

    def _load_extra(self, name: str, value: Any) -> Any:
        if name == "after" or value is None:
            return value
        if name == "error":
            return load_error(value, self._source_files)
        return pickle.loads(value)  # noqa: S301 - sent by a worker of the run


def _dump_extra(name: str, value: Any, error: BaseException | None) -> Any:
    """Pickle an extra of a node copy; None if it is the instance's own error."""
    if name == "error":
        return None if value is error else dump_error(value)
    if name == "after":
        return value
    try:
        return dump(value)
    except Exception:  # noqa: BLE001 - raised by the user's objects
        return dump(repr(value))


def _number_of(board: TraceBoard, kind: type) -> int:
    known = board.node_ids.get(kind)
    return board.name_node(kind) if known is None else known
