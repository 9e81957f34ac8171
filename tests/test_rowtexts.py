"""Rows in words, as the table shows them."""

from __future__ import annotations

from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.columns import Varying
from flowmagic.notebook.rowtexts import row_texts
from flowmagic.records import Records


class Judge(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        if "bad" in self.params:
            raise ValueError(self.params["bad"])
        return self.params.get("action")


def texts(records, wanted):
    varying = Varying(records)
    varying.look()
    return row_texts(records, wanted, varying)


def test_a_row_is_told_by_its_params_and_what_it_has_come_to():
    """A cell for each param that varies; the last action or the error; nothing of a None."""
    run = flowmagic.run_batch(Judge(), [{"action": "done"}, {"bad": "no\nlimit"}, {"action": None}])
    assert texts(run.records, [0, 1, 2]) == {
        "rows": [0, 1, 2],
        "texts": ["action='done'", "bad='no\\nlimit'", "action=None"],
        "cells": [["done", ""], ["", "no\nlimit"], ["None", ""]],
        "outcomes": ["'done'", "ValueError: no limit", ""],
    }


def test_rows_that_have_not_ended_have_come_to_nothing():
    """They are told in the order in which they are asked for."""
    records = Records({}, 0.0, 0)
    records.load([{"i": 0}, {"i": 1}])
    told = texts(records, [1, 0])
    assert (told["rows"], told["texts"]) == ([1, 0], ["i=1", "i=0"])
    assert told["outcomes"] == ["", ""]


def test_a_secret_quoted_in_another_param_is_masked_before_it_is_cut():
    """Not even its beginning is left at the end of a line; nor in the error."""
    secret = "sk-" + "9" * 60
    row = {"url": "x" * 50 + secret, "api_key": secret, "bad": f"refused {secret}"}
    run = flowmagic.run_batch(Judge(), [row])
    assert "sk-9" not in str(texts(run.records, [0]))


def test_everything_is_bounded():
    """Megabytes in a param or in an error."""
    run = flowmagic.run_batch(Judge(), [{"bad": "y" * 1_000_000, "n": n} for n in range(2)])
    told = texts(run.records, [0])
    assert len(told["texts"][0]) <= 200
    assert len(str(told)) < 1_000


def test_a_dropped_row_says_that_it_is_no_longer_kept():
    """Beyond `keep`, rows of a generator have no params to show."""
    run = flowmagic.run_batch(Judge(), ({"user_id": i} for i in range(3)), keep=1)
    assert texts(run.records, range(3))["texts"] == ["(no longer kept)"] * 2 + ["user_id=2"]


def test_a_row_that_was_restored_says_so(tmp_path):
    """It did not run; its result is an earlier run's."""
    for _ in range(2):
        run = flowmagic.run_batch(
            Judge(), [{"action": "done"}], journal=tmp_path / "runs", resume=True
        )
    assert texts(run.records, [0])["outcomes"] == ["restored from run 1 'done'"]
