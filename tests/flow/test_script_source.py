"""The source of lambdas and of classes without functions, and the names that definitions see."""

from __future__ import annotations

import functools
import re

import pytest

from flowmagic.flow.script_source import lambda_source, scope_of, source_in_cells


@pytest.mark.parametrize(
    "code",
    [
        "@dataclasses.dataclass\nclass Answer:\n    n: int = 1\n",
        "class Choice(enum.Enum):\n    YES = 1\n",
        "class Fields(typing.TypedDict):\n    n: int\n",
    ],
)
def test_a_class_without_functions_is_found_in_its_cell(cells, code):
    """By its fields. If two definitions have the same fields, none is guessed."""
    name = re.search(r"class (\w+)", code)[1]
    cells.run(f"class {name}:\n    other: int\n")
    first = vars(cells.run(f"import dataclasses, enum, typing\n{code}"))[name]
    assert source_in_cells(first) == code
    second = vars(cells.run(code.replace("n: int", "n: str").replace("= 1", "= 2")))[name]
    assert source_in_cells(first) == source_in_cells(second) == ""


def test_names_of_a_function_around_are_seen_too():
    """As the class and its methods see them."""
    word = "yes"

    class Inner:
        def say(self):
            return word

    def ask():
        return word

    assert scope_of(Inner)["word"] == scope_of(ask)["word"] == "yes"
    assert scope_of(functools.cache(ask))["word"] == "yes"


def test_a_lambda_is_distinguished_from_the_others_in_its_line():
    """By what it does: its code, names and constants."""
    first, second = (lambda x: x + 1), (lambda x: x + 2)
    assert lambda_source(first) == "lambda x: x + 1"
    assert lambda_source(second) == "lambda x: x + 2"
    words = [lambda: "a", lambda: "b"]
    assert [lambda_source(each) for each in words] == ['lambda: "a"', 'lambda: "b"']
    inner = [lambda: first(3)]
    assert lambda_source(inner[0]) == "lambda: first(3)"
    made = [lambda s, i: s.update(i.writes)]
    assert lambda_source(made[0]) == "lambda s, i: s.update(i.writes)"
    assert lambda_source(eval("lambda: 5")) == ""


def test_lambdas_in_one_line_that_cannot_be_distinguished_have_no_source():
    """Two that use a variable of the function around them: a wrong one would be a lie."""
    x = 1
    sum_, difference = (lambda y: x + y), (lambda y: x - y)
    assert lambda_source(sum_) == lambda_source(difference) == ""


def test_a_lambda_is_found_whatever_its_defaults_and_lines():
    """A default may be a lambda itself, and a lambda may go over several lines."""
    outer = lambda y=(lambda: 1): y
    assert lambda_source(outer) == "lambda y=(lambda: 1): y"
    several = [
        lambda y: [
            y,
        ]
    ]
    assert lambda_source(several[0]).split() == ["lambda", "y:", "[", "y,", "]"]
