"""Ten jobs of somebody who has read the pages and nothing else, and twenty mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .notebook.conftest import Shell, shell
from .test_docs import DOCS, ROOT, run_file

__all__ = ["shell"]  # a fixture

PAGES = "\n".join(
    path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *DOCS.rglob("*.md")]
)
NAMES = re.compile(
    r"flowmagic\.\w+|\b(?:run|instance|call|journal|change)(?:\[\S+?\])?\.\w+|(?<=\s)--[a-z-]+"
)

ASK = """
import asyncio
from pocketflow import AsyncFlow, AsyncNode

class Ask(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0)
        return f"answer to {self.params['question']}"

flow = AsyncFlow(start=Ask())
rows = [{"question": "why"}, {"question": "how"}, {"question": "when"}]
"""


@pytest.fixture
def read(shell: Shell, tmp_path, monkeypatch):
    """Return a function that runs cells in which every name of flowmagic's is one of the pages'."""
    monkeypatch.chdir(tmp_path)

    def run(*cells: str) -> str:
        for cell in cells:
            unknown = [name for name in NAMES.findall(cell) if attribute(name) not in PAGES]
            assert unknown == [], "in no page"
            done = shell.run(cell)
            assert done.success, f"{cell}\n{done.text}"
        return done.text

    return run


def attribute(name: str) -> str:
    """Return what of a name the pages have to have: `.output` of `instance.output`."""
    return name if name.startswith(("flowmagic", "--")) else f".{name.rpartition('.')[2]}"


def test_from_the_readme_to_the_answers(read):
    """The answers are a list, in the order of the rows, and a column beside the params."""
    printed = read(
        "%load_ext flowmagic",
        ASK,
        "%%batchflow flow --limit 5 -o run\nrows",
        "await run\nprint(run.outputs)\nprint(run.to_frame()[['question', 'output']].iloc[1].tolist())",
    )
    assert printed.splitlines() == [
        "['answer to why', 'answer to how', 'answer to when']",
        "['how', 'answer to how']",
    ]


def test_a_dataframe_there_and_back(read):
    """The answers fit the rows of a DataFrame that was filtered and sorted before."""
    printed = read(
        ASK,
        "import pandas\ndf = pandas.DataFrame({'question': ['c', 'a', 'b'], 'keep': [1, 0, 1]})",
        "part = df[df.keep == 1].sort_values('question')",
        "%%batchflow flow -o run\npart",
        "await run\ndf['answer'] = run.to_frame()['output']\nprint(df.answer.fillna('-').tolist())",
    )
    assert printed == "['answer to c', '-', 'answer to b']\n"


def test_a_provider_that_says_429(read):
    """With `--adaptive` every row succeeds, however many were refused on the way."""
    printed = read(
        ASK,
        """import flowmagic
at_work = 0
class Busy(AsyncNode):
    async def exec_async(self, _):
        global at_work
        at_work += 1
        try:
            if at_work > 3:
                raise flowmagic.RateLimitHit("slow down", retry_after=0.01)
            await asyncio.sleep(0.001)
            return "done"
        finally:
            at_work -= 1
busy = Busy()""",
        "%%batchflow busy --adaptive 1-8-20 -o run\n[{'n': n} for n in range(30)]",
        "await run\nprint(run.counts.succeeded, run.adaptive.rate_limits > 0)",
    )
    assert printed == "30 True\n"


def test_tokens_per_minute(read):
    """The estimate before the call is replaced by the number that the provider reports."""
    printed = read(
        ASK,
        """import flowmagic
flowmagic.set_limit("model", tokens_per_minute=10_000)
class Count(AsyncNode):
    async def exec_async(self, _):
        async with flowmagic.limit("model", tokens=100) as call:
            call.used(7)""",
        "run = await flowmagic.batchflow(AsyncFlow(start=Count()), rows)",
        "print(run.ok, flowmagic.named_limits()['model'].tokens_in_last_minute)\n"
        "flowmagic.remove_limit('model')",
    )
    assert printed == "True 21\n"


MORE = """
paid = "paid.txt"

class Pay(AsyncNode):
    async def exec_async(self, _):
        with open(paid, "a") as file:
            print(self.params["n"], file=file)
        await asyncio.sleep(0.01)
        return self.params["n"] ** 2

flow = AsyncFlow(start=Pay())
rows = [{"n": n} for n in range(100)]

import flowmagic
run = flowmagic.run_batch(flow, rows, limit=4, journal="runs.journal", resume=True)
print(run.outputs == [n ** 2 for n in range(100)], run.ok)
"""


def test_a_killed_process_and_a_resumed_run(tmp_path):
    """The same script again: all answers are there, and only rows that were under way ran twice."""
    script, paid = tmp_path / "script.py", tmp_path / "paid.txt"
    script.write_text(ASK + MORE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=environment)
    while not paid.exists() or len(paid.read_text().splitlines()) < 30:
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    assert run_file(script) == "True True\n"
    calls = paid.read_text().split()
    assert len(set(calls)) == 100
    assert len(calls) <= 104


def test_an_edited_prompt_is_run_again_and_compared(read):
    """Resuming refuses and names the prompt; a new run is compared with the old one row by row."""
    printed = read(
        ASK,
        """PROMPT = "in short: {}"
class Ask(AsyncNode):
    async def exec_async(self, _):
        return PROMPT.format(self.params["question"])
flow = AsyncFlow(start=Ask())""",
        "%%batchflow flow --journal runs.journal\nrows",
        "PROMPT = 'in detail: {}'",
        "import flowmagic\n"
        "try:\n    await flowmagic.resume('runs.journal', flow, rows)\n"
        "except flowmagic.JournalError as error:\n    print('PROMPT has changed' in str(error))",
    )
    assert printed == "True\n"
    printed = read(
        "%%batchflow flow --journal runs.journal\nrows",
        "with flowmagic.open_journal('runs.journal') as journal:\n"
        "    for change in journal.compare(1, 2):\n        print(change.params['question'])",
    )
    assert printed.split() == ["why", "how", "when"]


def test_two_models_side_by_side(read):
    """A row for each question, a column for each model."""
    printed = read(
        ASK,
        "import flowmagic\nrows = flowmagic.grid(question=['why', 'how'], model=['small', 'large'])",
        "%%batchflow flow -o run\nrows",
        "await run\ntable = run.to_frame().pivot(index='question', columns='model', values='output')",
        "print(table.shape, table.loc['how', 'large'])",
    )
    assert printed == "(2, 2) answer to how\n"


def test_a_script(tmp_path):
    """It prints its answers, and the exit code says whether all rows have succeeded."""
    script = tmp_path / "script.py"
    code = "import flowmagic, sys\nrun = flowmagic.run_batch(flow, rows, limit=2)\nprint(run.outputs[2])\n"
    script.write_text(f"{ASK}{code}sys.exit(0 if run.ok else 1)\n")
    assert run_file(script) == "answer to when\n"


def test_pytest(tmp_path):
    """A plain test runs a batch, and a failed row fails it."""
    test = "import flowmagic\ndef test_it():\n    run = flowmagic.run_batch(flow, {rows})\n"
    test = ASK + test + "    run.raise_for_failures()\n"
    (tmp_path / "test_good.py").write_text(test.replace("{rows}", "rows"))
    (tmp_path / "test_bad.py").write_text(test.replace("{rows}", "[{'typo': 1}]"))
    run_file(tmp_path / "test_good.py")
    with pytest.raises(AssertionError, match="InstancesFailedError"):
        run_file(tmp_path / "test_bad.py")


def test_a_sync_batch_flow_like_those_of_the_cookbook(read):
    """Its own prep gives the rows, its post gets the results, and its nodes run in threads."""
    printed = read(
        """from pocketflow import BatchFlow, Node
class Grade(Node):
    def prep(self, shared):
        return shared["marks"][self.params["pupil"]]
    def exec(self, marks):
        return sum(marks) / len(marks)
    def post(self, shared, marks, average):
        shared["averages"][self.params["pupil"]] = average
class School(BatchFlow):
    def prep(self, shared):
        return [{"pupil": name} for name in shared["marks"]]
    def post(self, shared, rows, results):
        shared["graded"] = len(results)
school = School(start=Grade())
shared = {"marks": {"Ada": [1, 2], "Bo": [3]}, "averages": {}}""",
        "%%batchflow school --shared shared -o run\n#",
        "await run\nprint(shared['averages'], shared['graded'], run.outputs)",
    )
    assert printed == "{'Ada': 1.5, 'Bo': 3.0} 2 [1.5, 3.0]\n"


MISTAKES = {
    # In a cell: what is typed, and what is said.
    "%%batchflow flwo\nrows": "There is no flow named 'flwo'. Did you mean flow?",
    "%%batchflow\nrows": "The line names no flow. Write for example %%batchflow flow",
    "%%batchflow AsyncFlow\nrows": "AsyncFlow is the class AsyncFlow, not an object of it. Write Async",
    "%%batchflow rows\nrows": "rows is a list, not a PocketFlow flow or node. Write for example ",
    "%%batchflow flow\n['why', 'how']": "Item 0 of the batch is a str ('why'), not a dict of params. W",
    "%%batchflow flow\n{'question': 1}": "The batch is one dict, not a list of dicts. For a single ins",
    "%%batchflow flow\n{'n': 1}\n{'n': 2}": "Lines 2 to 3 of the cell are 2 statements, and only the l",
    "%%batchflow flow\nmine = rows": "The cell ends in a statement (line 2), but must end in the param",
    "%%batchflow flow\nprint('hello')": "The batch is None, not a list of dicts. Write ",
    "%%batchflow flow\n#": "The cell has no param list, and AsyncFlow has no prep that returns one. Wr",
    "%%batchflow flow --limit lots\nrows": "argument --limit: 'lots' is not a positive integer, like 5",
    "%%batchflow flow --limt 5\nrows": "There is no option --limt. Did you mean --limit?",
    "%%batchflow flow limit=5\nrows": "'limit=5' is not an option. Only options may follow the flow's ",
    "%%batchflow flow --adaptive 50-10-2\nrows": "argument --adaptive: '50-10-2' is not MIN-START-MAX,",
    "%%batchflow flow --limit 5 --adaptive 2-5-9\nrows": "--limit 5 and --adaptive 2-5-9 both set how ",
    "%%batchflow flow -o 2x\nrows": "-o takes a variable name, not '2x'. Write for example -o run.",
    "%%batchflow flow --resume\nrows": "There is no journal to resume from. Write --journal runs.journ",
    # In Python.
    "await flowmagic.batchflow(flow, rows, limits=5)": "There is no option 'limits'. Did you mean limi",
    "await flowmagic.batchflow(flow, 'rows.csv')": "The batch is a str ('rows.csv'), not a list of dic",
    "(await flowmagic.batchflow(flow, rows)).answers": "'BatchRun' object has no attribute 'answers'",
}


@pytest.mark.parametrize("cell", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_answered_in_one_line(shell: Shell, tmp_path, monkeypatch, cell):
    """What was found and what to write, without a traceback; and nothing has run."""
    monkeypatch.chdir(tmp_path)
    assert shell.run(f"{ASK}\nimport flowmagic").success
    done = shell.run(cell)
    assert not done.success
    *printed, line = done.text.splitlines()
    assert printed in ([], ["hello"])
    assert re.match(rf"\w+Error: {re.escape(MISTAKES[cell])}", line), line


async def test_a_forgotten_await_is_answered_by_a_warning():
    """Whoever looks at answers too early is told so, and what to write."""
    names: dict = {}
    exec(ASK + "import flowmagic\nrun = None", names)
    run = names["flowmagic"].batchflow(names["flow"], names["rows"])
    with pytest.warns(UserWarning, match=r"not complete.*await"):
        assert run.outputs == [None, None, None]
    await run
