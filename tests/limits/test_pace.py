"""Starts are spread over a sliding window: amounts, bursts, changes, corrections."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.limits.pace import WINDOW, Pace


def drive(pace, now, until, *, amount=lambda k: 1, late=lambda k: 0.0):
    """Start whenever admitted, each a little late; return (time, amount) of each."""
    starts = []
    while now < until:
        size = amount(len(starts))
        wait = pace.admit(now, size)
        if wait:
            now += wait
            continue
        now += late(len(starts))
        pace.begin(now, size)
        starts.append((now, size))
    return starts


def most_in(starts, seconds):
    """Return the largest sum of amounts in any half-open window."""
    times = [at for at, _ in starts]
    sums = [0, *accumulate(size for _, size in starts)]
    return max(
        sums[bisect_left(times, at + seconds - 1e-9)] - sums[k] for k, at in enumerate(times)
    )


@pytest.mark.parametrize("most", [0.5, 1, 7, 60, 600, 6000])
@pytest.mark.parametrize(
    "late", [lambda k: 0.0, lambda k: 0.001 * (k % 3), lambda k: 0.3 * (k == 5)]
)
def test_no_window_holds_more_than_the_pace_and_the_target_is_met(most, late):
    """Never more than N in any 60 s, within 2 % of N a minute, no burst above 1.3 fair shares."""
    starts = drive(Pace(most), 1000.0, 1000.0 + 5 * WINDOW, late=late)
    assert most_in(starts, WINDOW) <= max(1, most)
    assert 5 * most * 0.98 - 1 <= len(starts) <= 5 * most + 1
    if most == 6000:
        assert most_in(starts, 0.1) <= 1.3 * most / 600


def test_a_window_of_another_length_holds_no_more_either():
    """Five in any two seconds, 0.4 s apart."""
    starts = drive(Pace(5, window=2.0), 0.0, 10.0)
    assert [at for at, _ in starts[:6]] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2.0])
    assert most_in(starts, 2.0) == 5


def test_who_had_to_wait_and_comes_late_catches_up_a_little():
    """By what 20 ms bring, whatever the delay; who comes after a second had no need to come."""
    for late, at_once in [(0.015, 2), (0.5, 3), (2.0, 1)]:
        pace = Pace(6000)
        assert len(drive(pace, 0.0, 0.01)) == 1
        assert pace.admit(0.005) == pytest.approx(0.005)
        assert len(drive(pace, 0.01 + late, 0.01 + late + 1e-4)) == at_once


def test_late_timers_catch_up():
    """Each timer a millisecond late, at intervals of two: within 2 % of the target all the same."""
    pace, now, starts = Pace(30_000), 0.0, 0
    while now < 10.0:
        wait = pace.admit(now)
        if wait:
            now += wait + 0.001
        else:
            pace.begin(now)
            starts += 1
    assert starts == pytest.approx(5_000, rel=0.02)


@pytest.mark.parametrize("burst", [1, 2, 5])
@pytest.mark.parametrize("most", [60, 6000])
def test_after_idleness_as_many_as_the_burst_begin_at_once(burst, most):
    """And then one after each interval; also again after another time of idleness."""
    pace = Pace(most, burst=burst)
    for now in (0.0, 100.0):
        starts = drive(pace, now, now + 10 * WINDOW / most)
        assert sum(at == now for at, _ in starts) == burst
        later = [at - now for at, _ in starts[burst : burst + 3]]
        assert later == pytest.approx([(k + 1) * WINDOW / most for k in range(3)])


@pytest.mark.parametrize("burst", [10, 11, 1000])
def test_a_burst_that_fills_the_window_is_a_plain_sliding_window(burst):
    """Ten at once, then nothing, then ten a minute later; the schedule spreads nothing."""
    starts = drive(Pace(10, burst=burst), 0.0, 2 * WINDOW)
    assert [at for at, _ in starts] == [0.0] * 10 + [60.0] * 10
    pace = Pace(10, burst=burst)
    for at in (0.0, 0.0, 0.0, 59.0, 59.0, 59.0, 59.0, 59.0, 59.0, 59.0, 60.0, 60.0, 60.0):
        assert pace.admit(at) == 0.0
        pace.begin(at)
    assert pace.admit(60.0) == 59.0


def test_amounts_are_spread_like_as_many_starts():
    """Six hundred tokens of 6000 a minute take six seconds, whoever comes next."""
    pace = Pace(6000)
    starts = drive(pace, 0.0, 5 * WINDOW, amount=lambda k: (600, 100, 1300)[k % 3])
    assert [at for at, _ in starts[:4]] == pytest.approx([0.0, 6.0, 7.0, 20.0])
    assert most_in(starts, WINDOW) <= 6000
    assert sum(size for _, size in starts) >= 0.9 * 5 * 6000


def test_a_burst_of_amounts_is_of_so_many_calls_like_this_one():
    """Three calls of 100 tokens at once, and no fourth."""
    pace = Pace(6000, burst=3)
    assert [at for at, _ in drive(pace, 0.0, 3.0, amount=lambda k: 100)] == pytest.approx(
        [0, 0, 0, 1, 2]
    )


def test_what_is_larger_than_the_window_goes_alone():
    """After everything else has left it, and with nothing beside it until it has left itself."""
    pace = Pace(100, burst=100)
    pace.admit(0.0, 60)
    pace.begin(0.0, 60)
    pace.admit(5.0, 30)
    pace.begin(5.0, 30)
    assert pace.admit(10.0, 250) == 60.0 + 5.0 - 10.0
    assert pace.admit(65.0, 250) == 0.0
    pace.begin(65.0, 250)
    assert pace.admit(100.0, 1) == pytest.approx(65.0 + 60.0 - 100.0)


def test_changed_the_new_pace_holds_at_once():
    """Neither a silence after a slower pace nor a burst after a faster one."""
    pace, now = Pace(6000), 0.0
    for rate in (100, 500, 50):
        pace.change(rate * 60)
        starts = drive(pace, now, now + 5)
        assert len(starts) == pytest.approx(rate * 5, rel=0.02)
        assert most_in(starts, 0.1) <= math.ceil(1.3 * rate / 10)
        now += 5


def test_a_window_across_a_limit_change_holds_no_more_than_the_larger_pace():
    """However often the pace is changed back and forth."""
    pace, now, starts = Pace(60), 0.0, []
    for turn in range(40):
        pace.change((60, 30)[turn % 2])
        starts += drive(pace, now, now + 7)
        now = max(now + 7, starts[-1][0])
    assert most_in(starts, WINDOW) <= 60


def test_a_window_after_a_limit_change_holds_no_more_than_the_new_pace():
    """With a burst, too: what the old pace left free is not filled up."""
    pace = Pace(60, burst=60)
    assert len(drive(pace, 0.0, 0.1, amount=lambda k: 30 if k else 1)) == 2
    pace.change(30)
    starts = drive(pace, 1.0, 1.1)
    assert len(starts) == 29, "one more would make 61 in the minute since 0.0"
    assert most_in(drive(pace, 200.0, 400.0), WINDOW) <= 30


def test_below_a_lowered_pace_only_what_began_since_stands_in_the_way():
    """What began before, and its corrections, count for the windows that reach back to it."""
    pace = Pace(100, burst=100)
    pace.admit(0.0, 50)
    entry = pace.begin(0.0, 50)
    pace.change(20)
    pace.admit(10.0, 20)
    pace.begin(10.0, 20)
    assert pace.admit(20.0, 1) == 50.0, "20 since the change: the first of these leaves at 70.0"
    pace.correct(entry, 90, 20.0)
    assert pace.in_window(20.0) == 110
    assert pace.admit(69.0, 1) == 1.0
    assert pace.admit(70.0, 20) == 0.0
    assert len(pace._eras) == 1, "no window reaches back to what was before"


def test_what_started_before_there_was_a_pace_counts():
    """The last one does: with the next one the window is full."""
    pace = Pace(2, burst=2, last=100.0)
    assert pace.in_window(101.0) == 1
    assert [at for at, _ in drive(pace, 101.0, 161.5)] == [101.0, 160.0, 161.0]


def test_a_burst_and_a_window_can_be_changed_too():
    """They act on the next one that asks."""
    pace = Pace(60)
    assert len(drive(pace, 0.0, 0.5)) == 1
    pace.change(60, burst=60)
    assert len(drive(pace, 0.5, 0.6)) == 59
    pace.change(60, window=30.0)
    assert pace.in_window(29.9) == 60
    assert pace.in_window(30.4) == 59


def test_an_admitted_that_does_not_begin_leaves_room():
    """What was let in counts against the window until it begins or gives up."""
    pace = Pace(10, burst=10)
    assert pace.admit(0.0, 10) == 0.0
    assert pace.admit(100.0, 4) == 24.0
    pace.forgo(10)
    pace.forgo(10)
    assert pace.admit(100.0, 10) == 0.0
    assert pace.admit(100.0, 1) > 0, "what was given up twice leaves no more room than once"
    assert pace.in_window(100.0) == 0


def test_beside_what_is_larger_than_the_window_nothing_is_let_in():
    """Not even what counts for nothing, and not before it begins either."""
    pace = Pace(1, burst=2)
    assert pace.admit(0.0, 2) == 0.0
    assert pace.admit(0.0, 0) > 0


def test_what_was_estimated_too_high_leaves_room():
    """The window's sum follows the correction, and so does the schedule."""
    pace = Pace(6000)
    pace.admit(0.0, 3000)
    entry = pace.begin(0.0, 3000)
    assert pace.admit(1.0, 100) == 29.0
    pace.correct(entry, 200, 1.0)
    assert pace.in_window(1.0) == 200
    assert pace.admit(1.0, 100) == pytest.approx(1.0)


def test_what_was_estimated_too_low_is_waited_for():
    """Not by those who have begun; by the next one."""
    pace = Pace(6000)
    pace.admit(0.0, 10)
    entry = pace.begin(0.0, 10)
    pace.correct(entry, 3000, 5.0)
    assert pace.admit(5.0, 100) == pytest.approx(25.0)
    pace.correct(entry, 8000, 6.0)
    assert pace.in_window(6.0) == 8000
    assert pace.admit(6.0, 100) == pytest.approx(80.0 - 6.0)


def test_a_correction_after_idleness_owes_and_gives_nothing():
    """The schedule had served it before; only the window's sum follows."""
    pace = Pace(6000)
    pace.admit(0.0, 1000)
    entry = pace.begin(0.0, 1000)
    pace.admit(20.0, 1000)
    pace.begin(20.0, 1000)
    pace.correct(entry, 0, 21.0)
    assert pace.admit(21.0, 1000) == pytest.approx(9.0)
    pace.correct(entry, 2000, 21.0)
    assert pace.admit(21.0, 1000) == pytest.approx(9.0)
    assert pace.in_window(21.0) == 3000


def test_a_correction_of_what_has_left_the_window_changes_nothing():
    """It comes too late to matter to anyone."""
    pace = Pace(60)
    pace.admit(0.0)
    entry = pace.begin(0.0)
    pace.correct(entry, 50, 60.0)
    assert pace.in_window(60.0) == 0
    assert pace.admit(60.0) == 0.0


def test_reset_forgets_what_began():
    """But not what is about to begin."""
    pace = Pace(2, burst=2)
    pace.admit(0.0)
    pace.begin(0.0)
    pace.admit(0.0)
    pace.reset()
    assert pace.in_window(0.0) == 0
    assert [pace.admit(0.0), pace.admit(0.0) > 0] == [0.0, True]


amounts = st.integers(0, 120)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 40)),
        st.tuples(st.just("ask"), amounts),
        st.tuples(st.just("begin"), st.just(0)),
        st.tuples(st.just("forgo"), st.just(0)),
        st.tuples(st.just("change"), st.integers(1, 120)),
        st.tuples(st.just("correct"), st.tuples(st.integers(0, 20), amounts)),
    ),
    max_size=60,
)


@given(st.integers(1, 120), st.integers(1, 130), steps)
def test_whatever_happens_no_window_is_let_grow_over_what_was_allowed_in_it(most, burst, steps):
    """Nothing begins that would make any window's known sum exceed the largest pace set in it.

    The exception is what is larger than the pace itself: that begins in an empty window.
    """
    pace, now = Pace(most, burst=burst), 0.0
    entries, admitted = [], []  # admitted: amounts let in
    paces = [(0.0, most)]  # since when
    for what, value in steps:
        if what == "pass":
            now += value
        elif what == "ask":
            wait = pace.admit(now, value)
            assert wait >= 0
            if wait:
                continue
            for start in {entry.at for entry in entries if entry.at > now - WINDOW} | {now}:
                held = sum(entry.amount for entry in entries if entry.at >= start) + sum(admitted)
                ended = [at for at, _ in paces[1:]] + [math.inf]
                allowed = max(
                    most for (_, most), end in zip(paces, ended, strict=True) if end >= start
                )
                assert held + value <= allowed or (held == 0 and value > paces[-1][1])
            admitted.append(value)
        elif what == "begin" and admitted:
            entries.append(pace.begin(now, admitted.pop()))
        elif what == "forgo" and admitted:
            pace.forgo(admitted.pop())
        elif what == "change":
            pace.change(value)
            paces.append((now, value))
        elif what == "correct" and entries:
            pace.correct(entries[value[0] % len(entries)], value[1], now)
        window = sum(entry.amount for entry in entries if entry.at + WINDOW > now)
        assert pace.in_window(now) == window


@given(st.integers(1, 120), st.integers(1, 5), st.lists(st.integers(1, 120), min_size=1))
def test_whoever_waits_as_told_is_let_in(most, burst, sizes):
    """Each wait ends: after a few at most, each for as long as was said; the first one is enough."""
    pace, now = Pace(most, burst=burst), 0.0
    for size in sizes:
        wait = pace.admit(now, size)
        if wait:
            now += wait
            while wait := pace.admit(now, size):
                assert wait < 1e-6, "only what rounding left"
                now += wait
        pace.begin(now, size)
        assert now <= sum(sizes) * WINDOW / most + WINDOW * len(sizes)


def test_what_waits_to_begin_together_is_no_more_than_a_burst():
    """A loop that is busy begins them all when it turns; so no more are let in until some began."""
    pace = Pace(6000)  # one in 10 ms
    let_in, now = 0, 0.0
    for _ in range(30):  # 300 ms of a loop that does not turn
        let_in += pace.admit(now) == 0
        now += 0.01
    assert let_in == 2
    pace.begin(now)
    assert pace.admit(now) == 0


def test_a_burst_that_was_asked_for_may_wait_to_begin_together():
    """It is what was asked for."""
    pace = Pace(6000, burst=7)
    assert [pace.admit(0.0) for _ in range(7)] == [0.0] * 7
    assert pace.admit(0.0) > 0
