"""Limits that are attributes of a node or flow."""

from __future__ import annotations

import pytest

from flowmagic.errors import LimitError
from flowmagic.throttled.adaptive_node import AdaptiveThrottledNode
from flowmagic.throttled.node import ThrottledParallelBatchNode
from flowmagic.throttled.presets import Presets


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
    for preset in ("openai_tier1", "unlimited_concurrent"):
        node = ThrottledParallelBatchNode(**Presets.get(preset))
        assert node.limiter.concurrency == Presets.get(preset)["max_concurrent"]
        assert node.limiter.per_minute == Presets.get(preset)["max_per_minute"]


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
