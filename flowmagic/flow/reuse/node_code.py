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

from ..dependencies.names import Binding, name_of
from ..dependencies.packages import is_project
from ..dependencies.reader import Reader
from .exact import exact_text, is_plain
from .exec_code import ExecCode
from .runnable_code import GivenCode

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
        exact: the same with secrets, which are in no digest that is stored.
        reads_all_params: whether all params count as read.
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
        # What is stored does not tell secrets, and what is hashed with the journal's key has them.
        exact = Reader(masks=False, clients=True)
        bases = [name_of(each) for each in kind.__mro__]
        members = [*self._exec.members()]
        for owner, name, value in members:
            for each in (reader, exact):
                each.read_value(value, f"{name_of(owner)}.{name}")
                each.digests.pop(f"{name_of(owner)}.{name}.__doc__", None)
        for each in (reader, exact):
            each.read_value(type(kind), f"class of {name_of(kind)}")
        self.exact = _digest([exact.digests, exact.packages])
        bindings = [
            *exact.bindings,
            *exact.members,
            *(Binding(name, vars(owner), name, value) for owner, name, value in members),
        ]
        self._bound = [(each.namespace, each.key, each.value) for each in bindings]
        changing = [each.value for each in bindings if not isinstance(each.value, _FIXED)]
        self._changing = [*{id(each): each for each in changing}.values()]
        self._given = GivenCode()
        self._used: dict[str, bool] = {}
        """Whether the exec may use an attribute, by name."""
        self.described = set(reader.described)
        digests = {name: _by_source(text) for name, text in reader.digests.items()}
        self.fingerprint: dict[str, str] = {**digests, **reader.packages}
        self.digest = _digest([bases, self.fingerprint])
        self.is_trusted = getattr(kind, "reuse", None) is True
        self.reads_all_params = self._exec.reads_all_params
        self.why_not = self._why_not(kind, reader)

    def _why_not(self, kind: type, reader: Reader) -> str:
        if why := _why_never(kind):
            return why
        if self.is_trusted:
            return ""
        if self._exec.why_impure:
            return self._exec.why_impure
        for name, reason in sorted(reader.left_out.items()):
            return f"uses {name}, which {_WORDS.get(reason, f'has {reason}')}"
        return ""

    @property
    def is_current(self) -> bool:
        """Whether nothing that the code names was bound to something else meanwhile."""
        return all(names.get(name) is value for names, name, value in self._bound)

    def attributes(self, own: dict[str, Any]) -> dict[str, Any]:
        """Return those attributes of a node copy, given by name, that its exec may use."""
        known, uses = self._used, self._exec.uses
        return {
            name: value
            for name, value in own.items()
            if (known[name] if name in known else known.setdefault(name, uses(name)))
        }

    def given(self, *values: Any) -> tuple[str, str]:
        """Look at what the functions can run that a single call gets, alone or in objects.

        Returns:
            why they are impure, in words that follow the node's name, or ""; and the values of the
            environment variables that they read, as text.
        """
        code = [*self._given.of(each for each in values if not is_plain(each))]
        if not self.is_trusted:
            for each in code:
                if each.why_impure:
                    return f"gets code that {each.why_impure}", ""
        names = {name for each in code for name in each.environment}
        return "", "".join(f"{name}={os.environ.get(name)!r} " for name in sorted(names))

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


def _by_source(text: str) -> str:
    """Return the digests of functions without those of their code, which the source tells if known."""
    return " ".join(each.partition(":")[0] or each for each in text.split(" "))


def _digest(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _why_never(kind: type) -> str:
    if getattr(kind, "reuse", None) is False:
        return "says reuse = False"
    if any(is_project(each.__module__) and vars(each).get("__slots__") for each in kind.__mro__):
        return "has __slots__"
    for name, stock in _STOCK:
        if getattr(kind, name, None) not in stock:
            return f"overrides {name}"
    return ""


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
