"""A crossing as a user sees it."""

import pytest

from flowmagic.shared.crossing import Crossing
from flowmagic.text.redact import MASK

READER, WRITER = (3, "Filter"), (5, "Load")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "instance 3 (Filter) read what instance 5 (Load) wrote"),
        ({"count": 8}, "instance 3 (Filter) read what instance 5 (Load) wrote (8 times)"),
        ({"lost": True}, "undid what instance 5 (Load) wrote after it had looked"),
        ({"left": True}, "read what instance 5 (Load) left there, which had ended before"),
        ({"level": "overwritten"}, "replaced what instance 5 (Load) wrote, before anyone read it"),
    ],
)
def test_it_says_who_met_whom_and_what_came_of_it(fields, said):
    """In one line."""
    crossing = Crossing(
        **{"key": "x", "level": "crossed", "reader": READER, "writer": WRITER, **fields}
    )
    assert str(crossing).startswith("shared['x']: instance 3 (Filter)")
    assert said in str(crossing)
    assert repr(crossing) == f"<Crossing: {crossing}>"


def test_it_names_the_place_within_a_value():
    """By the keys that lead there, with secrets masked."""
    secret = "my-own-secret-1"
    crossing = Crossing(
        "x", "crossed", READER, WRITER, secrets=frozenset({secret}), below=("by", 0, secret)
    )
    assert str(crossing).startswith(f"shared['x']['by'][0]['{MASK}']: ")
