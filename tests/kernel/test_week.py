"""A kernel that lives long: a sample of `python -m benchmarks week`, which has ten thousand runs."""

from __future__ import annotations

from benchmarks.week import BOUNDS, growth


def test_runs_leave_nothing_in_a_kernel():
    """Memory, tasks, threads, timers and open files; each run has a panel, and some have a journal."""
    found = growth(40, 3)
    most = {**{name: bound for name, (bound, _) in BOUNDS.items()}, "memory": 6.0}
    assert {name: more for name, more in found.items() if more > most[name]} == {}
