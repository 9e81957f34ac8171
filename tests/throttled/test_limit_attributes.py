"""Limits that are attributes of a node or flow."""

from __future__ import annotations

import pytest

from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.throttled.adaptive_node import AdaptiveThrottledNode
from flowmagic.throttled.limit_attributes import AdaptiveAttributes, LimitAttributes
from flowmagic.throttled.node import ThrottledParallelBatchNode


def test_limits_are_class_attributes_arguments_or_attributes():
    """An argument wins over the class attribute; the first two are PocketFlow's."""

    class Own(ThrottledParallelBatchNode):
        max_concurrent = 10
        max_per_minute = 120
        max_retries = 3
        wait = 2

    node = Own()
    assert (node.max_concurrent, node.max_per_minute, node.max_retries, node.wait) == (
        10,
        120,
        3,
        2,
    )
    node = Own(4, 0, max_concurrent=1)
    assert (node.max_concurrent, node.max_per_minute, node.max_retries, node.wait) == (1, 120, 4, 0)
    plain = ThrottledParallelBatchNode()
    assert (plain.max_concurrent, plain.max_per_minute) == (5, None)
    assert (plain.max_retries, plain.wait) == (1, 0)
    for limits in ((5, 60), (50, None)):
        node = ThrottledParallelBatchNode(max_concurrent=limits[0], max_per_minute=limits[1])
        assert (node.limiter.concurrency, node.limiter.per_minute) == limits


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("max_concurrent", 0),
        ("max_concurrent", -1),
        ("max_concurrent", 2.5),
        ("max_concurrent", True),
        ("max_concurrent", None),
        ("max_per_minute", 0),
        ("max_per_minute", "60"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused_when_it_is_set(name, wrong):
    """As argument, attribute or class attribute; the message names it and shows the line."""
    says = rf"^{name} is .*, not a positive (integer|number)"
    node = ThrottledParallelBatchNode()
    with pytest.raises(LimitError, match=says) as caught:
        setattr(node, name, wrong)
    assert f"Write for example {name}=" in str(caught.value)
    assert getattr(node, name) == getattr(ThrottledParallelBatchNode, name)
    with pytest.raises(LimitError, match=says):
        type("Own", (ThrottledParallelBatchNode,), {name: wrong})()
    if wrong is not None:
        with pytest.raises(LimitError, match=says):
            ThrottledParallelBatchNode(**{name: wrong})


def test_a_subclass_may_set_its_limits_before_its_base_is_ready():
    """And after."""

    class Own(ThrottledParallelBatchNode):
        def __init__(self):
            self.max_concurrent = 7
            super().__init__()
            self.max_per_minute = 70

    node = Own()
    assert (node.limiter.concurrency, node.limiter.per_minute) == (7, 70)


def test_bounds_that_contradict_each_other_are_refused():
    """A number to begin with gives way to bounds that were set; bounds do not give way."""
    with pytest.raises(
        LimitError, match="min_concurrent is 9, more than max_concurrent, which is 5"
    ):
        AdaptiveThrottledNode(min_concurrent=9, max_concurrent=5)
    assert AdaptiveThrottledNode(max_concurrent=3).current_concurrent == 3
    assert AdaptiveThrottledNode(min_concurrent=7).current_concurrent == 7


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("max_concurrent", 0),
        ("initial_concurrent", 0),
        ("min_concurrent", 0),
        ("backoff_factor", 1.0),
        ("backoff_factor", 0),
        ("recovery_threshold", 0),
        ("recovery_factor", 1),
    ],
)
def test_a_figure_that_cannot_be_kept_to_is_refused_when_it_is_set(name, wrong):
    """As argument, attribute or class attribute; the message names it and shows the line."""
    node = AdaptiveThrottledNode()
    with pytest.raises(LimitError, match=rf"^{name} is .*\({wrong}\), not a .*for example {name}="):
        setattr(node, name, wrong)
    assert getattr(node, name) == getattr(AdaptiveThrottledNode, name)
    with pytest.raises(LimitError, match=rf"^{name} is "):
        type("Own", (AdaptiveThrottledNode,), {name: wrong})()
    with pytest.raises(LimitError, match=rf"^{name} is "):
        AdaptiveThrottledNode(**{name: wrong})


# Directly, without a node or a flow


def even(value, name):
    if value % 2:
        raise LimitError(f"{name} is odd")


class Limited(LimitAttributes):
    """Notes what is enforced."""

    size = 2
    other = 4
    _checks = {"size": even, "other": even}

    def _limit_changed(self, name):
        self.__dict__.setdefault("enforced", []).append((name, getattr(self, name)))


class Bounded(AdaptiveAttributes):
    least = 1
    most = 20
    _minimum, _maximum = "least", "most"


def test_a_limit_is_checked_when_it_is_set_and_then_enforced():
    """A wrong one is neither set nor enforced; an attribute that is no limit is only set."""
    limited = Limited()
    limited.size = 6
    limited.name = "any"
    with pytest.raises(LimitError, match="other is odd"):
        limited.other = 3
    assert limited.enforced == [("size", 6)]
    assert limited._limit_values() == {"size": 6, "other": 4}


def test_arguments_that_are_none_keep_the_class_attributes():
    """The others become attributes of the object."""
    limited = Limited()
    limited._set_attributes(size=None, other=8)
    assert limited._limit_values() == {"size": 2, "other": 8}
    assert limited.enforced == [("other", 8)]


def test_class_attributes_of_a_subclass_are_checked_on_request():
    """They are not set on any object, so that nothing could check them earlier."""
    Limited()._check_limits()
    with pytest.raises(LimitError, match="size is odd"):
        type("Own", (Limited,), {"size": 3})()._check_limits()


def test_whoever_takes_limits_has_to_enforce_them():
    """The mixin does not know how."""
    bare = type("Bare", (LimitAttributes,), {"_checks": {"size": even}})()
    with pytest.raises(NotImplementedError):
        bare.size = 2


@pytest.mark.parametrize(("initial", "start"), [(5, 5), (0, 1), (99, 20)])
def test_the_first_value_of_an_adaptive_limit_is_brought_within_its_bounds(initial, start):
    """With the factors as they are set at the moment."""
    bounded = Bounded()
    bounded.backoff_factor, bounded.recovery_threshold = 0.8, 3
    assert bounded._adaptive_settings(initial) == Adaptive(
        1, start, 20, backoff=0.8, threshold=3, growth=1.2
    )


def test_bounds_in_the_wrong_order_are_named_with_a_way_out():
    """Whoever sets two bounds one by one may ask first."""
    bounded = Bounded()
    assert bounded._bounds_in_order()
    bounded.least = 30
    assert not bounded._bounds_in_order()
    with pytest.raises(LimitError, match="least is 30, more than most, which is 20.*least=20"):
        bounded._adaptive_settings(5)
