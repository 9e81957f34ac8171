"""Nodes to check, and the findings of a flow as one text."""

from __future__ import annotations

import time

from pocketflow import AsyncNode, BatchFlow

from flowmagic.flow.checks import check


def said(flow, params=None, **options) -> str:
    """Return all findings as one text."""
    return "\n".join(map(str, check(flow, params, **options)))


class Plain(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return None


def naps():
    time.sleep(1)


class Sleeps(AsyncNode):
    async def exec_async(self, prepared):
        time.sleep(1)


class Images(BatchFlow):
    def prep(self, shared):
        return [{"input": name, "filter": each} for name in "ab" for each in ("grey", "blur")]
