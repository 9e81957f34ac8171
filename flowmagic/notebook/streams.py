"""The standard streams while the extension is loaded: what an instance writes goes to its own output.

Everything else goes on to the stream below, at once and unchanged. So do log records: handlers that
write to a standard stream write to its stand-in, and an instance's records end in its output, once,
in the handler's own format. There is no handler of ours: on the root logger it would make
`logging.basicConfig` do nothing, and silence the warnings that Python prints where there is none.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from ..records.printed import is_kept, keep

_STREAMS = ("stdout", "stderr")


class Stream:
    """Stands in for a standard stream, `below`, as long as `topology` is set; then it only passes on.

    Attributes that it does not have itself are read and set on the stream below.
    """

    below: Any
    topology: bool = False

    def __init__(self, below: Any) -> None:
        self.below = below

    def write(self, text: str) -> Any:
        """Write to the output of the instance that runs here; else to the stream below."""
        if self.topology and isinstance(text, str) and keep(text):
            return len(text)
        # Looked up each time: IPython replaces it for the duration of a cell.
        return self.below.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of some texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream below; an instance has nothing in it."""
        if not (self.topology and is_kept()):
            self.below.flush()

    def __getattr__(self, name: str) -> Any:
        if name == "below":  # not there yet, in a copy that is being made
            raise AttributeError(name)
        return getattr(self.below, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # What is here must not be set below: IPython patches `write` with something that calls the
        # one it found here, and that would call the patched one.
        if hasattr(type(self), name) or name == "below":
            super().__setattr__(name, value)
        else:
            setattr(self.below, name, value)

    def __repr__(self) -> str:
        return f"<flowmagic's stand-in for {self.below!r}>"


_made: weakref.WeakSet[Stream] = weakref.WeakSet()
"""All that somebody may still write to."""

_installed = False


def install() -> None:
    """Let stand-ins take the place of sys.stdout and sys.stderr; once, however often called."""
    global _installed  # noqa: PLW0603 - the streams are the process's, too
    _installed = True
    stand_in()


def stand_in() -> None:
    """See that the stand-ins are in place, if they are installed.

    Somebody who had replaced a stream when they came may have put the old one back since then: a
    `%%capture` over the `%load_ext`.
    """
    if not _installed:
        return
    for name in _STREAMS:
        below = getattr(sys, name)
        if below is None:
            continue
        if isinstance(below, Stream):
            below.topology = True
            continue
        stream = next((each for each in _made if each.below is below), None) or Stream(below)
        _made.add(stream)
        stream.topology = True
        setattr(sys, name, stream)
        _repoint(below, stream)


def uninstall() -> None:
    """Put back what was there. A stand-in that somebody has wrapped, or holds, passes all on."""
    global _installed  # noqa: PLW0603 - ditto
    _installed = False
    for stream in _made:
        stream.topology = False
        _repoint(stream, stream.below)
    for name in _STREAMS:
        while isinstance(stream := getattr(sys, name), Stream):
            setattr(sys, name, stream.below)


def _repoint(before: Any, after: Any) -> None:
    """Let log handlers that write to one stream write to another."""
    for handler in _handlers():
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is before:
            handler.setStream(after)


def _handlers() -> Iterator[logging.Handler]:
    for logger in (logging.root, *list(logging.root.manager.loggerDict.values())):
        yield from getattr(logger, "handlers", ())  # a mere place holder has none
