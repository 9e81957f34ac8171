"""What a run was given besides its rows, as a journal keeps it."""

from __future__ import annotations

import pytest

import flowmagic
from flowmagic.journal.given import Written
from flowmagic.options import Options, options_kept, options_written


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
    taken = set(Options.of.__func__.__kwdefaults__) - elsewhere
    assert set(options_kept(Options.of())) == taken
