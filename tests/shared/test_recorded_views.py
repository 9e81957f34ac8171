"""A view that also records what its instance assigns: as good a dict as any view."""

from __future__ import annotations

import copy
import json

from hypothesis import settings
from hypothesis.stateful import invariant, rule

from flowmagic.shared.assignments import AssignmentLog
from flowmagic.shared.crossings import CrossingDetector
from flowmagic.shared.recorded_views import RecordedItems, recorded_views

from .test_views import DICTS, KEYS, VALUES, Machine, traced


def recorded(store, items=()):
    """Return a view as a node gets it."""
    records, [trace, _] = traced()
    log = AssignmentLog(store, records.live, frozenset(items))
    return recorded_views(store, CrossingDetector(records), log)(trace)


class RecordedMachine(Machine):
    """The user's own dict is what changes; dicts in it are given as views, and stored as dicts."""

    def __init__(self):
        super().__init__(lambda store: recorded(store, ["a", "b", 1]))

    @rule(key=KEYS, value=DICTS)
    def sets_a_dict(self, key, value):
        self.view[key] = copy.deepcopy(value)
        self.plain[key] = copy.deepcopy(value)

    @rule(key=KEYS, item=KEYS, value=VALUES)
    def sets_an_item(self, key, item, value):
        self.same(lambda d: d.setdefault(key, {}).__setitem__(item, copy.deepcopy(value)))

    @rule(key=KEYS, other=DICTS)
    def joins_items(self, key, other):
        def join(d):
            d[key] |= copy.deepcopy(other)

        self.same(join)

    @rule(key=KEYS, to=KEYS)
    def stores_what_it_was_given(self, key, to):
        def move(d):
            d[to] = d[key]
            d.update({to: d[key]})
            d.setdefault(to, d[key])

        self.same(move)

    @invariant()
    def it_is_the_users_own_dict(self):
        assert self.store is self.kept
        assert list(self.store.items()) == list(self.plain.items())
        assert not any(isinstance(each, RecordedItems) for each in self.store.values())


TestRecorded = RecordedMachine.TestCase
TestRecorded.settings = settings(max_examples=60, stateful_step_count=25)


class ItemsMachine(Machine):
    """A dict in the store, given as a view."""

    def __init__(self):
        def view(store):
            self.outer = recorded({"by": store}, ["by"])
            return self.outer["by"]

        super().__init__(view)

    @invariant()
    def it_is_the_users_own_dict(self):
        assert self.outer._store["by"] is self.kept
        assert list(self.kept.items()) == list(self.plain.items())


TestItems = ItemsMachine.TestCase
TestItems.settings = settings(max_examples=60, stateful_step_count=25)


def test_an_instance_gets_the_same_view_of_a_dict_each_time():
    """`shared["by"] is shared["by"]`, as with the dict itself; and of another dict another one."""
    view = recorded({"by": {}}, ["by"])
    assert view["by"] is view.get("by") is view.setdefault("by", {})
    first = view["by"]
    view["by"] = {}
    assert view["by"] is not first


def test_a_dict_is_given_as_it_is_unless_nodes_assign_to_its_items():
    """Extensions written in C read the very dict; so do those that get a subclass of dict."""

    class Own(dict):
        """A dict whose methods may do more."""

    store = {"config": {"a": 1}, "by": Own()}
    view = recorded(store, ["by"])
    assert view["config"] is store["config"]
    assert view["by"] is store["by"]
    assert next(iter(view.values())) is store["config"]


def test_views_of_dicts_become_json_and_copies_as_any_dict():
    """Alone and within the store; what looks past the methods is told what to do."""
    view = recorded({"by": {"a": 1}}, ["by"])
    assert json.dumps(view) == '{"by": {"a": 1}}'
    assert type(copy.copy(view["by"])) is dict
    assert dict(view) == {"by": {"a": 1}}
    assert "pass dict(shared[key]) on" in repr(list(dict.keys(view["by"])))


def test_what_is_taken_out_is_the_dict_itself():
    """It is not in the store any more."""
    store = {"by": {"a": 1}}
    by = store["by"]
    assert recorded(store, ["by"]).pop("by") is by
    store["by"] = by
    assert recorded(store, ["by"]).popitem() == ("by", by)
    assert store == {}
