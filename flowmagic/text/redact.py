"""Secrets: what is taken for one, where they are found, and how they are masked in texts.

A value is a secret by its name, by its form, or both:

1. **By name.** A password, secret, API key, access token, signing key, credential, cookie, JWT, DSN,
   `Authorization` and the like is a secret whatever it looks like, except None, a bool and nothing at
   all; a number is one only as a password or a secret.
2. **By name and value.** A `token`, `session`, `session_id` or `signature` is a secret if it looks
   generated: one word of at least 8 characters with at least three digits, or of 20 with one, and no
   date. "Paris" is none. The token of a tokenizer (`mask_token`) or of a page (`next_page_token`) is
   none either, nor is what tells something about a secret (`max_tokens`, `api_key_env`).
3. **By form**, in whatever text: keys that begin as those of a provider (`sk-`, `ghp_`, `xoxb-`,
   `AKIA`, `AIza`, ...), JWTs, private keys in PEM, `Bearer ...`, and the password in a URL or in
   `user:password@host:port`.
4. **After its name**, in a text for people: `password='hunter2'`, `"api_key": "..."`, `?key=...`.

Wherever a known secret is quoted, it is masked as well: as it is, and as `repr`, JSON, URLs and base64
write it. Only one that is distinctive is looked for in this way: `{"secret": "yes"}` is shown as
`secret=•••`, but no other "yes" is masked (see `is_distinctive`).

Nodes always receive the real values.
"""

from __future__ import annotations

import ast
import base64
import functools
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from .secret_search import fields_of, secrets_of
from .secret_values import MASK, is_distinctive, is_secret, mask_named, mask_shapes

__all__ = [
    "MASK",
    "fields_of",
    "is_secret",
    "masked",
    "masked_data",
    "masked_source",
    "secret_literals",
    "secrets_of",
]

_NONE: frozenset[str] = frozenset()

# In texts

_SHORTEST_TEXT = 6  # characters; no secret is masked in a shorter one


def masked(text: str, secrets: AbstractSet[str] = _NONE) -> str:
    """Return a text for people with all secrets masked: the given ones, and those that it tells itself."""
    return mask_named(masked_data(text, secrets)) if len(text) >= _SHORTEST_TEXT else text


def masked_data(text: str, secrets: AbstractSet[str] = _NONE) -> str:
    """Return a text that is a value, such as an answer, with the given secrets and all forms masked.

    Unlike `masked`, it leaves what follows the name of a secret: code that a model has written would
    be altered by it.
    """
    # Every spelling has at least as many characters as the secret. Most texts are shorter.
    if secrets and len(text) >= min(map(len, secrets)):
        for spelling in _spellings(frozenset(secrets)):
            text = text.replace(spelling, MASK)
    return mask_shapes(text)


@functools.lru_cache(maxsize=64)  # the rows of a batch mostly have the same ones
def _spellings(secrets: frozenset[str]) -> tuple[str, ...]:
    """Return how secrets may be written, the longest first: a shorter one may be a part of it."""
    spellings = {spelling for secret in secrets for spelling in _spellings_of(secret)}
    return tuple(sorted(spellings, key=len, reverse=True))


def _spellings_of(secret: str) -> Iterator[str]:
    yield secret
    data = secret.encode("utf-8", "surrogatepass")
    yield from _in_base64(data)
    if _SAFE.fullmatch(secret):
        return
    for safe in ("", "/", "!'()*~"):
        in_url = urllib.parse.quote(data, safe)
        lower = _ESCAPES_IN_URL.sub(lambda match: match[0].lower(), in_url)
        yield from (in_url, in_url.replace("%20", "+"), lower)
    escaped = {
        "".join(each if each in "'\"" else escape(each)[1:-1] for each in secret)
        for escape in (repr, ascii, json.dumps)
    }
    escaped.add(
        "".join(chr(each) if each in b"'\"" else repr(bytes([each]))[2:-1] for each in data)
    )
    # A text may be quoted within one that is quoted itself.
    for once in {quoted for each in escaped for quoted in _with_quotes(each)}:
        yield once
        yield from _with_quotes(once.replace("\\", "\\\\"))


_SAFE = re.compile(r"[\w.~-]+", re.ASCII)
"""A text that is written like this everywhere but in base64."""

_ESCAPES_IN_URL = re.compile("%[0-9A-F]{2}")


def _with_quotes(text: str) -> tuple[str, ...]:
    return text, text.replace("'", "\\'"), text.replace('"', '\\"')


_SHORTEST_BASE64 = 8  # characters


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the base64 of a secret at each of the three places at which it may begin in other data."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        # Without the characters that also depend on what is before it and after it.
        core = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        if len(core) >= _SHORTEST_BASE64:
            yield core
            yield core.replace("+", "-").replace("/", "_")


# In Python source

_Span = tuple[int, int, int, int]
"""First line and column, last line and column."""

_SHORTEST = 4  # characters of a secret in a source
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
            if isinstance(each.value, bytes):
                mask += ".encode()"
            if is_distinctive(value := _text(each.value)):
                secrets.add(value)
        before = lines[first - 1].encode()[:start].decode()
        after = lines[last - 1].encode()[end:].decode()
        lines[first - 1 : last] = [before + mask + after]
    return masked_data("".join(lines), secrets)


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
        yield from (each for each in _string_nodes(value) if _is_secret_literal(name, each))


def _is_secret_literal(name: object, literal: ast.expr) -> bool:
    parts = literal.values if isinstance(literal, ast.JoinedStr) else [literal]
    texts = [_text(part.value) for part in parts if isinstance(part, ast.Constant)]
    return any(is_secret(name, word) for text in texts for word in text.split() or [text])


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
    text = _text(value)
    if len(text) < _SHORTEST:
        return False
    # An argument may also be the name of a variable, or the prompt of `getpass`.
    return not argument or (len(text) >= _LONG and not text.isidentifier() and " " not in text)


def _text(value: object) -> str:
    """Return a constant of a source as text; empty if it is neither a string nor bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
