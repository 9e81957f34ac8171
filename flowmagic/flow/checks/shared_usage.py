"""Reads how the methods of a node use `shared`: which keys they read, assign, and change in place.

The store is the first parameter of prep and post, and any parameter of the same name, or named `shared`,
of the user's functions that these call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..finding import Place
from .executed_code import Executed, Scope, executed_code
from .node_source import NodeSource

_ADDERS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "remove",
    "reverse", "sort",
}  # fmt: skip
_PUTTERS = {"put", "put_nowait"}
_TAKERS = {"get_nowait", "pop", "popitem", "popleft"}
_GETTERS = {"get", "setdefault", "pop"}  # of the store itself


@dataclass
class SharedUsage:
    """What methods do with `shared`, by key; each with the line where they first do it.

    Attributes:
        read: the value is read, other than to add to it, to count it, or to look an item of the row up.
        assigned: the key is set.
        updated: the key is set to what is computed from its value.
        grown: the value is a container that is changed in place.
        queued: the value is a queue that is put into; it is in `grown`, too.
        counted: an item of the value is computed from itself, as a counter.
        keyed: items of the value are set under keys that differ between rows.
    """

    read: dict[str, Place] = field(default_factory=dict)
    assigned: dict[str, Place] = field(default_factory=dict)
    updated: dict[str, Place] = field(default_factory=dict)
    grown: dict[str, Place] = field(default_factory=dict)
    queued: dict[str, Place] = field(default_factory=dict)
    counted: dict[str, Place] = field(default_factory=dict)
    keyed: dict[str, Place] = field(default_factory=dict)

    @property
    def written(self) -> dict[str, Place]:
        """The keys that are set, or whose values are changed."""
        return {**self.keyed, **self.counted, **self.grown, **self.updated, **self.assigned}


def shared_usage_of(source: NodeSource, hooks: Iterable[str]) -> SharedUsage:
    """Read how some methods of a node, whose first parameter is the store, use it."""
    usage = SharedUsage()
    for hook in hooks:
        method = source.get(hook)
        names = [] if method is None else [each.arg for each in method.tree.args.args[1:2]]
        if method is not None and names:
            reader = _Reader(usage, {names[0], "shared"})
            for each in executed_code(source, hook):
                reader.read(each, method.place(each.call))
    return usage


class _Reader:
    """Reads the syntax nodes of one method and its helpers, from the outer to the inner ones."""

    def __init__(self, usage: SharedUsage, stores: set[str]) -> None:
        self._usage = usage
        self._stores = stores
        self._local: dict[tuple[Scope, str], str] = {}
        """The keys whose values local names stand for."""
        self._done: set[int] = set()
        """The ids of syntax nodes that are part of what was read already."""

    def read(self, each: Executed, place: Place) -> None:
        node, scope = each.node, each.scope
        if id(node) in self._done:
            return
        if isinstance(node, ast.AugAssign):
            self._augmented(node, scope, place)
        elif isinstance(node, ast.Call):
            self._call(node, scope, place)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            self._assign(node, scope, place)
        elif isinstance(node, ast.Subscript):
            self._subscript(node, scope, place)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            self._read_local(node.id, scope, place)

    def _read_local(self, name: str, scope: Scope, place: Place) -> None:
        if key := self._local.get((scope, name)):
            self._usage.read.setdefault(key, place)

    def _augmented(self, node: ast.AugAssign, scope: Scope, place: Place) -> None:
        key, varies = self._path(node.target, scope)
        if key:
            at_top = isinstance(node.target, ast.Subscript) and self._is_store(
                node.target.value, scope
            )
            if at_top:
                self._usage.read.setdefault(key, place)
            kind = self._usage.updated if at_top else self._usage.counted
            (self._usage.keyed if varies else kind).setdefault(key, place)

    def _call(self, node: ast.Call, scope: Scope, place: Place) -> None:
        if not isinstance(node.func, ast.Attribute):
            if isinstance(node.func, ast.Name) and node.func.id == "len" and node.args:
                self._path(node.args[0], scope)  # how many there are is no data of another row
            return
        owner, name = node.func.value, node.func.attr
        if self._is_store(owner, scope):
            if name == "update":
                self._update(node, place)
            elif key := self._key_of(node, scope):
                self._usage.read.setdefault(key, place)
                if name == "setdefault":
                    self._usage.assigned.setdefault(key, place)
        elif name in _ADDERS | _PUTTERS | _TAKERS:
            self._change(owner, name, scope, place)

    def _change(self, owner: ast.expr, method: str, scope: Scope, place: Place) -> None:
        """Note that a value is changed in place by one of its methods."""
        key, varies = self._path(owner, scope)
        if key:
            (self._usage.keyed if varies else self._usage.grown).setdefault(key, place)
            if method in _PUTTERS:
                self._usage.queued.setdefault(key, place)
            if method in _TAKERS:
                self._usage.read.setdefault(key, place)

    def _update(self, node: ast.Call, place: Place) -> None:
        keys: list[object] = [each.arg for each in node.keywords]
        for each in node.args:
            if isinstance(each, ast.Dict):
                keys += [key.value for key in each.keys if isinstance(key, ast.Constant)]
        for key in keys:
            if isinstance(key, str):
                self._usage.assigned.setdefault(key, place)

    def _assign(self, node: ast.Assign | ast.AnnAssign, scope: Scope, place: Place) -> None:
        if node.value is None:
            return
        names = node.targets if isinstance(node, ast.Assign) else [node.target]
        key = self._key_of(node.value, scope)
        if key and all(isinstance(each, ast.Name) for each in names):
            self._done.update(map(id, ast.walk(node.value)))
            for each in names:
                if isinstance(each, ast.Name):
                    self._local[scope, each.id] = key
            if isinstance(node.value, ast.Call) and node.value.func.attr == "setdefault":  # type: ignore[attr-defined]
                self._usage.assigned.setdefault(key, place)

    def _subscript(self, node: ast.Subscript, scope: Scope, place: Place) -> None:
        if self._is_store(node.value, scope):
            if key := self._constant(node.slice, scope):
                loads = isinstance(node.ctx, ast.Load)
                (self._usage.read if loads else self._usage.assigned).setdefault(key, place)
            return
        key, varies = self._path(node, scope)
        if not key:
            return
        if not isinstance(node.ctx, ast.Load):
            (self._usage.keyed if varies else self._usage.grown).setdefault(key, place)
        elif not varies:
            self._usage.read.setdefault(key, place)

    def _path(self, node: ast.expr, scope: Scope) -> tuple[str, bool]:
        """Return the key that an expression begins with, and whether it goes on with another one's key.

        Its parts are read with it.
        """
        varies, inner = False, node
        while True:
            key = self._key_of(inner, scope) or (
                self._local.get((scope, inner.id), "") if isinstance(inner, ast.Name) else ""
            )
            if key or not isinstance(inner, (ast.Subscript, ast.Attribute)):
                break
            if isinstance(inner, ast.Subscript):
                varies |= not isinstance(inner.slice, (ast.Constant, ast.UnaryOp, ast.Slice))
            inner = inner.value
        while key and node is not inner:
            self._done.add(id(node))
            node = node.value  # type: ignore[attr-defined] # as above
        if key:
            self._done.update(map(id, ast.walk(inner)))
        return key, varies

    def _key_of(self, node: ast.AST, scope: Scope) -> str:
        """Return the key of the store whose value an expression is; "" if it is none."""
        if isinstance(node, ast.Subscript) and self._is_store(node.value, scope):
            return self._constant(node.slice, scope)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            return ""
        gets = node.func.attr in _GETTERS and self._is_store(node.func.value, scope)
        return self._constant(node.args[0], scope) if gets else ""

    def _is_store(self, node: ast.AST, scope: Scope) -> bool:
        code = scope.function.__code__
        return (
            isinstance(node, ast.Name)
            and node.id in self._stores
            and node.id in code.co_varnames[: code.co_argcount]
        )

    def _constant(self, node: ast.AST, scope: Scope) -> str:
        value = node.value if isinstance(node, ast.Constant) else scope.global_of(node)
        return value if isinstance(value, str) else ""
