"""Values as texts."""

from __future__ import annotations

import array
import asyncio
import collections
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import itertools
import pathlib
import random
import re
import string
import subprocess
import sys
import threading
import types
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.flow.dependencies.values import NO_EXACT_FORM, TOO_LARGE, ValueWriter


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def written(value, left_out=None):
    """Return a value as text, with its classes by name; what has no exact form goes to a dict."""
    found = {} if left_out is None else left_out

    def link(each, name):
        if isinstance(each, (type, types.FunctionType)):
            return f"{each.__module__}.{each.__qualname__}"
        return None

    return ValueWriter(link, found.__setitem__).text(value, "x")


def cyclic():
    items = [1]
    items.append(items)
    return items


EXACT = [
    lambda: ["a", b"a", "1", 1, 1.0, True, None, 1j, ..., -0.0, 0.0, 7**10_000, [7**10_000]],
    lambda: [[1, 2], (1, 2), {1, 2}, frozenset({1, 2}), [2, 1], [[1], 2], "[1, 2]", bytearray(b"a")],
    lambda: [{"a": 1}, {"a": 1.0}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {1: "a"}, {(1, 2): 3}],
    lambda: [{"a": {"b": [1, {2}]}}, {"a": {"b": [1, {3}]}}, [{"a": ...}]],
    lambda: [{"a": 7**10_000}, {"a": 7**10_001}, {"b": 7**10_000}, [7**10_001], -(7**10_000)],
    lambda: [Colour.RED, Colour.BLUE, Colour],
    lambda: [dt.date(2026, 1, 31), dt.datetime.fromisoformat("2026-01-31"), dt.timedelta(1)],
    lambda: [
        dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc),
        dt.datetime(2026, 1, 31, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    ],
    lambda: [pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b"), pathlib.PureWindowsPath("a")],
    lambda: [re.compile("a"), re.compile("a", re.IGNORECASE), re.compile("b")],
    lambda: [decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1, 2), uuid.UUID(int=1)],
    lambda: [range(3), range(4), slice(1), slice(2), array.array("i", [1]), array.array("f", [1])],
    lambda: [collections.Counter("ab"), collections.Counter("aab"), collections.OrderedDict(a=1)],
    lambda: [collections.defaultdict(int, a=1), collections.defaultdict(list, a=1)],
    lambda: [collections.deque([1]), collections.deque([1], 3), types.SimpleNamespace(a=1)],
    lambda: [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})],
    lambda: [string.Template("Ask $q"), string.Template("Tell $q")],
    lambda: [functools.partial(len, [1]), functools.partial(len, [2]), functools.partial(max, [1])],
    lambda: [len, max, "a".join, "b".join, list[int], list[str], int | None, str | None],
    lambda: [io.StringIO("a"), io.StringIO("b"), ValueError("a"), ValueError("b"), KeyError("a")],
    lambda: [cyclic(), [1, [1, [1]]]],
]  # fmt: skip


@pytest.mark.parametrize("make", EXACT)
def test_equal_values_have_equal_texts_and_others_do_not(make):
    """Though they are other objects."""
    left_out: dict = {}
    one, other = ([written(each, left_out) for each in make()] for _ in range(2))
    assert one == other
    assert len(set(one)) == len(one)
    assert left_out == {}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values, values)
def test_any_two_values_have_equal_texts_only_if_they_are_equal(one, other):
    """In type and content."""
    assert (written(one) == written(other)) == (repr(one) == repr(other))


@given(st.sets(st.text() | st.integers() | st.frozensets(st.text())))
def test_the_order_of_a_set_does_not_count(items):
    """It differs from process to process."""
    other = set()
    for each in sorted(items, key=repr, reverse=True):
        other.add(each)
    assert written(items) == written(other)


def test_texts_are_equal_in_every_process():
    """Whatever the seed of Python's hashes."""
    code = (
        "from flowmagic.flow.dependencies.values import ValueWriter\n"
        "import pathlib\n"
        "value = {'a': {'x', 'y', 'z', 1}, 'b': frozenset('abc'), 'c': pathlib.Path('d')}\n"
        "print(ValueWriter(lambda v, n: str(v) if isinstance(v, type) else None, print).text(value, ''))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1


class Raises:
    def __reduce_ex__(self, _):
        raise KeyError


def generator():
    yield 1


NO_FORM = [
    pathlib.Path(__file__).open, threading.Lock, threading.Event, generator, Raises,
    asyncio.new_event_loop,
    random.Random, lambda: itertools.count(1), lambda: memoryview(b"a"),
    lambda: [threading.Lock()], lambda: {"a": threading.Lock()},
    lambda: types.SimpleNamespace(lock=threading.Lock()),
]  # fmt: skip


@pytest.mark.parametrize("make", NO_FORM)
def test_what_has_no_exact_form_is_left_out_by_name(make):
    """Its class is all that counts."""
    left_out: dict = {}
    value = make()
    text = written(value, left_out)
    assert list(left_out.values()) == [NO_EXACT_FORM]
    inner = {list: "x[0]", dict: "x['a']"}.get(type(value), "x")
    assert list(left_out) == [inner]
    assert text == written(make(), {})
    for method in ("close", "cancel"):
        getattr(value, method, lambda: None)()


def test_the_rest_of_a_container_counts():
    """Beside a client."""
    one, other = ({"client": threading.Lock(), "model": model} for model in ("a", "b"))
    assert written(one) != written(other)


def test_what_is_too_large_is_left_out():
    """Too many objects, too many items, or too deep."""
    deep: list = []
    for _ in range(200):
        deep = [deep]
    large = "a" * (1 << 24)
    many = [1] * 1_000_001, dict.fromkeys(range(1_000_001)), set(range(1_000_001))
    for value in (*many, deep, large * 9, [large] * 2_001, dict.fromkeys(range(2_001), large)):
        left_out: dict = {}
        written(value, left_out)
        assert set(left_out.values()) == {TOO_LARGE}
    left_out = {}
    written([dt.date(2026, 1, 1)] * 30_000, left_out)
    assert TOO_LARGE in left_out.values()
    left_out = {}
    written([1] * 1_000_000, left_out)
    assert left_out == {}


def test_a_secret_in_a_dict_is_masked():
    """At any depth, and in objects of libraries."""
    one, other = (
        {
            "a": [{"api_key": key, "n": 1}],
            "b": types.SimpleNamespace(password=key),
            "c": collections.defaultdict(int, api_key=key),
        }
        for key in ("sk-12345678", "sk-87654321")
    )
    assert written(one) == written(other)
    assert "12345678" not in written(one)


def test_arrays_count_by_type_shape_and_content():
    """Those of objects, and single numbers, too."""
    np = pytest.importorskip("numpy")
    values = [
        np.array([1, 2]), np.array([1, 3]), np.array([1.0, 2.0]), np.array([[1], [2]]),
        np.array(["a", "b"]), np.float32(1), np.float64(1), np.array(1), np.array([]),
        np.array(["a", {1}], dtype=object), np.array(["a", {2}], dtype=object),
        np.array(["2026-01-31"], dtype="datetime64[D]"), np.array(["2026-01-31"], dtype="datetime64[s]"),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    ]  # fmt: skip
    texts = [written(each) for each in values]
    assert len(set(texts)) == len(texts)
    assert texts == [written(each.copy()) for each in values]
    # However it is laid out in memory.
    assert written(np.arange(6).reshape(2, 3).T) == written(
        np.ascontiguousarray(np.arange(6).reshape(2, 3).T)
    )
    for value, reason in (
        (np.zeros(1 << 28, dtype="u1"), TOO_LARGE),
        (np.random.default_rng(1), NO_EXACT_FORM),
    ):
        left_out: dict = {}
        written(value, left_out)
        assert left_out == {"x": reason}


def test_frames_count_by_content():
    """Not by how pandas lays out their columns, which reading a column may change."""
    pd = pytest.importorskip("pandas")

    def frame(**changes):
        columns = {"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2026-01-31", None])}
        return pd.DataFrame({**columns, **changes})

    whole = frame()
    column_by_column = pd.DataFrame(index=whole.index)
    for name in whole:
        column_by_column[name] = whole[name]
    assert written(whole) == written(column_by_column) == written(frame())
    noted = frame()
    noted.attrs["source"] = "a.csv"
    others = [
        frame(a=[1, 3]), frame(a=[1.0, 2.0]), frame(d=[1, 2]), frame()[["b", "a", "c"]],
        frame().set_index("a"), frame().set_index(["a", "b"]), frame()["a"], frame()["c"], frame().index,
        frame(b=pd.Categorical(["x", "y"])), frame(b=pd.Categorical(["x", "y"], ["y", "x"])),
        frame(b=pd.Categorical(["x", "y"], ordered=True)), noted, pd.date_range("2026", periods=2),
        pd.DatetimeIndex(["2026-01-01", "2026-01-02"]), frame(a=pd.array([1, None], dtype="Int64")),
        frame(c=pd.to_datetime(["2026-01-31", "2026-02-01"]).tz_localize("UTC")),
        pd.Timestamp("2026-01-31"), pd.Timedelta(1), pd.NaT, pd.NA,
    ]  # fmt: skip
    left_out: dict = {}
    texts = [written(each, left_out) for each in (whole, *others)]
    assert len(set(texts)) == len(texts)
    assert left_out == {}


def test_models_of_pydantic_count_by_content():
    """As objects of an installed package do."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Answer", text=(str, ...), n=(int, 1))
    texts = [written(model(text="a")), written(model(text="b")), written(model(text="a", n=2))]
    assert len(set(texts)) == 3
    assert texts[0] == written(model(text="a"))


def test_a_frame_of_polars_counts_by_content():
    """As its pickle does."""
    pl = pytest.importorskip("polars")
    texts = [written(pl.DataFrame({"a": [1, n]})) for n in (2, 2, 3)]
    assert texts[0] == texts[1] != texts[2]
