"""Values in terms of JSON: what JSON has stays as it is."""

from __future__ import annotations

import base64
import gc
import json
import math
import random
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.journal import plain_json as module
from flowmagic.journal.codec import decoded, encoded, encoded_and_masked
from flowmagic.journal.plain_json import (
    EncodingError,
    as_json,
    as_sorted_json,
    floats_of,
    plain_json,
)
from flowmagic.journal.row_key import canonical_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text().filter(lambda key: key[:1] != "$"), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip
RANDOM = random.Random(1)
EMBEDDING = [RANDOM.uniform(-1, 1) for _ in range(1_536)]


def refuse(value, kind, depth):
    raise EncodingError(f"The value is a {kind.__name__}.")


@given(JSON)
def test_what_json_has_stays_as_it_is(value):
    """And its text is that of Python's own `json`."""
    assert plain_json(value, 0, refuse) == value
    assert as_json(value) == json.dumps(value, separators=(",", ":"))
    assert as_sorted_json(value) == json.dumps(value, separators=(",", ":"), sort_keys=True)


@given(JSON)
def test_a_python_without_the_encoder_in_c_writes_the_same(value):
    """It is not part of what Python documents."""
    c_make_encoder = json.encoder.c_make_encoder
    json.encoder.c_make_encoder = None
    try:
        assert module._json_encoder(sort_keys=True)(value) == as_sorted_json(value)
    finally:
        json.encoder.c_make_encoder = c_make_encoder


def test_lists_and_dicts_are_copied():
    """A node may change them while their text is made."""
    value = {"a": [1, [2]], "b": {"c": 3}}
    plain = plain_json(value, 0, refuse)
    value["a"][1].append("later")
    value["b"]["d"] = "later"
    assert plain == {"a": [1, [2]], "b": {"c": 3}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1j, "The value is a complex."),
        ([1, (2,)], "[1] is a tuple."),
        ({"a": [0, {"b": 1j}]}, "['a'][1]['b'] is a complex."),
    ],
)
def test_what_is_refused_is_named_with_its_place(value, message):
    """So that it is found in a large value."""
    with pytest.raises(EncodingError) as caught:
        plain_json(value, 0, refuse)
    assert str(caught.value) == message


@given(st.lists(st.floats(), min_size=14, max_size=18))
def test_many_floats_come_back_to_the_last_bit(numbers):
    """Zeros keep their sign; what is not a number is told from numbers."""
    back = decoded(encoded(numbers))
    assert list(map(repr, back)) == list(map(repr, numbers))
    assert all(type(each) is float for each in back)
    is_packed = "$floats" in encoded(numbers)
    assert is_packed == (len(numbers) >= 16 and all(map(math.isfinite, numbers)))


@given(st.lists(st.integers(-(10**400), 10**400) | st.floats() | st.booleans(), min_size=16))
def test_numbers_of_several_types_keep_their_types(numbers):
    """1, 1.0 and True are three values."""
    back = decoded(encoded(numbers))
    assert list(map(repr, back)) == list(map(repr, numbers))


def test_floats_are_written_in_the_same_order_of_bytes_everywhere(monkeypatch):
    """A journal may be read on another computer."""
    content = plain_json(EMBEDDING, 0, refuse)["$floats"]
    assert base64.b64decode(content) == struct.pack("<1536d", *EMBEDDING)
    monkeypatch.setattr(sys, "byteorder", "little" if sys.byteorder == "big" else "big")
    swapped = plain_json(EMBEDDING, 0, refuse)["$floats"]
    assert swapped != content
    assert floats_of(swapped) == EMBEDDING


@pytest.mark.parametrize("content", ["AAAA", "no base64!", 1, None])
def test_a_damaged_list_of_floats_is_refused(content):
    """The file may hold anything."""
    with pytest.raises((ValueError, TypeError)):
        floats_of(content)


def test_floats_are_not_searched_for_secrets():
    """Their base64 may look like one by chance, and they would be lost."""
    content = plain_json(EMBEDDING, 0, refuse)["$floats"]
    text, is_masked = encoded_and_masked(EMBEDDING, frozenset({content[8:40]}))
    assert (decoded(text), is_masked) == (EMBEDDING, False)


def calls_of(act):
    """Return how many Python functions a call of `act` calls."""
    calls = []
    gc.disable()  # what it calls when it collects is not our doing
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code) if event == "call" else None)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return len(calls)


@pytest.mark.parametrize("item", [0.1, 7, True], ids=["floats", "ints", "bools"])
@pytest.mark.parametrize(
    "write", [lambda value: encoded(value, frozenset({"sk-12345678"})), canonical_text]
)
def test_an_embedding_takes_no_step_for_each_of_its_numbers(write, item):
    """It has thousands, and the loop is held meanwhile."""
    few, many = ({"text": "a", "embedding": [item] * n} for n in (20, 2_000))
    write(few)  # what is cached is there from now on
    assert calls_of(lambda: write(many)) == calls_of(lambda: write(few))


def test_no_path_is_made_of_what_is_not_refused(monkeypatch):
    """To keep that of each item cost more than to encode it."""
    paths = []
    within = EncodingError.within
    monkeypatch.setattr(
        EncodingError, "within", lambda self, place: (paths.append(place), within(self, place))[1]
    )
    value = {"a": [{"b": [(n, "text")]} for n in range(50)]}
    encoded(value, frozenset({"sk-12345678"}))
    assert paths == []
    value["a"][30]["b"].append(object())
    with pytest.raises(
        EncodingError, match=r"\['a'\]\[30\]\['b'\]\[1\] is of class builtins.object"
    ):
        encoded(value)
    assert paths == ["[1]", "['b']", "[30]", "['a']"]
