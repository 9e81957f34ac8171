"""The keys by which rows are recognised in earlier runs, and what makes two rows equal.

Two rows are equal if they have the same params, in any order, and each param is

- the same value of the same kind: 1, 1.0 and True are three values, and so are "1" and b"1". A number
  of numpy is the number of Python that has exactly its value, so `np.int64(3)` is 3, and
  `np.float32(0.1)` is not 0.1. What is written differently differs, as a prompt would show it: 0.0 and
  -0.0, Decimal("1.1") and Decimal("1.10");
- a list or tuple of equal items, a deque of equal items, a set or frozenset of equal items, a dict of
  equal keys and values in any order, or the same bytes or bytearray. An object of a subclass of these,
  of str or of a number is as one of the base class;
- the same date and time by the same clock, to the last digit: a datetime, a pandas Timestamp or a numpy
  datetime64. If it has a zone, what counts is the time that it shows, and the offset from UTC. The same
  holds for durations. A date is not a datetime;
- None, NaN, NaT or `pandas.NA`: each of these equals only itself;
- the same member of an enum, path, UUID, fraction or range;
- an object with named fields (a dataclass, NamedTuple, pydantic or attrs object) of a class of the same
  name, with equal fields; fields that the class leaves out of comparisons do not count;
- an array of numpy, or a Series, Index or DataFrame of pandas, with the same types, labels and content;
- an object of a class that was registered with `register`, for which `write` returned equal values.

Rows cannot be recognised by other objects, such as functions and clients. A row that holds one has no
key.

A key is a hash of the real values, so that a row whose secrets are masked in the file is recognised
all the same. It does not reveal them, since it is keyed, and each journal has a random key of its own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import hashlib
import pathlib
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..flow.finding import Finding
from ..records.cells import LARGE
from ..text.formatting import short_repr
from . import numpy_key
from .codec import registered
from .numpy_key import Inner
from .plain_json import MAX_DEPTH, as_sorted_json, plain_json

MOST_CHECKED = 1_000
"""How many rows are looked at before a run; the others are when they are written."""

_NAME_WIDTH = 60  # characters of a param's name in a message


class NoRowKeyError(Exception):
    """A row has no key.

    Attributes:
        kind: the class of the object by which it cannot be recognised; None: it is nested too deep.
    """

    def __init__(self, kind: type | None) -> None:
        super().__init__(kind)
        self.kind = kind


def row_key(secret: bytes, params: Mapping[Any, Any]) -> str:
    """Return the key of a row, 32 hexadecimal digits: the same for equal merged params.

    Args:
        secret: the key of the hash, see `database.hash_key`.

    Raises:
        NoRowKeyError: the row has no key.
        Exception: what reading an object of the user raises.
    """
    # Unlike HMAC, it does not let go of Python's lock for a short text, and wait to get it back.
    text = canonical_text(params).encode()
    return hashlib.blake2b(text, key=secret, digest_size=16).hexdigest()


def params_without_key(rows: Iterable[Mapping[Any, Any]]) -> list[Finding]:
    """Find the params by which rows cannot be recognised; each once."""
    findings: dict[Finding, None] = {}
    for row in rows:
        for name, value in row.items():
            try:
                canonical_text({name: value})
            except Exception as error:  # noqa: BLE001 - reading a user's object may raise anything
                findings[_finding(short_repr(name, _NAME_WIDTH), error)] = None
    return list(findings)


def _finding(name: str, error: Exception) -> Finding:
    param = f"No row can be recognised by the param {name}"
    why = "A resumed run runs such rows again, although they may have succeeded."
    if not isinstance(error, NoRowKeyError):
        return Finding(f"{param}: reading it raised {type(error).__name__}.", why)
    if error.kind is None:
        return Finding(f"{param}, which is nested more than {MAX_DEPTH} levels deep.", why)
    kind, module = error.kind.__qualname__, error.kind.__module__
    full_name = kind if module == "builtins" else f"{module}.{kind}"
    return Finding(
        f"{param}, which holds an object of class {full_name}.",
        why,
        "Pass what identifies the object, such as an id or a path, or write "
        f"flowmagic.journal.register({kind}, write, read).",
    )


def canonical_text(value: Any) -> str:
    """Return a text that is the same for equal values.

    Raises:
        NoRowKeyError: there is none for this value.
        Exception: what reading an object of the user raises.
    """
    return as_sorted_json(_form(value, 0))


def _form(value: Any, depth: int) -> Any:
    return plain_json(value, depth, _form_of_other)


def _form_of_other(value: Any, kind: type, depth: int) -> Any:
    """Return an object in terms of JSON that JSON lacks."""
    if depth > MAX_DEPTH:
        raise NoRowKeyError(None)

    def inner(part: Any) -> Any:
        return _form(part, depth + 1)

    if (registration := registered(kind)) is not None:
        return {"$registered": [registration.tag, inner(registration.write(value))]}
    if issubclass(kind, enum.Enum):
        return {"$enum": [kind.__name__, inner(value.value)]}
    if (fields := _fields(value, kind)) is not None:
        return {"$object": [kind.__name__, inner(fields)]}
    if (form := numpy_key.form_of(value, inner)) is not None:
        return form
    if issubclass(kind, (list, tuple)):
        return _form(list(value), depth)  # as the list of its items
    for base, write in _FORMS:
        if issubclass(kind, base):
            return write(value, inner)
    raise NoRowKeyError(kind)


def _fields(value: Any, kind: Any) -> dict[str, Any] | None:
    """Return the fields of an object that count in a comparison; None if it has no named fields."""
    if issubclass(kind, tuple):
        names = getattr(kind, "_fields", None)
        return None if names is None else dict(zip(names, value, strict=True))
    if dataclasses.is_dataclass(kind):
        names = [each.name for each in dataclasses.fields(kind) if each.compare]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [each.name for each in kind.__attrs_attrs__ if each.eq]
    elif hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):
        # What pydantic itself compares.
        own = {name: value.__dict__[name] for name in kind.model_fields if name in value.__dict__}
        return own | (value.__pydantic_extra__ or {}) | (value.__pydantic_private__ or {})
    else:
        return None
    if issubclass(kind, _WITH_CONTENT):
        raise NoRowKeyError(kind)  # there is more to it than its fields
    return {name: getattr(value, name) for name in names}


def _dict_form(value: dict[Any, Any], inner: Inner) -> Any:
    pairs = [(inner(key), inner(item)) for key, item in dict.items(value)]
    if all(type(key) is str and key[:1] != "$" for key, _ in pairs):
        return dict(pairs)
    return {"$dict": sorted(pairs, key=as_sorted_json)}


def _int_form(value: int, _: Inner) -> Any:
    number = int.__int__(value)
    return number if -LARGE < number < LARGE else {"$int": hex(number)}


def _moment_form(value: dt.datetime, _: Inner) -> Any:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    nanoseconds = getattr(value, "nanosecond", 0)  # of a pandas Timestamp
    return numpy_key.moment_form(
        numpy_key.attoseconds(value.toordinal() - _EPOCH, seconds, value.microsecond, nanoseconds),
        value.utcoffset(),
    )


_EPOCH = dt.date(1970, 1, 1).toordinal()


def _duration_form(value: dt.timedelta, _: Inner) -> Any:
    nanoseconds = getattr(value, "nanoseconds", 0)  # of a pandas Timedelta
    return numpy_key.duration_form(
        numpy_key.attoseconds(value.days, value.seconds, value.microseconds, nanoseconds)
    )


def _time_form(value: dt.time, _: Inner) -> Any:
    offset = value.utcoffset()  # None also if it depends on the date
    zone = None if value.tzinfo is None else str(value.tzinfo if offset is None else offset)
    return {"$time": [value.replace(tzinfo=None).isoformat(), zone]}


_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any, Inner], Any]], ...] = (
    (int, _int_form),
    (float, lambda value, inner: inner(float.__float__(value))),
    (str, lambda value, _: str.__str__(value)),  # not its own __str__
    (complex, lambda value, inner: {"$complex": [inner(value.real), inner(value.imag)]}),
    ((bytes, bytearray), lambda value, _: {"$bytes": value.hex()}),
    (deque, lambda value, inner: {"$deque": list(map(inner, value))}),
    (
        (set, frozenset),
        lambda value, inner: {"$set": sorted(map(inner, value), key=as_sorted_json)},
    ),
    (dict, _dict_form),
    (dt.datetime, _moment_form),  # before its base class
    (dt.date, lambda value, _: {"$date": value.isoformat()}),
    (dt.time, _time_form),
    (dt.timedelta, _duration_form),
    (decimal.Decimal, lambda value, _: {"$decimal": str(value)}),
    (
        fractions.Fraction,
        lambda value, inner: {"$fraction": [inner(value.numerator), inner(value.denominator)]},
    ),
    (uuid.UUID, lambda value, _: {"$uuid": value.hex}),
    (pathlib.PurePath, lambda value, _: {"$path": value.as_posix()}),
    # Equal ranges have the same items: (0, 3, 2) and (0, 4, 2).
    (range, lambda value, inner: {"$range": [len(value), *map(inner, value[:2])]}),
)
"""How the objects of a class and of its subclasses are put in terms of JSON."""

_WITH_CONTENT = (int, float, str, complex, bytes, bytearray, list, deque, set, frozenset, dict)
