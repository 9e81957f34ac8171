"""How many instances go into a chunk, and how long they are collected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.engines.dask.chunk_size import MAX_SIZE, TARGET, ChunkSizePolicy


def learned(seconds, cpu, instances):
    policy = ChunkSizePolicy()
    policy.learn(seconds, cpu, instances)
    return policy


def test_before_any_chunk_has_ended_each_thread_gets_two_small_ones():
    """So no worker computes much longer than the others, however long instances take."""
    assert ChunkSizePolicy().size(100, 4, 8) == 13
    assert ChunkSizePolicy().size(100, 4, 1) == 13
    assert ChunkSizePolicy().size(1, 4, 8) == 1
    assert ChunkSizePolicy().size(10, 0, 0) == 5


def test_long_instances_are_sent_alone_and_short_ones_together():
    """A chunk takes `TARGET` seconds of CPU time."""
    assert learned(1.0, 1.0, 1).size(1000, 2, 2) == 1
    assert learned(0.1, 0.1, 10).size(1000, 2, 2) == round(TARGET / 0.01)
    assert learned(0.001, 0.001, 100).size(100_000, 2, 2) == MAX_SIZE


def test_instances_that_only_wait_are_sent_together_however_long_they_wait():
    """Only CPU time counts, since they wait at the same time."""
    policy = learned(30.0, 0.01, 10)
    assert policy.mostly_waiting
    assert policy.size(40, 2, 2) == 20
    assert not learned(1.0, 1.0, 4).mostly_waiting
    assert not ChunkSizePolicy().mostly_waiting


@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(1, 500)), max_size=20),
    st.integers(1, 10**6),
    st.integers(0, 10**4),
    st.integers(1, 10**4),
)
def test_a_chunk_is_never_empty_and_leaves_a_share_for_the_others(chunks, waiting, threads, room):
    """However long earlier chunks took."""
    policy = ChunkSizePolicy()
    for each in chunks:
        policy.learn(*each)
    size = policy.size(waiting, threads, room)
    assert 1 <= size <= MAX_SIZE
    assert size <= -(-waiting // (room if chunks else max(1, threads)))
    assert 0 < policy.pause(3) <= 1.0


def test_if_instances_compute_for_long_waiting_ones_are_sent_together_when_a_worker_needs_them():
    """Not one by one as others end, since each chunk costs."""
    long, short = learned(0.06, 0.06, 2), learned(0.01, 0.01, 100)
    assert (long.ready_chunks, short.ready_chunks, ChunkSizePolicy().ready_chunks) == (1, 2, 2)
    assert long.size(2, 2, 1) == 2
    assert long.size(4, 2, 2) == 2


def test_the_latest_chunks_count_most():
    """If instances take longer and longer, chunks soon become smaller."""
    policy = learned(0.1, 0.1, 100)
    assert policy.size(1000, 2, 2) == 100
    for _ in range(10):
        policy.learn(1.0, 1.0, 1)
    assert policy.size(1000, 2, 2) == 1


def test_the_pause_is_longer_if_instances_take_longer():
    """A small part of that; and after many chunks, long enough for the scheduler to handle them."""
    assert ChunkSizePolicy().pause(0) == pytest.approx(0.002)
    assert ChunkSizePolicy().pause(10) == pytest.approx(0.04)
    assert learned(6.4, 0.0, 1).pause(0) == pytest.approx(0.1)
    assert learned(1e9, 0.0, 1).pause(0) == 1.0
