"""The clock that jumps."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import pytest

from flowmagic.testing import VirtualLoop, run_virtual, virtual


def test_waiting_takes_no_time_and_keeps_its_order():
    """An hour passes by the clock of the loop."""

    async def main():
        order = []

        async def wait(seconds):
            await asyncio.sleep(seconds)
            order.append(seconds)

        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(wait(each) for each in (3600, 0.5, 60)))
        return order, asyncio.get_running_loop().time() - began

    began = time.monotonic()
    assert run_virtual(main()) == ([0.5, 60, 3600], 3600)
    assert time.monotonic() - began < 60


def test_a_thread_is_waited_for_in_real_time():
    """The clock stands still meanwhile if there is no timer."""

    async def main():
        return await asyncio.get_running_loop().run_in_executor(None, threading.get_ident)

    assert run_virtual(main()) != threading.get_ident()


def test_a_task_that_is_left_behind_is_an_error():
    """The test that forgot it fails."""

    async def main():
        main.task = asyncio.create_task(asyncio.sleep(1))

    with pytest.raises(AssertionError, match="left behind"):
        run_virtual(main())
    assert main.task.cancelled()


def test_the_decorator_keeps_the_parameters_for_pytest():
    """Fixtures and parametrize work as usual."""

    @virtual
    async def decorated(tmp_path, number=1):
        assert isinstance(asyncio.get_running_loop(), VirtualLoop)

    assert list(inspect.signature(decorated).parameters) == ["tmp_path", "number"]
    assert not inspect.iscoroutinefunction(decorated)
    decorated(None)


async def test_in_a_notebook_it_runs_beside_the_loop_of_the_notebook():
    """The cell waits; an error is raised there."""

    async def main():
        await asyncio.sleep(3600)
        return 1

    async def fails():
        raise KeyError("a")

    assert run_virtual(main()) == 1
    with pytest.raises(KeyError):
        run_virtual(fails())
