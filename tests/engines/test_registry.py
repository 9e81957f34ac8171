"""The engine that a user asks for, by its name or as an object."""

from __future__ import annotations

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.engines.registry import NAMES, engine_of
from flowmagic.errors import EngineError, MissingExtraError


class Elsewhere:
    """An engine that nobody begins a run on."""

    def begin(self, work):
        raise AssertionError("begun")


class Never(AsyncNode):
    async def prep_async(self, shared):
        raise AssertionError("this node runs elsewhere")


def test_without_an_engine_instances_run_in_this_loop():
    """None is what a user who says nothing has asked for."""
    assert engine_of(None).name == "local"
    assert not engine_of(None).isolates


def test_each_name_makes_the_engine_of_that_name():
    """So that the options of a run can be read as they were written."""
    pytest.importorskip("distributed")
    assert {name: engine_of(name).name for name in NAMES} == {"local": "local", "dask": "dask"}


def test_an_engine_of_the_users_is_taken_as_it_is():
    """Whatever has a `begin` is one."""
    mine = Elsewhere()
    assert engine_of(mine) is mine


def test_an_engine_whose_package_is_missing_is_refused(monkeypatch):
    """ImportError, with the line that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install distributed"):
        engine_of("dask")


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("dusk", r'neither "local" nor "dask"\. Write engine="dask"'),
        ("tcp://host:1", r'engine=flowmagic\.DaskEngine\("tcp://host:1"\)'),
        (Elsewhere, r"the class Elsewhere, .* Write engine=Elsewhere\(\)"),
        (5, r"an int \(5\), not an engine"),
    ],
)
async def test_what_is_no_engine_is_refused(wrong, hint):
    """RuntimeError, with the corrected line; nothing has started."""
    with pytest.raises(EngineError, match=hint):
        flowmagic.batchflow(Never(), [{"i": 1}], engine=wrong)
