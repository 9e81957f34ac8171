"""Values in terms of JSON, the common ground of `codec` and `row_key`: what JSON has stays as it is.

What JSON lacks becomes an object with one key, its tag, which begins with $. This module knows three:

    {"$float": "nan"}       also "inf" and "-inf"
    {"$floats": "AAAA..."}  a list of at least 16 floats: base64 of 8 bytes each, little-endian
    {"$int": "0x..."}       an int of more than some 600 digits; written by the callers
"""

from __future__ import annotations

import base64
import json
import math
import sys
from array import array
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import JournalError
from ..records.cells import LARGE

MAX_DEPTH = 50
"""How many lists, dicts and the like a value may be in."""

_MANY_FLOATS = 16  # as text, the 1,536 floats of an embedding would hold the loop for a millisecond

_AS_THEY_ARE = frozenset({str, bool, type(None)})
_FLOATS = frozenset({float})
_NUMBERS = frozenset({int, float, bool})


VALUE = "The value"
"""The subject of the message of an `EncodingError`."""


class EncodingError(JournalError):
    """A value cannot be stored in a journal.

    Args:
        message: begins with `VALUE`, in whose place the path of the value is shown once it is known.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self._path = ""

    def within(self, place: str) -> EncodingError:
        """Return the error, with a place before the path of the value, as in `['a'][0]`.

        The path is made on the way up: to keep that of each item would cost more than to encode it.
        """
        self._path = f"{place}{self._path}"
        return self

    def __str__(self) -> str:
        return f"{self._path.lstrip() or VALUE}{str(self.args[0]).removeprefix(VALUE)}"


def _json_encoder(*, sort_keys: bool = False) -> Callable[[Any], str]:
    """Return a function like `json.dumps` for values without cycles.

    `JSONEncoder.encode` makes a new encoder in C each time, which takes longer than to encode a row.
    """
    encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, sort_keys=sort_keys)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # a Python without it
        return encoder.encode
    text_of = json.encoder.encode_basestring_ascii
    chunks = make(None, encoder.default, text_of, None, ":", ",", sort_keys, False, True)
    return lambda plain: text_of(plain) if type(plain) is str else "".join(chunks(plain, 0))


as_json = _json_encoder()
"""Returns as text what is in terms of JSON."""

as_sorted_json = _json_encoder(sort_keys=True)
"""The same for equal dicts, whatever the order of their keys."""


def plain_json(value: Any, depth: int, other: Callable[[Any, type, int], Any]) -> Any:
    """Return a value in terms of JSON. Lists and dicts are copied, so it does not change any more.

    Args:
        depth: how many lists, dicts and the like the value is in.
        other: returns in terms of JSON what JSON lacks, or raises why it cannot. It is passed the
            object, its class, and the depth.
    """
    kind = type(value)
    if kind in _AS_THEY_ARE or (kind is int and -LARGE < value < LARGE):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if kind is list and depth <= MAX_DEPTH:
        items = value.copy()  # at once, since another thread may change it
        if (plain := _flat(items)) is None:
            plain = _each_part(items, enumerate(items), depth + 1, other)
            plain = _flat(plain) or plain  # objects may have become floats
        return plain
    if kind is dict and depth <= MAX_DEPTH:
        items = value.copy()
        if all(type(key) is str and key[:1] != "$" for key in items):
            return _each_part(items, items.items(), depth + 1, other)
    return other(value, kind, depth)


def _each_part(
    parts: Any, items: Iterable[tuple[Any, Any]], depth: int, other: Callable[[Any, type, int], Any]
) -> Any:
    """Replace each part of a list or a dict by what it is in terms of JSON."""
    place: Any = None
    try:
        for place, item in items:
            parts[place] = plain_json(item, depth, other)
    except EncodingError as error:
        raise error.within(f"[{place!r}]") from None
    return parts


def _flat(items: list[Any]) -> Any:
    """Return a list in terms of JSON whose items JSON has as they are; None for any other list."""
    kinds = set(map(type, items))
    if kinds <= _AS_THEY_ARE:
        return items
    if not (kinds <= _NUMBERS and _are_finite(items)):
        return None
    return _floats(items) if kinds == _FLOATS and len(items) >= _MANY_FLOATS else items


def _are_finite(numbers: list[Any]) -> bool:
    try:
        return all(map(math.isfinite, numbers))
    except OverflowError:  # an int may be too large for a float
        return False


def _floats(items: list[float]) -> dict[str, str]:
    return {"$floats": base64.b64encode(_little_endian(array("d", items)).tobytes()).decode()}


def floats_of(content: str) -> list[float]:
    """Return the list that the content of a `$floats` stands for."""
    numbers = array("d")
    numbers.frombytes(base64.b64decode(content, validate=True))
    return _little_endian(numbers).tolist()


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
