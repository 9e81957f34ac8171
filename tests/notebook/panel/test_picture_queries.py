"""The pictures that pages ask for."""

from __future__ import annotations

import queue
import threading

from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.panel.picture_queries import PictureQueries

from ..test_pictures import Chart, png


class Draw(AsyncNode):
    async def exec_async(self, prepared):
        return self.params["output"]


class Loop:
    """Calls what other threads have posted, when it is told to."""

    def __init__(self, outputs):
        self.records = flowmagic.run_batch(Draw(), [{"output": each} for each in outputs]).records
        self.posted = queue.Queue()
        self.ready = 0
        self.queries = PictureQueries(
            lambda: self.records, lambda *call: self.posted.put(call), self.on_ready
        )

    def on_ready(self):
        self.ready += 1

    def turn(self):
        function, *arguments = self.posted.get(timeout=60)
        function(*arguments)


class Slow(Chart):
    """Waits until it is let go, and notes in which thread it was rendered."""

    def __init__(self):
        self.go = threading.Event()
        self.thread = None

    def _repr_png_(self):
        self.thread = threading.current_thread()
        assert self.go.wait(60)
        return super()._repr_png_()


def test_pictures_are_rendered_one_after_the_other():
    """The name of the buffer says which; what cannot be shown is empty."""
    loop = Loop([png(8, 6), "text", Chart()])
    for index in (0, 1, 9):
        loop.queries.query("page", index, large=False)
    loop.queries.query("page", 2, 0, 0, large=True)
    for turn in range(1, 5):
        loop.turn()
        assert (loop.ready, loop.queries.has_answers) == (turn, True)
    assert loop.queries.take() == [
        ("picture page 0 0 -1 small image/png", png(8, 6)),
        ("picture page 1 0 -1 small ", b""),
        ("picture page 9 0 -1 small ", b""),
        ("picture page 2 0 0 large image/png", png(80, 60)),
    ]
    assert not loop.queries.has_answers
    assert loop.posted.empty()


def test_the_loop_does_not_wait_for_a_picture():
    """A figure may take a second to draw."""
    slow = Slow()
    loop = Loop([slow])
    loop.queries.query("page", 0, large=False)
    assert not loop.queries.has_answers
    slow.go.set()
    loop.turn()
    assert loop.queries.has_answers
    assert slow.thread is not threading.current_thread()


def test_a_picture_of_a_run_that_is_no_longer_shown_is_dropped():
    """Also if it is being rendered; the next one is rendered at once."""
    slow = Slow()
    loop = Loop([slow, png(8, 6)])
    loop.queries.query("page", 0, large=False)
    loop.queries.query("page", 0, large=True)
    loop.queries.clear()
    loop.queries.query("page", 1, large=False)
    loop.turn()
    slow.go.set()
    loop.turn()
    assert [name for name, _ in loop.queries.take()] == ["picture page 1 0 -1 small image/png"]


def test_of_very_many_pictures_the_latest_are_rendered():
    """A page that scrolls through all rows shows only those."""
    slow = Slow()
    loop = Loop([slow, *[Chart()] * 300])
    for index in range(301):
        loop.queries.query("page", index, large=False)
    slow.go.set()
    for _ in range(201):
        loop.turn()
    names = [name for name, _ in loop.queries.take()]
    assert (len(names), names[1]) == (201, "picture page 101 0 -1 small image/png")
