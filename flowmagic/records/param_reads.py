"""The params that the nodes of an instance receive: a dict that notes which of its keys are read.

So `run.audit()` can name the params that no instance has read. A running instance has a set of the
keys that it has read. When it ends, its row keeps only the number of that set, in two bytes: most
instances of a run read the same keys, and `ReadSets` stores each set once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .containers import has_containers, same, snapshot
from .observed_dict import MISSING, ObservedDict

_MAX_SETS = 4_096
_MAX_KEYS = 100_000  # in all sets together
_MAX_LENGTH = 200  # characters of a key; a longer one may be any text, such as a whole document


class ReadSets:
    """The sets of keys that the instances of a run have read, each stored once, under a number.

    At most 4,096 sets of 100,000 keys in total are stored. Any further set gets the number `UNKNOWN`.
    """

    NOTHING = 0
    """The number of the empty set."""

    UNKNOWN = 1
    """The number that stands for a set that is not stored."""

    def __init__(self) -> None:
        self._sets: list[frozenset[Any] | None] = [frozenset(), None]
        self._numbers: dict[frozenset[Any], int] = {frozenset(): self.NOTHING}
        self._free_keys = _MAX_KEYS
        self._latest: tuple[frozenset[Any], int] = frozenset(), self.NOTHING

    def number(self, keys: set[Any]) -> int:
        """Return the number of a set, and store the set if it is new."""
        latest, number = self._latest
        if keys == latest:  # mostly so; it saves 2 % with one node (benchmarks overhead)
            return number
        read = frozenset(keys)
        if read in self._numbers:
            self._latest = read, self._numbers[read]
            return self._numbers[read]
        if (
            len(self._sets) >= _MAX_SETS
            or len(read) > self._free_keys
            or any(isinstance(key, str) and len(key) > _MAX_LENGTH for key in read)
        ):
            return self.UNKNOWN
        self._free_keys -= len(read)
        number = self._numbers[read] = len(self._sets)
        self._sets.append(read)
        return number

    def keys(self, number: int) -> frozenset[Any] | None:
        """Return the set with a number; None if it is not stored, so that any key may have been read."""
        return self._sets[number]


_get_item, _get = dict.__getitem__, dict.get
_set_item, _contains = dict.__setitem__, dict.__contains__


class ReadTrackingDict(ObservedDict):
    """A dict that notes which of its keys are read, whether they are there or not.

    A key is read by `[]`, `get`, `in`, `pop` and the like. Whatever goes over the whole dict
    (iteration, `**`, copying, comparison, `str`) reads all keys. `repr` and `len` read none.

    Attributes:
        read: the keys that were read so far.
        writes: how often it was written to.
    """

    __slots__ = ("read", "writes")
    read: set[Any]
    writes: int

    # The next four do without the hooks, since nodes use them most: the hooks add 70 % to a read (timeit).

    def __getitem__(self, key: Any) -> Any:
        try:
            value = _get_item(self, key)
        except KeyError:
            self.read.add(key)
            raise
        self.read.add(key)
        return value

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As `dict.get`."""
        value = _get(self, key, default)
        self.read.add(key)
        return value

    def __contains__(self, key: object) -> bool:
        there = _contains(self, key)
        self.read.add(key)
        return there

    def __setitem__(self, key: Any, value: Any) -> None:
        _set_item(self, key, value)
        self.writes += 1

    def _on_read(self, key: Any, value: Any) -> Any:
        self.read.add(key)
        return value

    def _on_read_keys(self) -> None:
        self.read.update(dict.keys(self))

    _on_read_all = _on_read_keys

    def _on_write(self, key: Any, old: Any, new: Any) -> None:  # noqa: ARG002 - the hook's signature
        self.writes += 1

    def __str__(self) -> str:
        self._on_read_all()  # a node may put all its params into a prompt: f"{self.params}"
        return repr(self)


_make: Callable[[Mapping[Any, Any]], ReadTrackingDict] = type.__call__.__get__(ReadTrackingDict)


def track_reads(params: Mapping[Any, Any]) -> ReadTrackingDict:
    """Return a copy of params that notes which of its keys are read."""
    tracking = _make(params)
    tracking.read, tracking.writes = set(), 0
    return tracking


def plain(params: ReadTrackingDict) -> dict[Any, Any]:
    """Return a plain copy of params, without noting a read."""
    return dict(dict.items(params))


DICTS = (dict, ReadTrackingDict)
"""The types of a node's params, unless the user's own code sets others."""


def copied(params: Any) -> Any:
    """Return params as they are now, with the plain containers in them; if not a dict, params itself.

    No key is noted as read.
    """
    return snapshot(params) if type(params) in DICTS else params


def inherited(params: Any, row: Any = None) -> dict[Any, Any]:
    """Return `{**params, **row}` for the nodes of a nested flow, without noting a read of `params`.

    What the nodes read of the returned dict is noted as read of `params`.
    """
    if type(params) is not ReadTrackingDict:
        return {**params} if row is None else {**params, **row}
    merged = _make(plain(params) if row is None else {**plain(params), **row})
    merged.read, merged.writes = params.read, 0
    return merged


def is_mutable(params: Any) -> bool:
    """Whether there are plain containers among params, which nodes may change in place."""
    return type(params) in DICTS and has_containers(params)


def same_params(params: Any, before: Any) -> bool:
    """Whether params are as they were; values that are no plain containers are compared by identity."""
    if params is before:
        return True
    if type(params) not in DICTS or len(params) != len(before):
        return False
    for key, value in dict.items(params):
        was = before.get(key, MISSING)
        if was is not value and not same(value, was):
            return False
    return True
