"""Crossings: what one instance of a run read or replaced that another one had written to `shared`.

Nothing is kept per row: of each key who wrote it last, and of each instance that runs, in its view,
the keys that it has touched. What an instance does with a key tells what the key is for:

- It writes without having looked: the key is its own. What another one then leaves there is not
  meant for it, and reading that is a crossing.
- It looks, then writes, in the same node copy (`shared["n"] = shared.get("n", 0) + 1`): the key is
  for all of them, unless another one has written in between, whose update is lost then.
- It reads a value of another instance and never writes the key: a crossing too, but only when its
  node copy has ended is that known. Lists, dicts and the like are there to be added to, and pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from queue import Queue
from typing import Any, Literal, NamedTuple

from ..records.store import RecordStore
from ..records.trace import ENDED, FIELDS, Trace
from ..text.formatting import short_repr

MOST = 100
"""Of how many kinds crossings are told apart; those of further kinds are only counted."""

_COLLECTING = (list, dict, set, deque, Queue)
_PLAIN = (str, int, float, bool, bytes, type(None))
_SWEEP = 256
_MOST_DOUBTS = 10_000  # those beyond it, of instances that read all of a large store, are let go
GONE: Any = object()
"""The value of a key that is not there."""


@dataclass(frozen=True, repr=False)
class Crossing:
    """Instances that met at a key of `shared`: how often, and which were the first.

    Attributes:
        key: where in `shared`.
        level: "crossed": one read what another wrote, or undid it; "overwritten": one replaced what
            another wrote, before anyone read it.
        reader: index of the instance that read or replaced the value, and class name of its node.
        writer: the same of the instance that had written it.
        count: how often it happened between these two nodes.
        lost: whether the reader wrote what it had computed from an older value.
        left: whether the writer had ended before the reader began.
    """

    key: Any
    level: Literal["crossed", "overwritten"]
    reader: tuple[int, str]
    writer: tuple[int, str]
    count: int = 1
    lost: bool = False
    left: bool = False

    def line(self, reader_params: str = "", writer_params: str = "") -> str:
        """Return it in one line.

        Args:
            reader_params: as text, shown beside the instance if it is given.
            writer_params: ditto.
        """
        reader = _instance(self.reader, reader_params)
        writer = _instance(self.writer, writer_params)
        if self.level == "overwritten":
            what = f"{reader} replaced what {writer} wrote, before anyone read it"
        elif self.lost:
            what = f"{reader} undid what {writer} wrote after it had looked: an update is lost"
        elif self.left:
            what = f"{reader} read what {writer} left there, which had ended before"
        else:
            what = f"{reader} read what {writer} wrote"
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"shared[{short_repr(self.key, 60)}]: {what}{times}"

    def __str__(self) -> str:
        return self.line()

    def __repr__(self) -> str:
        return f"<Crossing: {self}>"  # a list of them is what a cell shows


def _instance(which: tuple[int, str], params: str) -> str:
    index, node = which
    return f"instance {index} ({', '.join(filter(None, (node, params)))})"


class _Key:
    """Who wrote a key of `shared` last; `version` counts the writes."""

    __slots__ = ("node", "read", "version", "writer")

    def __init__(self) -> None:
        self.writer = -1
        self.node = 0
        self.version = 0
        self.read = False


class Touched:
    """What an instance has touched so far: kept by its view, and gone with it."""

    __slots__ = ("left", "own", "seen", "whole")

    def __init__(self) -> None:
        self.own: set[Any] = set()
        """Keys that it wrote without having looked."""
        self.left: dict[Any, int] = {}
        """By key: which version of another one it would have written itself, and so left there."""
        self.seen: dict[Any, tuple[int, int]] = {}
        """By key: the place of the node copy that looked last, and which version it saw."""
        self.whole: int | None = None
        """The place of the node copy that went over all of the store last."""


class _Doubt(NamedTuple):
    """A read that is a crossing unless the same node copy writes the key before it ends."""

    trace: Trace
    at: int
    writer: int
    node: int


class _Kind:
    """A crossing as it is counted."""

    __slots__ = ("count", "left", "reader", "writer")

    def __init__(self, reader: int, writer: int, *, left: bool) -> None:
        self.reader, self.writer, self.left = reader, writer, left
        self.count = 0


class CrossingDetector:
    """Finds the crossings of one run. Told of every access, on the loop or in a thread.

    Args:
        records: of the run; they know when each instance began and ended.
        allowed: keys that are meant to be shared.
    """

    def __init__(self, records: RecordStore, allowed: AbstractSet[Any] = frozenset()) -> None:
        self.more = 0
        """Crossings of kinds beyond the first `MOST`."""
        self._records = records
        self._allowed = allowed
        self._keys: dict[Any, _Key] = {}
        self._doubts: dict[tuple[int, Any], _Doubt] = {}
        self._sweep_in = _SWEEP
        self._kinds: dict[tuple[Any, str, bool, str, str], _Kind] = {}

    def looked(self, trace: Trace, touched: Touched, key: Any) -> None:
        """Note that an instance asked whether a key is there, or missed it."""
        at = _place(trace)
        if at >= 0:
            known = self._keys.get(key)
            touched.seen[key] = at, 0 if known is None else known.version

    def whole(self, trace: Trace, touched: Touched, store: Mapping[Any, Any]) -> None:
        """Note that an instance went over all of the store."""
        at = _place(trace)
        if at >= 0:
            touched.whole = at
            # Of the others `whole` says enough: nobody had written them.
            for key in list(self._keys):
                self.read(trace, touched, key, store.get(key, GONE))

    def read(self, trace: Trace, touched: Touched, key: Any, value: Any) -> None:
        """Note that an instance read a key; `GONE` if it is not there."""
        at = len(trace) - FIELDS
        if at < 0 or trace[-1] == trace[-1]:  # else it is the latest; a call more is felt
            at = _place(trace)
            if at < 0:  # something that outlives its instance
                return
        known = self._keys.get(key)
        if known is None:
            touched.seen[key] = at, 0
            return
        touched.seen[key] = at, known.version
        known.read = True
        row, writer = trace.row, known.writer
        if writer in (row, -1) or key in self._allowed:
            return
        if touched.left.get(key) == known.version:
            return
        if key in touched.own:
            self._find(key, "crossed", (row, trace[at]), (writer, known.node))
        elif value is not GONE and not isinstance(value, _COLLECTING):
            self._doubt(row, key, _Doubt(trace, at, writer, known.node))

    def wrote(self, trace: Trace, touched: Touched, key: Any, old: Any, new: Any) -> None:
        """Note that an instance wrote `new` in place of `old`; `GONE`: it took or found nothing."""
        at = len(trace) - FIELDS
        if at < 0 or trace[-1] == trace[-1]:  # as in `read`
            at = _place(trace)
            if at < 0:
                return
        row, node = trace.row, trace[at]
        known = self._keys.get(key)
        if known is None:
            known = self._keys[key] = _Key()
        seen = _version_seen(trace, touched, key)
        if seen is None:
            touched.own.add(key)
        # What all of them write (the name of a model) belongs to none of them.
        same = known.writer not in (row, -1) and _same(old, new)
        if known.writer not in (row, -1) and key not in self._allowed:
            writer = known.writer, known.node
            if seen not in (None, known.version):
                self._find(key, "crossed", (row, node), writer, lost=True)
            elif seen is None and not known.read and not same:
                self._find(key, "overwritten", (row, node), writer)
        if self._doubts:
            self._settle(row, key)
        if same:
            touched.left[key] = known.version
        else:
            known.writer, known.node, known.read = row, node, False
            known.version += 1

    def crossings(self) -> list[Crossing]:
        """Return what was found so far, the worse first."""
        self._sweep()
        found = [
            Crossing(
                key,
                level,  # type: ignore[arg-type] # a key of a dict is a plain str
                (kind.reader, reader),
                (kind.writer, writer),
                kind.count,
                lost,
                kind.left,
            )
            for (key, level, lost, reader, writer), kind in list(self._kinds.items())
        ]
        # That values were replaced is the lesser half of what is said of a key where they crossed.
        worse = {each.key for each in found if each.level == "crossed"}
        found = [each for each in found if each.level == "crossed" or each.key not in worse]
        return sorted(found, key=lambda each: each.level)

    def _doubt(self, row: int, key: Any, doubt: _Doubt) -> None:
        self._settle(row, key)
        self._sweep_in -= 1
        if not self._sweep_in:
            self._sweep()
            # As many again: then a sweep costs each of them no more than a look.
            self._sweep_in = max(_SWEEP, len(self._doubts))
        if len(self._doubts) < _MOST_DOUBTS:
            self._doubts[row, key] = doubt

    def _sweep(self) -> None:
        for (row, key), doubt in list(self._doubts.items()):
            if _ended(doubt.trace, doubt.at):
                self._settle(row, key)

    def _settle(self, row: int, key: Any) -> None:
        """Let go of a doubt: a crossing if its node copy has ended, else none."""
        doubt = self._doubts.pop((row, key), None)
        if doubt is not None and _ended(doubt.trace, doubt.at):
            reader = row, doubt.trace[doubt.at]
            self._find(key, "crossed", reader, (doubt.writer, doubt.node))

    def _find(
        self,
        key: Any,
        level: str,
        reader: tuple[int, int],
        writer: tuple[int, int],
        *,
        lost: bool = False,
    ) -> None:
        names = self._records.node_names
        which = key, level, lost, names[reader[1]], names[writer[1]]
        kind = self._kinds.get(which)
        if kind is None:
            if len(self._kinds) >= MOST:
                self.more += 1
                return
            records = self._records
            left = records.ended[writer[0]] <= records.started[reader[0]]
            kind = self._kinds[which] = _Kind(reader[0], writer[0], left=left)
        kind.count += 1


def _ended(trace: Trace, at: int) -> bool:
    ended = trace[at + ENDED]
    return bool(ended == ended)  # noqa: PLR0124 - the one test for NaN without a call


def _same(old: Any, new: Any) -> bool:
    # By equality only where that runs no code of the user's.
    return old is new or (type(old) is type(new) and type(old) in _PLAIN and bool(old == new))


def _version_seen(trace: Trace, touched: Touched, key: Any) -> int | None:
    """Return which version of a key the node copy at work has seen; None if it has not looked."""
    seen = touched.seen.get(key)
    if seen is not None and not _ended(trace, seen[0]):
        return seen[1]
    if touched.whole is not None and not _ended(trace, touched.whole):
        return 0
    return None


def _place(trace: Trace) -> int:
    """Return the place of the node copy that works now: of those that have not ended, the latest.

    Of parallel children of a nested flow it may be a sibling. Negative: all have ended.
    """
    at = len(trace) - FIELDS
    while at >= 0 and trace[at + ENDED] == trace[at + ENDED]:  # ended; written out, as in `_ended`
        at -= FIELDS
    return at
