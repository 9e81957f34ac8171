"""Finds the secrets in values: in params, in the shared store, in the attributes of nodes.

The rule is in the docstring of `redact`.
"""

from __future__ import annotations

import base64
import functools
import itertools
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from .secret_names import NamedSecret, named_secret
from .secret_values import SHORTEST, is_distinctive, is_secret, secrets_in, without_scheme
from .user_objects import get, or_none, within_budget

_MOST = 10_000
"""How many entries of a value are looked through: it may be an index of millions, and the run waits."""

_MOST_WORDS = 100  # entries of one value whose text is looked at
_LONGEST = 2_000  # characters of a word, and of the repr of a secret that is not a string
_LONG_PART = 9  # characters of a word, or of an item, that is looked for alone

_PLAIN = frozenset({int, float, bool, complex, type(None)})
_TEXTS = (str, bytes, bytearray)
_SEQUENCES = (list, tuple, set, frozenset, deque)
_EXACT_SEQUENCES = frozenset(_SEQUENCES)
_NONE: frozenset[str] = frozenset()
_CODE = (type, types.ModuleType, types.FunctionType)


def secrets_of(value: object) -> frozenset[str]:
    """Return the texts of the secrets in a value that are distinctive; see `is_distinctive`.

    The first 10,000 entries are looked through, those near the top first.
    """
    if type(value) is dict and _has_none(value):
        return _NONE
    return frozenset(_texts_in(value))


def _texts_in(value: object, *, is_secret_itself: bool = False) -> set[str]:
    """Return the texts of the secrets in a value; all its long texts, if it is a secret itself."""
    found: set[str] = set()
    waiting = deque([value])
    seen: dict[int, object] = {}
    """The values themselves, since the id of one that is gone may return."""
    left = _MOST
    while waiting and left > 0:
        # At most half of what is left, so that something is left for what is in them.
        entries = itertools.islice(_entries(waiting.popleft()), left // 2 + 1)
        for number, (name, each) in enumerate(entries):
            left -= 1
            kind = type(each)
            if is_secret_itself:
                if issubclass(kind, _TEXTS):
                    found.update(_long_parts(each))
                    continue
            elif name is not None and is_secret(name, each):
                found.update(_texts(each))
                continue
            if kind is str:
                if _is_word(each) and number < _MOST_WORDS:
                    found.update(_in_word(each))
            elif kind not in _PLAIN and id(each) not in seen:
                seen[id(each)] = each
                waiting.append(each)
    return found


def _has_none(row: dict[Any, Any]) -> bool:
    """Whether a dict has nothing to look at, as most rows have: a search takes twice as long."""
    for name, each in row.items():
        kind = type(each)
        if kind not in _PLAIN and (kind is not str or _is_word(each)):
            return False
        if type(name) is str and named_secret(name) is not NamedSecret.NO:
            return False
    return True


def _is_word(text: str) -> bool:
    """Whether a text may be a secret that others quote in base64; one of several words is not."""
    return SHORTEST <= len(text) <= _LONGEST and " " not in text


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return the entries of a value with their names; None for the name of one that has none."""
    kind = type(value)
    if kind is dict:
        return list(itertools.islice(value.items(), _MOST))  # another thread may add to it
    if kind in _EXACT_SEQUENCES:
        return _items(value)
    return or_none(_entries_of_object, value) or ()


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    items = list(itertools.islice(value, _MOST))
    return () if _PLAIN.issuperset(map(type, items)) else zip(itertools.repeat(None), items)


def _entries_of_object(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, _TEXTS):
        return ()
    if isinstance(value, Mapping):
        return list(itertools.islice(value.items(), _MOST))
    if (sealed := _sealed(value)) is not None:
        return [("secret", sealed)]
    if (named := fields_of(value)) is not None:
        return named
    return _items(value) if isinstance(value, _SEQUENCES) else _own_secrets(value)


def _own_secrets(value: Any) -> list[tuple[Any, Any]]:
    """Return the attributes of an object, such as a client, that are texts with the name of a secret."""
    attributes = None if isinstance(value, _CODE) else get(value, "__dict__")
    if type(attributes) is not dict:
        return []
    return [
        (name, each)
        for name, each in itertools.islice(list(attributes.items()), _MOST)
        if issubclass(type(each), _TEXTS) and is_secret(name, each)
    ]


def fields_of(value: object) -> list[tuple[str, Any]] | None:
    """Return names and values of a dataclass, NamedTuple, pydantic or attrs object; None for others.

    Those of a pydantic object include what it has beside its declared fields.
    """
    if isinstance(value, type):
        return None
    if is_dataclass(value):
        names: Any = [field.name for field in fields(value)]
    else:
        kind: Any = type(value)
        names = getattr(kind, "_fields", None) if isinstance(value, tuple) else None
        if names is None:
            names = getattr(kind, "model_fields", None)
        if names is None and (attributes := getattr(kind, "__attrs_attrs__", None)) is not None:
            names = [each.name for each in attributes]
        if not isinstance(names, (Mapping, list, tuple)):
            return None
    items = [(name, getattr(value, name, None)) for name in names if isinstance(name, str)]
    extra = getattr(value, "model_extra", None)
    return [*items, *extra.items()] if isinstance(extra, dict) else items


def _texts(secret: Any) -> Iterable[str]:
    """Return the distinctive texts by which others may quote a secret: all of it, and its parts."""
    if type(secret) is str:
        return _texts_of(secret)
    if issubclass(type(secret), (bytes, bytearray)):
        spelled = repr(bytes(secret))[2:-1], secret.hex(), base64.b64encode(secret).decode()
        return [*filter(is_distinctive, spelled), *_texts_of(secret.decode("utf-8", "replace"))]
    if (sealed := _sealed(secret)) is not None:
        return _texts(sealed)
    whole = or_none(within_budget, repr, secret)
    is_short = isinstance(whole, str) and len(whole) <= _LONGEST and is_distinctive(whole)
    parts = _texts_in(secret, is_secret_itself=True)
    return {str(whole), *parts} if is_short else parts


def _sealed(value: Any) -> Any:
    """Return what pydantic's SecretStr and its like hold; None for other objects."""
    holds = hasattr(type(value), "get_secret_value")
    return or_none(value.get_secret_value) if holds else None


@functools.lru_cache(maxsize=1_024)  # a journal looks through each row twice
def _in_word(text: str) -> tuple[str, ...]:
    return tuple(filter(is_distinctive, secrets_in(text)))


@functools.lru_cache(maxsize=1_024)  # in a batch, a secret is nearly always the same one
def _texts_of(secret: str) -> tuple[str, ...]:
    texts = [secret]
    if not secret.replace("-", "").replace("_", "").isalnum():  # most keys are one word
        texts = [without_scheme(secret), *_words_of(secret), *secrets_in(secret)]
    return tuple(filter(is_distinctive, texts))


def _long_parts(text: str | bytes | bytearray) -> Iterator[str]:
    # Each item may be quoted alone. A short one may be no secret, but a user's name.
    plain = str(text) if isinstance(text, str) else text.decode("utf-8", "replace")
    return (each for each in _texts_of(plain) if len(each) >= _LONG_PART)


def _words_of(secret: str) -> list[str]:
    words = secret.split()
    return [word for word in words if len(word) >= _LONG_PART] if len(words) > 1 else []
