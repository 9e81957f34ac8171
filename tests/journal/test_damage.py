"""A damaged journal, whatever stands in it: it is read as far as it goes, or refused in our own words."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sqlite3
import tempfile
import unicodedata
import warnings
from pathlib import Path
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal import open_journal, writer


class Ask(AsyncNode):
    def __init__(self):
        super().__init__()
        self.model = ("small", 3)

    async def exec_async(self, prepared):
        print("asked", self.params)
        if self.params["i"] == 2:
            raise ValueError("no answer")
        return {"answer": self.params["i"]}

    async def post_async(self, shared, prepared, executed):
        shared["seen"] = self.params["i"]
        return f"action {self.params['i']}"


def flow():
    first = Ask()
    first >> Ask()
    return AsyncFlow(start=first)


ROWS = [{"i": i, "tags": ("a", b"b"), "when": {1: None}} for i in range(4)]


@functools.cache
def whole_journal():
    """Return the bytes of a journal with two runs, of which the second one restored some rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        for rows in (ROWS, [*ROWS, {**ROWS[0], "i": 5}]):
            run = flowmagic.run_batch(
                flow(), rows, shared={"model": "small"}, isolate=True, journal=path, resume=True
            )
            run.journal.join(20)
        return path.read_bytes()


def columns():
    """Return the columns of all tables, as (table, column)."""
    with opened(whole_journal()) as path, contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        return [
            (table, row[1])
            for table in ("meta", "runs", "instances", "ranges")
            for row in connection.execute(f"PRAGMA table_info({table})")
            if table in tables
        ]


@contextlib.contextmanager
def opened(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        path.write_bytes(data)
        yield path


def looks(path):
    """Yield all that a user may call to read a journal; a text that it returns is shown."""
    journal = open_journal(path)
    folder = path.parent
    yield lambda: repr(journal)
    yield lambda: len(journal)
    yield lambda: journal.runs_of(flow())
    yield lambda: journal.runs_of(flow(), {"model": "small"})
    yield lambda: journal.runs_of(flow(), anyway=True)
    yield lambda: str(journal.compare(1, 2))
    yield lambda: journal.backup(folder / "copy")
    for run in journal:
        yield functools.partial(repr, run)
        yield lambda run=run: (run.counts, len(run), run.is_running)
        yield lambda run=run: str(run.process)
        yield lambda run=run: repr(run.instances)
        yield lambda run=run: (run.params, run.outputs)
        yield run.batch
        yield run.to_script
        yield lambda run=run: repr(run[0])
        yield lambda run=run: repr(run[3])
        yield lambda run=run: len(run.to_frame(nodes=True))
        yield lambda run=run: len(run.to_polars(expand=True))
        yield lambda run=run: run.to_csv(folder / "a.csv")
        yield lambda run=run: run.to_jsonl(folder / "a.jsonl", nodes=True)
        yield lambda run=run: run.to_parquet(folder / "a.parquet")
    journal.close()


def resumed(path):
    with patch.multiple(writer, _GIVE_UP_AFTER=0, _RETRY_EVERY=0.01):
        run = flowmagic.run_batch(flow(), journal=path, resume="anyway")
        run.journal.join(20)
    return "\n".join(run.journal.warnings)


def is_read_or_refused(path):
    """Check that each call gives a value or a JournalError, and that what is shown can be."""
    try:
        for look in looks(path):
            shown(look)
    except JournalError as error:
        is_visible(str(error))
    shown(lambda: resumed(path))


def shown(look):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = look()
    except IndexError as error:  # what is asked for is not there
        assert "There is no run" in str(error) or "has no instance" in str(error)
    except JournalError as error:
        assert "\n" not in str(error)
        is_visible(str(error))
    else:
        is_visible(found if isinstance(found, str) else "")


def is_visible(text):
    """Check that no character does something to the terminal: colours, moves of the cursor, ..."""
    unseen = {each for each in text if unicodedata.category(each) in ("Cc", "Cs")} - {"\n"}
    assert not unseen, text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text), text


DEEP = ["[" * 60 + "]" * 60, "[" * 900 + "]" * 900, '{"a":' * 100_000 + "1" + "}" * 100_000]
TAGS = [
    "$bytes", "$datetime", "$date", "$time", "$timedelta", "$tuple", "$set", "$frozenset", "$float",
    "$int", "$complex", "$decimal", "$uuid", "$path", "$dict", "$numpy", "$array", "$dataclass",
    "$model", "$enum", "$lost", "$other",
]  # fmt: skip
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from(["float64", "O", "<M8[ns]", "sNaN", "1e999", "9" * 700, "-1", "\x1b[31m"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4) | st.sampled_from(TAGS), inner, max_size=3)
    | st.builds(lambda tag, content: {tag: content}, st.sampled_from(TAGS), inner),
    max_leaves=8,
)  # fmt: skip


@st.composite
def altered(draw, text):
    """Return a stored text with one of its values replaced."""
    try:
        value = json.loads(text)
    except ValueError:
        return draw(st.text())
    at = [value]
    place, key = at, 0
    while isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = draw(plain)
    return json.dumps(at[0])


anything = (
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(max_size=40)
    | plain.map(json.dumps) | st.sampled_from([*DEEP, "9" * 5_000, '{"$int": "0x' + "f" * 9_000 + '"}'])
)  # fmt: skip


@st.composite
def damages(draw):
    """Return a table, a column, and what replaces its value in one row or in all."""
    table, column = draw(st.sampled_from(columns()))
    with opened(whole_journal()) as path, contextlib.closing(sqlite3.connect(path)) as connection:
        texts = [row[0] for row in connection.execute(f"SELECT DISTINCT {column} FROM {table}")]
    stored = [text for text in texts if isinstance(text, str)]
    values = anything
    if stored:
        values |= st.sampled_from(stored).flatmap(altered)
    return table, column, draw(values), draw(st.booleans()), draw(st.booleans())


@given(damages())
@settings(max_examples=40)
@example(("runs", "status", "\x1b[31mfinished", True, False))
@example(("runs", "began", 1e300, True, False))
@example(("meta", "value", 10**12, True, False))
@example(("instances", "position", "x", False, False))
@example(("instances", "output", DEEP[1], False, False))
@example(("instances", "params", DEEP[0], True, False))
@example(("ranges", "size", 2**62, True, False))
def test_whatever_stands_in_a_column_is_read_or_refused(damage):
    """By each call that reads a journal; no other error than ours comes out."""
    table, column, value, everywhere, is_raw = damage
    with opened(whole_journal()) as path:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            # Bytes as text: not all of them are UTF-8.
            new = "CAST(? AS TEXT)" if is_raw and isinstance(value, bytes) else "?"
            rows = "" if everywhere else f" WHERE {column} IS (SELECT {column} FROM {table})"
            with contextlib.suppress(sqlite3.Error):  # such as a second row with that key
                connection.execute(f"UPDATE OR IGNORE {table} SET {column} = {new}{rows}", (value,))
        is_read_or_refused(path)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.binary(min_size=1, max_size=9)), min_size=1, max_size=6
    )
)
@settings(max_examples=25)
def test_whatever_bytes_are_in_the_file_it_is_read_or_refused(places):
    """As where a disk or a copy has failed."""
    data = bytearray(whole_journal())
    for place, found in places:
        at = place % len(data)
        data[at : at + len(found)] = found
    with opened(data[: len(whole_journal())]) as path:
        is_read_or_refused(path)
