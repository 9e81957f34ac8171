"""The code of a node class as the key of its outputs: what its exec can run, and the values it names."""

from __future__ import annotations

import hashlib
import json
import os
from types import FunctionType, ModuleType
from typing import Any

from pocketflow import (
    AsyncBatchNode,
    AsyncNode,
    AsyncParallelBatchNode,
    BaseNode,
    BatchNode,
    Node,
)

from ..dependencies.names import name_of
from ..dependencies.reader import Reader
from .exact import exact_text
from .exec_code import ExecCode

_FIXED = (
    str,
    int,
    float,
    bool,
    bytes,
    type(None),
    FunctionType,
    type,
    ModuleType,
    property,
    staticmethod,
    classmethod,
)
"""Types whose objects never change. What functions and classes do is read once."""


class NodeCode:
    """What the outputs of a node class depend on, apart from its attributes, params and prep.

    Args:
        secrets: texts that do not count wherever they occur in the code.

    Attributes:
        name: the class name of the node.
        digest: differs whenever the code, or a value that it names, differs.
        fingerprint: what the digest is made of, by name.
        is_trusted: whether the class says `reuse = True`: its exec counts as pure, and what has no exact
            form, or is changed by the run, does not count.
        why_not: why no output of this class can be reused, in words that follow its name; empty if
            outputs can be.
        described: the objects that count by their class and plain attributes only.
    """

    def __init__(self, node: Any, secrets: frozenset[str]) -> None:
        kind = type(node)
        self.name = kind.__name__
        self._exec = ExecCode(node)
        reader = Reader(secrets, clients=True)
        bases = [name_of(each) for each in kind.__mro__]
        for owner, name, value in self._exec.members():
            reader.read_value(value, f"{name_of(owner)}.{name}")
        self._bindings = reader.bindings
        self._changing = [
            *(each.value for each in reader.bindings if not isinstance(each.value, _FIXED)),
            *(value for *_, value in self._exec.members() if not isinstance(value, _FIXED)),
        ]
        self.described = set(reader.described)
        self.fingerprint: dict[str, str] = {**reader.digests, **reader.packages}
        text = json.dumps([bases, self.fingerprint], sort_keys=True)
        self.digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        self.is_trusted = getattr(kind, "reuse", None) is True
        self.why_not = self._why_not(kind, reader)

    def _why_not(self, kind: type, reader: Reader) -> str:
        if getattr(kind, "reuse", None) is False:
            return "says reuse = False"
        for name, stock in _STOCK:
            if getattr(kind, name, None) not in stock:
                return f"overrides {name}"
        if self.is_trusted:
            return ""
        if self._exec.why_impure:
            return self._exec.why_impure
        for name, reason in sorted(reader.left_out.items()):
            return f"uses {name}, which {_WORDS.get(reason, f'has {reason}')}"
        return ""

    @property
    def is_current(self) -> bool:
        """Whether no global that the code names was bound to something else meanwhile."""
        return all(each.is_bound for each in self._bindings)

    def attributes(self, own: dict[str, Any]) -> dict[str, Any]:
        """Return those attributes of a node copy, given by name, that its exec may use."""
        return {name: value for name, value in own.items() if self._exec.uses(name)}

    def values(self) -> str | None:
        """Return the values now of the environment, and of what may change in place, as text.

        None if one of them has no exact form.
        """
        if not (self._exec.environment or self._changing):
            return ""
        texts: list[str | None] = [
            exact_text(os.environ.get(name)) for name in sorted(self._exec.environment)
        ]
        texts += (exact_text(each, clients=True, partly=self.is_trusted) for each in self._changing)
        return None if None in texts else json.dumps(texts)


_STOCK = (
    (
        "_exec",
        (
            Node._exec,
            BatchNode._exec,
            AsyncNode._exec,
            AsyncBatchNode._exec,
            AsyncParallelBatchNode._exec,
            BaseNode._exec,
        ),
    ),
    ("_run", (BaseNode._run, AsyncNode._run)),
    ("_run_async", (None, AsyncNode._run_async)),
)
_WORDS = {"changed by the run": "the run changes", "not imported yet": "is not imported yet"}
