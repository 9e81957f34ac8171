"""The options of a run: checked together, before anything runs."""

from __future__ import annotations

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.limits.limits import Limits
from flowmagic.run.failures import ErrorBudget, Retries
from flowmagic.run.options import KEEP, Options


def test_what_is_not_asked_for_is_not_limited():
    """The defaults: five at once, and nothing else."""
    assert Options.of() == Options()
    assert Options() == Options(
        Limits(5, None, 1), None, None, None, Retries(0), threads=True, keep=KEEP
    )


def test_words_become_values():
    """Each in the forms that a user may write."""
    options = Options.of(
        per_minute=60, burst=3, adaptive="2-10-50", timeout=3, max_errors="20%", retries=2
    )
    assert options.limits == Limits(10, 60, 3)
    assert options.adaptive == Adaptive(2, 10, 50)
    assert (options.timeout, options.max_errors) == (3.0, ErrorBudget(share=0.2))
    assert options.retries == Retries(2)
    chosen = Retries(3, wait=0.1)
    assert Options.of(retries=chosen).retries is chosen


def test_two_words_on_how_many_at_once_are_refused():
    """The message says which to write."""
    with pytest.raises(LimitError, match=r'limit=5 and adaptive="2-10-50" both .*begins with 10'):
        Options.of(limit=5, adaptive="2-10-50")


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "many", None])
def test_a_keep_that_is_no_number_of_rows_is_refused(wrong):
    """ValueError, with the corrected line."""
    with pytest.raises(LimitError, match=r"keep is .*not a number of rows\. Write .*keep=1000"):
        Options.of(keep=wrong)


def test_with_other_limits_an_adaptive_one_moves_on_from_there():
    """Its bounds widen where the new limit lies outside."""
    options = Options.of(adaptive="2-10-50")
    assert options.with_limits(Limits(20)).adaptive == Adaptive(2, 20, 50)
    assert options.with_limits(Limits(1)).adaptive == Adaptive(1, 1, 50)
    assert options.with_limits(Limits(90)).adaptive == Adaptive(2, 90, 90)
    assert Options().with_limits(Limits(9)).adaptive is None
