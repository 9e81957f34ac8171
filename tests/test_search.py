"""Searching the rows by what is shown of them, and sorting them by a param."""

from __future__ import annotations

import math
from array import array

from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.search import Search
from flowmagic.records import Records


class Check(AsyncNode):
    async def exec_async(self, prepared):
        if "bad" in self.params:
            raise ValueError(f"refused {self.params['bad']}")


def records_of(rows):
    records = Records({}, 0.0, 0)
    records.load(rows)
    return records


def found(records, text="", *key, descending=False):
    search = Search(records, text, *key, sort=bool(key), descending=descending)
    while not search.done:
        search.step()
    return list(array("I", search.packed()))


def test_all_words_must_stand_in_the_params():
    """In any order and any case of letters; quotes do not count."""
    records = records_of([{"model": "GPT-4", "n": 1}, {"model": "gpt-4", "n": 2}, {"model": "x"}])
    assert found(records, "gpt") == [0, 1]
    assert found(records, "n=2 model=gpt") == [1]
    assert found(records, "'x'") == [2]
    assert found(records, "nothing") == []
    assert found(records) == [0, 1, 2]


def test_the_error_of_a_failed_row_is_searched_too():
    """That is what one looks for."""
    run = flowmagic.run_batch(Check(), [{"n": 1}, {"bad": "quota"}, {"bad": "size"}])
    assert found(run.records, "valueerror quota") == [1]


def test_a_secret_cannot_be_found_out_by_trying():
    """Only what is shown is searched; nor does the order tell."""
    rows = [{"api_key": f"sk-secret-{n}", "n": n} for n in (2, 1, 3)]
    assert found(records_of(rows), "sk-secret") == []
    assert found(records_of(rows), "", "api_key") == [0, 1, 2]


def test_numbers_come_before_texts_then_what_else_there_is_and_none_last():
    """Rows without the param come last in both directions, and equal ones keep their order."""
    rows = [{"v": "b"}, {"v": 10}, {}, {"v": None}, {"v": 9.5}, {"v": [1]}, {"v": "a"}, {"v": 10}]
    assert found(records_of(rows), "", "v") == [4, 1, 7, 6, 0, 5, 3, 2]
    assert found(records_of(rows), "", "v", descending=True) == [3, 5, 0, 6, 1, 7, 4, 2]


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


def test_a_long_search_is_done_in_slices():
    """No slice holds the loop for all of it."""
    search = Search(
        records_of([{"i": i} for i in range(100_000)]), "i=99", sort=False, descending=False
    )
    steps = 0
    while not search.done:
        search.step()
        steps += 1
    assert steps > 3
    assert len(array("I", search.packed())) == 1 + 10 + 100 + 1_000
