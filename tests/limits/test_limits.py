"""Limits as values, and a limiter that keeps to them while they change."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import LimitError
from flowmagic.limits.limits import (
    MOST_LIMIT_CHANGES,
    LimitChange,
    Limiter,
    LimitHistory,
    Limits,
)
from flowmagic.limits.pace import WINDOW

from ..virtualtime import virtual


@pytest.mark.parametrize("wrong", [0, -1, True, False, 2.0, "3", None, [1]])
def test_a_limit_that_is_no_positive_integer_is_refused(wrong):
    """ValueError, saying what was found and what to write."""
    with pytest.raises(ValueError, match=r"limit is .*not a positive integer") as caught:
        Limits(concurrency=wrong)
    assert isinstance(caught.value, LimitError)
    hint = "run.pause()" if wrong == 0 else "limit=5"
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [0, -1, True, "3", math.inf, math.nan, 1j, 10**400, -(10**5_000)], ids=range(9)
)
def test_a_pace_that_is_no_positive_number_is_refused(wrong):
    """ValueError, naming None as the way to have no such limit."""
    with pytest.raises(LimitError, match=r"per_minute is .*per_minute=None for no such limit"):
        Limits(per_minute=wrong)


@pytest.mark.parametrize("given", [Fraction(60), np.int64(60), np.float32(60.0)], ids=range(3))
def test_a_pace_of_another_kind_becomes_a_plain_number(given):
    """What writes it down, in a journal or for the panel, knows plain numbers only."""
    kept = Limits(per_minute=given).per_minute
    assert kept == 60
    assert type(kept) in (int, float)


def test_slots_are_given_and_taken_back():
    """No more than the limit; a holder passes its slot on; a resize counts at once."""
    limiter = Limiter(Limits(2))
    assert [limiter.admit(0.0) for _ in range(3)] == [0.0, 0.0, math.inf]
    assert limiter.admit(0.0, holding=True) == 0.0
    limiter.limits = Limits(1)
    assert limiter.admit(0.0, holding=True) == math.inf
    limiter.release()
    assert limiter.admit(0.0, holding=True) == 0.0
    assert limiter.running == 1
    limiter.limits = Limits(3)
    assert limiter.limits == Limits(3)
    assert limiter.admit(0.0) == 0.0


def drive(limiter, now, until, *, late=lambda k: 0.0):
    """Start whenever admitted, each a little late; return the times."""
    starts = []
    while now < until:
        wait = limiter.admit(now, holding=limiter.running > 0)
        if wait:
            now += wait
            continue
        now += late(len(starts))
        limiter.begin(now)
        starts.append(now)
    return starts


def most_in(starts, seconds):
    """Return the most starts in any half-open window."""
    return max(bisect_left(starts, at + seconds - 1e-9) - k for k, at in enumerate(starts))


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600, 6000])
@pytest.mark.parametrize(
    "late", [lambda k: 0.0, lambda k: 0.001 * (k % 3), lambda k: 0.3 * (k == 5)]
)
def test_no_window_holds_more_than_the_pace_and_the_target_is_met(per_minute, late):
    """Never more than N in any 60 s, within 2 % of N a minute, no burst above 1.3 fair shares."""
    limiter = Limiter(Limits(1, per_minute))
    starts = drive(limiter, 1000.0, 1000.0 + 5 * WINDOW, late=late)
    assert most_in(starts, WINDOW) <= per_minute
    assert 5 * per_minute * 0.98 - 1 <= len(starts) <= 5 * per_minute + 1
    if per_minute == 6000:
        assert most_in(starts, 0.1) <= 1.3 * per_minute / 600


def test_changed_the_new_pace_holds_at_once():
    """Neither a silence after a faster pace nor a burst after a slower one."""
    limiter, now = Limiter(Limits(1, 6000)), 0.0
    for rate in (100, 500, 50):
        limiter.limits = Limits(1, rate * 60)
        starts = drive(limiter, now, now + 5)
        assert len(starts) == pytest.approx(rate * 5, rel=0.02)
        assert most_in(starts, 0.1) <= math.ceil(1.3 * rate / 10)
        now += 5


def test_a_window_across_a_limit_change_holds_no_more_than_the_larger_pace():
    """However often the pace is changed back and forth."""
    limiter, now, starts = Limiter(Limits(1, 60)), 0.0, []
    for turn in range(40):
        limiter.limits = Limits(1, (60, 30)[turn % 2])
        starts += drive(limiter, now, now + 7)
        now = max(now + 7, starts[-1])
    assert most_in(starts, WINDOW) <= 60


def test_a_pace_switched_off_and_on_begins_anew():
    """Without a pace nothing waits, and nothing is counted."""
    limiter = Limiter(Limits(1, 1))
    assert drive(limiter, 0.0, 1.0) == [0.0]
    limiter.limits = Limits(1)
    assert limiter._pace is None
    assert limiter.admit(2.0, holding=True) == 0.0
    limiter.limits = Limits(1, 60)
    assert limiter.admit(2.0, holding=True) == pytest.approx(1.0)


def test_an_admitted_that_does_not_begin_leaves_room():
    """What was let in counts against the window until it begins or gives up."""
    limiter = Limiter(Limits(5, 1))
    assert limiter.admit(0.0) == 0.0
    assert limiter.admit(100.0) == 60.0
    limiter.forgo()
    limiter.forgo()
    assert limiter.admit(100.0) == 0.0


def test_a_late_beginning_counts_from_when_it_began():
    """The window is of beginnings, not of admissions: a busy loop lies between."""
    limiter = Limiter(Limits(1, 2))
    starts = drive(limiter, 0.0, 200.0, late=lambda k: 20.0 * (k % 2 == 0))
    assert most_in(starts, WINDOW) <= 2


def test_a_burst_that_is_no_positive_integer_is_refused():
    """ValueError, saying what was found and what to write."""
    for wrong in (0, -1, True, 2.0, "3", None):
        with pytest.raises(LimitError, match=r"burst is .*not a positive integer.* burst=10"):
            Limits(per_minute=60, burst=wrong)


def test_a_burst_begins_at_once_and_counts_only_with_a_pace():
    """Three of sixty a minute at once; then one a second; a live change acts on the next."""
    limiter = Limiter(Limits(10, 60, 3))
    assert [start - 1000 for start in drive(limiter, 1000.0, 1003.5)] == [0, 0, 0, 1, 2, 3]
    limiter.limits = Limits(10, 60, 60)
    assert len(drive(limiter, 1003.5, 1003.6)) == 54
    assert Limiter(Limits(10, None, 3))._pace is None


@pytest.mark.parametrize("burst", [1, 4, 50, 600])
def test_with_a_burst_no_window_holds_more_than_the_pace_either(burst):
    """Never more than N in any 60 s, and within 2 % of N a minute."""
    starts = drive(Limiter(Limits(1, 600, burst)), 0.0, 5 * WINDOW)
    assert most_in(starts, WINDOW) <= 600
    assert len(starts) == pytest.approx(5 * 600, rel=0.02)


def test_during_a_cool_down_nothing_is_admitted():
    """A longer one extends it, a shorter one does not shorten it; running ones go on."""
    limiter = Limiter(Limits(5))
    limiter.admit(0.0)
    limiter.cool_down(10.0, 0.0)
    assert limiter.admit(1.0) == limiter.cooling(1.0) == 9.0
    limiter.cool_down(2.0, 1.0)
    assert limiter.admit(1.0, holding=True) == 9.0
    limiter.cool_down(19.0, 1.0)
    assert limiter.admit(19.0) == limiter.cooling(19.0) == 1.0
    assert limiter.running == 1
    assert limiter.admit(20.0) == 0.0
    assert limiter.cooling(21.0) == 0.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_a_cool_down_of_no_time_is_none(seconds):
    """It neither holds back nor ends one under way."""
    limiter = Limiter(Limits(5))
    limiter.cool_down(seconds, 0.0)
    assert limiter.plain
    assert limiter.admit(0.0) == 0.0
    limiter.cool_down(10.0, 0.0)
    limiter.cool_down(seconds, 5.0)
    assert limiter.cooling(5.0) == 5.0


def test_plain_says_that_only_the_slots_count():
    """Not with a pace, and not during a cool-down; the next admission after it notices."""
    limiter = Limiter(Limits(5))
    assert limiter.plain
    assert limiter.concurrency == 5
    limiter.cool_down(10.0, 0.0)
    assert not limiter.plain
    limiter.begin(0.0)  # what was admitted before it: nothing to count
    assert limiter.admit(10.0) == 0.0
    assert limiter.plain
    limiter.limits = Limits(7, 60)
    assert not limiter.plain
    assert limiter.concurrency == 7
    limiter.limits = Limits(7)
    limiter.forgo()
    assert limiter.admit(10.0) == 0.0
    assert limiter.plain


def test_after_a_cool_down_the_pace_goes_on_without_a_burst():
    """What was due meanwhile is not made up for."""
    limiter = Limiter(Limits(1, 6000))
    drive(limiter, 0.0, 1.0)
    limiter.cool_down(30.0, 1.0)
    starts = drive(limiter, 1.0, 32.0)
    assert starts[0] == 31.0
    assert most_in(starts, 0.1) <= 13


class Ask(AsyncNode):
    """Takes a second; refused the first time if its params say so."""

    async def exec_async(self, prepared):
        await asyncio.sleep(1)
        if self.params.get("refusals"):
            self.params["refusals"].pop()
            raise flowmagic.RateLimitHit("slow down", retry_after=1)


def test_of_many_changes_the_start_and_the_latest_are_kept():
    """An adaptive limit may move for hours: what is kept of it stays bounded."""
    limit_history = LimitHistory(Limits(1))
    for limit in range(2, 2 + MOST_LIMIT_CHANGES + 5):
        limit_history.note(float(limit), Limits(limit), "adaptive")
    kept = limit_history.kept()
    assert kept[0] == LimitChange(0.0, 1, None, "start")
    assert [kept[1].limit, kept[-1].limit] == [7, MOST_LIMIT_CHANGES + 6]
    assert len(kept) == 1 + MOST_LIMIT_CHANGES


def test_limits_that_were_in_force_already_are_no_change():
    """Neither the same ones again, nor another burst; going back to the first ones is one."""
    limit_history, first = LimitHistory(Limits(2, 60)), Limits(2, 60)
    limit_history.note(1.0, first, "user")
    limit_history.note(2.0, replace(first, burst=5), "user")
    assert len(limit_history.kept()) == 1
    limit_history.note(3.0, Limits(2), "user")
    limit_history.note(4.0, first, "user")
    assert limit_history.kept()[1:] == [
        LimitChange(3.0, 2, None, "user"),
        LimitChange(4.0, 2, 60, "user"),
    ]


@virtual
async def test_a_run_tells_what_its_user_has_changed_and_when():
    """Both limits, in seconds since the run began, also after its end."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), [{}] * 9, limit=3)
    assert run.limit_history == [LimitChange(0.0, 3, None, "start")]
    await asyncio.sleep(1.5)
    run.limit = 4
    run.per_minute = 600
    await run
    assert run.limit_history[1:] == [
        LimitChange(1.5, 4, None, "user"),
        LimitChange(1.5, 4, 600, "user"),
    ]


@virtual
async def test_what_an_adaptive_limit_does_by_itself_is_told_apart():
    """Down by half for a refusal, up a step for successes, and what the user sets in between."""
    rows = [{"refusals": [1]}, *({} for _ in range(60))]
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), rows, adaptive="1-4-50")
    await asyncio.sleep(1.5)
    assert run.limit_history[1:] == [LimitChange(1.0, 2, None, "adaptive")]
    run.limit = 6
    await run
    assert run.limit_history[2] == LimitChange(1.5, 6, None, "user")
    assert [each.by for each in run.limit_history[3:]] == ["adaptive"] * (
        len(run.limit_history) - 3
    )
    assert run.limit_history[-1].limit == run.limit > 6
