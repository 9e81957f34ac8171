"""The options of a run as its journal keeps them."""

from __future__ import annotations

import pytest

import flowmagic
from flowmagic.limits.adaptive import Adaptive
from flowmagic.run.failures import Retries
from flowmagic.run.journaled_options import options_kept
from flowmagic.run.options import OPTIONS, Options


class Elsewhere:
    name = "elsewhere"
    isolates = False

    def begin(self, work):
        raise NotImplementedError


class Client:
    scheduler_address = "tcp://10.0.0.1:8786"


@pytest.mark.parametrize(
    ("engine", "kept"),
    [
        (None, None),
        ("dask", "dask"),
        (flowmagic.DaskEngine(), "dask"),
        (flowmagic.DaskEngine("tcp://10.0.0.1:8786"), "DaskEngine('tcp://10.0.0.1:8786')"),
        (flowmagic.DaskEngine(Client()), "an object of class DaskEngine for a Client"),
        (Elsewhere(), "an object of class Elsewhere"),
    ],
)
def test_an_engine_is_kept_by_its_name_or_described(engine, kept):
    """A name that says all of it, or the address; of an object what it was."""
    assert options_kept(Options.of(engine=engine))["engine"] == kept


def merge_all(shared, instance):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"retries": 0}, 0),
        ({"retries": 2}, {"times": 2}),
        ({"retries": Retries(2, wait=0.5)}, {"times": 2, "wait": 0.5}),
        ({"retries": Retries(on=(OSError, IOError))}, {"on": ["builtins:OSError"] * 2}),
        ({"retries": Retries(1, on=lambda error: True)}, {"times": 1, "on": "a lambda"}),
        ({"adaptive": "2-10-50"}, {"minimum": 2, "start": 10, "maximum": 50}),
        (
            {"adaptive": Adaptive(2, 10, 50, backoff=0.7)},
            {"minimum": 2, "start": 10, "maximum": 50, "backoff": 0.7},
        ),
        ({"allow_shared": ["b", "a"]}, ["a", "b"]),
        ({"allow_shared": [Client]}, "keys that cannot be stored"),
        ({"merge": merge_all, "isolate": True}, f"{__name__}:merge_all"),
        ({"merge": lambda shared, instance: None, "isolate": True}, "a lambda"),
    ],
)  # fmt: skip
def test_an_object_among_the_options_is_kept_as_a_plain_value(options, kept):
    """As the fields that differ from the defaults; a function or class by where it is found."""
    assert options_kept(Options.of(**options))[next(iter(options))] == kept


def test_every_option_is_kept():
    """What `batchflow` takes by name is in the journal, or is recorded there in another way."""
    elsewhere = {"journal", "resume", "in_doubt", "reuse", "sync", "journal_secrets", "capture"}
    taken = set(OPTIONS) - elsewhere
    assert set(options_kept(Options.of())) == taken
