"""The actions that a method can return, as far as its source tells."""

from __future__ import annotations

import ast
from typing import NamedTuple

from ..finding import Place
from .source import Method, own_parts


class Returned(NamedTuple):
    """What a method returns.

    Attributes:
        actions: where each known action is returned; None stands for no action.
        all: whether these are all there can be.
    """

    actions: dict[str | None, Place]
    all: bool


def returned(method: Method) -> Returned:
    """Read which actions a `post` can return."""
    if method.decorated:
        return Returned({}, all=False)
    actions: dict[str | None, Place] = {}
    known = True
    for each in own_parts(method.tree):
        if isinstance(each, (ast.Yield, ast.YieldFrom)):
            known = False
        if not isinstance(each, ast.Return):
            continue
        for value in _values(each.value):
            if isinstance(value, ast.Constant) and isinstance(value.value, (str, type(None))):
                actions.setdefault(value.value or None, method.place(each))
            elif isinstance(value, ast.Name) and (text := _constant(method, value.id)) is not None:
                actions.setdefault(text or None, method.place(each))
            else:
                known = False
    if _falls_through(method.tree.body):
        actions.setdefault(None, method.place())
    return Returned(actions, known)


def _values(value: ast.expr | None) -> list[ast.expr]:
    if value is None:
        return [ast.Constant(None)]
    if isinstance(value, ast.IfExp):
        return [*_values(value.body), *_values(value.orelse)]
    return [value]


def _constant(method: Method, name: str) -> str | None:
    """Return the text that a name of the module stands for."""
    code = method.function.__code__
    if name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        return None
    value = method.function.__globals__.get(name)
    return value if type(value) is str else None


def _falls_through(body: list[ast.stmt]) -> bool:  # noqa: PLR0911 - one per statement
    """Whether the end of some statements can be reached, as far as one sees."""
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return False
    if isinstance(last, ast.If):
        return not last.orelse or _falls_through(last.body) or _falls_through(last.orelse)
    if isinstance(last, (ast.With, ast.AsyncWith)):
        return _falls_through(last.body)
    if isinstance(last, ast.While):
        endless = isinstance(last.test, ast.Constant) and bool(last.test.value)
        return not endless or any(isinstance(each, ast.Break) for each in ast.walk(last))
    if isinstance(last, ast.Match):
        total = any(_takes_all(case) for case in last.cases)
        return not total or any(_falls_through(case.body) for case in last.cases)
    if isinstance(last, ast.Try):
        if last.finalbody and not _falls_through(last.finalbody):
            return False
        ways = [last.orelse or last.body, *(handler.body for handler in last.handlers)]
        return any(_falls_through(way) for way in ways)
    return True


def _takes_all(case: ast.match_case) -> bool:
    return (
        case.guard is None
        and isinstance(case.pattern, ast.MatchAs)
        and case.pattern.pattern is None
    )
