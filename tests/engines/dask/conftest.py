"""Dask clusters: one in this process, made for each test, and one of processes for all that need it."""

from __future__ import annotations

import asyncio
import time

import pytest
from distributed import LocalCluster


@pytest.fixture
async def cluster():
    """A cluster within this process and its loop: two workers, of one thread each."""
    async with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        asynchronous=True,
        dashboard_address=":0",
        protocol="inproc",
    ) as made:
        yield made


@pytest.fixture(scope="session")
def processes():
    """A cluster of two processes."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


async def until(condition, seconds=20):
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never became true"
        await asyncio.sleep(0.005)
