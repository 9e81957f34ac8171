"""When a chunk gives the slot of its worker back, and how its CPU time is measured."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flowmagic.engines.dask import worker_slot
from flowmagic.engines.dask.worker_slot import WorkerSlot

from ...virtualtime import virtual


class Machine:
    """The clocks of a worker, by the share of each second that its loop and its process compute."""

    def __init__(self):
        self.loop = self.process = 0.0
        self.given_back = []

    def clocks(self):
        now = asyncio.get_running_loop().time() - 1000
        return now, self.loop * now, self.process * now

    def give_back(self):
        self.given_back.append(asyncio.get_running_loop().time() - 1000)


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(worker_slot, "_clocks", made.clocks)
    monkeypatch.setattr(worker_slot, "_give_back", made.give_back)
    return made


def runner(active_calls=0, cpu_times=()):
    return SimpleNamespace(active_calls=active_calls, cpu_times=list(cpu_times))


@virtual
async def test_a_chunk_that_waits_gives_its_slot_back_once_at_the_first_check(machine):
    """The CPU time of other chunks in its process does not count."""
    machine.process = 1.0
    slot = WorkerSlot(runner(), mostly_waiting=False)
    slot.start()
    await asyncio.sleep(10)
    assert machine.given_back == pytest.approx([0.025])


@virtual
async def test_a_chunk_that_is_known_to_wait_gives_its_slot_back_at_once(machine):
    """It need not be measured again."""
    WorkerSlot(runner(), mostly_waiting=True).start()
    await asyncio.sleep(10)
    assert machine.given_back == [0.0]


@pytest.mark.parametrize(("loop", "process", "active_calls"), [(0.9, 0.9, 0), (0.0, 0.9, 1)])
def test_a_chunk_that_computes_in_its_loop_or_in_threads_keeps_its_slot(
    machine, loop, process, active_calls
):
    """Until it waits; the checks become rarer, and end with the chunk."""

    @virtual
    async def test():
        machine.loop, machine.process = loop, process
        slot = WorkerSlot(runner(active_calls), mostly_waiting=False)
        slot.start()
        await asyncio.sleep(10)
        assert machine.given_back == []
        slot.stop()
        machine.loop = machine.process = 0.0
        await asyncio.sleep(10)
        assert machine.given_back == []

    test()


@virtual
async def test_the_cpu_time_of_a_chunk_is_that_of_its_loop_and_of_its_threads(machine):
    """The sizes of the next chunks depend on it."""
    machine.loop = 0.5
    slot = WorkerSlot(runner(cpu_times=[0.25, 0.5]), mostly_waiting=True)
    slot.start()
    await asyncio.sleep(2)
    assert slot.usage() == (2.0, 1.75)
