"""What a run records, as values for the columns of its journal."""

from __future__ import annotations

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import open_journal

ran: list = []


broken = True


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        ran.append(self.params["i"])
        if broken and self.params.get("fail"):
            raise ValueError(f"no answer for {self.params.get('api_key')}")

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"


def ask(*rows, path, node=Ask, **options):
    return flowmagic.run_batch(AsyncFlow(start=node()), list(rows), journal=path, **options)


def test_what_a_node_tried_by_itself_is_written(tmp_path):
    """Retries and fallbacks, copy by copy."""

    class Rescued(Ask):
        async def exec_fallback_async(self, prepared, error):
            return None

    flow = AsyncFlow(start=Rescued(max_retries=3))
    flowmagic.run_batch(flow, [{"i": 1, "fail": True}, {"i": 2}], journal=tmp_path / "j")
    (written,) = open_journal(tmp_path / "j")
    tries = [(copy["retries"], copy["fallbacks"]) for one in written for copy in one.copies]
    assert tries == [(2, 1), (0, 0)]


def test_a_huge_number_in_a_row_is_written_and_known_again(tmp_path):
    """Larger than Python writes as digits: it must neither break the run nor be run twice."""
    rows = [{"i": 1, "modulus": 10**5_000 + n} for n in range(2)]
    assert ask(*rows, path=tmp_path / "j").ok
    assert open_journal(tmp_path / "j")[1].params == rows
    ran.clear()
    assert ask(*reversed(rows), path=tmp_path / "j", resume=True).ok
    assert not ran
