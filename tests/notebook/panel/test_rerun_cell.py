"""The cell that runs an opened instance once more: it is run here."""

from __future__ import annotations

import ast
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowmagic
from flowmagic.notebook import run_list
from flowmagic.notebook.panel.rerun_cell import Origin, cell_of
from flowmagic.records.store import RecordStore
from flowmagic.text.redact import secrets_of

from ...hostilenames import NAMES, names, runs_a_name

SEES = """
import asyncio, flowmagic
from pocketflow import AsyncFlow, AsyncNode

class Sees(AsyncNode):
    async def exec_async(self, prepared):
        seen.append(dict(self.params))

seen, store = [], {}
flow = AsyncFlow(start=Sees())
flow.set_params({"own": 1})
"""


@pytest.fixture
def ran(shell):
    """Return what runs a cell of the magic, and then gives the code of its instances."""
    assert shell.run(SEES).success

    def run(line, body):
        assert shell.run(f"%%batchflow {line}\n{body}").success
        magics = shell.ip.magics_manager.registry["BatchFlowMagics"]
        asked = flowmagic.notebook.magic.read_line(
            magics.batchflow, line, {}, limit=5, per_minute=None, capture=True
        )
        _, run = list(run_list.runs(shell.ip).values())[-1]
        origin = flowmagic.notebook.cell.origin_of(shell.ip, asked)
        return lambda index: code(origin, run, index)

    return run


def code(origin, run, index):
    return cell_of(origin, run, run.records, index, secrets_of(run[index].params))


def of_rows(rows, origin=Origin("flow", "flow")):  # noqa: B008 - a frozen value
    """Return the code of the first of some rows that have not been run."""
    records = RecordStore({}, 0.0, 0)
    records.load(rows)
    return cell_of(origin, None, records, 0, secrets_of(rows[0]))


def test_the_cell_runs_that_instance_alone_with_its_own_params(shell, ran):
    """The row's, not the merged ones: the flow gives its own again. No name is taken away."""
    copied = ran("flow --limit 2 -o run", "[{'i': i, 'text': 'it\\'s ü'} for i in range(3)]")
    run = shell["run"]
    assert copied(1) == "%%batchflow flow --limit 2\n[{'i': 1, 'text': \"it's ü\"}]"
    shell.run("seen.clear()")
    assert shell.run(copied(1)).success
    assert shell["seen"] == [{"own": 1, "i": 1, "text": "it's ü"}]
    assert shell["run"] is run


def test_the_options_are_kept_and_what_belongs_to_the_one_run_is_not(ran, shell, tmp_path):
    """The shared store is the same one; the params come from the cell, not from the file."""
    (tmp_path / "a b.csv").write_text("i\n1\n")
    for name in ("-f", "--file"):
        line = f"flow --shared store {name} '{tmp_path}/a b.csv' -orun --retries 2"
        copied = ran(line, "#")
        assert copied(0).splitlines()[0] == "%%batchflow flow --shared store --retries 2"
    assert shell.run(copied(0)).success
    assert ran("flow --output=run --no-threads --outp run", "[{'i': 1}]")(0) == (
        "%%batchflow flow --no-threads\n[{'i': 1}]"
    )


def test_secrets_and_what_cannot_be_written_are_taken_from_the_run(shell, ran):
    """As long as it has its name; the node gets the very values."""
    body = "[{'i': 1, 'api_key': 'sk-12345678'}, {'i': 2, 'thing': flow}, {'i': 3}]"
    copied = ran("flow -o run", body)
    assert copied(0) == "%%batchflow flow\n[run[0].row]"
    assert copied(1) == "%%batchflow flow\n[run[1].row]"
    assert copied(2) == "%%batchflow flow\n[{'i': 3}]"
    shell.run("seen.clear()")
    for index in (0, 1):
        assert shell.run(copied(index)).success
    assert shell["seen"][0]["api_key"] == "sk-12345678"
    assert shell["seen"][1]["thing"] is shell["flow"]
    shell.run("run = None")
    assert "sk-1234" not in copied(0)
    assert "FILL_IN" in copied(0)


def test_without_a_name_the_cell_says_what_to_fill_in_and_runs_nothing_before(shell, ran):
    """A blank is a name that stands for nothing: no key is sent away as a mask."""
    copied = ran(
        "flow", "[{'i': 1, 'api_key': 'sk-12345678', 'url': '?k=sk-12345678', 'thing': flow}]"
    )(0)
    assert copied == (
        "%%batchflow flow\n"
        "# Fill in 'api_key' (a secret), 'url' (a str), 'thing' (an AsyncFlow).\n"
        "[{'i': 1, 'api_key': FILL_IN, 'url': FILL_IN, 'thing': FILL_IN}]"
    )
    shell.run("seen.clear()")
    assert "NameError: name 'FILL_IN' is not defined" in shell.run(copied).text
    assert shell["seen"] == []
    assert shell.run(copied.replace("FILL_IN", "'mine'")).success
    assert shell["seen"][0]["api_key"] == "mine"


def test_a_secret_is_not_told_by_another_param_either():
    """Wherever it stands, in a set or in bytes too; and of short ones the name tells."""
    row = {"api_key": "sk-12345678", "a": {"sk-12345678"}, "b": [b"sk-12345678"], "password": 1}
    assert of_rows([row]).endswith(
        "[{'api_key': FILL_IN, 'a': FILL_IN, 'b': FILL_IN, 'password': FILL_IN}]"
    )


def test_what_is_too_long_or_too_much_is_left_blank_unseen():
    """No megabytes on a clipboard, and no second spent on looking at them."""
    rows = [{"text": "x" * 20_000, "many": list(range(20_000)), "deep": [[1] * 6_000] * 2}]
    assert of_rows(rows).splitlines()[1] == (
        "# Fill in 'text' (a str, too long for a cell), 'many' (a list, too long for a cell), "
        "'deep' (a list, too long for a cell)."
    )
    wide = of_rows([{f"key{i}": i for i in range(5_000)}])
    assert wide.splitlines()[1:] == [
        "# Fill in the params, which are too long for a cell.",
        "[FILL_IN]",
    ]
    assert of_rows([{"a": 10**5_000}]).endswith("[{'a': FILL_IN}]")
    assert of_rows([{"a": "x" * 6_000, "b": "y" * 6_000}]).endswith("[FILL_IN]")


def test_what_stands_on_no_line_of_eighty_characters_has_a_line_each():
    """Long texts can be read, and edited."""
    assert of_rows([{"prompt": "x" * 70, "i": 1}]).splitlines() == [
        "%%batchflow flow", "[{", f"    'prompt': '{'x' * 70}',", "    'i': 1,", "}]",
    ]  # fmt: skip


def test_keys_that_cannot_be_written_are_blanks_too():
    """Or are secrets themselves; many blanks are counted."""
    assert of_rows([{object: 1, "sk-12345678": 2, "api_key": "sk-12345678"}]).splitlines()[1:] == [
        "# Fill in a key and its value, a key and its value, 'api_key' (a secret).",
        "[{FILL_IN: FILL_IN, FILL_IN: FILL_IN, 'api_key': FILL_IN}]",
    ]
    many = of_rows([{f"key{i}": object() for i in range(30)}])
    assert "'key9' (an object) and 20 more." in many


def test_a_run_that_was_started_in_python_is_run_again_in_python():
    """With the panel's name of the flow."""
    assert of_rows([{"i": 1}], Origin("my.flow")) == (
        "import flowmagic\nrun = await flowmagic.batchflow(my.flow, [{'i': 1}])"
    )
    lines = of_rows([{"i": object()}], Origin("my.flow")).splitlines()
    assert lines == [
        "import flowmagic",
        "# Fill in 'i' (an object).",
        "run = await flowmagic.batchflow(my.flow, [{'i': FILL_IN}])",
    ]


def test_a_row_that_is_no_longer_kept_has_no_code():
    """Its params are gone."""
    records = RecordStore({}, 0.0, 0)
    records.add({"i": 1})
    records.start(0, 1.0)
    records.finish(0, None, 2.0)
    assert cell_of(Origin("flow", "flow"), None, records, 0, set()) == ""


KEYS = st.text("abä 'ߐ\"\\\n\ud800\u202e{}#", max_size=9)  # of which none names a secret
LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, LITERALS, max_size=5))
def test_what_is_written_is_what_it_was(row):
    """Evaluated, the cell's body gives the row again: any text, quotes, controls, surrogates."""
    line, body = of_rows([row]).split("\n", 1)
    assert line == "%%batchflow flow"
    assert eval(body) == [row]


def code_of(cell):
    """Return the syntax tree of a cell; that of its body, if it has a magic."""
    body = cell.split("\n", 1)[1] if cell.startswith("%%") else cell
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(body, "cell", "exec", flags=flags)


@given(name=names, is_magic=st.booleans(), as_flow=st.booleans())
def test_no_name_runs_as_code(name, is_magic, as_flow):
    """Neither that of a key, nor that of the class of a value, nor that of the flow."""
    kind = type("Kind", (), {})
    with contextlib.suppress(TypeError, ValueError, UnicodeError):
        kind.__name__ = name
    flow = name if as_flow else "flow"
    origin = Origin(flow, "flow") if is_magic else Origin(flow)
    for row in ({"v": kind()}, {name: 1}, {name: kind()}, {"v": {name: [name, (name,)]}}):
        tree = code_of(of_rows([row], origin))
        assert not runs_a_name(tree)
        assert len(tree.body) == (1 if is_magic else 2)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_hostile_names_run_nothing(name):
    """Each of them."""
    test_no_name_runs_as_code.hypothesis.inner_test(name, False, True)
    test_no_name_runs_as_code.hypothesis.inner_test(name, True, False)


def test_a_flow_without_a_name_is_a_blank():
    """A class made by a function may be called anything."""
    assert of_rows([{"i": 1}], Origin("my flow")).endswith(
        "run = await flowmagic.batchflow(FILL_IN, [{'i': 1}])"
    )
