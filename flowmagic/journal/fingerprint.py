"""Hashes by which a run recognises its flow in an earlier one.

Two flows are the same if their nodes are connected alike, and if the classes and attributes of these
nodes are written alike. Secrets are masked before they are hashed: another API key does not make
another flow.
"""

from __future__ import annotations

import hashlib
import json
import types
from typing import Any, NamedTuple

from ..flow.graph import first_nodes
from ..flow.source_code import functions_of, source_of
from ..text.redact import MASK, is_secret, masked_source
from .codec import encoded, encoded_or_none
from .snapshot import Links, attributes_of, links_of, secrets_of_nodes, user_classes


class Part(NamedTuple):
    """The fingerprint of one node.

    Attributes:
        name: the qualified name of its class.
        source: a hash of the source of that class and of its base classes.
        state: a hash of its attributes and successors.
    """

    name: str
    source: str
    state: str


def parts_of(flow: Any) -> list[Part]:
    """Return the fingerprints of a flow's nodes, in the order in which they are reached."""
    nodes = first_nodes(flow)
    secrets = secrets_of_nodes(flow)
    sources = {kind: _hash(_source(kind, secrets)) for kind in dict.fromkeys(map(type, nodes))}
    return [
        Part(type(node).__qualname__, sources[type(node)], _hash(_state(node, links, secrets)))
        for node, links in zip(nodes, links_of(nodes), strict=True)
    ]


def fingerprint(parts: list[Part]) -> str:
    """Return a hash that is equal for two flows that are the same."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def differences(before: list[Part], now: list[Part]) -> list[str]:
    """Return what has changed between two flows, in words."""
    old, new = ({part.name: part for part in parts} for parts in (before, now))
    changes = [f"{name} is new" for name in new if name not in old]
    changes += [f"{name} is gone" for name in old if name not in new]
    for name in new.keys() & old.keys():
        if new[name].source != old[name].source:
            changes.append(f"the source of {name} has changed")
        elif new[name].state != old[name].state:
            changes.append(f"the attributes or successors of {name} have changed")
    return sorted(changes)


def _state(node: Any, links: Links, secrets: set[str]) -> str:
    attributes = {name: _text(name, value, secrets) for name, value in attributes_of(node).items()}
    return json.dumps([*links, attributes])


def _text(name: str, value: Any, secrets: set[str]) -> str:
    if is_secret(name, value):
        return encoded(MASK)
    text = encoded_or_none(value, secrets)
    # A client or a lock cannot be stored: its class has to do.
    return type(value).__qualname__ if text is None else text


def _source(kind: type, secrets: set[str]) -> str:
    texts = [
        masked_source(source_of(each), secrets) or _code_hashes(each) for each in user_classes(kind)
    ]
    return "\n".join(texts)


def _code_hashes(kind: type) -> str:
    """Return a text that differs for classes that do different things, where no source is known."""
    hashes = [f"{each.__qualname__} {_code_hash(each.__code__)}" for each in functions_of(kind)]
    return "\n".join([kind.__qualname__, *hashes])


def _code_hash(code: types.CodeType) -> str:
    constants = [
        _code_hash(each)
        if isinstance(each, types.CodeType)
        # The order of a frozenset differs from process to process.
        else repr(sorted(map(repr, each)) if isinstance(each, frozenset) else each)
        for each in code.co_consts
    ]
    return _hash(repr((code.co_code, code.co_names, code.co_varnames, constants)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
