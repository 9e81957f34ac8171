"""The static end state of a run."""

import asyncio
import base64
import re
from html.parser import HTMLParser

import pytest
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow

import flowmagic
from flowmagic.notebook.panel.detail import detail_of
from flowmagic.notebook.panel.row_text import VaryingColumns, row_texts
from flowmagic.notebook.summary import summary

from ..test_pictures import png


class Echo(AsyncNode):
    async def exec_async(self, _):
        if "raise" in self.params:
            raise ValueError(self.params["raise"])
        return self.params.get("answer", self.params.get("action"))

    async def post_async(self, shared, prep_res, exec_res):
        return self.params.get("action")


async def _run(rows, flow=None, **options):
    run = flowmagic.batchflow(flow or AsyncFlow(start=Echo()), rows, **options)
    await run.settled()
    return run


class _Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.seen = set()
        self.attributes = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


async def test_it_says_counts_every_failure_and_the_first_rows():
    """In text and in HTML."""
    rows = [{"n": n, **({"raise": f"bad {n}"} if n % 10 == 3 else {})} for n in range(40)]
    run = await _run(rows)
    for text in (summary.as_text(run), _Tags(summary.as_html(run)).text):
        assert "AsyncFlow: 36 of 40 succeeded, 4 failed" in text
        for n in (3, 13, 23, 33):
            assert f"ValueError: bad {n}" in text
        assert "n=9" in text
        assert "30 more rows" in text
        assert "run.retry_failed()" in text


async def test_it_says_what_each_of_the_first_rows_came_to():
    """The output, not the last action, which is mostly the same."""
    run = await _run([{"answer": "Dear\nAnn", "action": "sent"}, {"answer": {"to": "Bob"}}, {}])
    head, *rows = summary.as_text(run).splitlines()[-4:]
    at = head.index("output")
    assert [row[at:] for row in rows] == ["Dear Ann", "{'to': 'Bob'}", ""]
    assert "Dear Ann" in _Tags(summary.as_html(run)).text


async def test_pictures_among_the_outputs_are_kept_with_the_notebook():
    """As data of the page itself, a bounded number of bytes of them; never SVG."""
    pictures = [png(90, 60, bytes(30_000)), "<svg/>", b"<svg/>", png(80, 60, bytes(30_000))]
    run = await _run([{"answer": each} for each in pictures])
    html = summary.as_html(run)
    sources = re.findall(r"<img [^>]*src='data:image/png;base64,([^']*)'", html)
    assert [base64.b64decode(each) for each in sources] == [pictures[0], pictures[3]]
    assert "PNG, 90 x 60" in _Tags(html).text
    run = await _run([{"answer": png(90, 60, bytes(30_000))} for _ in range(9)])
    html = summary.as_html(run)
    assert html.count("<img") == 2
    assert len(html) < summary.MOST_BYTES


async def test_it_is_unfolded_and_failures_come_first(monkeypatch):
    """A reader without a kernel sees what failed, what to look at, and the outputs, in this order."""
    monkeypatch.setattr(summary, "remarks", lambda _: ["The loop was blocked."])
    html = summary.as_html(await _run([{"raise": "x"}, {"answer": "Dear Ann"}]))
    assert html.startswith("<details open class=")
    text = _Tags(html).text
    assert text.index("Failures") < text.index("runs the failed instances again")
    assert text.index("runs the failed instances again") < text.index("Worth a look")
    assert text.index("Worth a look") < text.index("First rows") < text.index("Dear Ann")


async def test_many_failures_are_folded_after_the_first_ones():
    """The page stays readable; none of them is lost."""
    run = await _run([{"raise": f"x{n}"} for n in range(summary.UNFOLDED_FAILURES + 3)])
    first, folded = summary.as_html(run).split("<details><summary", 1)
    last = summary.UNFOLDED_FAILURES - 1
    assert f"x{last}<" in first
    assert f"x{last + 1}<" not in first
    assert "3 more failed" in folded
    assert all(f"x{last + 1 + n}<" in folded for n in range(3))


async def test_what_broke_the_run_is_shown_from_the_users_frame():
    """An error in post: its traceback, without frames of ours."""

    class Bad(AsyncParallelBatchFlow):
        async def post_async(self, shared, params, results):
            raise KeyError("in post")

    run = await _run([{"n": 1}], Bad(start=Echo()))
    for text in (summary.as_text(run), _Tags(summary.as_html(run)).text):
        assert "The run broke" in text
        assert 'raise KeyError("in post")' in text
        assert "batchrun.py" not in text


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td></table>&amp;<b>"],
)
async def test_foreign_text_enters_as_text(hostile):
    """Params, actions, errors and keys cannot become markup."""
    run = await _run([{"p": hostile, hostile: 1, "action": hostile}, {"raise": hostile}])
    html = summary.as_html(run)
    tags = _Tags(html)
    ours = "details summary p pre table caption thead tbody tr th td code div span i ul li"
    assert tags.seen <= set(ours.split())
    assert tags.attributes <= {"class", "style", "open", "title"}
    assert hostile in tags.text


async def test_secrets_are_masked_wherever_they_turn_up():
    """In params, in results and in errors; the node got the real one."""
    key = "sk-very-secret-123"
    run = await _run(
        [{"api_key": key, "raise": f"401 for {key}"}, {"api_key": key, "action": f"did {key}"}]
    )
    assert key in str(run[0].error)
    for text in (summary.as_text(run), summary.as_html(run)):
        assert key not in text
        assert "•••" in text


async def test_secrets_of_the_store_and_of_nodes_are_masked_too():
    """Where an error or an action quotes them; and in what raise_for_failures says."""
    key, token = "sk-of-the-store-123", "sk-of-the-node-456"

    class Quotes(AsyncNode):
        token: str

        async def prep_async(self, shared):
            return shared["api_key"]

        async def exec_async(self, prep_res):
            said = f"{prep_res} and {self.token}"
            if self.params["n"]:
                raise ValueError(said)
            return said

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    node = Quotes()
    node.token = token
    run = await _run([{"n": 0}, {"n": 1}], AsyncFlow(start=node), shared={"api_key": key})
    with pytest.raises(flowmagic.InstancesFailedError) as caught:
        run.raise_for_failures()
    for text in (
        *(summary.as_text(run), summary.as_html(run), str(caught.value)),
        *(str(detail_of(run.records, index)["error"]) for index in range(2)),
        *row_texts(run.records, range(2), VaryingColumns(run.records))["outcomes"],
    ):
        assert key not in text
        assert token not in text


async def test_ten_thousand_failures_stay_under_the_limit_of_size():
    """The HTML is cut, and says what it left out; no byte more than a saved notebook can bear."""
    run = await _run([{"raise": "é" * 150, "n": n} for n in range(10_000)], limit=100)
    html = summary.as_html(run)
    assert len(html.encode()) <= summary.MOST_BYTES
    assert re.search(r"… and \d{4} more, all in <code>run.failures</code>", html)
    assert "9950 more failures, all in run.failures" in summary.as_text(run)


async def test_a_run_under_way_can_be_summed_up():
    """Nothing is invented for what has not ended."""

    class Wait(AsyncNode):
        async def exec_async(self, _):
            await asyncio.Event().wait()

    run = flowmagic.batchflow(Wait(), [{"n": 1}, {"n": 2}], limit=1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    text = summary.as_text(run)
    assert "0 of 2 succeeded, 1 running, 1 pending" in text
    run.cancel()
    await run
    assert "2 cancelled; run cancelled" in summary.as_text(run)


async def test_a_secret_in_an_error_of_the_run_itself_is_masked():
    """An error of post belongs to no instance; it may quote any."""

    class Bad(AsyncParallelBatchFlow):
        async def post_async(self, shared, params, results):
            raise KeyError(params[0]["api_key"])

    run = await _run([{"api_key": "sk-very-secret-123"}], Bad(start=Echo()))
    for text in (summary.as_text(run), summary.as_html(run)):
        assert "KeyError" in text
        assert "sk-very-secret-123" not in text


async def test_an_error_of_ours_is_its_message_and_no_frame():
    """A wrong row of a generator: what was found and what to write, not where we noticed."""

    def rows():
        yield {"n": 1}
        yield 3

    run = await _run(rows())
    for text in (summary.as_text(run), _Tags(summary.as_html(run)).text):
        assert "BatchError: Item 1 of the batch is an int (3)" in text
        assert "File " not in text


async def test_a_row_of_several_attempts_says_how_many():
    """In both forms, in the table and among the failures; one attempt is not worth a word."""
    rows = [{"raise": "bad"}, {"n": 1}]
    run = await _run(rows, retries=flowmagic.Retries(2, wait=0.001))
    for text in (summary.as_text(run), _Tags(summary.as_html(run)).text):
        assert "✗ failed (3 attempts)" in text
        assert "✓ succeeded (" not in text
    assert "ValueError: bad (3 attempts)" in summary.as_text(run)


async def test_a_run_that_stopped_by_itself_says_why_in_its_first_line():
    """Text and HTML; also when it was cancelled on its way to the stop."""

    class Slow(Echo):
        async def exec_async(self, _):
            if "wait" in self.params:
                await asyncio.Event().wait()
            await super().exec_async(_)

    rows = [{"raise": "<b>"}] * 3 + [{"wait": 1}] + [{}] * 5
    run = flowmagic.batchflow(AsyncFlow(start=Slow()), rows, limit=2, max_errors=2)
    because = "3 instances failed, more than max_errors=2"
    while run.status != "stopping":
        await asyncio.sleep(0)
    assert f"; run stopping, because {because} (" in summary.headline(run)
    run.cancel()
    await run
    assert f"; run cancelled; before that, {because} (" in summary.headline(run)
    run = await _run([{"raise": "<b>"}] * 9, limit=2, max_errors=2)
    for text in (summary.as_text(run), _Tags(summary.as_html(run)).text):
        assert f"; run stopped, because {because} (" in text.splitlines()[0]


async def test_the_first_line_says_between_what_bounds_a_limit_adapts_and_what_it_waits_for():
    """While a provider asks to wait; the wait is gone at the end."""

    class Refused(AsyncNode):
        async def exec_async(self, _):
            raise flowmagic.RateLimitHit("slow down", retry_after=90)

    run = flowmagic.batchflow(AsyncFlow(start=Refused()), [{}, {}], adaptive="1-2-50")
    while not run.cooling:
        await asyncio.sleep(0)
    assert "; waiting 90 s, as the provider asked (" in summary.headline(run)
    run.cancel()
    await run
    assert summary.headline(run).endswith(" s, limit 1, adapting 1-50)")
    assert "waiting" not in summary.headline(run)


class Opens(AsyncNode):
    async def exec_async(self, _):
        return object()


async def test_what_the_journal_could_not_keep_is_worth_a_look(tmp_path):
    """In this run, and in the next one what that meant; a run whose journal is complete has no line."""
    flow = AsyncFlow(start=Opens())
    run = await _run([{"n": 1}], flow, journal=tmp_path / "j")
    for text in (summary.as_text(run), _Tags(summary.as_html(run)).text):
        assert "The output of Opens could not be written to the journal, so resuming" in text
    run = await _run([{"n": 1}], flow, journal=tmp_path / "j", resume=True)
    assert "1 row that had succeeded runs again" in summary.as_text(run)
    run = await _run([{"action": "on"}], journal=tmp_path / "j")
    assert "⚠" not in summary.as_text(run)
    assert "Worth a look" not in summary.as_html(run)
