"""Copies of the data in a shared store: isolated instances get them, and changes are found by them.

Data are, at any depth:

- plain containers (see `records.containers`), tuples and named tuples;
- arrays of numpy, DataFrames and Series of pandas and polars, of at most `MOST_BYTES` each;
- objects of the user's own classes that hold only data and what never changes.

All else is the same object in a copy: numbers, texts and other values that never change; and clients,
connections, locks, or what holds one of these, since flowmagic cannot know how to copy them.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import operator
import pathlib
import re
import sys
import types
from typing import Any

from ..records.containers import CONTAINERS, Copied, Pairs, deep_copy, pairs_in, same
from ..text.user_objects import copied_by_dict, is_user_code, or_none

MOST_BYTES = 1 << 25  # a copy of that many takes some 10 ms
_MOST_PARTS = 10_000  # of a value that are searched for what cannot be copied

_FIXED = (
    str, bytes, int, float, complex, type(None), type(...), range, slice, frozenset, enum.Enum,
    dt.date, dt.time, dt.timedelta, dt.tzinfo, pathlib.PurePath, re.Pattern,
    BaseException, type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType,
    types.MethodType,
)  # fmt: skip
_FIXED_BY_NAME = {
    "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "numpy.generic", "numpy.dtype",
}  # fmt: skip
_ARRAYS = {
    "numpy": ("ndarray",),
    "pandas": ("DataFrame", "Series"),
    "polars": ("DataFrame", "Series"),
}


def copy_of_data(value: Any) -> Any:
    """Return a copy of a value, with copies of the data in it; the value itself if it is no data."""
    return deep_copy(value, shallow=_DataCopier().shallow)


def same_data(one: Any, other: Any) -> bool:
    """Whether a value equals its `copy_of_data`. What is not copied is compared by identity."""
    return same(one, other, _pairs_in)


def not_copied(value: Any) -> Any:
    """Return the first object in a value that may change and has no copy in `copy_of_data`, or None.

    If an object of the user's is not copied because of what it holds, it is that object.
    """
    return _search(value, set())


class _DataCopier:
    """Copies the objects of one value, and remembers which of the user's hold data only."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def shallow(self, value: Any, copied: Copied) -> tuple[Any, Any]:
        """Copy one object; see `containers.Shallow`."""
        kind: Any = type(value)
        made, inside = value, None
        if kind in CONTAINERS:
            made = inside = value.copy()
        elif _is_tuple(kind):
            parts = tuple(map(copied, value))
            if any(map(operator.is_not, parts, value)):
                made = parts if kind is tuple else kind._make(parts)
        elif _is_array(kind):
            made = value if _is_large(value) else _copy_of_array(value)
        elif is_plain_object(kind) and self._holds_data_only(value):
            made = object.__new__(kind)
            inside = vars(made)
            inside.update(vars(value))
        return made, inside

    def _holds_data_only(self, value: Any) -> bool:
        if id(value) not in self._known:
            seen: set[int] = set()
            if _search(value, seen) is not None:
                return False
            self._known |= seen
        return True


def _search(value: Any, seen: set[int]) -> Any:
    """Return what `not_copied` returns; add the ids of what was looked at to `seen`."""
    waiting = [(value, None)]
    while waiting:
        each, owner = waiting.pop()
        kind: Any = type(each)
        if isinstance(each, _FIXED) or id(each) in seen or _is_fixed(kind):
            continue
        if len(seen) == _MOST_PARTS:
            return owner or each
        seen.add(id(each))
        if kind in CONTAINERS or _is_tuple(kind):
            parts = each.values() if isinstance(each, dict) else each
        elif is_plain_object(kind):
            owner = each if owner is None else owner
            parts = vars(each).values()
        elif _is_array(kind) and not _is_large(each):
            continue
        else:
            return each if owner is None else owner
        if not all(issubclass(part, _FIXED) for part in set(map(type, parts))):
            waiting.extend((part, owner) for part in parts)
    return None


def _pairs_in(one: Any, other: Any) -> Pairs | None:
    """Return the pairs to compare in two objects of one type; see `containers.pairs_in`."""
    kind: Any = type(one)
    if _is_array(kind):
        return () if or_none(_equal_arrays, one, other) else None
    if _is_tuple(kind):
        return zip(one, other, strict=True) if len(one) == len(other) else None
    return [(vars(one), vars(other))] if is_plain_object(kind) else pairs_in(one, other)


def _is_tuple(kind: type) -> bool:
    return kind is tuple or (issubclass(kind, tuple) and hasattr(kind, "_make"))


@functools.lru_cache(maxsize=512)
def _is_fixed(kind: type) -> bool:
    return any(f"{base.__module__}.{base.__qualname__}" in _FIXED_BY_NAME for base in kind.__mro__)


@functools.lru_cache(maxsize=512)
def is_plain_object(kind: type) -> bool:
    """Whether an object of a class is one of the user's, and has nothing but its attributes."""
    return is_user_code(kind) and copied_by_dict(kind) and not hasattr(kind, "__del__")


@functools.lru_cache(maxsize=512)
def _is_array(kind: type) -> bool:
    library = kind.__module__.partition(".")[0]
    return kind.__name__ in _ARRAYS.get(library, ()) and kind is getattr(
        sys.modules.get(library), kind.__name__, None
    )


def _is_large(array: Any) -> bool:
    """Whether an array or a frame is too large to be copied, or is one of Python objects."""
    if hasattr(array, "nbytes") and hasattr(array, "strides"):  # numpy's
        return bool(array.nbytes > MOST_BYTES or array.dtype.hasobject)
    if hasattr(array, "estimated_size"):  # polars's
        return bool(array.estimated_size() > MOST_BYTES)
    used = array.memory_usage()
    return int(used if isinstance(used, int) else used.sum()) > MOST_BYTES


def _copy_of_array(array: Any) -> Any:
    if hasattr(array, "clone"):  # polars's; it shares the memory until one of the two is written
        return array.clone()
    return array.copy(order="K") if hasattr(array, "strides") else array.copy()


def _equal_arrays(one: Any, other: Any) -> bool:
    if hasattr(one, "equals"):
        return bool(one.equals(other))
    if one.dtype != other.dtype:
        return False
    numpy = sys.modules["numpy"]
    return bool(numpy.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
