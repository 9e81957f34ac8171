"""Where secrets are found in values."""

from __future__ import annotations

import base64
import itertools
from collections import OrderedDict, UserDict, deque
from types import MappingProxyType, ModuleType, SimpleNamespace

import pytest

from flowmagic.text.redact import secrets_of

from .secretvalues import KEY, Client, Model, Pair


class Sealed:
    """As pydantic's SecretStr."""

    def __init__(self, value):
        self._value = value

    def get_secret_value(self):
        return self._value

    def __repr__(self):
        return "Sealed('**********')"


class Session:
    """As the clients of many libraries."""

    def __init__(self, key):
        self.api_key = key
        self.base_url = "https://example.com"


def nested(levels, value):
    for _ in range(levels):
        value = {"a": [value]}
    return value


HOLDERS = {
    "a dict": {"api_key": KEY},
    "bytes": {"api_key": KEY.encode()},
    "a bytearray": {"api_key": bytearray(KEY.encode())},
    "a list": {"api_keys": [KEY, "another-1"]},
    "a tuple": {"api_keys": (KEY,)},
    "a set": {"api_keys": {KEY}},
    "a dict of them": {"credentials": {"user": "me", "keys": [KEY]}},
    "a dict six levels deep": nested(6, {"token": KEY}),
    "a dict thirty levels deep": nested(30, {"token": KEY}),
    "the 150th of a list": {"users": [{"password": f"hunter-{n}"} for n in range(150)] + [{"secret": KEY}]},
    "one key of many": {**{f"k{n}": n for n in range(3_000)}, "secret": KEY},
    "a dataclass": {"client": Client(KEY)},
    "a named tuple": {"pair": Pair("a", KEY)},
    "a model": {"model": Model(api_key=KEY)},
    "a sealed one": {"anything": Sealed(KEY)},
    "sealed bytes": {"anything": [Sealed(KEY.encode())]},
    "a sealed one under its name": {"api_key": Sealed(KEY)},
    "a client": {"client": Session(KEY)},
    "a namespace": {"config": SimpleNamespace(api_key=KEY)},
    "an ordered dict": {"ordered": OrderedDict(secret=KEY)},
    "a mapping": {"mapping": UserDict(password=KEY)},
    "a proxy": {"mapping": MappingProxyType({"password": KEY})},
    "a deque": {"queue": deque([{"password": KEY}])},
    "an object": {"secret": Client(KEY)},
    "a header": {"headers": {"Authorization": f"Bearer {KEY}"}},
    "bytes of a header": {"headers": {b"x": 1, "Authorization": f"Bearer {KEY}".encode()}},
    "a value by its form": {"anything": KEY},
    "a URL": {"url": f"https://me:{KEY}@example.com/x"},
    "the query of a URL": {"url": f"https://example.com/x?a=b&key={KEY}"},
    "a DSN": {"dsn": f"Server=x;Pwd={KEY}"},
}  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_secret_is_found_wherever_it_is_kept(holder):
    """At any depth, and in what other libraries keep it in."""
    found = secrets_of(HOLDERS[holder])
    assert any(KEY in each for each in found)
    assert KEY in found or holder == "a DSN"


def test_pydantic_and_attrs_are_understood():
    """The real ones: a SecretStr under any name, a field named like a secret."""
    pydantic, attrs = pytest.importorskip("pydantic"), pytest.importorskip("attrs")

    class Config(pydantic.BaseModel):
        access: pydantic.SecretStr
        api_key: str

    @attrs.define
    class Login:
        password: str

    config = Config(access="hunter-1", api_key="hunter-2")
    assert secrets_of([config, Login("hunter-3")]) == {"hunter-1", "hunter-2", "hunter-3"}


def test_parts_of_a_secret_are_found_if_they_are_long():
    """The second word of a header, or an item; a short one may be a user's name."""
    assert secrets_of({"headers": {"Authorization": f"Bearer {KEY}"}, "n": 1}) == {KEY}
    assert KEY in secrets_of({"credentials": {"user": "me-1234", "keys": [KEY]}})
    assert "me-1234" not in secrets_of({"credentials": {"user": "me-1234", "keys": [KEY]}})
    assert "first-part-1" in secrets_of({"secret": "first-part-1 and more"})


def test_bytes_that_are_no_text_are_found_as_they_are_quoted():
    """In a repr, as hexadecimal digits, and in base64."""
    key = bytes(range(200, 216))
    found = secrets_of({"signing_key": key})
    assert {repr(key)[2:-1], key.hex(), base64.b64encode(key).decode()} <= found


def test_a_short_sealed_secret_is_found():
    """Under any name."""
    assert secrets_of({"x": Sealed("hunter22"), "password": Sealed(b"hunter33")}) == {
        "hunter22", "hunter33", *secrets_of({"password": b"hunter33"}),
    }  # fmt: skip


def test_ordinary_words_are_not_found():
    """They would be masked wherever they stand."""
    assert secrets_of({"password": "abc", "secret": "yes", "api_key": "EMPTY"}) == set()
    assert secrets_of({"mask_token": "[MASK-123456]", "token": "Paris"}) == set()
    assert secrets_of({"password": 12345, "pin": 123456789}) == set()
    assert secrets_of({"password": 123456789}) == {"123456789"}


def test_a_circle_and_a_huge_value_end_the_search():
    """A run waits for it: the first 10,000 entries are looked through, the upper ones first."""
    circle: dict = {"token": KEY}
    circle["self"] = [circle, circle]
    assert secrets_of(circle) == {KEY}
    huge = {"rows": [{"password": f"hunter-{n}"} for n in range(20_000)], "secret": KEY}
    found = secrets_of(huge)
    assert KEY in found
    assert 1_000 < len(found) <= 10_000
    endless = UserDict()
    endless.data = _Endless()
    assert secrets_of(endless) == set()


class _Endless(dict):
    def __iter__(self):
        return itertools.count()

    def __getitem__(self, key):
        return key


class Hostile:
    def __getattribute__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


class Broken(UserDict):
    def __iter__(self):
        raise ConnectionError("gone")


class Dear:
    """A class, whose attributes are not those of a value."""

    api_key = KEY


UNREADABLE = {
    "hostile": Hostile(), "broken": Broken(token=KEY), "a class": Dear, "a module": ModuleType("m"),
    "a function": len, "a number": 5, "nothing": None,
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_has_no_secrets(kind):
    """Whatever somebody's object does when it is looked at."""
    value = UNREADABLE[kind]
    assert secrets_of(value) == secrets_of([value]) == secrets_of({"a": value}) == set()
    secrets_of({"password": value})  # raises nothing
