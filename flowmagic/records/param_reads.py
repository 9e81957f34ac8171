"""The params as an instance's nodes receive them: a dict that notes which of its keys were read.

Most instances of a run read the same keys, in the same order. So what was read is no set of each
instance's own, but a walk from one `ParsedText` to the next: each set there is stands in memory once
per run, and on record with a number of two bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex

_MOST = 4_096  # sets of keys
_MOST_KEYS = 100_000  # in all of them together
_LONGEST = 200  # characters of a key: one that is longer may be any text, and is not worth keeping


class ReadSet(dict[Any, "ReadSet"]):
    """A set of keys that were read. Asked for another key, it gives what reading that makes of it.

    Attributes:
        read: the keys; None: not known, so that each may have been read.
        number: what stands for it on record.
    """

    __slots__ = ("_readings", "number", "read")

    def __init__(self, readings: ReadSets, read: frozenset[Any] | None, number: int) -> None:
        self._readings = readings
        self.read = read
        self.number = number

    def __missing__(self, key: Any) -> ReadSet:
        if self.read is None:
            return self
        if isinstance(key, str) and len(key) > _LONGEST:
            return self._readings.unclear
        after = self._readings.of(self.read | {key})
        if after.read is not None:
            self[key] = after
        return after

    def also(self, keys: Iterable[Any] | None) -> ReadSet:
        """Return what reading all these keys makes of it; None: keys that are not known."""
        if self.read is None or (keys is not None and self.read.issuperset(keys)):
            return self
        return self._readings.unclear if keys is None else self._readings.of(self.read.union(keys))


class ReadSets:
    """Each set of keys that the instances of a run have read, once. There may be too many to know."""

    def __init__(self) -> None:
        # Sync nodes read in worker threads. Again by the same thread: a key's own __eq__ may read.
        self._lock = threading.RLock()
        self._room = _MOST_KEYS
        self._known: dict[frozenset[Any], ReadSet] = {}
        self._numbered: list[ReadSet] = []
        self.nothing = self.of(frozenset())
        """Where each instance begins; its number is 0."""
        self.unclear = self._numbered_anew(None)

    def of(self, read: frozenset[Any]) -> ReadSet:
        """Return the one that stands for a set of keys; the unclear one when there are too many."""
        with self._lock:
            known = self._known.get(read)
            if known is None:
                self._room -= len(read)
                if len(self._numbered) >= _MOST or self._room < 0:
                    return self.unclear
                known = self._known[read] = self._numbered_anew(read)
            return known

    def read(self, number: int) -> frozenset[Any] | None:
        """Return the keys that a number stands for; None: not known."""
        return self._numbered[number].read

    def _numbered_anew(self, read: frozenset[Any] | None) -> ReadSet:
        self._numbered.append(ReadSet(self, read, len(self._numbered)))
        return self._numbered[-1]


class GivesDicts(type):
    """Has a class give plain dicts when it is called: a twin of one that notes its reads is none."""

    def __call__(cls, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Return a plain dict."""
        return dict(*args, **kwargs)


_get_item, _get, _contains = dict.__getitem__, dict.get, dict.__contains__
_items, _keys, _update = dict.items, dict.keys, dict.update


class ReadTrackingDict(dict[Any, Any], metaclass=GivesDicts):
    """A dict like any other, except that it notes which keys were asked for, there or not.

    Asking is `[]`, `get`, `in`, `pop` and the like; whatever goes over all of it (iterating, `**`,
    copying, comparing, `str`) asks for every key. `repr` asks for none. Copies of any kind, pickles and
    `type(params)(...)` are plain dicts.

    What cannot be served: code that tests `type(params) is dict`, and extensions written in C that
    look into a dict without asking it, whose reads go unnoticed.

    Attributes:
        reading: what was read so far.
        writes: how often it was written to.
    """

    # Set by whoever makes one with `make`: an __init__ would double the cost.
    __slots__ = ("reading", "writes")
    reading: ReadSet
    writes: int

    def __getitem__(self, key: Any) -> Any:
        self.reading = self.reading[key]
        return _get_item(self, key)

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        self.reading = self.reading[key]
        return _get(self, key, default)

    def __contains__(self, key: object) -> bool:
        self.reading = self.reading[key]
        return _contains(self, key)

    def _whole(self) -> None:
        self.reading = self.reading.also(_keys(self))

    def __iter__(self) -> Iterator[Any]:
        # Also what makes `**` and `dict(...)` ask for each key: they look into a dict themselves
        # only if it iterates as dicts do.
        self._whole()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._whole()
        return super().__reversed__()

    def keys(self) -> Any:
        """As of any dict."""
        self._whole()
        return super().keys()

    def values(self) -> Any:
        """As of any dict."""
        self._whole()
        return super().values()

    def items(self) -> Any:
        """As of any dict."""
        self._whole()
        return super().items()

    def copy(self) -> dict[Any, Any]:
        """As of any dict."""
        self._whole()
        return plain(self)

    def __str__(self) -> str:
        self._whole()  # a prompt may be made of all of it: f"{self.params}"
        return super().__repr__()

    def __eq__(self, other: object) -> bool:
        self._whole()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self._whole()
        return super().__ne__(other)

    __hash__ = None

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[Any, ...]:
        self._whole()
        return dict, (), None, None, iter(super().items())

    def pop(self, key: Any, *default: Any) -> Any:
        """As of any dict."""
        self.reading = self.reading[key]
        self.writes += 1
        return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:
        """As of any dict."""
        self.writes += 1
        key, value = super().popitem()
        self.reading = self.reading[key]
        return key, value

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        self.reading = self.reading[key]
        self.writes += 1
        return super().setdefault(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.writes += 1
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.writes += 1
        super().__delitem__(key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As of any dict."""
        self.writes += 1
        super().update(*args, **kwargs)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc] # unlike `|`, gives itself
        self.writes += 1
        return super().__ior__(other)

    def clear(self) -> None:
        """As of any dict."""
        self.writes += 1
        super().clear()


# A method of the metaclass's own base, bound: neither the call above nor one more than needed.
make: Callable[..., ReadTrackingDict] = type.__call__.__get__(ReadTrackingDict)
"""Make one, from what makes a dict; `reading` and `writes` are to be set."""


def plain(params: ReadTrackingDict) -> dict[Any, Any]:
    """Return a plain copy of it, and have that count as no reading."""
    return {key: value for key, value in _items(params)}  # noqa: C416 - dict(...) would ask


DICTS = (dict, ReadTrackingDict)
"""What a node's params are, unless somebody sets others."""


def copied(params: Any) -> Any:
    """Return a plain copy of a node's params, which counts as no reading; of what is no dict, itself."""
    if type(params) is ReadTrackingDict:
        return plain(params)
    return params.copy() if type(params) is dict else params


def inherited(params: Any, row: Any = None) -> dict[Any, Any]:
    """Return `{**params, **row}` for the nodes of a nested flow, and have that count as no reading."""
    if type(params) is not ReadTrackingDict:
        return {**params} if row is None else {**params, **row}
    heir = make(plain(params))
    if row is not None:
        _update(heir, {**row})
    heir.reading, heir.writes = params.reading, 0
    return heir


def give_back(heir: Any, params: Any) -> None:
    """Note that what was read in a nested flow was read of the params that it inherited."""
    if heir is not params and type(heir) is type(params) is ReadTrackingDict:
        params.reading = params.reading.also(heir.reading.read)
