"""What the parts of a run report to its life cycle."""

from __future__ import annotations

from typing import Protocol

from .outcomes import Decision


class RunEvents(Protocol):
    """Receives what happens in a run by itself. `Lifecycle` in a run; called on the run's loop."""

    def carry_out(self, index: int, decision: Decision) -> None:
        """Do what follows from the end of an instance."""

    def retry_is_due(self) -> None:
        """Start workers: a row that waited for its retry may be taken now."""

    def workers_idle(self) -> None:
        """Note that nothing runs, and that nothing will start by itself."""

    def broke(self, error: BaseException) -> None:
        """End the run: the source of its batch raised, or a worker did outside any instance."""

    def engine_broke(self, error: BaseException) -> None:
        """End the run: its engine can run nothing more."""
