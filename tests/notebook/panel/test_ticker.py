"""When a panel sends. (What it sends: test_updates.)"""

import asyncio
import contextvars
import threading

import pytest

from flowmagic.notebook.panel import ticker as module
from flowmagic.notebook.panel.ticker import INTERVAL, Ticker

from ...virtualtime import virtual

SAID = contextvars.ContextVar("SAID", default="nothing")


@pytest.fixture(autouse=True)
def _no_other_panel_is_live():
    module._live.clear()
    yield
    module._live.clear()


def beating():
    """Return a pulse and the times of its beats."""
    ticker, times = Ticker(), []
    ticker.beat = lambda: times.append(ticker.now())
    return ticker, times


@virtual
async def test_it_beats_at_once_and_then_as_soon_as_it_may():
    """However often it is asked meanwhile, and not unasked."""
    ticker, times = beating()
    began = ticker.now()
    for _ in range(100):
        ticker.ask()
    await asyncio.sleep(0.01)
    for _ in range(100):
        ticker.ask()
    await asyncio.sleep(10)
    assert times == pytest.approx([began, began + INTERVAL])


@virtual
async def test_live_ones_share_what_may_be_sent():
    """Ten of them beat 40 times a second in all; one that lives no more takes no share."""
    pulses = [beating() for _ in range(10)]
    for ticker, _ in pulses:
        ticker.live = True
    for _ in range(1000):
        for ticker, _ in pulses:
            ticker.ask()
        await asyncio.sleep(0.01)
    assert sum(len(times) for _, times in pulses) == pytest.approx(400, rel=0.1)
    for ticker, times in pulses:
        ticker.live = False
        times.clear()
    first, times = pulses[0]
    for _ in range(100):
        first.ask()
        await asyncio.sleep(0.01)
    assert len(times) == pytest.approx(20, abs=1)


@virtual
async def test_asked_from_another_thread_it_beats_on_its_loop():
    """In the context in which it was made."""
    SAID.set("in the cell")
    ticker, seen = Ticker(), []
    ticker.beat = lambda: seen.append((threading.current_thread(), SAID.get()))
    SAID.set("later")
    thread = threading.Thread(target=ticker.ask)
    thread.start()
    thread.join(10)
    await asyncio.sleep(1)
    assert seen == [(threading.current_thread(), "in the cell")]


def test_without_a_loop_everything_happens_at_once():
    """In a plain script, where a panel may be made and looked at."""
    ticker, seen = Ticker(), []
    ticker.beat = lambda: seen.append("beat")
    assert not ticker.goes_on
    ticker.ask()
    ticker.post(seen.append, "posted")
    ticker.soon(lambda: seen.append("soon"))
    assert seen == ["beat", "posted", "soon"]


def test_on_a_closed_loop_nothing_is_posted_and_nothing_raises():
    """What a page asks of a kernel that is going down is nobody's any more."""

    async def make():
        return Ticker()

    ticker, seen = asyncio.run(make()), []
    ticker.beat = lambda: seen.append("beat")
    ticker.post(seen.append, "posted")
    ticker.ask()
    assert seen == ["beat"]
