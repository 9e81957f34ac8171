"""Text as a terminal counts it: in columns, of which a character may take none, one or two.

Generous: where terminals differ, the greater width is assumed, so that a line rather ends early than
runs over the edge.
"""

from __future__ import annotations

import re
import unicodedata

_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -~]")
"""What would move the cursor, set a colour or a title."""

_EMOJI_STYLE = "\ufe0f"  # makes the character before it an emoji, which is two columns wide


def plain(text: str) -> str:
    """Return a text on one line, without whatever would do more than stand there."""
    text = " ".join(_SEQUENCES.sub("", text).split())
    # Not printable, by Python's word: controls, and what turns the direction of writing.
    return "".join(filter(str.isprintable, text))


def width_of(text: str) -> int:
    """Return how many columns a plain text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def cut_to(text: str, columns: int) -> str:
    """Cut a plain text to a number of columns; an ellipsis, one column wide, says that it was cut."""
    if width_of(text) <= columns:
        return text
    left = columns - 1
    for at, each in enumerate(text):
        left -= _width(each)
        if left < 0:
            return text[:at] + "…" * (columns > 0)
    raise AssertionError(text)  # pragma: no cover - it was wider than that


def padded(text: str, columns: int) -> str:
    """Return a plain text in exactly so many columns, cut or followed by spaces."""
    text = cut_to(text, columns)
    return text + " " * (columns - width_of(text))


def column_after(line: str, columns: int) -> int:
    """Return how many columns are written up to the cursor after somebody has written a line.

    Whatever stands in it; in a terminal of so many columns, where a longer line goes on below.
    """
    line = _SEQUENCES.sub("", line).expandtabs(8).rpartition("\r")[2]
    width = width_of("".join(filter(str.isprintable, line)))
    # At the very end of a line the cursor goes on below only with the next character.
    return width and (width - 1) % columns + 1


def _width(character: str) -> int:
    if character == _EMOJI_STYLE:
        return 1
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
