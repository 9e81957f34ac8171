"""Reads the source code of classes and functions, in files and in the cells of a notebook.

Source is parsed and never run. Where it is not known, the functions here return "" or None.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from .finding import Place
from .introspection import functions_of, is_stock, undecorated

FunctionTree = ast.FunctionDef | ast.AsyncFunctionDef

_MOST_LINES = 20_000  # of a file that a check reads: parsing a longer one takes too long
_MOST_FILES = 64  # that are kept parsed

# Source as text


def source_of(value: Any) -> str:
    """Return the source of a class or function, without its indentation; "" if it is not known."""
    return _dedented(_class_source(value) if isinstance(value, type) else _function_source(value))


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
    lines = _lines(function)
    sources = {
        ast.get_source_segment("".join(lines), tree) or ""
        for tree in _parsed(code.co_filename, lines).lambdas
        if tree.lineno == code.co_firstlineno and _compiles_to(tree, code)
    }
    return sources.pop() if len(sources) == 1 else ""


def place_of(kind: type) -> Place | None:
    """Return where a class was written: its line or, before Python 3.13, that of its first function.

    None if that is not known, or if the class is PocketFlow's or flowmagic's.
    """
    codes = [each.__code__ for each in functions_of(kind)]
    # Functions that a decorator such as `dataclass` generates have no file.
    codes = [each for each in codes if not each.co_filename.startswith("<string")]
    if not codes or is_stock(kind):
        return None
    first = min(codes, key=lambda code: code.co_firstlineno)
    line = vars(kind).get("__firstlineno__")
    return Place(first.co_filename, line if type(line) is int else first.co_firstlineno)


def _dedented(text: str) -> str:
    return textwrap.dedent(text).strip("\n") + "\n" if text.strip() else ""


def _text(lines: list[str], tree: FunctionTree | ast.ClassDef) -> str:
    return "".join(lines[_first_line(tree) - 1 : tree.end_lineno])


def _first_line(tree: FunctionTree | ast.ClassDef) -> int:
    return min([tree.lineno, *(each.lineno for each in tree.decorator_list)])


def _function_source(value: Any) -> str:
    function, _ = undecorated(getattr(value, "__func__", value))
    tree = None if function is None else _tree(function)
    return "" if function is None or tree is None else _text(_lines(function), tree)


def _class_source(kind: type) -> str:
    # By the functions, since they know their file: before Python 3.13 a class of a cell does not.
    for function in functions_of(kind):
        code = function.__code__
        lines = _lines(function)
        around = [
            tree
            for tree in _parsed(code.co_filename, lines).classes
            if tree.name == kind.__name__
            and tree.lineno <= code.co_firstlineno <= (tree.end_lineno or 0)
        ]
        if around:
            return _text(lines, max(around, key=lambda tree: tree.lineno))
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError, SyntaxError):
        source = ""
    # Since Python 3.13, a class that `exec` made names a line, but of no file.
    if any(tree.name == kind.__name__ for tree in _parse(textwrap.dedent(source)).classes):
        return source
    return _source_from_attributes(kind)


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


_IN_EVERY_CLASS = frozenset(
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
"""Names that Python itself adds to classes, in one version or another."""


def _source_from_attributes(kind: type) -> str:
    """Write the source of a class that has only literals as attributes; "" for any other class."""
    # Whatever adds more to a class (a dataclass, an Enum, a model) is visible here.
    if type(kind) is not type:
        return ""
    lines = []
    for name, value in vars(kind).items():
        if name in _IN_EVERY_CLASS:
            continue
        text = repr(value)
        try:
            literal = ast.literal_eval(text) == value
        except (SyntaxError, ValueError):
            literal = False
        if not literal:
            return ""
        lines.append(f"    {name} = {text}\n")
    bases = ", ".join(each.__name__ for each in kind.__bases__)
    return f"class {kind.__name__}({bases}):\n{''.join(lines) or '    pass'}"


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


# Source as syntax trees


def tree_of(function: FunctionType) -> FunctionTree | None:
    """Return the definition of a function; None if it is not known, or is in a very long file."""
    return None if len(_lines(function)) > _MOST_LINES else _tree(function)


def executed_nodes(tree: FunctionTree) -> Iterator[ast.AST]:
    """Yield the syntax nodes of a function in order, but not those of functions and classes in it."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, _DEFINITIONS):
            waiting.extend(reversed(list(ast.iter_child_nodes(each))))


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class _Parsed(NamedTuple):
    """The definitions in a file or cell; the functions by name and first line."""

    functions: dict[tuple[str, int], FunctionTree]
    classes: list[ast.ClassDef]
    lambdas: list[ast.Lambda]


_files: dict[str, tuple[list[str], _Parsed]] = {}


def _lines(function: FunctionType) -> list[str]:
    """Return the lines of a function's file or cell, which Python's own tracebacks show too."""
    file = function.__code__.co_filename
    linecache.checkcache(file)  # the file may have been edited and loaded again
    return linecache.getlines(file, function.__globals__)


def _tree(function: FunctionType) -> FunctionTree | None:
    code = function.__code__
    parsed = _parsed(code.co_filename, _lines(function))
    return parsed.functions.get((code.co_name, code.co_firstlineno))


def _parsed(file: str, lines: list[str]) -> _Parsed:
    known = _files.get(file)
    # A file or cell that has changed has another list, so that no text need be compared.
    if known is None or known[0] is not lines:
        if len(_files) >= _MOST_FILES:
            _files.clear()
        known = _files[file] = lines, _parse("".join(lines))
    return known[1]


def _parse(text: str) -> _Parsed:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        nodes = []
    functions = [
        each for each in nodes if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return _Parsed(
        {(each.name, _first_line(each)): each for each in functions},
        [each for each in nodes if isinstance(each, ast.ClassDef)],
        [each for each in nodes if isinstance(each, ast.Lambda)],
    )
