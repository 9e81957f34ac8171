"""Values as Python."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import pathlib
import uuid

import pytest
from hypothesis import given

from flowmagic.journal.export.literals import Literals

from ..test_codec import VALUES


def evaluated(literals, text):
    names: dict = {}
    exec("\n".join(literals.imports), names)
    return eval(text, names)


@given(VALUES)
def test_a_literal_makes_the_value_again(value):
    """With its type, and no more than the imports that it names."""
    literals = Literals()
    again = evaluated(literals, literals.of(value))
    assert again == value
    assert type(again) is type(value)
    assert literals.unknown == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, ("x",)]}, "{'a': [1, ('x',)]}"),
        (math.inf, "float('inf')"),
        (set(), "set()"),
        (dt.date(2026, 1, 31), "_datetime.date(2026, 1, 31)"),
        (decimal.Decimal("1.10"), "_decimal.Decimal('1.10')"),
        (pathlib.Path("a/b"), "_pathlib.Path('a/b')"),
        (uuid.UUID(int=1), "_uuid.UUID('00000000-0000-0000-0000-000000000001')"),
    ],
)
def test_a_literal_reads_well(value, text):
    """As somebody would write it; modules under names that no notebook has."""
    assert Literals().of(value) == text


def test_numpy_values_have_literals_too():
    """Scalars, arrays of any shape, dates."""
    np = pytest.importorskip("numpy")
    for value in (
        np.float32(0.5), np.int64(3), np.datetime64("2026-01-31", "ns"), np.arange(6).reshape(2, 3),
        np.zeros((0, 3), dtype="int16"), np.array([np.nan, 1.0]),
    ):  # fmt: skip
        literals = Literals()
        again = evaluated(literals, literals.of(value))
        assert type(again) is type(value)
        assert again.dtype == value.dtype
        assert again.shape == value.shape
        assert np.array_equal(again, value, equal_nan=value.dtype.kind == "f")


def test_what_has_no_literal_is_counted():
    """And leaves a gap that Python shows at once."""
    literals = Literals()
    assert literals.of([1, object()]) == "[1, ...]"
    assert literals.unknown == 1
