"""What tells the rows of a small batch apart."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from flowmagic.notebook.columns import Varying
from flowmagic.notebook.labels import FEW, row_labels
from flowmagic.records import Records


class Odd:
    """Like an array: comparing it gives nothing that is true or false."""

    def __eq__(self, other):
        raise ValueError("ambiguous")

    def __hash__(self):
        return 0

    def __repr__(self):
        return f"odd{id(self) % 7}"


def labels(rows, base=None):
    records = Records(base or {}, 0.0, 0)
    records.load(rows)
    varying = Varying(records)
    varying.look()
    return row_labels(records, varying)


def test_params_that_are_the_same_in_all_rows_are_left_out():
    """Also where another type or a missing one makes the difference."""
    rows = [
        {"model": "a", "n": 1, "same": [1]},
        {"model": "b", "n": 1, "same": [1]},
        {"model": "b", "n": True, "same": [1]},
        {"model": "b", "same": [1]},
    ]
    assert labels(rows) == ["model='a', n=1", "model='b', n=1", "model='b', n=True", "model='b'"]


def test_rows_that_do_not_differ_show_what_they_have():
    """A single row too; the flow's own params count as the rows' own do."""
    assert labels([{"a": 1}, {"a": 1}]) == ["a=1", "a=1"]
    assert labels([{"a": 1, "b": 2}]) == ["a=1, b=2"]
    assert labels([{"a": 1}, {}], {"a": 1, "b": 2}) == ["a=1, b=2", "a=1, b=2"]
    assert labels([{}, {}]) == ["", ""]
    assert labels([]) == []


def test_a_secret_is_masked_wherever_it_stands():
    """In its own key, and in the value of another one."""
    rows = [{"api_key": f"sk-secret-{i}", "url": f"/?key=sk-secret-{i}"} for i in range(2)]
    assert all("secret" not in each and "•••" in each for each in labels(rows))


def test_many_rows_have_no_labels():
    """There would be no room for them."""
    rows = [{"i": i} for i in range(FEW + 1)]
    assert labels(rows) == []
    assert len(labels(rows[:FEW])) == FEW


def test_values_that_cannot_be_compared_tell_rows_apart():
    """Unless they are one and the same."""
    one = Odd()
    assert labels([{"a": one, "b": 1}, {"a": one, "b": 2}]) == ["b=1", "b=2"]
    assert labels([{"a": Odd()}, {"a": Odd()}])[0].startswith("a=odd")


@given(
    st.lists(st.dictionaries(st.text(max_size=100), st.text(max_size=200), max_size=9), max_size=9)
)
def test_a_label_is_short_and_a_line_whatever_the_params_are(rows):
    """There is one for each row."""
    made = labels(rows)
    assert len(made) == len(rows)
    assert all(len(each) <= 80 for each in made)


def test_a_row_of_many_params_is_cut():
    """It says that it was."""
    [first, _] = labels(
        [{f"key{i}": random.Random(n).random() for i in range(200)} for n in (1, 2)]
    )
    assert first.endswith("…")
    assert len(first) <= 80
