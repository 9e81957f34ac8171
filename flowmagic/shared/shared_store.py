"""The shared store of a run as its instances see it: tracked, isolated, or as it stands."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import SharedError, describe
from ..records.instances import Instance
from ..records.store import SUCCEEDED, RecordStore
from ..records.trace import Trace
from .crossings import Crossing, CrossingDetector
from .isolated import Isolated, isolated
from .tracked import views

Merge = Callable[[Any, Instance], Any]
"""Bring what an isolated instance wrote back to the shared store."""

_SLICE = 0.01  # seconds of merging before the loop turns


@dataclass(frozen=True)
class Sharing:
    """How the instances of a run share the store.

    Attributes:
        isolate: whether each instance works on a view of its own.
        merge: how what they wrote comes back to the store; None: under the instance's index.
        allowed: keys that are meant to be shared: meeting there is no crossing, and isolated
            instances have no copies of the lists and dicts there.
        track: whether crossings are looked for.
        isolated_by: which option isolates them, as a user writes it.
    """

    isolate: bool = False
    merge: Merge | None = None
    allowed: frozenset[Any] = frozenset()
    track: bool = True
    isolated_by: str = "isolate=True"

    @classmethod
    def of(
        cls,
        *,
        isolate: bool = False,
        merge: Any = None,
        allow_shared: Iterable[Any] = (),
        track_shared: bool = True,
    ) -> Sharing:
        """Check what `batchflow` takes.

        Raises:
            SharedError (a TypeError): one of them has another form, or makes no sense.
        """
        if merge is not None:
            if not callable(merge) or inspect.iscoroutinefunction(merge):
                what = "an async function" if callable(merge) else describe(merge)
                raise SharedError(
                    f"merge is {what}, not a function of the shared store and an instance. Write "
                    "merge=lambda shared, instance: shared.update(instance.writes)."
                )
            if not isolate:
                raise SharedError(
                    "merge says how the writes of isolated instances come back, and these are not "
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
                f"allow_shared holds what can be no key of a dict ({error}). "
                'Write for example allow_shared=["results"].'
            ) from None
        return cls(bool(isolate), merge, allowed, bool(track_shared))


class Store:
    """The shared store of one run, and what its instances do with it.

    Args:
        shared: the user's own.
        sharing: how the instances share it.
        records: of the run; they keep what isolated instances write.

    Raises:
        SharedError: the instances are to be isolated, and the store is no plain dict.
    """

    def __init__(self, shared: Any, sharing: Sharing, records: RecordStore) -> None:
        self.watch: CrossingDetector | None = None
        """What finds crossings; None where nothing does."""
        self.view: Callable[[Trace], Any] | None = None
        """Gives an attempt of an instance its view; None: all have the store as it stands."""
        self.settle: Callable[[Any], None] | None = None
        """Told of each view whose attempt has ended; None: nobody needs to be."""
        self._shared = shared
        self._records = records
        self._merge = sharing.merge or _by_index
        self._merged: set[int] = set()
        self._isolate, self._allowed = sharing.isolate, sharing.allowed
        # Of a class that somebody derived from dict, the methods may do more than a view can.
        plain = type(shared) is dict
        if sharing.isolate:
            if not plain:
                raise SharedError(
                    f"The shared store is {describe(shared)}, and {sharing.isolated_by} needs a plain "
                    f"dict. Write shared=dict(...), or leave {sharing.isolated_by.split('=')[0]} out."
                )
            self.view, self.settle = self._isolated, Isolated.settle
        elif plain and sharing.track:
            watch = self.watch = CrossingDetector(records, sharing.allowed)
            self.view = views(shared, watch)

    def _isolated(self, trace: Trace) -> Any:
        written: dict[Any, Any] = {}
        self._records.writes[trace.row] = written
        return isolated(self._shared, written, self._allowed)

    def crossings(self) -> list[Crossing]:
        """Return what was found so far, the worse first."""
        return [] if self.watch is None else self.watch.crossings()

    async def merge(self) -> None:
        """Bring back what the instances wrote that have succeeded, in the order of the params.

        Once each, also when the run is taken up again. Anything that the user's function raises.
        """
        records = self._records
        if not self._isolate:  # what an earlier run has left may be there all the same
            return
        turns = time.monotonic() + _SLICE
        for index in sorted(records.writes.keys() - self._merged):
            if records.status[index] == SUCCEEDED:
                self._merge(self._shared, Instance(records, index))
                self._merged.add(index)
                if time.monotonic() > turns:
                    await asyncio.sleep(0)
                    turns = time.monotonic() + _SLICE


def _by_index(shared: Any, instance: Instance) -> None:
    shared[instance.index] = instance.writes
