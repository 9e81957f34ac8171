"""The shared store as an isolated instance has it: it reads what was there, and writes for itself.

Its own are the keys, and the lists, dicts, sets and deques below them, as deep as these are nested:
what it appends to one of them is seen by no other. They are copied when they are first read. Other
objects (a client, an array) are the same for all, since nobody can say what a copy of them would be.
"""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, SupportsIndex

from ..records.param_reads import GivesDicts

_get, _set, _update = dict.__getitem__, dict.__setitem__, dict.update
_MAPPINGS = (dict, OrderedDict, defaultdict, Counter)
_SEQUENCES = (list, deque)
_COPIED = frozenset({*_MAPPINGS, *_SEQUENCES, set, bytearray})
"""Exactly these: a subclass of the user's may be more than what it holds."""


class Isolated(dict[Any, Any], metaclass=GivesDicts):
    """A copy of the shared store that notes which keys were written to it.

    A real copy: whatever looks into a dict finds in it what it would find in any. Copies and pickles
    of it, and `type(shared)(...)`, are plain dicts.
    """

    __slots__ = ("_allowed", "_copied", "_written")
    _allowed: AbstractSet[Any]
    _copied: dict[Any, Any]
    """By key: what was there, where the instance has got a copy of it."""
    _written: dict[Any, Any]

    def _own(self, key: Any, value: Any) -> Any:
        """Return what the instance is to have of a value that it reads."""
        if (
            type(value) not in _COPIED
            or key in self._copied
            or key in self._written
            or key in self._allowed
        ):
            return value
        twin = _twin(value, {})
        self._copied[key] = value
        _set(self, key, twin)
        return twin

    def _whole(self) -> None:
        for key, value in list(dict.items(self)):
            self._own(key, value)

    def settle(self) -> None:
        """Note as written what the instance has changed in place, and let go of the other copies."""
        for key, before in list(self._copied.items()):  # a thread may still be at it
            if key in self and key not in self._written:
                now = _get(self, key)
                if not _same(now, before):
                    self._written[key] = now
                else:
                    _set(self, key, before)
        self._copied.clear()

    def __getitem__(self, key: Any) -> Any:
        return self._own(key, _get(self, key))

    def get(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        try:
            return self[key]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[Any]:
        # Overridden at all, so that `**` and `dict(...)` ask for each key.
        return super().__iter__()

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
        return dict(self.items())

    def __or__(self, other: Any) -> Any:
        self._whole()
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self._whole()
        return super().__ror__(other)

    def __setitem__(self, key: Any, value: Any) -> None:
        _set(self, key, value)
        self._written[key] = value

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self._written.pop(key, None)

    def pop(self, key: Any, *default: Any) -> Any:
        """As of any dict."""
        if key in self:
            self._own(key, _get(self, key))
        value = super().pop(key, *default)
        self._written.pop(key, None)
        return value

    def popitem(self) -> tuple[Any, Any]:
        """As of any dict."""
        for key in reversed(self):
            return key, self.pop(key)
        return super().popitem()  # raises

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As of any dict."""
        new = dict(*args, **kwargs)
        _update(self, new)
        self._written.update(new)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def clear(self) -> None:
        """As of any dict."""
        super().clear()
        self._written.clear()

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[Any, ...]:
        return dict, (), None, None, iter(self.items())


def _twin(value: Any, known: dict[int, Any]) -> Any:
    """Copy a list, dict, set or deque, and those in it; one that stands there twice stays one."""
    kind = type(value)
    if kind not in _COPIED:
        return value
    if id(value) in known:
        return known[id(value)]
    twin = known[id(value)] = copy.copy(value)
    if kind in _MAPPINGS:
        for key, each in value.items():
            if type(each) in _COPIED:
                twin[key] = _twin(each, known)
    elif kind in _SEQUENCES:
        for at, each in enumerate(value):
            if type(each) in _COPIED:
                twin[at] = _twin(each, known)
    return twin


def _same(one: Any, other: Any) -> bool:
    """Whether a twin is as it was: by identity, since values need not have a truth value to compare by."""
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
            # In order, too: an instance that sorts a dict has changed it.
            for (key, value), (its_key, its_value) in zip(one.items(), other.items(), strict=True):
                if key is not its_key:
                    return False
                pairs.append((value, its_value))
        elif kind in _SEQUENCES:
            pairs.extend(zip(one, other, strict=True))
        elif one != other:  # of a set by hash and equality, as its members ask for themselves
            return False
    return True


_make: Callable[..., Isolated] = type.__call__.__get__(Isolated)


def isolated(
    store: dict[Any, Any], written: dict[Any, Any], allowed: AbstractSet[Any] = frozenset()
) -> Isolated:
    """Return a view of a store whose writes go to `written`, and not to the store.

    Args:
        allowed: keys whose lists and dicts the instances go on sharing.
    """
    view = _make(store)
    view._written, view._copied, view._allowed = written, {}, allowed
    return view
