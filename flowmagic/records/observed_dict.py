"""A dict that calls a hook whenever it is read or written.

`ReadTrackingDict` (params), `Tracked` and `Isolated` (views of the shared store) derive from it, and
differ in what their hooks do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsIndex

MISSING: Any = object()
"""What a hook receives as the value of a key that is not in the dict."""


class ReturnsPlainDicts(type):
    """Makes calling a class return a plain dict, so that the copy `type(params)(params)` is one."""

    def __call__(cls, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Return a plain dict."""
        return dict(*args, **kwargs)


class ObservedDict(dict[Any, Any], metaclass=ReturnsPlainDicts):
    """A dict that calls a hook whenever it is read or written, and otherwise behaves like any dict.

    Copies of any kind, pickles and `type(d)(...)` are plain dicts. `len` and `repr` call no hook.

    Two kinds of code notice the difference: code that tests `type(d) is dict`, and extensions written
    in C that access a dict's own storage without calling its methods. The latter call no hook.

    Calling the class returns a plain dict, so instances are made by
    `type.__call__.__get__(SubclassOfIt)`. Whoever makes one also sets its slots: an `__init__` would
    double the cost of making it.

    A subclass whose storage is another dict overrides `__len__` and `__repr__`, too. They are not
    overridden here, because `pprint` lays out only dicts whose `__repr__` is that of `dict`.
    """

    __slots__ = ()

    def _storage(self) -> dict[Any, Any]:
        """Return the dict that holds the items. The methods of `dict` itself are called on it."""
        return self

    def _on_read(self, key: Any, value: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Return what the reader of a key receives. `value` is MISSING if the key is not there."""
        return value

    def _on_lookup(self, key: Any) -> None:
        """Do what is due when a key is looked up without its value (`key in d`)."""

    def _on_read_keys(self) -> None:
        """Do what is due when all keys are read, without their values."""

    def _on_read_all(self) -> None:
        """Do what is due when all keys and values are read."""

    def _on_write(self, key: Any, old: Any, new: Any) -> None:
        """Do what is due after a key was set, or removed: `new` is MISSING then."""

    def __getitem__(self, key: Any) -> Any:
        value = self._on_read(key, dict.get(self._storage(), key, MISSING))
        if value is MISSING:
            raise KeyError(key)
        return value

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.get`."""
        value = self._on_read(key, dict.get(self._storage(), key, MISSING))
        return default if value is MISSING else value

    def __contains__(self, key: object) -> bool:
        there = dict.__contains__(self._storage(), key)
        self._on_lookup(key)
        return there

    def __iter__(self) -> Iterator[Any]:
        # Python copies a dict by `**` or `dict(d)` from its storage, past these methods, unless its
        # class overrides __iter__.
        self._on_read_keys()
        return dict.__iter__(self._storage())

    def __reversed__(self) -> Iterator[Any]:
        self._on_read_keys()
        return dict.__reversed__(self._storage())

    def keys(self) -> Any:
        """As `dict.keys`."""
        self._on_read_keys()
        return dict.keys(self._storage())

    def values(self) -> Any:
        """As `dict.values`."""
        self._on_read_all()
        return dict.values(self._storage())

    def items(self) -> Any:
        """As `dict.items`."""
        self._on_read_all()
        return dict.items(self._storage())

    def copy(self) -> dict[Any, Any]:
        """Return a plain dict with the same items."""
        self._on_read_all()
        return dict(dict.items(self._storage()))  # in C, so that other threads cannot interfere

    def __eq__(self, other: object) -> Any:
        return self.copy() == _plain(other)

    def __ne__(self, other: object) -> Any:
        return self.copy() != _plain(other)

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self.copy() | _plain(other)

    def __ror__(self, other: Any) -> Any:
        return _plain(other) | self.copy()

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[Any, ...]:
        return dict, (), None, None, iter(self.items())

    def __setitem__(self, key: Any, value: Any) -> None:
        storage = self._storage()
        old = dict.get(storage, key, MISSING)
        dict.__setitem__(storage, key, value)
        self._on_write(key, old, value)

    def __delitem__(self, key: Any) -> None:
        self._on_write(key, dict.pop(self._storage(), key), MISSING)

    def pop(self, key: Any, default: Any = MISSING, /) -> Any:
        """As `dict.pop`."""
        old = dict.pop(self._storage(), key, MISSING)
        value = self._on_read(key, old)
        if old is not MISSING:
            self._on_write(key, old, MISSING)
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[Any, Any]:
        """As `dict.popitem`."""
        key, old = dict.popitem(self._storage())
        value = self._on_read(key, old)
        self._on_write(key, old, MISSING)
        return key, value

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.setdefault`."""
        storage = self._storage()
        there = dict.__contains__(storage, key)
        value = dict.setdefault(storage, key, default)
        if there:
            return self._on_read(key, value)
        self._on_read(key, MISSING)
        self._on_write(key, MISSING, value)
        return value

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As `dict.update`, except that nothing is written if an argument raises while it is read."""
        new: dict[Any, Any] = {}
        new.update(*args, **kwargs)
        storage = self._storage()
        old = {key: dict.get(storage, key, MISSING) for key in new}
        dict.update(storage, new)
        for key, value in new.items():
            self._on_write(key, old[key], value)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def clear(self) -> None:
        """As `dict.clear`."""
        storage = self._storage()
        items = list(dict.items(storage))
        dict.clear(storage)
        for key, old in items:
            self._on_write(key, old, MISSING)


def _plain(other: Any) -> Any:
    """Return a plain copy of an observed dict, whose storage C code would read; else `other`."""
    return other.copy() if isinstance(other, ObservedDict) else other
