"""The node copies of an instance, as they are written, packed and read again."""

from flowmagic.records.node_copies import copies_of
from flowmagic.records.store import RecordStore
from flowmagic.records.trace import FIELDS


class Load:
    pass


class Write:
    pass


def loaded(n, **params):
    records = RecordStore(params, 100.0, 10)
    records.load([{"n": i} for i in range(n)])
    return records


def test_packed_node_copies_equal_the_original_ones():
    """An ended instance has the copies that the running one had."""
    records = loaded(1, base=1)
    trace = records.start(0, 101.0)
    flow = trace.open(Load, -1, 101.0, None)
    inner = trace.open(Write, flow, 102.0, {"other": 1})
    trace.close(inner, "sent", 103.0)
    odd = trace.open(Write, flow, 103.0, None)
    trace.fail(odd, error := ValueError("x"), 104.0)
    trace.close(flow, ["not", "a", "string"], 105.0)
    last = trace.open(Load, -1, 105.0, None)
    running = copies_of(records, 0)
    assert running[last // FIELDS].ended is None
    trace.close(last, None, 106.0)
    running = copies_of(records, 0)
    records.finish(0, None, 106.0)
    ended = copies_of(records, 0)
    assert ended == running
    assert [c.node for c in ended] == ["Load", "Write", "Write", "Load"]
    assert [c.parent for c in ended] == [None, 0, 0, None]
    assert [c.action for c in ended] == [["not", "a", "string"], "sent", None, None]
    assert [c.error for c in ended] == [None, None, error, None]
    assert [c.params for c in ended] == [
        {"base": 1, "n": 0},
        {"other": 1},
        *[{"base": 1, "n": 0}] * 2,
    ]
    assert [(c.started, c.ended) for c in ended] == [(1.0, 5.0), (2.0, 3.0), (3.0, 4.0), (5.0, 6.0)]


def test_a_long_walk_is_kept_too():
    """A loop of a thousand node copies."""
    records = loaded(1)
    trace = records.start(0, 100.0)
    for number in range(1_000):
        trace.close(trace.open(Load, -1, 100.0 + number, None), "again", 101.0 + number)
    records.finish(0, None, 1_200.0)
    copies = copies_of(records, 0)
    assert len(copies) == 1_000
    assert copies[999].started == 999.0


def test_actions_beyond_the_numbered_ones_are_kept_with_their_rows():
    """Some flows return a text of their own as the action."""
    records = loaded(1)
    trace = records.start(0, 100.0)
    for number in range(5_000):
        trace.close(trace.open(Load, -1, 100.0, None), f"action {number}", 100.0)
    records.finish(0, None, 100.0)
    copies = copies_of(records, 0)
    assert [c.action for c in copies] == [f"action {number}" for number in range(5_000)]


def test_each_watcher_collects_a_changed_row_once():
    """Until they empty their set; and nothing more once they have left."""
    records = loaded(3)
    one, two = records.watch(), records.watch()
    trace = records.start(1, 100.0)
    trace.open(Load, -1, 100.0, None)
    trace.open(Write, -1, 100.0, None)
    assert one == two == {1}
    one.clear()
    records.unwatch(two)
    records.finish(1, None, 101.0)
    assert (one, two) == ({1}, {1})
    records.cancel_pending()
    assert one == {0, 1, 2}
    assert two == {1}


def test_copies_that_were_recorded_elsewhere_are_adopted():
    """From an offset on, as often as they arrive; the row is at the last of them, and is watched."""
    records = loaded(2)
    there, here = records.start(0, 100.0), records.start(1, 100.0)
    first = there.open(Load, -1, 100.0, {"n": 5})
    there.close(first, "on", 101.0)
    here.take(0, list(there), there.extras)
    second = there.open(Write, -1, 102.0, None)
    changed = records.watch()
    here.take(second, there[second:], {second: {"error": ValueError("x")}})
    assert changed == {1}
    assert records.nodes[1] == records.nodes[0]
    assert list(here)[:second] == list(there)[:second]
    there.close(second, None, 103.0)
    here.take(second, there[second:], {})
    for index in (0, 1):
        records.finish(index, None, 104.0)
    one, other = copies_of(records, 0), copies_of(records, 1)
    assert other[0].params == one[0].params == {"n": 5}
    assert [(c.node, c.action, c.started, c.ended) for c in other] == [
        (c.node, c.action, c.started, c.ended) for c in one
    ]
    assert str(other[1].error) == "x"
