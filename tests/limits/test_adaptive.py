"""A limit that goes up a step while all is well, and down by half once per congestion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive, Aimd


@pytest.mark.parametrize(
    "value", ["2-10-50", " 2 - 10 - 50 ", (2, 10, 50), [2, 10, 50], Adaptive(2, 10, 50)]
)
def test_minimum_start_and_maximum_can_be_written_in_several_ways(value):
    """As a text, as three numbers, as what they become; and it reads as the text."""
    assert Adaptive.parse(value) == Adaptive(2, 10, 50)
    assert str(Adaptive.parse(value)) == "2-10-50"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "10",
        "2-10",
        "2-10-50-99",
        "a-b-c",
        "2--50",
        "-2-10-50",
        "2-1²-5",
        f"1-2-{9 * 10**600}",
        5,
        None,
        {},
    ],
)
def test_what_is_none_of_these_is_refused(wrong):
    """Saying what was found, and what to write."""
    with pytest.raises(LimitError, match=r'adaptive is .*not minimum.*adaptive="2-10-50"'):
        Adaptive.parse(wrong)


def test_bounds_out_of_order_are_refused():
    """The corrected line has the same numbers in order."""
    with pytest.raises(LimitError, match=r'but 10-2-50 is not.*adaptive="2-10-50"'):
        Adaptive.parse("10-2-50")


@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "3", None])
@pytest.mark.parametrize("name", ["minimum", "start", "maximum", "threshold"])
def test_what_is_no_positive_integer_is_refused(name, wrong):
    """Naming which one it is; only the threshold may be None."""
    values = {"minimum": 1, "start": 1, "maximum": 1, name: wrong}
    if name == "threshold" and wrong is None:
        assert Adaptive(**values).threshold is None
        return
    with pytest.raises(ValueError, match=rf"{name} .*not a positive integer. Write for example"):
        Adaptive(**values)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("backoff", wrong) for wrong in (0, 1, -0.5, 2, True, "0.5", None, float("nan"))]
    + [("growth", wrong) for wrong in (1, 0.5, True, "2", float("inf"), float("nan"))],
)
def test_a_factor_on_the_wrong_side_of_one_is_refused(name, wrong):
    """Saying what was found, and what to write."""
    with pytest.raises(LimitError, match=rf"{name} is .*Write for example {name}="):
        Adaptive(1, 2, 3, **{name: wrong})


def succeed(aimd, times, began=1000.0):
    return [aimd.succeeded(began) for _ in range(times)].count(True)


def test_a_round_of_successes_raises_it_by_one():
    """A round is as many as the limit in force."""
    aimd = Aimd(Adaptive(1, 2, 4))
    assert succeed(aimd, 1) == 0
    assert succeed(aimd, 1) == 1
    assert aimd.limit == 3
    assert succeed(aimd, 2) == 0
    assert aimd.in_a_row == 2
    assert succeed(aimd, 1) == 1
    assert aimd.limit == 4
    assert succeed(aimd, 20) == 0
    assert aimd.limit == 4
    assert aimd.successes == 25


def test_threshold_and_growth_make_other_steps():
    """So many successes, times so much, and by one at least."""
    aimd = Aimd(Adaptive(1, 2, 100, threshold=3, growth=1.2))
    limits = []
    for _ in range(14):
        succeed(aimd, 3)
        limits.append(aimd.limit)
    assert limits == [3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 26]


def test_a_refusal_halves_it_and_interrupts_the_row():
    """Down to the minimum and no further; by one at least."""
    aimd = Aimd(Adaptive(2, 10, 50))
    succeed(aimd, 9)
    assert aimd.refused(1.0, 2.0)
    assert aimd.limit == 5
    assert aimd.in_a_row == 0
    limits = [(aimd.refused(now, now), aimd.limit) for now in (3.0, 4.0, 5.0)]
    assert limits == [(True, 2), (False, 2), (False, 2)]
    assert aimd.rate_limits == 4
    aimd = Aimd(Adaptive(2, 10, 50, backoff=0.99))
    aimd.refused(1.0, 2.0)
    assert aimd.limit == 9


def test_one_congestion_lowers_once():
    """What began before the limit was lowered neither lowers it again nor raises it."""
    aimd = Aimd(Adaptive(1, 16, 50))
    lowered = [aimd.refused(float(began), 10.0 + began) for began in range(8)]
    assert lowered == [True] + [False] * 7
    assert aimd.limit == 8
    assert succeed(aimd, 50, began=10.0) == 0
    assert aimd.in_a_row == 0
    assert succeed(aimd, 8, began=10.1) == 1
    assert aimd.refused(10.2, 20.0)
    assert aimd.limit == 4
    assert aimd.rate_limits == 9


def test_somebody_elses_value_is_gone_on_from():
    """The bounds move out where it is out of bounds; no positive integer is refused."""
    aimd = Aimd(Adaptive(2, 10, 50, backoff=0.4))
    succeed(aimd, 9)
    aimd.change(60)
    assert (aimd.limit, str(aimd.adaptive), aimd.in_a_row) == (60, "2-10-60", 0)
    aimd.change(1)
    assert (aimd.limit, str(aimd.adaptive), aimd.adaptive.backoff) == (1, "1-10-60", 0.4)
    aimd.change(20)
    assert (aimd.limit, str(aimd.adaptive)) == (20, "1-10-60")
    with pytest.raises(LimitError, match="not a positive integer"):
        aimd.change(0)
    assert aimd.limit == 20


def test_other_bounds_move_the_value_only_as_far_as_they_must():
    """It stays where it is, if that is within them."""
    aimd = Aimd(Adaptive(2, 10, 50))
    for bounds, limit in [((1, 1, 99), 10), ((20, 30, 40), 20), ((1, 1, 5), 5)]:
        aimd.rebound(Adaptive(*bounds))
        assert aimd.limit == limit


def test_reset_begins_anew():
    """With the start, no counts, and no congestion to remember."""
    aimd = Aimd(Adaptive(2, 10, 50))
    succeed(aimd, 3)
    aimd.refused(1.0, 100.0)
    aimd.reset()
    assert (aimd.limit, aimd.successes, aimd.rate_limits, aimd.in_a_row) == (10, 0, 0, 0)
    assert aimd.refused(50.0, 51.0)


@given(
    st.lists(st.integers(1, 60), min_size=3, max_size=3).map(sorted),
    st.floats(0.01, 0.99),
    st.one_of(st.none(), st.integers(1, 5)),
    st.one_of(st.none(), st.floats(1.01, 3)),
    st.lists(st.tuples(st.booleans(), st.floats(0, 5))),
)
def test_it_never_leaves_its_bounds_and_never_stands_still_within(
    bounds, backoff, threshold, growth, events
):
    """Every change that is told is one, in the right direction, and never out of bounds."""
    aimd = Aimd(Adaptive(*bounds, backoff=backoff, threshold=threshold, growth=growth))
    now, lowered_at = 10.0, -1.0
    for went_well, age in events:
        now += 1.0
        before = aimd.limit
        changed = aimd.succeeded(now - age) if went_well else aimd.refused(now - age, now)
        assert changed == (aimd.limit != before)
        assert bounds[0] <= aimd.limit <= bounds[2]
        if went_well:
            assert aimd.limit >= before
        elif now - age > lowered_at:
            assert aimd.limit < before or before == bounds[0]
            lowered_at = now
        else:
            assert not changed
