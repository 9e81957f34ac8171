"""Counts of execs that ran and that were reused."""

from __future__ import annotations

from flowmagic import ReuseCount


def test_reasons_are_counted():
    """The most frequent one is shown in the summary."""
    count = ReuseCount()
    for reason in ("a", "b", "b"):
        count.cannot(reason)
    assert count.why_not == {"a": 1, "b": 2}
