"""A sample of the simulation: thousands of random runs, each made from an integer.

`python -m benchmarks simulation` tries 100,000 of them, `python -m benchmarks put_back` shows which bugs
it finds.
"""

from __future__ import annotations

import pytest

from benchmarks.await_points import cancel_at_each_turn
from benchmarks.put_back import BUGS, found_by, put_back
from benchmarks.scenario import scenario
from benchmarks.simulation import BrokenError, breaks, reduced, script, simulate

FOUND = {
    "a slot leaks": 1,
    "a row that was cancelled": 26,
    "a row that was admitted": 40,
    "slots that are held": 163,
    "a stopped run": 61,
    "rows that did not start": 2,
    "outputs of parallel walks": 42,
    "a timeout fires": 3,
    "a claimed row": 280,
}
"""Integers that find bugs that are put back, by the beginning of their names."""

SEEDS = {"a list": 14, "an async generator": 22, "a journal, prep and post": 7}
"""Integers whose runs are cancelled everywhere, each with what it has."""


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


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_a_run_that_is_cancelled_at_any_turn_of_the_loop_leaves_nothing(seed, tmp_path):
    """At each point where something is awaited, one after the other."""
    points, broken = cancel_at_each_turn(seed, tmp_path)
    assert points > 20
    assert broken == []


@pytest.mark.parametrize(("name", "seed"), FOUND.items(), ids=FOUND)
def test_a_bug_that_is_put_back_is_found(name, seed, tmp_path):
    """By an integer that is known to find it; and it is gone afterwards."""
    [bug] = [each for each in BUGS if each.name.startswith(name)]
    assert found_by(bug, range(seed, seed + 1), tmp_path) == [seed]
    simulate(seed)


def test_a_scenario_that_breaks_a_promise_is_reduced_to_a_small_script(tmp_path):
    """What it prints breaks the same promise with the bug, and none without it."""
    made = scenario(FOUND["a slot leaks"])
    with put_back(BUGS[0]):
        small = reduced(made)
        assert breaks(small)
        with pytest.raises(BrokenError):
            exec(script(small), {})
    assert (small.source.rows, small.options, len(small.events)) == (1, {}, 2)
    exec(script(small), {})


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_can_still_be_put_back(bug):
    """The lines that it edits are there."""
    with put_back(bug):
        pass
