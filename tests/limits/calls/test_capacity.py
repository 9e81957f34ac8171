"""What a call limit allows at a moment."""

from __future__ import annotations

import asyncio
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.limits.calls import CallLimit
from flowmagic.limits.calls.capacity import KEEP, Call, Capacity, Meter, check_tokens

from ...virtualtime import virtual
from .calltime import VirtualLimit, check_nothing_left


def test_what_is_not_given_is_kept():
    """A change of one limit leaves the others as they are."""
    limit = CallLimit(concurrency=3, per_minute=60, tokens_per_minute=1000, burst=5, window=30.0)
    limit.change(per_minute=90)
    assert (limit.concurrency, limit.per_minute, limit.tokens_per_minute) == (3, 90, 1000)
    assert (limit._capacity.pace.burst, limit._capacity.pace.window) == (5, 30.0)
    limit.change(burst=9)
    assert (limit._capacity.pace.burst, limit._capacity.token_pace.burst, limit.per_minute) == (
        9,
        9,
        90,
    )


def test_with_an_adaptive_limit_the_concurrency_is_the_one_in_force():
    """Set by hand, it goes on from there; without it, it stays where it had come to."""
    limit = CallLimit(adaptive="2-10-50")
    assert limit.concurrency == 10
    assert limit.adaptive == Adaptive(2, 10, 50)
    limit.concurrency = 60
    assert (limit.concurrency, str(limit.adaptive)) == (60, "2-10-60")
    limit.adaptive = Adaptive(1, 5, 20, backoff=0.9)
    assert limit.concurrency == 20
    with pytest.raises(LimitError, match="concurrency=None, adaptive=None to have neither"):
        limit.concurrency = None
    with pytest.raises(LimitError):
        CallLimit(concurrency=3).change(concurrency=None, adaptive="1-2-3")
    limit.adaptive = None
    assert (limit.concurrency, limit.adaptive) == (20, None)
    limit.adaptive = "1-7-9"
    assert limit.concurrency == 7
    limit.change(concurrency=None, adaptive=None)
    assert (limit.concurrency, limit.adaptive) == (None, None)
    assert CallLimit(adaptive="2-10-50", concurrency=20).concurrency == 20


@virtual
async def test_the_last_minute_is_told_exactly_where_a_pace_counts_it():
    """And by the meter where none does, or where its window is another one."""
    limit = VirtualLimit(per_minute=60, burst=60)
    for _ in range(5):
        async with limit.call(tokens=3):
            await asyncio.sleep(0.3)
    await asyncio.sleep(58.55)
    assert limit.in_last_minute == limit.in_window == 4
    assert limit.tokens_in_last_minute == 3
    limit.per_minute = None
    assert limit.in_window == 0
    limit.window = 1.0
    limit.per_minute = 60
    async with limit.call():
        await asyncio.sleep(2.0)
    assert (limit.in_window, limit.in_last_minute) == (0, 1)


@virtual
async def test_a_pace_that_is_set_live_counts_from_the_last_call():
    """Neither a burst at once nor a minute of silence."""
    limit = VirtualLimit()
    async with limit.call():
        pass
    limit.per_minute = 60
    calls = await asyncio.gather(*(limit.call().__aenter__() for _ in range(3)))
    assert [call.began for call in calls] == [1001.0, 1002.0, 1003.0]


# Directly, with times given


def capacity(**settings):
    """Return a capacity with these settings."""
    made = Capacity()
    change(made, **settings)
    return made


def change(made, **settings):
    names = ("concurrency", "per_minute", "tokens_per_minute", "adaptive", "burst", "window")
    made.change(**{name: settings.get(name, KEEP) for name in names})


def begun(made, now, tokens=0):
    """Begin a call at a time; fails if it would have to wait."""
    assert made.wait(now, tokens) == 0
    made.take(now, tokens)
    return made.begin(None, now, tokens, 0.0)


def test_without_settings_nothing_has_to_wait():
    """Calls are counted all the same."""
    made = capacity()
    for _ in range(100):
        begun(made, 0.0, 5)
    assert (made.running, made.calls) == (100, 100)
    assert (made.calls_in_last_minute(1.0), made.tokens_in_last_minute(1.0)) == (100, 500)


def test_without_a_free_slot_a_call_waits_until_another_one_ends():
    """For how long nobody knows."""
    made = capacity(concurrency=2)
    begun(made, 0.0)
    begun(made, 0.0)
    assert made.wait(0.0, 0) == math.inf
    made.end()
    assert made.wait(0.0, 0) == 0


def test_the_wait_is_the_longest_that_a_limit_asks_for():
    """Of the pace of calls, the pace of tokens, and a cool-down."""
    made = capacity(per_minute=60)
    call = begun(made, 0.0, 50)
    assert made.wait(0.0, 10) == pytest.approx(1.0)
    change(made, tokens_per_minute=600)
    begun(made, 1.0, 50)
    assert made.wait(1.0, 10) == pytest.approx(5.0)
    made.end_refused(call, 1.0, 20.0)
    assert made.wait(1.0, 10) == pytest.approx(20.0)
    assert made.wait(30.0, 10) == 0


def test_what_is_given_back_leaves_its_room_to_others():
    """The slot and the tokens of a call that was cancelled before it began."""
    made = capacity(concurrency=1, tokens_per_minute=600, burst=60)
    made.take(0.0, 600)
    assert made.wait(0.0, 600) == math.inf
    made.give_back(600)
    assert (made.running, made.calls) == (0, 0)
    assert made.wait(0.0, 600) == 0


def test_the_tokens_of_a_call_are_replaced_by_what_it_used():
    """In the pace and in what was counted."""
    made = capacity(tokens_per_minute=600)
    call = begun(made, 0.0, 500)
    made.correct(call, 1.0, 100)
    assert call.tokens == 100
    assert made.tokens_in_last_minute(1.0) == 100


def test_refusals_lower_an_adaptive_limit_and_successes_raise_it():
    """A refusal that says for how long begins a cool-down; the longest one counts."""
    made = capacity(adaptive=Adaptive(1, 4, 8, threshold=1))
    first, second, third = (begun(made, 0.0) for _ in range(3))
    made.end_refused(first, 1.0, 30.0)
    made.end_refused(second, 1.0, 10.0)
    assert (made.slots, made.refused, made.running) == (2, 2, 1)
    assert made.wait(1.0, 0) == 30.0
    made.end_well(third)
    after = begun(made, 31.0)
    made.end_well(after)
    assert made.slots == 3


def test_a_change_that_contradicts_itself_changes_nothing():
    """An adaptive limit without a limit."""
    made = capacity(adaptive=Adaptive(1, 4, 8))
    with pytest.raises(LimitError, match="concurrency=None, adaptive=None"):
        change(made, concurrency=None, per_minute=60, burst=9)
    assert (made.slots, made.pace, made.burst) == (4, None, 1)


def test_a_reset_forgets_all_but_the_calls_that_run():
    """Counts, cool-down, paces, and what the adaptive limit has learned."""
    made = capacity(adaptive=Adaptive(1, 4, 8), per_minute=60)
    call = begun(made, 0.0, 10)
    begun(made, 1.0)
    made.end_refused(call, 1.0, 100.0)
    made.reset()
    assert (made.slots, made.running, made.calls, made.refused) == (4, 1, 0, 0)
    assert (made.calls_in_last_minute(1.0), made.tokens_in_last_minute(1.0)) == (0, 0)
    assert made.wait(1.0, 0) == 0


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9))), st.floats(0, 200))
def test_it_tells_at_most_what_the_last_minute_held_and_at_least_all_but_a_second_of_it(
    steps, after
):
    """However the time passes between."""
    meter, now, events = Meter(), 5000.5, []
    for passed, amount in steps:
        now += passed
        meter.add(now, amount)
        events.append((now, amount))
    now += after
    sums = [sum(amount for at, amount in events if at > now - age) for age in (59, 60)]
    assert sums[0] <= meter.total(now) <= sums[1]


def test_what_was_counted_can_be_corrected():
    """As long as its second is still counted."""
    meter = Meter()
    meter.add(100.0, 50)
    meter.add(130.0, 5)
    meter.add(100.0, -40)
    assert meter.total(131.0) == 15
    meter.add(160.0, 1)
    meter.add(100.0, -10)
    assert meter.total(160.0) == 6


def test_reset_forgets():
    """Everything."""
    meter = Meter()
    meter.add(100.0, 50)
    meter.reset()
    assert meter.total(100.0) == 0


@pytest.mark.parametrize(
    "wrong", [-1, float("nan"), float("inf"), "7", True, False, None, 1j, 10**400], ids=range(9)
)
def test_what_is_no_number_of_tokens_is_refused(wrong):
    """Wherever it is given: for a call, by a function of the arguments, as what was used."""
    limit = CallLimit()
    with pytest.raises(LimitError, match=r"tokens is .*limit.call\(tokens=1200\)"):
        limit.call(tokens=wrong)
    with pytest.raises(LimitError, match=r"tokens is .*limit.call\(tokens=1200\)"):
        limit.call(tokens=lambda: wrong)(print)()
    with limit.call(tokens=5) as call:
        with pytest.raises(LimitError, match=r"used is .*call.used\(1200\)"):
            call.used(wrong)
        assert call.tokens == 5
    check_nothing_left(limit)


def test_tokens_of_any_kind_of_number_are_counted_as_plain_ones():
    """Whole ones as int, so that what is shown has no `.0`."""
    limit = CallLimit()
    for tokens in (5, 5.0, 0.5):
        with limit.call(tokens=tokens) as call:
            assert call.tokens == tokens
    assert limit.tokens_in_last_minute == 10.5
    assert type(limit.call(tokens=5.0)._tokens) is int


async def call(limit, spy, seconds=1.0, tokens=0):
    async with limit.call(tokens=tokens):
        with spy:
            await asyncio.sleep(seconds)


@virtual
async def test_corrections_let_others_begin():
    """In the block and after it; the last word counts; upwards they make others wait."""
    limit, began = VirtualLimit(tokens_per_minute=1000, burst=1000), []

    async def one():
        async with limit.call(tokens=800) as call:
            began.append(call.began - 1000.0)

    async with limit.call(tokens=1000) as first:
        waiting = asyncio.create_task(one())
        await asyncio.sleep(5.0)
        first.used(900)
    first.used(100)
    await waiting
    assert began == [5.0]
    first.used(700)
    assert limit.tokens_in_last_minute == 1500
    await one()
    assert began == [5.0, 65.0]


@virtual
async def test_a_correction_under_a_pace_that_is_gone_is_only_counted():
    """Another pace that was set meanwhile knows nothing of that call."""
    limit = VirtualLimit(tokens_per_minute=1000)
    async with limit.call(tokens=10) as call:
        limit.tokens_per_minute = None
        limit.tokens_per_minute = 2000
    call.used(500)
    assert limit.tokens_in_last_minute == 500
    assert limit._capacity.token_pace.in_window(1000.0) == 0


class Owner:
    """Notes what it is told of its calls."""

    def __init__(self):
        self.corrected = []

    def correct(self, call, tokens):
        self.corrected.append((call, tokens))

    def leave(self, call, error):
        raise AssertionError("nobody has left")


def test_a_call_says_when_it_was_let_in_and_how_long_it_had_waited():
    """It stands in no other call, and under no pace, until somebody says so."""
    owner = Owner()
    call = Call(owner, 800, 1005.0, 2.5)
    assert (call.limit, call.tokens, call.began, call.waited) == (owner, 800, 1005.0, 2.5)
    assert (call.outer, call.pace, call.entry) == (None, None, None)


def test_what_was_really_used_is_told_to_the_limit():
    """As a plain number, as often as it is said; what is no number reaches nobody."""
    owner = Owner()
    call = Call(owner, 800, 1005.0, 0.0)
    call.used(900.0)
    call.used(0)
    with pytest.raises(LimitError):
        call.used(-1)
    assert owner.corrected == [(call, 900), (call, 0)]
    assert type(owner.corrected[0][1]) is int


def test_numbers_of_tokens_are_any_finite_ones_that_are_not_negative():
    """Fractions are kept, whole numbers become ints."""
    for amount, number in [(0, 0), (7, 7), (7.0, 7), (0.5, 0.5), (Fraction(3, 2), 1.5)]:
        checked = check_tokens(amount)
        assert (checked, type(checked)) == (number, type(number))


@pytest.mark.parametrize(
    ("name", "line"), [("used", "call.used(1200)"), ("tokens", "limit.call(tokens=1200)")]
)
def test_a_wrong_number_of_tokens_is_refused_with_the_line_to_write(name, line):
    """The one in which it stood."""
    with pytest.raises(LimitError) as caught:
        check_tokens("many", name)
    assert str(caught.value).startswith(f"{name} is a str ('many'), not a number of tokens")
    assert str(caught.value).endswith(f"Write for example {line}.")
