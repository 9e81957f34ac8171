"""Finds what the exec of a node can run and read: functions, attributes of `self`, the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from pocketflow import AsyncNode

from ..checks.executed_code import Scope
from ..dependencies.packages import is_project
from ..source_code import callables_in
from .runnable_code import RunnableCode, attribute_of_super

_OF_RUNS = frozenset({"params", "cur_retry"})
"""Attributes of a node that are no input of its exec, or are looked at by themselves."""

_IF_NAMED = frozenset(
    {"prep", "post", "prep_async", "post_async", "successors", "max_retries", "wait"}
)
"""Attributes that an exec uses only if it names them, though it passes `self` on."""

_HOOKS = ("__getattr__", "__getattribute__")


class ExecCode(RunnableCode):
    """What the exec of a node can run and read.

    Attributes:
        attributes: the names of the attributes of the node that it uses.
        uses_any: whether it may use other attributes as well: it passes `self` on, or names them at
            run time.
    """

    def __init__(self, node: Any) -> None:
        kind = type(node)
        self.attributes: set[str] = set()
        self.uses_any = False
        self._mro = [each for each in kind.__mro__ if is_project(each.__module__)]
        super().__init__(type(kind))
        for name in ("exec_async" if isinstance(node, AsyncNode) else "exec", *_HOOKS):
            self._use(name)
        self._read_waiting()

    def uses(self, name: str) -> bool:
        """Whether the exec may use an attribute of the node."""
        may = self.uses_any and name not in _IF_NAMED
        return (may or name in self.attributes) and name not in _OF_RUNS

    def members(self) -> Iterator[tuple[type, str, Any]]:
        """Yield what the user's classes define of what the exec uses: the class, the name, the value."""
        for kind in self._mro:
            for name, value in sorted(vars(kind).items()):
                if self.uses(name):
                    yield kind, name, value

    def _use(self, name: str) -> None:
        if name in self.attributes:
            return
        self.attributes.add(name)
        for kind in self._mro:
            if name not in vars(kind):
                continue
            value = vars(kind)[name]
            self._waiting += [(each, True) for each in callables_in(value)]
            if hasattr(type(value), "__get__") and is_project(type(value).__module__):
                self._use_any()  # a descriptor gets the node

    def _use_any(self) -> None:
        """Take it that the exec may use every attribute, and call every method but prep and post."""
        self.uses_any = True
        for kind in self._mro:
            for name in vars(kind):
                if name not in _IF_NAMED:
                    self._use(name)

    def _read_attribute(self, node: ast.Attribute, scope: Scope) -> None:
        super()._read_attribute(node, scope)
        if attribute := scope.attribute_of_self(node) or attribute_of_super(node):
            self._use(attribute)
            if attribute in ("__class__", "__dict__"):
                self._use_any()
        if isinstance(node.value, ast.Name) and node.value.id == "__class__":
            self._use_any()

    def _name_attribute(self, name: str) -> None:
        if name in _IF_NAMED:
            self._use(name)

    def _read_name(self, node: ast.Name | ast.Attribute, scope: Scope) -> None:
        super()._read_name(node, scope)
        if isinstance(node, ast.Name) and node.id in ("__class__", "super", scope.receiver):
            self._use_any()
