"""The job of reuse: three nodes over many rows, and an evening of edits to the last prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks import reuse
from tests.flow.reuse.reusing import counts, reusing

__all__ = ["reusing"]  # a fixture

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


EXEC = "class Ask({base}):\n    {member}\n    def exec(self, got): return {body}\nnode = Ask()\n{after}\n"


def cell(body, before="", member="pass", base="Node", after=""):
    """Return a cell with a node whose exec returns an expression."""
    imports = "import contextlib, dataclasses, enum, functools, os, types\n"
    return f"{imports}{before}\n" + EXEC.format(base=base, member=member, body=body, after=after)


SUPER = "class Base(Node):\n    def say(self): return 'OLD'"
META = "class Meta(type):\n    word = 'OLD'"
OWN_GET = "def __getattr__(self, name): return {'word': 'OLD'}[name]"
READS_WORD = (
    "class Reads:\n    def __get__(self, node, kind): return node.word\n"
    "class Node(Node):\n    said = Reads()"
)
EDITS = {
    "what a library has decorated": cell(
        "next(said())", "@contextlib.contextmanager\ndef say(): yield 'OLD'\nsaid = say.__wrapped__"
    ),
    "a context manager": cell(
        "contextlib.ExitStack().enter_context(say())",
        "@contextlib.contextmanager\ndef say(): yield 'OLD'",
    ),
    "a registered function": cell(
        "say(1)",
        "@functools.singledispatch\ndef say(it): return 0\n@say.register\ndef _(it: int): return 'OLD'",
    ),
    "a limited function": cell(
        "say()",
        "import flowmagic\n@flowmagic.CallLimit('calls', concurrency=9).call()\ndef say(): return 'OLD'",
    ),
    "the own class": cell("self.__class__.word", member="word = 'OLD'"),
    "the cell of the class": cell("__class__.word", member="word = 'OLD'"),
    "super as a value": cell("[super()][0].say()", SUPER, base="Base"),
    "a metaclass": cell("type(self).word", META, base="Node, metaclass=Meta"),
    "__getattr__": cell("self.word", member=OWN_GET),
    "a descriptor": cell("self.said", READS_WORD, after="node.word = 'OLD'"),
    "__dict__": cell("self.__dict__['word']", after="node.word = 'OLD'"),
    "a body that is a class": cell(
        "(lambda: say())()",
        "word = 'OLD'\ndef say():\n    class C:\n        word = word\n    return C.word",
    ),
    "the order of an Enum": cell(
        "[each.name for each in E]", "class E(enum.Enum):\n    OLD = 1\n    MID = 2"
    ),
    "the order of fields": cell(
        "dataclasses.asdict(C(1, 2))", "@dataclasses.dataclass\nclass C:\n    OLD: int\n    MID: int"
    ),
    "a docstring": cell("pydoc.getdoc(C)", "import pydoc\nclass C:\n    'OLD'"),
    "retries that are read": cell("self.max_retries", after="node.max_retries = len('OLD')"),
    "a secret in code": cell("TOKEN[-3:]", "TOKEN = 'sk-abcdefgh12345678OLD'"),
    "a secret of the class": cell("self.api_key[-3:]", member="api_key = 'sk-abcdefgh12345678OLD'"),
    "the address of a client": cell(
        "str(client.base_url)", "import httpx\nclient = httpx.Client(base_url='http://OLD')"
    ),
    "an environment variable that an object reads": cell(
        "self.reader.read()",
        "class Reader:\n    def read(self): return os.environ['WORD']",
        after="node.reader = Reader(); os.environ['WORD'] = 'OLD'",
    ),
    "prep if exec calls it": cell(
        "getattr(self, 'prep')(None)",
        member="def prep(self, shared): return 'OLD' if shared is None else None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
async def test_an_edit_is_found_behind_whatever_leads_to_it(reusing, monkeypatch, what):
    """What exec returns may depend on it."""
    monkeypatch.setenv("WORD", "")
    await reusing.run(EDITS[what], [{"n": 1}])
    same = await reusing.run(EDITS[what], [{"n": 1}])
    edited = await reusing.run(EDITS[what].replace("OLD", "NEWER"), [{"n": 1}])
    assert [counts(same)["Ask"], counts(edited)["Ask"]] == [(0, 1), (1, 0)]


STATE = [
    cell("C.word", "class C: word = 0", "def prep(self, _): C.word = self.params['n']"),
    cell("self.word", member="word = 0\n    def prep(self, _): Ask.word = self.params['n']"),
    cell("WORD", "WORD = 0", "def prep(self, _): globals()['WORD'] = self.params['n']"),
    cell("say()", "def say(): return 0", "def prep(self, _):\n        n = self.params['n']\n"
         "        globals()['say'] = lambda: n"),
    cell("say()", "def say(): return say.n", "def prep(self, _): say.n = self.params['n']"),
]  # fmt: skip


@pytest.mark.parametrize("source", STATE)
async def test_state_that_prep_sets_outside_of_the_node_counts_for_each_row(reusing, source):
    """Rows in another order get their own outputs."""
    await reusing.run(source, [{"n": 1}, {"n": 2}], limit=1)
    run = await reusing.run(source, [{"n": 2}, {"n": 1}], limit=1)
    assert run.outputs == [2, 1]
