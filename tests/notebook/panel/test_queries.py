"""The queries of the pages, and their answers."""

from __future__ import annotations

from array import array
from collections import deque

import pytest

from flowmagic.notebook.panel.param_list import ParamList
from flowmagic.notebook.panel.queries import FIRST_TEXTS, MAX_PAGES, Queries
from flowmagic.records.batch import as_batch
from flowmagic.records.store import RecordStore

ROWS = [{"city": city, "n": n} for n, city in enumerate(["Oslo", "Rome", "Bonn", "Rome"])]


class Desk:
    """Sends queries, calls what was deferred, and takes the answers as a panel does."""

    def __init__(self, rows=ROWS):
        self.records = RecordStore({}, 0.0, 0)
        self.records.load(rows)
        self.later = deque()
        self.readied = 0
        self.queries = Queries(
            lambda: self.records,
            ParamList(as_batch(rows)),
            rerun_cell=lambda index, secrets: "",
            call_soon=self.later.append,
            call_on_loop=lambda function, *arguments: function(*arguments),
            on_ready=self.ready,
        )

    def ready(self):
        self.readied += 1

    def ask(self, kind, n=1, client="page", **more):
        self.queries.handlers[kind]({"type": kind, "client": client, "n": n, **more})

    def work(self):
        while self.later:
            self.later.popleft()()

    def answers(self, changed=()):
        """Return the delta, and the results of searches by page and number of the command."""
        delta = {}
        self.queries.mark_changed(changed)
        packed = self.queries.add_answers(delta)
        assert not self.queries.has_answers
        found = {name[len("search ") :]: list(array("I", rows)) for name, rows in packed}
        return delta, found


@pytest.mark.parametrize("wanted", [None, "all", 3, [], ["1"], [-1, 4, 2.5, None]])
def test_rows_that_there_are_not_have_no_texts(wanted):
    """A page may ask for anything."""
    desk = Desk()
    desk.ask("rows", rows=wanted)
    (texts,) = desk.answers()[0]["rows"]
    assert not any(texts.values())


def test_texts_come_for_the_rows_that_were_asked_for():
    """In that order, with a cell for each param that varies; and once."""
    desk = Desk()
    desk.ask("rows", rows=[3, 0])
    (texts,) = desk.answers()[0]["rows"]
    assert (texts["rows"], texts["cells"]) == ([3, 0], [["Rome", "3"], ["Oslo", "0"]])
    assert desk.answers() == ({}, {})


def test_the_output_of_a_row_comes_with_its_end_and_without_a_query():
    """Of the first rows, and of those that a page has queried; others would be bytes for nobody."""
    desk = Desk([{"n": n} for n in range(FIRST_TEXTS + 10)])
    desk.ask("rows", rows=[FIRST_TEXTS + 3])
    desk.answers()
    changed = [5, FIRST_TEXTS + 2, FIRST_TEXTS + 3]
    for index in changed:
        desk.records.start(index, 1.0).outputs = [0, f"letter {index}"]
    assert desk.answers(changed) == ({}, {}), "the texts of a running row are the same"
    for index in changed:
        desk.records.finish(index, "sent", 2.0)
    (texts,) = desk.answers(changed)[0]["rows"]
    assert texts["rows"] == [5, FIRST_TEXTS + 3]
    assert texts["outcomes"] == ["letter 5", f"letter {FIRST_TEXTS + 3}"]


def test_a_page_gets_changed_texts_of_the_rows_that_it_queried_last():
    """A page that scrolls through all rows has only so many on its screen."""
    desk = Desk([{"n": n} for n in range(2_000)])
    for first in range(300, 1_500, 400):
        desk.ask("rows", rows=list(range(first, first + 400)))
    desk.answers()
    for index in (300, 1_100):
        desk.records.start(index, 1.0)
        desk.records.finish(index, None, 2.0)
    assert desk.answers([300, 1_100])[0]["rows"][0]["rows"] == [1_100]


def test_in_a_run_of_few_rows_each_change_of_a_row_is_told():
    """Its node copies are on the screen."""
    desk = Desk()
    desk.records.start(2, 1.0)
    assert desk.answers([2])[0]["rows"][0]["rows"] == [2]


def test_the_whole_state_has_the_texts_of_the_rows_on_the_screen():
    """An output need not wait for the next message; what the state has no room for comes with that."""
    desk = Desk([{"n": n} for n in range(1_000)])
    desk.ask("rows", rows=list(range(500, 700)))
    desk.answers()
    shown = [5, *range(500, 620)]
    for index in shown:
        desk.records.start(index, 1.0)
        desk.records.finish(index, None, 2.0)
    desk.queries.mark_changed(shown)
    assert desk.queries.pushed_rows == [*range(FIRST_TEXTS), *range(500, 600)]
    desk.queries.mark_pushed()
    assert desk.answers()[0]["rows"][0]["rows"] == list(range(600, 620))
    assert desk.queries.pushed_rows == list(range(FIRST_TEXTS))


def test_rows_are_found_by_text_and_ordered_by_a_param():
    """The answer names the page and the question; the panel is told when it is there."""
    desk = Desk()
    desk.ask("search", n=7, view="a", text="rome", sort=1, descending=True)
    desk.work()
    assert (desk.queries.has_answers, desk.readied) == (True, 1)
    delta, found = desk.answers()
    assert delta["searches"] == [{"client": "page", "n": 7}]
    assert found == {"page 7": [3, 1]}


@pytest.mark.parametrize("sort", [None, -1, 2, "0", 0.5])
def test_an_order_by_no_column_is_the_order_of_the_rows(sort):
    """Whatever a page takes for a column."""
    desk = Desk()
    desk.ask("search", view="a", text=None, sort=sort)
    desk.work()
    assert desk.answers()[1] == {"page 1": [0, 1, 2, 3]}


def test_a_new_search_takes_the_place_of_the_views_last_one():
    """Each letter that is typed asks anew; other views and pages keep theirs."""
    desk = Desk()
    desk.ask("search", n=1, view="a", text="oslo")
    desk.ask("search", n=2, view="b", text="rome")
    desk.ask("search", n=3, view="a", text="bonn")
    desk.ask("search", n=1, view="a", client="other", text="n=0")
    desk.work()
    assert desk.answers()[1] == {"page 2": [1, 3], "page 3": [2], "other 1": [0]}


def test_searches_are_bounded():
    """Pages that come and go leave nothing behind."""
    desk = Desk()
    for n in range(20):
        desk.ask("search", n=n, view=f"view{n}", text="rome")
    desk.work()
    assert list(desk.answers()[1]) == [f"page {n}" for n in range(20 - MAX_PAGES, 20)]


def test_what_was_asked_of_other_rows_is_forgotten():
    """A search of a run that is no longer shown gives no answer; the columns are the new ones."""
    desk = Desk()
    desk.ask("search", view="a", text="rome")
    desk.ask("open", index=0)
    desk.records = RecordStore({}, 0.0, 0)
    desk.records.load([{"size": 1}, {"size": 2}])
    desk.queries.reset()
    desk.work()
    delta, found = desk.answers([0])
    assert found == {}
    assert "details" not in delta or delta["details"] == []
    assert desk.queries.varying.columns()["names"] == ["size"]


def test_an_opened_row_is_told_again_when_it_has_changed():
    """And only that one, until it is closed."""
    desk = Desk()
    desk.ask("open", index=2)
    assert [each["index"] for each in desk.answers()[0]["details"]] == [2]
    assert "details" not in desk.answers([1])[0]
    desk.queries.mark_changed([2, 3])
    assert desk.queries.has_answers
    assert [each["index"] for each in desk.answers()[0]["details"]] == [2]
    desk.ask("open", index=None)
    assert "details" not in desk.answers([2])[0]


def test_an_edited_text_is_checked():
    """The last one of each page."""
    desk = Desk()
    desk.ask("check", n=1, text="[{}")
    desk.ask("check", n=2, text="[{}, {}]")
    (check,) = desk.answers()[0]["checks"]
    assert (check["client"], check["n"], check["count"]) == ("page", 2, 2)
