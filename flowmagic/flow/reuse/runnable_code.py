"""Finds what values can run: functions, classes, and objects that have them.

What is found is more than what runs: every branch counts, and every function that is named, or that an
object has that is named. What uses anything that may differ from call to call (see `impure`) is impure.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from ..checks.executed_code import Scope
from ..dependencies.members import attributes_of_class, attributes_of_object
from ..dependencies.names import cells_of, defaults_of, name_of, wrapped_by
from ..dependencies.packages import is_project
from ..dependencies.running_code import tree_of_running
from ..dependencies.syntax import MAKERS
from ..source_code import FunctionTree
from .exact import is_plain
from .impure import INTROSPECTED, differing, differing_method

_ENVIRON = "os.environ"
_GETENV = ("os.getenv", "os.environ.get")
_BY_ANY_NAME = "reads the environment by a name that is not written out"
_PASSED_ON = (list, tuple, set, frozenset, dict, MappingProxyType, functools.partial, MethodType)
_CODE = (FunctionType, BuiltinFunctionType, type, ModuleType)
_TYPES = frozenset({"type", "annotation"})
"""Attributes of the fields of dataclasses and models that nothing calls."""


class RunnableCode:
    """What some values can run: functions, classes, and objects that have them.

    Attributes:
        environment: the names of the environment variables that it reads.
        reads_all_params: whether it does more with the params of a node than look up some of them.
        why_impure: the first thing found that may differ from call to call, in words that follow the
            name of the node; empty if nothing was found.
    """

    def __init__(self, *values: Any) -> None:
        self.environment: set[str] = set()
        self.reads_all_params = False
        self.why_impure = ""
        self._seen: dict[int, Any] = {}
        """By id; they are kept, so that their ids are."""
        self._waiting: list[tuple[Any, bool]] = []
        """What is to be read, and whether it is a method of the node."""
        self._add(*values)
        self._read_waiting()

    def _read_waiting(self) -> None:
        while self._waiting:
            value, is_method = self._waiting.pop()
            if id(value) not in self._seen:
                self._seen[id(value)] = value
                self._read(value, is_method=is_method)

    def _add(self, *values: Any) -> None:
        self._waiting += [(each, False) for each in values]

    def _read(self, value: Any, *, is_method: bool) -> None:
        if isinstance(value, FunctionType):
            self._read_function(value, is_method=is_method)
        elif isinstance(value, type):
            self._check(f"{value.__module__}.{value.__qualname__}")
            self._add(*_members(value))
        elif isinstance(value, ModuleType):
            self._check(value.__name__)
            if is_project(value.__name__):
                self._add(
                    *(each for each in vars(value).values() if not isinstance(each, ModuleType))
                )
        elif isinstance(value, BuiltinFunctionType):
            self._check(_name_of_builtin(value))
        elif value is os.environ:
            self._impure(_BY_ANY_NAME)
        else:
            keeps = is_method and not (
                isinstance(value, _PASSED_ON) or is_project(type(value).__module__)
            )
            self._waiting += [(each, keeps) for each in parts_of(value)]

    def _check(self, name: str) -> None:
        """Note whether what has a dotted name may differ from call to call."""
        if what := differing(name):
            self._impure(f"uses {what} ({name.removeprefix('builtins.')})")

    def _impure(self, why: str) -> None:
        self.why_impure = self.why_impure or why

    def _read_function(self, function: FunctionType, *, is_method: bool) -> None:
        wrapped = vars(function).get("__wrapped__")
        # What a decorator wraps is a method, too.
        inner = [wrapped, *(value for _, value in cells_of(function))]
        self._waiting += [(each, is_method) for each in inner]
        self._add(*(value for _, value in defaults_of(function)))
        module = str(function.__globals__.get("__name__", ""))
        if function is os.getenv:
            self._impure(_BY_ANY_NAME)
        if not (module and is_project(module)):  # one without a module was made by a library
            self._check(f"{module}.{function.__qualname__}")
            return
        tree = tree_of_running(function)
        if tree is None:
            self._impure(f"uses {name_of(function)}, whose source is not known")
            return
        self._read_tree(function, tree, is_method=is_method)

    def _read_tree(
        self, function: FunctionType, tree: FunctionTree | ast.Lambda, *, is_method: bool
    ) -> None:
        parts = [tree.body] if isinstance(tree, ast.Lambda) else tree.body
        nodes = [each for part in parts for each in ast.walk(part)]
        arguments = [*tree.args.posonlyargs, *tree.args.args, tree.args.vararg]
        first = arguments[0] if is_method else None
        scope = Scope(function, first.arg if first is not None else "", nodes)
        known: set[int] = set()
        """Names that are the beginning of a longer expression that was read."""
        for node in nodes:
            if isinstance(node, (ast.Subscript, ast.Call)):
                known |= self._read_environment(node, scope)
            if isinstance(node, ast.Attribute):
                known.add(id(node.value))
                if attribute_of_super(node):
                    known.add(id(getattr(node.value, "func", None)))
                self._read_attribute(node, scope)
        looked_up = _looked_up(nodes)
        for node in nodes:
            if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in known:
                self._read_name(node, scope)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                self._read_method(node.func, len(node.args), scope)
            elif isinstance(node, ast.Constant) and type(node.value) is str:
                self._name_attribute(node.value)
                self.reads_all_params |= node.value == "params"
            if isinstance(node, ast.Attribute) and node.attr == "params":
                self.reads_all_params |= id(node) not in looked_up

    def _read_attribute(self, node: ast.Attribute, scope: Scope) -> None:
        if node.attr in INTROSPECTED:
            self._impure(f"uses {node.attr}")
        self._name_attribute(node.attr)
        root = _root(node)
        found = None if root is None else scope.global_of(root)
        # What is read of a module or of the environment is known by its name.
        if found is not os.environ and not isinstance(found, ModuleType):
            self._add(found)

    def _name_attribute(self, name: str) -> None:
        """Note that an attribute of some object is named."""

    def _read_method(self, node: ast.Attribute, arguments: int, scope: Scope) -> None:
        if scope.name_of(node) or scope.attribute_of_self(node):
            return
        if what := differing_method(node.attr, arguments):
            self._impure(f"uses {what} (.{node.attr})")

    def _read_name(self, node: ast.Name | ast.Attribute, scope: Scope) -> None:
        if isinstance(node, ast.Name):
            if node.id in INTROSPECTED:
                self._impure(f"uses {node.id}")
                return
            self._add(scope.global_of(node))
        name = scope.name_of(node)
        if name == _ENVIRON or name.startswith(f"{_ENVIRON}.") or name in _GETENV:
            self._impure(_BY_ANY_NAME)
        elif name:
            self._check(name)
            self._add(_found(name))

    def _read_environment(self, node: ast.Subscript | ast.Call, scope: Scope) -> set[int]:
        """Note the environment variable that an expression reads; return what of it was read so."""
        if isinstance(node, ast.Subscript):
            holder, key = node.value, node.slice
            reads = scope.name_of(holder) == _ENVIRON and isinstance(node.ctx, ast.Load)
        else:
            holder, key = node.func, node.args[0] if node.args else node.func
            reads = scope.name_of(holder) in _GETENV
        if not (reads and isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return set()
        self.environment.add(key.value)
        return {id(holder)}


class GivenCode:
    """What the values can run that single calls get. It remembers what functions and classes can run."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, RunnableCode]] = {}

    def of(self, values: Iterable[Any]) -> Iterator[RunnableCode]:
        """Yield what each function and class in some values can run."""
        waiting, seen = [*values], {}
        while waiting:
            value = waiting.pop()
            if id(value) in seen:
                continue
            seen[id(value)] = value
            if isinstance(value, _CODE) or value is os.environ:
                if id(value) not in self._known:
                    self._known[id(value)] = value, RunnableCode(value)
                yield self._known[id(value)][1]
            else:
                waiting += parts_of(value)


def parts_of(value: Any) -> Iterable[Any]:
    """Return the values in which there may be code that an object can run."""
    if is_plain(value):
        return ()
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values())
    if isinstance(value, MethodType):
        return (value.__func__, value.__self__)
    parts = wrapped_by(value)
    if parts is not None:
        return parts
    items: Iterable[Any] = ()
    if isinstance(value, (dict, MappingProxyType)):
        items = [each for pair in dict(value).items() for each in pair]
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = value
    attributes = attributes_of_object(value)
    if not is_project(type(value).__module__):
        code = [each for name, each in attributes.items() if name not in _TYPES]
        return [*items, *(each for each in code if isinstance(each, _CODE))]
    own = [each for name, each in attributes.items() if name not in ("params", "successors")]
    return [*items, *own, *_members(type(value), but=MAKERS)]


def _members(kind: type, but: frozenset[str] = frozenset()) -> list[Any]:
    """Return what a class has of the user's own classes, without the types of fields."""
    return [
        value
        for each in kind.__mro__
        if is_project(each.__module__)
        for name, value in attributes_of_class(each)
        if name not in but and (vars(each).get(name) is value or not isinstance(value, type))
    ]


def _name_of_builtin(function: BuiltinFunctionType) -> str:
    owner = function.__self__
    if owner is None or isinstance(owner, ModuleType):
        return f"{function.__module__}.{function.__name__}"
    kind = owner if isinstance(owner, type) else type(owner)
    return f"{kind.__module__}.{kind.__qualname__}.{function.__name__}"


def _root(node: ast.expr) -> ast.Name | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node if isinstance(node, ast.Name) else None


def attribute_of_super(node: ast.Attribute) -> str:
    """Return the name of the attribute of `super()` that an expression refers to; or ""."""
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return node.attr if isinstance(called, ast.Name) and called.id == "super" else ""


def _looked_up(nodes: Iterable[ast.AST]) -> set[int]:
    """Return the expressions in which one key is looked up: `params[key]`, `params.get(key)`, `in`."""
    found: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Subscript):
            found.add(id(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "get":
                found.add(id(node.func.value))
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            found.add(id(node.comparators[0]))
    return found


def _found(name: str) -> Any:
    """Return what follows the module in a dotted name, if that is one of the project; else None."""
    module, _, rest = name.rpartition(".")
    while module and module not in sys.modules:
        module, _, before = module.rpartition(".")
        rest = f"{before}.{rest}"
    if not module or not is_project(module):
        return None
    return vars(sys.modules[module]).get(rest.partition(".")[0])
