"""What a journal keeps of the shared store before a run."""

from __future__ import annotations

import json
import threading

import pytest

from flowmagic.journal.codec import decoded
from flowmagic.journal.shared_snapshot import shared_kept, text_or_none
from flowmagic.text.redact import MASK


class Client:
    """An object that has no form in a journal."""


class Hostile:
    """Raises whatever one does with it."""

    def __getattribute__(self, name):
        raise RuntimeError("hands off")


def kept(shared, secrets=None):
    """Return what is kept, with the texts read again."""
    return [(decoded(text), kind) for text, kind in shared_kept(shared, secrets)]


def test_each_entry_is_kept_with_its_value():
    """In the order of the store, with keys and values of any kind that a journal can write."""
    store = {"messages": ["hello"], 7: (1, 2), "nothing": None}
    assert kept(store) == [({key: value}, "") for key, value in store.items()]


def test_of_a_value_without_a_form_the_class_is_kept():
    """So that the script of the run can say what is to be put there."""
    assert kept({"client": Client(), "count": 3}) == [
        ({"client": None}, "Client"),
        ({"count": 3}, ""),
    ]


def test_of_a_long_value_the_class_is_kept():
    """A journal is no place for the documents of a batch."""
    assert kept({"short": "x" * 100, "long": "x" * 10_000}) == [
        ({"short": "x" * 100}, ""),
        ({"long": None}, "str"),
    ]


def test_an_entry_whose_key_has_no_form_is_left_out():
    """Nothing could be said of it."""
    assert kept({Client(): 1, "n": 2}) == [({"n": 2}, "")]


def test_a_large_store_is_kept_in_part():
    """Its first hundred entries."""
    assert kept({n: n for n in range(5_000)}) == [({n: n}, "") for n in range(100)]


@pytest.mark.parametrize("shared", [None, [1], Client()])
def test_of_a_store_that_is_no_dict_nothing_is_kept(shared):
    """It has no entries."""
    assert shared_kept(shared, None) == []


def test_secrets_are_masked_by_their_key_and_wherever_they_stand():
    """With None as the secrets, nothing is masked: the user wants them kept."""
    store = {"api_key": "sk-12345678", "url": "?key=sk-12345678", "n": 1}
    masked = kept(store, frozenset({"sk-12345678"}))
    assert masked == [({"api_key": MASK}, ""), ({"url": f"?key={MASK}"}, ""), ({"n": 1}, "")]
    assert kept(store, frozenset())[0] == ({"api_key": MASK}, "")
    assert kept(store) == [({key: value}, "") for key, value in store.items()]


def test_it_is_a_snapshot():
    """What the run changes later is not in it; and it is plain enough for JSON."""
    store = {"messages": ["hello"]}
    rows = shared_kept(store, None)
    store["messages"].append("world")
    assert [json.loads(text) for text, _ in rows] == [{"messages": ["hello"]}]
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize("make", [Client, threading.Lock, lambda: {1: [Client()]}, Hostile])
def test_a_value_without_a_form_has_no_text(make):
    """Whatever is raised on the way."""
    assert text_or_none(make(), None) is None


def test_a_value_with_a_form_has_the_text_that_a_journal_writes():
    """Which can be read again."""
    text = text_or_none({"when": (1, 2)}, None)
    assert text is not None
    assert decoded(text) == {"when": (1, 2)}
