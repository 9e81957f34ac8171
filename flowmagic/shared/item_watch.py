"""Watches the items of lists and dicts in the shared store that instances get as they are.

Changes cannot be seen there when they are made: a view of a list would have to be a list whose items
are elsewhere, and code written in C would take it for an empty one. So such a container is compared
whenever an instance reads its key: what has changed since the last time is taken for a change by the
instance that read it then. This finds:

- that an instance has added something to a list, which stays if the instance is retried;
- that an item which an instance has assigned is another one's by the time the instance reads the
  container again, and that it does not assign the item anew: a crossing. This is looked for in small
  containers.
"""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Callable
from typing import Any

from ..records.containers import equal
from ..records.store import RecordStore
from ..records.trace import Trace, has_ended
from .paths import Path
from .retried_changes import RetriedChanges

_MOST = 100  # containers
_MOST_ITEMS = 32  # of a container and those in it, if its items are compared: it takes some 5 µs
_SWEEP = 256
_MOST_UNSETTLED = 10_000
_LISTS = (list, deque)
WATCHED = (*_LISTS, dict)
"""The types of containers that are watched."""

_LENGTH = object()
"""Stands for the length of a list among its items."""

Writer = tuple[int, int]
"""The row of an instance, and the number of its node."""


class _Container:
    """A list or dict in the store.

    Attributes:
        size: how many items it, or the lists in it, had when it was looked at last.
        content: what was in it then; None: that is too much.
        reader: who has read it last: the trace, the offset of the node copy, the attempt.
        writers: by item, who assigned it last.
        own: the items that each running row has assigned.
        foreign: the items where the last reader found what another row had assigned.
    """

    __slots__ = ("content", "foreign", "own", "prune_at", "reader", "size", "value", "writers")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.size = _size(value)
        self.content = _content_of(value)
        self.reader: tuple[Trace, int, int] | None = None
        self.writers: dict[Path, Writer] = {}
        self.own: dict[int, set[Path]] = {}
        self.foreign: dict[Path, Writer] = {}
        self.prune_at = _SWEEP


class ItemWatch:
    """Watches the containers of one store.

    Args:
        records: the records of the run, which know who is running.
        retried: receives what each attempt has added.
        count: called with the path, the reader and the writer of each crossing.
    """

    def __init__(
        self,
        records: RecordStore,
        retried: RetriedChanges,
        count: Callable[[Path, Writer, Writer], None],
    ) -> None:
        self._records = records
        self._retried = retried
        self._count = count
        self._containers: dict[Path, _Container] = {}
        self._unsettled: dict[tuple[int, Path], tuple[Trace, int, Writer]] = {}
        """The reads that are crossings unless the same node copy assigns the item before it ends."""
        self._sweep_at = _SWEEP

    def note_read(self, path: Path, value: Any, trace: Trace, at: int) -> None:
        """Note that the node copy at an offset of a trace has read a container."""
        known = self._containers.get(path)
        if known is not None:
            self._compare(path, known)
        if known is None or known.value is not value:
            if known is None and len(self._containers) >= _MOST:
                return
            known = self._containers[path] = _Container(value)
        row = trace.row
        for item in known.own.get(row, ()):
            if (writer := known.writers[item])[0] != row:
                known.foreign[item] = writer
        known.reader = trace, at, self._retried.attempt(row)

    def compare(self) -> None:
        """Find the changes since each container was read last."""
        for path, known in list(self._containers.items()):
            self._compare(path, known)
        self._sweep()

    def _compare(self, path: Path, known: _Container) -> None:
        if known.reader is None:
            return
        trace, at, attempt = known.reader
        before = known.content
        if before is None or not before.is_unchanged():
            size = _size(known.value)
            if size != known.size:
                known.size = size
                self._retried.note(path, trace.row, attempt)
            now = known.content = _content_of(known.value)
            if now is not None and before is not None:
                self._compare_items(path, known, before.items, now.items)
        for item, writer in known.foreign.items():
            if len(self._unsettled) < _MOST_UNSETTLED:
                self._unsettled[trace.row, (*path, *item)] = trace, at, writer
        known.foreign.clear()
        if len(self._unsettled) >= self._sweep_at:
            self._sweep()
            self._sweep_at = 2 * len(self._unsettled) + _SWEEP

    def _compare_items(
        self, path: Path, known: _Container, before: dict[Path, Any], now: dict[Path, Any]
    ) -> None:
        assert known.reader is not None
        trace, at, _ = known.reader
        row, items = trace.row, before.keys() | now.keys()
        moved = tuple(
            item[:-1] for item in items if item[-1] is _LENGTH and before.get(item) != now.get(item)
        )
        for item in items:
            if any(item[: len(each)] == each for each in moved):
                # The items of a list may be at other indices now.
                known.writers.pop(item, None)
                known.foreign.pop(item, None)
                for own in known.own.values():
                    own.discard(item)
            elif not equal(before.get(item, _LENGTH), now.get(item, _LENGTH)):
                known.writers[item] = row, trace[at]
                known.own.setdefault(row, set()).add(item)
                known.foreign.pop(item, None)
                self._unsettled.pop((row, (*path, *item)), None)
        if len(known.own) >= known.prune_at:
            live = self._records.live
            known.own = {row: own for row, own in known.own.items() if row in live}
            known.prune_at = 2 * len(known.own) + _SWEEP

    def _sweep(self) -> None:
        """Count the reads whose node copies have ended."""
        for (row, path), (trace, at, writer) in list(self._unsettled.items()):
            if has_ended(trace, at):
                del self._unsettled[row, path]
                self._count(path, (row, trace[at]), writer)


def _size(value: Any) -> int:
    """Return how many items a list has, or all lists in a small dict together."""
    if type(value) is not dict:
        return len(value)
    if len(value) > _MOST_ITEMS:
        return 0
    return sum(len(part) for part in list(value.values()) if type(part) in _LISTS)


class _Content:
    """What is in a container and in those in it, at one moment.

    Attributes:
        items: by the keys and indices that lead there.
    """

    __slots__ = ("_parts", "items")

    def __init__(self) -> None:
        self.items: dict[Path, Any] = {}
        self._parts: list[tuple[Any, list[Any], list[Any]]] = []
        """Each container, with its keys, if it is a dict, and its values."""

    def add(self, path: Path, container: Any) -> list[tuple[Path, Any]]:
        """Add the items of a container; return those that are containers."""
        is_dict = type(container) is dict
        keys = list(container) if is_dict else []
        values = list(container.values() if is_dict else container)
        self._parts.append((container, keys, values))
        inner = []
        for key, value in zip(keys if is_dict else itertools.count(), values):  # noqa: B905
            if type(value) in WATCHED:
                inner.append(((*path, key), value))
            else:
                item = (*path, key)
                self.items[item] = value
        if not is_dict:
            length = (*path, _LENGTH)
            self.items[length] = len(values)
        return inner

    def is_unchanged(self) -> bool:
        """Whether the very same items are there now."""
        try:
            return all(
                len(container) == len(values)
                and all(map(operator.is_, container, keys or values))
                and (not keys or all(map(operator.is_, container.values(), values)))
                for container, keys, values in self._parts
            )
        except RuntimeError:  # a thread changes it at this moment
            return False


def _content_of(value: Any) -> _Content | None:
    """Return what is in a container and in those in it; None if it is too much."""
    content = _Content()
    waiting: list[tuple[Path, Any]] = [((), value)]
    for _ in range(_MOST_ITEMS):  # containers; one may contain itself
        if not waiting:
            return content
        path, each = waiting.pop()
        if len(each) > _MOST_ITEMS:
            return None
        waiting += content.add(path, each)
        if len(content.items) + len(waiting) > _MOST_ITEMS:
            return None
    return None if waiting else content
