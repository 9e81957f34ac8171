"""What an exec gets when it begins, as exact texts, and whether it has changed any of it."""

from __future__ import annotations

from typing import Any

from ...records.observed_dict import ObservedDict
from ...records.param_reads import ReadTrackingDict, plain
from ..node_copier import own_attributes
from .exact import exact_text
from .node_code import NodeCode

_HOOKS = frozenset({"exec", "exec_async", "exec_fallback", "exec_fallback_async", "_exec"})
OWN_EXEC = "has an exec that is an attribute of the object"

_MOST_DEPTH = 3
_FIXED = frozenset({str, int, float, bool, bytes, type(None)})


class DoubtError(Exception):
    """It is not known what an exec depends on; the argument says why, to follow the node's name."""


class Inputs:
    """The inputs of one exec but for its params, of which only those count that it reads.

    Args:
        prepared: the result of prep.
        shared: the shared store as the node sees it.

    Attributes:
        texts: of the code and what it names, the attributes, and the result of prep.
        described: the attributes that count by their class and plain attributes only, by name.

    Raises:
        DoubtError: one of them has no exact form, or gives access to the shared store.
    """

    def __init__(self, node: Any, code: NodeCode, prepared: Any, shared: Any) -> None:
        own = own_attributes(node)
        used = code.attributes(own)
        _refuse(node, own, used, prepared, shared)
        self._node = node
        self._code = code
        self._params: ReadTrackingDict = node.params
        if prepared is self._params:
            self._params.read.update(dict.keys(self._params))
            prepared = plain(self._params)
        self._prepared = prepared
        self.described: set[str] = set()
        values = code.values()
        attributes = exact_text(
            used, clients=True, partly=code.is_trusted, described=self.described
        )
        text = exact_text(prepared)
        if values is None:
            raise DoubtError("uses a value that has no exact form")
        if attributes is None:
            raise DoubtError("has an attribute without an exact form")
        if text is None:
            raise DoubtError("gets something without an exact form from prep")
        self.texts = (code.digest.hex(), values, attributes, text)
        self._writes = self._params.writes
        self._identities = _identities(own)
        self._changing_params = self._read_changing_params()

    def _read_changing_params(self) -> str | None:
        """Return the text of the params if one of them can be changed in place; else an empty one."""
        params = plain(self._params)
        return "" if _FIXED.issuperset(map(type, params.values())) else exact_text(params)

    def changed(self) -> str:
        """Return what the exec has changed of them, in words that follow the node's name; or ""."""
        own = own_attributes(self._node)
        _, values, attributes, text = self.texts
        if assigned := dict(self._identities.items() ^ _identities(own).items()):
            return f"assigns self.{min(assigned)} in exec"
        is_written = self._params.writes != self._writes
        if is_written or self._read_changing_params() != self._changing_params:
            return "changes its params in exec"
        used, partly = self._code.attributes(own), self._code.is_trusted
        if exact_text(used, clients=True, partly=partly) != attributes:
            return "changes an attribute in place in exec"
        if exact_text(self._prepared) != text:
            return "changes in exec what prep returned"
        if self._code.values() != values or not self._code.is_current:
            return "uses a value that changed while it ran"
        return ""


def _refuse(
    node: Any, own: dict[str, Any], used: dict[str, Any], prepared: Any, shared: Any
) -> None:
    if type(node.params) is not ReadTrackingDict:
        raise DoubtError("has params that are not those of its row")
    if not _HOOKS.isdisjoint(own):
        raise DoubtError(OWN_EXEC)
    for name, value in used.items():
        if _holds(value, shared):
            raise DoubtError(f"keeps the shared store as self.{name}")
    if _holds(prepared, shared):
        raise DoubtError("gets the shared store from prep")


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
    return any(_holds(each, shared, depth + 1) for each in items if type(each) not in _FIXED)
