"""What can be read of a row while it runs, when it has ended, and when it is no longer kept."""

from __future__ import annotations

from flowmagic.errors import OutputLostError
from flowmagic.records.instances import Instance
from flowmagic.records.status import FAILED
from flowmagic.records.store import RecordStore


class Load:
    pass


def run(records, index, *outputs, error=None):
    """Run an instance whose node copies have these outputs."""
    trace = records.start(index, 1.0)
    for output in outputs:
        at = trace.open(Load, -1, 1.0, None)
        trace.note_output(at, output)
        trace.close(at, None, 2.0)
    if error is None:
        records.finish(index, None, 2.0)
    else:
        records.finish(index, error, 2.0, FAILED)


def test_the_output_of_a_row_is_that_of_its_last_attempt():
    """Those of earlier attempts are in its history; a retry that never begins brings them back."""
    records = RecordStore({}, 0.0, 10)
    records.load([{}])
    instance = Instance(records, 0)
    assert instance.output is None
    run(records, 0, "first", None, error=ValueError())
    assert instance.output == "first"
    assert [each.output for each in instance.copies] == ["first", None]
    records.requeue(0)
    assert instance.output is None
    assert [each.output for each in instance.history] == ["first"]
    assert [each.output for each in instance.history[0].copies] == ["first", None]
    records.cancel(0)
    assert instance.output == "first"
    records.requeue(0)
    run(records, 0, "second", "third")
    assert instance.output == "third"
    assert [each.output for each in instance.history] == ["first"]


def test_the_output_of_a_generators_row_is_dropped_with_the_row():
    """And says so, whatever it was; only the latest rows are kept in full."""
    records = RecordStore({}, 0.0, 2)
    for n in range(4):
        run(records, records.add({"n": n}), f"answer {n}")
    outputs = [records.output(n) for n in range(4)]
    assert [isinstance(each, OutputLostError) for each in outputs] == [True, True, False, False]
    assert outputs[2:] == ["answer 2", "answer 3"]
    assert "Raise keep" in str(outputs[0])
    assert records.outputs.size < 200


def test_outputs_beyond_the_bytes_to_keep_are_dropped():
    """The budget is that of the run."""
    records = RecordStore({}, 0.0, 10, keep_bytes=1_000)
    records.load([{}] * 5)
    for index in range(5):
        run(records, index, "x" * 400)
    assert isinstance(records.output(0), OutputLostError)
    assert records.output(4) == "x" * 400


def test_the_secrets_of_a_run_are_looked_for_when_they_are_needed():
    """Once, and again when nodes may have put more into the shared store; none is forgotten."""
    found = [{"sk-first"}, {"sk-second"}]
    records = RecordStore({}, 0.0, 5, lambda: frozenset(found.pop(0)))
    assert len(found) == 2
    assert records.secrets == records.secrets == {"sk-first"}
    records.look_for_secrets()
    assert len(found) == 1
    assert records.secrets == {"sk-first", "sk-second"}
