"""Finds the actions that a `post` method can return, as far as its source tells."""

from __future__ import annotations

import ast
from typing import NamedTuple

from ..finding import Place
from ..source_code import executed_nodes, global_of
from .node_source import Method


class PossibleActions(NamedTuple):
    """The actions that a method can return.

    Attributes:
        places: where each known action is returned; the key None stands for no action.
        complete: whether the method returns no others.
    """

    places: dict[str | None, Place]
    complete: bool


def possible_actions(method: Method) -> PossibleActions:
    """Return which actions a `post` can return."""
    if method.decorated:
        return PossibleActions({}, complete=False)
    places: dict[str | None, Place] = {}
    complete = True
    for each in executed_nodes(method.tree):
        if isinstance(each, (ast.Yield, ast.YieldFrom)):
            complete = False
        if not isinstance(each, ast.Return):
            continue
        for value in _alternatives(each.value):
            if isinstance(value, ast.Constant) and isinstance(value.value, (str, type(None))):
                places.setdefault(value.value or None, method.place(each))
            elif isinstance(value, ast.Name) and (text := _constant(method, value.id)) is not None:
                places.setdefault(text or None, method.place(each))
            else:
                complete = False
    if _falls_through(method.tree.body):
        places.setdefault(None, method.place())
    return PossibleActions(places, complete)


def _alternatives(value: ast.expr | None) -> list[ast.expr]:
    if value is None:
        return [ast.Constant(None)]
    if isinstance(value, ast.IfExp):
        return [*_alternatives(value.body), *_alternatives(value.orelse)]
    return [value]


def _constant(method: Method, name: str) -> str | None:
    value = global_of(method.function, name)
    return value if type(value) is str else None


def _falls_through(body: list[ast.stmt]) -> bool:  # noqa: PLR0911 - one per statement
    """Whether execution may reach the end of a block."""
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
        total = any(_matches_all(case) for case in last.cases)
        return not total or any(_falls_through(case.body) for case in last.cases)
    if isinstance(last, ast.Try):
        if last.finalbody and not _falls_through(last.finalbody):
            return False
        blocks = [last.orelse or last.body, *(handler.body for handler in last.handlers)]
        return any(_falls_through(block) for block in blocks)
    return True


def _matches_all(case: ast.match_case) -> bool:
    return (
        case.guard is None
        and isinstance(case.pattern, ast.MatchAs)
        and case.pattern.pattern is None
    )
