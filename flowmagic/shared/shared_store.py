"""The shared store of a run, and how its instances see it.

By default the store is *tracked*: all instances share the user's dict, and their reads and writes of
it are noted in order to find crossings (`Tracked`, `crossings`). With `isolate=True` it is *isolated*:
each instance has a copy of its own (`Isolated`); with `fill_shared=True`, the copy also has the items
of the instance's row (`Filled`). In a run with a journal, a tracked store also records
what each instance assigns (`Recorded`, `assignments`). With `track_shared=False`, or if `shared` is not a
plain dict, the instances receive the user's object itself.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ..errors import SharedError, describe
from ..records.containers import ATOMS
from ..records.instances import Instance
from ..records.status import SUCCEEDED
from ..records.store import RecordStore
from ..records.trace import Trace
from ..text.user_objects import or_none
from .assignments import AssignmentLog
from .crossing import Crossing
from .crossings import CrossingDetector
from .data_copies import not_copied
from .object_watch import ObjectWatch, SharedObject
from .paths import ItemKeys
from .recorded_views import recorded_views
from .retried_changes import RetriedChange
from .views import Isolated, filled, isolated, views

Merge = Callable[[Any, Instance], Any]
"""Writes to the shared store what an isolated instance wrote: called with the store and the instance."""

_MOST_KEYS = 10_000  # of the store that are searched
_SLICE = 0.01  # seconds of merging before other callbacks of the loop run


@dataclass(frozen=True)
class Sharing:
    """How the instances of a run share the store.

    Attributes:
        isolate: whether each instance has a copy of the store to itself.
        merge: brings the writes of an isolated instance back to the store; None stores them under the
            instance's index.
        allowed: keys that are meant to be shared. Nothing that happens there is a crossing, and
            isolated instances share the lists and dicts there.
        track: whether to find crossings.
        isolated_by: the option that isolates the instances, as a user writes it.
        fill: whether an instance's copy of the store begins with its row, which needs `isolate`; a text
            is also the name of the param that the strings of a batch are.
    """

    isolate: bool = False
    merge: Merge | None = None
    allowed: frozenset[Any] = frozenset()
    track: bool = True
    isolated_by: str = "isolate=True"
    fill: bool | str = False

    @property
    def text_param(self) -> str:
        """The param that an item of the batch is if it is a string; "": such an item is no row."""
        return self.fill if isinstance(self.fill, str) else ""

    @classmethod
    def of(
        cls,
        *,
        isolate: bool = False,
        fill_shared: Any = False,
        merge: Any = None,
        allow_shared: Iterable[Any] = (),
        track_shared: bool = True,
    ) -> Sharing:
        """Check the options of `batchflow` that concern the shared store.

        Raises:
            SharedError (a TypeError): an option is of the wrong type, or `merge` is given without
                `isolate`.
        """
        if not (isinstance(fill_shared, bool) or (isinstance(fill_shared, str) and fill_shared)):
            raise SharedError(
                f"fill_shared is {describe(fill_shared)}, neither True nor the name of a param. "
                'Write for example fill_shared="question".'
            )
        if merge is not None:
            if not callable(merge) or inspect.iscoroutinefunction(merge):
                what = "an async function" if callable(merge) else describe(merge)
                raise SharedError(
                    f"merge is {what}, not a function that takes the shared store and an instance. Write "
                    "merge=lambda shared, instance: shared.update(instance.writes)."
                )
            if not (isolate or fill_shared):
                raise SharedError(
                    "merge brings back the writes of isolated instances, and these instances are not "
                    "isolated. Write isolate=True too, or leave merge out."
                )
        if isinstance(allow_shared, (str, bytes)) or not isinstance(allow_shared, Iterable):
            raise SharedError(
                f"allow_shared is {describe(allow_shared)}, not a list of keys. "
                'Write for example allow_shared=["results"].'
            )
        try:
            allowed = frozenset(allow_shared)
        except TypeError as error:
            raise SharedError(
                f"allow_shared contains something that cannot be a key of a dict ({error}). "
                'Write for example allow_shared=["results"].'
            ) from None
        return cls(
            bool(isolate or fill_shared),
            merge,
            allowed,
            bool(track_shared),
            "fill_shared" if fill_shared else "isolate=True",
            fill_shared,
        )

    def why_unseen(self, shared: Any) -> str:
        """Return why it cannot be known what the instances assign to a store; empty if it can."""
        if self.isolate:
            return ""
        if type(shared) is not dict:
            return f"shared was {describe(shared)}, not a plain dict, and its changes are not known"
        return "" if self.track else "track_shared=False left no record of what rows assigned to it"


class Store:
    """The shared store of one run: gives each instance its view, and finds crossings.

    Args:
        shared: the user's object.
        sharing: how the instances share it.
        records: the records of the run, to which the writes of isolated instances are added.
        log: records what the instances assign, if the store is tracked; None: nothing does.
        item_keys: returns the keys to whose values nodes assign items; called when it is needed.

    Raises:
        SharedError: the instances are to be isolated, and the store is not a plain dict.
    """

    def __init__(
        self,
        shared: Any,
        sharing: Sharing,
        records: RecordStore,
        log: AssignmentLog | None = None,
        item_keys: Callable[[], ItemKeys] = ItemKeys,
    ) -> None:
        self.detector: CrossingDetector | None = None
        """Finds crossings; None if the store is not tracked."""
        self.view: Callable[[Trace], Any] | None = None
        """Makes the view of one attempt; None if all instances receive the user's object itself."""
        self.settle: Callable[[Any], None] | None = None
        """To be called with the view of each attempt that has ended; None if that is not needed."""
        self.objects = ObjectWatch()
        """The objects that instances have in common and that may change unseen."""
        self.not_copied: list[SharedObject] = []
        """Those that isolated instances share, since they cannot be copied."""
        self.changed_objects: list[SharedObject] = []
        """The same, as they were when the run ended."""
        self.filled: Callable[[Trace], Collection[Any]] | None = (
            self._keys_of_row if sharing.fill else None
        )
        """Returns the params that the view of an attempt begins with; None if it begins with none."""
        self._shared = shared
        self._records = records
        self._merge = sharing.merge or _by_index
        self._merged: set[int] = set()
        self.is_isolated, self._allowed = sharing.isolate, sharing.allowed
        # The methods of a subclass of dict may do more than a view can.
        plain = type(shared) is dict
        if sharing.isolate:
            if not plain:
                raise SharedError(
                    f"The shared store is {describe(shared)}, and {sharing.isolated_by} needs a plain "
                    f"dict. Write shared=dict(...), or leave {sharing.isolated_by.split('=')[0]} out."
                )
            self.view, self.settle = self._isolated, Isolated.settle
        elif plain and sharing.track:
            self.detector = detector = CrossingDetector(records, sharing.allowed, item_keys)
            self.objects = detector.objects
            if log is None:
                self.view = views(shared, detector)
            else:
                self.view = recorded_views(shared, detector, log)

    def begin(self) -> None:
        """Look at the store before the first instance, when the flow's prep has filled it."""
        if self.is_isolated:
            self.not_copied = not_copied_in(self._shared, self._allowed)
            for each in self.not_copied:
                self.objects.note_shared(each.path, each.value)

    def end(self) -> None:
        """Look at the store after the last instance."""
        self.changed_objects = self.objects.objects()

    def _isolated(self, trace: Trace) -> Any:
        written: dict[Any, Any] = {}
        self._records.writes[trace.row] = written
        if self.filled is None:
            return isolated(self._shared, written, self._allowed)
        return filled(self._shared, self.filled(trace), trace, written, self._allowed)

    def _keys_of_row(self, trace: Trace) -> Collection[Any]:
        return self._records.rows[trace.row].keys()

    def crossings(self) -> list[Crossing]:
        """Return the crossings found so far, the worse first."""
        return [] if self.detector is None else self.detector.crossings()

    def retried(self) -> list[RetriedChange]:
        """Return what earlier attempts of retried instances have left in the store, if that is known."""
        return [] if self.detector is None else self.detector.retried_changes()

    async def merge(self) -> None:
        """Bring the writes of succeeded isolated instances back to the store, in the order of the params.

        Each instance is merged once, also if failed rows are retried afterwards.

        Raises:
            Exception: whatever the user's `merge` raises.
        """
        records = self._records
        if not self.is_isolated:  # even then, rows restored from a journal may have writes
            return
        slice_end = time.monotonic() + _SLICE
        for index in sorted(records.writes.keys() - self._merged):
            if records.status[index] == SUCCEEDED:
                self._merge(self._shared, Instance(records, index))
                self._merged.add(index)
                if time.monotonic() > slice_end:
                    await asyncio.sleep(0)
                    slice_end = time.monotonic() + _SLICE


def not_copied_in(shared: Any, allowed: AbstractSet[Any]) -> list[SharedObject]:
    """Return the objects in a store that isolated instances share, since they cannot be copied."""
    found: list[SharedObject] = []
    for key, value in itertools.islice(shared.items(), _MOST_KEYS):
        if type(value) not in ATOMS and key not in allowed:
            each = or_none(not_copied, value)
            if each is not None:
                found.append(SharedObject((key,), each, None))
    return found


def _by_index(shared: Any, instance: Instance) -> None:
    shared[instance.index] = instance.writes
