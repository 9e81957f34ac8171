"""A child that a node forks: whichever way it leaves the node, only the parent goes on with the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

SCRIPT = """
import asyncio, atexit, json, os, sys
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow, AsyncParallelBatchNode, Flow, Node
import flowmagic

parent, notes, codes = os.getpid(), sys.argv[1], []

def note(what):
    with open(notes, "a") as file:
        print(what, "in the parent" if os.getpid() == parent else "in the child", file=file)

def fork(leave):
    '''Fork; in the child do what `leave` says, in the parent note how the child has ended.'''
    if child := os.fork():
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return ""
    note("forked")
    if leave == "exit":
        sys.exit(3)
    if leave == "text":
        sys.exit("the reason")
    if leave == "raise":
        raise ValueError("wrong")
    return leave

class Forks(AsyncNode):
    async def exec_async(self, _):
        if self.params["n"]:
            note("ran")
        elif fork(self.leave) == "await":
            await asyncio.sleep(0)

class Sync(Node):
    def exec(self, _):
        note("ran") if self.params["n"] else fork(self.leave)

class Parallel(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(3)

    async def exec_async(self, item):
        await asyncio.sleep(0)
        if self.params["n"] or item != 1:
            note("ran")
        elif fork(self.leave) == "await":
            await asyncio.sleep(0)

class Next(AsyncNode):
    async def exec_async(self, _):
        note("ran")

class Nested(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{}, {}]

class Own(AsyncFlow):
    async def _orch_async(self, shared, params=None):
        return await super()._orch_async(shared, params)

def flow_of(kind, leave):
    node = {"parallel": Parallel, "sync": Sync, "loop": Sync}.get(kind, Forks)()
    node.leave = leave
    node >> Next()
    if kind == "nested":
        return AsyncFlow(start=Nested(start=node))
    return {"own": Own}.get(kind, AsyncFlow)(start=node)

async def run(kind, leave):
    rows = [{"n": n} for n in range(6)]
    run = await flowmagic.batchflow(flow_of(kind, leave), rows, limit=3, threads=kind != "loop")
    note("ended")
    assert run.ok, run.results
"""

LEAVES = {
    "exit": (3, ""),
    "text": (1, "the reason\n"),
    "raise": (1, "ValueError: wrong\n"),
    "return": (0, ""),
    "await": (1, "end it with os._exit(0).\n"),
}
"""How a child leaves its node; its exit status then, and the end of what it says on stderr."""

RAN = {"node": 11, "own": 11, "nested": 22, "parallel": 23, "sync": 11, "loop": 11}
"""How often another node runs, by the kind of the flow."""


def run_script(tmp_path, lines):
    """Run the script with more lines; return what it printed, and what was noted in which process."""
    notes = tmp_path / "notes"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT + lines, str(notes)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done, Counter(notes.read_text().splitlines())


@pytest.mark.parametrize("kind", RAN)
def test_only_the_parent_goes_on_with_a_run_in_which_a_node_has_forked(tmp_path, kind):
    """The child runs no other node, nor the lines after the run, whichever way it leaves its node."""
    done, notes = run_script(
        tmp_path,
        f"""
for leave in {list(LEAVES)}:
    asyncio.run(run({kind!r}, leave))
print(codes)
""",
    )
    children = 2 if kind == "nested" else 1
    expected = {
        "forked in the child": 5 * children,
        "ran in the parent": 5 * RAN[kind],
        "ended in the parent": 5,
    }
    leaves = dict(LEAVES)
    if kind in {"sync", "loop"}:
        leaves["await"] = leaves["return"]  # they cannot await anything
    if kind == "parallel":
        leaves["return"] = leaves["raise"] = leaves["await"]  # gather awaits the other items
    if kind == "own":
        expected["ran in the child"] = (
            1  # after "return": its flow goes on until it awaits something
        )
    assert notes == expected
    codes, says = zip(*leaves.values(), strict=True)
    assert done.stdout == f"{[code for code in codes for _ in range(children)]}\n"
    for text in filter(None, says):
        assert done.stderr.count(text) == children * says.count(text)


def test_what_the_parent_registered_for_its_end_does_not_run_in_the_child(tmp_path):
    """It would close journals, or remove the file through which a kernel is reached."""
    _, notes = run_script(
        tmp_path,
        """
atexit.register(note, "registered")
loop = asyncio.new_event_loop()
loop.run_until_complete(run("parallel", "exit"))
""",
    )
    assert notes["registered in the parent"] == 1
    assert "registered in the child" not in notes
    assert "ended in the child" not in notes


def test_a_child_may_have_a_run_of_its_own(tmp_path):
    """It is the parent's run that it must not go on with."""
    _, notes = run_script(
        tmp_path,
        """
class Family(AsyncNode):
    async def exec_async(self, _):
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        else:
            assert flowmagic.run_batch(Next(), [{}, {}, {}]).ok

async def main():
    assert (await flowmagic.batchflow(Family(), [{}])).ok
    note("ended")

asyncio.run(main())
""",
    )
    assert notes == {"ran in the child": 3, "ended in the parent": 1}
