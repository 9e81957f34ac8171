"""A kernel that lives for a week: what is left in it after ten thousand runs.

A real kernel runs two cells again and again, as a notebook does: one with a run of one row, and one with
a run of 1,000. Each shows its panel, and every tenth run has a journal. What a kernel keeps of as many
cells that run nothing of flowmagic is measured beside it.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pocketflow import AsyncFlow, AsyncNode

from .figures import Figure, print_figures
from .forked import kernel
from .measuring import print_heading

OPTIONS = {
    "small": (10_000, "runs of one row"),
    "large": (100, "runs of 1,000 rows"),
}

_LARGE = 1_000
_JOURNAL_EVERY = 10
_WARM_UP = 20
"""Runs of each kind before the first measurement; they import, fill caches, and start threads that stay."""
_MOST_SECONDS = 60.0  # for one cell, on any machine

BOUNDS = {
    "memory": (20.0, "MB"),
    "tasks": (0.0, ""),
    "threads": (0.0, ""),
    "timers": (0.0, ""),
    "open files": (0.0, ""),
}
"""How much more there may be at the end than after the warm-up."""


class Answer(AsyncNode):
    """Returns a text of 500 characters."""

    async def exec_async(self, _: Any) -> str:
        await asyncio.sleep(0)
        return f"{self.params['n']}".ljust(500)


def flow() -> AsyncFlow:
    """Return a flow of one node."""
    return AsyncFlow(start=Answer())


def present() -> dict[str, float]:
    """Return what there is in this process now, by the names of `BOUNDS`; called on the loop."""
    gc.collect()
    loop: Any = asyncio.get_running_loop()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "timers": sum(not each.cancelled() for each in loop._scheduled),
        "open files": len(os.listdir("/proc/self/fd")),
    }


class _Notebook:
    """Runs the cells of a notebook in a kernel, and waits for each."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.run("from benchmarks import week\n%load_ext flowmagic\nflow = week.flow()", "setup")

    def run(self, code: str, cell: str, value: str = "None") -> Any:
        """Run a cell that a front end knows by an id; return what an expression is worth then."""
        content = {
            "code": code, "silent": False, "store_history": True, "allow_stdin": False,
            "user_expressions": {"value": value}, "stop_on_error": True,
        }  # fmt: skip
        message = self._client.session.msg("execute_request", content, metadata={"cellId": cell})
        self._client.shell_channel.send(message)
        # Read as a page reads them: what nobody fetches stays in the kernel's memory.
        is_idle = False
        while not is_idle:
            heard = self._heard(self._client.get_iopub_msg, message)
            is_idle = heard.get("execution_state") == "idle"
        reply = self._heard(self._client.get_shell_msg, message)
        assert reply["status"] == "ok", reply
        return ast.literal_eval(reply["user_expressions"]["value"]["data"]["text/plain"])

    def _heard(self, get: Callable[..., Any], message: Any) -> dict[str, Any]:
        """Return the content of the next message of a channel that answers another one."""
        while True:
            heard = get(timeout=_MOST_SECONDS)
            if heard["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                content: dict[str, Any] = heard["content"]
                return content

    def present(self) -> dict[str, float]:
        """Return what there is in the kernel when what follows a run, such as a last message, is over."""
        return self.run("import asyncio\nawait asyncio.sleep(1)", "present", "week.present()")


def _cells(small: int, large: int, journal: Path) -> Iterator[tuple[str, str]]:
    """Give the code and the id of each cell that runs, the large ones spread evenly."""
    for number in range(small):
        yield _cell("one row", '[{"n": 1}]', number, journal)
        for each in range(number * large // small, (number + 1) * large // small):
            yield _cell("many rows", f'[{{"n": n}} for n in range({_LARGE})]', each, journal)


def _cell(name: str, rows: str, number: int, journal: Path) -> tuple[str, str]:
    option = "" if number % _JOURNAL_EVERY else f" --journal {journal}"
    return f"%%batchflow flow --limit 100 --wait -o run{option}\n{rows}", name


def growth(small: int, large: int, *, idle: bool = False) -> dict[str, float]:
    """Return how much more there is in a kernel after so many runs than after the first ones.

    Args:
        idle: run as many cells that do nothing of flowmagic.
    """
    with tempfile.TemporaryDirectory() as folder, kernel() as (_, client):
        notebook = _Notebook(client)
        journal = Path(folder, "runs.journal")
        for code, cell in _cells(_WARM_UP, _WARM_UP, journal):
            notebook.run(code, cell)
        before = notebook.present()
        for code, cell in _cells(small, large, journal):
            notebook.run("await __import__('asyncio').sleep(0)" if idle else code, cell)
        after = notebook.present()
    return {name: after[name] - before[name] for name in before}


def figures(small: int, large: int) -> list[Figure]:
    """Return the figures."""
    found, idle = growth(small, large), growth(small, large, idle=True)
    runs = f"{small:,} runs of one row and {large:,} of {_LARGE:,}"
    return [
        Figure(
            f"growth of {name}: {runs}" if name == "memory" else f"growth of {name}",
            found[name],
            bound,
            unit,
            beside=f"{idle[name]:.1f} without runs",
        )
        for name, (bound, unit) in BOUNDS.items()
    ]


def measure(small: int, large: int) -> None:
    """Print the table."""
    print_heading()
    print_figures(figures(small, large))
