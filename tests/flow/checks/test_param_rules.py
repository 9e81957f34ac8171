"""Findings about the params of a batch and the nodes that read them."""

from __future__ import annotations

import contextlib

from pocketflow import AsyncFlow, AsyncNode

from flowmagic.flow.checks import check

from .checked import Plain, said


class Reads(AsyncNode):
    async def prep_async(self, shared):
        return self.params["user_id"], self.params.get("tone", "calm")


def test_params_that_nobody_reads_and_params_that_are_missing_are_found():
    """With the name that was meant."""
    text = said(AsyncFlow(start=Reads()), [{"user_ids": 1, "tone": "warm"}])
    assert 'No node reads the param "user_ids".' in text
    assert "KeyError" in text
    assert 'Did you mean "user_ids"?' in text
    text = said(AsyncFlow(start=Reads()), [{"user_id": 1}, {"tone": "x"}, {"user_id": 2}])
    assert 'Instance 1 lacks the param "user_id"' in text or "Instance 1 lacks" in text
    assert said(AsyncFlow(start=Reads()), [{"user_id": 1, "tone": "x"}]) == ""
    base = AsyncFlow(start=Reads())
    base.set_params({"user_id": 7})
    assert said(base, [{"tone": "x"}]) == ""


class Careful(AsyncNode):
    async def prep_async(self, shared):
        with contextlib.suppress(KeyError):
            return self.params["tone"]
        try:
            return self.params["mood"]
        except KeyError:
            if "hue" not in self.params:
                return "calm"
            return self.params["hue"]


def test_a_param_that_may_be_missing_is_not_required():
    """It is read where an error is caught, or after a test with `in`."""
    assert said(AsyncFlow(start=Careful()), [{}]) == ""


class Route(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return self.params["way"]


def test_rows_meant_for_different_branches_may_have_different_params():
    """After a branch, a param is missing only if no row has it."""
    route, other = Route(), Plain()
    route - "a" >> Reads()
    route - "b" >> other
    rows = [{"way": "a", "user_id": 1, "tone": "x"}, {"way": "b"}]
    assert said(AsyncFlow(start=route), rows) == ""
    assert 'No row has the param "user_id"' in said(AsyncFlow(start=route), [{"way": "b"}])


def test_many_params_that_nobody_reads_are_one_finding():
    """However many columns a table has, and without delay."""
    wide = {f"column {n}": n for n in range(5_000)}
    found = check(AsyncFlow(start=Reads()), [{"user_id": 1, **wide}])
    assert len(found) == 1
    assert "and 4,995 more" in str(found[0])
    assert found[0].note


def test_a_list_that_several_rows_hold_is_noted():
    """`[{"messages": []}] * 3` has one list, which a node of any row may append to."""

    class Reads(AsyncNode):
        async def prep_async(self, shared):
            return self.params["messages"], self.params["same"]

    own = [{"messages": [], "same": "text"} for _ in range(3)]
    assert said(Reads(), own) == ""
    assert said(Reads(), [{"messages": [], "same": "text"}] * 3) == (
        '3 rows hold the same list in the param "messages". If a node changes it in place, all of them '
        "change. Write a list of its own into each row, unless the nodes only read it."
    )
