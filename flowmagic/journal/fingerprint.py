"""What tells whether a flow is still the same, and which params a row has had.

A flow is the same if its nodes are wired alike, and their classes and attributes are written alike.
Params are recognised by a keyed hash: the journal need not hold them to know them again.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..flow.graph import nodes_of
from ..flow.source_code import functions_of, is_stock, source_of
from ..text.redact import MASK, is_secret, secrets_of, veiled
from .codec import as_sorted_json, encoded, plain_of

_MOST_NODES = 1_000
_OWN = ("successors", "params", "start_node")


class Part(NamedTuple):
    """A node of a flow, as far as it makes up what the flow does."""

    name: str
    source: str
    wiring: str


def secrets_of_flow(flow: Any) -> set[str]:
    """Return the secrets that stand in the attributes of a flow's nodes, and in their source."""
    secrets: set[str] = set()
    for node in _nodes(flow):
        secrets |= secrets_of(_attributes(node))
    for kind in kinds_of(flow):
        for each in kind.__mro__:
            if not is_stock(each):
                veiled(source_of(each), secrets)
    return secrets


def parts_of(flow: Any, *, masks: bool = True, more: AbstractSet[str] = frozenset()) -> list[Part]:
    """Return the parts of a flow, in the order in which they are reached.

    Args:
        masks: whether its secrets are masked.
        more: what is masked besides. For a fingerprint nothing is: that depends on the flow alone.
    """
    nodes = list(_nodes(flow))
    numbers = {id(node): number for number, node in enumerate(nodes)}
    secrets = secrets_of_flow(flow).union(more) if masks else None
    return [
        Part(
            type(node).__qualname__,
            _source(type(node), secrets),
            json.dumps(
                [
                    {str(action): numbers.get(id(to)) for action, to in node.successors.items()},
                    numbers.get(id(vars(node).get("start_node"))),
                    {
                        name: _text(name, value, secrets)
                        for name, value in _attributes(node).items()
                    },
                ]
            ),
        )
        for node in nodes
    ]


def kinds_of(flow: Any) -> list[type]:
    """Return the classes of the nodes of a flow, each once."""
    return list(dict.fromkeys(type(node) for node in _nodes(flow)))


def _nodes(flow: Any) -> Iterator[Any]:
    return itertools.islice(nodes_of(flow), _MOST_NODES)


def _attributes(node: Any) -> dict[str, Any]:
    return {name: value for name, value in sorted(vars(node).items()) if name not in _OWN}


def _text(name: str, value: Any, secrets: set[str] | None) -> str:
    if secrets is not None and is_secret(name, value):
        return encoded(MASK)
    try:
        return encoded(value, secrets)
    except Exception:  # noqa: BLE001 - a client, a lock, somebody's object: its class has to do
        return type(value).__qualname__


def _source(kind: type, secrets: set[str] | None) -> str:
    """Return the source of a class and of those it inherits from, without PocketFlow's."""
    texts = []
    for each in kind.__mro__:
        if is_stock(each):
            continue
        source = source_of(each)
        texts.append((source if secrets is None else veiled(source, secrets)) or _compiled(each))
    return "\n".join(texts)


def _compiled(kind: type) -> str:
    """Return what is different for two classes that do different things, where no source is known."""
    marks = [f"{each.__qualname__} {_mark(each.__code__)}" for each in functions_of(kind)]
    return "\n".join([kind.__qualname__, *marks])


def _mark(code: types.CodeType) -> str:
    inner = [
        _mark(each)
        if isinstance(each, types.CodeType)
        # Whose order is another one in each process.
        else repr(sorted(map(repr, each)) if isinstance(each, frozenset) else each)
        for each in code.co_consts
    ]
    made = repr((code.co_code, code.co_names, code.co_varnames, inner))
    return hashlib.sha256(made.encode("utf-8", "replace")).hexdigest()[:16]


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
        return key_of_plain(secret, plain_of(dict(params)))
    except Exception:  # noqa: BLE001 - somebody's object
        return None


def key_of_plain(secret: bytes, plain: Any) -> str:
    """Return the same for params that are made of what JSON has."""
    # Sorted: the order in which somebody wrote them makes no difference to a flow.
    text = as_sorted_json(plain)
    if '"$dict":' in text:
        text = as_sorted_json(ordered(plain))
    return hmac.digest(secret, text.encode(), "sha256").hex()[:32]


def ordered(plain: Any) -> Any:
    """Return what `plain_of` gave with the pairs of each `$dict` in one order."""
    if isinstance(plain, list):
        return [ordered(each) for each in plain]
    if not isinstance(plain, dict):
        return plain
    same = {key: ordered(each) for key, each in plain.items()}
    return {"$dict": sorted(same["$dict"], key=as_sorted_json)} if list(same) == ["$dict"] else same
