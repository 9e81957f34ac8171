"""What a preset is made of, and what it refuses to be made of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import LimitError
from flowmagic.throttled.preset_schema import (
    FlowRateLimitConfig,
    RateLimitConfig,
    check,
    in_json,
    in_python,
)


def test_a_config_gives_the_arguments_of_a_node_and_of_a_named_limit():
    """A limit that is None is no argument of a node, but unsets that of a named limit."""
    config = RateLimitConfig(5, 60, "Test", tokens_per_minute=90_000)
    assert config.to_dict() == {"max_concurrent": 5, "max_per_minute": 60}
    assert config.limits() == {"concurrency": 5, "per_minute": 60, "tokens_per_minute": 90_000}
    free = RateLimitConfig(max_concurrent=10, max_per_minute=None)
    assert free.to_dict() == {"max_concurrent": 10}
    assert free.limits() == {"concurrency": 10, "per_minute": None}
    assert (free.description, free.provider, free.source, free.date) == ("", "", "", "")
    with pytest.raises(AttributeError):
        config.max_concurrent = 10


def test_a_flow_config_gives_the_figures_that_it_has():
    """Those of adapting only where they are given; never the words."""
    config = FlowRateLimitConfig(5, None, "Words", source="a manual", date="2026-01-31")
    assert config.to_dict() == {"max_concurrent_flows": 5}
    assert config.arguments() == {"max_concurrent_flows": 5, "max_flows_per_minute": None}
    adapts = {"max_concurrent_flows": 9, "initial_concurrent_flows": 3, "backoff_factor": 0.5}
    assert FlowRateLimitConfig(**adapts).arguments() == adapts


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("max_concurrent", 0, "an int (0), not a positive integer. Write for example max_c"),
        ("max_concurrent", None, "None, not a positive integer"),
        ("max_concurrent", True, "a bool (True), not a positive integer"),
        ("max_concurrent", 2.0, "a float (2.0), not a positive integer"),
        ("max_per_minute", -1, "an int (-1), not a positive number. Write for example max_per_m"),
        ("max_per_minute", "60", "a str ('60'), not a positive number"),
        ("tokens_per_minute", math.inf, "a float (inf), not a positive number"),
        ("tokens_per_minute", math.nan, "a float (nan), not a positive number"),
        ("description", None, "None, not text"),
        ("date", "31.1.2026", "not a day as YYYY-MM-DD. Write for example date='2026-01-31'."),
        ("date", "20260131", "not a day as YYYY-MM-DD"),
        ("date", "2026-02-30", "not a day as YYYY-MM-DD"),
        ("date", 2026, "an int (2026), not a day as YYYY-MM-DD"),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(field, wrong, said):
    """LimitError with the field, what was found, what was expected, and the corrected line."""
    with pytest.raises(LimitError, match=f"^{field} is ") as caught:
        RateLimitConfig(**{"max_concurrent": 5, field: wrong})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "wrong", "expected"),
    [
        ("max_concurrent_flows", 0, "a positive integer"),
        ("max_flows_per_minute", 0, "a positive number"),
        ("initial_concurrent_flows", 1.5, "a positive integer"),
        ("min_concurrent_flows", 0, "a positive integer"),
        ("backoff_factor", 1, "a number between 0 and 1"),
        ("backoff_factor", 0, "a number between 0 and 1"),
        ("recovery_threshold", 0, "a positive integer"),
        ("recovery_factor", 1.0, "a number above 1"),
    ],
)
def test_a_figure_of_a_flow_is_checked_as_well(field, wrong, expected):
    """Also the ones that say how a limit adapts."""
    with pytest.raises(LimitError, match=f"^{field} is .*, not {expected}. Write for example"):
        FlowRateLimitConfig(**{"max_concurrent_flows": 5, field: wrong})


def test_the_corrected_line_is_written_as_the_place_wants_it():
    """As JSON in a file, as an argument in a call; a field that is missing or unknown is named."""
    with pytest.raises(LimitError, match=r'^max_concurrent is missing. Add "max_concurrent": 5.$'):
        check(RateLimitConfig, {"max_per_minute": None}, in_json)
    with pytest.raises(LimitError, match=r"'max_concurent' is no .* Did you mean 'max_concurrent'"):
        check(RateLimitConfig, {"max_concurent": 5}, in_python)
    with pytest.raises(LimitError, match=r"'zzz' is no field of a preset. There are: max_conc"):
        check(RateLimitConfig, {"zzz": 5}, in_python)


@given(
    st.dictionaries(
        st.sampled_from(["max_concurrent", "max_per_minute", "date", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text("2026-x", max_size=10),
    )
)
def test_whatever_is_given_is_taken_or_refused_with_a_limit_error(fields):
    """Nothing else escapes, and what is taken can be kept to."""
    try:
        check(RateLimitConfig, fields, in_json)
    except LimitError:
        return
    config = RateLimitConfig(**fields)
    assert config.max_concurrent >= 1
    assert config.max_per_minute is None or 0 < config.max_per_minute < math.inf
