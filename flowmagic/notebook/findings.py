"""Findings in words, for a terminal and for the panel: what is wrong first, then what is good to know."""

from __future__ import annotations

from collections.abc import Sequence

from ..finding import Finding
from ..showing import cut
from .cells import name_of

MOST = 20
"""Findings that the panel shows."""

_LONGEST = 600  # characters of one


def findings_text(found: Sequence[Finding]) -> str:
    """Return findings as text, a paragraph each."""
    if not found:
        return "Nothing was found that is likely to go wrong."
    return "\n".join(f"{'note: ' if each.note else '⚠ '}{each.text(name_of)}" for each in found)


def finding_lines(found: Sequence[Finding]) -> list[str]:
    """Return findings for the panel: bounded, and no more than `MOST`."""
    lines = [cut(each.text(name_of), _LONGEST) for each in found[:MOST]]
    if (left := len(found) - MOST) > 0:
        lines.append(f"… and {left} more: %batchflow FLOW --check")
    return lines
