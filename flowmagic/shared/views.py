"""The view that each instance has of the shared store: `Tracked`, `Isolated` or `Filled`.

All `Tracked` views of a run read and write one and the same dict, the user's: what one instance
writes is there at once for the others, as in PocketFlow. A view reports each access to the
`CrossingDetector`, with the instance that made it.

An `Isolated` view is a copy. It has what was in the user's dict when the instance began, and the
instance's own writes, which `Store.merge` brings back when all instances have ended. Data, such as
lists, arrays and objects that hold no more than these, are copied when they are read for the first
time (see `data_copies`). Other objects, such as a client, are the same for all instances. A `Filled` view
is an isolated one that also has the instance's row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from ..records.containers import ATOMS
from ..records.observed_dict import MISSING, ObservedDict
from ..records.trace import Trace
from .crossings import Accesses, CrossingDetector
from .data_copies import copy_of_data, same_data


class Placeholder:
    """The only key in a view's own storage, which is otherwise unused.

    With nothing in it, the json module would take the view for an empty dict. An extension written in
    C that reads the storage past the methods finds this key, which says what to do.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        name = self._name
        return f"<a view of {name}: pass dict({name}) on, or run with track_shared=False>"


UNUSED = {Placeholder("shared"): None}
UNUSED_BELOW = {Placeholder("shared[key]"): None}


class Tracked(ObservedDict):
    """One instance's view of the shared store: a dict whose items are in the user's dict.

    `repr`, `len` and iterating over the keys alone count as reading no value. A dict in the store to
    which nodes assign items is given as a view, too; the store always holds the user's own dicts.
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
        return value if type(value) in ATOMS else self._given(key, value)

    def _given(self, key: Any, value: Any) -> Any:
        """Return what the instance gets of a value in the store that may be changed in place."""
        if value is MISSING:
            return value
        detector = self._detector.below(key, value) if type(value) is dict else None
        if detector is None:
            self._detector.note_object(self._trace, key, value)
            return value
        return self._view_of(key, value, detector)

    def _view_of(self, key: Any, value: dict[Any, Any], detector: CrossingDetector) -> Tracked:
        accesses = self._accesses or self._first_access()
        views = accesses.views
        if views is None:
            views = accesses.views = {}
        view = views.get(key)
        if view is None or view._store is not value:
            view = views[key] = self._view_below(key, value, detector)
        return view

    def _view_below(self, key: Any, value: Any, detector: CrossingDetector) -> Tracked:  # noqa: ARG002 - for subclasses
        """Return a new view of a dict at a key."""
        return set_up(_make_tracked(UNUSED_BELOW), value, detector, self._trace)

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
        return value if type(value) in ATOMS else self._given(key, value)

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.get`."""
        value = self._store.get(key, MISSING)
        self._detector.note_read(self._trace, self._accesses or self._first_access(), key, value)
        if type(value) in ATOMS:
            return value
        return default if value is MISSING else self._given(key, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        value = plain(value)
        old = self._store.get(key, MISSING)
        self._store[key] = value
        accesses = self._accesses or self._first_access()
        self._detector.note_write(self._trace, accesses, key, old, value)

    def _set_item(self, key: Any, value: Any) -> None:
        super().__setitem__(key, plain(value))

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.setdefault`."""
        value = super().setdefault(key, plain(default))
        return value if isinstance(value, Tracked) else self._given(key, value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As `ObservedDict.update`."""
        new: dict[Any, Any] = {}
        new.update(*args, **kwargs)
        super().update({key: plain(value) for key, value in new.items()})

    def pop(self, key: Any, default: Any = MISSING, /) -> Any:
        """As `dict.pop`."""
        return plain(super().pop(key, default))

    def popitem(self) -> tuple[Any, Any]:
        """As `dict.popitem`."""
        key, value = super().popitem()
        return key, plain(value)


def plain(value: Any) -> Any:
    """Return the user's dict that a view shows; any other value as it is."""
    return value._store if isinstance(value, Tracked) else value


T = TypeVar("T", bound=Tracked)


def set_up(view: T, store: dict[Any, Any], detector: CrossingDetector, trace: Trace) -> T:
    """Set the attributes of a new view, and return it."""
    # One by one: Python builds a tuple for more than three at once.
    view._store = store
    view._detector = detector
    view._trace = trace
    view._accesses = None
    return view


_make_tracked: Callable[..., Tracked] = type.__call__.__get__(Tracked)


def views(store: dict[Any, Any], detector: CrossingDetector) -> Callable[[Trace], Tracked]:
    """Return a function that makes an instance's view of a store, from the trace of the instance."""

    def view(trace: Trace) -> Tracked:
        # As `set_up`, whose call is felt by flows with one node (1 %, benchmarks overhead).
        tracked = _make_tracked(UNUSED)
        tracked._store = store
        tracked._detector = detector
        tracked._trace = trace
        tracked._accesses = None
        return tracked

    return view


class Isolated(ObservedDict):
    """One instance's copy of the shared store, which notes what the instance writes.

    Its storage holds the items, so that extensions written in C can read it like any dict.
    """

    __slots__ = ("_allowed", "_originals", "_written")
    _allowed: AbstractSet[Any]
    """Keys whose values all instances share; they are not copied."""
    _originals: dict[Any, Any]
    """By key: the value in the user's dict, where the instance has a copy of it."""
    _written: dict[Any, Any]
    """The keys that the instance has written, and their values."""

    def _on_read(self, key: Any, value: Any) -> Any:
        if (
            type(value) in ATOMS
            or value is MISSING
            or key in self._originals
            or key in self._written
            or key in self._allowed
        ):
            return value
        copied = copy_of_data(value)
        if copied is not value:
            self._originals[key] = value
            dict.__setitem__(self, key, copied)
        return copied

    def _on_read_all(self) -> None:
        for key, value in list(dict.items(self)):
            self._on_read(key, value)

    def _on_write(self, key: Any, old: Any, new: Any) -> None:  # noqa: ARG002 - the hook's signature
        if new is MISSING:
            self._written.pop(key, None)
        else:
            self._written[key] = new

    def pop(self, key: Any, default: Any = MISSING, /) -> Any:
        """As `dict.pop`."""
        self.get(key)  # copies the value while it is still here
        return super().pop(key, default)

    def popitem(self) -> tuple[Any, Any]:
        """As `dict.popitem`."""
        for key in reversed(self):
            return key, self.pop(key)
        return super().popitem()  # raises

    def settle(self) -> None:
        """Note as written what the instance changed in place, and drop the copies it did not change."""
        for key, before in list(self._originals.items()):  # a thread may still be reading
            if key in self and key not in self._written:
                now = dict.__getitem__(self, key)
                if not same_data(now, before):
                    self._written[key] = now
                else:
                    dict.__setitem__(self, key, before)
        self._originals.clear()


_make_isolated: Callable[..., Isolated] = type.__call__.__get__(Isolated)


def isolated(
    store: dict[Any, Any], written: dict[Any, Any], allowed: AbstractSet[Any] = frozenset()
) -> Isolated:
    """Return an isolated copy of a store, which fills `written` with what the instance writes.

    All instances share the lists and dicts under the `allowed` keys.
    """
    view = _make_isolated(store)
    view._written, view._originals, view._allowed = written, {}, allowed
    return view


class Filled(Isolated):
    """An isolated copy that also has the items of the instance's row, which it notes as read params."""

    __slots__ = ("_filled", "_read")
    _filled: AbstractSet[Any]
    """The keys of the row."""
    _read: set[Any]
    """The params that the instance has read."""

    def _on_read(self, key: Any, value: Any) -> Any:
        self._on_lookup(key)
        return super()._on_read(key, value)

    def _on_lookup(self, key: Any) -> None:
        if key in self._filled and key not in self._written:
            self._read.add(key)

    def _on_read_keys(self) -> None:
        self._read.update(self._filled - self._written.keys())


_make_filled: Callable[..., Filled] = type.__call__.__get__(Filled)


def filled(
    store: dict[Any, Any],
    keys: Collection[Any],
    trace: Trace,
    written: dict[Any, Any],
    allowed: AbstractSet[Any] = frozenset(),
) -> Filled:
    """Return an isolated copy of a store that also has some params of an instance; see `isolated`.

    Args:
        keys: the params that it has, in place of what the store has under these keys.
        trace: the trace of the instance, which has its params.
    """
    params = trace.params
    assert params is not None  # of every instance of a run
    view = _make_filled(store)
    dict.update(view, {key: dict.__getitem__(params, key) for key in keys})
    view._written, view._originals = written, {}
    view._filled, view._read = frozenset(keys), params.read
    view._allowed = allowed - view._filled
    return view
