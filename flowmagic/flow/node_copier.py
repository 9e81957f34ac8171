"""Copies nodes as `copy.copy` does in PocketFlow, but faster for classes without hooks for copying.

Each class is examined once per run.
"""

from __future__ import annotations

import copy
import copyreg
from typing import Any

from pocketflow import AsyncNode, BaseNode, Flow

from .instrumentation import falls_back

_new = object.__new__


class NodeCopier:
    """Copies nodes.

    Attributes:
        direct: the classes of copied nodes that are async nodes without a fallback, and no flows.
    """

    def __init__(self) -> None:
        self.direct: set[type] = set()
        self._plain: set[type] = set()
        self._known: set[type] = set()

    def copy(self, node: Any) -> Any:
        """Return what `copy.copy(node)` returns."""
        kind = type(node)
        if kind not in self._plain:
            self._learn(kind)
            if kind not in self._plain:
                twin = copy.copy(node)
                self._learn(type(twin))  # a user's __copy__ may return another class
                return twin
        # `copy.copy` would make a whole run 30 to 60 % slower (benchmarks overhead).
        twin = _new(kind)
        twin.__dict__ = node.__dict__.copy()
        return twin

    def _learn(self, kind: type) -> None:
        if kind in self._known:
            return
        self._known.add(kind)
        if copies_plainly(kind):
            self._plain.add(kind)
        if issubclass(kind, AsyncNode) and not issubclass(kind, Flow) and not falls_back(kind):
            self.direct.add(kind)


def copies_plainly(kind: type) -> bool:
    """Whether `copy.copy` of such a node makes a new object with the same `__dict__`, and no more."""
    return (
        issubclass(kind, BaseNode)
        and kind not in copyreg.dispatch_table
        and kind.__new__ is object.__new__  # type: ignore[comparison-overlap]
        and kind.__setattr__ is object.__setattr__  # type: ignore[comparison-overlap]
        and kind.__getattribute__ is object.__getattribute__  # type: ignore[comparison-overlap]
        and kind.__reduce_ex__ is object.__reduce_ex__  # type: ignore[comparison-overlap]
        and kind.__reduce__ is object.__reduce__  # type: ignore[comparison-overlap]
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(
            hasattr(kind, hook)
            for hook in ("__copy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
        )
        and not any("__slots__" in vars(base) for base in kind.__mro__)
    )
