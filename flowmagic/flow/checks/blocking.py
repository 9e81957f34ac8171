"""The calls in a method that would hold up the event loop, as far as its source tells."""

from __future__ import annotations

import ast
import inspect
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ..finding import Place
from .source import NodeSource, Tree, own_parts, tree_of

_VERBS = {"delete", "get", "head", "options", "patch", "post", "put", "request", "stream"}
_BLOCKING = {
    "time.sleep", "os.system", "urllib.request.urlopen", "urllib.request.urlretrieve",
    "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    *(
        f"{module}.{verb}"
        for module in ("requests", "requests.api", "httpx", "httpx._api")
        for verb in _VERBS
    ),
}  # fmt: skip
_DEPTH = 3  # of helper functions that call each other


class Blocking(NamedTuple):
    """A call that blocks: what to call it, and where it stands in the method."""

    call: str
    place: Place


def blocking_call(source: NodeSource, name: str) -> Blocking | None:
    """Return the first call of a method that blocks, itself or through helpers of the user's."""
    method = source.get(name)
    if method is None:
        return None
    found = _Search(source).first(method.function, method.tree, _DEPTH)
    return None if found is None else Blocking(found[0], method.place(found[1]))


class _Search:
    """Goes through a method, and through what it calls that is the user's too."""

    def __init__(self, source: NodeSource) -> None:
        self._methods = {each.name: each for each in reversed(source.methods)}
        self._receivers = {each.function: each.receiver for each in source.methods}
        self._seen: set[FunctionType] = set()

    def first(self, function: FunctionType, tree: Tree, depth: int) -> tuple[str, ast.AST] | None:
        """Return the first call that blocks: what to call it, and where it stands."""
        self._seen.add(function)
        parts = list(own_parts(tree))
        imported = _imported(parts)
        for each in parts:
            if not isinstance(each, ast.Call):
                continue
            called = self._method(each.func, function) or _called(each.func, function, imported)
            if isinstance(called, str):
                if called in _BLOCKING:
                    return _said(called), each
            elif called is not None and depth > 0 and called not in self._seen:
                helper = tree_of(called) if _is_users(called) else None
                inner = None if helper is None else self.first(called, helper, depth - 1)
                if inner is not None:
                    return f"{called.__name__}(), which calls {inner[0]}", each
        return None

    def _method(self, called: ast.expr, within: FunctionType) -> FunctionType | None:
        """Return the method that is called on `self`, if one is."""
        if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
            return None
        if called.value.id != self._receivers.get(within, ""):
            return None
        method = self._methods.get(called.attr)
        return None if method is None else method.function


def _said(dotted: str) -> str:
    return f"{dotted.replace('requests.api', 'requests').replace('httpx._api', 'httpx')}()"


def _imported(parts: list[ast.AST]) -> dict[str, str]:
    """Return what a function imports itself: dotted names, by what it calls them."""
    names = {}
    for each in parts:
        if isinstance(each, ast.Import):
            for alias in each.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(each, ast.ImportFrom):
            for alias in each.names:
                names[alias.asname or alias.name] = f"{each.module}.{alias.name}"
    return names


def _called(  # noqa: PLR0911 - one per form
    function: ast.expr, within: FunctionType, imported: dict[str, str]
) -> str | FunctionType | None:
    """Return what a call calls: a dotted name of a module, a function of the user's, or None."""
    rest: list[str] = []
    while isinstance(function, ast.Attribute):
        rest.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        return None
    name = function.id
    if name in imported:
        return ".".join([imported[name], *rest])
    code = within.__code__
    if name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        return None
    value: Any = within.__globals__.get(name)
    if isinstance(value, ModuleType):
        return ".".join([value.__name__, *rest])
    if rest:
        return None
    if isinstance(value, BuiltinFunctionType):
        return f"{value.__module__}.{value.__name__}"
    if type(value) is FunctionType:
        dotted = f"{value.__module__}.{value.__name__}"
        return dotted if dotted in _BLOCKING else value
    return None


def _is_users(function: FunctionType) -> bool:
    """Whether a function runs at once when it is called, and is neither Python's nor a library's."""
    code = function.__code__
    later = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR
    package = str(function.__module__).partition(".")[0]
    return (
        not code.co_flags & later
        and package not in sys.stdlib_module_names
        and "-packages" not in code.co_filename
    )
