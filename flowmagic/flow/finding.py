"""What was found in a graph or a run that its author may want to know, and where it stands."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

SHOWN = 5
"""Of the instances that something happened to, how many are named."""


def _short(file: str) -> str:
    """Return the name of a file as one would say it; kernels compile cells from odd ones."""
    folder, name = os.path.split(file)
    cell = os.path.basename(folder).startswith("ipykernel_") or name.startswith("<ipython-input-")
    return "its cell" if cell else name


class Place(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int

    def text(self, name_of: Callable[[str], str] = _short) -> str:
        """Return it in words: `agent.py, line 12`.

        Args:
            name_of: gives what to call a file.
        """
        name = name_of(self.file)
        return f"{_short(self.file) if name == self.file else name}, line {self.line}"

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True, repr=False)
class Finding:
    """One thing that was found.

    Attributes:
        what: what was found, as a sentence.
        why: why it matters.
        instead: what to write or do instead.
        node: class name of the node or flow it is about; empty if it is about none.
        place: the line it is about; None if that is not known.
        note: whether nothing is wrong, and it is only good to know.
        instances: indices of the first instances it happened to, and `count`: how many those are.
    """

    what: str
    why: str
    instead: str = ""
    node: str = ""
    place: Place | None = None
    note: bool = False
    instances: tuple[int, ...] = ()
    count: int = 0

    def where(self, name_of: Callable[[str], str] = _short) -> str:
        """Return where it is, in words: `Summarise, agent.py, line 12`; empty if it is nowhere."""
        parts = [self.node] if self.node else []
        if self.place is not None:
            parts.append(self.place.text(name_of))
        return ", ".join(parts)

    def text(self, name_of: Callable[[str], str] = _short) -> str:
        """Return all of it, as one paragraph."""
        where = self.where(name_of)
        parts = [self.what, self.why, self.instead]
        return (f"{where}: " if where else "") + " ".join(part for part in parts if part)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Finding: {self}>"  # a list of them is what a cell shows


def indices_text(indices: tuple[int, ...], count: int) -> str:
    """Return instances in words: `instances 3, 17 and 40`, or `instances 3, 17, 40 and 97 more`."""
    shown = [str(index) for index in indices[:SHOWN]]
    if (left := count - len(shown)) > 0:
        return f"instances {', '.join(shown)} and {left:,} more"
    if len(shown) == 1:
        return f"instance {shown[0]}"
    return f"instances {', '.join(shown[:-1])} and {shown[-1]}"
