"""The script that runs a run of a journal again."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import copy
import datetime as dt
import decimal
import functools
import io
import json
import math
import os
import pathlib
import sqlite3
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import open_journal
from flowmagic.journal.script import Literals, Names
from flowmagic.journal.snapshot import is_importable, location_of
from flowmagic.text.redact import MASK

from ..hostilenames import NAMES, names, runs_a_name
from .test_codec import VALUES

ROOT = Path(__file__).parents[2]
PREFIX = "merged"


class Grade(AsyncNode):
    def __init__(self, pass_at=5):
        super().__init__()
        self.pass_at = pass_at

    async def post_async(self, shared, prepared, executed):
        shared["grade"] = self.params["n"]
        return "passed" if self.params["n"] >= self.pass_at else "failed"


class Double(Grade):
    """Derives from a class that stands before it."""


class Own(AsyncBatchFlow):
    async def prep_async(self, shared):
        return [{"n": n} for n in range(shared["rows"])]


def keep_best(shared, instance):
    """Merge what it wrote."""
    shared[f"{PREFIX} {instance.index}"] = instance.writes


def scripted(path, flow, rows=None, **options):
    """Return the script of a run, and what it prints."""
    flowmagic.run_batch(flow, rows, journal=path / "j", **options)
    with open_journal(path / "j") as journal:
        text = journal[-1].to_script(path / "again.py")
    return text, output_of(path / "again.py")


def output_of(script):
    """Return what a script prints; it finds this module."""
    ended = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return ended.stdout + ended.stderr


def text_of(path, flow, rows=None, **options):
    """Return the script of a run."""
    flowmagic.run_batch(flow, rows, journal=path / "j", **options)
    with open_journal(path / "j") as journal:
        return journal[-1].to_script()


def test_a_script_runs_the_run_again(tmp_path):
    """With the nodes' attributes, the values of the params, the store, and every option."""
    flow = AsyncFlow(start=Double(8))
    rows = [{"n": 9, "where": Path("a"), "x": float("nan"), "y": b"z"}, {"n": 9}]
    text, printed = scripted(
        tmp_path,
        flow,
        rows,
        shared={"style": "short", "lock": asyncio.Lock(), "long": "x" * 5_000},
        limit=3,
        per_minute=6000,
        burst=7,
        timeout=2.5,
        max_errors="50%/30",
        retries=flowmagic.Retries(2, wait=0.1, on=ValueError),
        threads=False,
        keep=17,
        isolate=True,
        merge=keep_best,
        allow_shared=["a", 2],
        track_shared=False,
    )
    assert "finished, 2 succeeded" in printed, printed
    for line in (
        "limit=3", "per_minute=6000", "burst=7", "timeout=2.5", "max_errors=(0.5, 30)",
        "retries=flowmagic.Retries(times=2, wait=0.1, on=ValueError)", "threads=False", "keep=17",
        "isolate=True", "merge=keep_best", "allow_shared=['a', 2]", "track_shared=False",
        "shared=shared",
    ):  # fmt: skip
        assert f"        {line},\n" in text
    assert "pass_at=8" in text
    assert "    'style': 'short'," in text
    assert "    'lock': ...,  # to be defined: Lock" in text
    assert "    'long': ...,  # to be defined: str" in text
    assert f"from {__name__} import Double\n" in text
    assert f"from {__name__} import keep_best\n" in text
    assert "Import or paste" not in text
    assert '# journal="runs.journal" is left out' in text
    compile(text, "script", "exec")


def test_attributes_of_any_name_are_set_again(tmp_path):
    """Also of one that is no name in Python, or that the script itself uses."""
    node = Grade(3)
    vars(node).update({"class": 1, "not a name": "x", "kind": [2]})
    text, printed = scripted(tmp_path, node, [{"n": 3}])
    assert "**{'not a name': 'x'}" in text
    assert "finished, 1 succeeded" in printed


def test_what_cannot_be_stored_is_left_out_with_a_comment(tmp_path):
    """Where it would stand."""
    text = text_of(
        tmp_path,
        Grade(),
        [{"n": 1}],
        isolate=True,
        merge=lambda shared, instance: None,
        allow_shared=[asyncio.Lock],
        retries=flowmagic.Retries(2, wait=0.5, on=partial(isinstance)),
        engine=Elsewhere(),
    )
    assert "# merge is left out (a lambda)" in text
    assert "# allow_shared is left out (keys that cannot be stored)" in text
    assert "retries=flowmagic.Retries(times=2, wait=0.5),\n" in text
    assert "# on of retries is left out (an object of class partial)" in text
    assert "# engine is left out (an object of class Elsewhere)" in text
    compile(text, "script", "exec")


class Elsewhere(flowmagic.engines.local.LocalEngine):
    name = "elsewhere"


CELL = """
import json
from pocketflow import AsyncNode
PROMPT = "answer"
class Base(AsyncNode):
    def said(self): return json.dumps([helper(n) for n in (1, 2)])
class Ask(Base):
    async def post_async(self, shared, prepared, executed):
        return f"{PROMPT} {self.said()} {self.params['n']} {missing if self.params['n'] > 5 else ''}"
def helper(n): return n
def keep(shared, instance): pass
"""


def test_what_a_notebook_defined_is_named_at_the_top(cells, tmp_path):
    """Classes, what they use, functions among the options; pasted there, the script runs."""
    names = cells.run(CELL)
    text = text_of(
        tmp_path, names.Ask(), [{"n": 1}], isolate=True, merge=names.keep,
        retries=flowmagic.Retries(1, on=(ValueError, asyncio.TimeoutError)),
    )  # fmt: skip
    comment = "# Ask, keep, Base, PROMPT, helper, json\n"
    assert f"# Not in the journal. Import or paste it here, with what it uses:\n{comment}" in text
    assert "PROMPT =" not in text
    assert "merge=keep,\n" in text
    script = tmp_path / "again.py"
    script.write_text(text)
    assert "NameError: name 'Ask' is not defined" in output_of(script)
    script.write_text(text.replace(comment, comment + CELL))
    assert "finished, 1 succeeded" in output_of(script)


@pytest.mark.filterwarnings("ignore:Flow ends")
def test_a_class_of_a_cell_that_was_run_again_is_another_one(cells, tmp_path):
    """The script does not take the one for the other."""
    first = cells.run(CELL).Ask()
    second = cells.run(CELL.replace("{PROMPT}", "new")).Ask()
    first >> second
    text = text_of(tmp_path, AsyncFlow(start=first), [{"n": 1}])
    assert "# Ask, Ask as Ask_, Base, PROMPT, helper, json\n" in text
    assert "node1 = _node(Ask, " in text
    assert "node2 = _node(Ask_, " in text


def test_a_cluster_is_left_out_with_its_address(tmp_path):
    """An engine is an object; a script would have to make it."""
    with pytest.raises(flowmagic.EngineError):
        flowmagic.run_batch(
            Grade(), [{"n": 1}], journal=tmp_path / "j",
            engine=flowmagic.DaskEngine("tcp://127.0.0.1:1"),
        )  # fmt: skip
    text = open_journal(tmp_path / "j")[-1].to_script()
    assert "# engine is left out (DaskEngine('tcp://127.0.0.1:1'))" in text


def test_a_file_that_was_tampered_with_gets_no_code_into_a_script(tmp_path):
    """What it holds is written as literals, names or comments, or not at all."""
    flowmagic.run_batch(Grade(), [{"n": 1}], journal=tmp_path / "j")
    evil = "x = 1); import os; os.abort(\n"
    connection = sqlite3.connect(tmp_path / "j")
    (setup,) = connection.execute("SELECT setup FROM runs").fetchone()
    kept = json.loads(setup)
    kept["nodes"][0] = [f"os:{evil}", evil, [[json.dumps({evil: evil}), evil]], {evil: 0}, 0]
    kept["notebook names"] = [evil, "Ask"]
    kept["shared"] = [[json.dumps({evil: None}), evil]]
    options = {evil: 1, "merge": evil, "engine": evil, "retries": {evil: 1, "on": [evil]}}
    with connection:
        connection.execute(
            "UPDATE runs SET flow = ?, setup = ?, options = ?",
            (evil, json.dumps(kept), json.dumps(options)),
        )
    connection.close()
    text = open_journal(tmp_path / "j")[1].to_script()
    tree = ast.parse(text)
    assert not [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.Import) and "os" in ast.unparse(each)
    ]
    assert not [each for each in ast.walk(tree) if isinstance(each, ast.Name) and each.id == "os"]
    assert "# Ask\n" in text


def named(kind, name):
    """Give a class or function a name, where Python takes it for one."""
    for attribute in ("__name__", "__qualname__", "__module__"):
        with contextlib.suppress(TypeError, ValueError, UnicodeError):
            setattr(kind, attribute, name)
    return kind


def run_of_names(path, name, node):
    """Run a flow in which everything that a user can name has this name; return its script."""
    vars(node)[name] = named(type("Kind", (), {}), name)()
    vars(node)[f"{name}_"] = name
    flow = AsyncFlow(start=node)
    node.successors[name] = Grade()
    return text_of(
        path,
        flow,
        [{"n": 9, name: name, "d": {1: {name: (name,)}}}],
        shared={name: named(type("Kind", (), {}), name)(), f"{name} kept": [name]},
        isolate=True,
        merge=named(lambda shared, instance: None, name),
        retries=flowmagic.Retries(1, on=(named(type("Wrong", (Exception,), {}), name),)),
        allow_shared=[name],
        engine=named(type("Elsewhere", (Elsewhere,), {}), name)(),
    )


@pytest.mark.filterwarnings("ignore:Flow ends")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_name_runs_as_code(tmp_path, monkeypatch, name):
    """Of attributes, types, keys, actions, functions and classes: the script runs, and does no more."""
    text = run_of_names(tmp_path, name, Grade())
    code = compile(text, "again.py", "exec")
    assert not runs_a_name(ast.parse(text))
    text.encode()
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.chdir(empty)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            exec(code, {"__name__": "__main__"})
        except ImportError:
            assert name.isidentifier() or name == "x.y"  # the name of a module that is not there
        else:
            assert "1 succeeded" in printed.getvalue()
    assert list(empty.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Flow ends")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names)
def test_no_name_of_a_class_runs_as_code(tmp_path, name):
    """The class of a node may be made by a function, from any text."""
    (tmp_path / "j").unlink(missing_ok=True)
    text = run_of_names(tmp_path, name, named(type("Ask", (Grade,), {}), name)())
    compile(text, "again.py", "exec")
    assert not runs_a_name(ast.parse(text))


def places_in(value, path=()):
    """Yield the path of each part of a JSON value."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places_in(value[key], (*path, key))


def changed(value, path, new, *, key):
    """Return a JSON value with another part at a path, or with another key there."""
    if not path:
        return new
    value = copy.copy(value)
    if len(path) == 1 and key and isinstance(value, dict):
        value[new] = value.pop(path[0])
    else:
        value[path[0]] = changed(value[path[0]], path[1:], new, key=key)
    return value


@pytest.fixture(scope="module")
def to_tamper_with(tmp_path_factory):
    """A journal, and the columns of a run in it."""
    path = tmp_path_factory.mktemp("tampered") / "j"
    node = Grade()
    node.odd = object()
    node - "passed" >> Grade()
    flow = AsyncFlow(start=node)
    with pytest.warns(UserWarning, match="Flow ends"):
        flowmagic.run_batch(
            flow, [{"n": 1, "t": (1,)}], journal=path, shared={"a": 1, "b": object()}, isolate=True,
            merge=keep_best, retries=flowmagic.Retries(1, on=ValueError), max_errors=(0.5, 30),
            adaptive=flowmagic.Adaptive(1, 2, 3),
        )  # fmt: skip
    connection = sqlite3.connect(path, isolation_level=None)
    columns = connection.execute("SELECT setup, options, base, limit_history FROM runs").fetchone()
    names_of = ("setup", "options", "base", "limit_history")
    yield (
        path,
        connection,
        {name: json.loads(column) for name, column in zip(names_of, columns, strict=True)},
    )
    connection.close()


@settings(max_examples=300)
@given(data=st.data(), new=names | st.none() | st.integers() | st.just([]) | st.just({"x": 1}))
def test_no_file_that_was_tampered_with_makes_code(to_tamper_with, data, new):
    """Whatever stands anywhere in it: the script is one that Python reads, or there is none."""
    path, connection, columns = to_tamper_with
    name = data.draw(st.sampled_from(sorted(columns)))
    place = data.draw(st.sampled_from(list(places_in(columns[name]))))
    is_key = isinstance(new, str) and data.draw(st.booleans())
    content = json.dumps(changed(columns[name], place, new, key=is_key))
    connection.execute(f"UPDATE runs SET {name} = ?", (content,))
    try:
        with open_journal(path) as journal:
            text = journal[-1].to_script()
    except Exception:
        return  # it is damaged
    finally:
        connection.execute(f"UPDATE runs SET {name} = ?", (json.dumps(columns[name]),))
    compile(text, "again.py", "exec")
    assert not runs_a_name(ast.parse(text))


def test_the_limits_are_those_that_the_run_ended_with(tmp_path):
    """Also where they moved by themselves; the bounds stay."""

    async def tuned(**options):
        run = flowmagic.batchflow(Grade(), [{"n": 1}], journal=tmp_path / "j", **options)
        run.limit, run.per_minute = 9, 1200
        await run
        return open_journal(tmp_path / "j")[-1].to_script()

    text = asyncio.run(tuned(limit=2))
    assert "limit=9,\n" in text
    assert "per_minute=1200,\n" in text
    text = asyncio.run(tuned(adaptive="2-5-50"))
    assert "adaptive=flowmagic.Adaptive(minimum=2, start=9, maximum=50),\n" in text
    made = flowmagic.Adaptive(2, 5, 50, backoff=0.7)
    text = asyncio.run(tuned(adaptive=made))
    assert "adaptive=flowmagic.Adaptive(minimum=2, start=9, maximum=50, backoff=0.7),\n" in text
    assert "limit=9" not in text


def test_a_flow_with_its_own_prep_has_it_again(tmp_path):
    """It may do more than to give params: fill the store, for one."""
    text, printed = scripted(tmp_path, Own(start=Grade()), shared={"rows": 3})
    assert "own prep returned these rows" in text
    assert "3 succeeded" in printed, printed


def test_rows_that_cannot_be_written_are_gaps(tmp_path):
    """The script then says so itself, and runs nothing."""
    text, printed = scripted(tmp_path, Grade(), [{"n": 1}, {"n": 2, "o": object()}])
    assert "    ...,  # to be defined: row 1 could not be stored" in text
    assert "BatchError: Item 1 of the batch" in printed


def test_secrets_are_said_to_be_missing(tmp_path):
    """In params, the store, and the attributes of nodes."""
    node = Grade()
    node.api_key = "sk-12345678"
    text = text_of(
        tmp_path, node, [{"n": 1, "token": "tk-12345678"}], shared={"password": "hunter22"}
    )
    assert f"# The journal masks secrets: replace each {MASK!r} by the real value." in text
    assert "12345678" not in text
    assert "hunter22" not in text
    assert text.count(MASK) == 4


@pytest.mark.parametrize("rows", [[], [{"n": 1}]])
def test_a_generator_is_said_to_be_one(tmp_path, rows):
    """The script holds what was drawn of it."""
    text = text_of(tmp_path, Grade(), (row for row in rows))
    assert "# From a generator" in text or not rows
    compile(text, "script", "exec")


def evaluated(literals, text):
    names: dict = {}
    exec("\n".join(literals.imports), names)
    return eval(text, names)


@given(VALUES)
def test_a_literal_makes_the_value_again(value):
    """With its type, and no more than the imports that it names."""
    literals = Literals()
    again = evaluated(literals, literals.of(value))
    assert again == value
    assert type(again) is type(value)
    assert literals.unknown == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, ("x",)]}, "{'a': [1, ('x',)]}"),
        (math.inf, "float('inf')"),
        (set(), "set()"),
        (dt.date(2026, 1, 31), "_datetime.date(2026, 1, 31)"),
        (decimal.Decimal("1.10"), "_decimal.Decimal('1.10')"),
        (pathlib.Path("a/b"), "_pathlib.Path('a/b')"),
        (uuid.UUID(int=1), "_uuid.UUID('00000000-0000-0000-0000-000000000001')"),
    ],
)
def test_a_literal_reads_well(value, text):
    """As somebody would write it; modules under names that no notebook has."""
    assert Literals().of(value) == text


def test_numpy_values_have_literals_too():
    """Scalars, arrays of any shape, dates."""
    np = pytest.importorskip("numpy")
    for value in (
        np.float32(0.5), np.int64(3), np.datetime64("2026-01-31", "ns"), np.arange(6).reshape(2, 3),
        np.zeros((0, 3), dtype="int16"), np.array([np.nan, 1.0]),
    ):  # fmt: skip
        literals = Literals()
        again = evaluated(literals, literals.of(value))
        assert type(again) is type(value)
        assert again.dtype == value.dtype
        assert again.shape == value.shape
        assert np.array_equal(again, value, equal_nan=value.dtype.kind == "f")


def test_what_has_no_literal_is_counted():
    """And leaves a gap that Python shows at once."""
    literals = Literals()
    assert literals.of([1, object()]) == "[1, ...]"
    assert literals.unknown == 1


class Outer:
    class Inner:
        pass


def local():
    class Ask:
        pass

    return Ask


HERE = __name__


@pytest.mark.parametrize(
    ("value", "location", "importable"),
    [
        (AsyncNode, "pocketflow:AsyncNode", True),
        (json.dumps, "json:dumps", True),
        (len, "builtins:len", True),
        (Outer.Inner, f"{HERE}:Outer.Inner", True),
        (local(), f"{HERE}:local.<locals>.Ask", False),
        (type("Ask", (), {"__module__": "__main__"}), "__main__:Ask", False),
        (lambda: 1, "a lambda", False),
        (functools.partial(len), "an object of class partial", False),
    ],
)
def test_a_location_says_whether_it_can_be_imported(value, location, importable):
    """Not from a notebook, nor from within a function."""
    assert location_of(value) == location
    assert is_importable(location) is importable


def test_names_are_imported_or_missing():
    """Each once; a class within another one is found through that."""
    names = Names({"run"})
    assert names.of("shop:Outer.Inner") == names.of("shop:Outer.Inner") == "Outer.Inner"
    assert names.of("builtins:ValueError") == "ValueError"
    assert names.of("__main__:Ask") == "Ask"
    assert names.of("shop:make.<locals>.Local") == "Local"
    assert names.of("a lambda") == ""
    assert names.imports == ["from shop import Outer"]
    assert names.missing == ["Ask", "Local"]


def test_no_two_things_share_a_name():
    """Of two modules, of two versions of a cell, or of the script itself."""
    names = Names({"run"})
    assert names.of("one:Ask") == "Ask"
    assert names.of("two:Ask") == "Ask_"
    assert names.of("__main__:Ask", "a") == "Ask__"
    assert names.of("__main__:Ask", "b") == "Ask___"
    assert names.of("__main__:Ask", "a") == "Ask__"
    assert names.of("one:run") == "run_"
    assert names.of("one:print") == "print_"
    assert names.imports == [
        "from one import Ask", "from two import Ask as Ask_", "from one import run as run_",
        "from one import print as print_",
    ]  # fmt: skip
    assert names.missing == ["Ask as Ask__", "Ask as Ask___"]


@pytest.mark.parametrize(
    "location",
    [
        "os; import sys:Ask", "one:Ask\nimport os", "one:Ask.in valid", "one:class", ":Ask()", "one:",
        "builtins:None", "builtins:x y", "one.:a b", "",
    ],
)  # fmt: skip
def test_nothing_but_names_gets_into_a_script(location):
    """A file may hold anything."""
    names = Names(set())
    name = names.of(location)
    assert name == "" or name.isidentifier()
    assert names.imports == []
    assert all(each.isidentifier() for each in names.missing)
