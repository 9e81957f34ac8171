"""Where an instance runs: one small protocol, and an implementation per file."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from ..trace import Trace

__all__ = ["Engine"]


class Engine(Protocol):
    """Runs instances. A run has one; it is told nothing of limits, which the pool keeps."""

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Run one instance with its merged params, write its node copies, return its last action."""

    def resize(self, limit: int) -> None:
        """Be ready for `limit` instances at once."""

    def close(self) -> None:
        """Give everything back; called once, when the run has ended."""
