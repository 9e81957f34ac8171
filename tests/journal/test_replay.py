"""A resumed run has in `shared` what the restored rows had assigned to it, or names what it lacks."""

from __future__ import annotations

import asyncio

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic

ran: list = []
broken: set = set()


@pytest.fixture(autouse=True)
def fresh():
    ran.clear()
    broken.clear()


class Answer(AsyncNode):
    """Has an answer, and what it does with it in `shared` is up to its `keep`."""

    async def exec_async(self, prepared):
        i = self.params["i"]
        await asyncio.sleep(0)
        ran.append(i)
        if i in broken:
            raise ValueError(i)
        return f"answer {i}"

    async def post_async(self, shared, prepared, executed):
        self.keep(shared, self.params["i"], executed)


def run(node, path, rows=8, **options):
    rows = range(rows) if isinstance(rows, int) else rows
    return flowmagic.run_batch(
        AsyncFlow(start=node()), [{"i": i} for i in rows], journal=path, limit=4, **options
    )


def resumed(node, path, rows=8, **options):
    ran.clear()
    broken.clear()
    return run(node, path, rows, resume=True, **options)


class ByRow(Answer):
    def keep(self, shared, i, answer):
        shared[i] = answer


class OneDown(Answer):
    def keep(self, shared, i, answer):
        shared.setdefault("by", {})[i] = answer
        shared["last"] = i


BOTH = pytest.mark.parametrize("node", [ByRow, OneDown])


@BOTH
def test_answers_in_shared_are_back_when_all_rows_are_restored(node, tmp_path):
    """Also one level down; nothing runs, and nothing need be said."""
    first = run(node, tmp_path / "j")
    again = resumed(node, tmp_path / "j")
    assert ran == []
    assert again.shared == first.shared != {}
    assert all(type(each) in {str, int, dict} for each in again.shared.values())
    assert again.journal.warnings == again.audit() == []
    third = resumed(node, tmp_path / "j")
    assert third.shared == first.shared


@BOTH
def test_rows_that_run_again_add_to_what_is_back(node, tmp_path):
    """What is in `shared` in the end is what an uninterrupted run has there."""
    whole = run(node, tmp_path / "whole")
    broken.update([1, 5])
    run(node, tmp_path / "j")
    again = resumed(node, tmp_path / "j")
    assert sorted(ran) == [1, 5]
    assert {**again.shared, "last": 0} == {**whole.shared, "last": 0}
    assert again.journal.warnings == []
    third = resumed(node, tmp_path / "j")
    assert ran == []
    assert third.shared == again.shared


class Looks(OneDown):
    async def prep_async(self, shared):
        seen.append(dict(shared.get("by", {})))


seen: list = []


def test_it_is_back_before_the_first_row_starts(tmp_path):
    """Also where the row that runs comes first in the batch."""
    broken.add(0)
    run(Looks, tmp_path / "j", 3)
    seen.clear()
    resumed(Looks, tmp_path / "j", 3)
    assert seen == [{1: "answer 1", 2: "answer 2"}]


class Appends(Answer):
    def keep(self, shared, i, answer):
        shared.setdefault("log", []).append(answer)


def test_a_list_that_all_append_to_is_named(tmp_path):
    """In the warnings, which panel and summary show, and in the audit, with what to do."""
    first = run(Appends, tmp_path / "j")
    assert [(each.note, each.what) for each in first.audit()] == [
        (
            True,
            "shared['log'] is not to be brought back by a resumed run: instances changed it in place.",
        )
    ]
    assert first.journal.warnings == []
    again = resumed(Appends, tmp_path / "j")
    (finding,) = again.audit()
    assert not finding.note
    assert finding.what == "shared['log'] is not as before: instances changed it in place."
    assert "run.outputs" in finding.instead
    assert again.journal.warnings == [str(finding)]
