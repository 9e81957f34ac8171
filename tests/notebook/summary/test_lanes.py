"""The bars of a timeline and their lanes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flowmagic.notebook.summary.lanes import EARLIER, Bar, bars_of, lanes_of
from flowmagic.records.status import FAILED, RUNNING, SUCCEEDED
from flowmagic.records.store import RecordStore

times = st.integers(0, 30).map(float)


@given(st.lists(st.tuples(times, times), max_size=40))
def test_bars_of_a_lane_do_not_overlap_and_there_is_no_lane_too_many(spans):
    """As many lanes as ever ran at once."""
    bars = sorted((Bar(start, start + length, SUCCEEDED) for start, length in spans))
    lanes = lanes_of(bars)
    assert sorted(bar for lane in lanes for bar in lane) == bars
    for lane in lanes:
        assert all(one.end <= other.start for one, other in pairwise(lane))
    lasting = [bar for bar in bars if bar.end > bar.start]
    at_once = [sum(each.start <= bar.start < each.end for each in bars) for bar in lasting]
    # One that takes no time needs a lane too, if all others are taken.
    most = max(at_once, default=0) + (len(lasting) < len(bars))
    assert len(lanes) <= most


def test_what_has_not_started_has_no_bar_and_what_runs_ends_now():
    """In the order of their starts, in seconds since the run began."""
    records = RecordStore({}, 100.0, 10)
    records.load([{}] * 4)
    records.start(2, 101.0)
    records.start(0, 103.0)
    records.start(1, 102.0)
    records.finish(0, None, 104.5)
    records.finish(1, ValueError(), 102.0, FAILED)
    assert bars_of(records, 7.0) == [
        Bar(1.0, 7.0, RUNNING, "#2 running, 1.00 s + 6.00 s"),
        Bar(2.0, 2.0, FAILED, "#1 failed, 2.00 s + 0.00 s"),
        Bar(3.0, 4.5, SUCCEEDED, "#0 succeeded, 3.00 s + 1.50 s"),
    ]


def test_an_attempt_that_another_one_followed_has_a_bar_of_its_own():
    """Also while the other one waits for its turn; of the same start, the first row is first."""
    records = RecordStore({}, 100.0, 10)
    records.load([{}] * 2)
    for index in (0, 1):
        records.start(index, 101.0)
        records.finish(index, ValueError(), 103.0, FAILED)
    records.requeue(0)
    assert bars_of(records, 7.0) == [
        Bar(1.0, 3.0, EARLIER, "#0 attempt 1 failed, 1.00 s + 2.00 s"),
        Bar(1.0, 3.0, FAILED, "#1 failed, 1.00 s + 2.00 s"),
    ]
