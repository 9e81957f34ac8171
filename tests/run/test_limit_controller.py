"""The owner of a run's limits. (That a run keeps them: test_lifecycle.)"""

import threading

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.limits.limits import Limits
from flowmagic.run.limit_controller import LimitController


class Controlled:
    """A limit controller whose clock stands where a test puts it."""

    def __init__(self, adaptive=None, **limits):
        self.now = 100.0
        self.controller = LimitController(
            Limits(**limits),
            None if adaptive is None else Adaptive.parse(adaptive),
            clock=lambda: self.now,
            began=self.now,
        )

    @property
    def in_force(self):
        return self.controller.limiter.limits


def test_requested_limits_are_shown_at_once_and_in_force_when_they_are_applied():
    """What is not named stays as it was; the history has the time from the run's beginning."""
    controlled = Controlled(concurrency=3, per_minute=60)
    controller = controlled.controller
    controller.request(concurrency=7)
    assert controller.limits == Limits(concurrency=7, per_minute=60)
    assert controlled.in_force == Limits(concurrency=3, per_minute=60)
    controlled.now += 2.0
    assert controller.apply_requested()
    assert controlled.in_force == controller.limits == Limits(concurrency=7, per_minute=60)
    assert controller.history.kept()[-1] == (2.0, 7, 60, "user")


def test_requests_add_up_until_they_are_applied_once():
    """Two fields of two requests; then nothing is left to apply."""
    controlled = Controlled(concurrency=3)
    controlled.controller.request(concurrency=4)
    controlled.controller.request(per_minute=60)
    controlled.controller.request(concurrency=5)
    assert controlled.controller.limits == Limits(concurrency=5, per_minute=60)
    assert controlled.controller.apply_requested()
    assert controlled.in_force == Limits(concurrency=5, per_minute=60)
    assert not controlled.controller.apply_requested()
    assert len(controlled.controller.history.kept()) == 2


def test_a_wrong_request_changes_nothing():
    """Neither what is shown nor what was requested before."""
    controlled = Controlled(concurrency=3)
    controlled.controller.request(concurrency=4)
    with pytest.raises(LimitError, match="per_minute is an int .0., not a positive number"):
        controlled.controller.request(concurrency=5, per_minute=0)
    assert controlled.controller.limits == Limits(concurrency=4)
    controlled.controller.apply_requested()
    assert controlled.in_force == Limits(concurrency=4)


def test_an_adaptive_change_does_not_undo_what_was_requested_meanwhile():
    """The request holds from when it is applied, and the adaptive limit continues from there."""
    controlled = Controlled("2-10-50", concurrency=10)
    controller = controlled.controller
    controller.request(concurrency=30, per_minute=60)
    controller.adapt(5)
    assert controller.limits == Limits(concurrency=30, per_minute=60)
    assert controlled.in_force == Limits(concurrency=5)
    controller.apply_requested()
    assert controlled.in_force == Limits(concurrency=30, per_minute=60)
    assert controller.aimd.limit == 30
    assert [(each.limit, each.by) for each in controller.history.kept()] == [
        (10, "start"), (5, "adaptive"), (30, "user"),
    ]  # fmt: skip


def test_requested_limits_are_shown_while_they_are_put_in_force():
    """Another thread that reads in between never sees the old ones again."""
    controlled = Controlled("2-10-50", concurrency=10)
    controller, seen = controlled.controller, []
    controller.aimd.change = lambda _: seen.append(controller.limits.concurrency)
    note = controller.history.note
    controller.history.note = lambda *args: (
        seen.append(controller.limits.concurrency),
        note(*args),
    )
    controller.request(concurrency=30)
    controller.apply_requested()
    assert seen == [30, 30]


def test_another_field_leaves_an_adaptive_limit_alone():
    """Its count of successes, too."""
    controlled = Controlled("1-2-50", concurrency=2)
    controlled.controller.aimd.succeeded(controlled.now)
    controlled.controller.request(per_minute=60)
    controlled.controller.apply_requested()
    assert controlled.controller.aimd.in_a_row == 1


def test_a_cool_down_counts_down_its_seconds():
    """One that ends earlier does not shorten it."""
    controlled = Controlled()
    controlled.controller.cool_down(20.0)
    assert controlled.controller.cooling == 20.0
    controlled.now += 15.0
    controlled.controller.cool_down(2.0)
    assert controlled.controller.cooling == 5.0
    controlled.now += 15.0
    assert controlled.controller.cooling == 0.0


def test_concurrent_requests_of_several_threads_are_all_kept():
    """While the loop applies: each thread reads back its own field, and the end has the last of both."""
    controlled = Controlled(concurrency=1)
    controller = controlled.controller
    wrong = []

    def request(field, read):
        for value in range(1, 2_000):
            controller.request(**{field: value})
            if read(controller.limits) != value:
                wrong.append((field, value, controller.limits))

    threads = [
        threading.Thread(target=request, args=("concurrency", lambda each: each.concurrency)),
        threading.Thread(target=request, args=("per_minute", lambda each: each.per_minute)),
    ]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        controller.apply_requested()
    for each in threads:
        each.join()
    controller.apply_requested()
    assert wrong == []
    assert controlled.in_force == Limits(concurrency=1_999, per_minute=1_999)
