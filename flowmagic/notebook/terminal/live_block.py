"""Lines at the end of what a terminal shows, drawn anew in place, while others go on writing."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Sequence
from typing import Any, TextIO

from .width import column_after

_STREAMS = ("stdout", "stderr")
_LONGEST = 4_000  # characters of a line that somebody has begun, and that we must find the end of


def terminal_size() -> tuple[int, int]:
    """Return the columns and lines of the terminal; 80 and 24 where it says none."""
    columns, lines = shutil.get_terminal_size()
    # A container's terminal may know no size; Python 3.10 then says 0, later ones the fallback.
    return columns or 80, lines or 24


class Block:
    """A few lines that stay below whatever else is written to the terminal.

    From `open` to `close`, the standard streams that lead to the terminal have stand-ins: what
    somebody prints stands above the block. The cursor waits at the block's first line, which is
    empty: what gets to the terminal by another way (C code, a subprocess, a log handler with a
    stream of its own) can be read there too, and the next drawing leaves it where it is.

    Args:
        moves: whether the terminal moves its cursor as asked; else the block is one line.
    """

    def __init__(self, *, moves: bool) -> None:
        self._moves = moves
        self._out: TextIO = sys.stdout
        self._above: list[tuple[str, Above]] = []
        self._lock = threading.RLock()  # nodes print in threads
        self._shown = 0
        """Columns of the one line, or 1 for a whole block; 0: nothing of it is on the screen."""
        self._begun = ""
        """What others wrote since the last end of a line."""

    def open(self) -> None:
        """Let others write above the block from now on."""
        for name in _STREAMS:
            stream = getattr(sys, name)
            if stream is not None and stream.isatty():
                above = Above(stream, self)
                self._above.append((name, above))
                setattr(sys, name, above)

    def close(self) -> None:
        """Take the block from the screen, and the stand-ins from the streams; once or twice."""
        with self._lock:
            self._erase()
            for name, above in self._above:
                if getattr(sys, name) is above:
                    setattr(sys, name, above.below)
            self._above.clear()

    def draw(self, lines: Sequence[str], width: int) -> None:
        """Show these lines, instead of those before; without moves, only the first.

        Args:
            width: columns that the first line takes; it may hold sequences that take none.
        """
        with self._lock:
            for _, above in self._above:
                above.below.flush()  # what was written before stands before
            begun, _ = self._begun_columns()
            if self._moves:
                text = "\n" if begun and not self._shown else "\r"
                shown = "".join(f"{line}\x1b[K\n" for line in ("", *lines)).removesuffix("\n")
                # No line goes on in the next one, though the terminal may count otherwise than we.
                text += f"\x1b[?7l{shown}\x1b[J\x1b[?7h\r\x1b[{len(lines)}A"
                self._shown = 1
            else:
                text = "\n" if begun and not self._shown else "\r"
                text += lines[0] + " " * (self._shown - width)
                self._shown = width
            self._put(text)

    def write(self, below: TextIO, text: str) -> Any:
        """Write what others have to say, in the block's stead."""
        with self._lock:
            self._erase()
            line = text.rpartition("\n")[2]
            self._begun = (line if "\n" in text else self._begun + line)[-_LONGEST:]
            return below.write(text)

    def _erase(self) -> None:
        if not self._shown:
            return
        if not self._moves:
            self._put("\r" + " " * self._shown + "\r")
            self._begun = ""  # it stays above: there is no way back to it
        else:
            begun, columns = self._begun_columns()
            back = f"\x1b[A\x1b[{begun + 1}G" if 0 < begun < columns else ""
            self._put(f"\r\x1b[J{back}")
        self._shown = 0

    def _begun_columns(self) -> tuple[int, int]:
        """Return how far a line that somebody has begun reaches, and the columns there are."""
        columns, _ = terminal_size()
        return column_after(self._begun, columns), columns

    def _put(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "replace").decode(encoding))
        self._out.flush()


class Above:
    """Stands in for a stream, `below`: what is written to it stands above the block, if one is drawn."""

    def __init__(self, below: TextIO, block: Block) -> None:
        self.below = below
        self._block = block

    def write(self, text: str) -> Any:
        """Write above the block."""
        return self._block.write(self.below, text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Write each of some texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)
