"""The values that say which instances run again and how many may fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import LimitError
from flowmagic.limits.limits import check_seconds
from flowmagic.run.failures import ErrorBudget, Retries

# Retries


@pytest.mark.parametrize("on", [ValueError, (KeyError, ValueError), lambda e: "x" in str(e)])
def test_errors_to_retry_are_given_by_class_or_function(on):
    """A class, a tuple of classes, or a function of the error."""
    retries = Retries(5, on=on)
    assert retries.matches(ValueError("x"))
    assert not retries.matches(TypeError("y"))


@given(st.integers(2, 500))
def test_waits_double_up_to_the_longest_and_are_random_below_that(attempt):
    """Full jitter: anything between nothing and the bound, so that many do not come back at once."""
    retries = Retries(3, wait=0.5, longest=20.0)
    bound = min(20.0, 0.5 * 2.0 ** min(attempt - 2, 60))
    waits = [retries.wait_before(attempt) for _ in range(50)]
    assert all(0 <= wait <= bound for wait in waits)
    assert max(waits) > 0.5 * bound
    assert min(waits) < 0.5 * bound


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "2", None, 101])
def test_retries_must_be_a_number_of_attempts(wrong):
    """ValueError, with the corrected line."""
    with pytest.raises(LimitError, match=r"retries is .*not a number .*Write .*retries=2"):
        Retries(wrong)


@pytest.mark.parametrize("wrong", [5, None, "TimeoutError", (1,), int])
def test_a_filter_that_can_select_no_errors_is_refused_before_anything_runs(wrong):
    """And not when the first instance has failed."""
    with pytest.raises(LimitError, match=r"on is .*Write for example on=TimeoutError"):
        Retries(2, on=wrong)


@pytest.mark.parametrize(
    "wrong", [0, -1, True, "3", None, float("inf"), float("nan"), 10**400], ids=range(8)
)
def test_seconds_must_be_a_positive_number(wrong):
    """ValueError, naming the option."""
    with pytest.raises(LimitError, match=r"timeout is .*not a positive number of seconds"):
        check_seconds(wrong, "timeout")
    with pytest.raises(LimitError, match="wait is"):
        Retries(1, wait=wrong)


# The error budget


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        (10, ErrorBudget(count=10)),
        (0, ErrorBudget(count=0)),
        ("10", ErrorBudget(count=10)),
        (0.2, ErrorBudget(share=0.2)),
        ("20%", ErrorBudget(share=0.2)),
        ("0.2", ErrorBudget(share=0.2)),
        ("20%/50", ErrorBudget(share=0.2, sample=50)),
        ((0.2, 50), ErrorBudget(share=0.2, sample=50)),
    ],
)
def test_a_budget_may_be_a_count_or_a_share(written, budget):
    """In Python and on a magic's line."""
    assert ErrorBudget.of(written) == budget
    assert ErrorBudget.of(budget) is budget


@pytest.mark.parametrize(
    "wrong",
    [-1, True, 1.5, 0.0, 1.0, "x", "", "%", "20%/x", "20%/0", "120%", (0.2, 0), (0.2, True), [1]],
)
def test_a_budget_that_is_neither_is_refused(wrong):
    """ValueError, with an example of each form."""
    with pytest.raises(LimitError, match=r'max_errors is .*max_errors=10, max_errors="20%"'):
        ErrorBudget.of(wrong)


def test_a_count_is_how_many_instances_may_fail():
    """One more exceeds it, and the sentence has both numbers."""
    budget = ErrorBudget(count=3)
    assert budget.exceeded(failed=3, ended=3) == ""
    assert budget.exceeded(failed=4, ended=4) == "4 instances failed, more than max_errors=3"


def test_a_share_counts_once_its_sample_has_ended():
    """The first failures of a large batch say little."""
    budget = ErrorBudget(share=0.2, sample=20)
    assert budget.exceeded(failed=19, ended=19) == ""
    assert budget.exceeded(failed=4, ended=20) == ""
    text = "5 of 20 instances failed, more than max_errors=20%"
    assert budget.exceeded(failed=5, ended=20) == text
