"""What Run runs next."""

from __future__ import annotations

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.errors import FlowmagicError
from flowmagic.notebook.panel.param_list import ParamList
from flowmagic.records.batch import as_batch


def test_an_untouched_text_is_the_batch_itself():
    """Not a copy that went through text: values keep their identity."""
    batch = as_batch([{"i": 1}])
    listed = ParamList(batch)
    assert listed.batch_to_run(None) is batch
    assert listed.batch_to_run(listed.editor()["text"]) is batch


def test_a_new_batch_makes_a_new_version():
    """The page keeps what one has typed until the list behind it is another one."""
    listed = ParamList(as_batch([{"i": 1}]))
    first = listed.editor()
    assert listed.editor() == first
    listed.batch = as_batch([{"i": 2}])
    assert listed.editor()["version"] == first["version"] + 1


def test_a_generator_of_which_rows_were_dropped_is_refused_in_words():
    """What is no longer kept cannot be run again; the sentence says what to do."""
    batch = as_batch({"i": i} for i in range(5))
    listed = ParamList(batch)
    assert listed.batch_to_run(None) is batch
    listed.run = flowmagic.run_batch(AsyncNode(), batch, keep=2)
    with pytest.raises(FlowmagicError, match=r"3 of its rows are no longer kept.*Run the cell"):
        listed.batch_to_run(None)
    assert not listed.editor()["editable"]


def test_an_empty_list_can_be_written_in_place_of_what_the_flows_prep_gives():
    """Untouched it leaves the params to the prep, and the sentence says so."""
    listed = ParamList(None)
    editor = listed.editor()
    assert (editor["text"], editor["editable"]) == ("[]", True)
    assert "own prep" in editor["reason"]
    assert listed.batch_to_run(None) is listed.batch_to_run(editor["text"]) is None
    batch = listed.batch_to_run('[{"i": 1}]')
    assert batch is not None
    assert batch.rows == [{"i": 1}]
    listed.batch = batch
    assert listed.editor()["reason"] == ""
    assert listed.editor()["version"] == editor["version"] + 1
