"""A kernel that is killed: what had ended is there, and little is done twice."""

from __future__ import annotations

import random

import pytest

from ..journal.killing import kill_and_resume

KILLS = 8  # `python -m benchmarks journal` kills fifty
LIMIT = 5


@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_that_was_reported_is_lost_and_at_most_limit_run_twice(tmp_path, number):
    """At a random moment, SIGKILL, while instances begin and end all the time."""
    kill = kill_and_resume(tmp_path, limit=LIMIT, after=random.uniform(0, 0.6))
    assert kill.lost == 0
    assert kill.repeated <= LIMIT
    assert kill.unmarked == 0
    assert kill.in_doubt <= LIMIT
