"""A chunk gives its place among the tasks of its worker back when it only waits, and not before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flowmagic.engines import daskplace
from flowmagic.engines.daskplace import Place

from ..virtualtime import virtual


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
    monkeypatch.setattr(daskplace, "_clocks", made.clocks)
    monkeypatch.setattr(daskplace, "_give_back", made.give_back)
    return made


def runner(live=0, used=()):
    return SimpleNamespace(live=live, used=list(used))


@virtual
async def test_one_that_waits_gives_its_place_back_once_at_the_first_look(machine):
    """Others of its worker that compute are not its own doing."""
    machine.everywhere = 1.0
    place = Place(runner(), waits=False)
    place.begin()
    await asyncio.sleep(10)
    assert machine.given_back == pytest.approx([0.025])


@virtual
async def test_one_that_is_known_to_wait_gives_it_back_at_once(machine):
    """Many such follow one another."""
    Place(runner(), waits=True).begin()
    await asyncio.sleep(10)
    assert machine.given_back == [0.0]


@pytest.mark.parametrize(("here", "everywhere", "live"), [(0.9, 0.9, 0), (0.0, 0.9, 1)])
def test_one_that_computes_keeps_it_in_its_loop_or_in_threads(machine, here, everywhere, live):
    """Until it waits; it is looked at less and less often, and not after its end."""

    @virtual
    async def test():
        machine.here, machine.everywhere = here, everywhere
        place = Place(runner(live), waits=False)
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
    place = Place(runner(used=[0.25, 0.5]), waits=True)
    place.begin()
    await asyncio.sleep(2)
    assert place.taken() == (2.0, 1.75)
