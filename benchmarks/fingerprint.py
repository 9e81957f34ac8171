"""The fingerprint of a flow: how long it takes to read what the nodes of a notebook depend on.

Each cell has a constant, two functions and a node class, all of which are used. The search for secrets
is not included.
"""

from __future__ import annotations

import gc
import linecache
import sys
import time
import types
from itertools import pairwise
from statistics import median
from typing import Any

from flowmagic.flow import source_code
from flowmagic.flow.dependencies import packages, reader, running_code

from .figures import Figure, print_figures
from .measuring import print_heading

OPTIONS = {
    "cells": (50, "cells of the notebook"),
    "rounds": (9, "how often each is measured"),
}

CELL = '''
PROMPT_{n} = "Answer in French: {{question}}"
CONFIG_{n} = {{"model": "small", "temperature": 0.1, "stop": ["a", "b"]}}

def cleaned_{n}(text):
    """Return a text without empty lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\\n".join(lines)

def build_{n}(question, context=None):
    parts = [PROMPT_{n}.format(question=question)]
    for key, value in sorted((context or {{}}).items()):
        parts.append(f"{{key}}: {{value}}")
    return cleaned_{n}("\\n".join(parts))

class Ask{n}(AsyncNode):
    """Asks."""
    style = "short"

    async def prep_async(self, shared):
        return shared["model"], self.params["question"]

    async def exec_async(self, prepared):
        model, question = prepared
        prompt = build_{n}(question, {{"style": self.style}})
        return await client.call(prompt, model=model, **CONFIG_{n})

    async def post_async(self, shared, prepared, answer):
        shared.setdefault("answers", []).append(answer)
'''
START = "from pocketflow import AsyncFlow, AsyncNode\nclient = object()\n"


def measure(cells: int, rounds: int) -> None:
    """Print the table."""
    print_heading()
    flow, lines = notebook(cells)
    first, again = [], []
    for _ in range(rounds):
        for known in (running_code._known, source_code._files):
            known.clear()
        packages.version_of.cache_clear()
        running_code._digest_of_code.cache_clear()
        gc.collect()
        first.append(_timed(flow))
        again.append(_timed(flow))
    at_goal = cells == OPTIONS["cells"][0]
    figures = [
        Figure(
            f"CPU of the fingerprint, {what}: {cells} cells, {lines:,} lines",
            1_000 * median(taken), 50, "ms",
            beside=f"{1_000 * min(taken):.1f} to {1_000 * max(taken):.1f}", at_goal=at_goal,
        )
        for what, taken in (("the first", first), ("the next", again))
    ]  # fmt: skip
    print_figures(figures)


def notebook(cells: int) -> tuple[Any, int]:
    """Run a notebook in a `__main__` of its own; return its flow, and how many lines it has."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    names = vars(module)
    lines = 0
    for number in range(cells + 1):
        code = CELL.format(n=number) if number else START
        file = f"<cell {number}>"
        linecache.cache[file] = len(code), None, code.splitlines(keepends=True), file
        exec(compile(code, file, "exec"), names)
        lines += code.count("\n")
    nodes = [names[f"Ask{number}"]() for number in range(1, cells + 1)]
    for node, following in pairwise(nodes):
        node >> following
    return names["AsyncFlow"](start=nodes[0]), lines


def _timed(flow: Any) -> float:
    began = time.thread_time()
    reader.Reader().read_flow(flow, {"model": "small"})
    return time.thread_time() - began
