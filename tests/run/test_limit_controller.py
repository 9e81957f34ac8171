"""The limits of a run, as they are moved. (That a run keeps to them: test_course.)"""

from flowmagic.errors import RateLimitHit
from flowmagic.limits.limits import Limits
from flowmagic.records.status import FAILED
from flowmagic.records.store import RecordStore
from flowmagic.run.limit_controller import LimitController
from flowmagic.run.options import Options


class Regulated:
    """A regulator whose clock stands where it is put, and what it told."""

    def __init__(self, **options):
        self.now = 100.0
        self.told = []
        self.records = RecordStore({}, self.now, 0)
        self.records.load([{"i": i} for i in range(10)])
        self.limit_controller = LimitController(
            Options.of(**options),
            self.records,
            clock=lambda: self.now,
            on_change=lambda limits, by: self.told.append((limits.concurrency, by)),
        )

    def fail(self, index, error):
        self.records.start(index, self.now)
        self.now += 1.0
        self.records.finish(index, error, self.now, FAILED)
        return self.limit_controller.failed(index, error)


def test_a_limit_change_by_hand_is_in_force_noted_and_told():
    """What is not named stays as it was."""
    regulated = Regulated(limit=3, per_minute=60)
    regulated.now += 2.0
    regulated.limit_controller.change(concurrency=7)
    assert regulated.limit_controller.limiter.limits == Limits(concurrency=7, per_minute=60)
    assert regulated.limit_controller.limit_history.kept()[-1] == (2.0, 7, 60, "user")
    assert regulated.told == [(7, "user")]


def test_a_refusal_lowers_an_adaptive_limit_and_holds_all_starts_for_as_long_as_it_asks():
    """And the refused instance is to run again."""
    regulated = Regulated(adaptive="2-10-50")
    failure_action = regulated.fail(0, RateLimitHit("slow down", retry_after=20))
    assert failure_action.again_in == 0.0
    assert regulated.told == [(5, "adaptive")]
    assert regulated.limit_controller.cooling == 20.0
    regulated.now += 15.0
    assert regulated.limit_controller.cooling == 5.0


def test_an_adaptive_limit_climbs_after_a_round_that_went_well_and_goes_on_from_a_change():
    """One more for each round: as many successes as run at once."""
    regulated = Regulated(adaptive="1-2-50")
    regulated.limit_controller.change(concurrency=4)
    for index in range(6):
        regulated.records.start(index, regulated.now)
        regulated.now += 1.0
        regulated.records.finish(index, None, regulated.now)
        regulated.limit_controller.succeeded(index)
    assert regulated.told[0] == (4, "user")
    assert regulated.told[1:] == [(5, "adaptive")]


def test_a_limit_that_is_not_adaptive_stays_where_it_is():
    """The provider's wish to wait holds all the same."""
    regulated = Regulated(limit=8)
    failure_action = regulated.fail(0, RateLimitHit("slow down", retry_after=3))
    regulated.limit_controller.succeeded(1)
    assert failure_action.again_in is None
    assert regulated.told == []
    assert regulated.limit_controller.cooling == 3.0


def test_what_an_instance_has_used_up_is_forgotten_when_somebody_asks_for_more():
    """`retries` counts anew then."""
    regulated = Regulated(retries=1)
    assert regulated.fail(0, ValueError()).again_in is not None
    assert regulated.fail(0, ValueError()).again_in is None
    regulated.limit_controller.forgive(0)
    assert regulated.fail(0, ValueError()).again_in is not None
