"""What rows assign to `shared` is recorded, and what cannot be assigned again is named."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmagic.records.store import RecordStore
from flowmagic.shared.assignments import (
    IN_PLACE,
    OTHERS,
    PAST_VIEWS,
    AssignmentLog,
    How,
    assign,
)
from flowmagic.shared.crossings import CrossingDetector
from flowmagic.shared.recorded_views import recorded_views


class Rows:
    """Rows that run over one store, and what a resumed run would make of what they assigned."""

    def __init__(self, store, items=(), objects=(), rows=4):
        self.store = store
        self.before = copy.deepcopy(store)
        self.records = RecordStore({}, 0.0, 10)
        self.records.load([{}] * rows)
        self.log = AssignmentLog(store, self.records.live, frozenset(items), frozenset(objects))
        self._view = recorded_views(store, CrossingDetector(self.records), self.log)
        self.taken = {}
        asyncio.run(self.log.expected.remember())

    def start(self, row):
        """Start an attempt of a row, and return its view."""
        trace = self.records.start(row, 0.0)
        trace.open(dict, -1, 0.0, None)
        return self._view(trace)

    def end(self, row, *, again=False):
        """End a row, and keep what it assigned, as the journal does: as it is now."""
        self.records.finish(row, None, 1.0)
        self.taken[row] = copy.deepcopy(self.log.take(row, again=again))
        if again:
            self.records.requeue(row)

    def run(self, row, act):
        """Run a row from its start to its end."""
        act(self.start(row))
        self.end(row)

    def named(self):
        """Return what is named, when all rows have ended."""
        asyncio.run(self.log.compare())
        return self.log.changed

    def replayed(self, *rows):
        """Return the store that a resumed run begins with, if these rows are restored."""
        store, refused = copy.deepcopy(self.before), set()
        taken = [each for row in rows or self.taken for each in self.taken[row].items()]
        for path, (_, how, value) in sorted(taken, key=lambda each: each[1].number):
            if not assign(store, path, how, copy.deepcopy(value)):
                refused.add(path[0])
            elif len(path) == 1:
                refused.discard(path[0])
        assert not refused
        return store


def add(view, row, answer="x"):
    view.setdefault("by", {})[row] = answer


def test_assignments_are_made_again():
    """To keys, and to the items of dicts that rows share."""
    rows = Rows({"model": "m"}, ["by"])
    for row in range(3):
        rows.run(row, lambda view, row=row: (add(view, row), view.__setitem__(f"at {row}", row)))
    assert rows.named() == {}
    expected = {"model": "m", "by": {0: "x", 1: "x", 2: "x"}, "at 0": 0, "at 1": 1, "at 2": 2}
    assert rows.store == rows.replayed() == expected
    assert rows.replayed(1) == {"model": "m", "by": {1: "x"}, "at 1": 1}


def test_the_order_is_that_of_the_assignments_and_not_that_of_the_ends():
    """The last value is the one that was there, whichever row ended last."""
    rows = Rows({}, ["by"])
    first, second = rows.start(0), rows.start(1)
    first["by"] = {}
    first["last"] = 0
    second["by"]["a"] = second["last"] = 1
    rows.end(1)
    rows.end(0)
    assert rows.named() == {}
    assert rows.replayed() == rows.store == {"by": {"a": 1}, "last": 1}


def test_a_value_counts_as_it_is_when_its_row_has_ended():
    """A row may fill its list after it has assigned it, in any of its attempts."""
    rows = Rows({})
    view = rows.start(0)
    view["mine"] = mine = []
    mine.append(1)
    rows.end(0, again=True)
    rows.start(0)["mine"].append(2)
    rows.end(0)
    assert rows.named() == {}
    assert rows.replayed() == {"mine": [1, 2]}


def test_assignments_of_earlier_attempts_count():
    """They are in the store, too."""
    rows = Rows({})
    rows.start(0)["a"] = 1
    rows.end(0, again=True)
    rows.start(0)["b"] = 2
    rows.end(0)
    assert rows.replayed() == rows.store == {"a": 1, "b": 2}


def test_a_dict_replaced_by_another_changes_only_what_differs():
    """What other rows have assigned in it is theirs."""
    rows = Rows({"by": {"old": 0}}, ["by"])
    rows.run(0, lambda view: view["by"].update(a=1, b=1))
    rows.run(1, lambda view: view.update(by={**view["by"], "c": 2}))
    rows.run(2, lambda view: view.update(by={"c": view["by"]["c"]}))
    assert rows.named() == {}
    assert rows.store == rows.replayed() == {"by": {"c": 2}}
    assert rows.replayed(1) == {"by": {"old": 0, "c": 2}}
    assert rows.replayed(2) == {"by": {}}


def test_a_dict_that_is_emptied_is_empty_whatever_was_in_it():
    """Also what rows have assigned that are not restored, or that a row had removed which is not."""
    rows = Rows({"by": {"old": 0}}, ["by"])
    rows.run(0, lambda view: add(view, "a"))
    rows.run(1, lambda view: view["by"].pop("a"))
    rows.run(2, lambda view: view.update(by={}))
    rows.run(3, lambda view: add(view, "b"))
    assert rows.named() == {}
    assert rows.store == rows.replayed() == rows.replayed(0, 2, 3) == {"by": {"b": "x"}}


def test_a_row_that_removes_a_dict_and_makes_it_again_empties_it():
    """What it removed does not come back."""
    rows = Rows({"by": {"old": 0}}, ["by"])

    def again(view):
        add(view, "mine")
        del view["by"]
        view.setdefault("by", {})

    rows.run(0, again)
    assert rows.named() == {}
    assert rows.store == rows.replayed() == {"by": {}}


CHANGES = {
    "a list that all append to": (list, lambda value, row: value.append(row)),
    "a list made by one of them": (None, lambda value, row: value.append(row)),
    "an item of a list": (lambda: [None] * 4, lambda value, row: value.__setitem__(row, row)),
    "an item deep inside": (lambda: {"a": [[0]]}, lambda value, row: value["a"][0].append(row)),
    "a set": (lambda: set(), lambda value, row: value.add(row)),
    "a deque": (lambda: deque(), lambda value, row: value.append(row)),
    "a counter": (lambda: Counter(), lambda value, row: value.update([row])),
    "a defaultdict": (lambda: defaultdict(int), lambda value, row: value.__setitem__(row, 1)),
    "a dict that is reached otherwise": (
        dict,
        lambda value, row: dict.__setitem__(value, row, 1),
    ),
    "a long list": (lambda: [0] * 20_000, lambda value, row: value.__setitem__(row, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_in_place_is_named_when_the_first_row_has_ended(name):
    """So it is known even if the kernel dies then."""
    make, change = CHANGES[name]
    rows = Rows({} if make is None else {"key": make()})
    one, other = rows.start(0), rows.start(1)
    change(one.setdefault("key", []), 0)
    change(other["key"], 1)
    rows.end(0)
    rows.end(1)
    assert rows.log.changed == {"shared['key']": IN_PLACE}
    assert rows.named() == {"shared['key']": IN_PLACE}


def test_a_list_to_which_rows_append_after_its_own_row_has_ended_is_named():
    """The journal has it as it was when that row ended."""
    rows = Rows({})
    rows.run(0, lambda view: view.setdefault("log", []).append(0))
    assert rows.log.changed == {}
    rows.run(1, lambda view: view["log"].append(1))
    assert rows.log.changed == {"shared['log']": IN_PLACE}


@pytest.mark.parametrize("read", ["values", "items", "copy"])
def test_a_list_is_named_however_a_row_got_it(read):
    """Not only by its key."""
    rows = Rows({"log": []})

    def append(view):
        for each in getattr(view, read)():
            value = each[1] if read == "items" else rows.store["log"]
            value.append(1)

    rows.run(0, append)
    assert rows.log.changed == {"shared['log']": IN_PLACE}


def test_a_change_that_no_row_had_in_hand_is_named_at_the_end():
    """As by a list that is also a global, or by someone who assigns to the dict itself."""
    rows = Rows({"log": [], "by": {"a": []}}, ["by"])
    rows.store["log"].append(1)
    rows.store["by"]["a"].append(1)
    rows.store["more"] = 1
    assert rows.log.changed == {}
    assert rows.named() == {
        "shared['log']": IN_PLACE,
        "shared['by']": IN_PLACE,
        "shared['more']": PAST_VIEWS,
    }


def test_what_was_only_read_is_not_named():
    """Neither data that was there before, nor what another row has assigned."""
    rows = Rows({"docs": [["a"], {"b": 1}], "client": object()}, objects=["docs"])
    view = rows.start(0)
    view["mine"] = []
    assert list(rows.start(1)["docs"]) == list(rows.start(1)["docs"])
    view["mine"].append(1)
    rows.start(1).get("client")
    rows.end(0)
    rows.run(2, lambda view: list(view.values()) + view["mine"])
    rows.end(1)
    assert rows.named() == {}


def test_an_object_that_nodes_change_in_place_is_named_where_a_row_has_read_it():
    """Nobody can see whether it was changed; the source of the nodes says that they do."""

    class Stats:
        """Of a run."""

        n = 0

    rows = Rows({"stats": Stats(), "client": object(), "text": ""}, objects=["stats", "text"])
    rows.run(0, lambda view: (view["client"], view["text"]))
    assert rows.named() == {}
    rows.run(1, lambda view: setattr(view["stats"], "n", 1))
    assert rows.named() == {"shared['stats']": IN_PLACE}


def test_a_counter_is_derived_from_what_another_row_left():
    """A resumed run must know that it may count a row twice."""
    rows = Rows({"total": 0}, ["by"])

    def count(view):
        view["n"] = view.get("n", 0) + 1
        view["total"] += 1
        view["model"] = view.get("model", "m")
        add(view, "n", view.get("by", {}).get("n", 0) + 1)

    rows.run(0, count)
    assert {path: each.how for path, each in rows.taken[0].items()} == {
        ("n",): How.ADDED,
        ("total",): How.DERIVED,
        ("model",): How.ADDED,
        ("by",): How.ADDED,
        ("by", "n"): How.ADDED,
    }
    rows.run(1, count)
    assert {path: each.how for path, each in rows.taken[1].items()} == {
        ("n",): How.DERIVED,
        ("total",): How.DERIVED,
        ("model",): How.SET,
        ("by", "n"): How.DERIVED,
    }
    assert rows.replayed() == rows.store


def test_a_list_that_another_row_assigns_while_its_own_runs_is_derived_from_both():
    """What the journal has of either row may hold what the other one added."""
    rows = Rows({})
    one, other = rows.start(0), rows.start(1)
    one["log"] = [0]
    other["log"] += [1]
    rows.end(1)
    rows.end(0)
    assert [rows.taken[row]["log",].how for row in (0, 1)] == [How.DERIVED, How.DERIVED]
    assert rows.named() == {}
    assert rows.replayed() == rows.store == {"log": [0, 1]}


def test_a_row_that_adds_to_its_list_after_another_one_took_it_over_is_found():
    """It has the list in hand all the same."""
    rows = Rows({})
    one, other = rows.start(0), rows.start(1)
    one["log"] = mine = [0]
    other["log"] += [1]
    mine.append(2)
    rows.end(1)
    rows.end(0)
    assert rows.named() == {"shared['log']": IN_PLACE}


class Unequal:
    """It refuses to be compared."""

    def __eq__(self, other):
        raise ValueError

    def __hash__(self):
        return 0


def test_objects_that_cannot_be_compared_break_no_row():
    """A set that holds such ones counts as changed."""
    rows = Rows({})
    one, other = rows.start(0), rows.start(1)
    one["seen"] = {Unequal()}
    other["seen"].add(Unequal)
    rows.end(0)
    assert rows.log.changed == {"shared['seen']": IN_PLACE}


def test_a_row_may_change_its_own_value_again():
    """It counts up what it wrote itself."""
    rows = Rows({})

    def twice(view):
        view["n"] = 1
        view["n"] += 1

    rows.run(0, twice)
    assert rows.taken[0]["n",][1:] == (How.SET, 2)


def test_what_is_assigned_after_the_end_of_its_row_is_named():
    """As by a callback: no row has it in the journal."""
    rows = Rows({"by": {}}, ["by"])
    late = rows.start(0)
    by = late["by"]
    rows.end(0)
    late["a"] = 1
    by["b"] = 1
    assert rows.named() == {"shared['a']": PAST_VIEWS, "shared['by']": PAST_VIEWS}
    assert rows.log.take(0) == {}


def test_a_dict_that_is_in_the_store_no_more_is_nobodys():
    """A node may still hold it."""
    rows = Rows({"by": {}}, ["by"])
    view = rows.start(0)
    by = view["by"]
    view["by"] = {"new": 1}
    by["old"] = 1
    rows.end(0)
    assert rows.named() == {}
    assert rows.replayed() == rows.store == {"by": {"new": 1}}


def test_at_most_a_hundred_keys_are_named():
    """One more entry says that there are others."""
    rows = Rows({n: [] for n in range(300)})
    for value in rows.store.values():
        value.append(1)
    assert len(rows.named()) == 101
    assert OTHERS in rows.log.changed


def test_a_large_store_is_compared_in_slices():
    """The loop serves others meanwhile."""
    rows = Rows(
        {"by": {n: [n] for n in range(30_000)}, **{f"k{n}": n for n in range(30_000)}}, ["by"]
    )

    async def main():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await rows.log.expected.remember()
        remembered = turns
        await rows.log.compare()
        counting.cancel()
        return remembered, turns

    remembered, turns = asyncio.run(main())
    assert 1 < remembered < turns
    assert rows.log.changed == {}


@pytest.mark.parametrize(
    ("store", "path", "how", "value", "after"),
    [
        ({}, ("a",), How.SET, 1, {"a": 1}),
        ({"a": {"b": 1}}, ("a",), How.ADDED, {}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, ("a",), How.SET, {}, {"a": {}}),
        ({"a": 1}, ("a",), How.ADDED, 2, {"a": 2}),
        ({}, ("a", "b"), How.DERIVED, 1, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, ("a", "b"), How.REMOVED, None, {"a": {}}),
        ({}, ("a", "b"), How.REMOVED, None, {}),
        ({}, ("a",), How.REMOVED, None, {}),
    ],
)
def test_an_assignment_is_made_again(store, path, how, value, after):
    """The dict that it leads through is made if it is missing."""
    assert assign(store, path, how, value)
    assert store == after


def test_an_assignment_into_something_else_than_a_dict_is_refused():
    """The store of the resumed run may begin with another value there."""
    store = {"a": 1}
    assert not assign(store, ("a", "b"), How.SET, 1)
    assert store == {"a": 1}


TOP = st.sampled_from(["by", "a", "b"])
ITEM = st.sampled_from(["x", "y", 0])
VALUE = st.one_of(st.integers(0, 5), st.lists(st.integers(0, 5), max_size=2))
STEPS = st.one_of(
    st.tuples(st.just("set"), TOP, VALUE),
    st.tuples(st.just("set"), TOP, st.dictionaries(ITEM, VALUE, max_size=2)),
    st.tuples(st.just("item"), TOP, ITEM, VALUE),
    st.tuples(st.just("join"), TOP, st.dictionaries(ITEM, VALUE, max_size=2)),
    st.tuples(st.just("remove"), TOP),
    st.tuples(st.just("remove item"), TOP, ITEM),
    st.tuples(st.just("take"), TOP),
    st.tuples(st.just("append"), TOP),
    st.tuples(st.just("append to item"), TOP, ITEM),
    st.tuples(st.just("count"), TOP),
    st.tuples(st.just("clear"), TOP),
    st.tuples(st.just("replace"), TOP, ITEM),
)


def act(view, step):  # noqa: C901, PLR0912 - one case per kind
    """Do one step, if the store is such that it can be done."""
    kind, key, *rest = step
    value = view.get(key)
    if kind == "set":
        view[key] = copy.deepcopy(rest[0])
    elif kind == "remove":
        view.pop(key, None)
    elif kind == "take":
        list(view.values())
    elif kind == "append":
        if isinstance(view.setdefault(key, []), list):
            view[key].append(1)
    elif kind == "count":
        if value is None or isinstance(value, int):
            view[key] = (value or 0) + 1
    elif not isinstance(view.setdefault(key, {}), dict):
        return
    elif kind == "item":
        view[key][rest[0]] = copy.deepcopy(rest[1])
    elif kind == "join":
        view[key] |= copy.deepcopy(rest[0])
    elif kind == "remove item":
        view[key].pop(rest[0], None)
    elif kind == "append to item":
        if isinstance(view[key].setdefault(rest[0], []), list):
            view[key][rest[0]].append(2)
    elif kind == "clear":
        view[key].clear()
    elif kind == "replace":
        view[key] = {**view[key], rest[0]: 7}


@settings(max_examples=300)
@given(
    st.dictionaries(TOP, st.one_of(VALUE, st.dictionaries(ITEM, VALUE, max_size=2))),
    st.lists(st.tuples(st.integers(0, 3), STEPS), max_size=14),
    st.sets(TOP),
    st.permutations(range(4)),
)
def test_what_was_assigned_gives_the_store_or_its_key_is_named(before, script, items, ends):
    """Whatever rows do, in whatever order they interleave and end."""
    rows = Rows(before, items)
    views = [rows.start(row) for row in range(4)]
    left = [row for row, _ in script]
    for row, step in script:
        act(views[row], step)
        left.remove(row)
        if row not in left and row != ends[0]:
            rows.end(row)  # as soon as it has nothing left to do
    for row in ends:
        if row not in rows.taken:
            rows.end(row)
    named = rows.named()
    replayed = rows.replayed()
    for key in before.keys() | rows.store.keys() | replayed.keys():
        same = key in rows.store and key in replayed and rows.store[key] == replayed[key]
        gone = key not in rows.store and key not in replayed
        assert same or gone or f"shared[{key!r}]" in named, key
