"""Follows what a method executes: its own code, and the user's functions and methods that it calls.

What functions define without calling it is left out, and so is what generators do. Coroutines are
followed from coroutines, which are taken to await them.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ...text.user_objects import is_user_code
from ..source_code import FunctionTree, executed_nodes, global_of, tree_of
from .node_source import NodeSource

_DEPTH = 3  # of functions that call each other


class Executed(NamedTuple):
    """A syntax node that a method executes.

    Attributes:
        node: the syntax node.
        scope: what names mean there.
        call: the syntax node in the method itself that leads to it.
        through: the names of the functions that are called on the way.
        in_coroutine: whether it is in a coroutine, so that other tasks may run before what follows it.
    """

    node: ast.AST
    scope: Scope
    call: ast.AST
    through: tuple[str, ...]
    in_coroutine: bool

    def subject(self, method: str) -> str:
        """Return the subject of a sentence about it: `exec`, or `exec calls build(), which`."""
        return method + "".join(f" calls {name}(), which" for name in self.through)


_known: weakref.WeakKeyDictionary[NodeSource, dict[str, list[Executed]]] = (
    weakref.WeakKeyDictionary()
)
"""What methods execute: several rules read it, and a graph may have many nodes of one class."""


def executed_code(source: NodeSource, name: str) -> list[Executed]:
    """Return what a method of a node executes, in order; nothing if its source is not known."""
    known = _known.setdefault(source, {})
    if name not in known:
        method = source.get(name)
        known[name] = (
            []
            if method is None
            else list(_Walk(source).follow(method.function, method.tree, None, ()))
        )
    return known[name]


class Scope:
    """What names mean in a function.

    Args:
        receiver: the name of its first parameter, if it is a method of the node; otherwise "".
        nodes: the syntax nodes of the function.
    """

    def __init__(self, function: FunctionType, receiver: str, nodes: Iterable[ast.AST]) -> None:
        self.function = function
        self.receiver = receiver
        self._imported = _imported(nodes)

    def name_of(self, expression: ast.AST) -> str:
        """Return the dotted name of what an expression refers to, such as `os.environ`; or ""."""
        rest: list[str] = []
        while isinstance(expression, ast.Attribute):
            rest.insert(0, expression.attr)
            expression = expression.value
        root = self._root(expression.id) if isinstance(expression, ast.Name) else ""
        return ".".join([root, *rest]) if root else ""

    def _root(self, name: str) -> str:
        if name in self._imported:
            return self._imported[name]
        value = global_of(self.function, name)
        if value is os.environ:
            return "os.environ"
        if isinstance(value, ModuleType):
            return value.__name__
        if isinstance(value, (BuiltinFunctionType, FunctionType, MethodType, type)):
            return f"{value.__module__}.{value.__name__}"
        code = self.function.__code__
        local = name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars)
        if local or name in self.function.__globals__ or not hasattr(builtins, name):
            return ""
        return f"builtins.{name}"

    def attribute_of_self(self, expression: ast.AST) -> str:
        """Return the name of the attribute of the node that an expression refers to; or ""."""
        if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            return expression.attr if expression.value.id == self.receiver else ""
        return ""

    def global_of(self, expression: ast.AST) -> Any:
        """Return the global that an expression names; None if it names none."""
        return global_of(self.function, expression.id) if isinstance(expression, ast.Name) else None

    def function_of(self, expression: ast.AST) -> Any:
        """Return what an expression names: a global, or what a module has; None if it names neither."""
        found = self.global_of(expression)
        if found is None:
            module, _, name = self.name_of(expression).rpartition(".")
            found = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        return found


class _Walk:
    """Walks through a method of a node, and through what it calls, each function once."""

    def __init__(self, source: NodeSource) -> None:
        self._methods = {each.name: each.function for each in reversed(source.methods)}
        self._receivers = {each.function: each.receiver for each in source.methods}
        self._seen: set[FunctionType] = set()

    def follow(
        self,
        function: FunctionType,
        tree: FunctionTree,
        call: ast.AST | None,
        through: tuple[str, ...],
    ) -> Iterator[Executed]:
        """Yield what a function executes, which is reached by a call in the method itself."""
        self._seen.add(function)
        nodes = list(executed_nodes(tree))
        scope = Scope(function, self._receivers.get(function, ""), nodes)
        for node in nodes:
            yield Executed(node, scope, call or node, through, _is_coroutine(function))
            if not isinstance(node, ast.Call) or len(through) == _DEPTH:
                continue
            called = self._called(node.func, scope)
            if called is not None and _is_coroutine(called) and not _is_coroutine(function):
                continue
            inner = None if called is None or called in self._seen else tree_of(called)
            if called is not None and inner is not None:
                yield from self.follow(called, inner, call or node, (*through, called.__name__))

    def _called(self, expression: ast.expr, scope: Scope) -> FunctionType | None:
        """Return the function of the user's that an expression refers to, if a call runs it at once."""
        own = scope.attribute_of_self(expression)
        function = self._methods.get(own) if own else scope.function_of(expression)
        if not isinstance(function, FunctionType) or not is_user_code(function):
            return None
        later = inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR
        return None if function.__code__.co_flags & later else function


def _is_coroutine(function: FunctionType) -> bool:
    return bool(function.__code__.co_flags & inspect.CO_COROUTINE)


def _imported(nodes: Iterable[ast.AST]) -> dict[str, str]:
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
