"""Values of numpy and pandas in the terms in which `row_key` compares values."""

from __future__ import annotations

import datetime as dt
import hashlib
import sys
from collections.abc import Callable
from typing import Any

_SECOND = 10**18  # attoseconds, the finest unit of numpy
_UNITS = {
    "W": 604_800 * _SECOND, "D": 86_400 * _SECOND, "h": 3_600 * _SECOND, "m": 60 * _SECOND, "s": _SECOND,
    "ms": 10**15, "us": 10**12, "ns": 10**9, "ps": 10**6, "fs": 1_000, "as": 1,
}  # fmt: skip
_PLAIN_KINDS = "biufcmMSU"
"""Kinds of arrays whose bytes are their content."""

Inner = Callable[[Any], Any]
"""Returns the form of a part of a value."""


def form_of(value: Any, inner: Inner) -> Any:
    """Return the form of a value of numpy or pandas; None for any other value."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and (form := _pandas_form(numpy, pandas, value, inner)) is not None:
        return form
    if numpy is None:
        return None
    if type(value) is numpy.ndarray:
        return _array_form(numpy, value, inner)
    if isinstance(value, numpy.generic):
        return _scalar_form(numpy, value, inner)
    return None


def attoseconds(days: int, seconds: int, microseconds: int, nanoseconds: int) -> int:
    """Return a time in attoseconds."""
    return (days * 86_400 + seconds) * _SECOND + microseconds * 10**12 + nanoseconds * 10**9


def moment_form(since_epoch: int, offset: dt.timedelta | None) -> Any:
    """Return the form of a date and time.

    Args:
        since_epoch: attoseconds from 1970 on, by the clock that shows it.
        offset: of this clock from UTC; None: it has no zone.
    """
    return {"$moment": [since_epoch, None if offset is None else str(offset)]}


def duration_form(length: Any) -> Any:
    """Return the form of a duration: attoseconds, or another unit and their number."""
    return {"$duration": length}


def _scalar_form(numpy: Any, value: Any, inner: Inner) -> Any:
    kind = value.dtype.kind
    if kind in "mM":
        return _time_form(numpy, value, kind)
    if kind not in _PLAIN_KINDS:
        return None
    item = value.item()
    if not isinstance(item, numpy.generic):
        return inner(item)
    # A longdouble: its own number if it fits no float, otherwise that float.
    exact: Any = complex(item) if kind == "c" else float(item)
    if exact == item or numpy.isnan(item):
        return inner(exact)
    return {"$longdouble": str(item)}


def _time_form(numpy: Any, value: Any, kind: str) -> Any:
    if numpy.isnat(value):
        return _MISSING["NaT"]
    if kind == "M" and numpy.datetime_data(value.dtype)[0] in "YM":
        value = value.astype("datetime64[D]")
    unit, multiple = numpy.datetime_data(value.dtype)
    count = int(value.astype("int64")) * multiple
    if unit not in _UNITS:  # months have no fixed length
        return duration_form({"Y": ["M", 12 * count]}.get(unit, [unit, count]))
    count *= _UNITS[unit]
    return moment_form(count, None) if kind == "M" else duration_form(count)


_MISSING = {name: {"$missing": name} for name in ("NaT", "NA")}


def _array_form(numpy: Any, value: Any, inner: Inner) -> Any:
    dtype, shape = value.dtype, list(value.shape)
    if dtype.kind not in _PLAIN_KINDS or dtype.char in "gG":  # objects, records; padded numbers
        return {"$array": [str(dtype), shape, list(map(inner, value.ravel().tolist()))]}
    content = numpy.ascontiguousarray(value)
    if dtype.kind in "fc":
        parts = content.view(content.real.dtype)
        if (nan := numpy.isnan(parts)).any():  # there are many, which all are NaN
            content = numpy.where(nan, parts.dtype.type("nan"), parts)
    return {"$array": [dtype.str, shape, hashlib.sha256(content.tobytes()).hexdigest()]}


def _pandas_form(numpy: Any, pandas: Any, value: Any, inner: Inner) -> Any:
    if value is pandas.NaT:
        return _MISSING["NaT"]
    if value is pandas.NA:
        return _MISSING["NA"]
    kind = type(value)
    if kind is pandas.Series:
        return {
            "$series": [inner(value.name), inner(value.index), _column_form(numpy, value, inner)]
        }
    if kind is pandas.DataFrame:
        columns = [_column_form(numpy, value.iloc[:, at], inner) for at in range(value.shape[1])]
        return {"$frame": [inner(value.columns), inner(value.index), columns]}
    if isinstance(value, pandas.Index):
        return {"$index": [inner(list(value.names)), _column_form(numpy, value, inner)]}
    return None


def _column_form(numpy: Any, column: Any, inner: Inner) -> Any:
    """Return the form of the values of a Series or an Index."""
    dtype = column.dtype
    if isinstance(dtype, numpy.dtype):
        return inner(column.to_numpy())
    categories = getattr(dtype, "categories", None)
    if categories is not None:
        categories = [inner(categories), bool(dtype.ordered)]
    return {"$column": [str(dtype), categories, list(map(inner, column.tolist()))]}
