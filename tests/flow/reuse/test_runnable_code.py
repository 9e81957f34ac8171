"""What values can run."""

from __future__ import annotations

import functools
import os
import random
import time

import pytest

from flowmagic.flow.reuse.runnable_code import GivenCode, RunnableCode, parts_of

CLOCK = (
    "import time\ndef now(): return time.time()\nclass Clock:\n    def now(self): return now()\n"
)
HOLDERS = [
    "now",
    "[1, now]",
    "{'clock': {'now': now}}",
    "functools.partial(now)",
    "functools.partial(print, now)",
    "Clock",
    "Clock()",
    "[Clock()]",
    "Clock().now",
    "staticmethod(now)",
    "functools.cache(now)",
    "contextlib.contextmanager(now)",
    "(lambda f=now: f())",
]


@pytest.mark.parametrize("holder", HOLDERS)
def test_code_is_found_in_whatever_holds_it(cells, holder):
    """A function, a method of an object, or what a decorator has wrapped."""
    imports = "import contextlib, functools\n"
    names = cells.run(f"{imports}{CLOCK}\nheld = {holder}")
    assert "the time" in RunnableCode(names.held).why_impure
    assert any("the time" in each.why_impure for each in GivenCode().of([names.held]))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (time.time, "uses the time (time.time)"),
        (random.random, "uses random numbers (random.Random.random)"),
        (open, "uses files (io.open)"),
        (os.environ, "reads the environment by a name that is not written out"),
        (os.environ.get, "reads the environment by a name that is not written out"),
        (os.getenv, "reads the environment by a name that is not written out"),
        (len, ""),
        ([{"n": 1}], ""),
    ],
)
def test_functions_of_python_itself_are_known_by_their_names(value, why):
    """In whatever container they are."""
    assert RunnableCode({"f": [value]}).why_impure == why


@pytest.mark.parametrize("name", ["__doc__", "__code__", "__globals__", "__subclasses__"])
def test_code_that_looks_at_code_is_impure(cells, name):
    """Docstrings and lines may change without any other key."""
    found = cells.run(f"def helper(): pass\ndef tells(): return helper.{name}").tells
    assert RunnableCode(found).why_impure == f"uses {name}"


def test_an_object_does_not_run_what_has_made_it(cells):
    """A client that has read its key from the environment reads it once."""
    names = cells.run(
        "import os\nclass Client:\n    def __init__(self): self.key = os.environ['HOME']\n"
        "    def model(self): return os.environ['MODEL']\nclient = Client()"
    )
    assert RunnableCode(names.client).environment == {"MODEL"}
    assert RunnableCode(names.Client).environment == {"HOME", "MODEL"}


@pytest.mark.parametrize(
    ("body", "reads_all"),
    [
        ("node.params['n'], node.params.get('m'), 'x' in node.params", False),
        ("len(node.params)", True),
        ("f'{node.params!r}'", True),
        ("dict.get(node.params, 'm')", True),
        ("getattr(node, 'params')", True),
    ],
)
def test_params_that_are_passed_on_count_as_read_all(cells, body, reads_all):
    """No dict notes what C code or `len` reads of it."""
    found = cells.run(f"def helper(node): return {body}").helper
    assert RunnableCode(found).reads_all_params is reads_all


def test_the_types_of_fields_are_no_code_that_runs(cells):
    """A field may hold a path, and nothing reads the file."""
    names = cells.run(
        "import dataclasses, pathlib\n@dataclasses.dataclass\nclass Page:\n    path: pathlib.Path"
    )
    assert RunnableCode(names.Page).why_impure == ""


def test_the_functions_that_make_the_defaults_of_fields_are_code(cells):
    """They run with each new object."""
    names = cells.run(
        f"import dataclasses\n{CLOCK}\n@dataclasses.dataclass\nclass Page:\n"
        "    at: float = dataclasses.field(default_factory=now)"
    )
    assert "the time" in RunnableCode(names.Page).why_impure


def test_plain_values_have_no_parts():
    """They are looked through before every exec."""
    assert [*parts_of([{"a": (1, "b")}])] == []
    assert [*parts_of(functools.partial(print, 1))] == [print, 1]
