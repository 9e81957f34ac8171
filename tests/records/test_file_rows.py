"""CSV and JSON Lines are read as they are, or refused with a line number."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic import BatchError
from flowmagic.records.file_rows import rows_of_file


def read(folder: Path, name: str, content: str | bytes):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return rows_of_file(path)


def test_files_are_read(tmp_path):
    """CSV as text with its mark stripped, JSON Lines with their types; endings in any case."""
    rows = read(tmp_path, "rows.CSV", b'\xef\xbb\xbfid,name\n007,"a, b"\n\n8,c\n')
    assert rows == [{"id": "007", "name": "a, b"}, {"id": "8", "name": "c"}]
    assert read(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": null}\n') == [{"a": 1}, {"a": None}]
    assert read(tmp_path, "a.ndjson", '\ufeff{"a": 1}') == [{"a": 1}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n1\n", r"line 2: not as many values \(1\) as the header has names \(2\)"),
        ("a.csv", b"a,b\n1,2,3\n", "line 2: not as many"),
        ("a.csv", b'a,b\n1,"x\ny"\n\n2\n', "line 5: not as many"),
        ("a.csv", b'a,b\n1,"x\n\ny",2\n', "line 2: not as many"),
        ("a.csv", b"a;b\n1,2\n", r"line 2: not as many.*\(1\).*contains ';' into quotes"),
        ("a.csv", b"a,b,a\n1,2,3\n", "line 1: the header names 'a' twice"),
        ("a.csv", b"\na;b;a\n", "line 2: the header names 'a' twice"),
        ("a.csv", b"a\n\xff\n", "not text in UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{\n', "line 2: not JSON"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "line 1: not JSON"),
        ("a.jsonl", b"[1]\n", "line 1: a list, not a dict"),
        ("a.jsonl", b'\n{"a": 1, "b": 2, "a": 3}\n', "line 2: the key 'a' occurs twice"),
        ("a.jsonl", b'{"a": [{"b": 1, "b": 1}]}\n', "line 1: the key 'b' occurs twice"),
        ("a.txt", b"", r"neither in \.csv nor in \.jsonl"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path: Path, name, content, message):
    """No row is lost silently."""
    with pytest.raises(BatchError, match=message):
        read(tmp_path, name, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('id,text\n1,"a\n2,b\n3,c\n', "line 2: the quote before a value is never closed"),
        ('id,text\r\n1,"a\r\n2,b\r\n', "line 2: the quote before a value is never closed"),
        ('id,text\n1,"x\ny"\n2,"a', "line 4: the quote before a value is never closed"),
        ('id,text\n"1\n","a""\n2,b\n', "line 3: the quote before a value is never closed"),
        ('id,"text\n1,a\n', "line 1: the quote before a value is never closed"),
        ('id,text\n1,"a\n2,b\n3,"c"\n', "line 2: the quoted value that begins here ends in line 4"),
        (
            'id,text\n1,"a" b\n',
            "line 2: the quoted value that begins here ends in line 2, but text",
        ),
        ('id,text\n1,"a"b"\n2,c\n', "line 2: the quoted value that begins here ends in line 2"),
        (
            'id,text\n1,5" pipe\n2,b\n',
            "line 2: a quote inside a value that does not begin with one",
        ),
        ('id,text\n1,a\n\n2,say "hi"\n', "line 4: a quote inside a value"),
        ('id,text\n1, "a"\n', "line 2: a quote inside a value"),
    ],
)
def test_a_quote_in_the_wrong_place_is_refused_with_its_line(tmp_path: Path, content, message):
    """The line is that of the value, however many lines its open quote would swallow."""
    with pytest.raises(BatchError, match=message) as caught:
        read(tmp_path, "a.csv", content)
    assert str(caught.value).endswith('double each quote inside it: "say ""hi"""')


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('a,b\n1,"x ""y"""\n', [{"a": "1", "b": 'x "y"'}]),
        ('a,b\n"",""\n', [{"a": "", "b": ""}]),
        ('a,b\n1,"x\r\ny"\r\n', [{"a": "1", "b": "x\r\ny"}]),
        ('"a","b, c"\n1,2', [{"a": "1", "b, c": "2"}]),
        ("a,b\r1,2\r3,4\r", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ("a,b\n 1,\n", [{"a": " 1", "b": ""}]),
        ("a\n1\n\n\n2\n\n", [{"a": "1"}, {"a": "2"}]),
        ('a\n""\n', [{"a": ""}]),
        ("\n\na\n1\n", [{"a": "1"}]),
        ("a\u2028b\nx\u2028y\n", [{"a\u2028b": "x\u2028y"}]),
        ("a,b\n", []),
        ("", []),
        ("\n\n", []),
    ],
)
def test_csv_follows_its_standard(tmp_path, content, rows):
    """RFC 4180: doubled quotes, line ends inside values; and empty lines are no rows."""
    assert read(tmp_path, "a.csv", content) == rows


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a;b\n1,5;x\n", [{"a": "1,5", "b": "x"}]),
        ("a\tb\n1;2\tx, y\n", [{"a": "1;2", "b": "x, y"}]),
        ('"a, b";c\n1;2\n', [{"a, b": "1", "c": "2"}]),
        ("a;b,c\n1;2,3\n", [{"a;b": "1;2", "c": "3"}]),
        ("a;b\tc\n1;2\t3\n", [{"a": "1", "b\tc": "2\t3"}]),
        ("text\none; two\n", [{"text": "one; two"}]),
        ('text\n"one, two"\n', [{"text": "one, two"}]),
    ],
)
def test_semicolons_and_tabs_separate_values_if_they_separate_the_header(tmp_path, content, rows):
    """A comma in the header, outside of quotes, comes first; a header of one name has commas."""
    assert read(tmp_path, "a.csv", content) == rows


def test_a_value_may_be_of_any_length(tmp_path):
    """Whole documents are values, quoted or not; the limit of the csv module is left as it is."""
    long = "x" * 1_000_000
    limit = csv.field_size_limit()
    assert read(tmp_path, "a.csv", f"a\n{long}\n") == [{"a": long}]
    quoted = '""\n' * 400_000
    assert read(tmp_path, "a.csv", f'a,b\n1,"{quoted}"\n') == [{"a": "1", "b": '"\n' * 400_000}]
    with pytest.raises(BatchError, match="line 2: the quote before a value is never closed"):
        read(tmp_path, "a.csv", f'a,b\n1,"{quoted}\n')
    assert csv.field_size_limit() == limit


def test_numbers_that_json_lacks_are_read_as_python_writes_them(tmp_path):
    """NaN and Infinity, as `json.dumps` writes them."""
    [row] = read(tmp_path, "a.jsonl", '{"a": Infinity, "b": NaN}\n')
    assert row["a"] == float("inf")
    assert row["b"] != row["b"]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
# What has a meaning in CSV, more often than by chance.
VALUES = TEXTS | st.text(',;\t"\r\n a', max_size=6)


@st.composite
def tables(draw):
    """Return names for a header, and rows of as many values."""
    names = draw(st.lists(VALUES, min_size=2, max_size=4))
    row = st.lists(VALUES, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row, max_size=4))


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@given(table=tables())
def test_what_the_csv_module_writes_is_read_as_it_was(tmp_path_factory, delimiter, quoting, table):
    """Each value of each row, whatever it contains, for each delimiter."""
    names, rows = table
    header = [f"{number}{name}" for number, name in enumerate(names)]
    if quoting == csv.QUOTE_MINIMAL:
        # Another separator in a name would not be quoted, and would be the one of the file.
        header = [re.sub("[,;\t]", "_", name) for name in header]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([header, *rows])
    expected = [dict(zip(header, row, strict=True)) for row in rows]
    assert read(tmp_path_factory.mktemp("csv"), "a.csv", file.getvalue()) == expected


@given(values=st.lists(VALUES))
def test_what_the_csv_module_writes_of_one_column_is_read_as_it_was(tmp_path_factory, values):
    """It encloses an empty value in quotes, so that the line is not empty."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["text"], *([value] for value in values)])
    rows = read(tmp_path_factory.mktemp("csv"), "a.csv", file.getvalue())
    assert [row["text"] for row in rows] == values


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=3),
    max_leaves=6,
)


@given(rows=st.lists(st.dictionaries(TEXTS, JSON, max_size=3)), ascii_only=st.booleans())
def test_what_the_json_module_writes_is_read_as_it_was(tmp_path_factory, rows, ascii_only):
    """Each value keeps its type, on a line per row."""
    folder = tmp_path_factory.mktemp("jsonl")
    text = "\n\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    assert read(folder, "a.jsonl", text) == rows


@given(content=st.text('a",;\t\r\n', max_size=20))
def test_any_text_is_read_whole_or_refused(tmp_path_factory, content):
    """All rows have the names of the header, and no character but quotes and separators is lost."""
    folder = tmp_path_factory.mktemp("any")
    try:
        rows = read(folder, "a.csv", content)
    except BatchError as error:
        assert "a.csv, line " in str(error)
        return
    header = list(rows[0]) if rows else []
    assert all(list(row) == header for row in rows)
    if rows:
        kept = "".join([*header, *(value for row in rows for value in row.values())])
        assert kept.count("a") == content.count("a")
