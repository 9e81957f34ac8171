"""What instances print on a worker: noted there, and printed again where their run is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any


class Prints:
    """What one instance prints on a worker, in any of its threads.

    Args:
        tell: called, in such a thread, when there is something to take and was nothing before.
    """

    __slots__ = ("_tell", "_texts")

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._texts: list[tuple[str, str]] = []

    def note(self, stream: str, text: str) -> None:
        """Note a text, and the name of the stream that it went to."""
        self._texts.append((stream, text))
        if len(self._texts) == 1:
            self._tell()

    def take(self) -> list[tuple[str, str]]:
        """Return what was printed since the last time, by stream, and forget it."""
        texts = self._texts[:]
        del self._texts[: len(texts)]  # a thread may be printing
        joined: list[tuple[str, str]] = []
        for stream, text in texts:
            if joined and joined[-1][0] == stream:
                joined[-1] = stream, joined[-1][1] + text
            else:
                joined.append((stream, text))
        return joined


def print_again(printed: list[tuple[str, str]]) -> None:
    """Print what `Prints.take` gave, as if it had been printed here."""
    for stream, text in printed:
        getattr(sys, stream).write(text)


printing: ContextVar[Prints | None] = ContextVar("flowmagic_prints", default=None)
"""Where the running instance notes what it prints."""


class _Stream:
    """Stands in for a standard stream of a worker: what an instance prints goes back to its run."""

    def __init__(self, below: Any, name: str) -> None:
        self._below = below
        self._name = name

    def write(self, text: str) -> Any:
        prints = printing.get()
        if prints is None:
            return self._below.write(text)
        prints.note(self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        # That of the stream below would go past `write`.
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


_catching = threading.Lock()


def catch() -> None:
    """Have what instances print in this process noted from now on."""
    with _catching:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _Stream):
                setattr(sys, name, _Stream(stream, name))
