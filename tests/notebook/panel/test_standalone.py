"""A run and its panel by one call, without a magic."""

import pytest
from pocketflow import AsyncFlow, AsyncNode

from flowmagic.errors import BatchError, LimitError, NoRunningLoopError
from flowmagic.notebook.panel.standalone import start_in_panel


class Double(AsyncNode):
    async def post_async(self, shared, *_):
        shared["seen"] = shared.get("seen", 0) + 1
        return 2 * self.params["n"]


async def test_the_panel_shows_a_run_that_has_been_started():
    """With the options of `batchflow`, and awaited as `panel.run`."""
    shared = {}
    panel = start_in_panel(AsyncFlow(start=Double()), [{"n": 1}, {"n": 2}], limit=1, shared=shared)
    await panel.run
    assert panel.run.results == [2, 4]
    assert panel.run.limit == 1
    assert panel.get_state()["header"]["flow"] == "AsyncFlow"
    assert shared == {"seen": 2}
    panel.close()


async def test_run_in_the_panel_runs_the_same_batch_again():
    """With the limit that the slider then shows, and the other options as they were."""
    panel = start_in_panel(Double(), [{"n": 3}], limit=2, retries=1)
    first = await panel.run
    panel._handle({"type": "limit", "value": 7, "client": "page", "n": 1})
    panel._handle({"type": "run", "client": "page", "n": 2})
    assert panel.run is not first
    await panel.run
    assert panel.run.results == [6]
    assert panel.run.limit == 7
    panel.close()


async def test_what_is_wrong_is_said_before_anything_runs():
    """The errors of `batchflow`."""
    with pytest.raises(BatchError, match="not a list of dicts"):
        start_in_panel(Double(), 3)
    with pytest.raises(LimitError, match="limit is"):
        start_in_panel(Double(), [{"n": 1}], limit=0)
    with pytest.raises(TypeError, match="limits"):
        start_in_panel(Double(), [{"n": 1}], limits=3)


def test_without_a_loop_there_is_no_run():
    """And so no panel."""
    with pytest.raises(NoRunningLoopError, match="run_batch"):
        start_in_panel(Double(), [{"n": 1}])
