"""What happened in the last minute, to the second, in constant space."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowmagic.limits.calls.meter import Meter


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
