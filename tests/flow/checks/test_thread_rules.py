"""What belongs to one thread and is used in another is found: sqlite3 connections, threading.local."""

from __future__ import annotations

import functools
import sqlite3
import threading

import pytest
from pocketflow import AsyncNode, BatchNode, Node

from flowmagic.flow.checks import check


def node(base=Node, **methods):
    return type("Made", (base,), methods)()


def whats(flow, **options):
    return [each.what for each in check(flow, **options)]


# Connections of sqlite3


db = sqlite3.connect(":memory:")
free = sqlite3.connect(":memory:", check_same_thread=False)
closed = sqlite3.connect(":memory:", check_same_thread=False)
closed.close()


def uses_global(self, _):
    return db.execute("select 1")


def test_a_global_connection_is_found_in_a_thread():
    """With the line, and what to do."""
    [finding] = check(node(exec=uses_global))
    assert finding.what == "exec uses db, a sqlite3 connection of another thread."
    assert finding.why == "sqlite3 refuses that with a ProgrammingError."
    assert finding.instead == "Open it in exec."
    assert not finding.note
    assert finding.place.line == uses_global.__code__.co_firstlineno + 1


def uses_helper(self, _):
    return count()


def count():
    return db.execute("select 1")


def test_it_is_found_in_a_helper():
    """In the same notebook or module."""
    assert whats(node(exec=uses_helper)) == [
        "exec calls count(), which uses db, a sqlite3 connection of another thread."
    ]


def test_it_is_fine_on_the_loop():
    """Where it was opened: without threads, and in an async node."""
    flow = node(exec=uses_global)
    assert not any("sqlite3" in each for each in whats(flow, threads=False))

    async def exec_async(self, _):
        return db.execute("select 1")

    assert whats(node(AsyncNode, exec_async=exec_async)) == []
    assert whats(node(prep=uses_global)) == []


def uses_free(self, _):
    return free.execute("select 1"), closed.execute("select 1")


def test_a_connection_for_all_threads_is_fine():
    """Whether it does is tried, in a thread; a closed one tells nothing."""
    assert whats(node(exec=uses_free)) == []


def uses_attribute(self, _):
    return self.db.execute("select 1")


def test_a_connection_of_the_node_is_found():
    """As its constructor opens it."""
    flow = node(exec=uses_attribute)
    flow.db = db
    assert whats(flow) == ["exec uses self.db, a sqlite3 connection of another thread."]
    flow.db = free
    assert whats(flow) == []


def opens(self, shared):
    self.db = sqlite3.connect("x.db")


def opens_for_all(self, shared):
    self.db = sqlite3.connect("x.db", check_same_thread=False)


def opens_somehow(self, shared):
    self.db = sqlite3.connect("x.db", **shared)


def test_a_connection_that_prep_opens_is_found():
    """Unless it is for all threads, or nobody knows."""
    assert whats(node(prep=opens, exec=uses_attribute)) == [
        "exec uses self.db, a sqlite3 connection of another thread."
    ]
    for prep in (opens_for_all, opens_somehow):
        assert whats(node(prep=prep, exec=uses_attribute)) == []


def opens_and_uses(self, _):
    self.db = sqlite3.connect("x.db")
    return self.db.execute("select 1")


def test_a_connection_that_exec_opens_is_fine_there_and_found_in_post():
    """Which runs on the loop."""

    def post(self, shared, prep_res, exec_res):
        self.db.close()

    assert whats(node(prep=opens, exec=opens_and_uses)) == []
    [finding] = check(node(exec=opens_and_uses, post=post))
    assert finding.what == "post uses self.db, a sqlite3 connection of another thread."
    assert finding.instead == "Open it in post."


def returns_it(self, shared):
    return sqlite3.connect("x.db")


def returns_a_name(self, shared):
    connection = sqlite3.connect("x.db")
    return connection


def returns_else(self, shared):
    connection = sqlite3.connect("x.db")
    return connection.execute("select 1").fetchall()


def uses_prepared(self, prepared):
    return prepared.execute("select 1")


@pytest.mark.parametrize("prep", [returns_it, returns_a_name])
def test_a_connection_that_prep_returns_is_found(prep):
    """Whatever exec calls it."""
    flow = node(prep=prep, exec=uses_prepared)
    assert whats(flow) == ["exec uses prepared, a sqlite3 connection of another thread."]


def test_something_else_that_prep_returns_is_fine():
    """What a query gave; and the items of a batch, which are no connections."""
    assert whats(node(prep=returns_else, exec=uses_prepared)) == []
    assert whats(node(BatchNode, prep=returns_it, exec=uses_prepared)) == []


# threading.local


local = threading.local()


class WithDefault(threading.local):
    value = 0


default = WithDefault()


def sets(self, shared):
    local.value = 1
    default.value = 1


def reads(self, _):
    return local.value, local.value, default.value


def test_a_local_that_prep_sets_and_exec_reads_is_found():
    """Once; not where each thread has a default."""
    [finding] = check(node(prep=sets, exec=reads))
    assert finding.what == "exec reads local.value, which prep sets in another thread."
    assert finding.why.endswith("so this raises an AttributeError.")
    assert finding.instead == "Return the value from prep."
    assert finding.place.line == reads.__code__.co_firstlineno + 1


def test_so_is_one_that_exec_sets_and_post_reads():
    """The other way round."""

    def post(self, shared, prep_res, exec_res):
        return local.value

    [finding] = check(node(exec=sets, post=post))
    assert finding.what == "post reads local.value, which exec sets in another thread."


def sets_own(self, shared):
    self.own.value = 1


def reads_own(self, _):
    return self.own.value


def test_a_local_of_the_node_is_found():
    """All copies of the node share it."""
    flow = node(prep=sets_own, exec=reads_own)
    flow.own = threading.local()
    assert whats(flow) == ["exec reads self.own.value, which prep sets in another thread."]


def sets_and_reads(self, _):
    local.value = 1
    return local.value


def test_a_local_that_one_thread_sets_and_reads_is_fine():
    """Also on the loop, and one that nobody sets here."""
    assert whats(node(prep=sets, exec=sets_and_reads)) == []
    assert whats(node(prep=sets_and_reads)) == []
    assert whats(node(exec=reads)) == []
    flow = node(prep=sets, exec=reads)
    assert not any("local.value" in each for each in whats(flow, threads=False))


def test_a_node_that_runs_its_exec_itself_has_one_thread():
    """A run leaves it on the loop."""

    def run(self, shared):
        return self.exec(self.prep(shared))

    assert not any("local.value" in each for each in whats(node(_run=run, prep=sets, exec=reads)))


def test_connections_and_locals_are_those_of_python():
    """An object that only looks like one is none of these rules' business."""

    class Like:
        execute = functools.partial(print)

    flow = node(exec=uses_attribute)
    flow.db = Like()
    assert whats(flow) == []


# Globals that are counters


calls, lock = 0, threading.Lock()


def count_call():
    global calls
    calls += 1


def count_locked():
    global calls
    with lock:
        calls = calls + 1


def set_global():
    global calls
    calls = 1


def test_a_global_counter_is_found_in_threads():
    """In a helper, and in exec itself, where threads lose counts."""

    def counts(self, _):
        count_call()

    def counts_itself(self, _):
        global calls
        calls = calls + 1

    what = "computes the global calls from itself, in a thread."
    [finding] = check(node(exec=counts))
    assert finding.what == f"exec calls count_call(), which {what}"
    assert "threading.Lock()" in finding.instead
    assert whats(node(exec=counts_itself)) == [f"exec {what}"]


def test_a_counter_is_fine_where_nothing_interrupts_it():
    """On the loop, one row at a time, or with a lock; and what is only set is no counter."""

    def counts(self, *_):
        count_call()

    def locks(self, _):
        count_locked()
        set_global()

    async def counts_async(self, _):
        count_call()

    assert whats(node(post=counts)) == []
    assert whats(node(exec=counts), limit=1) == []
    assert whats(node(exec=locks)) == []
    assert whats(node(AsyncNode, exec_async=counts_async)) == []
