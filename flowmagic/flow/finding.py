"""A finding: what is likely wrong in a flow or a run, at which line, and what to do about it.

Checks before a run and the audit after it make findings.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

SHOWN = 5
"""How many instances or keys a finding names; the others are counted."""


def _short(file: str) -> str:
    """Return the name of a file without its folder; the files that kernels make of cells have none."""
    folder, name = os.path.split(file)
    cell = os.path.basename(folder).startswith("ipykernel_") or name.startswith("<ipython-input-")
    return "its cell" if cell else name


class Place(NamedTuple):
    """A line of a file or cell."""

    file: str
    line: int

    def text(self, name_of: Callable[[str], str] = _short) -> str:
        """Return it as text: `agent.py, line 12`; `name_of` returns the name to show for a file."""
        name = name_of(self.file)
        return f"{_short(self.file) if name == self.file else name}, line {self.line}"

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True, repr=False)
class Finding:
    """Something in a flow or a run that its author may want to know.

    Attributes:
        what: what was found, as a sentence.
        why: why it matters.
        instead: what to write or do instead.
        node: class name of the node or flow that it is about; "" if there is none.
        place: the line that it is about; None if that is not known.
        note: whether it is only good to know, and nothing may be wrong.
        instances: indices of the first instances that it concerns.
        count: how many instances it concerns.
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
        """Return its node and place as text: `Summarise, agent.py, line 12`; "" if it has neither."""
        parts = [self.node] if self.node else []
        if self.place is not None:
            parts.append(self.place.text(name_of))
        return ", ".join(parts)

    def text(self, name_of: Callable[[str], str] = _short) -> str:
        """Return the whole finding as one paragraph."""
        where = self.where(name_of)
        parts = [self.what, self.why, self.instead]
        return (f"{where}: " if where else "") + " ".join(part for part in parts if part)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Finding: {self}>"  # a cell shows a list of findings by their repr


def indices_text(indices: tuple[int, ...], count: int) -> str:
    """Return instances as text: `instances 3, 17 and 40`, or `instances 3, 17, 40 and 97 more`.

    Args:
        indices: the first of them.
        count: how many there are in all.
    """
    shown = [str(index) for index in indices[:SHOWN]]
    if (more := count - len(shown)) > 0:
        return f"instances {', '.join(shown)} and {more:,} more"
    if len(shown) == 1:
        return f"instance {shown[0]}"
    return f"instances {', '.join(shown[:-1])} and {shown[-1]}"


def subject_text(indices: list[int]) -> str:
    """Return instances as the subject of a sentence: `Instances 3, 17 and 40`."""
    text = indices_text(tuple(indices[:SHOWN]), len(indices))
    return text[0].upper() + text[1:]


def concerned(indices: list[int]) -> dict[str, Any]:
    """Return the arguments of a `Finding` about these instances."""
    return {"instances": tuple(indices[:SHOWN]), "count": len(indices)}
