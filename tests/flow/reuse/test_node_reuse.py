"""Reuse in runs: what is reused, what is not, and what is said about it."""

from __future__ import annotations

import asyncio

import pytest

import flowmagic

from .reusing import counts, reusing, why_not

__all__ = ["reusing"]  # a fixture

ASK = """
PROMPT = "hello {}"
class Ask(AsyncNode):
    async def prep_async(self, shared): return self.params["n"]
    async def exec_async(self, n): return PROMPT.format(n)
    async def post_async(self, shared, prep_res, exec_res):
        shared[prep_res] = exec_res
        return "default"
node = Ask()
"""
ASK_AND_SHOUT = (
    ASK
    + """
class Shout(Node):
    def prep(self, shared): return shared[self.params["n"]]
    def exec(self, text): return text + END
node >> Shout()
flow = AsyncFlow(start=node)
"""
)


async def test_an_exec_is_not_run_again_whose_inputs_are_the_same(reusing):
    """Its output is that of the earlier run, and post gets it."""
    await reusing.run(ASK)
    run = await reusing.run(ASK)
    assert counts(run) == {"Ask": (0, 2)}
    assert run.outputs == ["hello 1", "hello 2"]
    assert run.shared == {1: "hello 1", 2: "hello 2"}
    assert all(row.copies[0].reused is not None for row in run.instances)


async def test_only_the_edited_node_runs_again(reusing):
    """And the run says which name has changed; edited back, all is reused."""
    await reusing.run("END = '!'" + ASK_AND_SHOUT)
    run = await reusing.run("END = '?'" + ASK_AND_SHOUT)
    assert counts(run) == {"Ask": (0, 2), "Shout": (2, 0)}
    assert run.reuse["Shout"].changed == ["END"]
    assert run.outputs == ["hello 1?", "hello 2?"]
    run = await reusing.run("END = '!'" + ASK_AND_SHOUT)
    assert counts(run) == {"Ask": (0, 2), "Shout": (0, 2)}
    assert run.outputs == ["hello 1!", "hello 2!"]


async def test_only_new_rows_run(reusing):
    """The others are recognised in whatever order they come."""
    await reusing.run(ASK, [{"n": n} for n in range(5)])
    run = await reusing.run(ASK, [{"n": n} for n in (7, 4, 3, 8, 0)])
    assert counts(run) == {"Ask": (2, 3)}
    assert run.outputs == [f"hello {n}" for n in (7, 4, 3, 8, 0)]


async def test_equal_rows_get_the_outputs_of_equal_rows_each_once(reusing):
    """Five samples of one prompt stay five samples; a sixth one runs."""
    cell = (
        "import time\nclass Ask(Node):\n    reuse = True\n"
        "    def exec(self, _): return time.perf_counter_ns()\nnode = Ask()"
    )
    first = await reusing.run(cell, [{"n": 1}] * 5)
    again = await reusing.run(cell, [{"n": 1}] * 6)
    assert (counts(first), counts(again)) == ({"Ask": (5, 0)}, {"Ask": (1, 5)})
    assert again.outputs[:5] == first.outputs


def exec_of(body, prep="return self.params['n']", before="", kind="Node"):
    """Return a cell with a node whose exec has this body."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    prep = f"    def prep(self, shared): {prep}\n"
    return f"{before}\nclass Ask({kind}):\n{prep}    def exec(self, got):\n{lines}node = Ask()\n"


ANSWER = "import dataclasses\n@dataclasses.dataclass\nclass Answer:\n    n: int"
FALLBACK = "    def exec_fallback(self, got, error): return 1\nnode = Ask()"


NEVER = [
    (exec_of("self.last = got\nreturn got"), "assigns self.last in exec"),
    (exec_of("self.params['x'] = 1\nreturn got"), "changes its params in exec"),
    (exec_of("got.append(1)\nreturn got", "return [1]"), "changes in exec what prep returned"),
    (
        exec_of("self.seen.append(got)\nreturn got").replace("    def prep", "    seen = []\n    def prep"),
        "uses a value that changed while it ran",
    ),
    (exec_of("x = self.seen\nx.append(got)\nreturn got", "self.seen = []; return 1"),
     "changes an attribute in place in exec"),
    (exec_of("return next(got)", "return iter([1])"), "gets something without an exact form from prep"),
    (exec_of("return 1", "return shared"), "gets the shared store from prep"),
    (exec_of("return 1", "return [{'all': shared}]"), "gets the shared store from prep"),
    (exec_of("return self.store", "self.store = shared"), "keeps the shared store as self.store"),
    (exec_of("return (n for n in [got])"), "has an output without an exact form"),
    (exec_of("return {'api_key': 'sk-1234567890abcdef'}"), "has an output without an exact form"),
    (exec_of("return Answer(got)", before=ANSWER), "has an output without an exact form"),
    (exec_of("raise ValueError").replace("node = Ask()", FALLBACK), "has used its exec_fallback"),
    (exec_of("return got").replace("node = Ask()", "node = Ask()\nnode.exec = lambda got: 1"),
     "has an exec that is an attribute of the object"),
    (exec_of("return got").replace("node = Ask()", "    def _run(self, _): return 'x'\nnode = Ask()"),
     "overrides _run"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "why"), NEVER)
async def test_a_copy_is_never_reused_if_there_is_a_doubt(reusing, cell, why):
    """The reason is shown, and the next run runs it again."""
    for _ in range(2):
        run = await reusing.run(cell)
        assert counts(run) == {"Ask": (2, 0)}
        assert why_not(run) == why


async def test_a_batch_node_is_reused_as_a_whole_or_not_at_all(reusing):
    """One other item, and all of them run."""
    cell = exec_of("return got * 2", "return [1, 2, self.params['n']]", kind="BatchNode")
    await reusing.run(cell)
    run = await reusing.run(cell, [{"n": 1}, {"n": 9}])
    assert counts(run) == {"Ask": (1, 1)}
    assert run.outputs == [[2, 4, 2], [2, 4, 18]]


READS = [
    ("return self.params['n']", {"n": 1, "other": 2}, True),
    ("return self.params['n']", {"n": 2}, False),
    ("return self.params.get('x')", {"n": 2}, True),
    ("return self.params.get('x')", {"n": 1, "x": 1}, False),
    ("return 'x' in self.params", {"n": 1, "x": 1}, False),
    ("return sorted(self.params)", {"n": 1, "x": 1}, False),
    ("return {**self.params}", {"n": 1, "x": 1}, False),
    ("return f'{self.params}'", {"n": 1, "x": 1}, False),
    ("return len([k for k in self.params])", {"n": 1, "x": 1}, False),
    ("return self.params['n']", {"n": True}, False),
    ("return self.params['n']", {"n": 1.0}, False),
]


@pytest.mark.parametrize(("body", "row", "same"), READS)
async def test_only_the_params_count_that_exec_has_read(reusing, body, row, same):
    """Those that were looked for and not there, too; exact in type and value."""
    cell = exec_of(body, "return None")
    await reusing.run(cell, [{"n": 1}])
    run = await reusing.run(cell, [row])
    assert counts(run) == {"Ask": (0, 1) if same else (1, 0)}


async def test_a_param_counts_as_read_though_the_exec_that_read_it_was_reused(reusing):
    """The audit does not call it unread."""
    cell = exec_of("return self.params['n']", "return None")
    for _ in range(2):
        assert not (await reusing.run(cell)).audit()


ATTRIBUTES = [
    ("node = Ask(); node.style = 'warm'", "node = Ask(); node.style = 'cold'", False),
    (
        "node = Ask(); node.style = 'warm'; node.other = 1",
        "node = Ask(); node.style = 'warm'",
        True,
    ),
    (
        "node = Ask(max_retries=1); node.style = 1",
        "node = Ask(max_retries=3); node.style = 1",
        True,
    ),
]


@pytest.mark.parametrize(("before", "after", "same"), ATTRIBUTES)
async def test_only_the_attributes_count_that_exec_uses(reusing, before, after, same):
    """And not how often it is retried."""
    cell = exec_of("return self.style").replace("node = Ask()", "{}")
    await reusing.run(cell.replace("{}", before))
    run = await reusing.run(cell.replace("{}", after))
    assert counts(run) == {"Ask": (0, 2) if same else (2, 0)}


async def test_what_prep_returned_counts_and_what_it_assigned(reusing):
    """As they are when exec begins."""
    cell = exec_of("return self.tone + got", "self.tone = shared['tone']; return shared['text']")
    await reusing.run(cell, shared={"tone": "warm ", "text": "hi"})
    same = await reusing.run(cell, shared={"tone": "warm ", "text": "hi", "more": 1})
    tone = await reusing.run(cell, shared={"tone": "cold ", "text": "hi"})
    text = await reusing.run(cell, shared={"tone": "warm ", "text": "ho"})
    assert [counts(run)["Ask"] for run in (same, tone, text)] == [(0, 2), (2, 0), (2, 0)]


async def test_another_value_of_an_environment_variable_is_another_key(reusing, monkeypatch):
    """And the file does not hold it."""
    cell = exec_of("return len(os.environ['API_KEY'])", before="import os")
    monkeypatch.setenv("API_KEY", "sk-first-1234567")
    await reusing.run(cell)
    same = await reusing.run(cell)
    monkeypatch.setenv("API_KEY", "sk-other-1234567")
    other = await reusing.run(cell)
    assert [counts(run)["Ask"] for run in (same, other)] == [(0, 2), (2, 0)]
    assert b"sk-first" not in reusing.path.read_bytes()


async def test_post_cannot_change_what_is_kept(reusing):
    """The output is written down before post gets it."""
    cell = exec_of("return [got]") + "Ask.post = lambda self, shared, p, e: e.append('changed')\n"
    await reusing.run(cell)
    run = await reusing.run(cell)
    assert counts(run) == {"Ask": (0, 2)}
    assert run.outputs == [[1, "changed"], [2, "changed"]]


async def test_a_copy_that_failed_after_its_exec_is_not_reused(reusing):
    """Only copies that succeeded are."""
    cell = exec_of("return got") + "def post(self, shared, p, e): 1 / BAD\nAsk.post = post\n"
    with pytest.raises(flowmagic.InstancesFailedError):
        await reusing.run("BAD = 0" + cell)
    assert counts(await reusing.run("BAD = 1" + cell)) == {"Ask": (2, 0)}


async def test_a_global_that_another_cell_binds_meanwhile_counts_as_it_is_then(reusing):
    """The rows that start later are those of the new prompt."""
    cell = (
        ASK.replace("return PROMPT", "await wait(); return PROMPT")
        + "import asyncio\nasync def wait(): await asyncio.sleep(0)\n"
    )
    run = reusing.run(cell, [{"n": n} for n in range(6)], limit=1)
    task = asyncio.create_task(run)
    while "PROMPT" not in reusing.cells.names or not reusing.path.exists():
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    reusing.cells.names["PROMPT"] = "goodbye {}"
    first = await task
    again = await reusing.run(cell, [{"n": n} for n in range(6)])
    assert again.outputs == [f"hello {n}" for n in range(6)]
    said_hello = sum(each.startswith("hello") for each in first.outputs)
    assert counts(again)["Ask"][1] <= said_hello


async def test_a_resumed_run_of_a_changed_flow_reuses_what_it_can(reusing):
    """With reuse, a change is no reason to refuse."""
    await reusing.run("END = '!'" + ASK)
    run = await reusing.run(ASK.replace("hello", "bye"), resume=True)
    assert counts(run) == {"Ask": (2, 0)}
    assert run.outputs == ["bye 1", "bye 2"]


async def test_nested_flows_are_reused_node_by_node(reusing):
    """Those of a parallel batch, too."""
    cell = exec_of("return self.params['n'] + self.params['k']", "return None") + (
        "from pocketflow import AsyncParallelBatchFlow\n"
        "class Inner(AsyncParallelBatchFlow):\n"
        "    async def prep_async(self, shared): return [{'k': 10}, {'k': 20}]\n"
        "flow = AsyncFlow(start=Inner(start=node))\n"
    )
    await reusing.run(cell)
    run = await reusing.run(cell)
    assert counts(run) == {"Ask": (0, 4)}
    assert [copy.output for copy in run[1].copies if copy.node == "Ask"] == [12, 22]


async def test_a_retried_exec_is_kept_and_its_attempts_are_no_change(reusing):
    """What counts is the attempt that succeeded."""
    cell = exec_of("return 1 / max(self.cur_retry, 0)").replace("Ask()", "Ask(max_retries=3)")
    run = await reusing.run(cell)
    assert run[0].copies[0].retries == 1
    assert counts(await reusing.run(cell)) == {"Ask": (0, 2)}


async def test_a_service_that_counts_its_calls_is_no_obstacle_if_the_class_says_so(reusing):
    """Its other attributes count."""
    cell = """
class Service:
    def __init__(self, model): self.model, self.calls = model, 0
    def ask(self, text):
        self.calls += 1
        return f"{self.model}: {text}"
service = Service("MODEL")
class Ask(Node):
    SAYS
    def prep(self, shared): return self.params["n"]
    def exec(self, n): return service.ask(n)
node = Ask()
"""
    plain, trusted = cell.replace("SAYS", "pass"), cell.replace("SAYS", "reuse = True")
    assert why_not(await reusing.run(plain)) == "uses service.calls, which the run changes"
    await reusing.run(trusted)
    assert counts(await reusing.run(trusted)) == {"Ask": (0, 2)}
    assert counts(await reusing.run(trusted.replace("MODEL", "large"))) == {"Ask": (2, 0)}
