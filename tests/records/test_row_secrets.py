"""Which secrets are masked in what is shown of a row."""

from __future__ import annotations

from flowmagic.records.row_secrets import secrets_of_row, secrets_of_run
from flowmagic.records.status import FAILED, SUCCEEDED
from flowmagic.records.store import RecordStore


class Load:
    pass


def ended(code, output=None, params=None):
    """Return the records of a row that has ended, with what its node received and returned."""
    records = RecordStore({"token": "sk-of-the-flow"}, 0.0, 5, lambda: frozenset({"sk-of-a-node"}))
    records.load([{"api_key": "sk-of-the-row"}, {"api_key": "sk-of-another"}])
    trace = records.start(0, 1.0)
    at = trace.open(Load, -1, 1.0, params)
    trace.note_output(at, output)
    trace.close(at, "next", 2.0)
    records.finish(0, ValueError() if code == FAILED else None, 2.0, code)
    return records


RUN = {"sk-of-the-flow", "sk-of-a-node"}
ROW = RUN | {"sk-of-the-row"}


def test_they_are_those_of_its_params_and_of_the_run():
    """Not those of other rows."""
    assert secrets_of_row(ended(SUCCEEDED), 0) == ROW


def test_what_a_node_has_put_into_the_params_counts_too():
    """In this attempt, while it runs, and in earlier ones."""
    records = ended(FAILED, params={"password": "sk-of-a-copy"})
    assert secrets_of_row(records, 0) == ROW | {"sk-of-a-copy"}
    records.requeue(0)
    assert secrets_of_row(records, 0) == ROW | {"sk-of-a-copy"}
    records.start(0, 3.0).open(Load, -1, 3.0, {"password": "sk-of-a-retry"})
    assert secrets_of_row(records, 0) == ROW | {"sk-of-a-copy", "sk-of-a-retry"}


def test_what_it_wrote_to_its_own_copy_of_the_store_counts_too():
    """A node logs in, and puts the session there."""
    records = ended(SUCCEEDED)
    records.writes[0] = {"session": "sess-0123456789"}
    assert secrets_of_row(records, 0) == ROW | {"sess-0123456789"}


def test_what_its_nodes_returned_counts_if_it_failed():
    """An error may quote a token that an earlier node has fetched."""
    output = {"access_token": "at-12345678"}
    assert secrets_of_row(ended(FAILED, output), 0) == ROW | {"at-12345678"}
    assert secrets_of_row(ended(SUCCEEDED, output), 0) == ROW


def test_a_row_without_secrets_has_those_of_the_run():
    """The same object, so that what was made of it can be found again."""
    records = RecordStore({}, 0.0, 5, lambda: frozenset({"sk-of-a-node"}))
    records.load([{"n": 1}])
    assert secrets_of_row(records, 0) is records.secrets


def test_those_of_all_rows_are_for_texts_about_the_run():
    """Of a long batch, the first thousand: a secret is nearly always the same one."""
    assert secrets_of_run(ended(SUCCEEDED)) == ROW | {"sk-of-another"}
    records = RecordStore({}, 0.0, 5)
    records.load([{"api_key": f"sk-of-row-{n}"} for n in range(1_500)])
    assert len(secrets_of_run(records)) == 1_000
    assert secrets_of_run(RecordStore({}, 0.0, 5)) == set()
