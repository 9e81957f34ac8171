"""Exact texts of values."""

from __future__ import annotations

import dataclasses
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.flow.reuse.exact import exact_text, is_plain

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values, values)
def test_two_plain_values_have_the_same_text_only_if_they_are_the_same(one, other):
    """Type and content count, and so does the order of a dict."""
    assert (exact_text(one) == exact_text(other)) == (repr(one) == repr(other))


@dataclasses.dataclass
class Question:
    text: str


PAIRS = [
    (1, True),
    (1, 1.0),
    ("1", b"1"),
    ([1], (1,)),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (0.0, -0.0),
    (Question("a"), Question("b")),
    ({"question": Question("a")}, {"question": Question("b")}),
    ({"api_key": "sk-1"}, {"api_key": "sk-2"}),
    ({"q": Question("a"), "api_key": "sk-1"}, {"q": Question("a"), "api_key": "sk-2"}),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_values_of_another_type_or_content_have_other_texts(one, other):
    """Secrets count, too: another customer's token may lead to another answer."""
    assert exact_text(one) != exact_text(other)
    assert exact_text(one) == exact_text(one)


def test_what_has_no_exact_form_has_no_text():
    """Iterators, files and the like, also deep within a value."""
    with open(__file__) as file:
        for value in (iter([1]), (n for n in [1]), file, threading.Lock(), random.Random()):
            assert exact_text(value) is None
            assert exact_text({"deep": [value]}) is None


def test_a_very_long_int_has_a_text():
    """Python refuses its repr."""
    assert exact_text(10**5000) != exact_text(10**5000 + 1) != None  # noqa: E711


def test_a_value_nested_very_deeply_is_not_taken_for_plain():
    """Its text is written another way, or there is none."""
    value = []
    for _ in range(100):
        value = [value]
    assert not is_plain(value)
    exact_text(value)
