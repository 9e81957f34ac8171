"""How many calls run at once where parallel batches are nested."""

from __future__ import annotations

import functools

import pytest
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow, AsyncParallelBatchNode

from flowmagic import ThrottledAsyncParallelBatchFlow
from flowmagic.flow.checks import check

from .checked import Plain, said

NAMES = ["a", "b", "c"]


def total(prep, flow=AsyncFlow):
    """Return the product for a node with this prep, for instances of which two run at once."""
    kind = type("Made", (AsyncParallelBatchNode,), {"prep_async": prep} if prep else {})
    (note,) = check(flow(start=kind()), limit=2)
    assert note.note
    return note.what.partition(": ")[2].removesuffix(" calls of its exec.")


async def listed(self, shared):
    return [1, 2, 3, 4]


async def starred(self, shared):
    return [1, *shared]


async def ranged(self, shared):
    return list(range(50))


async def counted(self, shared):
    return range(len(shared))


async def odd(self, shared):
    return range("a")


async def made(self, shared):
    return [each.upper() for each in NAMES]


async def filtered(self, shared):
    return [each for each in NAMES if each in shared]


async def known(self, shared):
    return NAMES


async def own(self, shared):
    NAMES = shared["names"]
    return NAMES


async def several(self, shared):
    if shared:
        return []
    return [1]


async def bare(self, shared):
    return


async def called(self, shared):
    return shared.keys()


@functools.wraps(listed)
async def decorated(*args):
    return 2 * await listed(*args)


@pytest.mark.parametrize(
    ("prep", "product"),
    [
        (listed, "the run's limit 2 × 4 = 8"),  # noqa: RUF001 - a product
        (ranged, "the run's limit 2 × 50 = 100"),  # noqa: RUF001 - ditto
        (made, "the run's limit 2 × 3 = 6"),  # noqa: RUF001 - ditto
        (known, "the run's limit 2 × 3 = 6"),  # noqa: RUF001 - ditto
    ],
)
def test_a_number_that_the_source_tells_is_multiplied(prep, product):
    """A list as it is written, a range, a list of the module, and what is made of one."""
    assert total(prep) == product


@pytest.mark.parametrize(
    "prep", [None, starred, counted, odd, filtered, own, several, bare, called, decorated]
)
def test_a_number_that_is_not_known_is_not_invented(prep):
    """It is "its batch" then."""
    assert total(prep) == "the run's limit 2 × its batch"  # noqa: RUF001 - ditto


class Pages(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"page": page} for page in range(10)]


class Words(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(5)


def test_each_level_multiplies():
    """A parallel node in a parallel flow in a run."""
    texts = [each.what for each in check(AsyncFlow(start=Pages(start=Words())), limit=3)]
    assert "3 × 10 = 30 instances of its nodes" in texts[0]  # noqa: RUF001 - ditto
    assert "3 × 10 × 5 = 150 calls of its exec" in texts[1]  # noqa: RUF001 - ditto


def test_the_run_itself_and_flows_with_a_limit_have_no_findings():
    """The run's limit is what counts there."""
    assert check(Pages(start=AsyncNode())) == []
    kept = ThrottledAsyncParallelBatchFlow(start=AsyncNode())
    assert check(AsyncFlow(start=kept)) == []


class Inner(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"page": page} for page in range(50)]


class Fifty(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(50)

    async def exec_async(self, item):
        return item


def test_nested_parallel_batches_are_reported_with_their_product():
    """As far as the inner one's size is known; it is a note, since it may be meant."""
    text = said(AsyncFlow(start=Fifty()), limit=3)
    assert "limit 3 × 50 = 150 calls of its exec" in text  # noqa: RUF001 - a product
    text = said(AsyncFlow(start=Inner(start=Plain())), limit=3)
    assert "It runs its whole batch at once in each instance: " in text
    assert all(each.note for each in check(AsyncFlow(start=Fifty())))
