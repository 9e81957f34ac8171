"""A few lines at the end of a terminal that are redrawn in place while other code prints above them."""

from __future__ import annotations

import re
import shutil
import sys
import threading
from collections.abc import Sequence
from typing import Any, TextIO

from wcwidth import wcswidth

_STREAMS = ("stdout", "stderr")
_LONGEST = 4_000  # characters of an unfinished line that are kept to find its end on the screen
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -~]")
"""Escape sequences: they move the cursor, or set a colour or a title."""


def without_sequences(text: str) -> str:
    """Return a text without escape sequences."""
    return _SEQUENCES.sub("", text)


def column_after(line: str, columns: int) -> int:
    """Return the column of the cursor after a line was written to a terminal of so many columns.

    The line may hold escape sequences, tabs and carriage returns, and may be longer than a line of the
    terminal.
    """
    line = without_sequences(line).expandtabs(8).rpartition("\r")[2]
    width = wcswidth("".join(filter(str.isprintable, line)))
    # At the end of a line the cursor moves down only with the next character.
    return width and (width - 1) % columns + 1


def terminal_size() -> tuple[int, int]:
    """Return the columns and lines of the terminal; 80 and 24 if they are not known."""
    columns, lines = shutil.get_terminal_size()
    # In a container the size may be unknown; Python 3.10 then returns 0.
    return columns or 80, lines or 24


class Block:
    """A few lines that stay below everything else that is written to the terminal.

    From `open` to `close` the standard streams are replaced if they lead to the terminal, so that
    prints appear above the block. The cursor stays at the first line of the block, which is empty: what
    C code, a subprocess or a log handler writes to the terminal directly appears there, and the next
    drawing does not overwrite it.

    Args:
        moves: whether the terminal can move its cursor; otherwise the block is a single line.
    """

    def __init__(self, *, moves: bool) -> None:
        self._moves = moves
        self._out: TextIO = sys.stdout
        self._above: list[tuple[str, Above]] = []
        self._lock = threading.RLock()  # nodes print in threads
        self._shown = 0
        """Columns of the single line, or 1 for a block of lines; 0: nothing is on the screen."""
        self._unfinished = ""
        """What other code wrote since the last line break."""

    def open(self) -> None:
        """Replace the streams, so that other code writes above the block."""
        for name in _STREAMS:
            stream = getattr(sys, name)
            if stream is not None and stream.isatty():
                above = Above(stream, self)
                self._above.append((name, above))
                setattr(sys, name, above)

    def close(self) -> None:
        """Remove the block from the screen and restore the streams; further calls do nothing."""
        with self._lock:
            self._erase()
            for name, above in self._above:
                if getattr(sys, name) is above:
                    setattr(sys, name, above.below)
            self._above.clear()

    def draw(self, lines: Sequence[str], width: int) -> None:
        """Show these lines instead of the previous ones; without moves, only the first line.

        Args:
            width: columns of the first line, which may hold escape sequences.
        """
        with self._lock:
            for _, above in self._above:
                above.below.flush()  # so that earlier prints appear first
            column, _ = self._cursor()
            if self._moves:
                text = "\n" if column and not self._shown else "\r"
                shown = "".join(f"{line}\x1b[K\n" for line in ("", *lines)).removesuffix("\n")
                # Without automatic wrap, as the terminal may count columns in another way than we do.
                text += f"\x1b[?7l{shown}\x1b[J\x1b[?7h\r\x1b[{len(lines)}A"
                self._shown = 1
            else:
                text = "\n" if column and not self._shown else "\r"
                text += lines[0] + " " * (self._shown - width)
                self._shown = width
            self._put(text)

    def write(self, below: TextIO, text: str) -> Any:
        """Erase the block and write a text of other code; the next drawing puts the block below it."""
        with self._lock:
            self._erase()
            line = text.rpartition("\n")[2]
            self._unfinished = (line if "\n" in text else self._unfinished + line)[-_LONGEST:]
            return below.write(text)

    def _erase(self) -> None:
        if not self._shown:
            return
        if not self._moves:
            self._put("\r" + " " * self._shown + "\r")
            self._unfinished = ""  # it stays above: the cursor cannot return to it
        else:
            column, columns = self._cursor()
            back = f"\x1b[A\x1b[{column + 1}G" if 0 < column < columns else ""
            self._put(f"\r\x1b[J{back}")
        self._shown = 0

    def _cursor(self) -> tuple[int, int]:
        """Return the column after the unfinished line, and the number of columns."""
        columns, _ = terminal_size()
        return column_after(self._unfinished, columns), columns

    def _put(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "replace").decode(encoding))
        self._out.flush()


class Above:
    """Replaces the stream `below`: what is written to it appears above the block."""

    def __init__(self, below: TextIO, block: Block) -> None:
        self.below = below
        self._block = block

    def write(self, text: str) -> Any:
        """Write above the block."""
        return self._block.write(self.below, text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)
