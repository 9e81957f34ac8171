"""Definitions from texts, for the tests of what reads them."""

from __future__ import annotations

import ast
import textwrap

from flowmagic.flow.dependencies.syntax import Syntax, syntax_of


def tree(code: str) -> ast.AST:
    """Return the first definition, or the first lambda, in a text."""
    found = ast.walk(ast.parse(textwrap.dedent(code)))
    return next(
        each
        for each in found
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    )


def syntax(code: str) -> Syntax:
    """Return what the first definition in a text tells."""
    return syntax_of(tree(code))
