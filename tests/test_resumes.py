"""A sample of `python -m benchmarks resumes`: generated flows, killed and resumed."""

from __future__ import annotations

from benchmarks.resumes import figures, kill_and_resume


def test_a_run_that_is_killed_at_any_turn_and_resumed_gives_what_the_uninterrupted_one_gives():
    """And what had succeeded does not run again; a failure names its integer."""
    found = [kill_and_resume(seed) for seed in range(1, 11)]
    assert [figure for figure in figures(found) if figure.verdict != "met"] == []
    assert sum(each.was_killed for each in found) >= 7
    assert sum(each.restored for each in found) > 0
