"""Searching the rows by what is shown of them, and sorting them by a param."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.panel import search as module
from flowmagic.notebook.panel.search import Search
from flowmagic.records.store import RecordStore


class Check(AsyncNode):
    async def exec_async(self, prepared):
        if "bad" in self.params:
            raise ValueError(f"refused {self.params['bad']}")
        return self.params.get("answer")


def records_of(rows):
    records = RecordStore({}, 0.0, 0)
    records.load(rows)
    return records


def found(records, text="", *key, descending=False):
    search = Search(records, text, *key, sort=bool(key), descending=descending)
    while not search.done:
        search.step()
    return list(array("I", search.packed()))


def test_a_search_can_be_confined_to_some_rows():
    """The rows of a group of failures are shown in the table, and searched there."""
    records = records_of([{"i": i, "odd": i % 2} for i in range(9)])
    search = Search(records, "odd=1", "i", sort=True, descending=True, among=frozenset([1, 2, 7]))
    while not search.done:
        search.step()
    assert list(array("I", search.packed())) == [7, 1]


def test_all_words_must_stand_in_the_params():
    """In any order and any case of letters; quotes do not count."""
    records = records_of([{"model": "GPT-4", "n": 1}, {"model": "gpt-4", "n": 2}, {"model": "x"}])
    assert found(records, "gpt") == [0, 1]
    assert found(records, "n=2 model=gpt") == [1]
    assert found(records, "'x'") == [2]
    assert found(records, "nothing") == []
    assert found(records) == [0, 1, 2]
    assert found(records, "gpt " * 20 + "nothing") == [0, 1]  # of a whole page, the first words


def test_a_pair_is_taken_at_its_word():
    """A key from its beginning and a number to its end; of a text, the beginning will do."""
    rows = [{"n": 2}, {"n": 22}, {"len": 2}, {"n": 2.5}, {"n": "2"}, {"text": "so n=2, say"}]
    assert found(records_of(rows), "n=2") == [0, 4, 5]
    assert found(records_of(rows), "n=2.5") == [3]
    assert found(records_of(rows), "=2") == [0, 1, 2, 3, 4, 5]
    names = [{"city": "New York"}, {"city": "Newcastle"}, {"velocity": "new"}, {"c.ty": "new"}]
    assert found(records_of(names), "city=new") == [0, 1]
    assert found(records_of(names), "city=new york") == [0]


def test_the_error_of_a_failed_row_is_searched_too():
    """That is what one looks for."""
    run = flowmagic.run_batch(Check(), [{"n": 1}, {"bad": "quota"}, {"bad": "size"}])
    assert found(run.records, "valueerror quota") == [1]


def test_the_output_of_a_row_is_searched_too():
    """Also what a dict has; an output that is a secret cannot be found."""
    answers = ["Dear Ann", {"letter": "Dear Bob"}, {"api_key": "sk-12345678"}, None]
    run = flowmagic.run_batch(Check(), [{"answer": None, "n": n} for n in range(4)])
    for index, answer in enumerate(answers):
        run.records.outputs.put(index, [0, answer])
    assert found(run.records, "dear") == [0, 1]
    assert found(run.records, "bob letter") == [1]
    assert found(run.records, "sk-1") == []


def test_a_secret_cannot_be_found_out_by_trying():
    """Only what is shown is searched; nor does the order tell."""
    rows = [{"api_key": f"sk-secret-{n}", "n": n} for n in (2, 1, 3)]
    assert found(records_of(rows), "sk-secret") == []
    assert found(records_of(rows), "", "api_key") == [0, 1, 2]


def test_numbers_come_before_texts_then_what_else_there_is_and_none_last():
    """Nothing comes last in both directions, as does None; equal ones keep their order."""
    rows = [{"v": "b"}, {"v": 10}, {}, {"v": None}, {"v": 9.5}, {"v": [1]}, {"v": "a"}, {"v": 10}]
    assert found(records_of(rows), "", "v") == [4, 1, 7, 6, 0, 5, 2, 3]
    assert found(records_of(rows), "", "v", descending=True) == [5, 0, 6, 1, 7, 4, 2, 3]


@given(
    st.lists(st.integers() | st.floats() | st.text() | st.none() | st.booleans() | st.binary()),
    st.booleans(),
)
def test_whatever_the_values_are_each_row_is_found_once(values, descending):
    """Values that cannot be compared with each other break nothing, NaN neither."""
    order = found(records_of([{"v": value} for value in values]), "", "v", descending=descending)
    assert sorted(order) == list(range(len(values)))
    numbers = [values[i] for i in order if type(values[i]) in (int, float)]
    numbers = [each for each in numbers if not math.isnan(each)]
    assert numbers == sorted(numbers, reverse=descending)


class Clock:
    """One that each look at it moves on, so that a slice is as long as so many looks."""

    now = 0.0

    def perf_counter(self):
        self.now += 0.001
        return self.now


def test_no_slice_looks_through_all_rows_or_puts_all_in_order(monkeypatch):
    """The loop has other things to do; what comes out is what one sort of all of them gives."""
    monkeypatch.setattr(module, "time", Clock())
    monkeypatch.setattr(module, "_SORTED_AT_ONCE", 7)
    monkeypatch.setattr(module, "_MERGED_AT_ONCE", 5)
    rows = [{"v": i * 37 % 10} if i % 4 else {} for i in range(100)]
    for descending in (False, True):
        search = Search(records_of(rows), "", "v", sort=True, descending=descending)
        steps = 0
        while not search.done:
            search.step()
            steps += 1
        assert steps == pytest.approx((100 + 75 / 5) / 3, abs=3)
        there = sorted(
            (i for i in range(100) if i % 4), key=lambda i: rows[i]["v"], reverse=descending
        )
        missing = [i for i in range(100) if i % 4 == 0]
        assert list(array("I", search.packed())) == there + missing
