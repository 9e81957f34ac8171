"""Values as text: JSON, with tags for what JSON lacks. Nothing that is read is ever run.

A value that JSON has is written as JSON. Any other becomes an object with one key, its tag:

    {"$bytes": "aGk="}                      base64
    {"$datetime": "2026-01-31T12:00:00"}    also $date, $time (ISO 8601) and $timedelta (seconds)
    {"$tuple": [...]}, {"$set": [...]}, {"$frozenset": [...]}
    {"$float": "nan"}                       also "inf" and "-inf"
    {"$int": "0x..."}                       one of more than some 600 digits
    {"$complex": [re, im]}, {"$decimal": "1.10"}, {"$uuid": "..."}, {"$path": "..."}
    {"$dict": [[key, value], ...]}          a dict with keys that are no strings, or that begin with $
    {"$numpy": ["float32", 0.5]}            a numpy scalar; a datetime64 as its number
    {"$array": ["float32", [2, 3], "..."]}  a numpy array: type, shape, base64 of its bytes
    {"$dataclass": ["Answer", {...}]}       also $model for pydantic; read as a dict of its fields
    {"$enum": ["Colour", value]}            read as its value

A Timestamp of pandas is written as a datetime, to the microsecond; NaT and NA as null.

A class's name never leads to the class when a file is read: whoever wants objects back registers the
class with `register`.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import sys
import uuid
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..errors import JournalError
from ..text.redact import MASK, is_secret, masked

_DEEPEST = 50
LARGE = 1 << 2_000
"""Python may refuse to write or read an int of more than 640 digits."""


class Unwritable(JournalError):  # noqa: N818 - what it says of a value
    """A value has no form in a journal."""


class _Kind(NamedTuple):
    tag: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


_registered: dict[type, _Kind] = {}
_readers: dict[str, Callable[[Any], Any]] = {}


def register(
    kind: type, write: Callable[[Any], Any], read: Callable[[Any], Any], name: str | None = None
) -> None:
    """Have a journal keep objects of a class, and give them back.

    Args:
        kind: the class; its subclasses are not meant.
        write: makes a value of what JSON has (or the tags above) from an object.
        read: makes the object from that value.
        name: stands in the file; by default the class's own.

    Raises:
        JournalError: the name belongs to another class.
    """
    tag = f"${name or kind.__name__}"
    if tag in _BUILT_IN or any(
        each.tag == tag and other is not kind for other, each in _registered.items()
    ):
        raise JournalError(
            f"The name {tag[1:]!r} is taken. Write register({kind.__name__}, ..., name='my {tag[1:]}')."
        )
    _registered[kind] = _Kind(tag, write, read)
    _readers[tag] = read


def encoded(value: Any, secrets: AbstractSet[str] | None = None) -> str:
    """Return a value as text.

    Args:
        secrets: what is masked wherever it stands, besides all that stands under the name of a
            secret; None masks nothing.

    Raises:
        Unwritable: it holds something that has no form here; the message says what, and where.
    """
    return text_of(plain_of(value), secrets)


def plain_of(value: Any) -> Any:
    """Return a value made of what JSON has.

    Raises:
        Unwritable: as `encoded`.
    """
    return _plain(value, "", 0)


def text_of(plain: Any, secrets: AbstractSet[str] | None) -> str:
    """Return what `plain_of` gave as text; secrets as for `encoded`."""
    return as_json(plain if secrets is None else _veiled(plain, secrets))


# Made once: `json.dumps` would make one for each value. What `_plain` gives has no circles.
as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
as_sorted_json = json.JSONEncoder(
    separators=(",", ":"), check_circular=False, sort_keys=True
).encode


def _veiled(plain: Any, secrets: AbstractSet[str]) -> Any:
    if isinstance(plain, str):
        return masked(plain, secrets) if secrets else plain
    if isinstance(plain, list):
        return [_veiled(each, secrets) for each in plain]
    if isinstance(plain, dict):
        if len(plain) == 1:
            if "$dict" in plain:
                pairs = plain["$dict"]
                return {"$dict": [_veiled_pair(key, each, secrets) for key, each in pairs]}
            if "$bytes" in plain:
                return MASK if _quotes(base64.b64decode(plain["$bytes"]), secrets) else plain
        return {
            masked(key, secrets) if secrets else key: MASK
            if is_secret(key, each)
            else _veiled(each, secrets)
            for key, each in plain.items()
        }
    return plain


def _veiled_pair(key: Any, value: Any, secrets: AbstractSet[str]) -> list[Any]:
    return [_veiled(key, secrets), MASK if is_secret(key, value) else _veiled(value, secrets)]


def _quotes(raw: bytes, secrets: AbstractSet[str]) -> bool:
    """Whether a secret stands in bytes: in base64 no search would find it."""
    return any(secret.encode("utf-8", "replace") in raw for secret in secrets)


def decoded(text: str) -> Any:
    """Return the value that a text stands for.

    Raises:
        JournalError: it is no text of `encoded`.
    """
    try:
        return _value(json.loads(text))
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever stands in a file
        raise JournalError(f"This is no value of a journal ({error}): {text[:80]!r}") from None


def _plain(value: Any, path: str, depth: int) -> Any:
    """Return a value made of what JSON has."""
    kind = type(value)
    if value is None or kind is str or kind is bool or (kind is int and -LARGE < value < LARGE):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if depth > _DEEPEST:
        raise Unwritable(f"{path or 'The value'} is nested more than {_DEEPEST} levels deep.")
    if kind is list:
        return [_plain(each, f"{path}[{at}]", depth + 1) for at, each in enumerate(value)]
    if kind is dict:
        return _plain_dict(value, path, depth)
    registered = _registered.get(kind)
    if registered is not None:
        return {registered.tag: _plain(registered.write(value), path, depth + 1)}
    return _tagged(value, kind, path, depth)


def _plain_dict(value: dict[Any, Any], path: str, depth: int) -> Any:
    if all(type(key) is str and key[:1] != "$" for key in value):
        return {key: _plain(each, f"{path}[{key!r}]", depth + 1) for key, each in value.items()}
    return {
        "$dict": [
            [_plain(key, f"{path} key", depth + 1), _plain(each, f"{path}[{key!r}]", depth + 1)]
            for key, each in value.items()
        ]
    }


def _tagged(value: Any, kind: type, path: str, depth: int) -> Any:  # noqa: C901, PLR0911, PLR0912 - one line per type
    def inner(each: Any) -> Any:
        return _plain(each, path, depth + 1)

    if kind is int:
        return {"$int": hex(value)}
    if kind is tuple:
        return {"$tuple": [inner(each) for each in value]}
    if kind in (set, frozenset):
        items = [inner(each) for each in value]
        return {f"${kind.__name__}": sorted(items, key=json.dumps)}
    if kind in (bytes, bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, enum.Enum):
        return {"$enum": [kind.__name__, inner(value.value)]}
    if kind in (dt.datetime, dt.date, dt.time):
        return {f"${kind.__name__}": value.isoformat()}
    if kind is dt.timedelta:
        return {"$timedelta": value.total_seconds()}
    if kind is decimal.Decimal:
        return {"$decimal": str(value)}
    if kind is uuid.UUID:
        return {"$uuid": str(value)}
    if kind is complex:
        return {"$complex": [inner(value.real), inner(value.imag)]}
    if isinstance(value, pathlib.PurePath):
        return {"$path": str(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return {"$dataclass": [kind.__name__, inner(fields)]}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biufcSUmM":
        plain = value.astype("int64") if value.dtype.kind in "mM" else value
        return {"$numpy": [value.dtype.str, inner(plain.item())]}
    if numpy is not None and kind is numpy.ndarray and value.dtype.kind in "biufcmM":
        data = base64.b64encode(numpy.ascontiguousarray(value).tobytes()).decode()
        return {"$array": [value.dtype.str, list(value.shape), data]}
    if hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):
        return {"$model": [kind.__name__, inner(value.model_dump())]}
    if _is_missing(value):
        return None
    # Subclasses of what there is a form for are written as what they are a kind of.
    base: Any
    if isinstance(value, dt.datetime):  # a Timestamp of pandas, for one
        return {"$datetime": dt.datetime.isoformat(value)}
    for base in (str, int, float, dict, list, tuple, set, frozenset, bytes, bytearray):
        if isinstance(value, base):
            return _plain(base(value), path, depth + 1)
    where = f"{path.lstrip()} is" if path else "It is"
    raise Unwritable(
        f"{where} of class {kind.__module__}.{kind.__qualname__}, which a journal has no form for. "
        f"Write flowmagic.journal.register({kind.__name__}, write, read) to give it one."
    )


def _is_missing(value: Any) -> bool:
    """Whether it is what a DataFrame of pandas has where there is nothing."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NaT or value is pandas.NA)


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(each) for each in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) == 1:
        (tag, content), *_ = plain.items()
        if tag[:1] == "$":
            read = _readers.get(tag) or _BUILT_IN.get(tag)
            if read is None:
                # Of a class that is not registered here, or of a later version: kept as it stands.
                return {tag: _value(content)}
            return read(_value(content)) if tag != "$dict" else read(content)
    return {key: _value(each) for key, each in plain.items()}


def _array(content: list[Any]) -> Any:
    kind, shape, data = content
    raw = base64.b64decode(data)
    try:
        import numpy as np  # noqa: PLC0415 - optional
    except ImportError:
        return {"$array": content}  # kept as it stands: there is nothing to make of it here
    return np.frombuffer(raw, dtype=np.dtype(kind)).reshape(shape).copy()


def _scalar(content: list[Any]) -> Any:
    kind, value = content
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return value
    if numpy.dtype(kind).kind in "mM":
        return numpy.int64(value).astype(kind)
    return numpy.dtype(kind).type(value)


_BUILT_IN: dict[str, Callable[[Any], Any]] = {
    "$bytes": base64.b64decode,
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$timedelta": lambda seconds: dt.timedelta(seconds=seconds),
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$float": float,
    "$int": lambda text: int(text, 16),
    "$complex": lambda parts: complex(*parts),
    "$decimal": decimal.Decimal,
    "$uuid": uuid.UUID,
    "$path": pathlib.Path,
    "$dict": lambda pairs: {_value(key): _value(each) for key, each in pairs},
    "$numpy": _scalar,
    "$array": _array,
    "$dataclass": lambda content: content[1],
    "$model": lambda content: content[1],
    "$enum": lambda content: content[1],
}
