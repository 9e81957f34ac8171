"""Flows in the shapes of PocketFlow's cookbook run over rows, unchanged, and are checked rightly."""

from __future__ import annotations

import copy
import warnings

import pytest
from pocketflow import AsyncFlow

import flowmagic as fm
from flowmagic.flow.checks import check

from .cookbook import SHAPES, Shape

ALL = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@pytest.fixture(autouse=True)
def _no_warnings():
    """PocketFlow warns of every end at an action without a successor."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Flow ends")
        yield


def dicts(shape: Shape):
    """Return the rows as dicts."""
    return [row if isinstance(row, dict) else {shape.fill: row} for row in shape.rows]


async def alone(shape: Shape, row):
    """Run the flow on one row as PocketFlow does; return its action and its store."""
    flow, shared = shape.make(), copy.deepcopy({**shape.store(), **row})
    try:
        action = await flow.run_async(shared) if isinstance(flow, AsyncFlow) else flow.run(shared)
    except TypeError as error:
        assert "unhashable" in str(error)
        action = "unhashable"
    return action, shared


@ALL
@pytest.mark.parametrize("options", [{"limit": 1}, {"limit": 5}, {"limit": 5, "threads": False}])
async def test_over_rows_a_flow_does_what_it_does_alone(shape, options):
    """At any limit: each row ends with the action and the store of its own sequential run."""
    store, flow = shape.store(), shape.make()
    run = await fm.batchflow(
        flow, shape.rows, shared=store, fill_shared=shape.fill, merge=lambda *_: None, **options
    )
    assert run.ok, run.failures
    assert run.crossings == []
    assert store == shape.store()
    for row, instance in zip(dicts(shape), run.instances, strict=True):
        action, shared = await alone(shape, row)
        if action == "unhashable":
            assert isinstance(instance.result, dict)
        else:
            assert instance.result == action
        assert {**shape.store(), **row, **instance.writes} == shared
    found = [each.what for each in run.audit() if not each.note]
    assert [each for each in found if "went on with the fallback" not in each] == []


@ALL
def test_the_check_names_what_is_missing_and_what_instances_would_mix(shape):
    """Without the option: the option, and the keys; nothing else."""
    found = [each.what for each in check(shape.make(), dicts(shape)) if not each.note]
    filled = [each for each in found if each.startswith("No node reads the param")]
    mixed = [each for each in found if " in place, and " in each]
    assert len(filled) == 1, found
    assert len(mixed) == len(shape.mixes), found
    for key in shape.mixes:
        assert any(f'shared["{key}"]' in each for each in mixed), found
    assert len(found) == 1 + len(mixed), found


@ALL
def test_with_the_option_the_check_has_nothing_to_say(shape):
    """No false alarm."""
    found = check(shape.make(), shape.rows, fill_shared=shape.fill)
    assert [str(each) for each in found if not each.note] == []


@ALL
async def test_a_resumed_run_has_what_came_out_of_the_rows_that_had_succeeded(shape, tmp_path):
    """From the journal, none runs again."""
    options = {"fill_shared": shape.fill, "journal": tmp_path / "runs.journal"}
    first = await fm.batchflow(shape.make(), shape.rows, shared=shape.store(), **options)
    again = await fm.batchflow(
        shape.make(), shape.rows, shared=shape.store(), resume=True, **options
    )
    assert all(each.restored for each in again.instances)
    assert [each.writes for each in again.instances] == [each.writes for each in first.instances]
    assert again.shared == first.shared
    assert again.outputs == first.outputs
