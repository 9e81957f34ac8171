"""What a function reads and changes that is not local to it, scope by scope.

Only what is written out is found to be changed: `CACHE[key] = value`, `LOG.append(line)`,
`global COUNT`, `STATE.count += 1`, `shared["answers"] = answers`; not what is changed through a local
name.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

Chain = tuple[str, ...]
"""A name and the attributes read from it: `config.models.fast` is ("config", "models", "fast")."""

NO_KEY = object()


class Change(NamedTuple):
    """Something that is changed.

    Attributes:
        root: the name it begins with.
        attributes: that follow the name, up to the first key.
        key: that follows the name or the attributes; `NO_KEY` if none does, or it is not written out.
        is_assignment: whether an attribute is assigned, rather than an object changed in place.
    """

    root: str
    attributes: Chain
    key: Any
    is_assignment: bool


class Names:
    """What a function reads and changes.

    Args:
        receiver: its first parameter, usually `self`.
        shared: what it calls the shared store.
        makes: whether the function is one that makes its object, such as `__init__`.

    Attributes:
        reads: what it reads that is not local to it.
        imports: what it reads of modules that it imports itself; the module's name is the first.
        changes: what it changes in place, or assigns as a global, that is not local to it.
        changes_on_self: the attributes of its first parameter that it changes in place.
        assigns_on_self: those that it assigns.
        changes_in_shared: the keys of the shared store that it assigns or whose values it changes.
    """

    def __init__(
        self, receiver: str = "", shared: frozenset[str] = frozenset(), *, makes: bool = False
    ) -> None:
        self.reads: set[Chain] = set()
        self.imports: set[Chain] = set()
        self.changes: set[Chain] = set()
        self.changes_on_self: set[Chain] = set()
        self.assigns_on_self: set[Chain] = set()
        self.changes_in_shared: set[Any] = set()
        self._receiver = receiver
        self._shared = shared
        self._makes = makes

    def change(self, change: Change) -> None:
        """Add what is changed of something that is not local."""
        self.changes.add((change.root, *change.attributes))

    def change_in_shared(self, change: Change) -> bool:
        """Add a change if it is one of the shared store; return whether it is."""
        if change.root not in self._shared:
            return False
        if not change.attributes and change.key is not NO_KEY:
            self.changes_in_shared.add(change.key)
        return True

    def change_of_parameter(self, change: Change) -> None:
        """Add a change of what is bound in the function itself, if it is one of its first parameter."""
        if change.root != self._receiver or not change.attributes or self._makes:
            return
        is_assigned = change.is_assignment and len(change.attributes) == 1
        (self.assigns_on_self if is_assigned else self.changes_on_self).add(change.attributes)


class Scope:
    """The names of a function, class or comprehension.

    Args:
        kind: "function", "class" or "comprehension".
        parent: the scope around it; None for one that only collects what the others leave.
        names: of the function that is read.

    Attributes:
        imports: the modules, and what is imported from them, by local name.
    """

    def __init__(self, kind: str, parent: Scope | None, names: Names) -> None:
        self.kind = kind
        self.parent = parent
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.imports: dict[str, Chain] = {}
        self.reads: set[Chain] = set()
        self.changes: list[Change] = []
        self._names = names

    def bind(self, name: str) -> None:
        """Add a name that is assigned here."""
        if name in self.globals:
            self._names.changes.add((name,))
        elif name not in self.nonlocals:
            self.bound.add(name)

    def bind_outside(self, name: str) -> None:
        """Add a name that `:=` assigns: a comprehension assigns it in the scope around it."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope.bound.discard(name)
            scope = scope.parent
        scope.bind(name)

    def leave(self) -> None:
        """Hand on what is not bound here."""
        for chain in self.reads:
            name = chain[0]
            if name in self.globals:
                self._names.reads.add(chain)
            elif name in self.imports:
                self._names.imports.add((*self.imports[name], *chain[1:]))
            elif (
                name not in self.bound or self.kind == "class"
            ):  # `text = text` reads the outer one
                self._read_outside(chain)
        for change in self.changes:
            if self._names.change_in_shared(change):
                continue
            if change.root in self.globals:
                self._names.change(change)
            elif change.root not in self.bound:
                self._change_outside(change)
            elif self.parent is None:
                self._names.change_of_parameter(change)

    @property
    def _outer(self) -> Scope | None:
        """The scope in which a name is looked up that is not bound here."""
        outer = self.parent
        # The names of a class are not seen by the functions and classes in it.
        while outer is not None and outer.kind == "class":
            outer = outer.parent
        return outer

    def _read_outside(self, chain: Chain) -> None:
        outer = self._outer
        (self._names if outer is None else outer).reads.add(chain)

    def _change_outside(self, change: Change) -> None:
        outer = self._outer
        if outer is None:
            self._names.change(change)
        else:
            outer.changes.append(change)


def change_of(target: ast.expr, *, is_assignment: bool) -> Change | None:
    """Return what an assignment to `target`, or its call, changes; None if it begins with no name."""
    attributes: list[str] = []
    key: Any = NO_KEY
    while not isinstance(target, ast.Name):
        if isinstance(target, ast.Attribute):
            attributes.insert(0, target.attr)
            target = target.value
            continue
        inner: ast.expr | None
        if isinstance(target, ast.Subscript):
            inner, target = target.slice, target.value
        elif isinstance(target, ast.Call) and isinstance(target.func, ast.Attribute):
            inner, target = next(iter(target.args), None), target.func.value
        else:
            return None
        # What follows a key is a part of what the key leads to.
        attributes, is_assignment = [], False
        key = inner.value if isinstance(inner, ast.Constant) else NO_KEY
    return Change(target.id, tuple(attributes), key, is_assignment)
