"""How the methods of a node use `self`: its params, and the attributes that its copies share."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..finding import Place
from .source import Method, NodeSource

_CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop",
    "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort", "update",
    "difference_update", "intersection_update", "symmetric_difference_update", "subtract",
}  # fmt: skip
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass
class SelfUse:
    """What the methods of one node do with `self`.

    Attributes:
        needs: params read without a default, whatever the other params are, and where.
        asks: params read with a default, or under some condition, or asked after.
        gives: params that it sets.
        any_read, any_set: whether it may read, or set, params that its source does not name.
        changed: attributes changed in place, and where.
        bound: attributes given a new value, other than by `__init__`.
        texts: every string in its source.
    """

    needs: dict[str, Place] = field(default_factory=dict)
    asks: set[str] = field(default_factory=set)
    gives: set[str] = field(default_factory=set)
    any_read: bool = False
    any_set: bool = False
    changed: dict[str, Place] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


def use_of(source: NodeSource) -> SelfUse:
    """Read how the methods of a node use `self`."""
    use = SelfUse()
    for method in source.methods:
        reader = _Reader(use, method)
        try:
            reader.statements(method.tree.body, sure=True)
        except RecursionError:  # some generated code nests as deep as Python allows, or deeper
            use.any_read = use.any_set = True
    return use


class _Reader:
    """Reads one method; `sure`: whether what stands there runs each time that the method does."""

    def __init__(self, use: SelfUse, method: Method) -> None:
        self._use = use
        self._method = method
        self._self = method.receiver

    def statements(self, body: Iterable[ast.AST], *, sure: bool) -> None:
        for each in body:
            self._read(each, sure=sure)
            if any(isinstance(part, _LEAVES) for part in ast.walk(each)):
                sure = False

    def _read(self, node: ast.AST, *, sure: bool) -> None:  # noqa: C901, PLR0912 - one case per kind
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                self._use.texts.add(node.value)
        elif isinstance(node, ast.Name):
            if node.id == self._self:  # handed on, as a whole
                self._use.any_read = self._use.any_set = True
        elif isinstance(node, ast.Attribute) and self._is_self(node.value):
            self._attribute(node)
        elif isinstance(node, ast.Subscript):
            self._subscript(node, sure=sure)
        elif isinstance(node, ast.Call):
            self._call(node, sure=sure)
        elif isinstance(node, ast.Compare) and self._asks_after(node):
            self._read(node.left, sure=sure)
        elif isinstance(node, ast.AugAssign):
            self._augmented(node, sure=sure)
        elif isinstance(node, (ast.If, ast.While)):
            self._read(node.test, sure=sure)
            self.statements([*node.body, *node.orelse], sure=False)
        elif isinstance(node, ast.IfExp):
            self._read(node.test, sure=sure)
            self.statements([node.body, node.orelse], sure=False)
        elif isinstance(node, ast.BoolOp):
            self._read(node.values[0], sure=sure)
            self.statements(node.values[1:], sure=False)
        elif isinstance(node, ast.Match):
            self._read(node.subject, sure=sure)
            self.statements(node.cases, sure=False)
        elif isinstance(node, (ast.Try, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            self.statements(ast.iter_child_nodes(node), sure=False)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._read(node.target, sure=sure)
            self._read(node.iter, sure=sure)
            self.statements([*node.body, *node.orelse], sure=False)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            first = node.generators[0].iter
            self._read(first, sure=sure)
            self.statements((each for each in ast.iter_child_nodes(node)), sure=False)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            self.statements(node.items, sure=sure)
            self.statements(node.body, sure=sure and not any(map(_suppresses, node.items)))
        else:
            for each in ast.iter_child_nodes(node):
                self._read(each, sure=sure)

    # `self`, its params, its attributes

    def _is_self(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self._self and bool(self._self)

    def _is_params(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute) and node.attr == "params" and self._is_self(node.value)
        )

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr == "params":
            # Whatever is done with it is done elsewhere.
            self._use.any_read = self._use.any_set = True
        elif isinstance(node.ctx, ast.Store):
            self._use.bound.add(node.attr)

    def _shared_attribute(self, node: ast.AST) -> str:
        """Return the attribute of `self` that an expression is, or lies in; empty if it is none."""
        while isinstance(node, ast.Subscript):
            node = node.value
        if isinstance(node, ast.Attribute) and self._is_self(node.value) and node.attr != "params":
            return node.attr
        return ""

    def _change(self, attribute: str, at: ast.AST) -> None:
        if attribute:
            self._use.changed.setdefault(attribute, self._method.place(at))

    def _subscript(self, node: ast.Subscript, *, sure: bool) -> None:
        if not self._is_params(node.value):
            if not isinstance(node.ctx, ast.Load):
                self._change(self._shared_attribute(node.value), node)
            self._read(node.value, sure=sure)
            self._read(node.slice, sure=sure)
            return
        key = self._key(node.slice)
        if key is None:
            self._read(node.slice, sure=sure)
            self._use.any_read = True
            self._use.any_set |= not isinstance(node.ctx, ast.Load)
        elif isinstance(node.ctx, ast.Load):
            self._need(key, node, sure=sure)
        else:
            self._use.gives.add(key)

    def _augmented(self, node: ast.AugAssign, *, sure: bool) -> None:
        target = node.target
        if isinstance(target, ast.Subscript) and self._is_params(target.value):
            key = self._key(target.slice)
            if key is not None:
                self._need(key, node, sure=sure)
        if isinstance(target, ast.Attribute) and self._is_self(target.value):
            # Of a list or a set, `+=` and `|=` change the one that all copies share.
            self._change("" if target.attr == "params" else target.attr, node)
            self._use.any_set |= target.attr == "params"
        else:
            self._read(target, sure=sure)
        self._read(node.value, sure=sure)

    def _call(self, node: ast.Call, *, sure: bool) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and self._is_params(function.value):
            self._params_call(node, function.attr, sure=sure)
        elif isinstance(function, ast.Name) and function.id == "super":
            return
        else:
            if isinstance(function, ast.Attribute) and function.attr in _CHANGES:
                self._change(self._shared_attribute(function.value), node)
            self._read(function, sure=sure)
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            self._read(each, sure=sure)

    def _params_call(self, node: ast.Call, name: str, *, sure: bool) -> None:
        key = self._key(node.args[0]) if node.args else None
        if key is None or name not in {"get", "pop", "setdefault"}:
            self._use.any_read = True
            self._use.any_set |= name in {"update", "setdefault"}
        elif name == "pop" and len(node.args) == 1:
            self._need(key, node, sure=sure)
        else:
            self._use.asks.add(key)
            if name == "setdefault":
                self._use.gives.add(key)

    def _asks_after(self, node: ast.Compare) -> bool:
        """Note a `"key" in self.params`; return whether it is one."""
        if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return False
        if not self._is_params(node.comparators[0]):
            return False
        key = self._key(node.left)
        if key is None:
            self._use.any_read = True
        else:
            self._use.asks.add(key)
        return True

    def _need(self, key: str, at: ast.AST, *, sure: bool) -> None:
        if sure:
            self._use.needs.setdefault(key, self._method.place(at))
        else:
            self._use.asks.add(key)

    def _key(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._use.texts.add(node.value)
            return node.value
        return None


def _suppresses(item: ast.withitem) -> bool:
    """Whether a `with` may keep errors in, as `contextlib.suppress` does."""
    names = (getattr(each, "id", getattr(each, "attr", "")) for each in ast.walk(item.context_expr))
    return any(name == "suppress" for name in names)
