"""What is recorded when an instance ends, and what is decided to follow."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from flowmagic import RateLimitHit
from flowmagic.limits.adaptive import Adaptive, Aimd
from flowmagic.records.status import CANCELLED, FAILED, PENDING, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.run.failures import ErrorBudget, Retries
from flowmagic.run.outcomes import Decision, Outcomes


class Journal:
    """Stands in for a journal: remembers the status of each row when it is written."""

    def __init__(self, records):
        self.records = records
        self.written = []

    def note(self, index):
        self.written.append((index, self.records.status[index]))


class Ended:
    """The outcomes of a run of 60 rows, whose instances start and end when a test says so."""

    def __init__(self, retries=0, *, max_errors=None, adaptive=None, journal=False):
        self.records = RecordStore({}, 0.0, 0)
        self.records.load([{"i": i} for i in range(60)])
        self.aimd = None if adaptive is None else Aimd(Adaptive(*adaptive))
        self.journal = Journal(self.records) if journal else None
        self.outcomes = Outcomes(
            self.records,
            retries=retries if isinstance(retries, Retries) else Retries(retries),
            max_errors=max_errors,
            aimd=self.aimd,
            journal=self.journal,
        )

    def start(self, index, at):
        if self.records.status[index] != PENDING:
            self.records.requeue(index)
        self.records.start(index, at)

    def succeed(self, index=0, began=1.0, now=2.0):
        self.start(index, began)
        return self.outcomes.succeeded(index, "action", now)

    def fail(self, error, index=0, *, began=1.0, now=2.0, cancelled=False):
        self.start(index, began)
        return self.outcomes.raised(index, error, now, cancelled=cancelled)


def with_body(status, body):
    request = httpx.Request("GET", "http://127.0.0.1/")
    response = httpx.Response(status, json=body, request=request)
    return httpx.HTTPStatusError("refused", request=request, response=response)


def refusal(status, **headers):
    request = httpx.Request("GET", "http://127.0.0.1/")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError("refused", request=request, response=response)


# What is recorded


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("adaptive", [None, (1, 4, 8)])
@pytest.mark.parametrize(
    ("error", "cancelled", "code"),
    [
        (None, False, SUCCEEDED),
        (ValueError(), False, FAILED),
        (SystemExit(), False, FAILED),
        (asyncio.CancelledError(), True, CANCELLED),
        (asyncio.CancelledError(), False, FAILED),
        (KeyboardInterrupt(), False, CANCELLED),
        (KeyboardInterrupt(), True, CANCELLED),
    ],
)
def test_each_kind_of_end_is_one_status_in_records_and_journal(
    error, cancelled, code, adaptive, journal
):
    """A cancellation that was not requested is the node's own doing, and a failure."""
    ended = Ended(journal=journal, adaptive=adaptive)
    decision = ended.succeed(3) if error is None else ended.fail(error, 3, cancelled=cancelled)
    assert ended.records.status[3] == code
    assert ended.records.results[3] == ("action" if error is None else error)
    assert ended.records.ended[3] == 2.0
    if journal:
        assert ended.journal.written == [(3, code)]
    if isinstance(error, KeyboardInterrupt):
        assert decision == Decision(interrupt=error)
    else:
        assert decision == (Decision() if code == FAILED else None)


def test_a_success_of_a_plain_run_goes_straight_to_the_records():
    """The hot path: with neither a journal nor an adaptive limit nothing else has to know."""
    ended = Ended()
    assert ended.outcomes.succeeded == ended.records.finish


def test_a_row_is_recorded_though_the_retry_filter_raises():
    """`Retries.on` is the user's function."""
    ended = Ended(Retries(1, on=lambda error: 1 / 0), journal=True)
    with pytest.raises(ZeroDivisionError):
        ended.fail(ValueError())
    assert ended.journal.written == [(0, FAILED)]


# Retries


def test_an_ordinary_failure_is_final_unless_retries_are_requested():
    """The default retries nothing."""
    assert Ended().fail(ValueError()) == Decision()


def test_each_instance_has_its_own_number_of_further_attempts():
    """Two mean three attempts; another instance's do not count, and forgiven it begins anew."""
    ended = Ended(2)
    assert [ended.fail(ValueError()).retry_in is None for _ in range(4)] == [
        False, False, True, True,
    ]  # fmt: skip
    assert ended.fail(ValueError(), 1).retry_in is not None
    ended.outcomes.forgive(0)
    assert ended.fail(ValueError()).retry_in is not None


def test_only_matching_errors_are_retried():
    """As `Retries.on` says."""
    ended = Ended(Retries(5, on=ValueError))
    assert ended.fail(ValueError()).retry_in is not None
    assert ended.fail(TypeError()).retry_in is None


def test_waits_grow_from_attempt_to_attempt(monkeypatch):
    """The second attempt is the first to wait."""
    monkeypatch.setattr("flowmagic.run.failures.random.uniform", lambda least, most: most)
    ended = Ended(Retries(3, wait=1.0))
    assert [ended.fail(ValueError()).retry_in for _ in range(3)] == [1.0, 2.0, 4.0]


# The error budget


def test_one_failure_too_many_stops_the_run():
    """By what the records count, this failure included; the reason has both numbers."""
    ended = Ended(max_errors=ErrorBudget(count=3))
    stops = [ended.fail(ValueError(), index).stop for index in range(4)]
    assert stops == ["", "", "", "4 instances failed, more than max_errors=3"]


def test_a_share_is_taken_of_what_succeeded_or_failed():
    """Cancelled instances do not count."""
    ended = Ended(max_errors=ErrorBudget(share=0.2, sample=20))
    for index in range(15):
        ended.succeed(index)
    for index in range(40, 50):
        ended.fail(asyncio.CancelledError(), index, cancelled=True)
    stops = [ended.fail(ValueError(), index).stop for index in range(15, 20)]
    assert stops == ["", "", "", "", "5 of 20 instances failed, more than max_errors=20%"]


def test_a_failure_that_is_retried_does_not_count():
    """It has not failed yet."""
    ended = Ended(1, max_errors=ErrorBudget(count=0))
    assert ended.fail(ValueError()).stop == ""
    assert ended.fail(ValueError()).stop != ""


# What providers say


def test_a_retry_after_cools_the_run_down():
    """With any options: what starts before it would be refused like this one."""
    ended = Ended()
    assert ended.fail(refusal(429, **{"Retry-After": "30"})) == Decision(cool_down=30.0)
    assert ended.fail(RateLimitHit("slow", retry_after=7)) == Decision(cool_down=7.0)
    assert ended.fail(refusal(429)) == Decision()


def test_a_refused_instance_is_among_the_first_when_the_run_continues():
    """It needs no wait of its own beside the run's."""
    decision = Ended(Retries(1, wait=50)).fail(RateLimitHit("slow", retry_after=7))
    assert decision == Decision(retry_in=0.0, cool_down=7.0)


def test_a_wait_that_a_named_limit_observes_is_not_waited_twice():
    """All callers under that limit wait already."""
    error = RateLimitHit("slow", retry_after=7)
    error._flowmagic_limit = "openai"
    assert Ended().fail(error).cool_down == 0.0


@pytest.mark.parametrize("error", [refusal(401), RateLimitHit("tomorrow", retry_after=9 * 3600.0)])
def test_what_no_wait_can_cure_is_not_retried(error):
    """Refused credentials, and a provider that asks for hours."""
    assert Ended(5).fail(error) == Decision()


def test_what_no_wait_can_cure_counts_as_a_failure():
    """Without an adaptive limit, the error budget stops the run."""
    decision = Ended(5, max_errors=ErrorBudget(count=0)).fail(refusal(401))
    assert decision.stop == "1 instances failed, more than max_errors=0"


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
    """Its reason says why, and because of which instance."""
    assert Ended(5, adaptive=(1, 4, 8)).fail(error, 3) == Decision(stop=reason)


# The adaptive limit


def test_an_adaptive_run_retries_refused_instances():
    """A number of times, whatever `retries` says; the limit is lowered once for those together."""
    ended = Ended(Retries(0, refusals=2), adaptive=(1, 8, 16))
    first = ended.fail(RateLimitHit(), 0, began=1.0, now=2.0)
    second = ended.fail(RateLimitHit(), 1, began=1.5, now=2.5)
    assert (first.limit, second.limit, ended.aimd.limit) == (4, None, 4)
    assert first.retry_in is not None
    assert ended.fail(RateLimitHit(), 0, began=3.0, now=4.0).retry_in is not None
    assert ended.fail(RateLimitHit(), 0, began=5.0, now=6.0).retry_in is None


def test_forgiven_refusals_do_not_count():
    """The user asked for another attempt."""
    ended = Ended(Retries(0, refusals=1), adaptive=(1, 8, 16))
    assert ended.fail(RateLimitHit()).retry_in is not None
    assert ended.fail(RateLimitHit()).retry_in is None
    ended.outcomes.forgive(0)
    assert ended.fail(RateLimitHit()).retry_in is not None


def test_a_request_that_is_too_large_fails_its_row_and_does_not_lower_the_limit():
    """Though its status is 429: otherwise one such row would hold the run at its lowest limit."""
    large = "Request too large on tokens per min (TPM): Limit 30000, Requested 30601."
    ended = Ended(adaptive=(1, 10, 20))
    decision = ended.fail(
        with_body(429, {"error": {"message": large, "code": "rate_limit_exceeded"}})
    )
    assert decision == Decision()
    assert ended.aimd.limit == 10
    assert ended.aimd.rate_limits == 0


def test_a_wait_that_is_only_in_the_text_cools_the_run_down():
    """As providers say it that send no Retry-After."""
    ended = Ended(adaptive=(1, 10, 20))
    decision = ended.fail(with_body(429, {"error": {"message": "Please try again in 20s."}}))
    assert decision == Decision(retry_in=0.0, cool_down=20.0, limit=5)


def test_a_refusal_with_a_retry_after_lowers_the_limit_and_cools_down():
    """And the refused instance is among the first to run again."""
    decision = Ended(adaptive=(2, 10, 50)).fail(RateLimitHit("slow down", retry_after=20))
    assert decision == Decision(retry_in=0.0, cool_down=20.0, limit=5)


def test_an_ordinary_failure_does_not_move_an_adaptive_limit():
    """A bug in a node says nothing about the provider."""
    ended = Ended(adaptive=(1, 8, 16))
    assert ended.fail(ValueError()) == Decision()
    assert (ended.aimd.limit, ended.aimd.rate_limits) == (8, 0)


def test_an_adaptive_limit_rises_after_a_round_of_successes():
    """By one, after as many successes as run at once."""
    ended = Ended(adaptive=(1, 4, 50))
    decisions = [ended.succeed(index) for index in range(6)]
    assert decisions == [None, None, None, Decision(limit=5), None, None]
