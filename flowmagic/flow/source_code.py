"""How classes and functions were written, also in the cells of a notebook."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
import sys
import sysconfig
import textwrap
import types
from collections.abc import Iterator
from typing import Any

_STOCK = ("pocketflow", "builtins", "flowmagic")
_LIBRARIES = tuple(
    f"{os.path.realpath(path)}{os.sep}"
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def is_stock(value: Any) -> bool:
    """Whether something is PocketFlow's, ours or Python's own."""
    return str(getattr(value, "__module__", "")).partition(".")[0] in _STOCK


def is_here(value: Any) -> bool:
    """Whether something was defined where the run was started, so that it cannot be imported."""
    return getattr(value, "__module__", "") == "__main__"


def is_users(value: Any) -> bool:
    """Whether something was written by the user: in the notebook, or in a file that is no library's."""
    if is_here(value):
        return True
    module = sys.modules.get(str(getattr(value, "__module__", "")))
    file = getattr(module, "__file__", None)
    return bool(file) and not os.path.realpath(str(file)).startswith(_LIBRARIES)


def source_of(value: Any) -> str:
    """Return how a class or function was written, without indentation; empty if that is not known."""
    text = _source_of_class(value) if isinstance(value, type) else _source(value)
    return textwrap.dedent(text).strip("\n") + "\n" if text.strip() else ""


_OF_CELL = 3  # fields of an entry of linecache but the first; the next one is the time of a file


def source_in_cells(kind: type) -> str:
    """Return how a class without functions was written in a cell; empty unless that is certain.

    Nothing in such a class (a dataclass, an Enum, a model) knows its cell. It is found by its name
    and its fields; where cells with several versions of it were run, it cannot be told which it is.
    """
    found = set()
    entries: list[Any] = list(linecache.cache.values())
    for _, *entry in entries:
        if len(entry) == _OF_CELL and entry[0] is None:
            lines = entry[1]
            found |= {
                _lines_of(lines, each)
                for each in _classes("".join(lines))
                if each.name == kind.__name__ and _has_fields(kind, each)
            }
    return textwrap.dedent(found.pop()).strip("\n") + "\n" if len(found) == 1 else ""


def _has_fields(kind: type, written: ast.ClassDef) -> bool:
    """Whether a class has what stands in a definition: annotations all of them, and the others."""
    annotated = set()
    named = set()
    for each in written.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            annotated.add(each.target.id)
        elif isinstance(each, ast.Assign):
            named |= {target.id for target in each.targets if isinstance(target, ast.Name)}
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
    # Until Python 3.11, the members of an Enum are no attributes of its.
    has = {*vars(kind), *vars(kind).get("_member_map_", ())}
    return annotated == _annotated(kind) and named <= has


def _annotated(kind: type) -> set[str]:
    try:
        return set(inspect.get_annotations(kind))
    except Exception:  # noqa: BLE001 - since Python 3.14 they are code, which is run only now
        return set()


def functions_of(kind: type) -> Iterator[types.FunctionType]:
    """Give the functions that were written in a class, without what stands around them."""
    for value in vars(kind).values():
        bare: Any = value.fget if isinstance(value, property) else value
        bare = inspect.unwrap(getattr(bare, "__func__", bare))
        if isinstance(bare, types.FunctionType) and bare.__module__ == kind.__module__:
            yield bare


def scope_of(value: Any) -> dict[str, Any]:
    """Return the names that a class or function sees: those of its module, and of functions around it."""
    if isinstance(value, type):
        module = sys.modules.get(value.__module__)
        scope = {} if module is None else dict(vars(module))
        for function in functions_of(value):
            scope |= scope_of(function)
        return scope
    function = inspect.unwrap(value)
    scope = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return scope


def _source(value: Any) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError, SyntaxError):
        return ""


def _source_of_class(kind: type) -> str:
    # By its functions, which know their file: before Python 3.13 a class of a notebook does not.
    for function in functions_of(kind):
        code = function.__code__
        lines = linecache.getlines(code.co_filename, function.__globals__)
        found = _class_around(lines, kind.__name__, code.co_firstlineno)
        if found:
            return found
    # Since Python 3.13 a class has a line, which of one that `exec` made is a line of no file.
    found = _source(kind)
    named = any(each.name == kind.__name__ for each in _classes(textwrap.dedent(found)))
    return found if named else _attributes_alone(kind)


@functools.lru_cache(maxsize=64)
def _classes(text: str) -> list[ast.ClassDef]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [each for each in ast.walk(tree) if isinstance(each, ast.ClassDef)]


def _class_around(lines: list[str], name: str, line: int) -> str:
    """Return the innermost class of a name that a line belongs to."""
    around = [
        each
        for each in _classes("".join(lines))
        if each.name == name and each.lineno <= line <= (each.end_lineno or 0)
    ]
    if not around:
        return ""
    return _lines_of(lines, max(around, key=lambda each: each.lineno))


def _lines_of(lines: list[str], written: ast.ClassDef) -> str:
    first = min([written.lineno, *(each.lineno for each in written.decorator_list)])
    return "".join(lines[first - 1 : written.end_lineno])


_EVERY_CLASS = frozenset(
    [
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__qualname__",
        "__static_attributes__",
        "__weakref__",
    ]
)
"""What stands in the namespace of any class, in one version of Python or another."""


def _attributes_alone(kind: type) -> str:
    """Write a class that has nothing but plain attributes, whose source is not known."""
    # What makes more of it than that (a dataclass, an Enum, a model) leaves its marks.
    if type(kind) is not type:
        return ""
    lines = []
    for name, value in vars(kind).items():
        if name in _EVERY_CLASS:
            continue
        text = repr(value)
        try:
            plain = ast.literal_eval(text) == value
        except (SyntaxError, ValueError):
            plain = False
        if not plain:
            return ""
        lines.append(f"    {name} = {text}\n")
    bases = ", ".join(each.__name__ for each in kind.__bases__)
    return f"class {kind.__name__}({bases}):\n{''.join(lines) or '    pass'}"


def expression_of(function: types.FunctionType) -> str:
    """Return how a lambda was written, from `lambda` to its end; empty if that is not known."""
    source = _source(function)
    at = -1
    while (at := source.find("lambda", at + 1)) >= 0:
        for end in range(len(source), at, -1):
            text = source[at:end].strip()
            try:
                tree = ast.parse(f"({text}\n)", mode="eval")
            except (SyntaxError, ValueError):
                continue
            if isinstance(tree.body, ast.Lambda):
                compiled = compile(tree, "", "eval")
                made = [each for each in compiled.co_consts if isinstance(each, types.CodeType)]
                if _alike(made[0], function.__code__):
                    return text
                break
    return ""


def _alike(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two lambdas do the same, wherever they stand; functions made within are not looked at."""
    # One that uses a variable of the function around it is compiled otherwise where that is missing.
    same = bool(other.co_freevars) or one.co_code == other.co_code
    return same and _uses(one) == _uses(other)


def _uses(code: types.CodeType) -> tuple[Any, ...]:
    plain = [
        each
        for each in code.co_consts
        if not isinstance(each, types.CodeType) and "<lambda>" not in str(each)
    ]
    return plain, code.co_varnames, {*code.co_names, *code.co_freevars, *code.co_cellvars}
