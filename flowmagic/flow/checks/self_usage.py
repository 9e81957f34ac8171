"""Reads how the methods of a node use `self`: which params, and which attributes they change.

Attributes matter since all copies of a node share the lists and dicts in them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..finding import Place
from .node_source import Method, NodeSource

_MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop",
    "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort", "update",
    "difference_update", "intersection_update", "symmetric_difference_update", "subtract",
}  # fmt: skip
_EXITS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass
class SelfUsage:
    """What the methods of one node do with `self`.

    Attributes:
        required: params that are read without a default whenever the node runs, and where.
        optional: params that are read with a default or under a condition, or looked for with `in`.
        assigned: params that are set.
        may_read_any: whether params may be read whose names are not in the source.
        may_set_any: whether params may be set whose names are not in the source.
        mutated: attributes whose value is changed in place, and where.
        rebound: attributes that get a new value, other than in `__init__`.
        strings: every string in the source.
    """

    required: dict[str, Place] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    may_read_any: bool = False
    may_set_any: bool = False
    mutated: dict[str, Place] = field(default_factory=dict)
    rebound: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)


def self_usage_of(source: NodeSource) -> SelfUsage:
    """Read how the methods of a node use `self`."""
    usage = SelfUsage()
    for method in source.methods:
        reader = _MethodReader(usage, method)
        try:
            reader.read_all(method.tree.body, always=True)
        except RecursionError:  # generated code may be nested as deep as Python allows
            usage.may_read_any = usage.may_set_any = True
    return usage


class _MethodReader:
    """Reads one method; `always` means that a syntax node runs whenever the method does."""

    def __init__(self, usage: SelfUsage, method: Method) -> None:
        self._usage = usage
        self._method = method
        self._self = method.receiver

    def read_all(self, nodes: Iterable[ast.AST], *, always: bool) -> None:
        for each in nodes:
            self._read(each, always=always)
            if any(isinstance(part, _EXITS) for part in ast.walk(each)):
                always = False

    def _read(self, node: ast.AST, *, always: bool) -> None:  # noqa: C901, PLR0912 - one case per kind of node
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                self._usage.strings.add(node.value)
        elif isinstance(node, ast.Name):
            if node.id == self._self:  # passed on as a whole
                self._usage.may_read_any = self._usage.may_set_any = True
        elif isinstance(node, ast.Attribute) and self._is_self(node.value):
            self._attribute(node)
        elif isinstance(node, ast.Subscript):
            self._subscript(node, always=always)
        elif isinstance(node, ast.Call):
            self._call(node, always=always)
        elif isinstance(node, ast.Compare) and self._looks_for(node):
            self._read(node.left, always=always)
        elif isinstance(node, ast.AugAssign):
            self._augmented(node, always=always)
        elif isinstance(node, (ast.If, ast.While)):
            self._read(node.test, always=always)
            self.read_all([*node.body, *node.orelse], always=False)
        elif isinstance(node, ast.IfExp):
            self._read(node.test, always=always)
            self.read_all([node.body, node.orelse], always=False)
        elif isinstance(node, ast.BoolOp):
            self._read(node.values[0], always=always)
            self.read_all(node.values[1:], always=False)
        elif isinstance(node, ast.Match):
            self._read(node.subject, always=always)
            self.read_all(node.cases, always=False)
        elif isinstance(node, (ast.Try, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            self.read_all(ast.iter_child_nodes(node), always=False)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._read(node.target, always=always)
            self._read(node.iter, always=always)
            self.read_all([*node.body, *node.orelse], always=False)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            first = node.generators[0].iter
            self._read(first, always=always)
            self.read_all(ast.iter_child_nodes(node), always=False)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            self.read_all(node.items, always=always)
            self.read_all(node.body, always=always and not any(map(_suppresses, node.items)))
        else:
            for each in ast.iter_child_nodes(node):
                self._read(each, always=always)

    def _is_self(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self._self and bool(self._self)

    def _is_params(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute) and node.attr == "params" and self._is_self(node.value)
        )

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr == "params":
            # The params are passed on as a whole, or replaced.
            self._usage.may_read_any = self._usage.may_set_any = True
        elif isinstance(node.ctx, ast.Store):
            self._usage.rebound.add(node.attr)

    def _attribute_in(self, node: ast.AST) -> str:
        """Return the attribute of `self` that an expression is, or is an item of; "" if it is none."""
        while isinstance(node, ast.Subscript):
            node = node.value
        if isinstance(node, ast.Attribute) and self._is_self(node.value) and node.attr != "params":
            return node.attr
        return ""

    def _mutate(self, attribute: str, at: ast.AST) -> None:
        if attribute:
            self._usage.mutated.setdefault(attribute, self._method.place(at))

    def _subscript(self, node: ast.Subscript, *, always: bool) -> None:
        if not self._is_params(node.value):
            if not isinstance(node.ctx, ast.Load):
                self._mutate(self._attribute_in(node.value), node)
            self._read(node.value, always=always)
            self._read(node.slice, always=always)
            return
        key = self._key(node.slice)
        if key is None:
            self._read(node.slice, always=always)
            self._usage.may_read_any = True
            self._usage.may_set_any |= not isinstance(node.ctx, ast.Load)
        elif isinstance(node.ctx, ast.Load):
            self._require(key, node, always=always)
        else:
            self._usage.assigned.add(key)

    def _augmented(self, node: ast.AugAssign, *, always: bool) -> None:
        target = node.target
        if isinstance(target, ast.Subscript) and self._is_params(target.value):
            key = self._key(target.slice)
            if key is not None:
                self._require(key, node, always=always)
        if isinstance(target, ast.Attribute) and self._is_self(target.value):
            # `+=` and `|=` change a list or set in place.
            self._mutate("" if target.attr == "params" else target.attr, node)
            self._usage.may_set_any |= target.attr == "params"
        else:
            self._read(target, always=always)
        self._read(node.value, always=always)

    def _call(self, node: ast.Call, *, always: bool) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and self._is_params(function.value):
            self._params_call(node, function.attr, always=always)
        elif isinstance(function, ast.Name) and function.id == "super":
            return
        else:
            if isinstance(function, ast.Attribute) and function.attr in _MUTATORS:
                self._mutate(self._attribute_in(function.value), node)
            self._read(function, always=always)
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            self._read(each, always=always)

    def _params_call(self, node: ast.Call, name: str, *, always: bool) -> None:
        key = self._key(node.args[0]) if node.args else None
        if key is None or name not in {"get", "pop", "setdefault"}:
            self._usage.may_read_any = True
            self._usage.may_set_any |= name in {"update", "setdefault"}
        elif name == "pop" and len(node.args) == 1:
            self._require(key, node, always=always)
        else:
            self._usage.optional.add(key)
            if name == "setdefault":
                self._usage.assigned.add(key)

    def _looks_for(self, node: ast.Compare) -> bool:
        """Whether this is `key in self.params`, which is recorded then."""
        if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return False
        if not self._is_params(node.comparators[0]):
            return False
        key = self._key(node.left)
        if key is None:
            self._usage.may_read_any = True
        else:
            self._usage.optional.add(key)
        return True

    def _require(self, key: str, at: ast.AST, *, always: bool) -> None:
        if always:
            self._usage.required.setdefault(key, self._method.place(at))
        else:
            self._usage.optional.add(key)

    def _key(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._usage.strings.add(node.value)
            return node.value
        return None


def _suppresses(item: ast.withitem) -> bool:
    """Whether an item of a `with` suppresses errors, as `contextlib.suppress` does."""
    names = (getattr(each, "id", getattr(each, "attr", "")) for each in ast.walk(item.context_expr))
    return any(name == "suppress" for name in names)
