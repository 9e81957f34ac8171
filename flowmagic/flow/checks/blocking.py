"""Finds calls in a method that block the event loop, as far as the source tells."""

from __future__ import annotations

import ast
import inspect
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import NamedTuple

from ..finding import Place
from ..source_code import FunctionTree, executed_nodes, global_of, is_user_code, tree_of
from .node_source import NodeSource

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


class BlockingCall(NamedTuple):
    """A call that blocks: its name as in a message, and where in the method it is."""

    name: str
    place: Place


def blocking_call(source: NodeSource, name: str) -> BlockingCall | None:
    """Return the first call of a method that blocks, directly or through the user's own helpers."""
    method = source.get(name)
    if method is None:
        return None
    blocking = _Search(source).first(method.function, method.tree, _DEPTH)
    return None if blocking is None else BlockingCall(blocking[0], method.place(blocking[1]))


class _Search:
    """Searches a method and the user's functions and methods that it calls."""

    def __init__(self, source: NodeSource) -> None:
        self._methods = {each.name: each for each in reversed(source.methods)}
        self._receivers = {each.function: each.receiver for each in source.methods}
        self._seen: set[FunctionType] = set()

    def first(
        self, function: FunctionType, tree: FunctionTree, depth: int
    ) -> tuple[str, ast.AST] | None:
        """Return the name and the syntax node of the first call that blocks."""
        self._seen.add(function)
        nodes = list(executed_nodes(tree))
        imported = _imported(nodes)
        for each in nodes:
            if not isinstance(each, ast.Call):
                continue
            called = self._method(each.func, function) or _called(each.func, function, imported)
            if isinstance(called, str):
                if called in _BLOCKING:
                    return _display_name(called), each
            elif called is not None and depth > 0 and called not in self._seen:
                helper = tree_of(called) if _runs_user_code(called) else None
                inner = None if helper is None else self.first(called, helper, depth - 1)
                if inner is not None:
                    return f"{called.__name__}(), which calls {inner[0]}", each
        return None

    def _method(self, called: ast.expr, caller: FunctionType) -> FunctionType | None:
        """Return the method that is called on `self`, if one is."""
        if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
            return None
        if called.value.id != self._receivers.get(caller, ""):
            return None
        method = self._methods.get(called.attr)
        return None if method is None else method.function


def _display_name(dotted: str) -> str:
    return f"{dotted.replace('requests.api', 'requests').replace('httpx._api', 'httpx')}()"


def _imported(nodes: list[ast.AST]) -> dict[str, str]:
    """Return the dotted names of what a function imports, by its local names."""
    names = {}
    for each in nodes:
        if isinstance(each, ast.Import):
            for alias in each.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(each, ast.ImportFrom):
            for alias in each.names:
                names[alias.asname or alias.name] = f"{each.module}.{alias.name}"
    return names


def _called(
    function: ast.expr, caller: FunctionType, imported: dict[str, str]
) -> str | FunctionType | None:
    """Return what a call calls: the dotted name of a known function, another function, or None."""
    rest: list[str] = []
    while isinstance(function, ast.Attribute):
        rest.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        return None
    if function.id in imported:
        return ".".join([imported[function.id], *rest])
    value = global_of(caller, function.id)
    if isinstance(value, ModuleType):
        return ".".join([value.__name__, *rest])
    if rest or not isinstance(value, (BuiltinFunctionType, FunctionType)):
        return None
    dotted = f"{value.__module__}.{value.__name__}"
    return value if isinstance(value, FunctionType) and dotted not in _BLOCKING else dotted


def _runs_user_code(function: FunctionType) -> bool:
    """Whether a call runs code of the user's at once: that of a coroutine or generator runs later."""
    later = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR
    return not function.__code__.co_flags & later and is_user_code(function)
