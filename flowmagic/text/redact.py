"""Secrets: how they are recognised, and how they are masked in texts.

A secret is recognised by the name of its key, at any depth (`api_key`, `token`, `password`,
`Authorization` and the like). Wherever the same value occurs in another text of its instance, such
as an error message, it is masked there, too. Nodes always receive the real value.

In the source of a node, the strings assigned to such names are secrets as well.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any

from .user_objects import or_none, within_budget

MASK = "•••"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    [
        "apikey",
        "apikeys",
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pwd",
        "secret",
        "secrets",
        "token",
    ]
)
_SECRET_PAIRS = frozenset(
    (word, key) for word in ("api", "access", "private", "auth") for key in ("key", "keys")
)
_SECRET_ENDS = ("password", "passwd", "apikey")  # PGPASSWORD, dbpassword
_LONGEST = 2_000  # characters of a secret that is no string
_SHORTEST = 4  # masking a shorter value wherever it stands would garble the text around it


def is_secret(key: object, value: object = "") -> bool:
    """Whether what stands under this key is to be masked: by the words of its name.

    >>> is_secret("OPENAI_API_KEY"), is_secret("accessToken"), is_secret("max_tokens")
    (True, True, False)

    Numbers and None are shown (`token_limit=100`), except under a password or a secret.
    """
    if not isinstance(key, str):
        return False
    named, named_also_for_a_number = _named_secret(str(key))
    if value is None or isinstance(value, (bool, int, float)):
        return value is not None and named_also_for_a_number
    return named


@functools.lru_cache(maxsize=1_024)  # the rows of a batch have the same keys
def _named_secret(key: str) -> tuple[bool, bool]:
    """Whether a name is a secret's; and whether it is one also for a number."""
    words = [word.lower() for word in _WORDS.findall(key)]
    named = _SECRET_WORDS.intersection(words)
    named |= {end for end in _SECRET_ENDS if any(word.endswith(end) for word in words)}
    pairs = any(pair in _SECRET_PAIRS for pair in itertools.pairwise(words))
    return bool(named) or pairs, bool(named & {"password", "passwd", "pwd", "secret"})


def fields_of(value: object) -> list[tuple[str, Any]] | None:
    """Return the fields of a dataclass, a NamedTuple, or an object of pydantic or attrs; else None."""
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
    return [(name, getattr(value, name, None)) for name in names if isinstance(name, str)]


def secrets_of(value: object, depth: int = 4) -> set[str]:
    """Return the secret values found in params, at any depth down to `depth`, longest texts first."""
    return set(_secrets(value, depth))


_MOST_KEYS = 2_000
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
"""Of what holds no secret under a key; most values are of it."""


def _secrets(value: object, depth: int) -> Iterator[str]:
    if depth < 0:
        return
    if isinstance(value, Mapping):
        # Of an index with a million entries, not all: somebody waits for the run to begin.
        items: Any = list(itertools.islice(value.items(), _MOST_KEYS))
    elif (named := fields_of(value)) is not None:
        items = named
    elif isinstance(value, (list, tuple)):
        items = [(None, each) for each in value[:100]]
    else:
        return
    for key, each in items:
        if key is not None and is_secret(key, each):
            yield from _texts(each, depth)
        elif type(each) not in _PLAIN:
            yield from _secrets(each, depth - 1)


def _texts(value: object, depth: int) -> Iterator[str]:
    """Give the texts that stand for a secret, where others quote it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    text = text if isinstance(text, str) else _short(text)
    if len(text) >= _SHORTEST:
        yield text
    if isinstance(value, (str, bytes)):
        # "Bearer sk-…" may be quoted without its first word.
        yield from (word for word in text.split() if len(word) > 2 * _SHORTEST)
    elif depth > 0:
        # Of several, each may be quoted alone; a short one may as well be a user's name.
        for each in _held(value):
            if isinstance(each, (str, bytes)):
                yield from (word for word in _texts(each, 0) if len(word) > 2 * _SHORTEST)
            elif type(each) not in _PLAIN:
                yield from _texts(each, depth - 1)


def _held(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(itertools.islice(value, 100))
    return [each for _, each in fields_of(value) or ()]


def masked(text: str, secrets: AbstractSet[str]) -> str:
    """Return a text with every occurrence of the given secret values masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
        quoted = repr(secret)[1:-1]
        if quoted != secret:
            text = text.replace(quoted, MASK)
    return text


def _short(value: object) -> str:
    """Return the text by which others may quote a secret that is no string."""
    text = or_none(within_budget, repr, value)
    return text if isinstance(text, str) and len(text) <= _LONGEST else ""


_Place = tuple[int, int, int, int]
"""Line and column of the beginning, and of the end."""

_LONG = 8  # of an argument, which may as well be the name of a variable


def veiled(source: str, secrets: set[str]) -> str:
    """Return a source with the texts masked that stand under the name of a secret.

    Args:
        secrets: to which the texts found are added; they are masked wherever else they stand.
    """
    places = _secret_places(source)
    if places is None:
        return ""  # what cannot be understood cannot be searched
    lines = source.splitlines(keepends=True)
    # From the end on, so that the places of the others stay what they are.
    for (first, start, last, end), each in reversed(places):
        mask = repr(MASK)
        if isinstance(each, ast.Constant):
            value: Any = each.value
            if isinstance(value, bytes):
                mask += ".encode()"
                value = value.decode("utf-8", "replace")
            secrets.add(value)
        before = lines[first - 1].encode()[:start].decode()
        after = lines[last - 1].encode()[end:].decode()
        lines[first - 1 : last] = [before + mask + after]
        # A text over several lines is one line now; those before it have not moved.
    return masked("".join(lines), secrets)


@functools.lru_cache(maxsize=256)  # each source is asked for several times when a run begins
def _secret_places(source: str) -> list[tuple[_Place, ast.expr]] | None:
    """Return where texts stand under the name of a secret, in order; None: it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return sorted({_place(each): each for each in _source_under_secrets(tree)}.items())


def _place(each: ast.expr) -> _Place:
    last, end = each.end_lineno or each.lineno, each.end_col_offset or each.col_offset
    return each.lineno, each.col_offset, last, end


def _source_under_secrets(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for name, value in _named(node):
            if is_secret(name, "text"):
                yield from _source_texts(value)


def _named(node: ast.AST) -> Iterator[tuple[object, ast.expr | None]]:
    """Give what stands under a name in one place of a source."""
    if isinstance(node, ast.Assign):
        yield from ((_name(target), node.value) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        yield _name(node.target), node.value
    elif isinstance(node, ast.keyword):
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        yield from ((_name(key), value) for key, value in zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.arguments):
        places = [*node.posonlyargs, *node.args]
        given: Iterable[tuple[ast.arg, ast.expr | None]] = [
            *zip(places[len(places) - len(node.defaults) :], node.defaults, strict=True),
            *zip(node.kwonlyargs, node.kw_defaults, strict=True),
        ]
        yield from ((each.arg, value) for each, value in given)


def _name(node: Any) -> object:
    if isinstance(node, ast.Subscript):
        node = node.slice
    if isinstance(node, ast.Constant):
        return node.value
    return getattr(node, "id", getattr(node, "attr", None))


def _source_texts(value: ast.AST | None, *, argument: bool = False) -> Iterator[ast.expr]:
    """Give the texts that a value is made of; not the names by which it is looked up elsewhere."""
    if isinstance(value, ast.Constant):
        if _may_be_secret(value.value, argument=argument):
            yield value
    elif isinstance(value, ast.JoinedStr):
        parts = [each.value for each in value.values if isinstance(each, ast.Constant)]
        words = [word for part in parts for word in str(part).split()]
        if any(_may_be_secret(word, argument=True) for word in words):
            yield value
    elif isinstance(value, ast.Call):
        for each in value.args:
            yield from _source_texts(each, argument=True)
    elif isinstance(value, (ast.BinOp, ast.BoolOp, ast.IfExp, ast.List, ast.Tuple)):
        for part in ast.iter_child_nodes(value):
            yield from _source_texts(part, argument=argument)


def _may_be_secret(value: object, *, argument: bool) -> bool:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) < _SHORTEST:
        return False
    # An argument may as well be a variable's name, or a question to somebody.
    return not argument or (len(text) >= _LONG and not text.isidentifier() and " " not in text)
