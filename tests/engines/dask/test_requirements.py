"""What a cluster lacks is found before the run, and named with the process that lacks it."""

from __future__ import annotations

import asyncio
import sys

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic as fm
from flowmagic import DaskEngine, EngineError
from flowmagic.engines.dask.requirements import check, modules_of, runtime

from ...virtualtime import virtual

HERE = {
    "python": sys.version_info[:2],
    "flowmagic": fm.__version__,
    "missing": [],
}


class Cluster:
    """A client whose scheduler and workers give fixed answers, or evaluate the probe if it is None."""

    def __init__(self, scheduler=HERE, **workers):
        self.scheduler = scheduler
        self.workers = workers

    async def run_on_scheduler(self, function, question):
        return self.scheduler

    async def run(self, function, question, *, on_error):
        return {
            where: function(question) if answer is None else answer
            for where, answer in self.workers.items()
        }


@virtual
async def test_where_all_have_what_is_needed_nothing_is_said():
    """Be there workers or none: one that joins late is asked when it cannot begin."""
    await check(Cluster(), AsyncNode())
    await check(Cluster(a=HERE, b=dict(HERE, python=list(HERE["python"]))), AsyncNode())


@virtual
@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        (
            Cluster(scheduler=dict(HERE, flowmagic=None), a=HERE),
            r"not fit this run: the scheduler lacks flowmagic\. Install it there: pip install \"jup",
        ),
        (
            Cluster(a=HERE, b=dict(HERE, flowmagic="0.0.1")),
            rf"this run: b has flowmagic 0\.0\.1, not {fm.__version__}\. Install it there: pip",
        ),
        (
            Cluster(a=dict(HERE, python=(2, 7)), b=HERE),
            r"a has Python 2\.7, not 3\.\d+ as this process, .* Start it with the same Python\.",
        ),
        (
            Cluster(**{name: dict(HERE, missing=["mine", "yours"]) for name in "abcde"}),
            r"a \(and 4 more\) lacks what the flow imports: mine, yours\. Install it there\.",
        ),
        (Cluster(a=SyntaxError("no")), r"a did not answer the check \(SyntaxError: no\)"),
    ],
)
async def test_what_is_missing_is_named_with_where_it_is(cluster, says):
    """One line, and what to do about it."""
    with pytest.raises(EngineError, match=says):
        await check(cluster, AsyncNode())


class NotThere(Cluster):
    async def run(self, function, question, *, on_error):
        await asyncio.sleep(1e6)


@virtual
async def test_a_cluster_that_does_not_answer_is_not_judged():
    """`ClusterMonitor` finds out whether it is there at all."""
    await check(NotThere(), AsyncNode())


class Imported(AsyncNode):
    async def exec_async(self, _):
        return pytest.__name__


def test_a_flow_needs_the_packages_that_its_classes_and_functions_are_read_with():
    """What is defined in a notebook needs those that it uses; what is imported only where it is."""
    assert modules_of(AsyncFlow(start=Imported())) == ["pocketflow", __name__.partition(".")[0]]
    namespace = {"__name__": "__main__", "AsyncNode": AsyncNode, "pytest": pytest, "sys": sys}
    exec("class Mine(AsyncNode):\n  def exec(self, _): return pytest, sys", namespace)
    assert modules_of(namespace["Mine"]()) == ["pocketflow", "pytest"]


class Stubborn:
    def __reduce__(self):
        return int, ("no number",)


def test_a_flow_that_cannot_be_read_again_is_judged_by_what_was_read():
    """Its own code raises; a worker will say so."""
    node = Imported()
    node.stubborn = Stubborn()
    assert modules_of(node) == [__name__.partition(".")[0]]


async def test_asked_of_real_processes_this_one_fits_and_a_module_of_nowhere_does_not(
    cluster, monkeypatch
):
    """The question is text, and needs nothing there but Python."""
    run = await fm.batchflow(Imported(), [{"i": 1}], engine=DaskEngine(cluster))
    assert run.ok
    monkeypatch.setattr(
        "flowmagic.engines.dask.requirements.modules_of", lambda flow: ["of_nowhere"]
    )
    run = fm.batchflow(Imported(), [{"i": 1}], engine=DaskEngine(cluster))
    with pytest.raises(EngineError, match=r"inproc://.* lacks what the flow imports: of_nowhere\."):
        await run
    assert run.counts.cancelled == 1
    assert [each for each in cluster.scheduler.clients if "flowmagic" in each] == []


def test_what_two_processes_must_have_in_common_is_said_in_words():
    """A chunk carries it, for a worker that joins late."""
    assert runtime() == f"Python 3.{sys.version_info[1]}, flowmagic {fm.__version__}"
