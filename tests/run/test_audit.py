"""What a run may have lost in silence."""

from __future__ import annotations

import asyncio

import pandas as pd
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow

import flowmagic
from flowmagic.text.redact import MASK


class Route(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return self.params.get("way")


class End(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return "end"


def routed(*rows):
    route = Route()
    route - "left" >> End()
    route - "right" >> End()
    return flowmagic.run_batch(AsyncFlow(start=route), list(rows))


def said(run) -> str:
    return "\n".join(map(str, run.audit()))


def test_instances_whose_action_has_no_successor_are_a_finding():
    """With their number and the first of them; the end of a node without successors is meant."""
    run = routed(*[{"way": "lfet"}] * 7, {"way": "left"}, {"way": "right"})
    text = said(run)
    assert 'Instances 0, 1, 2, 3, 4 and 2 more ended at Route, which returned "lfet"' in text
    assert 'It has successors for "left", "right"; these did not run.' in text
    assert "End" not in text
    (found,) = [each for each in run.audit() if not each.note]
    assert (found.instances, found.count) == ((0, 1, 2, 3, 4), 7)


def test_a_secret_in_an_action_is_masked():
    """Some nodes return what a model says; it is masked before it is cut."""
    way = f"{'x' * 50}sk-of-the-row-1"
    text = said(routed({"way": way, "api_key": "sk-of-the-row-1"}, {"way": "left"}))
    assert f'{MASK}"' in text
    assert "sk-" not in text


def test_an_instance_that_returned_no_action_where_others_did_is_a_finding():
    """Unless all of them do: that is how a chat ends."""
    text = said(routed({"way": None}, {"way": "left"}))
    assert "Instance 0 ended at Route, which returned nothing" in text
    assert said(routed({"way": None}, {"way": "done"})) == ""
    assert "Instance 1 ended at Route" in said(routed({"way": "left"}, {"way": "done"}))
    assert 'returned "lfet"' in said(routed({"way": "lfet"}))


def test_params_that_no_instance_has_read_are_a_finding():
    """One instance that reads a param is enough."""
    text = said(routed({"way": "left", "tone": 1}))
    assert 'No instance has read the param "tone". It has changed nothing.' in text
    assert said(routed({"way": "left"}, {"way": "right"})) == ""
    many = {f"column {n}": n for n in range(2_000)}
    text = said(routed({"way": "left", **many}))
    assert 'the params "column 0", "column 1", "column 2", "column 3", "column 4" and 1,995' in text


def test_nested_flows_and_single_nodes_are_no_finding():
    """Only the nodes at the top of the flow decide where an instance ends."""
    inner = Route()
    inner - "left" >> End()
    outer = AsyncFlow(start=AsyncFlow(start=inner))
    run = flowmagic.run_batch(outer, [{"way": "left"}])
    assert "leads nowhere" not in said(run)
    assert said(flowmagic.run_batch(Route(), [{"way": "x"}])) == ""


def test_instances_without_a_result_are_a_finding_if_others_of_the_same_node_have_one():
    """Not if they took another way through the graph."""

    class Answer(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            return self.params["says"]

    rows = [{"says": "yes"}, {"says": None}, {"says": ["odd"]}]
    text = said(flowmagic.run_batch(Answer(), rows))
    assert "Instance 1 ended at Answer with the result None, where others have one." in text
    assert said(flowmagic.run_batch(Answer(), [{"says": None}])) == ""


def test_an_end_within_a_nested_flow_is_that_of_the_node_that_holds_it():
    """Whichever node began last within."""
    inner, end = AsyncFlow(start=End()), End()
    inner - "go on" >> end
    text = said(flowmagic.run_batch(AsyncFlow(start=inner), [{}, {}]))
    assert text == ""  # "end" says that it ends
    inner = AsyncFlow(start=Route())
    inner - "go on" >> end
    rows = [{"way": "go on"}, {"way": "gone"}]
    text = said(flowmagic.run_batch(AsyncFlow(start=inner), rows))
    assert 'Instance 1 ended at AsyncFlow, which returned "gone"' in text


class Breaks(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params.get("seconds", 0))
        if self.params.get("breaks"):
            raise ValueError("no")


def test_errors_that_were_swallowed_are_a_finding():
    """The instance succeeded, and yet one of its nodes raised."""

    class Patient(AsyncFlow):
        async def _run_async(self, shared):
            try:
                return await super()._run_async(shared)
            except ValueError:
                return None

    run = flowmagic.run_batch(
        AsyncFlow(start=Patient(start=Breaks())), [{"breaks": 1, "seconds": 0}, {"breaks": 0}]
    )
    assert run.ok
    assert "Instance 0 succeeded although Breaks raised an error there." in said(run)
    assert "Instance 1" not in said(run)


def test_node_copies_that_a_failed_instance_left_running_are_a_finding():
    """PocketFlow's parallel batches do not stop the others."""

    class Branches(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"breaks": 1}, {"seconds": 0.2}]

    run = flowmagic.run_batch(AsyncFlow(start=Branches(start=Breaks())), [{}])
    text = said(run)
    assert "Instance 0 failed while other nodes of it were still running." in text
    alone = flowmagic.run_batch(AsyncFlow(start=Breaks()), [{"breaks": 1}])
    assert said(alone) == ""


def test_actions_that_are_objects_and_loops_are_audited_too():
    """Some nodes return an object as their action; some lead back to themselves."""

    class Loops(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            return self.params["way"].pop()

    loops = Loops()
    loops - "again" >> loops
    loops - "on" >> AsyncFlow(start=End())
    rows = [{"way": ["on", "again"]}, {"way": ["odd", "again"]}, {"way": [3.5]}]
    run = flowmagic.run_batch(AsyncFlow(start=loops), rows)
    assert run.results == ["end", "odd", 3.5]
    (found,) = run.audit()
    assert str(found).startswith('Instance 1 ended at Loops, which returned "odd"')


def test_results_that_are_no_actions_are_a_note():
    """Which PocketFlow itself could not have looked up, though nothing follows."""

    class Answers(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            return self.params["way"]

    ways = [{"text": "a"}, None, ["b"], "end", {}, {"text": "b"}]
    run = flowmagic.run_batch(AsyncFlow(start=Answers()), [{"way": way} for way in ways])
    assert run.ok
    first, second = [each for each in run.audit() if "no action" in each.what]
    assert (
        first.what
        == "Instances 0, 4 and 5 ended at Answers, whose post returned a dict, which is no action."
    )
    assert "unhashable type" in first.why
    assert "run.outputs" in first.instead
    assert second.what.startswith("Instance 2 ended at Answers, whose post returned a list")
    assert first.note
    assert (first.instances, first.count) == ((0, 4, 5), 3)


def test_rows_that_were_dropped_are_left_out():
    """Of a generator, only some rows are kept; of the others only the end is known."""
    rows = ({"way": "left", f"column {n}": n} for n in range(8))
    route = Route()
    route - "left" >> AsyncFlow(start=End())
    run = flowmagic.run_batch(AsyncFlow(start=route), rows, keep=2)
    assert run.records.dropped == 6
    assert "column 0" not in said(run)
    assert "column 7" in said(run)


def test_no_param_is_called_unread_if_reads_are_unknown():
    """Each param may have been read then."""
    run = routed({"way": "left", "tone": 1})
    run.records.read[0] = run.records.read_sets.UNKNOWN
    assert said(run) == ""


def test_the_levels_of_the_index_of_a_frame_need_not_be_read():
    """They identify the rows; a column that nobody reads is still named."""
    frame = pd.DataFrame({"way": ["left"], "id": [1], "idle": [2]}).set_index("id")
    route = Route()
    route - "left" >> End()
    text = said(flowmagic.run_batch(AsyncFlow(start=route), frame))
    assert '"idle"' in text
    assert '"id"' not in text
