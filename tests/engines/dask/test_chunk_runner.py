"""What a chunk does on its worker, and what it tells; the worker is one of paper."""

from __future__ import annotations

import asyncio
import pickle
import threading
from types import SimpleNamespace

import distributed
import pytest
from pocketflow import AsyncNode

from flowmagic import EngineError
from flowmagic.engines.dask import chunk_runner
from flowmagic.engines.dask.chunk_runner import CpuSlot, drop, run_chunk
from flowmagic.engines.dask.instance_result import load_outcome
from flowmagic.engines.dask.messages import news_of
from flowmagic.engines.dask.requirements import runtime
from flowmagic.engines.dask.serialization import Sources, classes_of

from ...virtualtime import virtual

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
        return exec_res


@pytest.fixture
def worker(monkeypatch):
    """The worker of the chunks in this process: it keeps what is told, and lets any chunk begin."""
    made = SimpleNamespace(address="inproc://paper", told=[], claimed=[], free=True)
    made.log_event = lambda topic, message: made.told.append(message)

    def claim(worker, package, number):
        made.claimed.append((package, number))
        return made.free

    flow = Acts()
    monkeypatch.setattr(distributed, "get_worker", lambda: made)
    monkeypatch.setattr(chunk_runner, "claim", claim)
    monkeypatch.setattr(chunk_runner, "opened", lambda worker, key: (flow, {}, classes_of(flow)))
    monkeypatch.setattr("flowmagic.engines.dask.chunk_runner._give_back", lambda: None)
    for each in (gate, begun, stopped):
        each.clear()
    yield made
    chunk_runner._dropped.clear()


def chunk(*rows, number=1, **more):
    """Return what a worker is given: the tickets are ten times their rows."""
    return {
        "runtime": runtime(),
        "package": "package",
        "run": "run",
        "topic": "topic",
        "number": number,
        "tickets": [10 * at for at in range(len(rows))],
        "rows": [pickle.dumps({"i": at, **row}) for at, row in enumerate(rows)],
        "threads": True,
        "waits": False,
        **more,
    }


def ends(worker):
    """Return the outcomes that were told, by ticket."""
    parts = [message for message in worker.told if "parts" in message]
    return {ticket: outcome for each in parts for ticket, outcome in news_of(each)[1]}


def loaded(outcome):
    """Return an outcome's action, or its error, and its writes."""
    view: dict = {}
    try:
        trace = SimpleNamespace(params=None, extras=None)
        return load_outcome(outcome, trace, view, Sources(Acts())), view
    except BaseException as error:
        return error, view


def test_a_chunk_tells_its_beginning_each_end_and_its_own_end_in_this_order(worker):
    """And returns nothing, since all of it was small."""
    assert run_chunk(chunk({}, {"raises": ValueError("no")})) == {}
    kinds = [next(iter(message)) for message in worker.told]
    assert (kinds[0], kinds[-1]) == ("began", "ended")
    assert set(kinds[1:-1]) == {"parts"}
    told = ends(worker)
    assert loaded(told[0]) == ("x", {"wrote": 0})
    assert repr(loaded(told[10])[0]) == repr(ValueError("no"))
    seconds, computed, instances, large = worker.told[-1]["ended"]
    assert (instances, large) == (2, [])
    assert 0 <= computed <= seconds + 0.1
    assert worker.claimed == [("package", 1)]


def test_what_is_too_large_to_be_told_is_returned_and_announced(worker):
    """The scheduler keeps messages for a while; a result goes from worker to run."""
    late = run_chunk(chunk({"size": 20_000}, {}))
    assert set(late) == {0}
    assert loaded(late[0])[0] == "x" * 20_000
    assert ends(worker)[0] == b""
    assert worker.told[-1]["ended"][3] == [0]


def test_a_chunk_that_has_begun_elsewhere_is_left_alone(worker):
    """None is no outcome of any instance; nothing is told."""
    worker.free = False
    assert run_chunk(chunk({})) is None
    assert (begun, worker.told) == ([], [])


def test_a_worker_with_another_python_or_flowmagic_refuses_before_it_claims(worker):
    """What it would tell could not be read; another worker may still begin."""
    with pytest.raises(
        EngineError, match=r"it has Python 3\..*, and the run Python 2\.7, flowmagic 9"
    ):
        run_chunk(chunk({}, runtime="Python 2.7, flowmagic 9"))
    assert (begun, worker.claimed, worker.told) == ([], [], [])


def test_the_chunk_that_dask_keeps_is_not_altered(worker):
    """Dask may give it to another worker of the same process."""
    given = chunk({})
    run_chunk(given)
    assert given == chunk({})


def test_what_was_dropped_before_the_chunk_came_never_begins(worker):
    """The others do; a chunk with the same number of another run is not meant."""
    drop("run", {1: [0, 20]})
    drop("other", {1: [10]})
    run_chunk(chunk({}, {}, {}))
    assert begun == [1]
    assert set(ends(worker)) == {10}


def test_what_is_dropped_while_it_runs_is_cancelled_and_the_others_go_on(worker):
    """From another thread: that of the worker's own loop."""
    given = chunk({"waits": True}, {"waits": True})
    thread = threading.Thread(target=run_chunk, args=(given,))
    thread.start()
    _until(lambda: len(begun) == 2)
    drop("run", {1: [0], 2: [0]})
    _until(lambda: stopped)
    gate.set()
    thread.join(20)
    assert stopped == [0]
    told = ends(worker)
    assert isinstance(loaded(told[0])[0], asyncio.CancelledError)
    assert loaded(told[10])[0] == "x"
    drop("run", {1: [10]})  # it has ended: nobody is there to hear it
    assert chunk_runner._here == {}


def test_a_row_that_cannot_be_read_there_fails_alone(worker):
    """Its class may be missing; the rest of the chunk is well."""
    given = chunk({}, {})
    given["rows"][0] = b"\x80\x04no pickle"
    run_chunk(given)
    told = ends(worker)
    assert isinstance(loaded(told[0])[0], pickle.UnpicklingError)
    assert loaded(told[10])[0] == "x"


def test_of_what_was_dropped_and_never_came_only_the_latest_is_kept(worker):
    """A worker lives for weeks."""
    for number in range(1_200):
        drop("run", {number: [1]})
    assert len(chunk_runner._dropped) == 1_000
    assert ("run", 1_199) in chunk_runner._dropped


def _until(condition):
    waiting = threading.Event()
    for _ in range(4_000):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("it never held")


class Machine:
    """What the clocks of a worker say: of each second, how much its thread and process compute."""

    def __init__(self):
        self.here = self.everywhere = 0.0
        self.given_back = []

    def clocks(self):
        now = asyncio.get_running_loop().time() - 1000
        return now, self.here * now, self.everywhere * now

    def give_back(self):
        self.given_back.append(asyncio.get_running_loop().time() - 1000)


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(chunk_runner, "_clocks", made.clocks)
    monkeypatch.setattr(chunk_runner, "_give_back", made.give_back)
    return made


def runner(live=0, used=()):
    return SimpleNamespace(live=live, used=list(used))


@virtual
async def test_one_that_waits_gives_its_place_back_once_at_the_first_look(machine):
    """Others of its worker that compute are not its own doing."""
    machine.everywhere = 1.0
    place = CpuSlot(runner(), waits=False)
    place.begin()
    await asyncio.sleep(10)
    assert machine.given_back == pytest.approx([0.025])


@virtual
async def test_one_that_is_known_to_wait_gives_it_back_at_once(machine):
    """Many such follow one another."""
    CpuSlot(runner(), waits=True).begin()
    await asyncio.sleep(10)
    assert machine.given_back == [0.0]


@pytest.mark.parametrize(("here", "everywhere", "live"), [(0.9, 0.9, 0), (0.0, 0.9, 1)])
def test_one_that_computes_keeps_it_in_its_loop_or_in_threads(machine, here, everywhere, live):
    """Until it waits; it is looked at less and less often, and not after its end."""

    @virtual
    async def test():
        machine.here, machine.everywhere = here, everywhere
        place = CpuSlot(runner(live), waits=False)
        place.begin()
        await asyncio.sleep(10)
        assert machine.given_back == []
        place.end()
        machine.here = machine.everywhere = 0.0
        await asyncio.sleep(10)
        assert machine.given_back == []

    test()


@virtual
async def test_what_it_has_computed_is_that_of_its_loop_and_of_its_threads(machine):
    """By that, the next chunks get their size."""
    machine.here = 0.5
    place = CpuSlot(runner(used=[0.25, 0.5]), waits=True)
    place.begin()
    await asyncio.sleep(2)
    assert place.taken() == (2.0, 1.75)
