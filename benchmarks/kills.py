"""Kernels are killed: the log of a provider against the journal, and against the resumed run.

Each kernel is a real one, forked from a process that has imported everything. A cell of it runs a batch
with a journal; each row calls a fake provider, which is a process of its own, twice over HTTP. The
kernel gets a SIGKILL at a random moment, and the run is resumed in this process.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic
from flowmagic.testing import FakeProvider, Fault, serve

from .figures import Figure, print_figures
from .forked import kernel, service, written_numbers
from .measuring import print_heading

OPTIONS = {
    "kills": (500, "kernels that are killed"),
    "limit": (5, "how many instances run at once"),
}

_ROWS = 120
_LATEST = 0.6  # seconds after the first call, when the last of the rows have ended
_LATENCY = 0.02  # seconds of a call, at most
_WAIT = 60.0  # seconds for the first call, on any machine

_CELL = """
import os
import flowmagic
from benchmarks import kills

reported = os.open({reported!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
run = flowmagic.batchflow(
    kills.flow({url!r}), kills.rows({number}), limit={limit}, retries=2, journal={journal!r}
)
async for instance in run.as_completed():
    if instance.status == "succeeded":
        os.write(reported, b"%d\\n" % instance.index)
"""


# The flow


def _ask(url: str, prompt: str) -> str:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=_WAIT)
    try:
        body = json.dumps({"messages": [{"role": "user", "content": prompt}]})
        connection.request("POST", f"/{path}/chat/completions", body)
        answer = json.load(connection.getresponse())
    finally:
        connection.close()
    if "error" in answer:
        raise OSError(answer["error"]["message"])
    return str(answer["choices"][0]["message"]["content"])


class Ask(AsyncNode):
    """Asks the provider, and assigns the answer to the shared store."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    async def prep_async(self, _: Any) -> str:
        return f"{self.params['kill']} {self.params['row']} ask"

    async def exec_async(self, prep_res: str) -> str:
        return await asyncio.to_thread(_ask, self.url, prep_res)

    async def post_async(self, shared: Any, _: Any, exec_res: str) -> None:
        shared[self.params["row"]] = exec_res


class Check(Node):
    """A sync node that asks the provider; it runs in a thread."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def prep(self, shared: Any) -> tuple[str, str]:
        return f"{self.params['kill']} {self.params['row']} check", shared[self.params["row"]]

    def exec(self, prep_res: tuple[str, str]) -> dict[str, str]:
        prompt, asked = prep_res
        return {"asked": asked, "checked": _ask(self.url, prompt)}

    def post(self, _: Any, __: Any, ___: Any) -> str:
        return f"done {self.params['row']}"


def flow(url: str) -> AsyncFlow:
    """Return a flow whose rows call the provider twice."""
    start = Ask(url)
    start >> Check(url)
    return AsyncFlow(start=start)


def rows(number: int) -> list[dict[str, int]]:
    """Return the rows that run in the kernel with a number."""
    return [{"kill": number, "row": row} for row in range(_ROWS)]


# The provider


def provide(connection: Any) -> None:
    """Serve a fake provider, and answer questions about it: "url", "number" of calls, or its "calls".

    The calls, those since the last time, are given when none is under way.
    """
    chance = random.Random(1)
    provider = FakeProvider(
        lambda prompt: f"answer to {prompt.partition(' ')[2]}",  # without the number of the kernel
        latency=lambda chance: chance.uniform(0, _LATENCY),
        faults=lambda _: Fault.SERVER_ERROR if chance.random() < 1 / 50 else None,
    )
    with serve(provider) as url:
        while True:
            question = connection.recv()
            if question == "url":
                connection.send(url)
            elif question == "number":
                connection.send(len(provider.calls))
            else:
                while provider.at_work:
                    time.sleep(_LATENCY)
                calls = provider.calls[:]
                del provider.calls[: len(calls)]
                connection.send([(*each.prompt.split(), each.outcome) for each in calls])


class Provider:
    """The provider, as the process that kills kernels sees it.

    Args:
        ask: asks the process of the provider.

    Attributes:
        url: of the service.
    """

    def __init__(self, ask: Callable[[str], Any]) -> None:
        self._ask = ask
        self.url: str = ask("url")

    def wait_for_call(self) -> None:
        """Wait until there is a call since the last time that they were taken."""
        until = time.monotonic() + _WAIT
        while not self._ask("number"):
            assert time.monotonic() < until, "the run has not begun"
            time.sleep(0.002)

    def take_calls(self, number: int) -> list[tuple[int, str]]:
        """Return the row and the outcome of each call for the rows of a kernel since the last time."""
        return [
            (int(row), outcome)
            for kill, row, _, outcome in self._ask("calls")
            if int(kill) == number
        ]


# One kill


@dataclass
class Whole:
    """What a run gives: outputs, results and what its rows assigned to the shared store."""

    outputs: list[Any]
    results: list[Any]
    shared: dict[Any, Any]


@dataclass
class Kill:
    """What was found after one kill.

    Attributes:
        calls: that the provider had logged until then.
        reported: rows that the kernel had reported as succeeded.
        not_logged: of them, those that lack an answer in the log of the provider.
        not_written: of them, those that have not succeeded in the journal, or with another output.
        uncovered: rows that had called, and have neither ended in the journal nor are in doubt there.
        in_doubt: rows in doubt there.
        run_again: reported, and run again on resuming.
        repeated: called before and after the kill, though they had neither failed nor were in doubt.
        differs: whether the resumed run differs from the uninterrupted one.
    """

    calls: int
    reported: int
    not_logged: int
    not_written: int
    uncovered: int
    in_doubt: int
    run_again: int
    repeated: int
    differs: bool


def uninterrupted(provider: Provider) -> Whole:
    """Return what the rows of any kernel give if nothing kills it."""
    shared: dict[Any, Any] = {}
    run = flowmagic.run_batch(flow(provider.url), rows(0), shared=shared, limit=5, retries=5)
    assert run.ok, run
    provider.take_calls(0)
    return Whole(run.outputs, run.results, shared)


def kill_and_resume(
    provider: Provider, number: int, whole: Whole, *, limit: int, after: float
) -> Kill:
    """Start a kernel with a run, kill it `after` seconds of calls, and resume the run here.

    Args:
        number: of the kernel; another one each time, since the provider's log tells them by it.
        whole: what the run gives if nothing kills it.
    """
    with tempfile.TemporaryDirectory() as folder:
        journal, reported = Path(folder, "runs.journal"), Path(folder, "reported")
        with kernel() as (process, client):
            client.execute(
                _CELL.format(
                    url=provider.url, number=number, limit=limit,
                    journal=str(journal), reported=str(reported),
                )
            )  # fmt: skip
            provider.wait_for_call()
            time.sleep(after)
            process.kill()
            process.join()
        calls = provider.take_calls(number)
        with flowmagic.open_journal(journal) as opened:
            written = {each.index: each for each in opened[1]}
        shared: dict[Any, Any] = {}
        run = flowmagic.run_batch(
            flow(provider.url), rows(number), shared=shared,
            limit=limit, retries=5, journal=journal, resume=True,
        )  # fmt: skip
        again = {row for row, _ in provider.take_calls(number)}
        told = set(written_numbers(reported))
    answered = Counter(row for row, outcome in calls if outcome == "answered")
    called = {row for row, _ in calls}
    status = {row: str(each.status) for row, each in written.items()}
    in_doubt = _with_status(status, "in doubt")
    outputs = {row: each.output for row, each in written.items() if each.status == "succeeded"}
    return Kill(
        calls=len(calls),
        reported=len(told),
        not_logged=sum(answered[row] < 2 for row in told),
        not_written=sum(outputs.get(row) != whole.outputs[row] for row in told),
        uncovered=len(called - in_doubt - _with_status(status, "succeeded", "failed")),
        in_doubt=len(in_doubt),
        run_again=len(told & again),
        repeated=len((called & again) - in_doubt - _with_status(status, "failed")),
        differs=Whole(run.outputs, run.results, shared) != whole,
    )


def _with_status(status: dict[int, str], *wanted: str) -> set[int]:
    return {row for row, each in status.items() if each in wanted}


def figures(found: Iterable[Kill], limit: int) -> list[Figure]:
    """Return the figures of many kills."""
    found = list(found)
    reported = f"of {sum(each.reported for each in found):,}"
    return [
        Figure(
            f"reported, and not answered in the provider's log: {len(found)} kernels killed",
            sum(each.not_logged for each in found), 0, beside=reported,
        ),
        Figure(
            "reported, and not in the journal as it was",
            sum(each.not_written for each in found), 0, beside=reported,
        ),
        Figure(
            "called, and neither ended in the journal nor in doubt there",
            sum(each.uncovered for each in found), 0,
            beside=f"{sum(each.calls for each in found):,} calls",
        ),
        Figure(
            f"in doubt after a kill, at most: limit {limit}",
            max(each.in_doubt for each in found), limit,
            beside=f"{sum(each.in_doubt for each in found):,} in all",
        ),
        Figure(
            "reported, and run again on resuming",
            sum(each.run_again for each in found), 0, beside=reported,
        ),
        Figure(
            "called again, though neither failed nor in doubt",
            sum(each.repeated for each in found), 0,
        ),
        Figure(
            "resumed runs that differ from the uninterrupted one",
            sum(each.differs for each in found), 0, beside="outputs, results, shared",
        ),
    ]  # fmt: skip


def killed(kills: int, limit: int) -> list[Figure]:
    """Kill so many kernels, each at a random moment, and return what was found."""
    with service(provide) as ask:
        provider = Provider(ask)
        whole = uninterrupted(provider)
        return figures(
            [
                kill_and_resume(
                    provider, number, whole, limit=limit, after=random.uniform(0, _LATEST)
                )
                for number in range(1, kills + 1)
            ],
            limit,
        )


def measure(kills: int, limit: int) -> None:
    """Print the table."""
    print_heading()
    print_figures(killed(kills, limit))
