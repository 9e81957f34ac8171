"""Watches lists in the shared store, whose changes cannot be seen when they are made.

A view of a list would have to be a list whose items are elsewhere, and code written in C would take it
for an empty one. So a list is compared whenever an instance reads its key: what has changed since the
last time is taken for a change by the instance that read it then. This finds:

- that an instance has added something, which stays if the instance is retried (`RetriedChanges`);
- that the item at an index which an instance has assigned is another one's by the time the instance
  reads the list again, and does not assign it anew: a crossing. This is looked for in short lists to
  whose items nodes assign.
"""

from __future__ import annotations

import operator
from collections import deque
from typing import TYPE_CHECKING, Any

from ..records.containers import equal
from ..records.store import RecordStore
from ..records.trace import Trace
from .paths import Path
from .retried_changes import RetriedChanges

if TYPE_CHECKING:
    from .crossings import CrossingDetector

_MOST = 100  # lists
_LONGEST = 64  # items of a list, or a dict, that is compared item by item: it takes some 1 µs
_SWEEP = 256
_LISTS = (list, deque)


class _List:
    """A list in the store, or a dict with lists in it.

    Attributes:
        size: how many items it had when it was looked at last.
        items: its items then; None: they are not compared.
        detector: counts the crossings at its indices.
        reader: who has read it last: the trace, the offset of the node copy, the attempt.
        writers: by index, the row and the number of the node that assigned it last.
        own: the indices that each running row has assigned.
        foreign: the indices at which the last reader found the item of another row.
    """

    __slots__ = (
        "detector", "foreign", "items", "own", "prune_at", "reader", "size", "value", "writers",
    )  # fmt: skip

    def __init__(self, value: Any, detector: CrossingDetector | None) -> None:
        self.value = value
        self.size = _size(value)
        self.detector = detector
        self.reader: tuple[Trace, int, int] | None = None
        self.reset([] if detector is None else list(value))

    def reset(self, items: list[Any]) -> None:
        """Begin to compare with these items, if they are few."""
        watched = self.detector is not None and len(items) <= _LONGEST
        self.items = items if watched else None
        self.writers: dict[int, tuple[int, int]] = {}
        self.own: dict[int, set[int]] = {}
        self.foreign: dict[int, tuple[int, int]] = {}
        self.prune_at = _SWEEP


class ListWatch:
    """Watches the lists of one store.

    Args:
        records: the records of the run, which know who is running.
        retried: receives the changes of each attempt.
    """

    def __init__(self, records: RecordStore, retried: RetriedChanges) -> None:
        self._records = records
        self._retried = retried
        self._lists: dict[Path, _List] = {}

    def note_read(
        self, path: Path, value: Any, trace: Trace, at: int, detector: CrossingDetector | None
    ) -> None:
        """Note that a node copy has read a list, or a dict that may hold lists.

        Args:
            at: the offset of the node copy.
            detector: counts crossings at the indices; None: they are not looked for.
        """
        known = self._lists.get(path)
        if known is not None:
            self._compare(path, known)
        if known is None or known.value is not value:
            if known is None and len(self._lists) >= _MOST:
                return
            known = self._lists[path] = _List(value, detector)
        row = trace.row
        for index in known.own.get(row, ()):
            if (writer := known.writers[index])[0] != row:
                known.foreign[index] = writer
        known.reader = trace, at, self._retried.attempt(row)

    def compare(self) -> None:
        """Find the changes since each list was read last."""
        for path, known in list(self._lists.items()):
            self._compare(path, known)

    def _compare(self, path: Path, known: _List) -> None:
        if known.reader is None:
            return
        trace, at, attempt = known.reader
        size = _size(known.value)
        if size != known.size:
            known.size = size
            self._retried.note(path, trace.row, attempt)
        if known.items is not None and known.detector is not None:
            self._compare_items(known, known.detector, trace, at)

    def _compare_items(
        self, known: _List, detector: CrossingDetector, trace: Trace, at: int
    ) -> None:
        row, before, now = trace.row, known.items or [], list(known.value)
        if len(now) != len(before):  # the items may have moved to other indices
            known.reset(now)
            return
        if any(map(operator.is_not, now, before)):
            known.items = now
            for index, (old, new) in enumerate(zip(before, now, strict=True)):
                if not equal(old, new):
                    known.writers[index] = row, trace[at]
                    known.own.setdefault(row, set()).add(index)
                    known.foreign.pop(index, None)
                    detector.forget_read(row, index)
            if len(known.own) >= known.prune_at:
                live = self._records.live
                known.own = {row: own for row, own in known.own.items() if row in live}
                known.prune_at = len(known.own) + _SWEEP
        for index, writer in known.foreign.items():
            detector.note_foreign(trace, at, index, writer)
        known.foreign.clear()


def _size(value: Any) -> int:
    """Return how many items a list has, or all lists in a small dict together."""
    if type(value) is not dict:
        return len(value)
    if len(value) > _LONGEST:
        return 0
    return sum(len(part) for part in list(value.values()) if type(part) in _LISTS)
