"""What an exec gets when it begins, as exact texts, and whether it has changed any of it."""

from __future__ import annotations

from typing import Any

from ...records.observed_dict import ObservedDict
from ...records.param_reads import ReadTrackingDict, plain
from ..node_copier import own_attributes
from .exact import SCALARS, exact_text
from .node_code import NodeCode

_HOOKS = frozenset({"exec", "exec_async", "exec_fallback", "exec_fallback_async", "_exec"})
OWN_EXEC = "has an exec that is an attribute of the object"

_MOST_DEPTH = 3


class Inputs:
    """The inputs of one exec but for its params, of which only those count that it reads.

    Args:
        prepared: the result of prep.
        shared: the shared store as the node sees it.

    Attributes:
        doubt: why it is not known what the exec depends on, in words that follow the node's name; empty
            if it is known.
        texts: of what the code names, the attributes, the result of prep, and the environment.
        described: the attributes that count by their class and plain attributes only, by name.
    """

    def __init__(self, node: Any, code: NodeCode, prepared: Any, shared: Any) -> None:
        self._node = node
        self._code = code
        self._own = own_attributes(node)
        self.texts: tuple[str, ...] = ()
        self.described: set[str] = set()
        self.doubt = self._reason_to_refuse(prepared, shared) or self._read(prepared)

    def _reason_to_refuse(self, prepared: Any, shared: Any) -> str:
        if type(self._node.params) is not ReadTrackingDict:
            return "has params that are not those of its row"
        if not _HOOKS.isdisjoint(self._own):
            return OWN_EXEC
        self._used = self._code.attributes(self._own)
        for name, value in self._used.items():
            if _holds(value, shared):
                return f"keeps the shared store as self.{name}"
        return "gets the shared store from prep" if _holds(prepared, shared) else ""

    def _read(self, prepared: Any) -> str:
        """Read the inputs; return which of them has no exact form."""
        self._params: ReadTrackingDict = self._node.params
        if prepared is self._params:
            self._params.read.update(dict.keys(self._params))
            prepared = plain(self._params)
        self._prepared = prepared
        values, attributes, text = (
            self._code.values(),
            self._attributes(self._used),
            exact_text(prepared),
        )
        if values is None:
            return "uses a value that has no exact form"
        if attributes is None:
            return "has an attribute without an exact form"
        if text is None:
            return "gets something without an exact form from prep"
        why_impure, environment = self._code.given(
            prepared, *self._used.values(), *dict.values(self._params)
        )
        if why_impure:
            return why_impure
        self.texts = (values, attributes, text, environment)
        self._writes = self._params.writes
        self._identities = _identities(self._own)
        self._changing_params = self._read_changing_params()
        return ""

    def _attributes(self, used: dict[str, Any]) -> str | None:
        return exact_text(
            used,
            clients=True,
            partly=self._code.is_trusted,
            described=self.described,
        )

    def _read_changing_params(self) -> str | None:
        """Return the text of the params if one of them can be changed in place; else an empty one."""
        if SCALARS.issuperset(map(type, dict.values(self._params))):
            return ""
        return exact_text(plain(self._params))

    def changed(self) -> str:
        """Return what the exec has changed of them, in words that follow the node's name; or ""."""
        own = own_attributes(self._node)
        values, attributes, text, _ = self.texts
        if assigned := dict(self._identities.items() ^ _identities(own).items()):
            return f"assigns self.{min(assigned)} in exec"
        is_written = self._params.writes != self._writes
        if is_written or self._read_changing_params() != self._changing_params:
            return "changes its params in exec"
        if self._attributes(self._code.attributes(own)) != attributes:
            return "changes an attribute in place in exec"
        if exact_text(self._prepared) != text:
            return "changes in exec what prep returned"
        if self._code.values() != values or not self._code.is_current:
            return "uses a value that changed while it ran"
        return ""


def _identities(own: dict[str, Any]) -> dict[str, int]:
    # PocketFlow counts the attempts of a node in `cur_retry`.
    return {name: id(value) for name, value in own.items() if name != "cur_retry"}


def _holds(value: Any, shared: Any, depth: int = 0) -> bool:
    """Whether a value is the shared store or a view of it, or a plain container that holds one."""
    if value is shared:
        return True
    if isinstance(value, ObservedDict):
        return type(value) is not ReadTrackingDict
    if depth > _MOST_DEPTH or type(value) not in (list, tuple, dict):
        return False
    items = value.values() if type(value) is dict else value
    return any(_holds(each, shared, depth + 1) for each in items if type(each) not in SCALARS)
