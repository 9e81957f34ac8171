"""The columns of a table of instances, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flowmagic.errors import OutputLostError
from flowmagic.records.cells import ABSENT
from flowmagic.records.status import CANCELLED, FAILED, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.records.table import columns_of, outputs_by_node, table_of, text_names
from flowmagic.text.redact import MASK

OUTCOME = ["output", "status", "seconds", "attempts", "action", "error"]


class Ask:
    pass


class Check:
    pass


def ended(*ends, base=None):
    """Return the records of instances: their params, outputs of `Ask`, results and codes."""
    records = RecordStore(base or {}, 10.0, 5)
    records.load([params for params, *_ in ends])
    for index, (_, output, result, code) in enumerate(ends):
        if code is None:
            continue
        trace = records.start(index, 11.0)
        at = trace.open(Ask, -1, 11.0, None)
        trace.note_output(at, output)
        trace.close(at, "next", 12.0)
        records.finish(index, result, 13.0, code)
    return records


def succeeded(*outputs, **params):
    """Return the records of instances that have succeeded with these outputs, with the same params."""
    return ended(*((params, output, "done", SUCCEEDED) for output in outputs))


def test_params_come_first_then_what_came_of_them():
    """The params in the order in which they first occur, with those of the flow."""
    records = ended(
        ({"q": "a"}, "yes", "done", SUCCEEDED),
        ({"q": "b", "k": 2}, "partly", ValueError("no"), FAILED),
        ({"q": "c"}, None, TimeoutError(), CANCELLED),
        ({"q": "d"}, None, None, None),
        base={"model": "m"},
    )
    assert table_of(columns_of(records)).columns == {
        "model": ["m"] * 4,
        "q": ["a", "b", "c", "d"],
        "k": [ABSENT, 2, ABSENT, ABSENT],
        "output": ["yes", None, None, None],
        "status": ["succeeded", "failed", "cancelled", "pending"],
        "seconds": [2.0, 2.0, 2.0, None],
        "attempts": [1, 1, 1, 0],
        "action": ["done", None, None, None],
        "error": [None, "ValueError: no", "TimeoutError", None],
    }


def test_a_running_instance_has_no_outcome_yet():
    """Even if a node of it has returned something."""
    records = ended(({"q": "a"}, None, None, None))
    trace = records.start(0, 11.0)
    trace.note_output(trace.open(Ask, -1, 11.0, None), "first")
    columns = table_of(columns_of(records, nodes=True)).columns
    assert [columns[name] for name in OUTCOME] == [[None], ["running"], [None], [1], [None], [None]]
    assert columns["Ask"] == ["first"]


def test_secrets_are_masked_in_errors():
    """Those of the params and of the run; the params themselves are the user's own data."""
    error = ValueError("refused sk-12345678 and hidden-value")
    records = ended(({"api_key": "sk-12345678"}, None, error, FAILED))
    records._find_secrets = lambda: frozenset({"hidden-value"})
    columns = table_of(columns_of(records)).columns
    assert columns["error"] == [f"ValueError: refused {MASK} and {MASK}"]
    assert columns["api_key"] == ["sk-12345678"]


def test_a_long_error_is_complete():
    """It is data, and not a line on a screen."""
    records = ended(({}, None, ValueError("x" * 5_000), FAILED))
    assert table_of(columns_of(records)).columns["error"] == ["ValueError: " + "x" * 5_000]


def test_a_param_keeps_its_name():
    """A column of the same name gets an underscore, or two."""
    names = {"status": 1, "output": 2, "output_": 3}
    table = table_of(columns_of(succeeded("yes", **names)))
    assert list(table.columns) == [
        *("status", "output", "output_"),
        *("output__", "status_", "seconds", "attempts", "action", "error"),
    ]
    assert table.outcome["output"] == "output__"
    assert table.columns["output__"] == ["yes"]


def test_writes_are_a_column_of_isolated_instances():
    """The last one."""
    records = succeeded("yes", "no")
    records.writes[1] = {"k": 1}
    columns = table_of(columns_of(records), isolated=True).columns
    assert list(columns) == [*OUTCOME, "writes"]
    assert columns["writes"] == [None, {"k": 1}]
    assert list(table_of(columns_of(records)).columns) == OUTCOME


def test_no_instances_have_the_same_columns():
    """A program that reads them need not know how many there are."""
    for expand in (False, True):
        assert list(table_of(columns_of(succeeded()), expand=expand).columns) == OUTCOME


@dataclass
class Answer:
    text: str
    score: int


def test_expand_gives_each_key_of_the_outputs_a_column():
    """After the params; `output` is left out. An output that is None has none of them."""
    records = succeeded({"text": "yes"}, {"score": 1, "text": "no"}, None, Answer("so", 3), q="?")
    columns = table_of(columns_of(records), expand=True).columns
    assert list(columns) == ["q", "text", "score", *OUTCOME[1:]]
    assert columns["text"] == ["yes", "no", ABSENT, "so"]
    assert columns["score"] == [ABSENT, 1, ABSENT, 3]


def test_outputs_that_cannot_be_expanded_stay():
    """In the column `output`, where those that were expanded are empty."""
    columns = table_of(columns_of(succeeded({"text": "yes"}, [1, 2])), expand=True).columns
    assert list(columns) == ["text", *OUTCOME]
    assert columns["output"] == [None, [1, 2]]
    for outputs in (["a", None], [None]):
        assert table_of(columns_of(succeeded(*outputs)), expand=True).columns["output"] == outputs


def test_a_key_whose_name_is_taken_is_named_output():
    """By a param, a column or another key."""
    output = {"q": 1, "status": 2, "output": 3, "output_q": 4, 5: 6}
    columns = table_of(columns_of(succeeded(output, q="?")), expand=True).columns
    assert {name: columns[name] for name in list(columns)[:6]} == {
        "q": ["?"], "output_q": [1], "output_status": [2], "output_output": [3],
        "output_output_q": [4], 5: [6],
    }  # fmt: skip
    assert columns["status"] == ["succeeded"]


def test_nodes_are_the_last_columns():
    """One for each class of node that ran, with its output; also where the instance failed later."""
    records = ended(
        ({"Ask": "?"}, "yes", "done", SUCCEEDED), ({"Ask": "?"}, "partly", ValueError("no"), FAILED)
    )
    columns = table_of(columns_of(records, nodes=True)).columns
    assert list(columns) == ["Ask", *OUTCOME, "Ask_"]
    assert columns["Ask_"] == ["yes", "partly"]
    assert columns["output"] == ["yes", None]


def test_a_node_that_did_not_run_is_absent():
    """One that ran and returned nothing is None."""
    records = RecordStore({}, 10.0, 5)
    records.load([{}, {}])
    for index, kinds in enumerate([(Ask, Check), (Ask,)]):
        trace = records.start(index, 11.0)
        for kind in kinds:
            trace.close(trace.open(kind, -1, 11.0, None), None, 12.0)
        records.finish(index, None, 13.0)
    columns = table_of(columns_of(records, nodes=True)).columns
    assert columns["Ask"] == [None, None]
    assert columns["Check"] == [None, ABSENT]


@pytest.mark.parametrize(
    ("copies", "outputs"),
    [
        ([("Ask", None, 1), ("Check", None, 2)], {"Ask": 1, "Check": 2}),
        ([("Ask", None, 1), ("Ask", None, 2), ("Ask", None, None)], {"Ask": 2}),
        ([("Inner", None, None), ("Ask", 0, 1), ("Ask", 0, 2), ("Check", None, 3)],
         {"Ask": 2, "Check": 3}),
        ([("Ask", None, None)], {"Ask": None}),
        ([], {}),
    ],
    ids=["two nodes", "a loop", "a nested flow", "nothing returned", "nothing ran"],
)  # fmt: skip
def test_of_several_copies_of_a_node_the_last_output_counts(copies, outputs):
    """As for the output of the instance: the last that is not None. A nested flow has none."""
    assert outputs_by_node(copies) == outputs


def test_the_column_error_says_why_an_output_is_lost():
    """Its cell is empty, and so is that of the node."""
    lost = OutputLostError("It is gone.")
    records = succeeded("yes", lost)
    table = table_of(columns_of(records, nodes=True))
    assert table.columns["output"] == table.columns["Ask"] == ["yes", None]
    assert table.columns["error"] == [None, "It is gone."]
    assert table.losses == [lost, lost]
    assert table_of(columns_of(succeeded("yes"))).losses == []


def test_the_names_of_columns_in_a_file_are_text():
    """And no two are the same."""
    assert text_names(["a", 1, "1", ("b", 2), "\ud800"]) == ["a", "1", "1_", "('b', 2)", "\\ud800"]
