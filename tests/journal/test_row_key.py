"""Which rows are the same, and which are not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import threading
import uuid
from collections import Counter, OrderedDict, UserDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.journal import codec
from flowmagic.journal.codec import decoded, encoded, register
from flowmagic.journal.row_key import NoRowKeyError, canonical_text, params_without_key, row_key

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    CRIMSON = "red"  # noqa: PIE796 - an alias


class Shade(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):
    RED = "red"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Name(str):
    """A kind of text, which shows itself differently."""

    __slots__ = ()

    def __str__(self):
        return "hidden"


class Point(NamedTuple):
    x: Any
    y: Any


class Place(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Answer:
    text: str
    score: float = 0.5
    seen: Any = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass
class Reply:
    text: str
    score: float = 0.5


@dataclasses.dataclass
class Table(dict):
    """A dict with fields: neither tells all."""

    name: str = ""


def of_same_name(**fields):
    return dataclasses.make_dataclass("Answer", [*fields])(**fields)


UTC = dt.timezone.utc
PLUS_2 = dt.timezone(dt.timedelta(hours=2))
NAIVE = dt.datetime(2026, 7, 1, 12, 5, 1, 7)  # noqa: DTZ001 - on purpose
BERLIN = NAIVE.replace(tzinfo=ZoneInfo("Europe/Berlin"))
NS = pd.Timestamp("2026-07-01 12:05:01.000007008")
SPAN = dt.timedelta(days=-1, seconds=5, microseconds=7)
NAN = float("nan")
OTHER_NAN = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes(), dtype="float64")
SOME_ID = uuid.UUID(int=7)

EQUAL = [
    # numbers
    (1, 1), (1, np.int64(1)), (1, np.uint8(1)), (np.int8(-3), np.int64(-3)), (10**700, 10**700),
    (True, np.bool_(True)), (False, np.bool_(False)),
    (0.5, np.float64(0.5)), (0.5, np.float32(0.5)), (0.5, np.float16(0.5)), (0.5, np.longdouble(0.5)),
    (float(np.float32(0.1)), np.float32(0.1)),
    (NAN, NAN), (NAN, -NAN), (NAN, np.nan), (NAN, np.float32("nan")), (NAN, np.longdouble("nan")),
    (NAN, OTHER_NAN[0]), (math.inf, np.float32("inf")),
    (1 + 2j, np.complex64(1 + 2j)), (complex(NAN, 1), complex(NAN, 1)), (1j, np.clongdouble(1j)),
    (Decimal("1.10"), Decimal("1.10")), (Decimal("NaN"), Decimal("NaN")),
    (Fraction(1, 2), Fraction(2, 4)),
    # texts and bytes
    ("a", np.str_("a")), ("a", Name("a")), ("\ud800", "\ud800"),
    (b"a", bytearray(b"a")), (b"a", np.bytes_(b"a")),
    # containers
    ([0.5] * 16, (0.5,) * 16), ([0.5] * 16, [np.float64(0.5)] * 16), ([0.5] * 16, [np.float32(0.5)] * 16),
    ([1, "a"], (1, "a")), ([1], [np.int64(1)]), ([], ()), ([[1], (2,)], ((1,), [2])),
    ({1, 2}, frozenset([2, 1])), (frozenset([0, 8, 16]), frozenset([16, 8, 0])),
    ({1, "a", None}, {None, "a", 1}), ({(1, 2)}, {(1, np.int64(2))}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({1: "a", "b": 2}, {"b": 2, 1: "a"}),
    ({"$a": 1, "b": 2}, {"b": 2, "$a": 1}),
    ({"a": {1: 2, 3: 4}}, {"a": {3: 4, 1: 2}}), ({"a": 1}, OrderedDict(a=1)), ({"a": 1}, Counter("a")),
    ({"a": [1]}, defaultdict(list, a=[1])), ({np.str_("a"): 1}, {"a": 1}), ({np.int64(1): 1}, {1: 1}),
    (deque([1, 2]), deque([1, 2], maxlen=9)),
    (range(0, 4, 2), range(0, 3, 2)), (range(0), range(5, 5)), (range(1), range(0, 1, 9)),
    # times
    (NAIVE, NAIVE), (NAIVE, pd.Timestamp(NAIVE)), (NAIVE, np.datetime64(NAIVE)),
    (NAIVE, NAIVE.replace(fold=1)),
    (NS, NS.to_datetime64()), (NS, pd.Timestamp("2026-07-01T12:05:01.000007008")),
    (np.datetime64("2026-07-01"), np.datetime64("2026-07-01T00", "ns")),
    (np.datetime64("2026", "Y"), dt.datetime(2026, 1, 1)),  # noqa: DTZ001
    (BERLIN, NAIVE.replace(tzinfo=PLUS_2)), (BERLIN, pd.Timestamp(NAIVE, tz="Europe/Berlin")),
    (BERLIN, pd.Timestamp(NAIVE, tz=PLUS_2)),
    (NAIVE.replace(tzinfo=UTC), NAIVE.replace(tzinfo=ZoneInfo("UTC"))),
    (NAIVE.replace(tzinfo=UTC), pd.Timestamp(NAIVE, tz="UTC")),
    (SPAN, pd.Timedelta(SPAN)), (SPAN, np.timedelta64(SPAN)), (dt.timedelta(1), np.timedelta64(24, "h")),
    (pd.Timedelta(5, "ns"), np.timedelta64(5_000, "ps")), (np.timedelta64(1, "Y"), np.timedelta64(12, "M")),
    (NAIVE.time(), NAIVE.time()), (NAIVE.date(), NAIVE.date()),
    # missing values
    (None, None), (pd.NaT, pd.NaT), (pd.NA, pd.NA), (pd.NaT, np.datetime64("NaT")),
    # other values
    (Colour.RED, Colour.RED), (Colour.RED, Colour.CRIMSON),
    (Rights.READ | Rights.WRITE, Rights.WRITE | Rights.READ),
    (SOME_ID, uuid.UUID(str(SOME_ID))),
    (pathlib.Path("a/b"), pathlib.PurePosixPath("a/b")),
    (pathlib.PureWindowsPath("a\\b"), pathlib.PurePosixPath("a/b")),
    # objects with fields
    (Answer("a"), Answer("a", 0.5)), (Answer("a"), Answer("a", seen=1)),
    (Answer("a"), of_same_name(text="a", score=0.5)),
    (Answer("a", seen=threading.Lock()), Answer("a")),
    (Point(1, 2), Point(np.int64(1), 2)), (Point([1], 2), Point((1,), 2)),
]  # fmt: skip

DIFFERENT = [
    ([0.0] * 16, [-0.0] * 16), ([1.0] * 16, [1] * 16), ([0.5] * 16, [0.5] * 17),
    # numbers
    (1, 1.0), (1, True), (1.0, True), (0, False), (0, None), (1, "1"), (1, Decimal(1)), (1, Fraction(1)),
    (1, 1 + 0j), (1, Level.LOW), (0.0, -0.0), (0.1, np.float32(0.1)), (np.int64(1), np.float64(1)),
    (np.longdouble(1) + np.finfo(np.longdouble).eps, 1.0), (2**53, 2**53 + 1), (10**700, 10**700 + 1),
    (Decimal("1.1"), Decimal("1.10")), (Decimal("0.1"), 0.1), (Decimal("NaN"), NAN), (math.inf, -math.inf),
    (math.inf, "inf"), (NAN, "nan"), (Fraction(1, 2), 0.5), (1j, -1j),
    # texts and bytes
    ("a", "A"), ("a", "a "), ("a", b"a"), ("a", ["a"]), ("é", "e\u0301"), (b"a", [97]), ("a", "hidden"),
    ("", None),
    # containers
    ([1, 2], [2, 1]), ([1], [1.0]), ([1], {1}), ([1], 1), ([1, [2]], [1, 2]), ([], {}), ([], None),
    ({1}, {True}),
    ({"a": 1}, {"a": True}), ({1: "a"}, {True: "a"}), ({1: "a"}, {"1": "a"}), ({"a": 1}, {"A": 1}),
    ({"a": 1}, [["a", 1]]), ({"a": 1}, {"a": 1, "b": None}), ({None: 1}, {"None": 1}),
    ({"$set": [1]}, {1}), ({"$dict": [["a", 1]]}, {"a": 1}), ({"$float": "nan"}, NAN),
    ({"$moment": 1}, {"$moment": 2}),
    (deque([1]), [1]), (range(3), [0, 1, 2]), (range(3), range(4)), (range(0, 4, 2), range(0, 6, 3)),
    # times
    (NS, NAIVE), (NS, pd.Timestamp(NAIVE)), (NS, NS + pd.Timedelta(1, "ns")), (NAIVE, NAIVE.isoformat()),
    (np.datetime64("2026-07-01", "ps"), np.datetime64("2026-07-01", "ps") + np.timedelta64(1, "ps")),
    (NAIVE, NAIVE.replace(tzinfo=UTC)), (NAIVE.date(), NAIVE),
    (NAIVE.date(), dt.datetime(2026, 7, 1)),  # noqa: DTZ001
    (NAIVE.replace(tzinfo=UTC), NAIVE.replace(hour=14, tzinfo=PLUS_2)),
    (NAIVE.time(), NAIVE.replace(tzinfo=UTC).timetz()), (NAIVE.time(), BERLIN.timetz()),
    (BERLIN.timetz(), NAIVE.time().replace(tzinfo=ZoneInfo("Asia/Tokyo"))),
    (SPAN, -SPAN), (SPAN, SPAN.total_seconds()), (pd.Timedelta(1, "ns"), pd.Timedelta(0)),
    (pd.Timedelta(SPAN), pd.Timedelta(SPAN) + pd.Timedelta(1, "ns")), (dt.timedelta(0), 0),
    (dt.timedelta.max, dt.timedelta.max - dt.timedelta(microseconds=1)),
    (np.timedelta64(1, "M"), np.timedelta64(30, "D")), (np.timedelta64(1, "M"), np.timedelta64(1)),
    # missing values
    (None, NAN), (None, pd.NaT), (None, pd.NA), (pd.NaT, pd.NA), (pd.NaT, NAN), (pd.NA, NAN),
    (None, "None"),
    # other values
    (Colour.RED, Colour.BLUE), (Colour.RED, "red"), (Colour.RED, Shade.RED), (Word.RED, "red"),
    (Rights.READ, Rights.WRITE), (Rights.READ, 1), (SOME_ID, str(SOME_ID)), (SOME_ID, uuid.UUID(int=8)),
    (pathlib.Path("a"), "a"), (pathlib.Path("a"), pathlib.Path("A")),
    # objects with fields
    (Answer("a"), Answer("b")), (Answer("a"), Reply("a")), (Answer("a"), {"text": "a", "score": 0.5}),
    (Answer("a", 1), Answer("a", 1.0)), (Point(1, 2), (1, 2)), (Point(1, 2), Place(1, 2)), (Point(1, 2),
    Point(2, 1)),
]  # fmt: skip


def name_of(value):
    return f"{type(value).__name__}-{value!r:.30}"


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=name_of)
def test_rows_with_equal_values_are_the_same(one, other):
    """At any depth."""
    assert row_key(b"k", {"a": one}) == row_key(b"k", {"a": other})
    assert row_key(b"k", {"a": [{"b": one}]}) == row_key(b"k", {"a": [{"b": other}]})


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=name_of)
def test_rows_with_other_values_are_not_the_same(one, other):
    """At any depth."""
    assert row_key(b"k", {"a": one}) != row_key(b"k", {"a": other})
    assert row_key(b"k", {"a": [{"b": one}]}) != row_key(b"k", {"a": [{"b": other}]})


def test_the_table_is_long_enough_to_be_taken_seriously():
    """A hundred and fifty pairs, and those of tests/journal/test_numpy_key.py."""
    assert len(EQUAL) + len(DIFFERENT) > 150


def test_the_key_of_a_row_needs_the_key_of_its_journal():
    """So that nobody who has the file alone can try out what a row may have held."""
    assert row_key(b"k", {"a": 1}) == row_key(b"k", {"a": 1})
    assert row_key(b"k", {"a": 1}) != row_key(b"l", {"a": 1})
    assert len(row_key(b"k", {"a": 1})) == 32


# Any values


def same(one: Any, other: Any) -> bool:  # noqa: PLR0911 - one rule each
    """What a user would call equal, written without a look at the code: pair by pair."""
    for kinds in ((list, tuple), (set, frozenset), (bytes, bytearray)):
        if type(one) in kinds and type(other) in kinds:
            break
    else:
        if plain_type(one) is not plain_type(other):
            return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            any(same(key, k) and same(item, v) for k, v in other.items())
            for key, item in one.items()
        )
    if isinstance(one, (float, np.floating)):
        return bool(one == other and math.copysign(1, one) == math.copysign(1, other)) or (
            math.isnan(one) and math.isnan(other)
        )
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, dt.datetime):
        nanoseconds = [getattr(each, "nanosecond", 0) for each in (one, other)]
        return (
            one.replace(tzinfo=None) == other.replace(tzinfo=None)
            and one.utcoffset() == other.utcoffset()
            and nanoseconds[0] == nanoseconds[1]
        )
    return bool(one == other)


def plain_type(value):
    for numpys, plain in (
        (np.bool_, bool),
        (np.integer, int),
        (np.floating, float),
        (np.str_, str),
    ):
        if isinstance(value, numpys):
            return plain
    for base in (bool, int, float, dt.datetime, dt.date, dt.timedelta):
        if isinstance(value, base):
            return base
    return type(value)


def few(*values):
    """Return a strategy for values that often meet their equals."""
    return st.sampled_from(values)


SCALARS = few(
    None, True, False, 0, 1, 2, 0.0, -0.0, 1.0, NAN, math.inf, "", "1", "a", b"1", bytearray(b"1"),
    Decimal(1), Decimal("1.0"), np.int64(1), np.uint8(2), np.float64(1), np.float32(0.5),
    0.5, np.bool_(True),
    np.str_("a"), NAIVE, NAIVE.replace(tzinfo=UTC), NAIVE.replace(tzinfo=PLUS_2), NAIVE.date(), NS,
    pd.Timestamp(NAIVE), SPAN, pd.Timedelta(SPAN), SPAN * 2, SOME_ID,
)  # fmt: skip
HASHABLE = few(None, True, 0, 1, 1.0, 2, 0.5, "", "1", "a", b"1", Decimal(1), NAIVE.date(), SOME_ID)
PARAMS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.sets(HASHABLE, max_size=2)
        | st.frozensets(HASHABLE, max_size=2)
        | st.dictionaries(HASHABLE, inner, max_size=2)
        | st.dictionaries(few("a", "b", "$set", "$moment"), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(PARAMS, PARAMS)
def test_two_rows_have_the_same_key_if_and_only_if_they_are_equal(one, other):
    """Whatever they hold."""
    keys = row_key(b"k", {"a": one}), row_key(b"k", {"a": other})
    assert (keys[0] == keys[1]) == same(one, other)


@given(st.lists(st.tuples(SCALARS, SCALARS), max_size=3), st.randoms())
def test_an_equal_row_has_the_same_key_however_it_is_written(pairs, random):
    """Pairs of equals, in another order and in other containers."""
    one = [a for a, _ in pairs]
    other = [b if same(a, b) else a for a, b in pairs]
    shuffled = list(enumerate(other))
    random.shuffle(shuffled)
    assert canonical_text({"a": one, "b": dict(enumerate(one))}) == canonical_text(
        {"b": dict(shuffled), "a": tuple(other)}
    )


FLOATS = st.floats() | st.floats(width=32) | st.floats(width=16)


@given(FLOATS, FLOATS)
def test_numbers_are_compared_by_their_exact_value(one, other):
    """As float, float32 and float16."""
    for convert in (np.float64, np.float32, np.float16):
        with np.errstate(all="ignore"):
            converted = convert(other)
        equal = same(one, float(converted))
        assert (canonical_text(one) == canonical_text(converted)) == equal


@given(st.integers(-(2**62), 2**62), st.integers(-3, 3))
def test_times_are_compared_to_the_nanosecond(number, off):
    """As numpy and pandas hold them."""
    one, other = np.datetime64(number, "ns"), np.datetime64(number + off, "ns")
    assert (canonical_text(pd.Timestamp(one)) == canonical_text(other)) == (off == 0)
    span, other_span = np.timedelta64(number, "ns"), np.timedelta64(number + off, "ns")
    assert (canonical_text(pd.Timedelta(span)) == canonical_text(other_span)) == (off == 0)


@given(PARAMS)
def test_a_row_that_is_read_from_a_journal_is_the_row_that_was_written(value):
    """So that a run can be resumed with the params that are in its journal."""
    assert row_key(b"k", decoded(encoded({"a": value}))) == row_key(b"k", {"a": value})


@pytest.mark.parametrize(
    "value",
    [NS, NS.tz_localize("UTC"), pd.Timedelta(-1, "ns"), pd.Timedelta(np.timedelta64(10**12, "s")),
     pd.NaT, pd.NA, dt.timedelta.max, dt.timedelta.min, range(1, 9, 3), deque([1, [2]], maxlen=3),
     Fraction(1, 3)],
    ids=repr,
)  # fmt: skip
def test_a_param_comes_back_from_a_journal_exactly(value):
    """Value and type."""
    again = decoded(encoded(value))
    assert type(again) is type(value)
    assert canonical_text(again) == canonical_text(value)
    assert again is value or again == value


@pytest.mark.parametrize("value", [Point(1, 2), Answer("a"), Colour.RED, Word.RED])
def test_a_row_that_comes_back_as_something_else_is_not_taken_for_the_same(value):
    """A node that reads an attribute of it would fail."""
    assert canonical_text(decoded(encoded(value))) != canonical_text(value)


# Objects with fields


def test_pydantic_models_are_compared_as_pydantic_does():
    """Extra fields and private attributes count; what a model leaves out of its dump counts too."""
    pydantic = pytest.importorskip("pydantic")

    class Reply(pydantic.BaseModel, extra="allow"):
        text: str
        hidden: int = pydantic.Field(default=0, exclude=True)
        _seen: int = pydantic.PrivateAttr(default=0)

        @pydantic.computed_field
        @property
        def length(self) -> int:
            return len(self.text)

    assert canonical_text(Reply(text="a")) == canonical_text(Reply(text="a", hidden=0))
    seen = Reply(text="a")
    seen._seen = 1
    others = [
        Reply(text="b"),
        Reply(text="a", hidden=1),
        Reply(text="a", more=1),
        seen,
        {"text": "a"},
    ]
    for other in others:
        assert canonical_text(Reply(text="a")) != canonical_text(other)


def test_attrs_objects_are_compared_by_the_fields_that_attrs_compares():
    """Of a class of the same name."""
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Reply:
        text: str
        seen: int = attrs.field(default=0, eq=False)

    assert canonical_text(Reply("a", 1)) == canonical_text(Reply("a", 2))
    assert canonical_text(Reply("a")) != canonical_text(Reply("b"))


class Client:
    """An object that nothing identifies."""

    def __init__(self, n=0):
        self.n = n


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(codec, "_registered", {})
    monkeypatch.setattr(codec, "_readers", dict(codec._readers))


@pytest.mark.usefixtures("registry")
def test_objects_of_a_registered_class_are_compared_by_what_is_written():
    """Not by the objects themselves; and not with what is written alone."""
    register(Client, lambda client: client.n, Client, name="moment")
    register(Hostile, lambda _: 1, Hostile)
    assert canonical_text(Client(1)) == canonical_text(Client(1)) != canonical_text(Hostile())
    assert canonical_text(Client(1)) != canonical_text(Client(2))
    assert canonical_text(Client(1)) != canonical_text(1)


# Values that nothing can be recognised by


class Hostile:
    """Raises whatever one reads of it."""

    def __getattribute__(self, name):
        raise RuntimeError("hands off")


def loop():
    items: list = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    "value",
    [Client(), object(), len, print, lambda: 1, Client, threading.Lock(), UserDict(a=1), Table(name="a"),
     (n for n in range(3)), {1: [Client()]}, Answer(Client()), loop()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_row_with_another_object_has_no_key(value):
    """Two of them may look alike and be different, or look different and be the same."""
    with pytest.raises(NoRowKeyError):
        row_key(b"k", {"a": 1, "b": value})


def why(**params):
    """Return why a row has no key, as text."""
    return "\n".join(map(str, params_without_key([params])))


def test_the_finding_names_the_param_the_class_and_what_to_pass():
    """And what follows from it."""
    assert why(a=1, b=[{}]) == ""
    assert why(a=1, client=[Client()]) == (
        "No row can be recognised by the param 'client', which holds an object of class "
        "tests.journal.test_row_key.Client. A resumed run runs such rows again, although they may have "
        "succeeded. Pass what identifies the object, such as an id or a path, or write "
        "flowmagic.journal.register(Client, write, read)."
    )
    assert "of class builtin_function_or_method. A" in why(a=len)
    assert "the param 'a', which is nested more than 50 levels deep. A resumed" in why(a=loop())
    assert "the param 'a': reading it raised RuntimeError. A resumed" in why(a=Hostile())
    (long,) = params_without_key([{"k" * 500: Client()}])
    assert "'kkk" in long.what
    assert len(long.what) < 200


def test_each_param_is_found_once():
    """However many rows there are."""
    rows = [{"a": Client(), "b": n, "c": Client()} for n in range(9)]
    names = [each.what.split("'")[1] for each in params_without_key(rows)]
    assert names == ["a", "c"]


def test_a_decimal_context_changes_nothing():
    """The digits are those of the number."""
    number = Decimal("1.23456789")
    with decimal.localcontext() as context:
        context.prec = 2
        assert canonical_text(number) == '{"$decimal":"1.23456789"}'
