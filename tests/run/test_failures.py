"""What a failure means to a run: again, slower, or the end."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic import RateLimitHit
from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive, Aimd
from flowmagic.limits.limits import check_seconds
from flowmagic.run.failures import ErrorBudget, FailureAction, FailureHandler, Retries


def judged(recovery, error, index=0, *, began=1.0, now=2.0, failed=1, ended=1):
    return recovery.judge(index, error, began=began, now=now, failed=failed, ended=ended)


def refusal(status, **headers):
    request = httpx.Request("GET", "http://127.0.0.1/")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError("refused", request=request, response=response)


NEVER = Retries(0)


# Retries


def test_an_ordinary_failure_is_final_unless_retries_are_asked_for():
    """The default retries nothing."""
    assert judged(FailureHandler(NEVER, None, None), ValueError()) == FailureAction()


def test_each_instance_has_its_own_number_of_further_attempts():
    """Two mean three attempts; another instance's do not count, and forgiven it begins anew."""
    recovery = FailureHandler(Retries(2), None, None)
    assert [judged(recovery, ValueError()).again_in is None for _ in range(4)] == [
        False, False, True, True,
    ]  # fmt: skip
    assert judged(recovery, ValueError(), index=1).again_in is not None
    recovery.forgive(0)
    assert judged(recovery, ValueError()).again_in is not None


@pytest.mark.parametrize("on", [ValueError, (KeyError, ValueError), lambda e: "x" in str(e)])
def test_only_the_errors_asked_for_are_retried(on):
    """A class, a tuple of classes, or a function of the error."""
    recovery = FailureHandler(Retries(5, on=on), None, None)
    assert judged(recovery, ValueError("x")).again_in is not None
    assert judged(recovery, TypeError("y")).again_in is None


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
def test_retries_that_are_no_number_of_attempts_are_refused(wrong):
    """ValueError, with the corrected line."""
    with pytest.raises(LimitError, match=r"retries is .*not a number .*Write .*retries=2"):
        Retries(wrong)


@pytest.mark.parametrize("wrong", [5, None, "TimeoutError", (1,), int])
def test_what_tells_no_errors_is_refused_before_anything_runs(wrong):
    """And not when the first instance has failed."""
    with pytest.raises(LimitError, match=r"on is .*Write for example on=TimeoutError"):
        Retries(2, on=wrong)


@pytest.mark.parametrize(
    "wrong", [0, -1, True, "3", None, float("inf"), float("nan"), 10**400], ids=range(8)
)
def test_seconds_that_are_no_positive_number_are_refused(wrong):
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


def test_a_count_is_what_may_fail():
    """One more stops the run, and the reason names both numbers."""
    recovery = FailureHandler(NEVER, ErrorBudget(count=3), None)
    assert judged(recovery, ValueError(), failed=3).stop == ""
    reason = judged(recovery, ValueError(), failed=4).stop
    assert reason == "4 instances failed, more than max_errors=3"


def test_a_share_counts_from_its_sample_on():
    """The first failures of a large batch say little."""
    recovery = FailureHandler(NEVER, ErrorBudget(share=0.2, sample=20), None)
    assert judged(recovery, ValueError(), failed=19, ended=19).stop == ""
    assert judged(recovery, ValueError(), failed=4, ended=20).stop == ""
    reason = judged(recovery, ValueError(), failed=5, ended=20).stop
    assert reason == "5 of 20 instances failed, more than max_errors=20%"


def test_a_failure_that_is_retried_spends_no_budget():
    """It has not failed yet."""
    recovery = FailureHandler(Retries(1), ErrorBudget(count=0), None)
    assert judged(recovery, ValueError()).stop == ""
    assert judged(recovery, ValueError()).stop != ""


# What providers say


def test_a_retry_after_cools_the_run_down():
    """With any options: what starts before it would be refused like this one."""
    recovery = FailureHandler(NEVER, None, None)
    assert judged(recovery, refusal(429, **{"Retry-After": "30"})) == FailureAction(cool_down=30.0)
    assert judged(recovery, RateLimitHit("slow", retry_after=7)) == FailureAction(cool_down=7.0)
    assert judged(recovery, refusal(429)) == FailureAction()


def test_a_refused_instance_is_among_the_first_when_the_run_goes_on():
    """It needs no wait of its own beside the run's."""
    recovery = FailureHandler(Retries(1, wait=50), None, None)
    failure_action = judged(recovery, RateLimitHit("slow", retry_after=7))
    assert (failure_action.again_in, failure_action.cool_down) == (0.0, 7.0)


def test_a_wait_that_a_named_limit_took_up_is_not_waited_twice():
    """Whoever calls there waits already."""
    error = RateLimitHit("slow", retry_after=7)
    error._flowmagic_limit = "openai"
    assert judged(FailureHandler(NEVER, None, None), error).cool_down == 0.0


@pytest.mark.parametrize("error", [refusal(401), RateLimitHit("tomorrow", retry_after=9 * 3600.0)])
def test_what_no_wait_can_cure_is_not_retried(error):
    """Refused credentials, and a provider that asks for hours."""
    assert judged(FailureHandler(Retries(5), None, None), error) == FailureAction()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refusal(401), "the provider refused the credentials (instance 3, HTTPStatusError)"),
        (
            RateLimitHit("tomorrow", retry_after=9 * 3600.0 + 600),
            "the provider asks to come back in 9 h 10 min (instance 3, RateLimitHit)",
        ),
    ],
)
def test_an_adaptive_run_stops_for_what_no_wait_can_cure(error, reason):
    """Its reason says what, and which instance it was."""
    recovery = FailureHandler(NEVER, None, Aimd(Adaptive(1, 4, 8)))
    failure_action = judged(recovery, error, index=3)
    assert (failure_action.stop, failure_action.again_in) == (reason, None)


def test_an_adaptive_run_takes_refused_instances_up_again():
    """A number of times, whatever `retries` says; the limit is lowered once for those together."""
    aimd = Aimd(Adaptive(1, 8, 16))
    recovery = FailureHandler(Retries(0, refusals=2), None, aimd)
    first = judged(recovery, RateLimitHit(), began=1.0, now=2.0)
    second = judged(recovery, RateLimitHit(), index=1, began=1.5, now=2.5)
    assert (first.resized, second.resized, aimd.limit) == (True, False, 4)
    assert first.again_in is not None
    assert judged(recovery, RateLimitHit(), began=3.0, now=4.0).again_in is not None
    assert judged(recovery, RateLimitHit(), began=5.0, now=6.0).again_in is None


def test_an_ordinary_failure_moves_no_adaptive_limit():
    """A bug in a node says nothing about the provider."""
    aimd = Aimd(Adaptive(1, 8, 16))
    assert judged(FailureHandler(NEVER, None, aimd), ValueError()) == FailureAction()
    assert (aimd.limit, aimd.rate_limits) == (8, 0)
