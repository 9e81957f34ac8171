"""Finds the keys of `shared` whose values the nodes change in place, by reading their source.

    shared["by"][i] = answer                    an item of the dict at "by" is assigned
    shared.setdefault("by", {})[i] = answer     the same; also update(), pop(), del, |=
    by = shared["by"]; by[i] = answer           the same, through a local name
    shared["df"].loc[i, "x"] = 1                the object at "df" is changed
    shared["log"].append(i)                     the same

Read are the methods of the nodes, and the user's functions that they call by name, as far as their
source is known. The key must be a constant, or a global that holds one. In each function, the shared
store may be any of the parameters.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator
from types import CellType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ..text.user_objects import is_user_code
from .graph import first_nodes
from .source_code import (
    FunctionTree,
    callables_in,
    global_of,
    is_stock,
    tree_of,
    undecorated,
)

_MOST_FUNCTIONS = 500
_CONTAINERS = (tuple, list, dict)
_MOST_ITEMS = 100  # of a container that a node holds
_OF_DICTS = {
    "__delitem__", "__setitem__", "clear", "pop", "popitem", "setdefault", "update",
}  # fmt: skip
_OF_OTHERS = {
    "add", "append", "appendleft", "discard", "extend", "extendleft", "fill", "insert", "popleft",
    "put", "put_nowait", "remove", "reverse", "rotate", "sort", "subtract",
}  # fmt: skip
_KEYS = (str, int, float, bool, bytes, type(None))


class SharedWrites(NamedTuple):
    """The keys whose values nodes change in place.

    Attributes:
        items: those to whose values items are assigned, as to a dict.
        objects: these, and those whose values are changed in another way.
        deeper: those to which items are assigned within their values: `shared["by"]["name"][i] = answer`.
    """

    items: frozenset[Any]
    objects: frozenset[Any]
    deeper: frozenset[Any]


def shared_writes_of(flow: Any) -> SharedWrites:
    """Return the keys whose values the nodes of a flow change in place."""
    items: set[Any] = set()
    objects: set[Any] = set()
    deeper: set[Any] = set()
    for function in _functions(flow):
        tree = tree_of(function)
        if tree is not None:
            reader = _Reader(function, tree)
            reader.read()
            items |= reader.items
            objects |= reader.objects
            deeper |= reader.deeper
    return SharedWrites(frozenset(items), frozenset(items | objects), frozenset(deeper))


def _functions(flow: Any) -> Iterator[FunctionType]:
    """Yield the functions of the nodes, and the user's functions that these call, each once."""
    waiting: list[FunctionType] = []
    for node in first_nodes(flow):
        kinds = [kind for kind in type(node).__mro__ if not is_stock(kind)]
        for owner in (node, *kinds):
            for value in vars(owner).values():
                parts = _items(value) if isinstance(value, _CONTAINERS) else callables_in(value)
                waiting += _users(getattr(part, "__func__", part) for part in parts)
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_FUNCTIONS:
        function = waiting.pop()
        if id(function.__code__) not in seen:
            seen.add(id(function.__code__))
            yield function
            waiting += _called(function)


def _items(value: Any) -> list[Any]:
    """Return the first items of a container: a node may hold its functions in one."""
    return list(itertools.islice(value.values() if isinstance(value, dict) else value, _MOST_ITEMS))


def _called(function: FunctionType) -> Iterator[FunctionType]:
    """Yield the user's functions whose names the code of a function mentions."""
    names = _names(function.__code__)
    known = [function.__globals__.get(name) for name in names]
    known += [each for cell in function.__closure__ or () for each in _contents(cell)]
    modules = [each for each in known if isinstance(each, ModuleType)]
    known += [vars(module).get(name) for module in modules for name in names]
    return _users(known)


def _users(values: Iterable[Any]) -> Iterator[FunctionType]:
    """Yield those of the values that are the user's functions, without decorators."""
    for value in values:
        function, _ = undecorated(value)
        if function is not None and is_user_code(function):
            yield function


def _contents(cell: CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # it was not assigned yet
        return ()


def _names(code: Any) -> set[str]:
    names = set(code.co_names)
    for each in code.co_consts:
        if hasattr(each, "co_names"):  # a function or comprehension in it
            names |= _names(each)
    return names


class _Reader:
    """Reads one function, with the functions in it."""

    def __init__(self, function: FunctionType, tree: FunctionTree) -> None:
        self.items: set[Any] = set()
        self.objects: set[Any] = set()
        self.deeper: set[Any] = set()
        self._function = function
        self._nodes = list(ast.walk(tree))
        self._parameters = {each.arg for each in self._nodes if isinstance(each, ast.arg)}
        self._local: dict[str, tuple[Any, ...]] = {}
        """The keys whose values local names stand for."""

    def read(self) -> None:
        before = -1
        while before != len(self._local):  # a local name may be made from another one
            before = len(self._local)
            for node in self._nodes:
                self._name_values(node)
        for node in self._nodes:
            self._find_changes(node)

    def _name_values(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            return
        key = self._key_of(value)
        for target in targets if key else []:
            if isinstance(target, ast.Name) and target.id not in self._parameters:
                self._local.setdefault(target.id, key)

    def _find_changes(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Subscript, ast.Attribute)):
            if not isinstance(node.ctx, ast.Load):
                self._change(node.value, is_item=isinstance(node, ast.Subscript))
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.op, ast.BitOr):
                self._change(node.target, is_item=True)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _OF_DICTS:
                self._change(node.func.value, is_item=True)
            elif node.func.attr in _OF_OTHERS:
                self._change(node.func.value, is_item=False)

    def _change(self, value: ast.expr, *, is_item: bool) -> None:
        """Note the key from which a value comes that is changed."""
        key = self._key_of(value)
        if key and is_item:
            self.items.add(key[0])
        at_top = bool(key)
        while not key and isinstance(value, (ast.Subscript, ast.Attribute, ast.Call)):
            value = value.func if isinstance(value, ast.Call) else value.value
            key = self._key_of(value)
        if key:
            self.objects.add(key[0])
            if is_item and not at_top:
                self.deeper.add(key[0])

    def _key_of(self, value: ast.expr) -> tuple[Any, ...]:
        """Return, as a tuple, the key of `shared` whose value an expression is; empty if it is none."""
        if isinstance(value, ast.Name):
            return self._local.get(value.id, ())
        if isinstance(value, ast.NamedExpr):
            return self._key_of(value.value)
        if isinstance(value, ast.BoolOp):  # such as `shared.get("by") or {}`
            return self._key_of(value.values[0])
        if isinstance(value, ast.Subscript) and self._is_store(value.value):
            return self._constant(value.slice)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.args:
            function = value.func
            if function.attr in {"get", "setdefault"} and self._is_store(function.value):
                return self._constant(value.args[0])
        return ()

    def _is_store(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Name) and value.id in self._parameters

    def _constant(self, value: ast.expr) -> tuple[Any, ...]:
        if isinstance(value, ast.Constant):
            return (value.value,)
        if isinstance(value, ast.Name):
            known = global_of(self._function, value.id)
            return (known,) if isinstance(known, _KEYS) and known is not None else ()
        return ()
