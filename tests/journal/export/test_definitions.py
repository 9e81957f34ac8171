"""What a class of a notebook needs in a script."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import pathlib
import uuid

import pytest
from hypothesis import given

from flowmagic.journal.export.definitions import Literals, definitions_of, globals_of

from ..test_codec import VALUES

CELL = """
import functools
import json as j
import os.path
from datetime import timedelta
from decimal import Decimal
from pocketflow import AsyncNode

API_KEY, CONF = "sk-12345678", {"token": "tk-12345678"}
PROMPT, WAIT, TIMES = "Say {}", timedelta(seconds=3), [Decimal("1.5")]
client = object()
result = "of another cell"

def logged(function):
    return functools.wraps(function)(lambda *given: function(*given))

@logged
def ask(text):
    result = j.dumps(text)
    return result, client, WAIT, os.path.sep

short = lambda text: text[:len(PROMPT)]
alias = ask

@functools.cache
def cached(n): return n

class Base(AsyncNode):
    def tell(self): return helper(API_KEY)

class Ask(Base):
    async def exec_async(self, prepared):
        return alias(short(PROMPT)), cached(1), TIMES, CONF, __name__, missing, call()

def call(api_key="dk-12345678"): return api_key

def helper(key): return Ask
"""


def defined(cells, *names, **how):
    made = cells.run(CELL)
    secrets: set[str] = set()
    imports, lines = definitions_of(
        [getattr(made, name) for name in names or ("Ask",)], secrets=secrets, **how
    )
    return imports, lines, secrets


def test_each_definition_comes_before_what_uses_it(cells):
    """So that the script runs from top to bottom, in whatever order the cells stood."""
    imports, lines, _ = defined(cells)
    assert imports == [
        "from decimal import Decimal", "from pocketflow import AsyncNode", "import functools",
        "import json as j", "import os",
    ] or "import datetime as _datetime" in imports  # fmt: skip
    text = "\n".join([*imports, *lines])
    names: dict = {"__name__": "script"}
    exec(compile(text, "script", "exec"), names)
    assert names["alias"] is names["ask"]
    assert issubclass(names["Ask"], names["Base"])
    assert names["short"]("abcdefgh") == "abcdef"
    assert names["TIMES"][0] * 2 == 3
    assert "result" not in names


def test_what_cannot_be_taken_along_is_a_gap_with_its_reason(cells):
    """A client, a secret, a name that nobody knew."""
    _, lines, secrets = defined(cells)
    assert "client = ...  # to be defined: it was a object" in lines
    assert "API_KEY = ...  # to be defined: it was a str" in lines
    assert "CONF = ...  # to be defined: it was a dict" in lines
    assert "missing = ...  # to be defined: nobody knew this name" in lines
    assert {"sk-12345678", "tk-12345678", "dk-12345678"} <= secrets
    assert "12345678" not in str(lines)


def test_a_class_is_defined_with_the_base_that_it_was_made_from(cells):
    """Though another cell has given the name to another class since."""
    cells.run("class Base:\n    def one(self): return 1\n")
    made = cells.run("class Ask(Base):\n    def two(self): return 2\n").Ask
    cells.run("class Base:\n    def one(self): return 'new'\n")
    _, lines = definitions_of([made], secrets=set())
    assert [line.splitlines()[-1].strip() for line in lines] == [
        "def one(self): return 1",
        "def two(self): return 2",
    ]


def test_secrets_are_taken_along_if_they_are_to_be(cells):
    """As `journal_secrets` says."""
    _, lines, _ = defined(cells, masks=False)
    assert "API_KEY = 'sk-12345678'" in lines


def test_what_a_library_has_is_imported():
    """Its classes are not copied, whoever derives from them."""
    imports, lines = definitions_of([pytest.Item], secrets=set())
    assert imports == ["from _pytest.nodes import Item"]
    assert lines == []


def test_a_function_of_a_function_takes_its_variables_along(cells):
    """Those of the function around it, as they were."""
    made = cells.run("def outer(n):\n    def inner(): return n\n    return inner\nf = outer(7)\n")
    _, lines = definitions_of([made.f], secrets=set())
    assert lines == ["n = 7", "def inner(): return n\n"]


def test_names_that_are_only_local_are_not_needed():
    """Nor those of comprehensions, arguments and builtins."""
    source = (
        "def f(a, b=c):\n    d = [e for e in a]\n    global g\n    g = 1\n    return len(d), h\n"
    )
    assert globals_of(source) == {"c", "h"}
    assert globals_of("class A(B): x = y\n") == {"B", "y"}
    assert globals_of("no python it is") == set()


def test_what_a_node_answers_with_is_taken_along(cells):
    """A dataclass or a model has no function to know its cell by."""
    cells.run(
        "from dataclasses import dataclass\n@dataclass\nclass Reply:\n    text: str = 'none'\n"
    )
    ask = cells.run("class Ask:\n    def one(self): return Reply()\n").Ask
    imports, lines = definitions_of([ask], secrets=set())
    assert imports == ["from dataclasses import dataclass"]
    assert lines[0] == "@dataclass\nclass Reply:\n    text: str = 'none'\n"


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
