"""What changed between two runs."""

from __future__ import annotations

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.journal import open_journal


class Answer(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return shared["answer"]


def two_runs(tmp_path, rows, before, after, again=None):
    for answer, batch in ((before, rows), (after, again or rows)):
        flowmagic.run_batch(Answer(), batch, shared={"answer": answer}, journal=tmp_path / "j")
    return open_journal(tmp_path / "j").compare(1, 2)


def test_results_that_differ_only_near_their_end_are_different(tmp_path):
    """What is shown is cut; what is compared is not."""
    changes = two_runs(tmp_path, [{"n": 1}], "x" * 500 + "a", "x" * 500 + "b")
    assert changes.alike == 0
    assert "which differs further on" in str(changes)


@pytest.mark.parametrize("answer", [float("nan"), {1: "a", "b": [2]}, {3, 4}], ids=range(3))
def test_a_result_of_any_type_equals_itself(tmp_path, answer):
    """Even one that no comparison finds equal."""
    assert str(two_runs(tmp_path, [{"n": 1}], answer, answer)).startswith(
        "0 rows differ, 1 came out the same."
    )


def test_rows_are_matched_by_params_of_any_type(tmp_path):
    """Keys of several types, in any order; 1, True, "1" and (1,) are different keys."""
    rows = [{1: "a", "b": 2}, {"n": 1}, {"n": True}, {"n": (1,)}, {"n": [1]}, {"n": "1"}]
    turned = [dict(reversed(row.items())) for row in reversed(rows)]
    assert two_runs(tmp_path, rows, "a", "b", turned).alike == 0
    changes = open_journal(tmp_path / "j").compare(1, 2)
    assert {(each.before, each.after) for each in changes} == {(n, 5 - n) for n in range(6)}


def test_numbers_with_too_many_digits_for_python_are_shown_too(tmp_path):
    """The list of changes is for reading."""
    assert "n" in str(two_runs(tmp_path, [{"n": 10**5_000}], "a", "b"))
