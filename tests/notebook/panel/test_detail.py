"""A row in words."""

from __future__ import annotations

import asyncio
import json
import time

from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode, AsyncParallelBatchFlow, Node

import flowmagic
from flowmagic.notebook.panel.detail import Provenance, detail_of
from flowmagic.notebook.panel.header import header_of
from flowmagic.records.printed import keep
from flowmagic.run.api import start
from flowmagic.run.failures import Retries
from flowmagic.run.options import Options
from flowmagic.text.redact import MASK

from ...virtualtime import virtual


class First(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        self.params["plan"] = "premium"
        self.params["user_id"] += 1
        self.params.pop("draft", None)
        return "go"


class Second(AsyncNode):
    async def exec_async(self, prepared):
        raise ValueError(f"refused: {self.params['api_key']}")


def run_of(rows):
    """Run rows through both nodes."""
    first, second = First(), Second()
    first - "go" >> second
    return flowmagic.run_batch(AsyncFlow(start=first), rows)


def test_each_node_copy_shows_what_it_received_and_what_is_different():
    """Marks say which params differ from what the copy before it received."""
    run = run_of([{"user_id": 1, "draft": True, "api_key": "sk-12345678", "same": [1]}])
    detail = detail_of(run.records, 0)
    first, second = detail["copies"]
    assert (first["node"], first["action"], first["depth"]) == ("First", "'go'", 0)
    assert [(each["key"], each["value"], each["mark"]) for each in first["params"]] == [
        ("user_id", "1", ""),
        ("draft", "True", ""),
        ("api_key", MASK, ""),
        ("same", "[1]", ""),
    ]
    assert {each["key"]: each["mark"] for each in second["params"]} == {
        "user_id": "changed",
        "api_key": "",
        "same": "",
        "plan": "new",
        "draft": "gone",
    }
    assert detail["error"] == second["error"] == f"ValueError: refused: {MASK}"
    assert detail["status"] == "failed"
    assert "sk-12345678" not in str(detail)


def test_each_param_says_where_it_came_from_and_whether_anybody_read_it():
    """Of what is gone, who took it; a key that no node asked for is said to be unread."""
    run = run_of([{"user_id": 1, "draft": True, "api_key": "sk-12345678", "same": [1]}])
    first, second = detail_of(run.records, 0)["copies"]
    assert (first["previous"], second["previous"]) == (None, 0)
    assert {each["key"]: (each["source"], each["unread"]) for each in first["params"]} == {
        "user_id": ("batch", False),
        "draft": ("batch", False),
        "api_key": ("batch", False),
        "same": ("batch", True),
    }
    assert {each["key"]: (each["source"], each["unread"]) for each in second["params"]} == {
        "user_id": ("node First", False),
        "api_key": ("batch", False),
        "same": ("batch", True),
        "plan": ("node First", True),
        "draft": ("node First", False),
    }


def test_nothing_is_said_to_be_unread_before_the_end_or_where_it_was_cut_off():
    """It may still be read, or would have been."""

    async def main():
        class Wait(AsyncNode):
            async def exec_async(self, prepared):
                await gate.wait()

        gate = asyncio.Event()
        run = flowmagic.batchflow(Wait(), [{"a": 1}, {"a": 1}], limit=2)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        unread = [detail_of(run.records, 0)["copies"][0]["params"][0]["unread"]]
        run.cancel(0)
        gate.set()
        await run
        return unread + [
            each["copies"][0]["params"][0]["unread"]
            for each in (detail_of(run.records, 0), detail_of(run.records, 1))
        ]

    assert asyncio.run(main()) == [False, False, True]


def test_an_earlier_attempt_says_what_it_had_not_read():
    """Each attempt begins anew."""

    class Flaky(AsyncNode):
        async def exec_async(self, prepared):
            tries.append(1)
            self.params["a" if len(tries) == 1 else "b"]
            if len(tries) == 1:
                raise ValueError

    tries = []
    retries = flowmagic.Retries(1, wait=0.001)
    run = flowmagic.run_batch(Flaky(), [{"a": 1, "b": 2}], retries=retries)
    detail = detail_of(run.records, 0)
    unread = [
        [each["unread"] for each in copies[0]["params"]]
        for copies in (detail["history"][0]["copies"], detail["copies"])
    ]
    assert unread == [[False, True], [True, False]]


def test_params_that_make_trouble_are_shown_all_the_same():
    """Slow or huge or odd values, lone surrogates, hundreds of keys in a hundred copies: soon done."""

    class Loud:
        def __repr__(self):
            raise RuntimeError

        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    class Loop(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["n"] = shared.get("n", 0) + 1
            self.params["n"] = shared["n"]
            return "again" if shared["n"] < 120 else "end"

    node = Loop()
    node - "again" >> node
    node - "end" >> AsyncNode()
    row = {
        "huge": "x" * 10_000_000,
        "many": list(range(1_000_000)),
        "loud": Loud(),
        "\ud800": "\udfff",
        "\u202e": "\u202eabc",
        **{f"key{i}": i for i in range(500)},
    }
    run = flowmagic.run_batch(AsyncFlow(start=node), [row])
    began = time.process_time()
    detail = detail_of(run.records, 0)
    assert time.process_time() - began < 2
    assert len(json.dumps(detail).encode()) < 2_000_000
    assert [each["source"] for each in detail["copies"][99]["params"][:3]] == ["batch"] * 3


def test_a_secret_quoted_in_another_param_is_masked_before_it_is_cut():
    """Not even its beginning is left at the end of a line."""
    secret = "sk-" + "9" * 60
    run = run_of([{"url": "x" * 50 + secret, "api_key": secret}])
    assert "sk-9" not in str(detail_of(run.records, 0))


def test_everything_is_bounded():
    """Megabytes in a param or an error, thousands of params: the detail stays small."""

    class Loud(AsyncNode):
        async def exec_async(self, prepared):
            raise ValueError("y" * 1_000_000)

    row = {f"key{i}" * 100: "x" * 100_000 for i in range(500)}
    run = flowmagic.run_batch(Loud(), [row])
    assert len(str(detail_of(run.records, 0))) < 70_000


def test_what_a_node_copy_tried_by_itself_is_said_in_words():
    """Retries and fallbacks, in singular and plural; nothing where there was none."""

    class RetryCounter(Node):
        def prep(self, shared):
            self.left = list(self.params["fails"])

        def exec(self, prepared):
            if self.left and self.left.pop():
                raise ValueError

        def exec_fallback(self, prepared, error):
            return None

    rows = [{"fails": fails} for fails in ([], [1], [1] * 2, [1] * 3)]
    run = flowmagic.run_batch(RetryCounter(max_retries=3), rows)
    words = [detail_of(run.records, index)["copies"][0]["remark"] for index in range(4)]
    assert words == ["", "1 retry", "2 retries", "2 retries, fallback"]


def test_many_node_copies_are_cut_and_said():
    """A loop of thousands of steps shows the first hundred, and says so."""

    class Loop(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["n"] = shared.get("n", 0) + 1
            return "again" if shared["n"] < 150 else "end"

    node = Loop()
    node - "again" >> node
    node - "end" >> First()
    run = flowmagic.run_batch(AsyncFlow(start=node), [{"user_id": 1}])
    detail = detail_of(run.records, 0)
    assert len(detail["copies"]) == 100
    assert detail["note"] == "The first 100 of 151 node copies."


def test_nested_flows_are_indented():
    """A copy inside a nested flow knows its depth."""
    inner = AsyncFlow(start=First())
    run = flowmagic.run_batch(AsyncFlow(start=inner), [{"user_id": 1}])
    assert [each["depth"] for each in detail_of(run.records, 0)["copies"]] == [0, 1]


def test_odd_values_do_no_harm():
    """A repr or a comparison that raises is somebody else's bug, and is shown as one."""

    class Odd:
        def __repr__(self):
            raise RuntimeError

        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    class Swap(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            self.params["odd"] = Odd()

    swap = Swap()
    swap >> Swap()
    run = flowmagic.run_batch(AsyncFlow(start=swap), [{"odd": Odd()}])
    (param,) = detail_of(run.records, 0)["copies"][1]["params"]
    assert param["mark"] == "changed"
    assert "Odd" in param["value"]


def test_a_dropped_row_says_that_it_is_no_longer_kept():
    """Beyond `keep`, rows of a generator have no params to show."""
    run = flowmagic.run_batch(First(), ({"user_id": i} for i in range(3)), keep=1)
    assert "no longer kept" in detail_of(run.records, 0)["note"]


def test_earlier_attempts_are_told_oldest_first():
    """Each with its number, how it ended and what its node copies received; no traceback."""

    class Flaky(AsyncNode):
        async def exec_async(self, prepared):
            tries.append(1)
            if len(tries) < 3:
                raise ValueError(f"try {len(tries)} with {self.params['api_key']}")

    tries = []
    row = {"api_key": "sk-12345678"}
    run = flowmagic.run_batch(Flaky(), [row], retries=flowmagic.Retries(2, wait=0.001))
    detail = detail_of(run.records, 0)
    first, second = detail["history"]
    assert (first["number"], first["status"], first["error"]) == (
        1, "failed", f"ValueError: try 1 with {MASK}",
    )  # fmt: skip
    assert (second["number"], second["note"]) == (2, "")
    assert second["started"] >= first["started"] + first["seconds"]
    (copy,) = first["copies"]
    assert (copy["node"], copy["error"]) == ("Flaky", first["error"])
    assert copy["params"] == [
        {"key": "api_key", "value": MASK, "mark": "", "source": "batch", "unread": False}
    ]
    assert (detail["status"], detail["attempts"], len(detail["copies"])) == ("succeeded", 3, 1)
    assert "sk-12345678" not in str(detail)


def test_of_many_attempts_the_latest_are_told_by_their_true_numbers():
    """Twenty are kept; a hundred node copies are shown of all of them together, and that is said."""

    class Loop(AsyncNode):
        async def exec_async(self, prepared):
            tries.append(1)
            if len(tries) % 40 == 0 and len(tries) < 1_000:
                raise ValueError("x" * 10_000)

        async def post_async(self, shared, prepared, executed):
            return "again" if len(tries) < 1_000 else "end"

    tries = []
    node = Loop()
    node - "again" >> node
    node - "end" >> AsyncNode()
    flow = AsyncFlow(start=node)
    run = flowmagic.run_batch(
        flow, [{"i": 0}], retries=flowmagic.Retries(30, wait=0.001, longest=0.001)
    )
    detail = detail_of(run.records, 0)
    assert [each["number"] for each in detail["history"]] == list(range(5, 25))
    assert [len(each["copies"]) for each in detail["history"]][-4:] == [0, 20, 40, 40]
    assert detail["history"][-3]["note"] == "The first 20 of 40 node copies."
    assert detail["history"][0]["note"] == "The first 0 of 40 node copies."
    assert len(str(detail)) < 70_000


def test_a_secret_that_only_an_earlier_attempt_knew_is_masked():
    """A node put it among its params, and it failed; the next attempt quotes it."""

    class Key(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            if not shared:
                self.params["api_key"] = shared["key"] = "sk-12345678"
            return "go"

    class Use(AsyncNode):
        async def exec_async(self, prepared):
            raise ValueError("refused: sk-12345678")

    key = Key()
    key - "go" >> Use()
    flow = AsyncFlow(start=key)
    run = flowmagic.run_batch(flow, [{"i": 0}], retries=flowmagic.Retries(1, wait=0.001), shared={})
    detail = detail_of(run.records, 0)
    assert len(detail["history"]) == 1
    assert "api_key" not in str(detail["copies"])
    assert "sk-12345678" not in str(detail)


def test_a_cancelled_row_has_no_error():
    """Cancelled is not failed: there is no traceback to show."""

    async def main():
        class Wait(AsyncNode):
            async def exec_async(self, prepared):
                await asyncio.sleep(60)

        run = flowmagic.batchflow(Wait(), [{}, {}], limit=1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        run.cancel()
        return await run

    run = asyncio.run(main())
    assert [detail_of(run.records, i)["status"] for i in range(2)] == ["cancelled"] * 2
    assert [detail_of(run.records, i)["traceback"] for i in range(2)] == ["", ""]


class Seen(list):
    """Is the same object in each attempt; a plain list is as the row was given."""


class Says(AsyncNode):
    """Prints what it is asked to; fails the first time if asked to."""

    async def exec_async(self, prepared):
        keep(self.params["say"])
        if self.params.get("again") and not self.params["seen"]:
            self.params["seen"].append(1)
            raise ValueError


def printed(**params):
    """Return the detail of an instance that printed."""
    options = Options(capture=True, retries=Retries(1, wait=0.001))

    async def main():
        return await start(Says(), [params], shared=None, options=options)

    return detail_of(asyncio.run(main()).records, 0)


def test_what_an_instance_printed_is_shown_without_controls_and_secrets():
    """Colours of a terminal go; a secret is masked also where they stood in the midst of it."""
    text = "\x1b[31mred\x1b[0m sk-123\x1b[1m45678 \x00\x07\r\n<b>bold</b>\ttab ü\x1b]0;title\x07\n"
    detail = printed(say=text, api_key="sk-12345678")
    assert detail["printed"] == f"red {MASK} \n<b>bold</b>\ttab ü\n"


def test_of_much_that_was_printed_the_end_is_shown():
    """From the beginning of a line, and it says where the rest is."""
    detail = printed(say="".join(f"line {number}\n" for number in range(5_000)))
    first, *lines = detail["printed"].splitlines()
    assert first == "[Only the end is shown; the instance's .printed has all that is kept]"
    assert lines[-1] == "line 4999"
    assert 1_000 < len(lines) < 5_000
    assert lines == [f"line {number}" for number in range(5_000 - len(lines), 5_000)]
    assert len(printed(say="x" * 50_000)["printed"]) < 21_000


def test_each_attempt_shows_what_it_printed():
    """The earlier one in its place of the history."""
    detail = printed(say="hello\n", again=True, seen=Seen())
    assert detail["printed"] == "hello\n"
    assert [each["printed"] for each in detail["history"]] == ["hello\n"]


def test_a_restored_row_names_the_run_that_did_it(tmp_path):
    """By its number in the journal; of one that ran, there is none."""
    flow, rows = AsyncFlow(start=First()), [{"user_id": 1}, {"user_id": 2}]
    flowmagic.run_batch(flow, rows[:1], journal=tmp_path / "runs")
    run = flowmagic.run_batch(flow, rows, journal=tmp_path / "runs", resume=True)
    details = [detail_of(run.records, index) for index in (0, 1)]
    assert [detail["restored"] for detail in details] == [1, None]
    assert (details[0]["copies"], details[0]["started"], details[0]["seconds"]) == ([], None, None)
    assert (
        header_of(run, run.records, flow="", limits=run.limits, notice="", acknowledged={})[
            "restored"
        ]
        == 1
    )


class Sets(AsyncNode):
    """Changes its params, as told."""

    def __init__(self, seconds=0.0, **changes):
        super().__init__()
        self.seconds, self.changes = seconds, changes

    async def post_async(self, shared, prepared, executed):
        await asyncio.sleep(self.params.get("wait", self.seconds))
        for key, value in self.changes.items():
            if value is None:
                self.params.pop(key, None)
            else:
                self.params[key] = value


class Then(Sets):
    pass


class Last(Sets):
    pass


async def of(flow, row, **own):
    """Run one row; return per node copy its class, and the source of each of its params."""
    flow.set_params(own)
    run = await flowmagic.batchflow(flow, [row])
    assert run.ok, run[0].traceback
    copies = run[0].copies
    provenance = Provenance(copies, run[0].row, run.records.base)
    return [
        (copy.node, {key: provenance.source(position, key) for key in copy.params})
        for position, copy in enumerate(copies)
    ]


def chain(first, *others):
    node = first
    for each in others:
        node = node.next(each)
    return first


@virtual
async def test_what_a_node_received_came_from_the_flow_the_batch_or_a_node():
    """The row overlays the flow's own; what a node set came from it, until another one sets it."""
    flow = AsyncFlow(start=chain(Sets(a=10, new=1), Then(a=11, b=None), Last()))
    assert await of(flow, {"a": 1, "b": 2}, b=0, own=0) == [
        ("Sets", {"b": "batch over flow", "own": "flow", "a": "batch"}),
        ("Then", {"b": "batch over flow", "own": "flow", "a": "node Sets", "new": "node Sets"}),
        ("Last", {"own": "flow", "a": "node Then", "new": "node Sets"}),
    ]


@virtual
async def test_a_value_set_to_what_it_was_came_from_where_it_was():
    """And one that cannot be compared is taken for another one."""

    class Odd:
        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    flow = AsyncFlow(start=chain(Sets(a=1, odd=Odd()), Last()))
    (_, (_, sources)) = await of(flow, {"a": 1, "odd": Odd()})
    assert sources == {"a": "batch", "odd": "node Sets"}


@virtual
async def test_in_a_nested_flow_it_came_through_the_flow():
    """The flow's own changes are its; those of its nodes end with it."""

    class Inner(AsyncFlow):
        async def prep_async(self, shared):
            self.params["prepared"] = 1

    flow = AsyncFlow(start=chain(Inner(start=chain(Sets(a=5), Then())), Last()))
    assert await of(flow, {"a": 1}) == [
        ("Inner", {"a": "batch"}),
        ("Sets", {"a": "batch", "prepared": "node Inner"}),
        ("Then", {"a": "node Sets", "prepared": "node Inner"}),
        ("Last", {"a": "batch", "prepared": "node Inner"}),
    ]


@virtual
async def test_walks_of_a_nested_batch_are_told_apart_even_while_they_interleave():
    """Each row came from the flow that gave it; a node changes only the params of its own walk."""
    for kind in (AsyncBatchFlow, AsyncParallelBatchFlow):

        class Rows(kind):
            async def prep_async(self, shared):
                return [{"r": 1, "wait": 3}, {"r": 2, "wait": 1}]

        flow = AsyncFlow(start=Rows(start=chain(Sets(b=1), Then())))
        told = await of(flow, {"a": 1})
        rows = "node Rows"
        begins = ("Sets", {"a": "batch", "r": rows, "wait": rows})
        goes_on = ("Then", {"a": "batch", "r": rows, "wait": rows, "b": "node Sets"})
        assert told[0] == ("Rows", {"a": "batch"})
        assert sorted(told[1:], key=str) == sorted([begins, begins, goes_on, goes_on], key=str)
        order = [node for node, _ in told[1:]]
        assert (order == ["Sets", "Sets", "Then", "Then"]) == (kind is AsyncParallelBatchFlow)


@virtual
async def test_a_flow_with_an_orchestration_of_its_own_is_followed_task_by_task():
    """What its nodes received is seen when they have ended."""

    class Own(AsyncFlow):
        async def _orch_async(self, shared, params=None):
            return await super()._orch_async(shared, params)

    flow = AsyncFlow(start=Own(start=chain(Sets(b=1), Then(), Last())))
    own, first, *others = await of(flow, {"a": 1})
    assert [own[1], others[-1]] == [
        {"a": "batch"}, ("Last", {"a": "batch", "b": "node Own"}),
    ]  # fmt: skip
    assert first[0] == "Sets"


def test_a_single_node_received_the_instances_own():
    """There is nothing before it."""

    class Reads(Node):
        pass

    run = flowmagic.run_batch(Reads(), [{"a": 1}])
    provenance = Provenance(run[0].copies, run[0].row, run.records.base)
    assert (provenance.previous(0), provenance.source(0, "a")) == (None, "batch")
    assert (provenance.changer(0), provenance.source(0, "what is not there")) == ("", "")


class Constant(AsyncNode):
    async def exec_async(self, _):
        return "always the same"


async def test_a_reused_output_is_marked_as_such_and_counted_in_the_notice(tmp_path):
    """In the opened row, with what it saved, and for the whole run."""
    journal = tmp_path / "runs.journal"
    for _ in range(2):
        run = await flowmagic.batchflow(Constant(), [{}], journal=journal, reuse=True)
        remark = detail_of(run.records, 0)["copies"][0]["remark"]
    assert remark == "reused, saved 0.0 s"
    header = header_of(run, run.records, flow="", limits=run.limits, notice="", acknowledged={})
    assert header["notice"].startswith("0 execs ran, 1 were reused")
