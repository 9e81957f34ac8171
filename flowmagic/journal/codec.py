"""Values as text: JSON, with tags for what JSON lacks. Reading a text never runs code.

A value that JSON has is written as JSON. Any other becomes an object with one key, its tag:

    {"$bytes": "aGk="}                      base64
    {"$datetime": "2026-01-31T12:00:00"}    also $date and $time (ISO 8601)
    {"$timedelta": [1, 7200, 0]}            days, seconds, microseconds
    {"$tuple": [...]}, {"$set": [...]}, {"$frozenset": [...]}, {"$deque": [[...], maxlen]}
    {"$range": [start, stop, step]}, {"$fraction": [numerator, denominator]}
    {"$float": "nan"}, {"$floats": "..."}, {"$int": "0x..."}    see `plain_json`
    {"$complex": [re, im]}, {"$decimal": "1.10"}, {"$uuid": "..."}, {"$path": "..."}
    {"$dict": [[key, value], ...]}          a dict with keys that are not strings or begin with $
    {"$numpy": ["float32", 0.5]}            a numpy scalar; a datetime64 as its number
    {"$array": ["float32", [2, 3], "..."]}  a numpy array: type, shape, base64 of its bytes
    {"$pandas": ["Timestamp", "..."]}       ISO 8601; also Timedelta, written like $numpy, NaT and NA
    {"$dataclass": ["Answer", {...}]}       also $model for pydantic; read as a dict of its fields
    {"$enum": ["Colour", value]}            read as its value
    {"$lost": "This output is not ..."}     an OutputLostError, with its message

Of a time with a zone, the offset from UTC is kept, not the name of the zone.

Reading never turns the name of a class into that class, unless it was registered with `register`.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import pathlib
import re
import uuid
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..errors import JournalError, OutputLostError
from ..text.formatting import short_repr
from ..text.redact import MASK, is_secret, masked_data
from . import numpy_codec
from .damage import quoted
from .plain_json import MAX_DEPTH, VALUE, EncodingError, as_json, floats_of, plain_json

_MAX_LEVELS = 4 * MAX_DEPTH  # of JSON: a value has up to three, such as `{"$dict": [[key, value]]}`


class _Form(NamedTuple):
    """How the objects of one class are stored.

    Attributes:
        tag: the key of the JSON object.
        write: returns what stands under the tag; that is encoded in turn.
        read: returns the object, from the decoded content.
    """

    tag: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


# By exact class: a new type that is made of values which have a form needs one line here.
_FORMS: dict[type, _Form] = {
    int: _Form("$int", hex, lambda text: int(text, 16)),
    tuple: _Form("$tuple", list, tuple),
    bytes: _Form("$bytes", _to_base64, base64.b64decode),
    bytearray: _Form("$bytes", _to_base64, base64.b64decode),
    dt.datetime: _Form("$datetime", dt.datetime.isoformat, dt.datetime.fromisoformat),
    dt.date: _Form("$date", dt.date.isoformat, dt.date.fromisoformat),
    dt.time: _Form("$time", dt.time.isoformat, dt.time.fromisoformat),
    dt.timedelta: _Form(
        "$timedelta",
        lambda span: [span.days, span.seconds, span.microseconds],
        lambda parts: dt.timedelta(*parts),
    ),
    decimal.Decimal: _Form("$decimal", str, decimal.Decimal),
    uuid.UUID: _Form("$uuid", str, uuid.UUID),
    fractions.Fraction: _Form(
        "$fraction",
        lambda number: [number.numerator, number.denominator],
        lambda parts: fractions.Fraction(*parts),
    ),
    range: _Form("$range", lambda r: [r.start, r.stop, r.step], lambda parts: range(*parts)),
    collections.deque: _Form(
        "$deque", lambda items: [list(items), items.maxlen], lambda parts: collections.deque(*parts)
    ),
    complex: _Form("$complex", lambda z: [z.real, z.imag], lambda parts: complex(*parts)),
    OutputLostError: _Form("$lost", str, OutputLostError),
}
_registered: dict[type, _Form] = {}


def register(
    kind: type, write: Callable[[Any], Any], read: Callable[[Any], Any], name: str | None = None
) -> None:
    """Make the journal store objects of a class, and return them as such when it is read.

    Args:
        kind: the class; subclasses are not included.
        write: returns a value that the journal can store, made from an object.
        read: returns the object, made from that value.
        name: names the class in the file; by default the name of the class.

    Raises:
        JournalError: another class is registered under this name.
    """
    tag = f"${name or kind.__name__}"
    registered = _registered.get(kind)
    if tag in _readers and not (registered and registered.tag == tag):
        raise JournalError(
            f"The name {tag[1:]!r} is taken. Write register({kind.__name__}, ..., name='my {tag[1:]}')."
        )
    _registered[kind] = _Form(tag, write, read)
    _readers[tag] = read


def registered(kind: type) -> _Form | None:
    """Return how objects of a class are stored if the class was registered; None if it was not."""
    return _registered.get(kind)


def encoded(value: Any, secrets: AbstractSet[str] | None = None) -> str:
    """Return a value as text.

    Args:
        secrets: texts to mask wherever they occur; values under a secret's name are masked as well.
            None masks nothing.

    Raises:
        EncodingError: the value holds an object that cannot be stored; the message says which one.
    """
    return encoded_and_masked(value, secrets)[0]


def encoded_or_none(value: Any, secrets: AbstractSet[str] | None) -> str | None:
    """Return a value as text, as `encoded` does; None if it cannot be stored."""
    try:
        return encoded(value, secrets)
    except Exception:  # noqa: BLE001 - reading a user's object may raise anything
        return None


def encoded_and_masked(value: Any, secrets: AbstractSet[str] | None) -> tuple[str, bool]:
    """Return a value as text, as `encoded` does, and whether something in it was masked.

    Raises:
        EncodingError: as `encoded`.
    """
    plain = value if type(value) is str else _plain(value, 0)
    if secrets is None:
        return as_json(plain), False
    shown = masked_data(plain, secrets) if type(plain) is str else _masked(plain, secrets)
    return as_json(shown), bool(shown != plain)


def _masked(plain: Any, secrets: AbstractSet[str]) -> Any:
    kind = type(plain)
    if kind is str:
        return masked_data(plain, secrets)
    if kind is list:
        return plain if _are_numbers(plain) else [_masked(item, secrets) for item in plain]
    if kind is not dict:
        return plain
    if len(plain) == 1:
        ((tag, content),) = plain.items()
        if tag == "$dict":
            return {"$dict": [_masked_pair(key, item, secrets) for key, item in content]}
        if tag in _readers and tag not in _OF_VALUES:
            # A part of such a content could not be read.
            return MASK if _has_secret(tag, content, secrets) else plain
    return {
        masked_data(key, secrets): MASK if is_secret(key, _inner(item)) else _masked(item, secrets)
        for key, item in plain.items()
    }


def _are_numbers(plain: list[Any]) -> bool:
    return _WITHOUT_TEXT.issuperset(map(type, plain))


_WITHOUT_TEXT = frozenset({int, float, bool, type(None)})


def _masked_pair(key: Any, value: Any, secrets: AbstractSet[str]) -> list[Any]:
    return [
        _masked(key, secrets),
        MASK if is_secret(key, _inner(value)) else _masked(value, secrets),
    ]


def _inner(plain: Any) -> Any:
    """Return what a tuple, a set or bytes hold, by which a secret is recognised."""
    if isinstance(plain, dict) and len(plain) == 1:
        ((tag, content),) = plain.items()
        if tag in _OF_ITEMS:
            return content
        if tag == "$bytes":
            return base64.b64decode(content)
    return plain


def _has_secret(tag: str, content: Any, secrets: AbstractSet[str]) -> bool:
    if tag == "$floats":
        return False
    if tag == "$bytes":  # in the base64 of it, a search would miss a short one
        text = base64.b64decode(content).decode("utf-8", "replace")
        return masked_data(text, secrets) != text
    return bool(_masked(content, secrets) != content)


def decoded(text: str) -> Any:
    """Return the value that a text of `encoded` stands for.

    Raises:
        JournalError: the text is something else.
    """
    try:
        return _value(json.loads(text), 0)
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - the file may hold anything
        raise not_a_value(text, error) from None


def not_a_value(text: str, error: Exception) -> JournalError:
    """Return what to raise for a text of the file that could not be read because of an error."""
    return JournalError(f"This text is not a journal value ({quoted(error)}): {short_repr(text)}")


def value_of_plain(plain: Any) -> Any:
    """Return the value that a result of `plain_of` stands for."""
    return _value(plain, 0)


# Within a text of the user, quotes are escaped.
_OBJECT = re.compile(r'\{"\$(?:dataclass|model|enum)":\["([^"]+)"')


def classes_in(text: str) -> list[str]:
    """Return the names of the classes whose objects `decoded` reads from a text as plain values."""
    return list(dict.fromkeys(_OBJECT.findall(text)))


def _plain(value: Any, depth: int) -> Any:
    return plain_json(value, depth, _plain_of_other)


def _plain_pair(key: Any, item: Any, depth: int) -> list[Any]:
    try:
        plain = _plain(key, depth)
    except EncodingError as error:
        raise error.within(" key") from None
    try:
        return [plain, _plain(item, depth)]
    except EncodingError as error:
        raise error.within(f"[{key!r}]") from None


def _plain_of_other(value: Any, kind: type, depth: int) -> Any:  # noqa: C901, PLR0911, PLR0912 - one line per kind
    """Return an object in terms of JSON that JSON lacks."""
    if depth > MAX_DEPTH:
        raise EncodingError(f"{VALUE} is nested more than {MAX_DEPTH} levels deep.")
    if kind is dict:
        return {"$dict": [_plain_pair(key, item, depth + 1) for key, item in value.items()]}
    if (form := _registered.get(kind)) is not None:
        return {form.tag: _plain(form.write(value), depth + 1)}
    if (form := _FORMS.get(kind)) is not None:
        return {form.tag: _plain(form.write(value), depth)}
    if kind in (set, frozenset):
        return {
            f"${kind.__name__}": sorted((_plain(item, depth + 1) for item in value), key=json.dumps)
        }
    if isinstance(value, enum.Enum):
        return {"$enum": [kind.__name__, _plain(value.value, depth + 1)]}
    if isinstance(value, pathlib.PurePath):
        return {"$path": str(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"$dataclass": [kind.__name__, _plain(fields, depth + 1)]}
    if (content := numpy_codec.form_of(value)) is not None:
        return {content[0]: _plain(content[1], depth)}
    if hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):
        return {"$model": [kind.__name__, _plain(value.model_dump(), depth + 1)]}
    if isinstance(value, dt.datetime):  # such as that of pendulum
        return {"$datetime": dt.datetime.isoformat(value)}
    base: Any
    for base in (str, int, float, dict, list, tuple, set, frozenset, bytes, bytearray):
        if isinstance(value, base):  # an instance of a subclass, such as a NamedTuple
            return _plain(base(value), depth)
    raise EncodingError(
        f"{VALUE} is of class {kind.__module__}.{kind.__qualname__}, which a journal cannot store. "
        f"Write flowmagic.journal.register({kind.__name__}, write, read) to have it stored."
    )


def _value(plain: Any, depth: int) -> Any:
    if not isinstance(plain, (list, dict)):
        return plain
    if depth > _MAX_LEVELS:
        raise ValueError("nested too deep")
    depth += 1
    if isinstance(plain, list):
        return [_value(item, depth) for item in plain]
    if len(plain) == 1:
        ((tag, content),) = plain.items()
        if tag == "$dict":
            return {_value(key, depth): _value(item, depth) for key, item in content}
        if (read := _readers.get(tag)) is not None:
            return read(_value(content, depth))
        # Any other tag, of an unregistered class or a later version, stays as it is.
    return {key: _value(item, depth) for key, item in plain.items()}


def _second(content: list[Any]) -> Any:
    """Return the value that stands beside the name of a class."""
    return content[1]


_readers: dict[str, Callable[[Any], Any]] = {
    **{form.tag: form.read for form in _FORMS.values()},
    "$set": set,
    "$frozenset": frozenset,
    "$float": float,
    "$floats": floats_of,
    "$path": pathlib.Path,
    "$dict": dict,  # not called: `_value` reads its pairs
    "$numpy": numpy_codec.scalar,
    "$array": numpy_codec.array,
    "$pandas": numpy_codec.pandas_value,
    "$dataclass": _second,
    "$model": _second,
    "$enum": _second,
}
"""How the content of each tag is read; `register` adds to it."""

_OF_ITEMS = frozenset({"$tuple", "$set", "$frozenset"})
_OF_VALUES = _OF_ITEMS | {"$deque", "$dict", "$dataclass", "$model"}
"""Tags whose content is made of values, each of which may be masked on its own."""
