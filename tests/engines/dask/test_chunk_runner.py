"""How a chunk runs on its worker, and which messages it sends; the worker is a fake."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pickle
import sys
import threading
from types import SimpleNamespace

import distributed
import pytest
from pocketflow import AsyncNode

from flowmagic import EngineError
from flowmagic.engines.dask import chunk_runner
from flowmagic.engines.dask.chunk_runner import cancel_instances, run_chunk
from flowmagic.engines.dask.instance_result import load_outcome
from flowmagic.engines.dask.messages import updates_in
from flowmagic.engines.dask.requirements import runtime
from flowmagic.engines.dask.serialization import SourceFiles, node_classes_of

gate = threading.Event()
begun: list = []
stopped: list = []


class Acts(AsyncNode):
    """Does what its row says."""

    async def exec_async(self, _):
        begun.append(self.params["i"])
        try:
            while self.params.get("waits") and not gate.is_set():
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            stopped.append(self.params["i"])
            raise
        if "raises" in self.params:
            raise self.params["raises"]
        return "x" * self.params.get("size", 1)

    async def post_async(self, shared, prep_res, exec_res):
        shared["wrote"] = self.params["i"]
        if self.params.get("fails later"):
            raise ValueError("later")
        return exec_res


@pytest.fixture
def worker(monkeypatch):
    """The worker of the chunks in this process: it keeps the messages, and lets any chunk begin."""
    made = SimpleNamespace(address="inproc://paper", messages=[], claimed=[], free=True)
    made.log_event = lambda topic, message: made.messages.append(message)

    def claim(worker, key, number):
        made.claimed.append((key, number))
        return made.free

    flow = Acts()
    monkeypatch.setattr(distributed, "get_worker", lambda: made)
    monkeypatch.setattr(chunk_runner.serialization, "claim", claim)
    loaded = flow, {}, node_classes_of(flow)
    monkeypatch.setattr(chunk_runner.serialization, "load", lambda worker, key: loaded)
    monkeypatch.setattr("flowmagic.engines.dask.worker_slot._give_back", lambda: None)
    for each in (gate, begun, stopped):
        each.clear()
    yield made
    chunk_runner._cancelled.clear()


def chunk(*rows, number=1, **more):
    """Return a task for a worker; the ids are ten times the rows."""
    return {
        "runtime": runtime(),
        "payload_key": "key",
        "run": "run",
        "topic": "topic",
        "number": number,
        "ids": [10 * at for at in range(len(rows))],
        "params": [pickle.dumps(({"i": at, **row}, None)) for at, row in enumerate(rows)],
        "threads": True,
        "mostly_waiting": False,
        **more,
    }


def ends(worker):
    """Return the outcomes in the messages, by id."""
    messages = [message for message in worker.messages if "updates" in message]
    return {end.id: end.outcome for each in messages for end in updates_in(each)[1]}


def loaded(outcome, outputs=None):
    """Return an outcome's action, or its error, and its writes; add its outputs to `outputs`."""
    view: dict = {}
    note = {} if outputs is None else outputs
    try:
        trace = SimpleNamespace(params=None, extras=None, note_output=note.__setitem__)
        return load_outcome(outcome, trace, view, SourceFiles(Acts())), view
    except BaseException as error:
        return error, view


def test_a_chunk_sends_its_start_then_the_ends_of_its_instances_then_its_own_end(worker):
    """It returns nothing, since all outcomes were small."""
    assert run_chunk(chunk({}, {"raises": ValueError("no")})) == {}
    kinds = [next(iter(message)) for message in worker.messages]
    assert (kinds[0], kinds[-1]) == ("began", "ended")
    assert set(kinds[1:-1]) == {"updates"}
    outcomes = ends(worker)
    assert loaded(outcomes[0]) == ("x", {"wrote": 0})
    assert repr(loaded(outcomes[10])[0]) == repr(ValueError("no"))
    seconds, cpu, instances, has_large = worker.messages[-1]["ended"]
    assert (instances, has_large) == (2, False)
    assert 0 <= cpu <= seconds + 0.1
    assert worker.claimed == [("key", 1)]


def test_nodes_redirect_for_themselves_and_the_process_of_the_worker_is_as_before(
    worker, monkeypatch
):
    """Other chunks run there later, of this run and of others."""

    class Redirects(AsyncNode):
        async def exec_async(self, _):
            os.environ["FM_OF_A_NODE"] = "node"
            with contextlib.redirect_stdout(io.StringIO()) as text:
                for _ in range(3):
                    print(self.params["i"])
                    await asyncio.sleep(0)
            return text.getvalue()

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    flow, stream = Redirects(), sys.stdout
    made = flow, {}, node_classes_of(flow)
    monkeypatch.setattr(chunk_runner.serialization, "load", lambda worker, key: made)
    run_chunk(chunk({}, {}))
    assert [loaded(each)[0] for each in ends(worker).values()] == ["0\n" * 3, "1\n" * 3]
    assert sys.stdout is stream
    assert "FM_OF_A_NODE" not in os.environ


def test_an_outcome_too_large_for_a_message_is_returned_and_announced(worker):
    """The scheduler keeps messages for a while; the result of a task goes straight to the run."""
    large = run_chunk(chunk({"size": 20_000}, {}))
    assert set(large) == {0}
    assert loaded(large[0])[0] == "x" * 20_000
    assert ends(worker)[0] == b""
    assert worker.messages[-1]["ended"][3] is True


def test_an_output_is_sent_once_a_small_one_in_an_update_and_a_large_one_with_the_outcome(worker):
    """However many updates follow; both of an instance that fails later, too."""
    large = run_chunk(chunk({"size": 50}, {"size": 20_000}, {"size": 20_000, "fails later": True}))
    updates = [
        update
        for message in worker.messages
        if "updates" in message
        for update in updates_in(message)[0]
    ]
    sent = [(update.id, update.diff.outputs) for update in updates if update.diff.outputs]
    assert sorted(sent, key=str) == [
        (0, {0: pickle.dumps("x" * 50, pickle.HIGHEST_PROTOCOL)}), (10, {0: None}), (20, {0: None}),
    ]  # fmt: skip
    for each in (10, 20):
        outputs = {}
        result, _ = loaded(large[each], outputs)
        assert outputs == {0: "x" * 20_000}
    assert isinstance(result, ValueError)
    outputs = {}
    assert loaded(ends(worker)[0], outputs) == ("x" * 50, {"wrote": 0})
    assert outputs == {}


def test_a_chunk_that_was_claimed_before_does_not_run(worker):
    """It returns None, which is no outcome, and sends no message."""
    worker.free = False
    assert run_chunk(chunk({})) is None
    assert (begun, worker.messages) == ([], [])


def test_a_worker_with_another_python_or_flowmagic_refuses_before_it_claims(worker):
    """The run could not read its messages; another worker may still run the chunk."""
    with pytest.raises(
        EngineError,
        match=r"^This worker has Python 3\..*, and the run has Python 2\.7, flowmagic 9\. Start it with",
    ):
        run_chunk(chunk({}, runtime="Python 2.7, flowmagic 9"))
    assert (begun, worker.claimed, worker.messages) == ([], [], [])


def test_the_argument_of_the_task_is_not_changed(worker):
    """Dask may pass it to another worker of the same process."""
    task = chunk({})
    run_chunk(task)
    assert task == chunk({})


def test_instances_cancelled_before_their_chunk_arrives_never_begin(worker):
    """The others do; a chunk of another run with the same number is another chunk."""
    cancel_instances("run", {1: [0, 20]})
    cancel_instances("other", {1: [10]})
    run_chunk(chunk({}, {}, {}))
    assert begun == [1]
    assert set(ends(worker)) == {10}


def test_cancelling_a_running_instance_leaves_the_others_alone(worker):
    """It is called in another thread, that of the worker's own loop."""
    task = chunk({"waits": True}, {"waits": True})
    thread = threading.Thread(target=run_chunk, args=(task,))
    thread.start()
    _until(lambda: len(begun) == 2)
    cancel_instances("run", {1: [0], 2: [0]})
    _until(lambda: stopped)
    gate.set()
    thread.join(20)
    assert stopped == [0]
    outcomes = ends(worker)
    assert isinstance(loaded(outcomes[0])[0], asyncio.CancelledError)
    assert loaded(outcomes[10])[0] == "x"
    cancel_instances("run", {1: [10]})  # the chunk has ended
    assert chunk_runner._running == {}


def test_params_that_cannot_be_unpickled_fail_their_instance_only(worker):
    """A class may be missing on the worker."""
    task = chunk({}, {})
    task["params"][0] = b"\x80\x04no pickle"
    run_chunk(task)
    outcomes = ends(worker)
    assert isinstance(loaded(outcomes[0])[0], pickle.UnpicklingError)
    assert loaded(outcomes[10])[0] == "x"


def test_only_the_latest_cancellations_are_kept_for_chunks_that_never_arrive(worker):
    """A worker lives for weeks."""
    for number in range(1_200):
        cancel_instances("run", {number: [1]})
    assert len(chunk_runner._cancelled) == 1_000
    assert ("run", 1_199) in chunk_runner._cancelled


def _until(condition):
    waiting = threading.Event()
    for _ in range(4_000):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("the condition never became true")
