"""What a run started with besides its rows, as its journal keeps it: its nodes and the shared store.

`JournalRun.to_script` writes it as Python. Of a class, the journal keeps where it is found, not its
source.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from .codec import encoded, encoded_or_none
from .export.names import is_importable, location_of
from .flow_nodes import attributes_of, flow_nodes, globals_of, links_of, user_classes_of

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
        attributes: without PocketFlow's own.
        successors: the number of the next node, by action; None where there is none.
        start: the number of the start node, if the node is a flow.
    """

    location: str
    attributes: list[Entry]
    successors: dict[str, int | None]
    start: int | None


def nodes_kept(flow: Any, secrets: AbstractSet[str] | None) -> list[NodeSnapshot]:
    """Return the nodes of a flow; `secrets` as for `codec.encoded`."""
    nodes = flow_nodes(flow)
    return [
        NodeSnapshot(
            location_of(type(node)),
            [_entry(name, value, secrets) for name, value in attributes_of(node).items()],
            *links,
        )
        for node, links in zip(nodes, links_of(nodes), strict=True)
    ]


def names_in_notebook(flow: Any) -> list[str]:
    """Return the names of the nodes' classes that no script can import, and of the globals they use."""
    names: set[str] = set()
    for kind in user_classes_of(flow_nodes(flow)):
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
