"""Values as text, and back, with nothing run on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import threading
import uuid
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import JournalError, OutputLostError
from flowmagic.journal import codec
from flowmagic.journal.codec import (
    EncodingError,
    classes_in,
    decoded,
    encoded,
    encoded_and_masked,
    encoded_or_none,
    register,
)
from flowmagic.text.redact import MASK

KEYS = (
    st.text(max_size=5) | st.integers() | st.tuples(st.integers(), st.text(max_size=3)) | st.none()
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(dt.timezone.utc))
    | st.dates()
    | st.times()
    | st.timedeltas(min_value=dt.timedelta(-1_000), max_value=dt.timedelta(1_000))
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
    | st.frozensets(st.integers() | st.text(max_size=3))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    """Its type too, at any depth, with keys of any kind."""
    again = decoded(encoded(value))
    assert again == value
    assert type(again) is type(value)


@given(st.dictionaries(st.sampled_from(["$bytes", "$dict", "$x", "a"]), st.text(max_size=4)))
def test_a_dict_that_looks_like_a_tag_comes_back_as_a_dict(value):
    """The user's keys may begin with $."""
    assert decoded(encoded(value)) == value


def test_numbers_that_are_not_finite_can_be_stored():
    """JSON itself has no form for them."""
    text = encoded([math.nan, math.inf, -math.inf])
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    nan, *others = decoded(text)
    assert math.isnan(nan)
    assert others == [math.inf, -math.inf]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Answer:
    text: str
    scores: tuple[float, ...] = ()


class Name(str):
    """A kind of text."""


def test_objects_come_back_as_plain_values():
    """A name in a file never leads to a class."""
    assert decoded(encoded(Answer("yes", (0.5,)))) == {"text": "yes", "scores": (0.5,)}
    assert decoded(encoded(Colour.RED)) == "red"
    assert decoded(encoded(pathlib.Path("a/b"))) == pathlib.PurePath("a/b")
    assert type(decoded(encoded(Name("n")))) is str
    assert decoded('{"$os.system": "true"}') == {"$os.system": "true"}


def test_pydantic_models_are_written_by_their_fields():
    """If pydantic is installed."""
    pydantic = pytest.importorskip("pydantic")

    class Reply(pydantic.BaseModel):
        text: str
        n: int = 1

    assert decoded(encoded(Reply(text="hi"))) == {"text": "hi", "n": 1}


class Odd:
    def __init__(self, n):
        self.n = n


def test_a_value_that_cannot_be_stored_is_named_with_its_place():
    """The message also says what to write."""
    with pytest.raises(EncodingError) as caught:
        encoded({"a": [1, Odd(2)]})
    assert "['a'][1] is of class" in str(caught.value)
    assert "register(Odd, write, read)" in str(caught.value)
    deep: list = []
    for _ in range(60):
        deep = [deep]
    with pytest.raises(EncodingError, match="nested"):
        encoded(deep)


def test_a_registered_class_comes_back_as_itself(monkeypatch):
    """And its name cannot be taken by another one."""
    monkeypatch.setattr(codec, "_registered", {})
    monkeypatch.setattr(codec, "_readers", dict(codec._readers))
    register(Odd, lambda odd: odd.n, Odd)
    again = decoded(encoded([Odd(7)]))[0]
    assert (type(again), again.n) == (Odd, 7)
    with pytest.raises(JournalError, match="taken"):
        register(Name, str, Name, name="Odd")
    with pytest.raises(JournalError, match="taken"):
        register(Name, str, Name, name="bytes")


def test_secrets_are_masked_by_their_names_and_wherever_they_occur():
    """In a text that quotes one, too."""
    text = encoded({"api_key": "sk-123456", "note": "used sk-123456"}, {"sk-123456"})
    assert decoded(text) == {"api_key": MASK, "note": f"used {MASK}"}
    assert "sk-123456" in encoded({"api_key": "sk-123456"})


def test_secrets_are_masked_in_keys_and_bytes_and_dicts_with_other_keys():
    """Where text is kept in another form, too."""
    secret = "sk-123456"
    value = {
        "used": {secret: 1, (secret, 2): 3},
        "header": b"Bearer " + secret.encode(),
        "others": {1: 2, "password": 4321, "api_key": "abc", "note": secret},
    }
    assert decoded(encoded(value, {secret})) == {
        "used": {MASK: 1, (MASK, 2): 3},
        "header": MASK,
        "others": {1: 2, "password": MASK, "api_key": MASK, "note": MASK},
    }


def test_a_secret_by_name_and_value_is_masked_in_whatever_holds_it():
    """As on the screen: a token in a tuple or in bytes, and not the mask of a language model."""
    value = {
        "token": b"tk-12345678",
        "tokens": ("tk-12345678", "tk-87654321"),
        "mask_token": "[MASK]",
        "text": ("Paris", "is", "[MASK]"),
        "password": True,
        1: 2,
    }
    masked = {**value, "token": MASK, "tokens": MASK}
    assert decoded(encoded(value, frozenset())) == masked
    assert (
        decoded(encoded({**value, "words": value["text"]}, frozenset()))["words"] == value["text"]
    )
    assert decoded(encoded({"tokens": value["text"]}, frozenset())) == {"tokens": value["text"]}


KEY = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    "value",
    [
        uuid.UUID(KEY),
        pathlib.Path(f"/keys/{KEY}"),
        f"/{KEY}".encode(),
        decimal.Decimal(f"0.{10**12}"),
    ],
)
def test_a_value_that_holds_a_secret_is_masked_as_a_whole(value):
    """A part of its form could not be read again."""
    secrets = frozenset({KEY, str(10**12)})
    assert decoded(encoded([value, "kept"], secrets)) == [MASK, "kept"]
    assert decoded(encoded([value, "kept"], frozenset({"sk-12345678"}))) == [value, "kept"]


def test_an_array_whose_bytes_are_a_secret_is_masked_as_a_whole():
    """Its base64 would be no array any more."""
    np = pytest.importorskip("numpy")
    array = np.frombuffer(b"sk-1234567890abcdef", dtype="uint8")
    assert decoded(encoded({"x": array}, {"sk-1234567890abcdef"})) == {"x": MASK}


def test_a_key_is_masked_in_a_value_by_its_form():
    """Code that a model wrote is left, so that it can be restored."""
    code = 'client = Client(password="secret")'
    value = {"code": code, "url": "https://me:hunter2@db/x"}
    assert decoded(encoded(value, frozenset())) == {"code": code, "url": f"https://me:{MASK}@db/x"}
    assert encoded_and_masked({"code": code}, frozenset()) == (encoded({"code": code}), False)
    assert (
        encoded_and_masked({"mask_token": "[MASK]", "output": "Paris is [MASK]."}, frozenset())[1]
        is False
    )


@pytest.mark.parametrize("number", [10**600, -(10**700), 10**5_000, -(2**2_000)], ids=range(4))
def test_an_int_of_any_size_comes_back(number):
    """Even with more digits than Python writes."""
    assert decoded(encoded({"n": [number]})) == {"n": [number]}


class Point(NamedTuple):
    x: int
    y: int


class Tags(set):
    pass


def test_a_subclass_comes_back_as_its_base_class():
    """A NamedTuple as a tuple, for example."""
    assert decoded(encoded([Point(1, 2), Tags({3})])) == [(1, 2), {3}]


@given(st.text())
def test_any_text_is_read_or_refused(text):
    """It is never run, and no other error than ours is raised."""
    try:
        decoded(text)
    except JournalError as error:
        assert "is not a journal value" in str(error)


def test_uuids_and_decimals_keep_their_digits():
    """1.10 is not 1.1."""
    assert str(decoded(encoded(decimal.Decimal("1.10")))) == "1.10"
    some = uuid.UUID(int=7)
    assert decoded(encoded(some)) == some


class Client:
    """An object that has no form in a journal."""


class Hostile:
    """Raises whatever one does with it."""

    def __getattribute__(self, name):
        raise RuntimeError("hands off")


@pytest.mark.parametrize("make", [Client, threading.Lock, lambda: {1: [Client()]}, Hostile])
def test_a_value_that_cannot_be_stored_has_no_text(make):
    """Whatever is raised on the way."""
    assert encoded_or_none(make(), None) is None


def test_a_value_that_can_be_stored_has_the_text_that_a_journal_writes():
    """Which can be read again."""
    text = encoded_or_none({"when": (1, 2)}, None)
    assert text is not None
    assert decoded(text) == {"when": (1, 2)}


def test_a_lost_output_comes_back_as_the_error_that_stands_for_it():
    """With its message; a dict of the user that looks like it comes back as a dict."""
    lost = decoded(encoded([OutputLostError("This output is gone.")]))[0]
    assert (type(lost), str(lost)) == (OutputLostError, "This output is gone.")
    assert decoded(encoded({"$lost": "x"})) == {"$lost": "x"}


@given(VALUES)
def test_a_value_without_a_secret_is_told_from_one_in_which_something_was_masked(value):
    """Also if the value has the mask in it, or is of a type that is rewritten for the file."""
    text, is_masked = encoded_and_masked(value, {"sk-123456"})
    assert (text, is_masked) == (encoded(value), False)
    assert encoded_and_masked([value, "sk-123456"], {"sk-123456"})[1]
    assert not encoded_and_masked([value, MASK], {"sk-123456"})[1]
    assert not encoded_and_masked([value, "sk-123456"], None)[1]


def test_the_classes_of_objects_that_become_plain_values_are_found_in_a_text():
    """A text that looks like one does not count, at any depth."""
    text = encoded([{"a": Answer("yes")}, Colour.RED, '{"$model":["Fake",1]}', {"$model": ["F"]}])
    assert classes_in(text) == ["Answer", "Colour"]
    assert classes_in(encoded({"plain": [1, (2,)]})) == []
