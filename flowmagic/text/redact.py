"""Secrets: how they are recognised, and how they are masked in text.

A secret is recognised by the name of its key, such as `api_key`, `token`, `password` or
`Authorization`, at any depth. Where the same value occurs in another text of its instance, such as an
error message, it is masked there too. Nodes always receive the real value.

In the source of a node, the strings that are assigned to such names are secrets as well.
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
_LONGEST = 2_000  # characters of the repr of a secret that is not a string
_SHORTEST = 4  # characters; masking shorter values wherever they occur would garble other text


def is_secret(key: object, value: object = "") -> bool:
    """Return whether the value of a key is a secret, judged by the words in the key's name.

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
    """Return whether a name is that of a secret, and whether it is so even if the value is a number."""
    words = [word.lower() for word in _WORDS.findall(key)]
    named = _SECRET_WORDS.intersection(words)
    named |= {end for end in _SECRET_ENDS if any(word.endswith(end) for word in words)}
    pairs = any(pair in _SECRET_PAIRS for pair in itertools.pairwise(words))
    return bool(named) or pairs, bool(named & {"password", "passwd", "pwd", "secret"})


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


def secrets_of(value: object, depth: int = 4) -> set[str]:
    """Return the texts of all secrets in a value, at most `depth` levels deep."""
    return set(_secrets(value, depth))


_MOST_KEYS = 2_000
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
"""Types that contain no keys. Most values are of these, and need no search."""


def _secrets(value: object, depth: int) -> Iterator[str]:
    if depth < 0:
        return
    if isinstance(value, Mapping):
        # Not all: a value may be an index with a million entries, and the run waits for this.
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
    """Yield the texts by which other texts may quote a secret."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    text = text if isinstance(text, str) else _short(text)
    if len(text) >= _SHORTEST:
        yield text
    if isinstance(value, (str, bytes)):
        # Of "Bearer sk-…", the second word may be quoted alone.
        yield from (word for word in text.split() if len(word) > 2 * _SHORTEST)
    elif depth > 0:
        # Each item may be quoted alone. A short one may not be a secret, but a user's name.
        for each in _items(value):
            if isinstance(each, (str, bytes)):
                yield from (word for word in _texts(each, 0) if len(word) > 2 * _SHORTEST)
            elif type(each) not in _PLAIN:
                yield from _texts(each, depth - 1)


def _items(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(itertools.islice(value, 100))
    return [each for _, each in fields_of(value) or ()]


def masked(text: str, secrets: AbstractSet[str]) -> str:
    """Return a text in which every occurrence of a secret is replaced by the mask."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
        quoted = repr(secret)[1:-1]
        if quoted != secret:
            text = text.replace(quoted, MASK)
    return text


def _short(value: object) -> str:
    """Return the repr of a secret that is not a string; empty if it cannot be made, or is too long."""
    text = or_none(within_budget, repr, value)
    return text if isinstance(text, str) and len(text) <= _LONGEST else ""


_Span = tuple[int, int, int, int]
"""First line and column, last line and column."""

_LONG = 8  # characters; a shorter argument of a call may be the name of a variable


def masked_source(source: str, secrets: set[str]) -> str:
    """Return Python source with the strings masked that are assigned to names of secrets.

    Returns an empty text if the source cannot be parsed, since then it cannot be searched.

    Args:
        secrets: texts to mask wherever they occur. The secrets found in the source are added to it.
    """
    found = _secrets_in_source(source)
    if found is None:
        return ""
    lines = source.splitlines(keepends=True)
    # From the end to the beginning, so that the spans that are left remain valid.
    for (first, start, last, end), each in reversed(found):
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
    return masked("".join(lines), secrets)


@functools.lru_cache(maxsize=256)  # a run masks each source several times when it begins
def _secrets_in_source(source: str) -> list[tuple[_Span, ast.expr]] | None:
    """Return the spans and nodes of the secrets in a source, in order; None if it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return sorted({_span(each): each for each in _secret_nodes(tree)}.items())


def _span(each: ast.expr) -> _Span:
    last, end = each.end_lineno or each.lineno, each.end_col_offset or each.col_offset
    return each.lineno, each.col_offset, last, end


def _secret_nodes(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        yield from secret_literals(node)


def secret_literals(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the string literals that one node of a syntax tree assigns to names of secrets."""
    for name, value in _named(node):
        if is_secret(name, "text"):
            yield from _string_nodes(value)


def _named(node: ast.AST) -> Iterator[tuple[object, ast.expr | None]]:
    """Yield the names that a node of the syntax tree assigns to, each with the value assigned."""
    if isinstance(node, ast.Assign):
        yield from ((_name(target), node.value) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        yield _name(node.target), node.value
    elif isinstance(node, ast.keyword):
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        yield from ((_name(key), value) for key, value in zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        defaults: Iterable[tuple[ast.arg, ast.expr | None]] = [
            *zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True),
            *zip(node.kwonlyargs, node.kw_defaults, strict=True),
        ]
        yield from ((each.arg, value) for each, value in defaults)


def _name(node: Any) -> object:
    if isinstance(node, ast.Subscript):
        node = node.slice
    if isinstance(node, ast.Constant):
        return node.value
    return getattr(node, "id", getattr(node, "attr", None))


def _string_nodes(value: ast.AST | None, *, argument: bool = False) -> Iterator[ast.expr]:
    """Yield the string literals that a value is made of, but not the keys by which it is looked up."""
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
            yield from _string_nodes(each, argument=True)
    elif isinstance(value, (ast.BinOp, ast.BoolOp, ast.IfExp, ast.List, ast.Tuple)):
        for part in ast.iter_child_nodes(value):
            yield from _string_nodes(part, argument=argument)


def _may_be_secret(value: object, *, argument: bool) -> bool:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) < _SHORTEST:
        return False
    # An argument may also be the name of a variable, or the prompt of `getpass`.
    return not argument or (len(text) >= _LONG and not text.isidentifier() and " " not in text)
