"""The job of reuse: three nodes over many rows, and an evening of edits to the last prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks import reuse

JOB = '''
import json, os, sys
import flowmagic
from counting import count
from pocketflow import AsyncFlow, AsyncNode, Node

PROMPT = "@PROMPT@"
LANGUAGE = "@LANGUAGE@"


class Client:
    """A client of a service, which counts its calls in a class of its own."""

    def __init__(self, api_key):
        self.api_key = api_key

    async def ask(self, node, text):
        count(node)
        return f"<{text}>"


client = Client(os.environ["SERVICE_KEY"])


class Load(Node):
    def prep(self, shared):
        return self.params["id"]

    def exec(self, number):
        count("Load")
        return {"text": f"text of {number}", "words": [number, 1.5, None]}

    def post(self, shared, prep_res, exec_res):
        shared[prep_res] = exec_res["text"]


class Summarise(AsyncNode):
    async def prep_async(self, shared):
        return shared[self.params["id"]]

    async def exec_async(self, text):
        return await client.ask("Summarise", f"{LANGUAGE}: {text}")

    async def post_async(self, shared, prep_res, exec_res):
        shared[self.params["id"]] = exec_res


class Judge(AsyncNode):
    async def prep_async(self, shared):
        return shared[self.params["id"]]

    async def exec_async(self, summary):
        return await client.ask("Judge", PROMPT + summary)


load, summarise, judge = Load(), Summarise(), Judge()
load >> summarise >> judge
rows = [{"id": n} for n in range(int(sys.argv[1]))]
run = flowmagic.run_batch(
    AsyncFlow(start=load), rows, limit=50, journal="runs.journal", reuse=True, track_shared=False
)
run.raise_for_failures()
print(json.dumps({"ran": {name: each.ran for name, each in run.reuse.items()},
                  "reused": {name: each.reused for name, each in run.reuse.items()},
                  "outputs": run.outputs[-2:]}))
'''

COUNTING = """
import atexit, collections
counted = collections.Counter()
count = lambda node: counted.update([node])
@atexit.register
def write():
    with open("calls.txt", "a") as file:
        file.write(" ".join(f"{node}={counted[node]}" for node in ("Load", "Summarise", "Judge")) + "\\n")
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Return a function that runs the job in a new process."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "counting.py").write_text(COUNTING)
    monkeypatch.setenv("SERVICE_KEY", "sk-service-123456")

    def run(rows, prompt="Judge: ", language="English"):
        job = JOB.replace("@PROMPT@", prompt).replace("@LANGUAGE@", language)
        (tmp_path / "job.py").write_text(job)
        done = subprocess.run(
            [sys.executable, "job.py", str(rows)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path_with(packages)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout.splitlines()[-1])
        called = (tmp_path / "calls.txt").read_text().splitlines()[-1]
        assert called == " ".join(f"{node}={ran}" for node, ran in said["ran"].items())
        return said

    return run


@pytest.mark.parametrize("first", range(0, 40, 8))
async def test_no_random_edit_leads_to_a_wrong_output(tmp_path, monkeypatch, first):
    """And one that changes nothing to no exec. `python -m benchmarks reuse` tries 10,000."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv(reuse._VARIABLE, "")
    found = [await reuse.try_edit(seed, tmp_path) for seed in range(first, first + 8)]
    assert [text for text, _ in found if text] == []
    assert any(count for _, count in found)


def path_with(folder):
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def test_an_evening_of_edits_pays_only_for_what_changed(kernel):
    """Each run is a new process, as after a restart; the service counts its calls."""
    assert kernel(200)["ran"] == {"Load": 200, "Summarise": 200, "Judge": 200}
    assert kernel(200)["ran"] == {"Load": 0, "Summarise": 0, "Judge": 0}
    edited = kernel(200, prompt="Be strict: ")
    assert edited["ran"] == {"Load": 0, "Summarise": 0, "Judge": 200}
    assert edited["outputs"][-1] == "<Be strict: <English: text of 199>>"
    assert kernel(220, prompt="Be strict: ")["ran"] == {"Load": 20, "Summarise": 20, "Judge": 20}
    french = kernel(220, prompt="Be strict: ", language="French")
    assert french["ran"] == {"Load": 0, "Summarise": 220, "Judge": 220}
    back = kernel(220, prompt="Be strict: ")
    assert back["ran"] == {"Load": 0, "Summarise": 0, "Judge": 0}
    assert back["outputs"][-1] == "<Be strict: <English: text of 219>>"
