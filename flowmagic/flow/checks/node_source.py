"""Finds the methods of a node that a run can reach, with their source, and the actions they return.

These are PocketFlow's hooks that the user overrides, and what they call on `self` and `super()`.
Where the source of one is not known (a REPL, C, a decorator that hides it), `complete` is False:
then a check must not conclude anything from what the source does not say.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pocketflow import AsyncNode, Flow

from ..finding import Place
from ..source_code import (
    FunctionTree,
    callables_in,
    executed_nodes,
    global_of,
    is_stock,
    tree_of,
    undecorated,
)

_INNER = ("_exec", "_run", "_run_async", "_orch", "_orch_async", "get_next_node", "set_params")
_SYNC, _ASYNC = ("prep", "post"), ("prep_async", "post_async")
_EXEC, _EXEC_ASYNC = ("exec", "exec_fallback"), ("exec_async", "exec_fallback_async")
_ALL_HOOKS = {*_SYNC, *_ASYNC, *_EXEC, *_EXEC_ASYNC, *_INNER}


class Method(NamedTuple):
    """A method and its definition.

    Attributes:
        decorated: whether a decorator surrounds it, which may change what it returns.
    """

    name: str
    function: Any  # a FunctionType, which mypy would take for a method of this class
    tree: FunctionTree
    decorated: bool

    def place(self, node: ast.AST | None = None) -> Place:
        """Return where a syntax node of the method is, or the first line of the method."""
        return Place(self.function.__code__.co_filename, getattr(node or self.tree, "lineno", 1))

    @property
    def receiver(self) -> str:
        """The name of its first parameter, usually `self`; "" if it has none."""
        arguments = [*self.tree.args.posonlyargs, *self.tree.args.args]
        return arguments[0].arg if arguments else ""


def hooks_of(node: Any) -> tuple[str, ...]:
    """Return the names of the methods that PocketFlow calls on a node of this kind."""
    steps = _ASYNC if isinstance(node, AsyncNode) else _SYNC
    if isinstance(node, Flow):
        return (*steps, *_INNER)
    return (*steps, *(_EXEC_ASYNC if isinstance(node, AsyncNode) else _EXEC), *_INNER)


def hooks_in_threads(node: Any) -> tuple[str, ...]:
    """Return the names of the methods that a run calls in threads, if it uses threads."""
    own = user_overrides(node, "_run") or user_overrides(node, "_exec")
    return () if own or isinstance(node, (AsyncNode, Flow)) else _EXEC


def attribute_of(node: Any, name: str) -> Any:
    """Return an attribute of a node without running a property; None if there is none."""
    for names in (vars(node), *(vars(base) for base in type(node).__mro__)):
        if name in names:
            return names[name]
    return None


def user_overrides(node: Any, name: str) -> bool:
    """Whether the user overrides a method, in a class or on the object itself."""
    return name in vars(node) or _resolve(type(node).__mro__, name, -1) is not None


class NodeSource:
    """The methods of a node that a run can reach.

    Attributes:
        methods: in the order in which they are reached; several of one name if one calls `super()`.
        complete: whether the source of every one of them is known.
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
        """Return the method that a call of this name runs; None if there is none with known source."""
        return next((each for each in self.methods if each.name == name), None)

    def place(self, name: str, node: ast.AST) -> Place | None:
        """Return where a syntax node of the method of this name is."""
        method = self.get(name)
        return None if method is None else method.place(node)

    def _reach(self, name: str, above: int) -> None:
        """Add a method and what it calls; `above`: only from the classes after this one in the MRO."""
        resolved = self._resolve(name, above)
        if resolved is None or (name, resolved[0]) in self._seen:
            return
        level, attribute = resolved
        self._seen.add((name, level))
        for part in callables_in(attribute):
            function, decorated = undecorated(part)
            tree = None if function is None else tree_of(function)
            if function is None or tree is None:
                # Something that cannot be called (a number, a list) has no source to know.
                self.complete = self.complete and function is None and not callable(part)
                continue
            method = Method(name, function, tree, decorated)
            self.methods.append(method)
            for called, on_super in _names_used(method):
                self._reach(called, level if on_super else -1)

    def _resolve(self, name: str, above: int) -> tuple[int, Any] | None:
        if above < 0 and name in self._on_object:
            return -1, self._on_object[name]
        return _resolve(self._mro, name, above)


def _resolve(mro: tuple[type, ...], name: str, above: int) -> tuple[int, Any] | None:
    """Return the level in the MRO at which a user's class defines a name, and the attribute."""
    for level, kind in enumerate(mro):
        if level > above and name in vars(kind):
            return None if is_stock(kind) else (level, vars(kind)[name])
    return None


def _names_used(method: Method) -> Iterator[tuple[str, bool]]:
    """Yield the attributes that a method uses of `self` and, with True, of `super()`."""
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


class PossibleActions(NamedTuple):
    """The actions that a method can return.

    Attributes:
        places: where each known action is returned; the key None stands for no action.
        complete: whether the method returns no others.
        objects: where it returns what cannot be an action, by the type: "dict", "list" or "set".
    """

    places: dict[str | None, Place]
    complete: bool
    objects: Mapping[str, Place] = MappingProxyType({})


def possible_actions(method: Method) -> PossibleActions:
    """Return which actions a `post` can return."""
    if method.decorated:
        return PossibleActions({}, complete=False)
    places: dict[str | None, Place] = {}
    objects: dict[str, Place] = {}
    complete = True
    for each in executed_nodes(method.tree):
        if isinstance(each, (ast.Yield, ast.YieldFrom)):
            complete = False
        if not isinstance(each, ast.Return):
            continue
        for value in _alternatives(each.value):
            if isinstance(value, ast.Constant) and isinstance(value.value, (str, type(None))):
                places.setdefault(value.value or None, method.place(each))
            elif isinstance(value, ast.Name) and (text := _constant(method, value.id)) is not None:
                places.setdefault(text or None, method.place(each))
            elif kind := _container_kind(value):
                objects.setdefault(kind, method.place(each))
            else:
                complete = False
    if _falls_through(method.tree.body):
        places.setdefault(None, method.place())
    return PossibleActions(places, complete, objects)


def _container_kind(value: ast.expr) -> str:
    """Return the type of an expression that makes a container with something in it; else ""."""
    if isinstance(value, (ast.Dict, ast.List, ast.Set)):
        is_empty = not (value.keys if isinstance(value, ast.Dict) else value.elts)
        return "" if is_empty else type(value).__name__.lower()  # an empty one is no action at all
    if isinstance(value, (ast.DictComp, ast.ListComp, ast.SetComp)):
        return type(value).__name__.removesuffix("Comp").lower()
    return ""


def _alternatives(value: ast.expr | None) -> list[ast.expr]:
    if value is None:
        return [ast.Constant(None)]
    if isinstance(value, ast.IfExp):
        return [*_alternatives(value.body), *_alternatives(value.orelse)]
    return [value]


def _constant(method: Method, name: str) -> str | None:
    value = global_of(method.function, name)
    return value if type(value) is str else None


def _falls_through(body: list[ast.stmt]) -> bool:  # noqa: PLR0911 - one per statement
    """Whether execution may reach the end of a block."""
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return False
    if isinstance(last, ast.If):
        return not last.orelse or _falls_through(last.body) or _falls_through(last.orelse)
    if isinstance(last, (ast.With, ast.AsyncWith)):
        return _falls_through(last.body)
    if isinstance(last, ast.While):
        endless = isinstance(last.test, ast.Constant) and bool(last.test.value)
        return not endless or any(isinstance(each, ast.Break) for each in ast.walk(last))
    if isinstance(last, ast.Match):
        total = any(_matches_all(case) for case in last.cases)
        return not total or any(_falls_through(case.body) for case in last.cases)
    if isinstance(last, ast.Try):
        if last.finalbody and not _falls_through(last.finalbody):
            return False
        blocks = [last.orelse or last.body, *(handler.body for handler in last.handlers)]
        return any(_falls_through(block) for block in blocks)
    return True


def _matches_all(case: ast.match_case) -> bool:
    return (
        case.guard is None
        and isinstance(case.pattern, ast.MatchAs)
        and case.pattern.pattern is None
    )
