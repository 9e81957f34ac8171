"""The cells of a table in a file: what a value becomes in JSON, in CSV, and in a typed column.

    a value                                          becomes
    None, NaN, NaT, NA                               null; an empty cell
    str, bool, int, float                            itself
    an infinite float                                "inf" or "-inf"
    an int of more than some 600 digits              hexadecimal text
    a numpy scalar, an array or tensor of one item   the number, bool or text that it holds
    a date, time or datetime                         text in ISO 8601
    bytes                                            text in base64
    an enum member                                   its value
    a list, tuple, set, array or Series              a list
    a dict, or an object with named fields           an object
    a DataFrame                                      a list of objects
    an exception                                     "ValueError: message"
    anything else                                    its `str`

Objects with named fields are dataclasses, named tuples, and pydantic and attrs objects.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import json
import math
import re
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ..text.formatting import error_text
from ..text.redact import fields_of
from ..text.user_objects import get, or_none

LARGE = 1 << 2_000
"""Python may refuse to write or read an int of more than 640 digits."""

ABSENT = float("nan")
"""This very object stands in a column for what an instance does not have. Other NaN are values."""

EXACT = 1 << 53
"""The largest int up to which a float holds every int."""

LONGEST_ERROR = 10_000
"""How many characters of an error a cell holds."""

_WITHOUT_NULL = sys.version_info < (3, 11)

SURROGATES = "backslashreplace"
"""How surrogates are written, for which UTF-8 has no form. JSON reads this escape as the surrogate."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_LEVELS = 50  # of lists and objects
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_INT64 = 1 << 63


def json_value(value: Any) -> Any:
    """Return a value in terms of JSON: dicts, lists, strings, finite numbers, bools and None.

    A value that has more than 50 levels, or that contains itself, becomes text.
    """
    try:
        return _json_value(value, 0)
    except RecursionError:
        return _text(value)


def _json_value(value: Any, level: int) -> Any:  # noqa: PLR0911 - one return per kind
    """Return a value in terms of JSON that is within so many lists and objects."""
    value = _scalar(value)
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if -LARGE < value < LARGE else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    content = or_none(_content, value)
    if not isinstance(content, (list, dict)):
        return _text(value)
    if level == _MOST_LEVELS:
        raise RecursionError
    if isinstance(content, list):
        return [_json_value(each, level + 1) for each in content]
    items = {_key(key): _json_value(each, level + 1) for key, each in content.items()}
    # Of two keys with the same text, such as 1 and "1", one would be lost.
    return items if len(items) == len(content) else _text(value)


def json_text(plain: Any) -> str:
    """Return a value in terms of JSON as text on one line."""
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def csv_cell(value: Any) -> Any:
    """Return a value for a cell of a CSV file; lists and objects as JSON."""
    plain = json_value(value)
    if isinstance(plain, (list, dict)):
        return json_text(plain)
    # Python 3.10 writes no null character, and raises.
    return plain.replace("\0", "\ufffd") if _WITHOUT_NULL and type(plain) is str else plain


def typed_column(values: Sequence[Any]) -> tuple[type | None, list[Any]]:
    """Return values of one type and None, and this type; no type if all are None.

    The type is str, bool, int, float, bytes, date or datetime. Ints among floats become floats. If the
    values are of other types, or have no type in common, all become text as in a CSV file. NaN is
    None in a column of anything but floats.
    """
    cells = [None if value is ABSENT else _scalar(value) for value in values]
    kinds = {_kind(cell) for cell in cells if cell is not None and not _is_nan(cell)}
    if not kinds <= {float}:
        cells = [None if _is_nan(cell) else cell for cell in cells]
    if kinds == {int, float} and all(abs(each) <= EXACT for each in cells if type(each) is int):
        return float, [None if cell is None else float(cell) for cell in cells]
    if len(kinds) == 1 and object not in kinds:
        return kinds.pop(), cells
    if not kinds:
        return (float if any(map(_is_nan, cells)) else None), cells
    return str, [None if cell is None else _utf8(csv_cell(cell)) for cell in cells]


def text_name(column: Any) -> str:
    """Return the name of a column as text for a file."""
    return _utf8(_key(column))


def is_missing(value: Any) -> bool:
    """Whether this is how a pandas DataFrame marks a missing value that is no number."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NaT or value is pandas.NA)


def _scalar(value: Any) -> Any:  # noqa: PLR0911 - one return per kind
    """Return what a numpy scalar or an enum member holds, None for a missing value, else the value."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, enum.Enum):
        return _scalar(value.value)
    if is_missing(value):
        return None
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        if value.dtype.kind in "mM":  # as a Python object, it would lose its nanoseconds
            return None if numpy.isnat(value) else str(value)
        return float(value) if value.dtype.kind == "f" else value.item()
    if get(value, "ndim") == 0 and (tolist := get(value, "tolist")) is not None:
        return or_none(tolist)
    return value


def _content(value: Any) -> Any:
    """Return a container, or an object with named fields, as a list or dict; None for others."""
    if isinstance(value, Mapping):
        return dict(value)
    if (fields := fields_of(value)) is not None:
        return dict(fields)
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return list(value)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return value.to_dict(orient="records")
    if get(get(value, "dtype"), "kind") in ("m", "M"):
        return list(value)  # see `_scalar`
    # Arrays and tensors, Series of pandas and of polars, DataFrames of polars.
    names = ("tolist", "to_list", "to_dicts")
    method = next((found for name in names if (found := get(value, name)) is not None), None)
    return None if method is None else method()


def _key(key: Any) -> str:
    return key if isinstance(key, str) else _text(_scalar(key))


def _text(value: Any) -> str:
    if isinstance(value, BaseException):
        return error_text(value, width=LONGEST_ERROR)
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - the user's own __str__
        return f"<{type(value).__name__}, whose text raised {type(error).__name__}>"


def _kind(cell: Any) -> type:
    """Return the type of a cell; `object` if a column of that type cannot hold the cell."""
    kind = type(cell)
    if kind is str:
        fits = not _SURROGATE.search(cell)
    elif kind is int:
        fits = -_INT64 <= cell < _INT64
    elif kind is dt.datetime:
        fits = cell.tzinfo is None  # else it would be converted to UTC
    else:
        fits = kind in (float, bool, bytes, dt.date)
    return kind if fits else object


def _is_nan(cell: Any) -> bool:
    return type(cell) is float and cell != cell  # noqa: PLR0124 - only NaN


def _utf8(cell: Any) -> str:
    return str(cell).encode("utf-8", SURROGATES).decode()
