"""A node asks for input in a cell that waits, and is refused in the background, in a real kernel."""

from __future__ import annotations

import pytest

ASK = """
import getpass, sys
from pocketflow import AsyncNode, Node
class Ask(Node):
    def prep(self, shared):
        return self.params["ask"]
    def exec(self, ask):
        return ask("word? ")
class AskOnLoop(AsyncNode):
    async def exec_async(self, _):
        return self.params["ask"]("word? ")
ask, ask_on_loop = Ask(), AskOnLoop()
"""
ERRORS = "[repr(each.result) for each in run.failures]"
REFUSED = (
    "InputError('Nobody can answer input() in a run that no cell waits for. Add --wait --limit 1 "
)


@pytest.fixture
def asking(kernel):
    kernel.run(ASK)
    return kernel


@pytest.mark.parametrize("flow", ["ask", "ask_on_loop"])
def test_a_run_in_the_background_cannot_ask(asking, flow):
    """Whatever it asks with; and a cell may still ask when it has been refused."""
    asks = "lambda p: input(p)", "lambda _: sys.stdin.readline()", "lambda _: list(sys.stdin)"
    rows = "\n[" + ", ".join(f"{{'ask': {each}}}" for each in asks) + "]"
    assert asking.run(f"%%batchflow {flow} -o run{rows}").status == "ok"
    asking.until("run.ended")
    assert asking.value("len(run.failures)") == 3
    assert all(each.startswith(REFUSED) for each in asking.value(ERRORS))
    message = asking.send("print(input('cell? '))")
    assert asking.client.get_stdin_msg(timeout=20)["content"]["prompt"] == "cell? "
    asking.client.input("yes")
    assert asking.finish(message).stdout == "yes\n"


def test_a_run_in_the_background_does_not_ask_in_another_cell(asking):
    """The question would appear below a cell that has nothing to do with it."""
    asking.run("gate = asyncio.Event()\nclass Late(AskOnLoop):\n"
               "    async def exec_async(self, _):\n"
               "        await gate.wait()\n"
               "        return getpass.getpass() if self.params['n'] else input()\n"
               "late = Late()")  # fmt: skip
    asking.run("%%batchflow late -o run\n[{'n': 0}, {'n': 1}]")
    assert asking.run("gate.set()\nawait run").status == "ok"
    assert len(asking.value(ERRORS)) == 2
    assert all(each.startswith(REFUSED) for each in asking.value(ERRORS))


ROWS = "[{'ask': input}, {'ask': getpass.getpass}]"


@pytest.mark.parametrize("flow", ["ask", "ask_on_loop"])
@pytest.mark.parametrize(
    "cell",
    [
        f"%%batchflow FLOW --wait --limit 1 -o run\n{ROWS}",
        f"import flowmagic\nrun = await flowmagic.batchflow(FLOW, {ROWS}, limit=1)",
    ],
)
def test_a_run_that_its_cell_waits_for_asks(asking, flow, cell):
    """By the magic and in Python, on the loop and in a thread, as a cell does."""
    message = asking.send(cell.replace("FLOW", flow))
    # On the loop, only a run whose output is kept knows the row.
    named = cell.startswith("%%") or flow == "ask"
    for row, answer in enumerate(("one", "two")):
        prompt = asking.client.get_stdin_msg(timeout=20)["content"]["prompt"]
        assert prompt == (f"row {row}: word? " if named else "word? ")
        asking.client.input(answer)
    assert asking.finish(message).status == "ok"
    assert asking.value("run.outputs") == ["one", "two"]


def test_rows_that_ask_at_the_same_time_take_turns(asking):
    """The kernel hung. Whatever the order is, each row gets the answer to its own question."""
    rows = [{"n": n} for n in range(6)]
    message = asking.send(
        "class AskInput(Node):\n"
        "    def exec(self, _):\n"
        "        return input(f\"{self.params['n']}? \")\n"
        "import flowmagic\n"
        f"run = await flowmagic.batchflow(AskInput(), {rows}, limit=6)"
    )
    for _ in rows:
        prompt = asking.client.get_stdin_msg(timeout=20)["content"]["prompt"]
        row, number = prompt.removeprefix("row ").removesuffix("? ").split(": ")
        assert row == number
        asking.client.input(f"answer {number}")
    assert asking.finish(message).status == "ok"
    assert asking.value("run.outputs") == [f"answer {n}" for n in range(6)]


def test_unloaded_everything_is_as_before(asking):
    """The methods of the kernel, its stdin, and the callbacks."""
    ours = (
        "[each.__qualname__ for each in get_ipython().events.callbacks['pre_run_cell']"
        " if each.__module__.startswith('flowmagic.')]"
    )
    own = "[name in vars(get_ipython().kernel) for name in ('raw_input', 'getpass')]"
    assert len(asking.value(ours)) == 2
    assert asking.value(own) == [True, True]
    asking.run("%unload_ext flowmagic")
    assert asking.value(own) == [False, False]
    assert asking.value("type(sys.stdin).__module__") == "_io"
    assert asking.value(ours) == []
