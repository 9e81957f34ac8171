"""What tells whether a flow is still the same, and which params a row has had.

A flow is the same if its nodes are wired alike, and their classes and attributes are written alike.
Params are recognised by a keyed hash: the journal need not hold them to know them again.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pocketflow import BaseNode, Flow

from .encoding import Unwritable, encoded

_MOST_NODES = 1_000
_OWN = ("successors", "params", "start_node")


class Part(NamedTuple):
    """A node of a flow, as far as it makes up what the flow does."""

    name: str
    source: str
    wiring: str


def parts_of(flow: Any) -> list[Part]:
    """Return the parts of a flow, in the order in which they are reached."""
    numbers = {id(node): number for number, node in enumerate(_nodes(flow))}
    return [
        Part(
            type(node).__qualname__,
            _source(type(node)),
            _text(
                [
                    {str(action): numbers.get(id(to)) for action, to in node.successors.items()},
                    numbers.get(id(getattr(node, "start_node", None))),
                    _attributes(node),
                ]
            ),
        )
        for node in _nodes(flow)
    ]


def kinds_of(flow: Any) -> list[type]:
    """Return the classes of the nodes of a flow, each once."""
    return list(dict.fromkeys(type(node) for node in _nodes(flow)))


def _nodes(flow: Any) -> Iterator[Any]:
    seen: set[int] = set()
    todo = [flow]
    while todo and len(seen) < _MOST_NODES:
        node = todo.pop(0)
        if not isinstance(node, BaseNode) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Flow):
            todo.append(node.start_node)
        todo.extend(node.successors.values())


def _attributes(node: Any) -> dict[str, str]:
    return {name: _text(value) for name, value in sorted(vars(node).items()) if name not in _OWN}


def _text(value: Any) -> str:
    try:
        return encoded(value)
    except Exception:  # noqa: BLE001 - a client, a lock, somebody's object: its class has to do
        return type(value).__qualname__


def _source(kind: type) -> str:
    """Return the source of a class and of those it inherits from, down to PocketFlow's."""
    texts = []
    for each in kind.__mro__:
        if each.__module__.partition(".")[0] in ("pocketflow", "builtins", "flowmagic"):
            break
        try:
            texts.append(inspect.getsource(each))
        except (OSError, TypeError):
            texts.append(each.__qualname__)
    return "\n".join(texts)


def fingerprint(parts: list[Part]) -> str:
    """Return what is equal for two flows that are the same."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def differences(before: list[Part], now: list[Part]) -> list[str]:
    """Say in words what has changed between two flows."""
    old, new = ({part.name: part for part in parts} for parts in (before, now))
    said = [f"{name} is new" for name in new if name not in old]
    said += [f"{name} is gone" for name in old if name not in new]
    for name in new.keys() & old.keys():
        if new[name].source != old[name].source:
            said.append(f"the source of {name} has changed")
        elif new[name].wiring != old[name].wiring:
            said.append(f"the attributes or successors of {name} have changed")
    return sorted(said)


def key_of_params(secret: bytes, params: Mapping[Any, Any]) -> str | None:
    """Return what is equal for rows with the same merged params; None if they cannot be written."""
    try:
        # By key: the order in which somebody wrote them makes no difference to a flow.
        pairs = sorted((encoded(key), encoded(value)) for key, value in params.items())
    except Unwritable:
        return None
    except Exception:  # noqa: BLE001 - somebody's object
        return None
    return hmac.new(secret, json.dumps(pairs).encode(), hashlib.sha256).hexdigest()[:32]
