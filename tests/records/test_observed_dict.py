"""A dict that calls a hook whenever it is read or written."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.records.observed_dict import MISSING, ObservedDict

from .dictuses import ANY, of

KEYS = st.sampled_from(["a", "b", 1, 1.5, None, ("t", 0)])
DICTS = st.dictionaries(KEYS, st.integers(0, 3))


class Recording(ObservedDict):
    """Notes the calls of its hooks."""

    __slots__ = ("calls",)

    def _on_read(self, key, value):
        self.calls.append(("read", key, value))
        return value

    def _on_lookup(self, key):
        self.calls.append(("lookup", key))

    def _on_read_keys(self):
        self.calls.append("keys")

    def _on_read_all(self):
        self.calls.append("all")

    def _on_write(self, key, old, new):
        self.calls.append(("write", key, old, new))


class Doubling(ObservedDict):
    """Gives its readers twice each value."""

    __slots__ = ()

    def _on_read(self, key, value):
        return value if value is MISSING else value * 2


def made(kind, items):
    return type.__call__(kind, items)


def recording(**items):
    noted = made(Recording, items)
    noted.calls = []
    return noted


@given(DICTS, KEYS, DICTS, st.sampled_from(sorted(ANY)))
def test_without_hooks_it_does_what_a_dict_does(items, key, other, name):
    """Every operation gives the same result or error, and leaves the same items."""
    act = ANY[name]
    observed, plain = made(ObservedDict, items), dict(items)
    got = of(lambda d: act(d, key, other), observed)
    wanted = of(lambda d: act(d, key, other), plain)
    if name in {"attribute", "hash", "<"}:  # the message names the class
        assert (got[0], got[1][0], got[2]) == (wanted[0], wanted[1][0], wanted[2])
    else:
        assert got == wanted


READS = {
    "[]": (lambda d: d["a"], [("read", "a", 1)]),
    "get": (lambda d: d.get("a"), [("read", "a", 1)]),
    "get of a key that is not there": (lambda d: d.get("c"), [("read", "c", MISSING)]),
    "in": (lambda d: "c" in d, [("lookup", "c")]),
    "iter": (list, ["keys"]),
    "reversed": (reversed, ["keys"]),
    "keys": (lambda d: d.keys(), ["keys"]),
    "values": (lambda d: d.values(), ["all"]),
    "items": (lambda d: d.items(), ["all"]),
    "copy": (lambda d: d.copy(), ["all"]),
    "copy.copy": (copy.copy, ["all"]),
    "pickle": (pickle.dumps, ["all"]),
    "==": (lambda d: d == {}, ["all"]),
    "!=": (lambda d: d != {}, ["all"]),
    "|": (lambda d: d | {}, ["all"]),
    "reversed |": (lambda d: {} | d, ["all"]),
    "len": (len, []),
    "repr": (repr, []),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_calls_the_hook_of_its_kind(name):
    """Once, with the key and its value where one key is read."""
    read, calls = READS[name]
    observed = recording(a=1, b=2)
    read(observed)
    assert observed.calls == calls


WRITES = {
    "[] =": (lambda d: d.__setitem__("a", 3), [("write", "a", 1, 3)]),
    "[] = of a new key": (lambda d: d.__setitem__("c", 3), [("write", "c", MISSING, 3)]),
    "del": (lambda d: d.__delitem__("a"), [("write", "a", 1, MISSING)]),
    "pop": (lambda d: d.pop("a"), [("read", "a", 1), ("write", "a", 1, MISSING)]),
    "pop of a key that is not there": (lambda d: d.pop("c", 0), [("read", "c", MISSING)]),
    "popitem": (lambda d: d.popitem(), [("read", "b", 2), ("write", "b", 2, MISSING)]),
    "setdefault": (lambda d: d.setdefault("a", 3), [("read", "a", 1)]),
    "setdefault of a new key": (
        lambda d: d.setdefault("c", 3),
        [("read", "c", MISSING), ("write", "c", MISSING, 3)],
    ),
    "update": (
        lambda d: d.update({"a": 3}, c=4),
        [("write", "a", 1, 3), ("write", "c", MISSING, 4)],
    ),
    "|=": (lambda d: d.__ior__({"b": 3}), [("write", "b", 2, 3)]),
    "clear": (lambda d: d.clear(), [("write", "a", 1, MISSING), ("write", "b", 2, MISSING)]),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_calls_its_hook_with_the_old_and_the_new_value(name):
    """Once for each key; MISSING stands for a key that was not there, or is gone."""
    write, calls = WRITES[name]
    observed = recording(a=1, b=2)
    write(observed)
    assert observed.calls == calls


@pytest.mark.parametrize("act", [lambda d: d.pop("c"), lambda d: d.__delitem__("c")])
def test_a_key_that_is_not_there_cannot_be_removed(act):
    """KeyError, and nothing was written."""
    observed = recording(a=1)
    with pytest.raises(KeyError, match="c"):
        act(observed)
    assert not [call for call in observed.calls if call[0] == "write"]


def test_nothing_is_written_by_an_update_that_raises():
    """Neither are the items that come before the error."""

    def items():
        yield "a", 3
        raise ValueError("no more")

    observed = recording(a=1)
    with pytest.raises(ValueError, match="no more"):
        observed.update(items())
    assert observed.calls == []
    assert dict.items(observed) == {"a": 1}.items()


def test_the_reader_receives_what_the_hook_returns():
    """By whatever method one key is read."""
    doubling = made(Doubling, {"a": 1, "b": 2})
    assert (doubling["a"], doubling.get("b"), doubling.get("c", 7)) == (2, 4, 7)
    assert doubling.setdefault("a") == 2
    assert doubling.popitem() == ("b", 4)
    assert doubling.pop("a") == 2


def test_calling_the_class_returns_a_plain_dict():
    """So `type(params)(params)`, which copies a dict of any class, gives one without hooks."""
    observed = recording(a=1)
    copied = type(observed)(observed, b=2)
    assert type(copied) is dict
    assert copied == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda d: d.copy(), lambda d: pickle.loads(pickle.dumps(d))],
)
def test_copies_and_pickles_are_plain_dicts(duplicate):
    """They may outlive the run, whose hooks they must not call."""
    copied = duplicate(recording(a=[1]))
    assert type(copied) is dict
    assert copied == {"a": [1]}
