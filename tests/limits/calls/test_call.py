"""One call that has been let in, and the tokens that it counts for."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.calls import CallLimit
from flowmagic.limits.calls.call import Call, check_tokens

from ...virtualtime import virtual
from .calltime import VirtualLimit, check_nothing_left


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
    for given, number in [(0, 0), (7, 7), (7.0, 7), (0.5, 0.5), (Fraction(3, 2), 1.5)]:
        checked = check_tokens(given)
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
