"""Secrets that belong to a flow and not to a row: in the source of its nodes and in their attributes."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from typing import Any

from ..showing import MASK, is_secret, masked

_Place = tuple[int, int, int, int]
"""Line and column of the beginning, and of the end."""

_SHORTEST = 4  # as for params: a shorter one would garble the text around it
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
    return sorted({_place(each): each for each in _texts_under_secrets(tree)}.items())


def _place(each: ast.expr) -> _Place:
    last, end = each.end_lineno or each.lineno, each.end_col_offset or each.col_offset
    return each.lineno, each.col_offset, last, end


def _texts_under_secrets(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for name, value in _named(node):
            if is_secret(name, "text"):
                yield from _texts(value)


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


def _texts(value: ast.AST | None, *, argument: bool = False) -> Iterator[ast.expr]:
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
            yield from _texts(each, argument=True)
    elif isinstance(value, (ast.BinOp, ast.BoolOp, ast.IfExp, ast.List, ast.Tuple)):
        for part in ast.iter_child_nodes(value):
            yield from _texts(part, argument=argument)


def _may_be_secret(value: object, *, argument: bool) -> bool:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) < _SHORTEST:
        return False
    # An argument may as well be a variable's name, or a question to somebody.
    return not argument or (len(text) >= _LONG and not text.isidentifier() and " " not in text)
