"""The code of a node class as a key."""

from __future__ import annotations

import os

import pytest

from flowmagic.flow.reuse.node_code import NodeCode

HEAD = "from pocketflow import AsyncNode, BatchNode, Node\n"
BASE = """
PROMPT = "in French"
STYLE = {"tone": "warm"}
def helper(text): return text + PROMPT
class Ask(Node):
    model = "small"
    def prep(self, shared): return shared["q"]
    def exec(self, q): return self.shorten(helper(q))[:99] + self.model
    def shorten(self, text): return text[:9]
    def post(self, shared, p, e): shared["a"] = e
node = Ask()
"""


@pytest.fixture
def code_of(cells):
    """Run a cell, and return the code of its node."""
    return lambda text: NodeCode(cells.run(HEAD + text).node, frozenset())


SAME = [
    ("comments and layout", lambda code: code.replace("    def exec", "    # why\n\n    def exec")),
    (
        "a docstring",
        lambda code: code.replace("return self.shorten(", '"""What."""; return self.shorten('),
    ),
    ("quotes", lambda code: code.replace('"in French"', "'in French'")),
    ("prep", lambda code: code.replace('shared["q"]', 'shared["question"]')),
    ("post", lambda code: code.replace('shared["a"]', 'shared["answer"]')),
    ("an unrelated name", lambda code: code + "OTHER = 1\ndef other(): return 1\n"),
    (
        "a method that exec does not use",
        lambda code: code.replace("    def post", "    def x(self): pass\n    def post"),
    ),
]


@pytest.mark.parametrize(("what", "edit"), SAME)
def test_the_code_is_the_same_after_an_edit_that_exec_cannot_notice(code_of, what, edit):
    """Nothing is paid for again."""
    assert edit(BASE) != BASE, what
    before, after = code_of(BASE), code_of(edit(BASE))
    assert (before.digest, before.exact) == (after.digest, after.exact)


CHANGED = [
    ("exec", "self.shorten(helper(q))[:99]", "helper(q)", "Ask.exec"),
    ("a constant", '"in French"', '"in German"', "PROMPT"),
    ("a helper", "return text + PROMPT", "return PROMPT + text", "helper"),
    ("a method", "text[:9]", "text[:8]", "Ask.shorten"),
    ("an attribute of the class", '"small"', '"large"', "Ask.model"),
]


@pytest.mark.parametrize(("what", "old", "new", "name"), CHANGED)
def test_the_code_differs_after_an_edit_that_exec_may_notice(code_of, what, old, new, name):
    """And the name of what was edited is known."""
    before, after = code_of(BASE), code_of(BASE.replace(old, new))
    assert before.digest != after.digest, what
    differing = {
        key for key in {**before.fingerprint, **after.fingerprint}
        if before.fingerprint.get(key) != after.fingerprint.get(key)
    }  # fmt: skip
    assert name in differing


def test_the_values_of_the_environment_and_of_containers_count_as_they_are_now(
    cells, code_of, monkeypatch
):
    """They may change at any time."""
    code = code_of(
        "import os\nSTYLE = {'tone': 'warm'}\nclass Ask(Node):\n    def exec(self, q):\n"
        "        return os.environ.get('KEY'), STYLE['tone']\nnode = Ask()"
    )
    seen = [code.values()]
    monkeypatch.setitem(os.environ, "KEY", "sk-1")
    seen.append(code.values())
    cells.names["STYLE"]["tone"] = "cold"
    seen.append(code.values())
    assert len(set(seen)) == 3
    assert code.is_current
    cells.names["STYLE"] = {}
    assert not code.is_current


WHY_NOT = [
    ("class Ask(Node):\n    reuse = False\n    def exec(self, q): return 1", "says reuse = False"),
    ("from time import time\nclass Ask(Node):\n    def exec(self, q): return time()",
     "uses the time (time.time)"),
    ("class Ask(Node):\n    def _run(self, shared): return 1", "overrides _run"),
    ("class Ask(AsyncNode):\n    async def _run_async(self, shared): return 1", "overrides _run_async"),
    ("class Ask(BatchNode):\n    def _exec(self, items): return 1", "overrides _exec"),
    ("LOG = []\nclass Ask(Node):\n    def exec(self, q): LOG.append(q)", "uses LOG, which the run changes"),
    ("import threading\nLOCK = threading.Lock()\nclass Ask(Node):\n    def exec(self, q): return LOCK",
     "uses LOCK, which has no exact form"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "why"), WHY_NOT)
def test_it_is_known_why_outputs_of_a_class_cannot_be_reused(code_of, cell, why):
    """In words that follow its name."""
    assert code_of(cell + "\nnode = Ask()").why_not == why


def test_a_class_may_say_that_it_can_be_reused(code_of):
    """Its author knows better: of the time, and of a list that only keeps a record."""
    cell = "import time\nclass Ask(Node):\n    reuse = True\n    def exec(self, q): return {}\nnode = Ask()"
    assert code_of(cell.format("time.time()")).why_not == ""
    cell = "LOG = []\n" + cell
    assert code_of(cell.format("LOG.append(1)")).why_not == ""


def test_a_client_counts_by_its_class_and_its_plain_attributes(code_of, cells):
    """It has no exact form; but another base URL or model is another client."""
    import httpx

    cells.names["client"] = httpx.Client()
    cell = "class Ask(Node):\n    def exec(self, q): return client.get(q)\nnode = Ask()"
    code = code_of(cell)
    assert (code.why_not, code.described) == ("", {"client"})
    cells.names["client"] = other = httpx.Client()
    other.region = "eu"
    assert code_of(cell).digest != code.digest
