"""When a panel sends. (What it sends: test_widget.)"""

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


def ticking():
    """Return a ticker and the times of its ticks."""
    ticker, times = Ticker(), []
    ticker.on_tick = lambda: times.append(ticker.now())
    return ticker, times


@virtual
async def test_it_ticks_at_once_and_then_as_soon_as_it_may():
    """However many requests there are, and not without one."""
    ticker, times = ticking()
    began = ticker.now()
    for _ in range(100):
        ticker.request_tick()
    await asyncio.sleep(0.01)
    for _ in range(100):
        ticker.request_tick()
    await asyncio.sleep(10)
    assert times == pytest.approx([began, began + INTERVAL])


@virtual
async def test_live_tickers_share_the_budget():
    """Ten of them tick 40 times a second in total; one that is no longer live takes no share."""
    tickers = [ticking() for _ in range(10)]
    for ticker, _ in tickers:
        ticker.live = True
    for _ in range(1000):
        for ticker, _ in tickers:
            ticker.request_tick()
        await asyncio.sleep(0.01)
    assert sum(len(times) for _, times in tickers) == pytest.approx(400, rel=0.1)
    for ticker, times in tickers:
        ticker.live = False
        times.clear()
    first, times = tickers[0]
    for _ in range(100):
        first.request_tick()
        await asyncio.sleep(0.01)
    assert len(times) == pytest.approx(20, abs=1)


@virtual
async def test_a_request_from_another_thread_ticks_on_the_loop():
    """In the context in which it was made."""
    SAID.set("in the cell")
    ticker, seen = Ticker(), []
    ticker.on_tick = lambda: seen.append((threading.current_thread(), SAID.get()))
    SAID.set("later")
    thread = threading.Thread(target=ticker.request_tick)
    thread.start()
    thread.join(10)
    await asyncio.sleep(1)
    assert seen == [(threading.current_thread(), "in the cell")]


def test_without_a_loop_everything_happens_at_once():
    """In a plain script, where a panel may be made and looked at."""
    ticker, seen = Ticker(), []
    ticker.on_tick = lambda: seen.append("tick")
    assert not ticker.has_loop
    ticker.request_tick()
    ticker.call_on_loop(seen.append, "called")
    ticker.call_soon(lambda: seen.append("soon"))
    assert seen == ["tick", "called", "soon"]


def test_on_a_closed_loop_nothing_is_called_and_nothing_raises():
    """A command that reaches a kernel that is shutting down is dropped."""

    async def make():
        return Ticker()

    ticker, seen = asyncio.run(make()), []
    ticker.on_tick = lambda: seen.append("tick")
    ticker.call_on_loop(seen.append, "called")
    ticker.request_tick()
    assert seen == ["tick"]
