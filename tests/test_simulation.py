"""A sample of the simulation: thousands of random runs, each made from an integer.

`python -m benchmarks simulation` tries 100,000 of them, `python -m benchmarks put_back` shows which bugs
it finds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.put_back import BUGS, found_by, put_back
from benchmarks.simulation import BrokenError, simulate


@pytest.mark.parametrize("first", range(1, 1001, 100))
def test_no_random_run_breaks_a_promise(first, tmp_path):
    """Counts, limits, outputs, the journal, and that nothing is left; a failure names its integer."""
    broken = []
    for seed in range(first, first + 100):
        try:
            simulate(seed, tmp_path)
        except BrokenError as error:
            broken.append(str(error))
    assert broken == []


@pytest.mark.parametrize("seed", [5, 33, 70])
def test_a_run_that_is_cancelled_at_any_turn_of_the_loop_leaves_nothing(seed):
    """At each point where something is awaited, one after the other."""
    turns = simulate(seed)
    assert turns > 20
    for turn in range(1, turns + 1):
        simulate(seed, cancel_at=turn)


@pytest.mark.parametrize("bug", BUGS[:1], ids=lambda bug: bug.name)
def test_a_bug_that_is_put_back_is_found(bug):
    """And it is gone afterwards."""
    assert found_by(bug, range(1, 6), Path())
    for seed in range(1, 6):
        simulate(seed)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_can_still_be_put_back(bug):
    """The lines that it edits are there."""
    with put_back(bug):
        pass
