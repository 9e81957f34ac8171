"""Runs a flow with reuse, in a journal, and tells which execs ran."""

from __future__ import annotations

from typing import Any

import pytest

import flowmagic

HEAD = "from pocketflow import AsyncFlow, AsyncNode, BatchNode, Flow, Node\n"


class Runner:
    """Runs cells that define `node` or `flow`, each in a run with reuse in one journal."""

    def __init__(self, cells: Any, path: Any) -> None:
        self.cells = cells
        self.path = path

    async def run(
        self, cell: str, rows: Any = ({"n": 1}, {"n": 2}), **options: Any
    ) -> flowmagic.BatchRun:
        names = self.cells.run(HEAD + cell)
        flow = getattr(names, "flow", None) or names.node
        options = {"journal": self.path, "reuse": True, "shared": {}, **options}
        run = await flowmagic.batchflow(flow, [dict(row) for row in rows], **options)
        run.raise_for_failures()
        return run


@pytest.fixture
def reusing(cells, tmp_path):
    return Runner(cells, tmp_path / "runs.journal")


def counts(run: flowmagic.BatchRun) -> dict[str, tuple[int, int]]:
    """Return how many execs of each node class ran, and how many were reused."""
    assert run.reuse is not None
    return {name: (each.ran, each.reused) for name, each in run.reuse.items()}


def why_not(run: flowmagic.BatchRun) -> str:
    """Return the one reason why nothing was reused or kept."""
    assert run.reuse is not None
    (count,) = run.reuse.values()
    (reason,) = count.why_not
    return reason
