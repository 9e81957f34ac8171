"""The shared store as an instance has it that is not isolated: the user's own dict, and who is at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex

from ..records.param_reads import GivesDicts
from ..records.trace import Trace
from .crossings import GONE, CrossingDetector, Touched


class _Inside:
    """Stands in the storage that a view inherits, and never uses.

    Without any, the json module would take the view for empty; and an extension written in C that
    looks into it, past its methods, now meets a key that says what to do.
    """

    def __repr__(self) -> str:
        return "<a view of shared: pass dict(shared) on, or run with track_shared=False>"


_SEED = {_Inside(): None}


class Tracked(dict[Any, Any], metaclass=GivesDicts):
    """The user's own dict, by whose methods an instance is seen to read and write.

    All that it holds is in that dict. Copies and pickles of it, and `type(shared)(...)`, are plain
    dicts. `repr`, `len` and going over the keys alone read no value.

    What cannot be served: code that tests `type(shared) is dict`, and extensions written in C that
    look into a dict without asking it.
    """

    # Set by whoever makes one with `tracked`: an __init__ would double the cost.
    __slots__ = ("_store", "_touched", "_trace", "_watch")
    _store: dict[Any, Any]
    _touched: Touched | None
    _trace: Trace
    _watch: CrossingDetector

    def _touch(self) -> Touched:
        touched = self._touched
        if touched is None:
            touched = self._touched = Touched()
        return touched

    def _looked(self, key: Any) -> None:
        self._watch.looked(self._trace, self._touch(), key)

    def _read(self, key: Any, value: Any) -> None:
        self._watch.read(self._trace, self._touch(), key, value)

    def _wrote(self, key: Any, old: Any = None, new: Any = GONE) -> None:
        self._watch.wrote(self._trace, self._touch(), key, old, new)

    def _whole(self) -> dict[Any, Any]:
        """Return the store, of which everything is being read."""
        self._watch.whole(self._trace, self._touch(), self._store)
        return self._store

    def __getitem__(self, key: Any) -> Any:
        try:
            value = self._store[key]
        except KeyError:
            self._read(key, GONE)
            raise
        self._watch.read(self._trace, self._touched or self._touch(), key, value)
        return value

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        value = self._store.get(key, GONE)
        self._watch.read(self._trace, self._touched or self._touch(), key, value)
        return default if value is GONE else value

    def __contains__(self, key: object) -> bool:
        there = key in self._store
        self._looked(key)
        return there

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[Any]:
        # Also what makes `**` and `dict(...)` ask for each key: they look into a dict themselves
        # only if it iterates as dicts do.
        return iter(self._store)

    def __reversed__(self) -> Any:
        return reversed(self._store)

    def keys(self) -> Any:
        """As of any dict."""
        return self._store.keys()

    def values(self) -> Any:
        """As of any dict."""
        return self._whole().values()

    def items(self) -> Any:
        """As of any dict."""
        return self._whole().items()

    def copy(self) -> dict[Any, Any]:
        """As of any dict."""
        return self._whole().copy()

    def __eq__(self, other: object) -> Any:
        return self._whole() == _plain(other)

    def __ne__(self, other: object) -> Any:
        return self._whole() != _plain(other)

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self._whole() | _plain(other)

    def __ror__(self, other: Any) -> Any:
        return _plain(other) | self._whole()

    def __repr__(self) -> str:
        return repr(self._store)

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[Any, ...]:
        return dict, (), None, None, iter(self._whole().items())

    def __setitem__(self, key: Any, value: Any) -> None:
        old = self._store.get(key, GONE)
        self._store[key] = value
        self._watch.wrote(self._trace, self._touched or self._touch(), key, old, value)

    def __delitem__(self, key: Any) -> None:
        del self._store[key]
        self._wrote(key)

    def pop(self, key: Any, *default: Any) -> Any:
        """As of any dict."""
        there = key in self._store
        value = self._store.pop(key, *default)
        self._read(key, value if there else GONE)
        if there:
            self._wrote(key)
        return value

    def popitem(self) -> tuple[Any, Any]:
        """As of any dict."""
        key, value = self._store.popitem()
        self._read(key, value)
        self._wrote(key)
        return key, value

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        there = key in self._store
        value = self._store.setdefault(key, default)
        self._read(key, value if there else GONE)
        if not there:
            self._wrote(key, GONE, value)
        return value

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As of any dict."""
        new = dict(*args, **kwargs)
        old = {key: self._store.get(key, GONE) for key in new}
        self._store.update(new)
        for key, value in new.items():
            self._wrote(key, old[key], value)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def clear(self) -> None:
        """As of any dict."""
        keys = list(self._store)
        self._store.clear()
        for key in keys:
            self._wrote(key)


def _plain(other: Any) -> Any:
    return other._whole() if type(other) is Tracked else other


# As `received.make`: neither the metaclass's call nor one more than needed.
_make: Callable[..., Tracked] = type.__call__.__get__(Tracked)


def views(store: dict[Any, Any], watch: CrossingDetector) -> Callable[[Trace], Tracked]:
    """Return what gives a view of a store to the instance that writes a trace."""

    def view(trace: Trace) -> Tracked:
        tracked = _make(_SEED)
        # One by one: of more than three at once, a tuple would be made.
        tracked._store = store
        tracked._watch = watch
        tracked._trace = trace
        tracked._touched = None
        return tracked

    return view
