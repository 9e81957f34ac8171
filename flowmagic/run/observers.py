"""The functions that are called when the status of a run has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batchrun import BatchRun


class Observers:
    """Calls each observer with the run; removes one that raises.

    Args:
        run: what the observers are called with.
        loop: whose exception handler gets the errors of observers.
    """

    def __init__(self, run: BatchRun, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop
        self._observers: list[Callable[[BatchRun], None]] = []

    def add(self, observer: Callable[[BatchRun], None]) -> None:
        """Call `observer(run)` from the next change on."""
        self._observers.append(observer)

    def notify(self) -> None:
        """Call all observers."""
        for observer in list(self._observers):
            try:
                observer(self._run)
            except Exception as error:  # noqa: BLE001 - a bug in an observer must not end the run
                self._observers.remove(observer)
                message = "An observer of a flowmagic run raised, and was detached"
                self._loop.call_exception_handler({"message": message, "exception": error})
