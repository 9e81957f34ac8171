"""The source of a node's methods, read and never run.

Only the methods that a run can reach count: PocketFlow's hooks, and what these call on `self` and
on `super()`. Where a source cannot be read (a REPL, C, a decorator that hides it), `complete` is
False, and whoever asks has nothing to say of what depends on it.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple

from pocketflow import AsyncNode, Flow

from ..finding import Place

Tree = ast.FunctionDef | ast.AsyncFunctionDef

_LONGEST = 20_000  # lines of a file; parsing a longer one would be felt
_INNER = ("_exec", "_run", "_run_async", "_orch", "_orch_async", "get_next_node", "set_params")
_SYNC, _ASYNC = ("prep", "post"), ("prep_async", "post_async")
_EXEC, _EXEC_ASYNC = ("exec", "exec_fallback"), ("exec_async", "exec_fallback_async")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Method(NamedTuple):
    """One method, as it is written.

    Attributes:
        decorated: whether something stands around it, which may change what it returns.
    """

    name: str
    function: Any  # a FunctionType, which mypy would take for a method of this class
    tree: Tree
    decorated: bool

    def place(self, at: ast.AST | None = None) -> Place:
        """Return where a part of it stands, or its own first line."""
        return Place(self.function.__code__.co_filename, getattr(at or self.tree, "lineno", 1))

    @property
    def receiver(self) -> str:
        """What it calls `self`; empty if it takes none."""
        arguments = [*self.tree.args.posonlyargs, *self.tree.args.args]
        return arguments[0].arg if arguments else ""


def is_stock(kind: type) -> bool:
    """Whether a class is PocketFlow's, ours or Python's own, so that nothing is to be said of it."""
    package = str(vars(kind).get("__module__", "")).partition(".")[0]
    return package in {"pocketflow", "flowmagic", "builtins", "abc", "typing"}


def hooks_of(node: Any) -> tuple[str, ...]:
    """Return the names of the methods that PocketFlow calls on such a node."""
    steps = _ASYNC if isinstance(node, AsyncNode) else _SYNC
    if isinstance(node, Flow):
        return (*steps, *_INNER)
    return (*steps, *(_EXEC_ASYNC if isinstance(node, AsyncNode) else _EXEC), *_INNER)


def has_own(node: Any, name: str) -> bool:
    """Whether a method is overridden, by a class of the user's or on the object itself."""
    return name in vars(node) or _resolve(type(node).__mro__, name, -1) is not None


class NodeSource:
    """The methods of a node that a run can reach.

    Attributes:
        methods: by name, and if a method calls `super()`, those it calls there.
        complete: whether the source of every one of them could be read.
    """

    def __init__(self, node: Any) -> None:
        self.methods: list[Method] = []
        self.complete = True
        self._mro = type(node).__mro__
        self._on_object = {k: v for k, v in vars(node).items() if callable(v) and k in _ALL_HOOKS}
        self._seen: set[tuple[str, int]] = set()
        for name in hooks_of(node):
            self._reach(name, -1)

    def get(self, name: str) -> Method | None:
        """Return the method that a call of this name runs, if its source could be read."""
        return next((each for each in self.methods if each.name == name), None)

    def _reach(self, name: str, after: int) -> None:
        found = self._find(name, after)
        if found is None or (name, found[0]) in self._seen:
            return
        at, value = found
        self._seen.add((name, at))
        for part in _parts(value):
            function, decorated = _bare(part)
            tree = None if function is None else tree_of(function)
            if function is None or tree is None:
                # Of what is no function (a number, a list), there is nothing to read.
                self.complete = self.complete and function is None and not callable(part)
                continue
            method = Method(name, function, tree, decorated)
            self.methods.append(method)
            for called, above in _called(method):
                self._reach(called, at if above else -1)

    def _find(self, name: str, after: int) -> tuple[int, Any] | None:
        if after < 0 and name in self._on_object:
            return -1, self._on_object[name]
        return _resolve(self._mro, name, after)


_ALL_HOOKS = {*_SYNC, *_ASYNC, *_EXEC, *_EXEC_ASYNC, *_INNER}


def _resolve(mro: tuple[type, ...], name: str, after: int) -> tuple[int, Any] | None:
    """Return where a class attribute of the user's stands in the order of classes, and the attribute."""
    for at, base in enumerate(mro):
        if at > after and name in vars(base):
            return None if is_stock(base) else (at, vars(base)[name])
    return None


def _parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, property):
        return tuple(each for each in (value.fget, value.fset) if each is not None)
    return (value,)


def _bare(value: Any) -> tuple[FunctionType | None, bool]:
    """Return the function that somebody wrote, without what stands around it."""
    decorated = False
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    while isinstance(value, FunctionType) and "__wrapped__" in vars(value):
        value, decorated = vars(value)["__wrapped__"], True
    return (value if type(value) is FunctionType else None), decorated


def _called(method: Method) -> Iterator[tuple[str, bool]]:
    """Give the names that a method uses on `self`, and on `super()` (then with True)."""
    receiver = method.receiver
    for each in ast.walk(method.tree):
        if not isinstance(each, ast.Attribute):
            continue
        if isinstance(each.value, ast.Name) and each.value.id == receiver:
            yield each.attr, False
        elif _is_super(each.value):
            yield each.attr, True


def _is_super(value: ast.AST) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "super"
    )


def tree_of(function: FunctionType) -> Tree | None:
    """Return a function as it is written; None if that cannot be read."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines or len(lines) > _LONGEST:
        return None
    return _definitions(code.co_filename, lines).get((code.co_name, code.co_firstlineno))


def _definitions(file: str, lines: list[str]) -> dict[tuple[str, int], Tree]:
    # Whoever writes a file or a cell anew gets another list; comparing the text would be felt.
    known = _files.get(file)
    if known is None or known[0] is not lines:
        if len(_files) >= _MOST_FILES:
            _files.clear()
        known = _files[file] = lines, _parsed("".join(lines))
    return known[1]


_MOST_FILES = 64
_files: dict[str, tuple[list[str], dict[tuple[str, int], Tree]]] = {}


def _parsed(text: str) -> dict[tuple[str, int], Tree]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {
        (each.name, min([each.lineno, *(made.lineno for made in each.decorator_list)])): each
        for each in ast.walk(module)
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def own_parts(tree: Tree) -> Iterator[ast.AST]:
    """Give everything in a function's body that runs when it does: no function made within it."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, (*_FUNCTIONS, ast.ClassDef)):
            waiting.extend(reversed(list(ast.iter_child_nodes(each))))
