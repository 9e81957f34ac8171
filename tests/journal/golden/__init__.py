"""Journals that each released format of the file has written: `version_4.journal` and so on.

`python -m tests.journal.golden` writes the one of the present format. Until the first release it may be
written again; from then on, a file stays as it is, and so do the flow and the rows here: every later
version must open, list, export and resume each file.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import os
import pathlib
import uuid
from typing import Any

import numpy as np
import pandas as pd
from pocketflow import AsyncFlow, AsyncNode, Node

FOLDER = pathlib.Path(__file__).parent

VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "int": -7,
    "big int": 3**200,
    "float": 0.1,
    "infinity": float("-inf"),
    "minus zero": -0.0,
    "text": 'two\nlines, "quoted", \x00 ✓ 🙂',
    "long text": "answer " * 100,
    "bytes": b"\x00\xff",
    "datetime": dt.datetime(2026, 1, 31, 12, 30, 15, 250_000),  # noqa: DTZ001 - has no zone
    "datetime with zone": dt.datetime(2026, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    "date": dt.date(2026, 1, 31),
    "time": dt.time(23, 59, 59, 1),
    "timedelta": dt.timedelta(days=-1, seconds=5, microseconds=7),
    "tuple": (1, ("a", None)),
    "list": [1, [2.5, "b"], {"c": ()}],
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
    "deque": collections.deque([1, 2], maxlen=3),
    "range": range(1, 10, 2),
    "fraction": fractions.Fraction(1, 3),
    "complex": complex(1, -2),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=5),
    "path": pathlib.Path("data/rows.csv"),
    "dict": {"a": 1, "b": {"c": [True]}},
    "dict of any keys": {1: "a", (2, 3): "b", None: "c", "$tuple": "d"},
    "floats": [0.5 * n for n in range(100)],
    "numpy scalar": np.float32(0.5),
    "numpy datetime": np.datetime64("2026-01-31T12:00", "s"),
    "numpy array": np.arange(6, dtype="int16").reshape(2, 3),
    "timestamp": pd.Timestamp("2026-01-31T12:00:00.123456789"),
    "pandas timedelta": pd.Timedelta(1, "ns"),
}
"""What rows have in their params, and return."""


@dataclasses.dataclass
class Reply:
    """An object of a class of the user's."""

    text: str
    score: float


class Colour(enum.Enum):
    """An enumeration of the user's."""

    RED = "red"


class Return(AsyncNode):
    """Returns what its row has, prints, and assigns to the shared store."""

    async def prep_async(self, _: Any) -> Any:
        return self.params

    async def exec_async(self, prep_res: Any) -> Any:
        name = prep_res["name"]
        if name == "hangs" and os.environ.get("FLOWMAGIC_GOLDEN_HANGS"):
            await asyncio.get_running_loop().create_future()
        if name == "fails":
            raise ValueError("the row fails")
        if name == "objects":
            return [Reply("hi", 0.5), Colour.RED]
        return prep_res.get("value")

    async def post_async(self, shared: Any, prep_res: Any, _: Any) -> str:
        print("returned", prep_res["name"])
        shared[prep_res["name"]] = len(prep_res)
        return "label"


class Label(Node):
    """Returns nothing, and ends with an action."""

    def post(self, _: Any, __: Any, ___: Any) -> str:
        return f"done {self.params['name']}"


def flow() -> AsyncFlow:
    """Return the flow of all runs."""
    start = Return()
    start - "label" >> Label()
    return AsyncFlow(start=start)


def rows() -> list[dict[str, Any]]:
    """Return the rows of the first run."""
    values = [{"name": name, "value": value} for name, value in VALUES.items()]
    return [*values, {"name": "objects"}, {"name": "fails"}]


def killed_rows() -> list[dict[str, Any]]:
    """Return the rows of the run whose kernel died: the first had ended, the last had not begun."""
    return [{"name": "ended"}, {"name": "hangs"}, {"name": "pending"}]
