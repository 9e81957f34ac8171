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


def test_before_anything_is_known_each_worker_gets_two_small_ones():
    """Nobody computes much longer than the others, whatever the instances are."""
    assert ChunkSizePolicy().size(100, 4, 8) == 13
    assert ChunkSizePolicy().size(100, 4, 1) == 13
    assert ChunkSizePolicy().size(1, 4, 8) == 1
    assert ChunkSizePolicy().size(10, 0, 0) == 5


def test_long_instances_travel_alone_and_short_ones_together():
    """A chunk keeps its worker busy for `TARGET`, and no longer."""
    assert learned(1.0, 1.0, 1).size(1000, 2, 2) == 1
    assert learned(0.1, 0.1, 10).size(1000, 2, 2) == round(TARGET / 0.01)
    assert learned(0.001, 0.001, 100).size(100_000, 2, 2) == MAX_SIZE


def test_instances_that_only_wait_travel_together_however_long_they_wait():
    """What counts is what they compute; they wait side by side."""
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
def test_a_chunk_is_never_empty_and_leaves_something_for_the_others(chunks, waiting, threads, room):
    """Whatever was learned."""
    policy = ChunkSizePolicy()
    for each in chunks:
        policy.learn(*each)
    size = policy.size(waiting, threads, room)
    assert 1 <= size <= MAX_SIZE
    assert size <= -(-waiting // (room if chunks else max(1, threads)))
    assert 0 < policy.pause(3) <= 1.0


def test_where_instances_compute_for_long_what_waits_goes_as_one_when_a_worker_needs_it():
    """Not piece by piece, as one instance after the other ends: each piece would cost."""
    long, short = learned(0.06, 0.06, 2), learned(0.01, 0.01, 100)
    assert (long.ready_chunks, short.ready_chunks, ChunkSizePolicy().ready_chunks) == (1, 2, 2)
    assert long.size(2, 2, 1) == 2
    assert long.size(4, 2, 2) == 2


def test_the_latest_chunks_count_most():
    """A flow whose rows grow longer is sent in smaller chunks before long."""
    policy = learned(0.1, 0.1, 100)
    assert policy.size(1000, 2, 2) == 100
    for _ in range(10):
        policy.learn(1.0, 1.0, 1)
    assert policy.size(1000, 2, 2) == 1


def test_instances_are_gathered_longer_the_longer_they_take():
    """By a small part of that; and so long that the tasks do not take all of the scheduler."""
    assert ChunkSizePolicy().pause(0) == pytest.approx(0.002)
    assert ChunkSizePolicy().pause(10) == pytest.approx(0.04)
    assert learned(6.4, 0.0, 1).pause(0) == pytest.approx(0.1)
    assert learned(1e9, 0.0, 1).pause(0) == 1.0
