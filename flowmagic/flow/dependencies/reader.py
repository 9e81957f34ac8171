"""Follows what the nodes of a flow use, and gives each thing a digest under its name.

    PROMPT                  a constant or function of the notebook
    prompts.PROMPT          one of a module of the project
    Ask.exec_async          a method, a property or another attribute of a class
    Ask                     what the class inherits from
    tone in answer_in       what a function kept from the one around it
    ask(model=)             the default of a parameter
    Ask().style             an attribute of a node; of several nodes of that class, of each of them
    Ask().llm.model         an attribute of an object that it has, of the user's own class
    Ask().successors        where the node leads to
    shared['model']         a key of the shared store

Names are followed through the functions, classes and constants of the notebook and the project (see
`packages`); installed packages count by their version. Comments, docstrings, quotes, layout, line
numbers and the order of methods do not count.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from pocketflow import BaseNode, Flow

from ...text.redact import MASK, is_secret, masked
from ...text.user_objects import or_none
from ..graph import first_nodes
from .members import (
    attributes_of_class,
    attributes_of_object,
    changed_by_methods,
    is_limit,
    ordered_names,
    plain_attributes,
)
from .names import (
    Binding,
    cells_of,
    defaults_of,
    is_within,
    name_of,
    name_of_function,
    name_of_key,
    name_of_node,
    resolved,
    wrapped_by,
    wrapped_by_library,
)
from .packages import is_project, package_of, version_of
from .running_code import digest, digest_of, running_code
from .scopes import Chain, Names
from .values import NO_EXACT_FORM, TOO_LARGE, ValueWriter

CHANGED_BY_RUN = "changed by the run"
NOT_IMPORTED = "not imported yet"
_MOST_NAMES = 10_000
_MOST_KEYS = 1_000
_OF_POCKETFLOW = ("params", "successors", "start_node")


class Reader:
    """Reads what nodes depend on.

    Args:
        secrets: texts to mask wherever they occur, so that another key is no change.
        masks: whether secrets are masked: these, what looks like one, and what has the name of one.
        clients: whether an object of an installed package that has no exact form, such as a client of
            an API, counts by its class, the version of the package, and its plain public attributes;
            docstrings count then, too, which a client may hand to a model.

    Attributes:
        digests: by name. That of a function is "digest of the source:digest of the code", without the
            former if no source compiles to its code. Several things of one name have theirs in one
            text, separated by spaces.
        packages: the versions of the installed packages that are used; empty if it is not known.
        left_out: why a name, and what begins with it, is not compared.
        bindings: the globals and the attributes of nodes that were read.
        members: the attributes of classes that were read.
        described: the names of the objects that count by their class and plain attributes.
    """

    def __init__(
        self, secrets: frozenset[str] = frozenset(), *, masks: bool = True, clients: bool = False
    ) -> None:
        self.digests: dict[str, str] = {}
        self.packages: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.bindings: list[Binding] = []
        self.members: list[Binding] = []
        self._secrets = secrets if masks else None
        self._references: dict[int, tuple[Any, str]] = {}
        self._numbers: dict[str, int] = {}
        self._code: deque[tuple[Callable[[Any, str], None], Any, str]] = deque()
        self._values: deque[tuple[str, Any, Any]] = deque()
        self._read: set[tuple[int, str]] = set()
        self._graph: set[int] = set()
        self.described: list[str] = []
        self._masks = masks
        self._docs = clients
        describe = self._client_text if clients else lambda _, __: None
        self._writer = ValueWriter(self._link, self._leave_out, describe=describe, masks=masks)

    def read_flow(self, flow: Any, shared: Any) -> None:
        """Read all nodes of a flow, how they are connected, and the shared store."""
        nodes = first_nodes(flow)
        for node in nodes:
            self._refer(node, name_of_node(node), self._node)
        # All copies of a node share its attributes, and assign their own; the flow itself is not copied.
        self._graph = {id(node) for node in nodes[1:]}
        for node in nodes:
            name = name_of_node(node)
            links = {str(action): self._node_text(to) for action, to in node.successors.items()}
            self._add(f"{name}.successors", repr(sorted(links.items())))
            if isinstance(node, Flow):
                self._add(f"{name}.start_node", self._node_text(vars(node).get("start_node")))
        self._code.append((self._shared, shared, "shared"))
        self._read_waiting()

    def read_node(self, node: Any) -> None:
        """Read one node: its code and its attributes, not where it leads to."""
        self._graph = {id(node)}
        self._refer(node, name_of_node(node), self._node)
        self._read_waiting()

    def read_class(self, kind: type) -> None:
        """Read one class, and what its methods use."""
        self._link(kind, "")
        self._read_waiting()

    def read_value(self, value: Any, name: str) -> None:
        """Read a value, and what it consists of."""
        self._value(name, "", value)
        self._read_waiting()

    def _node_text(self, node: Any) -> str:
        return self._references[id(node)][1] if id(node) in self._references else "none"

    def _read_waiting(self) -> None:
        """Read code first: it tells which values the run changes, and these need not be read."""
        while self._code or self._values:
            if self._code:
                read, value, name = self._code.popleft()
                try:
                    read(value, name)
                except Exception:  # noqa: BLE001 - reading a user's object may raise anything
                    self._leave_out(name, NO_EXACT_FORM)
            else:
                self._read_value(*self._values.popleft())

    def _leave_out_changed(self, value: Any, name: str) -> None:
        """Leave out the attributes of an object that the methods of its class change."""
        kinds = type(value).__mro__
        for kind in kinds:
            if not is_project(kind.__module__):
                continue
            for chain in changed_by_methods(kind, assigned=id(value) not in self._graph):
                owners = [name_of(each) for each in kinds if chain[0] in vars(each)]
                for owner in (name, *owners[:1]):
                    self._leave_out(".".join((owner, *chain)), CHANGED_BY_RUN)

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out.setdefault(masked(name, self._secrets or frozenset()), reason)

    def _add(self, name: str, text: str) -> None:
        self._add_digest(name, digest(text, self._secrets))

    def _add_digest(self, name: str, new: str) -> None:
        self.digests[name] = f"{self.digests[name]} {new}" if name in self.digests else new

    def _value(self, name: str, key: Any, value: Any) -> None:
        """Add what stands under a name; `key` is the last part of it."""
        self._values.append((name, key, value))

    def _read_value(self, name: str, key: Any, value: Any) -> None:
        if is_within(name, self.left_out):
            return
        if len(self.digests) >= _MOST_NAMES:
            self._leave_out(name, TOO_LARGE)
            return
        is_masked = self._masks and is_secret(key, value)
        text = self._writer.text(MASK if is_masked else value, name)
        # What has this name itself is added when it is read.
        if text != f"-> {name}":
            self._add(name, text)

    def _link(self, value: Any, name: str) -> str | None:
        """Return the text for what is followed, and for what belongs to a library; else None."""
        read: Callable[[Any, str], None]
        if isinstance(value, FunctionType):
            module = str(value.__globals__.get("__name__", ""))
            own, read = name_of_function(value, name), self._function
        elif isinstance(value, type):
            module, own, read = value.__module__, name_of(value), self._class
        elif isinstance(value, ModuleType):
            module, own, read = value.__name__, value.__name__, self._module
        else:
            return self._link_object(value, name)
        if is_project(module):
            return self._refer(value, own, read)
        text = self._of_library(module, getattr(value, "__qualname__", ""))
        kept = wrapped_by_library(value) if isinstance(value, FunctionType) else ()
        return f"{text} {[self._writer.text(each, name) for each in kept]}" if kept else text

    def _link_object(self, value: Any, name: str) -> str | None:
        kind = type(value)
        parts = wrapped_by(value)
        if parts is not None:
            return f"{kind.__name__} {[self._writer.text(each, name) for each in parts]}"
        if isinstance(value, BaseNode) or is_project(kind.__module__):
            return self._refer(value, name, self._object)
        text = self._of_library(kind.__module__, kind.__qualname__)
        # What flowmagic keeps for itself holds no value of the user's.
        return text if kind.__module__.partition(".")[0] == "flowmagic" else None

    def _refer(self, value: Any, name: str, read: Callable[[Any, str], None]) -> str:
        """Return the text for something that has a name of its own; it will be read if it was not."""
        known = self._references.get(id(value))
        if known is None:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            # It is kept, so that its id is.
            known = value, f"-> {name}" if number == 1 else f"-> {name} {number}"
            self._references[id(value)] = known
            self._code.append((read, value, name))
        return known[1]

    def _of_library(self, module: str, name: str) -> str:
        package = package_of(module)
        if package is not None and package not in self.packages:
            self.packages[package] = version_of(package) or ""
        return f"{module}:{name}"

    def _client_text(self, value: Any, name: str) -> str | None:
        kind = type(value)
        package = package_of(kind.__module__)
        if package is None or isinstance(value, Iterator):
            return None
        self.described.append(name)
        parts = attributes_of_object(value).values()
        texts = [self._writer.text(each, name) for each in parts if type(each) is FunctionType]
        library = self._of_library(kind.__module__, kind.__qualname__)
        return f"{library} {plain_attributes(value, masks=self._masks)!r} {texts}"

    def _function(self, function: FunctionType, name: str) -> None:
        self._add_digest(name, digest_of(function, self._secrets))
        for variable, value in cells_of(function):
            self._value(f"{variable} in {name}", variable, value)
        for parameter, value in defaults_of(function):
            self._value(f"{name}({parameter}=)", parameter, value)
        for key, value in sorted(vars(function).items()):
            if key == "__wrapped__":
                self._link(value, name)
            else:
                self._value(f"{name}.{key}", key, value)
        self._read_doc(function.__doc__, name)
        self._names_of(function, running_code(function).syntax.names)

    def _read_doc(self, doc: Any, name: str) -> None:
        if self._docs and doc:
            self._value(f"{name}.__doc__", "__doc__", doc)

    def _names_of(self, function: FunctionType, names: Names) -> None:
        around = function.__globals__
        for chain in sorted(names.reads):
            self._global(around, chain)
        for chain in sorted(names.imports):
            self._imported(around, chain)
        for chain in names.changes:
            changed, _, rest = resolved(around, chain)
            if changed is not None:
                self._leave_out(".".join((changed, *rest)), CHANGED_BY_RUN)
        for key in names.changes_in_shared:
            self._leave_out(name_of_key(key), CHANGED_BY_RUN)

    def _global(self, around: dict[str, Any], chain: Chain) -> None:
        """Read a name that a function uses; the attributes of modules of the project too."""
        name, (namespace, key), _ = resolved(around, chain)
        if key not in namespace:
            if "__getattr__" in namespace and chain[1:]:  # a module that makes its attributes
                self._module(sys.modules[namespace["__name__"]], str(namespace["__name__"]))
            return
        value = namespace[key]
        if name is None:
            self._of_library(value.__name__, "")
        elif (id(namespace), key) not in self._read:
            self._read.add((id(namespace), key))
            self.bindings.append(Binding(name, namespace, key, value))
            self._value(name, key, value)

    def _imported(self, names: dict[str, Any], chain: Chain) -> None:
        """Read a name that a function itself imports."""
        module = chain[0]
        if module.startswith("."):
            module = (
                or_none(importlib.util.resolve_name, module, str(names.get("__package__"))) or ""
            )
        found = sys.modules.get(module)
        if found is not None:
            self._global({module: found}, (module, *chain[1:]))
            return
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        version = version_of(top)
        if version is None:
            self._leave_out(module, NOT_IMPORTED)
        else:
            self.packages[top] = version

    def _class(self, kind: type, name: str) -> None:
        # That of a library follows from the bases; Python 3.11 has renamed that of an Enum.
        metaclass = type(kind) if is_project(type(kind).__module__) else type
        self._add(name, self._writer.text((metaclass, *kind.__bases__, *ordered_names(kind)), name))
        self._read_doc(vars(kind).get("__doc__"), name)
        for key, value in attributes_of_class(kind):
            self._value(f"{name}.{key}", key, value)
            if vars(kind).get(key) is value:
                self.members.append(Binding(f"{name}.{key}", vars(kind), key, value))

    def _module(self, module: ModuleType, name: str) -> None:
        """Read all of a module that is used as a whole, such as by `getattr(prompts, language)`."""
        for key, value in sorted(vars(module).items()):
            if key == "__getattr__" or not (key.startswith("__") or isinstance(value, ModuleType)):
                self._global({name: module}, (name, key))

    def _shared(self, shared: Any, name: str) -> None:
        if not isinstance(shared, dict) or len(shared) > _MOST_KEYS:
            self._value(name, "", shared)
            return
        for key, value in shared.items():
            self._value(masked(name_of_key(key), self._secrets or frozenset()), key, value)

    def _node(self, node: Any, name: str) -> None:
        self._link(type(node), name)
        self._leave_out_changed(node, name)
        for key, value in sorted(attributes_of_object(node).items()):
            if key not in _OF_POCKETFLOW and not is_limit(type(node), key):
                self.bindings.append(Binding(f"{name}.{key}", vars(node), key, value))
                self._value(f"{name}.{key}", key, value)

    def _object(self, value: Any, name: str) -> None:
        self._add(name, self._writer.text(type(value), name))
        self._leave_out_changed(value, name)
        for key, each in sorted(attributes_of_object(value).items()):
            if not (key == "params" and isinstance(value, BaseNode)):  # which the run gives it
                self._value(f"{name}.{key}", key, each)
