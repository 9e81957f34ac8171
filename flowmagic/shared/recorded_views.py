"""The view that each instance has of the shared store in a run with a journal.

It is a `Tracked` view that also reports to an `AssignmentLog` what the instance reads and assigns; so
is its view of a dict to whose items the nodes assign, as in `shared["by"][i] = answer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..records.observed_dict import ObservedDict
from ..records.trace import Trace
from .assignments import AssignmentLog
from .crossings import CrossingDetector
from .views import UNUSED, UNUSED_BELOW, Tracked, set_up


class _Logged(Tracked):
    """A view that reports to an `AssignmentLog`."""

    __slots__ = ("_log",)
    _log: AssignmentLog

    # Those of `Tracked` do without the hooks.
    __getitem__ = ObservedDict.__getitem__
    __setitem__ = Tracked._set_item
    get = ObservedDict.get


class Recorded(_Logged):
    """One instance's view of the shared store."""

    __slots__ = ("_unwatched",)
    _unwatched: CrossingDetector
    """Receives what happens in dicts where nothing is a crossing."""

    def _on_read(self, key: Any, value: Any) -> Any:
        self._log.note_read(self._trace, (key,), value)
        return super()._on_read(key, value)

    def _on_read_all(self) -> None:
        super()._on_read_all()
        self._log.note_read_all(self._trace, self._store)

    def _on_write(self, key: Any, old: Any, new: Any) -> None:
        super()._on_write(key, old, new)
        self._log.note_write(self._trace, key, old, new)

    def _given(self, key: Any, value: Any) -> Any:
        logged = self._log.expected.has_items(key, value)
        if logged and self._detector.below(key, value) is None:
            return self._view_of(key, value, self._unwatched)
        return super()._given(key, value)

    def _view_below(self, key: Any, value: Any, detector: CrossingDetector) -> Tracked:
        if not self._log.expected.has_items(key, value):
            return super()._view_below(key, value, detector)
        view = set_up(_make_items(UNUSED_BELOW), value, detector, self._trace)
        view._key, view._log = key, self._log
        return view


class RecordedItems(_Logged):
    """One instance's view of a dict in the shared store."""

    __slots__ = ("_key",)
    _key: Any

    def _on_read(self, key: Any, value: Any) -> Any:
        self._log.note_read(self._trace, (self._key, key), value)
        return super()._on_read(key, value)

    def _on_read_all(self) -> None:
        super()._on_read_all()
        self._log.note_read_all(self._trace, self._store, self._key)

    def _on_write(self, key: Any, old: Any, new: Any) -> None:
        super()._on_write(key, old, new)
        self._log.note_item(self._trace, self._store, (self._key, key), old, new)


_make_recorded: Callable[..., Recorded] = type.__call__.__get__(Recorded)
_make_items: Callable[..., RecordedItems] = type.__call__.__get__(RecordedItems)


def recorded_views(
    store: dict[Any, Any], detector: CrossingDetector, log: AssignmentLog
) -> Callable[[Trace], Recorded]:
    """Return a function that makes an instance's view of a store, from the trace of the instance."""
    unwatched = CrossingDetector(detector.records)

    def view(trace: Trace) -> Recorded:
        recorded = set_up(_make_recorded(UNUSED), store, detector, trace)
        recorded._log, recorded._unwatched = log, unwatched
        return recorded

    return view
