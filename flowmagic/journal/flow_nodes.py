"""What the journal reads of a flow's nodes: attributes, successors, classes, and the globals they use."""

from __future__ import annotations

import dis
import itertools
import types
from collections.abc import Iterator
from typing import Any

from ..flow.graph import nodes_of
from ..flow.source_code import functions_of, is_stock

_MOST_NODES = 1_000
_OF_POCKETFLOW = ("successors", "params", "start_node")

Links = tuple["dict[str, int | None]", "int | None"]


def flow_nodes(flow: Any) -> list[Any]:
    """Return the nodes of a flow in the order in which they are reached, the flow itself first."""
    return list(itertools.islice(nodes_of(flow), _MOST_NODES))


def links_of(nodes: list[Any]) -> list[Links]:
    """Return where each node leads: numbers of nodes by action, and of the start node of a flow."""
    numbers = {id(node): number for number, node in enumerate(nodes)}
    return [
        (
            {str(action): numbers.get(id(to)) for action, to in node.successors.items()},
            numbers.get(id(vars(node).get("start_node"))),
        )
        for node in nodes
    ]


def attributes_of(node: Any) -> dict[str, Any]:
    """Return the attributes of a node, without PocketFlow's own, sorted by name."""
    return {name: value for name, value in sorted(vars(node).items()) if name not in _OF_POCKETFLOW}


def user_classes(kind: type) -> list[type]:
    """Return a class and those that it inherits from, without PocketFlow's, flowmagic's and Python's."""
    return [each for each in kind.__mro__ if not is_stock(each)]


def user_classes_of(nodes: list[Any]) -> list[type]:
    """Return the classes of nodes and those that they inherit from, each once."""
    return list(dict.fromkeys(kind for node in nodes for kind in user_classes(type(node))))


def globals_of(kind: type) -> dict[str, Any]:
    """Return the globals that the functions of a class read, by name; those of its bases not."""
    return {
        name: function.__globals__[name]
        for function in functions_of(kind)
        for name in _global_names(function.__code__)
        if name in function.__globals__
    }


def _global_names(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
