"""What a run starts with besides its rows: its nodes, the shared store, and the secrets in them.

The journal keeps the nodes and the store, which `JournalRun.to_script` writes as Python, and masks
the secrets wherever they occur. Of a class, it keeps where it is found, not its source.
"""

from __future__ import annotations

import types
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..flow.dependencies.reader import Reader
from ..flow.dependencies.running_code import running_code
from ..flow.graph import first_nodes
from ..flow.source_code import functions_of, is_stock, source_of
from ..records.batch import Batch
from ..text.python_names import is_dotted_name
from ..text.redact import masked_source, secrets_of
from ..text.user_objects import is_user_code
from .codec import encoded, encoded_or_none

_MOST_KEYS = 100
_LONGEST = 2_000  # characters of an entry of the shared store

Entry = tuple[str, str]
"""An attribute of a node, or an entry of the shared store.

First a dict of its key and value, as `codec.encoded` writes it. Then the class of a value that is not
kept, for which None stands in the dict; otherwise empty.
"""


class NodeSnapshot(NamedTuple):
    """A node as it was when the run started.

    Attributes:
        location: where its class is found, see `location_of`.
        version: tells classes of one location apart: a cell may have been run again.
        attributes: without PocketFlow's own.
        successors: the number of the next node, by action; None where there is none.
        start: the number of the start node, if the node is a flow.
    """

    location: str
    version: int
    attributes: list[Entry]
    successors: dict[str, int | None]
    start: int | None


def nodes_kept(flow: Any, secrets: AbstractSet[str] | None) -> list[NodeSnapshot]:
    """Return the nodes of a flow; `secrets` as for `codec.encoded`."""
    nodes = first_nodes(flow)
    versions = _versions([type(node) for node in nodes])
    return [
        NodeSnapshot(
            location_of(type(node)),
            versions[type(node)],
            [_entry(name, value, secrets) for name, value in attributes_of(node).items()],
            *links,
        )
        for node, links in zip(nodes, links_of(nodes), strict=True)
    ]


def _versions(kinds: list[type]) -> dict[type, int]:
    """Return a number for each class, which differs for those of one location that are not the same."""
    found: dict[str, list[dict[str, str]]] = {}
    versions: dict[type, int] = {}
    for kind in dict.fromkeys(kinds):
        same = found.setdefault(location_of(kind), [])
        reader = Reader()
        reader.read_class(kind)
        if reader.digests not in same:
            same.append(reader.digests)
        versions[kind] = same.index(reader.digests)
    return versions


def names_in_notebook(flow: Any) -> list[str]:
    """Return the names of the nodes' classes that no script can import, and of the globals they use."""
    names: set[str] = set()
    for kind in user_classes_of(first_nodes(flow)):
        if not is_importable(location_of(kind)):
            names |= {kind.__name__, *globals_of(kind)}
    return sorted(names)


def shared_kept(shared: Any, secrets: AbstractSet[str] | None) -> list[Entry]:
    """Return the first entries of the shared store; a long value is left out. `secrets` as above."""
    if not isinstance(shared, dict):
        return []
    return [
        _entry(key, value, secrets, longest=_LONGEST)
        for key, value in list(shared.items())[:_MOST_KEYS]
        if encoded_or_none(key, None) is not None
    ]


def _entry(
    key: Any, value: Any, secrets: AbstractSet[str] | None, longest: int | None = None
) -> Entry:
    # With its key, whose name tells whether the value is a secret.
    text = encoded_or_none({key: value}, secrets)
    if text is not None and (longest is None or len(text) <= longest):
        return text, ""
    return encoded({key: None}, secrets), type(value).__name__


_MAIN = ("__main__", "__mp_main__")


def location_of(value: Any) -> str:
    """Return where a class or function is found, as "module:qualified.name".

    Of a lambda, and of anything else, return in words what it is; that text has no colon.
    """
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        if value.__name__ != "<lambda>":
            return f"{value.__module__}:{value.__qualname__}"
        return "a lambda"
    return f"an object of class {type(value).__name__}"


def is_importable(location: str) -> bool:
    """Whether a class or function is in a module: not in a notebook, nor within a function."""
    module, _, name = location.partition(":")
    return module not in _MAIN and is_dotted_name(module) and is_dotted_name(name)


OF_POCKETFLOW = ("successors", "params", "start_node")

Links = tuple["dict[str, int | None]", "int | None"]


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
    return {name: value for name, value in sorted(vars(node).items()) if name not in OF_POCKETFLOW}


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
        for name, *_ in running_code(function).syntax.names.reads
        if name in function.__globals__
    }


_MOST_ROWS = 1_000  # in a batch, a secret is nearly always the same one


def secrets_of_flow(flow: Any, shared: Any) -> frozenset[str]:
    """Return the secrets of a run that are not in its rows: in the nodes, their code, and the store."""
    found = secrets_of([shared, dict(flow.params)])
    return found.union(secrets_of_nodes(flow), secrets_of_globals(flow))


def secrets_of_nodes(flow: Any) -> set[str]:
    """Return the secrets in the attributes of a flow's nodes, and in the source of their classes."""
    nodes = first_nodes(flow)
    secrets = {secret for node in nodes for secret in secrets_of(attributes_of(node))}
    for kind in user_classes_of(nodes):
        masked_source(source_of(kind), secrets)
    return secrets


def secrets_of_globals(flow: Any) -> set[str]:
    """Return the secrets among the globals that the nodes' classes use, and in the user's code there."""
    secrets: set[str] = set()
    for kind in user_classes_of(first_nodes(flow)):
        for name, value in globals_of(kind).items():
            if isinstance(value, (type, types.FunctionType)):
                if is_user_code(value):  # reading the source of a library may take seconds
                    masked_source(source_of(value), secrets)
            else:
                secrets |= secrets_of({name: value})
    return secrets


def secrets_of_rows(flow: Any, batch: Batch | None) -> set[str]:
    """Return the secrets in the flow's params and in the rows, as far as they are known in advance."""
    rows = [] if batch is None or batch.rows is None else batch.rows[:_MOST_ROWS]
    return set[str]().union(*map(secrets_of, (flow.params, *rows)))


def drawn_by(batch: Batch | None) -> str:
    """Return where the rows of a run come from, see `JournalRun.drawn_by`."""
    if batch is None:
        return "prep"
    return "generator" if batch.rows is None else "list"
