"""What a terminal shows of what is written to it: the few sequences that a panel of lines needs."""

from __future__ import annotations

import io
import re

from wcwidth import wcswidth

_PART = re.compile(
    r"\x1b\[(?P<mode>\??)(?P<number>\d*)(?P<what>[A-Za-z])|(?P<one>[^\x1b])", re.DOTALL
)


class Screen(io.StringIO):
    """A terminal of so many columns; a line that is too long goes on in the next one.

    It knows no other sequences than those it is meant to be sent: any other one fails the test.
    """

    encoding = "utf-8"

    def __init__(self, columns: int = 80, height: int = 24) -> None:
        super().__init__()
        self.columns, self.height = columns, height
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0
        self.wraps = True
        self.most = 1

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        at = 0
        while at < len(text):
            part = _PART.match(text, at)
            assert part, f"an unknown sequence: {text[at : at + 20]!r}"
            at = part.end()
            if part["one"]:
                self._character(part["one"])
            else:
                self._obey(part["mode"] + part["what"], int(part["number"] or 0))
        return len(text)

    def _character(self, each: str) -> None:
        if each == "\n":
            self._down()
        elif each == "\r":
            self.column = 0
        else:
            assert each.isprintable(), f"a control character: {each!r}"
            width = wcswidth(each)
            if self.column + width > self.columns:
                if not self.wraps:
                    return
                self._down()
            row = self.rows[self.row]
            row.extend(" " * (self.column + width - len(row)))
            row[self.column : self.column + width] = [each, *[""] * (width - 1)]
            self.column += width

    def _down(self) -> None:
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.rows):
            self.rows.append([])

    def _obey(self, what: str, number: int) -> None:
        row = self.rows[self.row]
        if what == "A":
            self.row = max(self.row - max(1, number), len(self.rows) - self.height, 0)
        elif what == "G":
            self.column = min(number, self.columns) - 1
        elif what == "K":
            del row[self.column :]
        elif what == "J":
            del row[self.column :]
            del self.rows[self.row + 1 :]
        elif what in ("?h", "?l"):
            assert number == 7, number
            self.wraps = what == "?h"
        else:
            assert what == "m", what

    @property
    def lines(self) -> list[str]:
        """What is there to be read, without the empty lines at the end."""
        lines = ["".join(row).rstrip() for row in self.rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines
