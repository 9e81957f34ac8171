"""Reuse: what a look-up costs, and whether 10,000 random edits ever lead to a wrong output.

Each edit is made from its number: a notebook with a random node, a run with reuse, an edit of the
notebook, its rows, its shared store or its environment, and a second run, whose outputs must be those
of a run without reuse. After an edit that changes nothing, no exec may run.
"""

from __future__ import annotations

import asyncio
import itertools
import linecache
import os
import random
import sys
import tempfile
import time
import types
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

import flowmagic
from flowmagic.flow.reuse.node_reuse import NodeReuse

from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {
    "edits": (10_000, "random edits that are tried"),
    "rows": (2_000, "rows whose look-ups are measured"),
}

_VARIABLE = "FLOWMAGIC_BENCHMARK_STYLE"
_USES = {
    "constant": "TEXT",
    "number": "NUMBER * 2",
    "dict": "STYLE['tone']",
    "list": "sorted(WORDS)",
    "helper": "helper(1)",
    "deep helper": "outer(2)",
    "closure": "kept()",
    "default": "with_default()",
    "lambda": "short(3)",
    "object": "TOOL.use()",
    "decorated": "contextlib.ExitStack().enter_context(managed())",
    "secret": "TOKEN[-1:]",
    "order of an Enum": "[each.name for each in Color]",
    "class attribute": "self.kind",
    "of the class": "__class__.kind",
    "object of the node": "self.tool.use()",
    "attribute": "self.style",
    "attribute by name": "getattr(self, 'style')",
    "method": "self.method()",
    "base": "self.inherited()",
    "param": "self.params['n']",
    "optional param": "self.params.get('m')",
    "is there": "'m' in self.params",
    "all params": "sorted(map(str, self.params.items()))",
    "prep": "prepared",
    "of prep": "self.noted",
    "environment": f"os.environ.get('{_VARIABLE}')",
}
_VALUES = {
    "text": ["'a'", "'b'", "'a '"],
    "number": ["1", "1.0", "True", "2"],
    "tone": ["'warm'", "'cold'", "None"],
    "words": ["['x', 'y']", "['x', 'z']", "['x']"],
    "helper": ["TEXT + 'h'", "TEXT + 'i'", "'h' + TEXT"],
    "inner": ["n + 1", "n + 2"],
    "kept": ["1", "'1'", "2"],
    "managed": ["TEXT", "NUMBER"],
    "token": ["'sk-abcdefgh12345678a'", "'sk-abcdefgh12345678b'"],
    "colors": ["'RED BLUE'", "'BLUE RED'"],
    "default": ["(1, 2)", "[1, 2]"],
    "short": ["n", "-n"],
    "use": ["self.n", "[self.n]"],
    "tool": ["1", "2"],
    "kind": ["'k'", "'l'"],
    "style": ["'s'", "'t'", "{'s': 1}", "{'s': 1.0}"],
    "method": ["'m'", "'m' * 2"],
    "inherited": ["'i'", "'j'"],
    "prep": ["self.params['n']", "shared['q']", "(1, shared['q'])", "{'q': shared['q']}"],
    "noted": ["shared['q']", "1"],
    "q": ["1", "'1'", "2"],
    "environment": ["", "x", "y"],
    "extra": ["", "m=1", "m=None", "other=1"],
}
_LOOKS = ("comment", "docstring", "order", "cell", "blank", "quotes", "post")

_NODE = """
import contextlib, enum, os
from pocketflow import AsyncNode, Node
TEXT = {text}
NUMBER = {number}
STYLE = {{'tone': {tone}}}
WORDS = {words}
TOKEN = {token}
Color = enum.Enum('Color', {colors})
{cell}
@contextlib.contextmanager
def managed(): yield {managed}
def helper(n): return {helper}
def inner(n): return {inner}
def outer(n): return [inner(n)]
def keep(value):
    def kept(): return value
    return kept
kept = keep({kept})
def with_default(value={default}): return value
short = lambda n: {short}
class Tool:
    def __init__(self, n): self.n = n
    def use(self): return {use}
TOOL = Tool({tool})
class Base({pocketflow}):
    def inherited(self): return {inherited}
class Ask(Base):
    kind = {kind}
{methods}
node = Ask()
node.style = {style}
node.tool = TOOL
"""
_METHODS = [
    "    def method(self): return {method}",
    "    {is_async}def prep{suffix}(self, shared):\n        self.noted = {noted}\n        return {prep}",
    "    {is_async}def exec{suffix}(self, prepared):\n{docstring}{comment}{blank}        return [{uses}]",
    "    {is_async}def post{suffix}(self, shared, prep_res, exec_res): return {post}",
]


class Notebook(NamedTuple):
    """A notebook with a random node: which values its exec uses, each value, and how it is written."""

    uses: tuple[str, ...]
    values: dict[str, str]
    looks: frozenset[str]
    is_async: bool

    def source(self) -> str:
        """Return its cell."""
        quotes = '"' if "quotes" in self.looks else "'"
        methods = _METHODS[::-1] if "order" in self.looks else _METHODS
        parts = {
            "docstring": '        """What."""\n' if "docstring" in self.looks else "",
            "comment": "        # why\n" if "comment" in self.looks else "",
            "blank": "\n" if "blank" in self.looks else "",
            "post": f"{quotes}end{quotes}" if "post" in self.looks else "'default'",
            "uses": ", ".join(_USES[each] for each in self.uses),
            "is_async": "async " if self.is_async else "",
            "suffix": "_async" if self.is_async else "",
        }
        written = {name: each.replace("'", quotes) for name, each in self.values.items()}
        body = "\n".join(each.format(**parts, **written) for each in methods)
        return _NODE.format(
            **written,
            cell="OTHER = 1\ndef unused(): return OTHER" if "cell" in self.looks else "",
            pocketflow="AsyncNode" if self.is_async else "Node",
            methods=body,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return its rows."""
        extra = eval(f"dict({self.values['extra']})")
        return [{"n": n, **extra} for n in (1, 2, 2)]


def random_notebook(chance: random.Random) -> Notebook:
    """Return a random notebook."""
    uses = chance.sample(list(_USES), chance.randint(1, 6))
    values = {name: chance.choice(each) for name, each in _VALUES.items()}
    return Notebook(tuple(uses), values, frozenset(), chance.random() < 1 / 2)


def edited(notebook: Notebook, chance: random.Random) -> tuple[Notebook, bool]:
    """Return the notebook after a random edit, and whether that changes nothing but its looks."""
    looks = frozenset(chance.sample(_LOOKS, chance.randint(0, len(_LOOKS))))
    if chance.random() < 1 / 3:
        return notebook._replace(looks=looks), True
    values = dict(notebook.values)
    for name in chance.sample(list(_VALUES), chance.randint(1, 3)):
        values[name] = chance.choice(_VALUES[name])
    uses = notebook.uses
    if chance.random() < 1 / 10:
        uses = (*uses[1:], chance.choice(list(_USES)))
    return notebook._replace(values=values, looks=looks, uses=uses), False


_cells = itertools.count()


async def _run(
    notebook: Notebook, path: Path | None, rows: list[dict[str, Any]] | None = None
) -> flowmagic.BatchRun:
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    source, file = notebook.source(), f"<reuse {next(_cells)}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), vars(module))
    os.environ[_VARIABLE] = notebook.values["environment"]
    shared = {"q": eval(notebook.values["q"])}
    options: Any = {} if path is None else {"journal": path, "reuse": True}
    run = flowmagic.batchflow(
        vars(module)["node"], rows or notebook.rows(), shared=shared, **options
    )
    await run
    run.raise_for_failures()
    return run


async def try_edit(seed: int, folder: Path) -> tuple[str, int]:
    """Try one edit; return what is wrong, or "", and how many execs were reused."""
    chance = random.Random(seed)
    before = random_notebook(chance)
    after, same = edited(before, chance)
    path = folder / f"{seed}.journal"
    await _run(before, path)
    run, right = await _run(after, path), await _run(after, None)
    _remove(path)
    (count,) = (run.reuse or {}).values()
    if repr(run.outputs) != repr(right.outputs):
        return f"seed {seed}: {run.outputs} in the place of {right.outputs}", count.reused
    if same and count.ran:
        return f"seed {seed}: {count.ran} execs ran though nothing had changed", count.reused
    return "", count.reused


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def measure(edits: int, rows: int) -> None:
    """Print the table."""
    print_heading()
    main = sys.modules["__main__"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(_try_all(edits, Path(folder)))
            taken = asyncio.run(_look_ups(rows, Path(folder)))
    finally:
        sys.modules["__main__"] = main
    for text in [text for text, _ in found if text][:20]:
        print(text)
    wrong = sum(bool(text) for text, _ in found)
    reused = Counter(bool(count) for _, count in found)[True]
    print_figures(
        [
            Figure(f"wrong in {edits:,} edits, {reused:,} of them with reuse", wrong, 0, "edits"),
            Figure("look-up of an output, inputs of 1 kB, median", 1e6 * median(taken), 50, "µs",
                   beside=f"99th of a hundred {1e6 * sorted(taken)[len(taken) * 99 // 100]:.0f}"),
        ]
    )  # fmt: skip


async def _try_all(edits: int, folder: Path) -> list[tuple[str, int]]:
    return [await try_edit(seed, folder) for seed in range(edits)]


async def _look_ups(rows: int, folder: Path) -> list[float]:
    """Return how much CPU each look-up takes, in seconds."""
    values = {name: each[0] for name, each in _VALUES.items()} | {"prep": "self.params['text']"}
    notebook = Notebook(("prep", "param", "constant"), values, frozenset(), is_async=True)
    texts = [{"n": n, "text": f"{n:1000}"} for n in range(rows)]
    taken: list[float] = []
    begin = NodeReuse.begin

    def timed(*arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return begin(*arguments)
        finally:
            taken.append(time.thread_time() - began)

    path = folder / "look-ups.journal"
    await _run(notebook, path, texts)
    with mock.patch.object(NodeReuse, "begin", timed):
        await _run(notebook, path, texts)
    return taken
