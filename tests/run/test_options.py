"""The options of a run: checked together, before anything runs."""

from __future__ import annotations

import pytest

import flowmagic
from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.limits.limits import Limits
from flowmagic.run.failures import ErrorBudget, Retries
from flowmagic.run.journaled_options import options_kept
from flowmagic.run.options import KEEP, Options


def test_what_is_not_asked_for_is_not_limited():
    """The defaults: five at once, and nothing else."""
    assert Options.of() == Options()
    assert Options() == Options(
        Limits(5, None, 1), None, None, None, Retries(0), threads=True, keep=KEEP
    )


def test_words_become_values():
    """Each in the forms that a user may write."""
    options = Options.of(
        per_minute=60, burst=3, adaptive="2-10-50", timeout=3, max_errors="20%", retries=2
    )
    assert options.limits == Limits(10, 60, 3)
    assert options.adaptive == Adaptive(2, 10, 50)
    assert (options.timeout, options.max_errors) == (3.0, ErrorBudget(share=0.2))
    assert options.retries == Retries(2)
    chosen = Retries(3, wait=0.1)
    assert Options.of(retries=chosen).retries is chosen


def test_two_words_on_how_many_at_once_are_refused():
    """The message says which to write."""
    with pytest.raises(LimitError, match=r'limit=5 and adaptive="2-10-50" both .*begins with 10'):
        Options.of(limit=5, adaptive="2-10-50")


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "many", None])
def test_a_keep_that_is_no_number_of_rows_is_refused(wrong):
    """ValueError, with the corrected line."""
    with pytest.raises(LimitError, match=r"keep is .*not a number of rows\. Write .*keep=1000"):
        Options.of(keep=wrong)


def test_with_other_limits_an_adaptive_one_moves_on_from_there():
    """Its bounds widen where the new limit lies outside."""
    options = Options.of(adaptive="2-10-50")
    assert options.with_limits(Limits(20)).adaptive == Adaptive(2, 20, 50)
    assert options.with_limits(Limits(1)).adaptive == Adaptive(1, 1, 50)
    assert options.with_limits(Limits(90)).adaptive == Adaptive(2, 90, 90)
    assert Options().with_limits(Limits(9)).adaptive is None


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
    """What `batchflow` takes by name is in the journal, or is told there in another way."""
    elsewhere = {"journal", "resume", "sync", "journal_secrets", "capture"}
    taken = set(Options.of.__func__.__kwdefaults__) - elsewhere
    assert set(options_kept(Options.of())) == taken
