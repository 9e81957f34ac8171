"""Forwards what instances print on a worker to the process of their run, which prints it there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any


class PrintBuffer:
    """What one instance has printed on a worker, in any of its threads, and what was not sent yet.

    Args:
        on_first: called when a text is added to the empty buffer, in the thread that prints.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._texts: list[tuple[str, str]] = []

    def add(self, stream: str, text: str) -> None:
        """Add a text that was written to the stream with this name."""
        self._texts.append((stream, text))
        if len(self._texts) == 1:
            self._on_first()

    def take(self) -> list[tuple[str, str]]:
        """Empty the buffer; return names of streams and texts, with one text for consecutive writes."""
        texts = self._texts[:]
        del self._texts[: len(texts)]  # not `clear`: a thread may have added one meanwhile
        joined: list[tuple[str, str]] = []
        for stream, text in texts:
            if joined and joined[-1][0] == stream:
                joined[-1] = stream, joined[-1][1] + text
            else:
                joined.append((stream, text))
        return joined


def replay(texts: list[tuple[str, str]]) -> None:
    """Print what `PrintBuffer.take` returned in this process."""
    for stream, text in texts:
        getattr(sys, stream).write(text)


current_buffer: ContextVar[PrintBuffer | None] = ContextVar("flowmagic_print_buffer", default=None)
"""The buffer of the instance that runs in this context."""


class StdoutForwarder:
    """Replaces a standard stream of a worker: what instances write goes to their buffers."""

    def __init__(self, below: Any, name: str) -> None:
        self._below = below
        self._name = name

    def write(self, text: str) -> Any:
        """Add a text to the buffer of the current instance; outside of instances, write it below."""
        buffer = current_buffer.get()
        if buffer is None:
            return self._below.write(text)
        buffer.add(self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        # The method of the stream below would not call the `write` above.
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


_install_lock = threading.Lock()


def install_forwarders() -> None:
    """Replace the standard streams of this process, unless they have been replaced already."""
    with _install_lock:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, StdoutForwarder):
                setattr(sys, name, StdoutForwarder(stream, name))
