"""Isolation: each instance of a run has a copy of the shared store to itself.

An instance reads what was in the user's dict when it began, and its own writes. It sees nothing of
what other instances write, and the user's dict stays as it is. When all instances have ended,
`Store.merge` brings their writes back to it.

Lists, dicts, sets, deques and bytearrays in the store are copied, at any depth, when an instance
reads them for the first time. So an instance may also append to a list without another one seeing it.
Other objects, such as a client or an array, are the same for all instances, since flowmagic cannot
know how to copy them.
"""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from ..records.observed_dict import MISSING, ObservedDict

_MAPPINGS = (dict, OrderedDict, defaultdict, Counter)
_SEQUENCES = (list, deque)
_COPIED = frozenset({*_MAPPINGS, *_SEQUENCES, set, bytearray})
"""The types that are copied. A user's subclass of one may hold more than its items, and is not."""


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
            type(value) not in _COPIED
            or key in self._originals
            or key in self._written
            or key in self._allowed
        ):
            return value
        copied = _deep_copy(value, {})
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
                if not _same(now, before):
                    self._written[key] = now
                else:
                    dict.__setitem__(self, key, before)
        self._originals.clear()


def _deep_copy(value: Any, known: dict[int, Any]) -> Any:
    """Return a deep copy of a list, dict, set or deque; an object in it twice is copied once.

    Args:
        value: what to copy; of other types, it is returned as it is.
        known: the copies made so far, by `id` of the original.
    """
    kind = type(value)
    if kind not in _COPIED:
        return value
    if id(value) in known:
        return known[id(value)]
    copied = known[id(value)] = copy.copy(value)
    if kind in _MAPPINGS:
        for key, each in value.items():
            if type(each) in _COPIED:
                copied[key] = _deep_copy(each, known)
    elif kind in _SEQUENCES:
        for at, each in enumerate(value):
            if type(each) in _COPIED:
                copied[at] = _deep_copy(each, known)
    return copied


def _same(one: Any, other: Any) -> bool:
    """Return whether a copy still equals its original.

    Values are compared by identity, since those such as arrays have no truth value to compare by.
    """
    pairs, seen = [(one, other)], set[int]()
    while pairs:
        one, other = pairs.pop()
        if one is other or id(one) in seen:
            continue
        kind = type(one)
        if kind is not type(other) or kind not in _COPIED or len(one) != len(other):
            return False
        seen.add(id(one))
        if kind in _MAPPINGS:
            # Including the order: an instance that sorts a dict has changed it.
            for (key, value), (its_key, its_value) in zip(one.items(), other.items(), strict=True):
                if key is not its_key:
                    return False
                pairs.append((value, its_value))
        elif kind in _SEQUENCES:
            pairs.extend(zip(one, other, strict=True))
        elif one != other:  # a set or bytearray
            return False
    return True


_make: Callable[..., Isolated] = type.__call__.__get__(Isolated)


def isolated(
    store: dict[Any, Any], written: dict[Any, Any], allowed: AbstractSet[Any] = frozenset()
) -> Isolated:
    """Return an isolated copy of a store.

    Args:
        store: the user's dict.
        written: a dict that is filled with what the instance writes.
        allowed: keys whose lists and dicts all instances share.
    """
    view = _make(store)
    view._written, view._originals, view._allowed = written, {}, allowed
    return view
