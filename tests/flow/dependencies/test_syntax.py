"""The normalised text of functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.flow.dependencies.syntax import syntax_of

from .definitions import syntax, tree

SAME = [
    ("def f(): return 'a'", 'def f():\n    # why\n    return "a"'),
    ("def f(): return 'ab'", "def f():\n\n\n    return ('a' 'b')"),
    ("def f(): return 1_000", "def f(): return 1000"),
    ("def f(): 'doc'; return 1", "def f(): return 1"),
    ("def f(): 'doc'", "def f(): pass"),
    ("def f():\n    'doc'\n    if x: pass", "def f():\n    if x:\n        ..."),
    (
        "def f():\n    def g(): 'doc'\n    class A: 'doc'",
        "def f():\n    def g(): pass\n    class A: pass",
    ),
    ("def f():\n    x = 1\n    'a note'\n    return x", "def f():\n    x = 1; return x"),
    # They are values by the time the function runs.
    ("@one\ndef f(a=1, *, b=2): return a", "@two(3)\ndef f(a=4, *, b=5): return a"),
    ("def f(): return u'a'", "def f(): return 'a'"),
    ("def f(): password = 'one two'", "def f(): password = 'three four'"),
    ("def f(): g(api_key='one two')", "def f(): g(api_key='three four')"),
    ("def f(): return {'token': 'tk-12345678'}", "def f(): return {'token': 'tk-87654321'}"),
    ("def f():\n    def g(secret='one two'): ...", "def f():\n    def g(secret='three four'): ..."),
    ("def f(x): secret = f'{x} sk-12345678'", "def f(x): secret = f'{x} sk-87654321'"),
]
OTHER = [
    ("def f(): return 'a'", "def f(): return b'a'"),
    ("def f(): return 1", "def f(): return 1.0"),
    ("def f(): return {'mask_token': '[MASK]'}", "def f(): return {'mask_token': '<mask>'}"),
    ("def f(): return 1", "def f(): return True"),
    ("def f(): return x.y", "def f(): return y.x"),
    ("def f(): x.y = 1", "def f(): del x.y"),
    ("def f(a, b): return a", "def f(b, a): return a"),
    ("def f(a, *, b): return a", "def f(a, b): return a"),
    ("def f(*a): return a", "def f(**a): return a"),
    ("def f(a: int): return a", "def f(a: str): return a"),
    ("def f() -> int: return 1", "def f() -> str: return 1"),
    ("def f(): return [x for x in y]", "def f(): return (x for x in y)"),
    ("def f(): return [x for x in y if x]", "def f(): return [x for x in y]"),
    ("async def f(): return [x async for x in y]", "async def f(): return [x for x in y]"),
    ("def f(): return {x: y for x, y in z}", "def f(): return {y: x for x, y in z}"),
    ("def f():\n    def g(a=1): ...", "def f():\n    def g(a=2): ..."),
    ("def f():\n    @a\n    def g(): ...", "def f():\n    @b\n    def g(): ..."),
    ("def f(): return f'{x}'", "def f(): return f'{x!r}'"),
    ("def f(): return f'{x:2}'", "def f(): return f'{x:3}'"),
    ("def f(): yield x", "def f(): yield from x"),
    ("def f():\n    if a: b()\n    c()", "def f():\n    if a:\n        b()\n        c()"),
    ("def f(): return [[a], b]", "def f(): return [[a, b]]"),
    ("def f(): ...", "async def f(): ..."),
    ("def f():\n    match x:\n        case [a]: b", "def f():\n    match x:\n        case [a, *_]: b"),
    ("def f():\n    global a\n    a = 1", "def f():\n    global a\n    a = 2"),
    ("lambda a: a + 1", "lambda a: a + 2"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_functions_that_do_the_same_have_the_same_text(one, other):
    """Whatever their comments, docstrings, quotes, layout, and the secrets in them."""
    assert syntax(one).text == syntax(other).text


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_functions_that_do_something_else_have_another_text(one, other):
    """Down to the type of a number."""
    assert syntax(one).text != syntax(other).text


def test_a_very_long_number_has_a_text():
    """Python itself refuses to write it."""
    definition = tree("def f(): return 1")
    definition.body[0].value.value = 7**10_000
    assert hex(7**10_000) in syntax_of(definition).text


texts = st.text(max_size=30)


@given(texts, texts)
def test_any_two_strings_have_different_texts(one, other):
    """With quotes, line breaks and lone surrogates in them."""
    found = [syntax(f"def f(): return {each!r}").text for each in (one, other)]
    assert (found[0] == found[1]) == (one == other)
