"""Reads the source of lambdas and of classes without functions, for a script that defines them again.

Also returns the names that such definitions use.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from types import CodeType, FunctionType
from typing import Any

from .source_code import _dedented, _lines, _parsed, _text, functions_of, undecorated


def source_in_cells(kind: type) -> str:
    """Return the source of a class without functions from the cell that defined it.

    Such a class (a dataclass, an Enum, a model) does not know its cell, so it is found by its name
    and fields. Returns "" if no cell defines it, or if cells define it differently.
    """
    sources = set()
    entries: list[tuple[str, Any]] = list(linecache.cache.items())
    for file, entry in entries:
        if len(entry) == _CELL_ENTRY and entry[1] is None:
            lines = entry[2]
            for tree in _parsed(file, lines).classes:
                if tree.name == kind.__name__ and _has_fields(kind, tree):
                    sources.add(_text(lines, tree))
    return _dedented(sources.pop()) if len(sources) == 1 else ""


_CELL_ENTRY = 4  # fields of an entry of linecache: size, time of the file or None, lines, name


def lambda_source(function: FunctionType) -> str:
    """Return the source of a lambda, from `lambda` to its end.

    Returns "" if it is not known, or if other lambdas in its line might be this one.
    """
    code = function.__code__
    text = "".join(_lines(function))
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return ""
    sources = {
        ast.get_source_segment(text, node) or ""
        for node in nodes
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and _compiles_to(node, code)
    }
    return sources.pop() if len(sources) == 1 else ""


def scope_of(value: Any) -> dict[str, Any]:
    """Return the names that a class or function sees: its module's, and those of functions around it."""
    if isinstance(value, type):
        module = sys.modules.get(value.__module__)
        scope = {} if module is None else dict(vars(module))
        for each in functions_of(value):
            scope |= scope_of(each)
        return scope
    function, _ = undecorated(value)
    if function is None:
        return {}
    scope = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return scope


def _has_fields(kind: type, tree: ast.ClassDef) -> bool:
    """Whether a definition has no functions, and has just the annotations and names of a class."""
    annotated = set()
    named = set()
    for each in tree.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            annotated.add(each.target.id)
        elif isinstance(each, ast.Assign):
            named |= {target.id for target in each.targets if isinstance(target, ast.Name)}
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
    # Until Python 3.11, the members of an Enum are not among its attributes.
    names = {*vars(kind), *vars(kind).get("_member_map_", ())}
    try:
        annotations = set(inspect.get_annotations(kind))
    except Exception:  # noqa: BLE001 - since Python 3.14 this runs the user's annotations
        annotations = set()
    return annotated == annotations and named <= names


def _compiles_to(tree: ast.Lambda, code: CodeType) -> bool:
    """Whether a lambda compiles to a code, wherever it stands; the functions in it are not compared."""
    compiled = compile(ast.Expression(tree), "", "eval")
    # The last one: lambdas among the defaults come before it.
    made = [each for each in compiled.co_consts if isinstance(each, CodeType)][-1]
    # Variables of an enclosing function are globals in `made`, which changes its instructions.
    same = bool(code.co_freevars) or made.co_code == code.co_code
    return same and _names_and_constants(made) == _names_and_constants(code)


def _names_and_constants(code: CodeType) -> tuple[Any, ...]:
    constants = [
        each
        for each in code.co_consts
        if not isinstance(each, CodeType) and "<lambda>" not in str(each)
    ]
    return constants, code.co_varnames, {*code.co_names, *code.co_freevars, *code.co_cellvars}
