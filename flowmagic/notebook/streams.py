"""Replace the standard streams while the extension is loaded, to keep apart what instances write.

What an instance writes goes to its own output; everything else goes to the original stream, at once and
unchanged. Log records need no handler of ours: those that write to a standard stream then write to its
replacement, in their own format. A handler on the root logger would make `logging.basicConfig` do
nothing, and silence the warnings that Python prints if there is no handler.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from ..engines.redirects import owner
from ..records.printed import is_kept, keep

_STREAMS = ("stdout", "stderr")


class Stream:
    """Replaces a standard stream; attributes that it lacks are read from and set on that stream.

    Attributes:
        below: the original stream.
        active: whether text that instances write is kept apart; otherwise all goes to `below`.
    """

    below: Any
    active: bool = False

    def __init__(self, below: Any) -> None:
        self.below = below

    def write(self, text: str) -> Any:
        """Write to the output of the current instance; outside of instances, to the stream below."""
        if self.active and isinstance(text, str) and keep(text):
            return len(text)
        # Looked up each time: IPython replaces `write` while a cell runs.
        return self.below.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream below; in an instance do nothing, since its text is not there."""
        if not (self.active and is_kept()):
            self.below.flush()

    def __getattr__(self, name: str) -> Any:
        if name == "below":  # missing while `copy.copy` makes a copy
            raise AttributeError(name)
        return getattr(self.below, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # `write` must not be set below: IPython patches it with a function that calls the `write` of this
        # object, which would call the patched one again.
        if hasattr(type(self), name) or name == "below":
            super().__setattr__(name, value)
        else:
            setattr(self.below, name, value)

    def __repr__(self) -> str:
        return f"<flowmagic's replacement of {self.below!r}>"


_streams: weakref.WeakSet[Stream] = weakref.WeakSet()
"""All replacements that are still referenced, by a log handler for example."""

_installed = False


def install() -> None:
    """Replace sys.stdout and sys.stderr; further calls change nothing."""
    global _installed  # noqa: PLW0603 - sys.stdout is global, too
    _installed = True
    ensure_installed()


def ensure_installed() -> None:
    """Replace the streams again if `install` was called and other code has restored the originals.

    A `%%capture` over the `%load_ext` does that when its cell ends.
    """
    if not _installed:
        return
    for name in _STREAMS:
        below = getattr(sys, name)
        if below is None:
            continue
        if isinstance(below, Stream):
            below.active = True
            continue
        stream = next((each for each in _streams if each.below is below), None) or Stream(below)
        _streams.add(stream)
        stream.active = True
        setattr(sys, name, stream)
        _repoint(below, stream)


def uninstall() -> None:
    """Restore the original streams. A replacement that is still referenced passes everything on."""
    global _installed  # noqa: PLW0603 - sys.stdout is global, too
    _installed = False
    for stream in _streams:
        stream.active = False
        _repoint(stream, stream.below)
    for name in _STREAMS:
        while isinstance(stream := getattr(sys, name), Stream):
            setattr(sys, name, stream.below)


def _repoint(old: Any, new: Any) -> None:
    """Let the log handlers that write to one stream write to another."""
    for handler in _handlers():
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
            handler.setStream(new)


def _handlers() -> Iterator[logging.Handler]:
    for logger in (logging.root, *list(logging.root.manager.loggerDict.values())):
        yield from getattr(logger, "handlers", ())  # a logging.PlaceHolder has none


def keep_outputs(publisher: Any) -> None:
    """Let `clear_output()` in a node clear nothing: the cell's outputs are the panel and the summary.

    Args:
        publisher: the `display_pub` of a shell.
    """
    release_outputs(publisher)
    below = publisher.clear_output

    def clear_output(*args: Any, **kwargs: Any) -> None:
        if owner.get() is None:
            below(*args, **kwargs)

    publisher.clear_output = clear_output


def release_outputs(publisher: Any) -> None:
    """Undo `keep_outputs`."""
    vars(publisher).pop("clear_output", None)
