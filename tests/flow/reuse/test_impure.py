"""Names of what may differ from call to call."""

from __future__ import annotations

import pytest

from flowmagic.flow.reuse.impure import differing, differing_method


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("time.time", "the time"),
        ("time.sleep", ""),
        ("timeit", ""),
        ("datetime.date.today", "the time"),
        ("random.choice", "random numbers"),
        ("os.path.join", ""),
        ("os.path.exists", "files"),
        ("numpy.load", "files"),
        ("pandas.read_csv", "files"),
        ("json.load", ""),
        ("json.loads", ""),
        ("subprocess.run", "other processes"),
    ],
)
def test_a_name_stands_for_what_begins_with_it(name, what):
    """And what is known to be pure is an exception; libraries read files under many names."""
    assert differing(name) == what


def test_a_function_of_the_project_is_not_judged_by_its_name():
    """Its code is read."""
    assert differing("__main__.load") == ""


def test_methods_are_judged_by_their_names_where_nothing_else_is_known():
    """An event loop has a time; so has a `datetime`, whose `time()` is pure, but nobody can tell."""
    assert differing_method("now", 0) == differing_method("time", 0) == "the time"
    assert differing_method("read_text", 0) == "files"
    assert differing_method("time", 1) == differing_method("strip", 0) == ""
