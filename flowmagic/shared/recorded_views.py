"""The view that each instance has of the shared store in a run with a journal.

It is a `Tracked` view that also reports to an `AssignmentLog` what the instance reads and assigns.

All values are given to the nodes as they are, but for one kind: a dict to whose items the nodes
assign, as in `shared["by"][i] = answer`, is given as a view too, so that these assignments are seen.
The store itself always holds the user's own dicts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..records.observed_dict import MISSING, ObservedDict
from ..records.trace import Trace
from .assignments import AssignmentLog
from .crossings import CrossingDetector
from .views import Placeholder, Tracked

_UNUSED = {Placeholder("shared"): None}
_UNUSED_ITEMS = {Placeholder("shared[key]"): None}


class _StoresPlainDicts(ObservedDict):
    """Stores the user's dict in place of a view of it."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        ObservedDict.__setitem__(self, key, _unwrapped(value))

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.setdefault`."""
        return ObservedDict.setdefault(self, key, _unwrapped(default))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As `ObservedDict.update`."""
        new: dict[Any, Any] = {}
        new.update(*args, **kwargs)
        ObservedDict.update(self, {key: _unwrapped(value) for key, value in new.items()})


class Recorded(_StoresPlainDicts, Tracked):
    """One instance's view of the shared store, which reports to an `AssignmentLog`."""

    __slots__ = ("_log", "_views")
    _log: AssignmentLog
    _views: dict[Any, RecordedItems]
    """The views of dicts in the store, by key: the instance gets the same one each time."""

    # Those of `Tracked` do without the hooks.
    __getitem__ = ObservedDict.__getitem__
    get = ObservedDict.get

    def _on_read(self, key: Any, value: Any) -> Any:
        super()._on_read(key, value)
        self._log.note_read(self._trace, (key,), value)
        return self._given(key, value)

    def _on_read_all(self) -> None:
        super()._on_read_all()
        self._log.note_read_all(self._trace, self._store)

    def _on_write(self, key: Any, old: Any, new: Any) -> None:
        super()._on_write(key, old, new)
        self._log.note_write(self._trace, key, old, new)

    def _given(self, key: Any, value: Any) -> Any:
        """Return what the instance gets of a value in the store."""
        if not self._log.expected.has_items(key, value):
            return value
        view = self._views.get(key)
        if view is None or view._dict is not value:
            view = self._views[key] = _make_items(_UNUSED_ITEMS)
            view._dict, view._key, view._log, view._trace = value, key, self._log, self._trace
        return view

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.setdefault`."""
        value = super().setdefault(key, default)
        return value if type(value) is RecordedItems else self._given(key, value)

    def pop(self, key: Any, default: Any = MISSING, /) -> Any:
        """As `dict.pop`."""
        return _unwrapped(super().pop(key, default))

    def popitem(self) -> tuple[Any, Any]:
        """As `dict.popitem`."""
        key, value = super().popitem()
        return key, _unwrapped(value)


class RecordedItems(_StoresPlainDicts):
    """One instance's view of a dict in the shared store, which reports to an `AssignmentLog`."""

    __slots__ = ("_dict", "_key", "_log", "_trace")
    _dict: dict[Any, Any]
    _key: Any
    _log: AssignmentLog
    _trace: Trace

    def _storage(self) -> dict[Any, Any]:
        return self._dict

    def _on_read(self, key: Any, value: Any) -> Any:
        self._log.note_read(self._trace, (self._key, key), value)
        return value

    def _on_read_all(self) -> None:
        self._log.note_read_all(self._trace, self._dict, self._key)

    def _on_write(self, key: Any, old: Any, new: Any) -> None:
        self._log.note_item(self._trace, self._dict, (self._key, key), old, new)

    def __len__(self) -> int:
        return len(self._dict)

    def __repr__(self) -> str:
        return repr(self._dict)


_make_recorded: Callable[..., Recorded] = type.__call__.__get__(Recorded)
_make_items: Callable[..., RecordedItems] = type.__call__.__get__(RecordedItems)


def _unwrapped(value: Any) -> Any:
    """Return the dict that a view of an item shows; any other value as it is."""
    return value._dict if type(value) is RecordedItems else value


def recorded_views(
    store: dict[Any, Any], detector: CrossingDetector, log: AssignmentLog
) -> Callable[[Trace], Recorded]:
    """Return a function that makes an instance's view of a store, from the trace of the instance."""

    def view(trace: Trace) -> Recorded:
        recorded = _make_recorded(_UNUSED)
        recorded._store, recorded._detector = store, detector
        recorded._trace, recorded._accesses = trace, None
        recorded._log, recorded._views = log, {}
        return recorded

    return view
