"""The code of functions, and the source that compiles to it."""

from __future__ import annotations

import ast
import importlib
import linecache
import sys
import types
import warnings

import pytest

from flowmagic.flow.dependencies.running_code import code_text, digest_of, literals_in, running_code


def function(code, name="f"):
    """Return a function that has no source."""
    names = {"__name__": "__main__"}
    exec(code, names)
    return names[name]


CELL = """
import functools
PROMPT = "a"
def plain(x, y=1):
    \"\"\"Doc.\"\"\"
    return x, PROMPT
@functools.cache
def decorated(x): return x
class A:
    def method(self): return super().method(), self.__hidden
    async def later(self): return [x async for x in self]
make = lambda x: x + 1
two = [lambda: 1, lambda: 2]
def outer():
    def inner(): return PROMPT
    return inner
try: pass
finally:
    def last(): return 1
"""


def test_the_source_of_a_function_in_a_cell_is_found(cells):
    """Of methods, decorated and inner ones and lambdas too, with an `await` at the top of the cell."""
    names = cells.run(CELL)
    found = [
        names.plain, names.decorated.__wrapped__, names.A.method, names.A.later, names.make,
        names.outer, names.outer(), names.last,
    ]  # fmt: skip
    assert all(running_code(each).syntax.text for each in found)
    assert ("PROMPT",) in running_code(names.plain).syntax.names.reads


def test_of_two_lambdas_in_one_line_only_the_code_is_known(cells):
    """Nothing tells which of the two texts is whose."""
    one, other = (running_code(each) for each in cells.run(CELL).two)
    assert one.syntax.text == other.syntax.text == ""
    assert one.code != other.code


def test_a_file_that_has_changed_since_is_not_the_source(tmp_path, monkeypatch):
    """Even if it has a function of that name in the same line; nor if it is no Python any more."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "code_that_was_edited.py"
    file.write_text("def f(): return 1\ndef g(): return 3\n")
    module = importlib.import_module(file.stem)
    file.write_text("def f(): return 22\ndef g(): return 3\n")
    assert running_code(module.f).syntax.text == ""
    assert running_code(module.g).syntax.text != ""
    file.write_text("def f(: return\n")
    other = types.FunctionType(module.f.__code__.replace(), vars(module))
    assert running_code(other).syntax.text == ""


def test_what_is_imported_from_the_future_is_compiled_with_it(cells):
    """As the cells after it are, in a notebook."""
    import __future__

    code = "def f(x: A) -> B:\n    def g(y: C): return y\n    return x\n"
    names = {}
    file = cells.run(code)
    flags = __future__.annotations.compiler_flag
    name = file.f.__code__.co_filename
    exec(compile(code, name, "exec", flags=flags), names)
    assert running_code(names["f"]).syntax.text == running_code(file.f).syntax.text != ""


def test_the_source_is_found_of_what_ipython_compiles_statement_by_statement():
    """Python compiles a call of a module otherwise where the same source imports it."""
    source = "import json\ndef write(value): return json.dumps(value)\n"
    linecache.cache["cell"] = len(source), None, source.splitlines(keepends=True), "cell"
    names = {}
    for each in ast.parse(source).body:
        exec(compile(ast.Module([each], []), "cell", "exec"), names)
    assert running_code(names["write"]).syntax.text


def test_a_cell_is_read_without_the_warnings_that_it_gave_when_it_ran(cells):
    """They would appear twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = cells.run("def f(x): return x is 1, '\\d'\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert running_code(names.f).syntax.text


SAME = [
    ("def f(): return 'a'", "\n\ndef f():\n  return 'a'"),
    ("def f():\n    'Doc.'\n    return 1", "def f():\n    'Another.'\n    return 1"),
    ("def f(x): return x in {1, 8, 16}", "def f(x): return x in {16, 8, 1}"),
]
OTHER = [
    ("def f(): return 'a'", "def f(): return 'b'"),
    ("def f(): return 1", "def f(): return 1.0"),
    ("def f(): return 0.0", "def f(): return -0.0"),
    ("def f(): return (1, 2)", "def f(): return (1, 2.0)"),
    ("def f(x): return x.a", "def f(x): return x.b"),
    ("def f(x): return a", "def f(x): return b"),
    ("def f(x): return lambda: 1", "def f(x): return lambda: 2"),
    ("def f(x, y): return x", "def f(x, *, y): return x"),
    ("def f(): return g()", "async def f(): return g()"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_code_is_the_same_wherever_it_stands(one, other):
    """With another docstring, and with a set in another order."""
    assert code_text(function(one).__code__) == code_text(function(other).__code__)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_code_that_does_something_else_differs(one, other):
    """Down to the sign of zero."""
    assert code_text(function(one).__code__) != code_text(function(other).__code__)


def test_literals_are_those_of_all_code_but_docstrings():
    """Also in containers, and in the functions in it."""

    def outer(x):
        """Not this one."""
        return [lambda: "c", x in ("a", b"b"), x in {"d", "e"}]

    found = ["'a'", "'c'", "'d'", "'e'", "b'b'"]
    assert [each for each in literals_in(outer.__code__) if "locals" not in each] == found


def test_a_docstring_and_a_masked_secret_change_no_digest(cells):
    """Unless nothing is masked: then another secret is another digest."""
    code = "def ask():{}\n    token = 'sk-abcdefgh{}'\n    return token[1:]"
    plain, doc, other = (
        cells.run(code.format(*each)).ask
        for each in (("", "12345678"), ("\n    'What.'", "12345678"), ("", "87654321"))
    )
    sources = [digest_of(each, frozenset()).partition(":")[0] for each in (plain, doc, other)]
    assert sources[0] == sources[1] == sources[2] != ""
    exact = [digest_of(each, None) for each in (plain, doc, other)]
    assert exact[0] == exact[1] != exact[2]


def test_without_a_source_the_code_tells_the_globals():
    """With the attributes read from them, in functions within it too; and those that it assigns."""
    code = """
def f(x):
    global COUNT
    COUNT = config.models.fast + x.y
    def g(): return [PROMPT.format(z) for z in x]
    return g
"""
    names = running_code(function(code)).syntax.names
    assert names.reads == {("config", "models", "fast"), ("PROMPT", "format")}
    assert names.changes == {("COUNT",)}
