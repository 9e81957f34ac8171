"""Tracking: all instances of a run share the user's dict, and each read and write of it is noted.

Each instance has a view of its own, a `Tracked` dict. All views of a run read and write one and the
same dict, the user's: what one instance writes is there at once for the others, as in PocketFlow.
A view reports each access to the `CrossingDetector`, with the instance that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..records.observed_dict import MISSING, ObservedDict
from ..records.trace import Trace
from .crossings import Accesses, CrossingDetector


class _Placeholder:
    """The only key in a view's own storage, which is otherwise unused.

    With nothing in it, the json module would take the view for an empty dict. An extension written in
    C that reads the storage past the methods finds this key, which says what to do.
    """

    def __repr__(self) -> str:
        return "<a view of shared: pass dict(shared) on, or run with track_shared=False>"


_UNUSED = {_Placeholder(): None}


class Tracked(ObservedDict):
    """One instance's view of the shared store: a dict whose items are in the user's dict.

    `repr`, `len` and iterating over the keys alone count as reading no value.
    """

    __slots__ = ("_accesses", "_detector", "_store", "_trace")
    _store: dict[Any, Any]
    _accesses: Accesses | None
    """What the instance has accessed; None before its first access, and most flows make few."""
    _trace: Trace
    _detector: CrossingDetector

    def _storage(self) -> dict[Any, Any]:
        return self._store

    def _first_access(self) -> Accesses:
        self._accesses = accesses = Accesses()
        return accesses

    def _on_read(self, key: Any, value: Any) -> Any:
        self._detector.note_read(self._trace, self._accesses or self._first_access(), key, value)
        return value

    def _on_lookup(self, key: Any) -> None:
        self._detector.note_lookup(self._trace, self._accesses or self._first_access(), key)

    def _on_read_all(self) -> None:
        accesses = self._accesses or self._first_access()
        self._detector.note_read_all(self._trace, accesses, self._store)

    def _on_write(self, key: Any, old: Any, new: Any) -> None:
        accesses = self._accesses or self._first_access()
        self._detector.note_write(self._trace, accesses, key, old, new)

    def __len__(self) -> int:
        return len(self._store)

    def __repr__(self) -> str:
        return repr(self._store)

    # The next three do without the hooks, since nodes use them most: the hooks add 10 to 30 % (timeit).

    def __getitem__(self, key: Any) -> Any:
        try:
            value = self._store[key]
        except KeyError:
            self._on_read(key, MISSING)
            raise
        self._detector.note_read(self._trace, self._accesses or self._first_access(), key, value)
        return value

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.get`."""
        value = self._store.get(key, MISSING)
        self._detector.note_read(self._trace, self._accesses or self._first_access(), key, value)
        return default if value is MISSING else value

    def __setitem__(self, key: Any, value: Any) -> None:
        old = self._store.get(key, MISSING)
        self._store[key] = value
        accesses = self._accesses or self._first_access()
        self._detector.note_write(self._trace, accesses, key, old, value)


_make: Callable[..., Tracked] = type.__call__.__get__(Tracked)


def views(store: dict[Any, Any], detector: CrossingDetector) -> Callable[[Trace], Tracked]:
    """Return a function that makes an instance's view of a store, from the trace of the instance."""

    def view(trace: Trace) -> Tracked:
        tracked = _make(_UNUSED)
        # One by one: Python builds a tuple for more than three at once.
        tracked._store = store
        tracked._detector = detector
        tracked._trace = trace
        tracked._accesses = None
        return tracked

    return view
