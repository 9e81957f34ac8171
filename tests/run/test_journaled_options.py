"""The options of a run as its journal keeps them."""

from __future__ import annotations

import json

import pytest

import flowmagic
from flowmagic.journal.shared_snapshot import Written
from flowmagic.run.failures import Retries
from flowmagic.run.journaled_options import options_kept, options_written
from flowmagic.run.options import KEEP, OPTIONS, Options


class Elsewhere:
    name = "elsewhere"
    isolates = False

    def begin(self, work):
        raise NotImplementedError


class Client:
    scheduler_address = "tcp://10.0.0.1:8786"


@pytest.mark.parametrize(
    ("engine", "kept", "written"),
    [
        (None, None, None),
        ("dask", "dask", None),
        (
            flowmagic.DaskEngine("tcp://10.0.0.1:8786"),
            "dask",
            Written("flowmagic.DaskEngine('tcp://10.0.0.1:8786')", ""),
        ),
        (
            flowmagic.DaskEngine(Client()),
            "dask",
            Written("", "it was an object of class Client, which has no source"),
        ),
        (
            Elsewhere(),
            "elsewhere",
            Written("", "it was an object of class Elsewhere, which has no source"),
        ),
    ],
)
def test_an_engine_is_kept_by_its_name_and_written_as_far_as_that_can_be(engine, kept, written):
    """A name stands for itself; an address is written out; of an object it is said what it was."""
    options = Options.of(engine=engine)
    assert options_kept(options)["engine"] == kept
    assert options_written(options)[0].get("engine") == written


def test_every_option_is_kept():
    """What `batchflow` takes by name is in the journal, or is told there in another way."""
    elsewhere = {"journal", "resume", "sync", "journal_secrets", "capture"}
    taken = set(OPTIONS) - elsewhere
    assert set(options_kept(Options.of())) == taken


def keep_all(shared, instance):
    """Merge what an instance wrote."""


def test_options_are_kept_as_plain_values():
    """Named as `batchflow` takes them, so that a run can be started with them again."""
    options = Options.of(
        adaptive="2-10-50",
        per_minute=60,
        max_errors="20%/50",
        retries=2,
        isolate=True,
        merge=keep_all,
        allow_shared=["b", "a"],
    )
    kept = options_kept(options)
    assert json.loads(json.dumps(kept)) == {
        "limit": 10,
        "per_minute": 60,
        "burst": 1,
        "adaptive": "2-10-50",
        "timeout": None,
        "max_errors": [0.2, 50],
        "retries": 2,
        "threads": True,
        "keep": KEEP,
        "isolate": True,
        "merge": "keep_all",
        "allow_shared": ["a", "b"],
        "track_shared": True,
        "engine": None,
    }


def test_options_that_are_plain_values_need_no_python():
    """They are kept as they are."""
    plain = Options.of(limit=3, retries=2, max_errors=5)
    assert options_written(plain) == ({}, [])
    assert options_written(Options.of(adaptive="2-10-50")) == ({}, [])


def test_functions_and_classes_are_written_by_name_and_listed():
    """So that their definitions can be kept, too."""
    options = Options.of(
        retries=Retries(2, wait=0.5, on=(ValueError,)), isolate=True, merge=keep_all
    )
    written, used = options_written(options)
    assert written == {
        "retries": Written("flowmagic.Retries(times=2, wait=0.5, on=(ValueError,))", ""),
        "merge": Written("keep_all", ""),
    }
    assert used == [ValueError, keep_all]


def test_keys_without_a_form_are_said_to_be_left_out():
    """The script of the run then has a place for them."""
    options = Options.of(allow_shared=[Client()])
    assert options_kept(options)["allow_shared"] is None
    assert options_written(options)[0] == {
        "allow_shared": Written("", "its keys have no form in a journal")
    }
