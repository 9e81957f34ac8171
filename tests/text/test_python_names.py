"""Names that code may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.text.python_names import is_dotted_name, is_name, one_line, path_of


@pytest.mark.parametrize("text", ["x", "user_id", "_", "é", "match", "X1"])
def test_a_name_is_one(text):
    """Soft keywords and letters of other languages, too."""
    assert is_name(text)
    assert is_dotted_name(f"{text}.{text}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1x",
        "a b",
        "a.b",
        "class",
        "None",
        "__debug__",
        "\ufb01",
        "x\nopen('f')",
        "x;y",
        5,
        None,
    ],
)
def test_what_python_would_read_otherwise_is_none(text):
    """A keyword, more than a name, or one that Python turns into another."""
    assert not is_name(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a.class", "a.b()", "a\n.b"])
def test_each_part_of_a_dotted_name_is_a_name(text):
    """Or it is none."""
    assert not is_dotted_name(text)


@given(st.text())
def test_a_name_is_the_same_in_code(text):
    """Assigned, it is found under itself."""
    if is_name(text):
        names: dict = {}
        exec(f"{text} = 1", names)
        assert text in names


@given(st.text())
def test_a_comment_ends_where_its_line_ends(text):
    """Whatever splits lines: Python, IPython or an editor."""
    assert len(f"# {one_line(text)}".splitlines()) == 1
    assert len(one_line(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("box", {"a": [1, 2]}),
        ("box['a']", [1, 2]),
        ('box["a"][-1]', 2),
        ("box['a'].__class__", list),
    ],
)
def test_a_path_leads_from_a_name_to_a_value(text, value):
    """By attributes and literal keys."""
    first, steps = path_of(text)
    found = {"box": {"a": [1, 2]}}[first]
    for get, key in steps:
        found = get(found, key)
    assert found == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "a b",
        "f()",
        "f().x",
        "a[b]",
        "a[f()]",
        "a + b",
        "a.b()",
        "[1][0]",
        "a[0:1]",
        "'a'.b",
        "(" * 999,
    ],
)
def test_anything_else_is_no_path(text):
    """Nothing is called, and no other name is looked up."""
    assert path_of(text) is None


@given(st.text(st.sampled_from("ab.[]'\"0-1() ")))
def test_no_text_is_too_odd_for_a_path(text):
    """It is one, or it is none."""
    path = path_of(text)
    assert path is None or is_name(path[0])
