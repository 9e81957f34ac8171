"""A kernel that runs a batch with a journal, killed at some moment, and the run resumed after it."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.manager import start_new_kernel

import flowmagic

FLOW = """
import asyncio, os, random
from pocketflow import AsyncFlow, AsyncNode

BEGAN = open(os.path.join(os.path.dirname(__file__), "began"), "ab", buffering=0)

class Call(AsyncNode):
    async def exec_async(self, prepared):
        BEGAN.write(b"%d\\n" % self.params["i"])
        await asyncio.sleep(random.uniform(0, 0.02))
        return {"answer": self.params["i"]}

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"

flow = AsyncFlow(start=Call())
rows = [{"i": i} for i in range(100_000)]
"""
RUN = """
import asyncio, os, sys
sys.path.insert(0, {folder!r})
import flowmagic, called
run = flowmagic.batchflow(called.flow, called.rows, limit={limit}, journal={journal!r})
REPORTED = os.open({reported!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

async def report():
    told = 0
    while True:
        ended = [i for i in range(told, min(len(run), told + 500)) if run.records.status[i] > 1]
        await run.journal.settled()
        os.write(REPORTED, b"".join(b"%d\\n" % i for i in ended))
        await asyncio.sleep(0.001)

reporting = asyncio.get_running_loop().create_task(report())
"""
LEFT = 40
"""Rows that the resumed run has besides those that began: it need not run a hundred thousand."""


@dataclass
class Kill:
    """What was found after one kill.

    Attributes:
        began: instances that had begun.
        reported: those that had been reported as done.
        lost: reported, and run again all the same.
        repeated: begun before the kill, and run again.
        unmarked: begun, and neither ended nor in doubt in the journal.
        in_doubt: in doubt there.
    """

    began: int
    reported: int
    lost: int
    repeated: int
    unmarked: int
    in_doubt: int


def _numbers(path: Path) -> list[int]:
    text = path.read_bytes() if path.exists() else b""
    return [int(line) for line in text.split(b"\n")[:-1]]


def kill_and_resume(folder: Path, *, limit: int, after: float) -> Kill:
    """Start a kernel with a run, kill it `after` so many seconds of running, and resume the run here."""
    (folder / "called.py").write_text(FLOW)
    journal, reported = folder / "runs.journal", folder / "reported"
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
    try:
        client.execute(
            RUN.format(
                folder=str(folder), limit=limit, journal=str(journal), reported=str(reported)
            )
        )
        patience = time.monotonic() + 60
        while not _numbers(folder / "began"):
            assert time.monotonic() < patience, "the run has not begun"
            time.sleep(0.002)
        time.sleep(after)
        os.kill(manager.provisioner.pid, signal.SIGKILL)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    with flowmagic.open_journal(journal) as opened:
        # What there is of the batch is its beginning, without a gap.
        assert [row["i"] for row in opened[-1].params] == list(range(len(opened[-1])))
        status = {each.index: each.status for each in opened[-1] if each.status != "pending"}
    before = _numbers(folder / "began")
    told = set(_numbers(reported))
    spec = importlib.util.spec_from_file_location("called", folder / "called.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["called"] = module  # where the source of a class is looked for
    spec.loader.exec_module(module)
    os.truncate(folder / "began", 0)
    rows = module.rows[: max(before) + LEFT]
    run = flowmagic.run_batch(module.flow, rows, limit=limit, journal=journal, resume=True)
    module.BEGAN.close()
    assert run.ok
    assert run.results == [f"answer {row['i']}" for row in rows]
    assert run.outputs == [{"answer": row["i"]} for row in rows]
    again = set(_numbers(folder / "began"))
    in_doubt = sum(each == "in doubt" for each in status.values())
    return Kill(
        began=len(before), reported=len(told), lost=len(told & again), repeated=len(set(before) & again),
        unmarked=len(set(before) - status.keys()), in_doubt=in_doubt,
    )  # fmt: skip
