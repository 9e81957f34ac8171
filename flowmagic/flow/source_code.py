"""Reads the source code of classes and functions, in files and in the cells of a notebook.

Source is parsed and never run. Where it is not known, the functions here return "" or None.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
import warnings
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from .finding import Place

FunctionTree = ast.FunctionDef | ast.AsyncFunctionDef

_STOCK = {"pocketflow", "flowmagic", "builtins", "abc", "typing"}
_MOST_LINES = 20_000  # of a file that a check reads: parsing a longer one takes too long
_MOST_FILES = 512  # that are kept parsed; each cell of a notebook is one


def is_stock(value: Any) -> bool:
    """Whether a class or function is PocketFlow's, flowmagic's or Python's own."""
    return str(getattr(value, "__module__", "")).partition(".")[0] in _STOCK


def source_of(value: Any) -> str:
    """Return the source of a class or function, without its indentation; "" if it is not known."""
    return _dedented(_class_source(value) if isinstance(value, type) else _function_source(value))


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
    return "".join(lines[first_line(tree) - 1 : tree.end_lineno])


def first_line(tree: FunctionTree | ast.ClassDef) -> int:
    """Return the line of a definition, or of its first decorator."""
    return min([tree.lineno, *(each.lineno for each in tree.decorator_list)])


def _function_source(value: Any) -> str:
    function, _ = undecorated(getattr(value, "__func__", value))
    tree = None if function is None else _tree(function)
    return "" if function is None or tree is None else _text(lines_of(function), tree)


def _class_source(kind: type) -> str:
    # By the functions, since they know their file: before Python 3.13 a class of a cell does not.
    for function in functions_of(kind):
        code = function.__code__
        lines = lines_of(function)
        around = [
            tree
            for tree in parsed(code.co_filename, lines).classes
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
    if any(tree.name == kind.__name__ for tree in Parsed(textwrap.dedent(source)).classes):
        return source
    return _source_from_attributes(kind)


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


def tree_of(function: FunctionType) -> FunctionTree | None:
    """Return the definition of a function; None if it is not known, or is in a very long file."""
    return None if len(lines_of(function)) > _MOST_LINES else _tree(function)


def executed_nodes(tree: FunctionTree) -> Iterator[ast.AST]:
    """Yield the syntax nodes of a function in order, but not those of functions and classes in it."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, _DEFINITIONS):
            waiting.extend(reversed(list(ast.iter_child_nodes(each))))


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Parsed:
    """The definitions in a file or cell.

    Attributes:
        tree: its syntax tree; of a text that is not Python, that of an empty one.
        functions: by name and first line.
        classes: in order.
        compiled: room for `running_code` to keep what the tree compiles to.
    """

    def __init__(self, text: str) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python gave them when it compiled the text itself
                self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.tree = ast.Module([], [])
        self.functions: dict[tuple[str, int], FunctionTree] = {}
        self.classes: list[ast.ClassDef] = []
        self.compiled: dict[Any, Any] = {}
        self._read(self.tree)

    def _read(self, parent: ast.AST) -> None:
        # Only what may hold statements: a definition is never in an expression.
        for block in _BLOCKS:
            children = getattr(parent, block, None)
            for each in children if type(children) is list else ():
                kind = type(each)
                if kind is ast.FunctionDef or kind is ast.AsyncFunctionDef:
                    self.functions[each.name, first_line(each)] = each
                elif kind is ast.ClassDef:
                    self.classes.append(each)
                if kind not in _SIMPLE:
                    self._read(each)


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_SIMPLE = {
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Expr,
    ast.Return,
    ast.Import,
    ast.ImportFrom,
}
"""The most common statements that hold no others."""


_files: dict[str, tuple[list[str], Parsed]] = {}


def lines_of(function: FunctionType) -> list[str]:
    """Return the lines of a function's file or cell, which Python's own tracebacks show too."""
    file = function.__code__.co_filename
    linecache.checkcache(file)  # the file may have been edited and loaded again
    return linecache.getlines(file, function.__globals__)


def _tree(function: FunctionType) -> FunctionTree | None:
    code = function.__code__
    functions = parsed(code.co_filename, lines_of(function)).functions
    return functions.get((code.co_name, code.co_firstlineno))


def parsed(file: str, lines: list[str]) -> Parsed:
    """Return the definitions in a file or cell that has these lines."""
    known = _files.get(file)
    # A file or cell that has changed has another list, so that no text need be compared.
    if known is None or known[0] is not lines:
        if len(_files) >= _MOST_FILES:
            _files.clear()
        known = _files[file] = lines, Parsed("".join(lines))
    return known[1]


def functions_of(kind: type) -> Iterator[FunctionType]:
    """Yield the functions that were written in a class, without their decorators."""
    for value in vars(kind).values():
        for part in callables_in(value):
            function, _ = undecorated(part)
            if function is not None and function.__module__ == kind.__module__:
                yield function


def callables_in(attribute: Any) -> tuple[Any, ...]:
    """Return what a class attribute calls: the functions of a property, or else the attribute itself."""
    if isinstance(attribute, property):
        return tuple(each for each in (attribute.fget, attribute.fset) if each is not None)
    if isinstance(attribute, functools.cached_property):
        return (attribute.func,)
    return (attribute,)


def undecorated(value: Any) -> tuple[FunctionType | None, bool]:
    """Return the function inside of decorators, and whether there are decorators around it.

    None if there is no Python function, as far as `functools.wraps` tells. No user code runs.
    """
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if type(value) is FunctionType and not value.__dict__:
        return value, False
    seen: set[int] = set()
    wrapped = value
    while wrapped is not None and id(wrapped) not in seen:
        seen.add(id(wrapped))
        value = wrapped
        wrapped = inspect.getattr_static(value, "__wrapped__", None)
    return (value if type(value) is FunctionType else None), len(seen) > 1


def global_of(function: FunctionType, name: str) -> Any:
    """Return the global that a name means in a function; None if there is none, or it is a local."""
    code = function.__code__
    if name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        return None
    return function.__globals__.get(name)
