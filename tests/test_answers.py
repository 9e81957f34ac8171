"""A new user's job: a filtered DataFrame through two nodes, and the answers beside the questions.

On Dask: tests/engines/dask/test_engine.py.
"""

from __future__ import annotations

import asyncio

import pandas as pd
import pytest
from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic


class Ask(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0.001)
        return f"{self.params['question']}!"

    async def post_async(self, shared, prep_res, exec_res):
        self.params["draft"] = exec_res


class Shout(Node):
    def exec(self, _):
        return self.params["draft"].upper()


def flow():
    ask = Ask()
    ask >> Shout()
    return AsyncFlow(start=ask)


@pytest.fixture
def questions():
    """200 rows out of 400, sorted otherwise than they were made."""
    frame = pd.DataFrame({"question": [f"why {n}" for n in range(400)], "n": range(400)})
    return frame[frame["n"] % 2 == 1].sort_values("n", ascending=False)


def right(df):
    return len(df) == 200 and list(df["answer"]) == [f"WHY {n}!" for n in df["n"]]


async def test_the_answers_stand_beside_the_questions(questions):
    """In three lines, none of which needs the docs."""
    df = questions
    run = await flowmagic.batchflow(flow(), df, limit=50)
    df["answer"] = run.to_frame()["output"]
    assert right(df)


async def test_the_answers_are_the_same_after_a_resume(questions, tmp_path):
    """Half of the rows come from the run before, whose order was another."""
    df, journal = questions, tmp_path / "runs.journal"
    await flowmagic.batchflow(flow(), df.head(100).sort_values("n"), journal=journal)
    run = await flowmagic.batchflow(flow(), df, limit=50, journal=journal, resume=True)
    df["answer"] = run.to_frame()["output"]
    assert len(run.records.restored) == 100
    assert right(df)
