"""Crossings: an instance read or replaced a value in `shared` that another instance had written.

The instances of a run usually share one dict. Where two of them use the same key for data of their
own, one may read the other's: a prompt then holds another user's text, and nothing fails.
`CrossingDetector` finds this while the run goes on. What an instance does with a key tells what the
key is for:

- It writes the key without having read it. The key is for its own data, so if it later reads another
  instance's value there, that is a crossing.
- It reads the key, then writes it, in the same node copy (`shared["n"] = shared.get("n", 0) + 1`).
  The key is for a value that all instances update. It is a crossing only if another one has written
  in between, since that update is lost.
- It reads another instance's value, and never writes the key. That is a crossing too, but it is
  certain only when the node copy has ended. Lists, dicts and other collections are exempt, since
  instances are expected to add to them.

Nothing is stored per row. The detector knows who wrote each key last, and the view of each running
instance knows which keys that instance has accessed.

The same holds for the items of a dict in the store to which nodes assign items: it has a detector and
views of its own (`below`). Other dicts and lists are watched by `item_watch`, objects by `object_watch`.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from queue import Queue
from typing import Any, NamedTuple

from ..records.containers import CONTAINERS, equal
from ..records.observed_dict import MISSING
from ..records.row_secrets import secrets_of_row
from ..records.store import RecordStore
from ..records.trace import FIELDS, Trace, has_ended, open_copy
from .crossing import Crossing
from .item_watch import WATCHED, ItemWatch
from .object_watch import ObjectWatch
from .paths import ALL_KEYS, ItemKeys, Path
from .retried_changes import RetriedChange, RetriedChanges

MOST = 100
"""How many kinds of crossings are reported. A kind is a key, a level, and the two nodes."""

_COLLECTIONS = (list, dict, set, deque, Queue)
_NUMBERS = (int, float)
_SWEEP = 256
_MOST_UNSETTLED = 10_000  # instances that read all of a large store make many; more are ignored


class _LastWrite:
    """Who wrote a key of `shared` last.

    Attributes:
        writer: index of the instance; -1: none.
        node: number of its node.
        version: how often the key was written.
        read: whether anyone has read the value.
    """

    __slots__ = ("node", "read", "version", "writer")

    def __init__(self) -> None:
        self.writer = -1
        self.node = 0
        self.version = 0
        self.read = False


class Accesses:
    """What one instance has done with the keys of `shared` so far. Its view keeps it.

    Attributes:
        own: the keys that it wrote without having read them.
        agreed: by key, the version of another instance over which it wrote an equal value.
        seen: by key, the offset of the node copy that read it last, and the version that it saw.
        all_read_by: the offset of the node copy that read the whole store last; None: none did.
        views: the views that it has of dicts in the store, by key; None: it has none.
    """

    __slots__ = ("agreed", "all_read_by", "own", "seen", "views")

    def __init__(self) -> None:
        self.own: set[Any] = set()
        self.agreed: dict[Any, int] = {}
        self.seen: dict[Any, tuple[int, int]] = {}
        self.all_read_by: int | None = None
        self.views: dict[Any, Any] | None = None


class _UnsettledRead(NamedTuple):
    """A read that is a crossing unless the same node copy writes the key before it ends."""

    trace: Trace
    at: int
    writer: int
    node: int


class _Kind:
    """How often a kind of crossing occurred, and which two instances were the first."""

    __slots__ = ("count", "left", "reader", "writer")

    def __init__(self, reader: int, writer: int, *, left: bool) -> None:
        self.reader, self.writer, self.left = reader, writer, left
        self.count = 0


class CrossingDetector:
    """Finds the crossings of one run. Every access is reported to it, on the loop or in a thread.

    Args:
        records: the records of the run, which know when each instance began and ended.
        allowed: the keys that are meant to be shared, where nothing is a crossing.
        item_keys: returns the keys to whose values nodes assign items; called when it is needed.

    Attributes:
        objects: the objects in the store that are no plain containers.
    """

    def __init__(
        self,
        records: RecordStore,
        allowed: AbstractSet[Any] = frozenset(),
        item_keys: Callable[[], ItemKeys] = ItemKeys,
    ) -> None:
        self._retried = RetriedChanges(records)
        self.objects = ObjectWatch()
        self._items = ItemWatch(records, self._retried, self._count_item)
        self.records = records
        self._allowed = allowed
        self._item_keys = item_keys
        self._path: Path = ()
        self._below: dict[Path, tuple[Any, CrossingDetector]] = {}
        """By place in the store: the dict there, and the detector of its items."""
        self._last_writes: dict[Any, _LastWrite] = {}
        self._unsettled: dict[tuple[int, Any], _UnsettledRead] = {}
        self._sweep_in = _SWEEP
        self._kinds: dict[tuple[Path, str, bool, str, str], _Kind] = {}

    def below(self, key: Any, value: Any) -> CrossingDetector | None:
        """Return the detector of the items of a dict at a key; None: it is given as it is."""
        if not self._watches(key):
            return None
        path = (*self._path, key)
        known = self._below.get(path)
        if known is not None and known[0] is value:
            return known[1]
        if known is not None:
            known[1]._sweep()
        elif len(self._below) >= MOST:
            return None
        detector = copy.copy(self)
        detector._path = path
        detector._allowed = ALL_KEYS if key in self._allowed else frozenset()
        detector._last_writes, detector._unsettled, detector._sweep_in = {}, {}, _SWEEP
        self._below[path] = value, detector
        return detector

    def _watches(self, key: Any) -> bool:
        direct, deeper = self._item_keys()
        if self._path:
            return self._path[0] in deeper
        return key in direct or key in deeper

    def note_object(self, trace: Trace, key: Any, value: Any) -> None:
        """Note that an instance has read a key with a value that may be changed in place."""
        at, path = open_copy(trace), (*self._path, key)
        if at < 0:
            return
        if type(value) in WATCHED:
            self._items.note_read(path, value, trace, at)
        elif type(value) not in CONTAINERS and key not in self._allowed:
            self.objects.note_read(path, value, trace.row)

    def note_lookup(self, trace: Trace, accesses: Accesses, key: Any) -> None:
        """Note that an instance tested whether a key is in `shared`."""
        at = open_copy(trace)
        if at >= 0:
            last = self._last_writes.get(key)
            accesses.seen[key] = at, 0 if last is None else last.version

    def note_read_all(self, trace: Trace, accesses: Accesses, store: Mapping[Any, Any]) -> None:
        """Note that an instance read the whole store."""
        at = open_copy(trace)
        if at >= 0:
            accesses.all_read_by = at
            # This says enough of the other keys, which no instance has written.
            for key in list(self._last_writes):
                self.note_read(trace, accesses, key, store.get(key, MISSING))

    def note_read(self, trace: Trace, accesses: Accesses, key: Any, value: Any) -> None:
        """Note that an instance read a key. `value` is MISSING if the key is not there."""
        at = len(trace) - FIELDS
        if at < 0 or trace[-1] == trace[-1]:  # an open copy is mostly the latest: spares the call
            at = open_copy(trace)
            if at < 0:  # a callback or thread that outlives its instance
                return
        last = self._last_writes.get(key)
        if last is None:
            accesses.seen[key] = at, 0
            return
        accesses.seen[key] = at, last.version
        last.read = True
        row, writer = trace.row, last.writer
        if writer in (row, -1) or key in self._allowed:
            return
        if accesses.agreed.get(key) == last.version:
            return
        if key in accesses.own:
            self._count((*self._path, key), "crossed", (row, trace[at]), (writer, last.node))
        elif value is not MISSING and not isinstance(value, _COLLECTIONS):
            self._defer(row, key, _UnsettledRead(trace, at, writer, last.node))

    def note_write(  # noqa: C901 - hot
        self, trace: Trace, accesses: Accesses, key: Any, old: Any, new: Any
    ) -> None:
        """Note that an instance wrote `new` in place of `old`; MISSING if there is no value."""
        at = len(trace) - FIELDS
        if at < 0 or trace[-1] == trace[-1]:  # as in `note_read`
            at = open_copy(trace)
            if at < 0:
                return
        row, node = trace.row, trace[at]
        last = self._last_writes.get(key)
        if last is None:
            last = self._last_writes[key] = _LastWrite()
        seen = _version_seen(trace, accesses, key)
        if seen is None:
            accesses.own.add(key)
        elif type(new) in _NUMBERS and type(old) in _NUMBERS and key not in accesses.own:
            self._retried.note((*self._path, key), row, self._retried.attempt(row))
        by_another = last.writer not in (row, -1)
        # A value that all instances write, such as the name of a model, belongs to none of them.
        is_equal = by_another and equal(old, new)
        if by_another and key not in self._allowed:
            writer = last.writer, last.node
            if seen not in (None, last.version):
                self._count((*self._path, key), "crossed", (row, node), writer, lost=True)
            elif seen is None and not last.read and not is_equal:
                self._count((*self._path, key), "overwritten", (row, node), writer)
        if self._unsettled:
            self._settle(row, key)
        if is_equal:
            accesses.agreed[key] = last.version
        else:
            last.writer, last.node, last.read = row, node, False
            last.version += 1

    def retried_changes(self) -> list[RetriedChange]:
        """Return what earlier attempts of retried instances have left in the store."""
        self._items.compare()
        return self._retried.found()

    def crossings(self) -> list[Crossing]:
        """Return what was found so far: first where instances crossed, then what was overwritten."""
        self._items.compare()
        self._sweep()
        for _, detector in list(self._below.values()):
            detector._sweep()
        found = [
            Crossing(
                path[0],
                level,  # type: ignore[arg-type] # a key of a dict is a plain str
                (kind.reader, reader),
                (kind.writer, writer),
                kind.count,
                lost,
                kind.left,
                secrets_of_row(self.records, kind.reader)
                | secrets_of_row(self.records, kind.writer),
                path[1:],
            )
            for (path, level, lost, reader, writer), kind in list(self._kinds.items())
        ]
        crossed = {(each.key, each.below) for each in found if each.level == "crossed"}
        # Where instances crossed, it adds nothing that values were also overwritten.
        rest = (x for x in found if x.level != "crossed" and (x.key, x.below) not in crossed)
        return [*(each for each in found if each.level == "crossed"), *rest]

    def _defer(self, row: int, key: Any, read: _UnsettledRead) -> None:
        """Store a read until it is known whether it is a crossing."""
        self._settle(row, key)
        self._sweep_in -= 1
        if not self._sweep_in:
            self._sweep()
            # After as many reads again as are stored, so that a sweep looks at few per read.
            self._sweep_in = max(_SWEEP, len(self._unsettled))
        if len(self._unsettled) < _MOST_UNSETTLED:
            self._unsettled[row, key] = read

    def _sweep(self) -> None:
        """Settle the reads whose node copies have ended."""
        for (row, key), read in list(self._unsettled.items()):
            if has_ended(read.trace, read.at):
                self._settle(row, key)

    def _settle(self, row: int, key: Any) -> None:
        """Drop a stored read. If its node copy has ended, it is a crossing."""
        read = self._unsettled.pop((row, key), None)
        if read is not None and has_ended(read.trace, read.at):
            reader = row, read.trace[read.at]
            self._count((*self._path, key), "crossed", reader, (read.writer, read.node))

    def _count_item(self, path: Path, reader: tuple[int, int], writer: tuple[int, int]) -> None:
        if path[0] not in self._allowed:
            self._count(path, "crossed", reader, writer)

    def _count(
        self,
        path: Path,
        level: str,
        reader: tuple[int, int],
        writer: tuple[int, int],
        *,
        lost: bool = False,
    ) -> None:
        names = self.records.node_names
        which = path, level, lost, names[reader[1]], names[writer[1]]
        kind = self._kinds.get(which)
        if kind is None:
            if len(self._kinds) >= MOST:
                return
            records = self.records
            left = records.ended[writer[0]] <= records.started[reader[0]]
            kind = self._kinds[which] = _Kind(reader[0], writer[0], left=left)
        kind.count += 1


def _version_seen(trace: Trace, accesses: Accesses, key: Any) -> int | None:
    """Return which version of a key the open node copy has read; None if it has not read the key."""
    seen = accesses.seen.get(key)
    if seen is not None and not has_ended(trace, seen[0]):
        return seen[1]
    if accesses.all_read_by is not None and not has_ended(trace, accesses.all_read_by):
        return 0
    return None
