"""Files that each format of the journal has written: they open, list, export and resume from now on.

`python -m tests.journal.golden` writes the one of the present format.
"""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

import flowmagic
from flowmagic.journal.database import VERSION

from . import golden

FILES = sorted(golden.FOLDER.glob("version_*.journal"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request, tmp_path):
    """A copy, since to open a file may create others beside it."""
    return shutil.copy(request.param, tmp_path / "runs.journal")


@pytest.fixture
def journal(path):
    with flowmagic.open_journal(path) as opened:
        yield opened


def is_same(one, other):
    """Whether two values are equal, of one type, and what they hold, too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return is_same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return one == other and repr(one) == repr(other)


def test_the_present_format_has_its_file():
    """Whoever changes the format adds one: `python -m tests.journal.golden`."""
    assert f"version_{VERSION}.journal" in [each.name for each in FILES]


def test_it_lists_its_runs(journal):
    """How each ended, and how many rows are in doubt."""
    assert len(list(journal)) == 4
    assert [run.status for run in journal] == ["finished"] * 3 + ["running"]
    assert not journal[4].is_running
    n = len(golden.VALUES)
    assert [run.counts for run in journal] == [
        {"succeeded": n + 1, "failed": 1},
        {"succeeded": n + 2, "failed": 1},
        {"succeeded": 1},
        {"succeeded": 1, "in doubt": 1, "pending": 1},
    ]
    assert "1 succeeded, 1 in doubt, 1 pending" in repr(journal)
    assert journal[1].options["limit"] == 3


@pytest.mark.parametrize("index", range(len(golden.VALUES)), ids=list(golden.VALUES))
def test_it_has_each_value_as_it_was(journal, index):
    """In params and outputs, of the run that wrote it and of the one that restored it."""
    (name, value), (first, second) = list(golden.VALUES.items())[index], (journal[1], journal[2])
    for instance in (first[index], second[index]):
        assert is_same(instance.output, value)
        assert is_same(instance.params, {"name": name, "value": value})
        assert (instance.status, instance.result) == ("succeeded", f"done {name}")
    assert second[index].restored == (1, index)
    assert [each.node for each in first[index].copies] == ["Return", "Label"]
    assert is_same(first[index].copies[0].output, value)


def test_it_has_what_else_is_known_of_an_instance(journal):
    """Objects as their fields, attempts, the error, what it printed, and what it wrote."""
    objects, failed = list(journal[1])[-2:]
    assert objects.output == [{"text": "hi", "score": 0.5}, "red"]
    assert (failed.status, failed.attempts) == ("failed", 2)
    assert (failed.error["type"], failed.error["text"]) == ("ValueError", "the row fails")
    assert "in exec_async" in failed.error["traceback"]
    assert journal[1][0].printed == "returned none\n"
    assert journal[3][0].writes == {"isolated": 1}
    assert journal[1].nodes


def test_it_is_exported(journal, tmp_path):
    """As tables, files and a script; and two runs are compared."""
    assert list(journal[2].to_frame()["name"])[-1] == "new"
    lines = journal[1].to_csv(tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert "big int" in lines[4]
    lines = journal[1].to_jsonl(tmp_path / "a.jsonl").read_text().splitlines()
    assert json.loads(lines[2])["output"] == -7
    journal[1].to_script(tmp_path / "again.py")
    compile((tmp_path / "again.py").read_text(), "again.py", "exec")
    assert [each.params["name"] for each in journal.compare(1, 2)] == ["new"]
    with flowmagic.open_journal(journal.backup(tmp_path / "copy.journal")) as copy:
        assert copy[4].counts == journal[4].counts


def test_it_is_resumed(path, capsys):
    """What had succeeded is restored with its output, and only the rest runs, the row in doubt last."""
    batch = [*golden.rows()[:-1], {"name": "new"}, *golden.killed_rows()]
    shared = {}
    run = flowmagic.run_batch(golden.flow(), batch, shared=shared, journal=path, resume=True)
    assert run.ok
    ran = [line.removeprefix("returned ") for line in capsys.readouterr().out.splitlines()]
    assert ran == ["pending", "hangs"]
    outputs = dict(zip([row["name"] for row in batch], run.outputs, strict=True))
    assert all(is_same(outputs[name], value) for name, value in golden.VALUES.items())
    assert shared == {row["name"]: len(row) for row in batch}


def test_its_outputs_are_reused(path):
    """Where neither the code nor the inputs have changed; to another Python, the code has."""
    rows = golden.rows()[:5]
    run = flowmagic.run_batch(golden.flow(), rows, journal=path, reuse=True)
    assert run.outputs == [row["value"] for row in rows]
    count = run.reuse["Return"]
    assert count.reused == (0 if count.changed else 5)
