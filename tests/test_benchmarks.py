"""Every benchmark runs, measures like with like, and prints its table.

How fast it is, is not tested: machines differ.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncNode

from benchmarks import (
    calls,
    cancel,
    contestants,
    journal,
    lag,
    limit_change,
    measuring,
    overhead,
    pacing,
    threads,
)
from benchmarks.figures import Figure, print_figures, ratio
from flowmagic import named_limits

from .virtualtime import Spy, virtual

ROOT = Path(__file__).parent.parent

ONCE = ["--rounds", "1"]
TINY = {
    "overhead": (["--instances", "20", "--limit", "3", *ONCE], "CPU / sequential loop"),
    "threads": (
        ["--instances", "20", "--limit", "3", "--high-limit", "5", *ONCE],
        "CPU / ThreadPoolExecutor.map",
    ),
    "lag": (
        ["--instances", "6", "--at-once", "20", "--limit", "3", "--high-limit", "5", *ONCE],
        "worst lag",
    ),
    "memory": (
        ["--instances", "20", "--fewer", "10", "--limit", "3", *ONCE],
        "peak memory growth",
    ),
    "cancel": (["--running", "3", "--queued", "5", *ONCE], "cancel: 3 running, 5 queued"),
    "crash": (
        ["--rows", "4", "--bug-rows", "4", "--every", "100"],
        "states with a broken promise",
    ),
    "interrupt": (["--limit", "3", *ONCE], "3 instances running"),
    "limit_change": (["--low", "2", "--high", "6", *ONCE], "2 -> 6"),
    "pacing": (["--per-minute", "60000", "--starts", "20", "--limit", "5"], "off the pace"),
    "calls": (["--calls", "200", "--slots", "2", *ONCE], "uncontended call"),
    "dask": (
        ["--workers", "1", "--instances", "20", "--computing", "4", "--loops", "1000", *ONCE],
        "planned speed-up",
    ),
    "journal": (["--instances", "50", *ONCE], "CPU of the journal per instance"),
    "kills": (["--kills", "1"], "called again, though neither failed nor in doubt"),
    "fingerprint": (["--cells", "2", *ONCE], "CPU of the fingerprint, the first"),
    "reuse": (["--edits", "2", "--rows", "3"], "look-up of an output"),
    "resumes": (["--flows", "2"], "resumed runs that differ from the uninterrupted one"),
    "week": (["--small", "3", "--large", "1"], "growth of memory"),
    "simulation": (["--seeds", "3"], "broken promises"),
    "await_points": (["--seeds", "1"], "after a cancellation at each of"),
    "put_back": (["--seeds", "1"], "a slot leaks when a worker ends"),
    "goals": (["--rounds", "1", "--divide-by", "500"], "CPU / aiometer: 3 nodes, at once"),
}


def run_benchmarks(*arguments, **environment):
    """Run `python -m benchmarks` as a user does, from the root of the repository."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def programs(items, _folder):
    """Each benchmark that is tried here, beside other tests: nobody asks here how fast."""
    asked = {item.callspec.params["name"] for item in items if "program" in item.fixturenames}
    return {
        name: [sys.executable, "-m", "benchmarks", name, *TINY[name][0]]
        for name in TINY
        if name in asked
    }


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_its_table_and_the_command_that_makes_it(program, name):
    """A table of the documentation can be made again by the command printed above it."""
    options, expected = TINY[name]
    done = program(name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"$ python -m benchmarks {name} {' '.join(options)}\n")
    assert expected in done.stdout


def test_every_benchmark_is_listed_and_tried_here():
    """`--help` names each benchmark, and this file leaves none out."""
    listed = run_benchmarks("--help").stdout
    modules = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "OPTIONS = {" in path.read_text(encoding="utf-8")
    }
    # These need a browser: they are tried among the tests that have one.
    assert modules == {*TINY, "panel", "steering"}
    assert all(f"\n    {name}" in listed for name in modules)


def test_a_number_that_is_not_positive_is_refused():
    """Zero rounds would print a table of nothing."""
    done = run_benchmarks("limit_change", "--rounds", "0")
    assert done.returncode == 2
    assert "0 is not a positive integer" in done.stderr


def test_without_aiometer_the_benchmark_says_how_to_install_it_and_goes_on(tmp_path):
    """The contestant is left out, its goals are not measured, and all others are."""
    (tmp_path / "aiometer.py").write_text("raise ImportError('as if it were not installed')")
    options, _ = TINY["overhead"]
    done = run_benchmarks("overhead", *options, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "pip install -e '.[bench]'" in done.stdout
    against = [line for line in done.stdout.splitlines() if line.startswith("CPU / aiometer")]
    assert len(against) == 4
    assert all("not measured" in line for line in against)
    assert "\naiometer " not in done.stdout
    assert "\ngather + Semaphore " in done.stdout


# Figures


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("x", 1.5, 1.5), "met"),
        (Figure("x", 1.501, 1.5), "missed"),
        (Figure("x", 0.9, 1.5, stretch=0.9), "met, stretch too"),
        (Figure("x", 1.0, 1.5, stretch=0.9), "met"),
        (Figure("x", None, 1.5), "not measured"),
        (Figure("x", 3.0), "no goal"),
        (Figure("x", 1.0, 1.5, at_goal=False), "met (other setting)"),
        (Figure("x", 2.0, 1.5, at_goal=False), "missed (other setting)"),
        (Figure("x", 0, 0, unit="tasks"), "met"),
        (Figure("x", 1, 0, unit="tasks"), "missed"),
    ],
)
def test_a_verdict_says_whether_the_goal_is_met_and_for_which_setting(figure, verdict):
    """At most means at most; what was not measured is neither met nor missed."""
    assert figure.verdict == verdict


def test_a_goal_is_printed_beside_its_figure_with_the_verdict(capsys):
    """One line a goal, with units; a missed one is printed like all others."""
    print_figures(
        [
            Figure("lag", 31.26, 25, unit="ms", beside="the machine's own 3"),
            Figure("cost", 1.234, 1.5, stretch=0.9),
        ]
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[2:4]]
    assert lines == [
        "lag 25.0 ms 31.3 ms missed the machine's own 3",
        "cost 1.50; stretch 0.90 1.23 met",
    ]


def test_a_ratio_is_taken_round_by_round():
    """What was measured at the same time is compared; a slow spell of the machine cancels out."""
    figure = ratio("x", [1.0, 30.0, 2.0], [2.0, 60.0, 1.0], 0.6)
    assert (figure.measured, figure.beside) == (0.5, "0.50 to 2.00")


def test_contestants_are_measured_in_turn_and_the_order_is_turned_round():
    """Once a round each, and nobody is always the first."""
    seen = []

    def contestant(name):
        async def seconds():
            seen.append(name)
            return float(len(seen))

        return seconds

    taken = measuring.interleaved({name: contestant(name) for name in "abc"}, 3)
    assert "".join(seen) == "abccbaabc"
    assert taken == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


# What is compared does the same work


LIMITED = {
    "sequential": lambda _: contestants.sequential,
    "unlimited": lambda _: contestants.unlimited,
    "semaphore": contestants.semaphore,
    "batchflow": contestants.batchflow,
    "throttled": contestants.throttled,
    "aiometer": lambda limit: contestants.aiometer(limit)[contestants.AIOMETER],
}


@pytest.mark.parametrize("name", LIMITED)
@virtual
async def test_every_way_runs_each_row_once_and_keeps_the_limit(name):
    """Contestants that did less work, or more at once, would be no contestants."""
    if name == "aiometer":
        pytest.importorskip("aiometer")
    spy, seen = Spy(), []

    class Node(AsyncNode):
        async def exec_async(self, _):
            with spy:
                seen.append(self.params["user_id"])
                await asyncio.sleep(1)

    await LIMITED[name](3)(Node(), contestants.generated(10))
    assert sorted(seen) == list(range(10))
    assert spy.peak == {"sequential": 1, "unlimited": 10}.get(name, 3)


@pytest.mark.parametrize("way", [threads._mapped, threads._run])
async def test_sync_nodes_run_each_row_once_in_as_many_threads_as_the_limit(way):
    """In flowmagic and in the bare map that it is compared with."""
    seen, used = [], set()
    meet = threading.Barrier(3, timeout=20)

    class Node(threads.AtOnce):
        def exec(self, _):
            seen.append(meet.wait())
            used.add(threading.get_ident())

    await way(Node(), 3)(contestants.params(9))
    assert sorted(seen) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(used) == 3


@virtual
async def test_a_task_that_outlives_its_cancelled_contestant_is_counted():
    """That no task is left is measured, not assumed."""
    leftover = []

    def begin(batch):
        async def main():
            leftover.append(asyncio.create_task(asyncio.sleep(1)))
            await contestants.semaphore(2)(cancel.Endless(), batch)

        task = asyncio.create_task(main())
        return task.cancel, task

    left = []
    await cancel._until_end(begin, 2, 3, left)()
    assert left == [1]
    await leftover[0]


@virtual
async def test_a_lowered_limit_takes_one_nodes_duration_and_a_raised_one_no_time():
    """The figures begin when the limit is set and end when that many run."""
    raised, lowered = await limit_change._round(2, 6)
    assert raised == 0
    assert lowered == pytest.approx(limit_change.Counted.seconds)
    assert limit_change.Counted.running == 0


# Pacing


def test_a_pace_counts_from_the_first_start_to_the_last():
    """Eleven starts a tenth of a second apart are exactly 600 per minute."""
    times = [100 + k / 10 for k in range(11)]
    assert pacing.pace(times, 600) == pytest.approx(1)
    assert pacing.pace(times, 1200) == pytest.approx(0.5)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 20))
def test_the_most_within_a_span_is_found_wherever_it_lies(times, span):
    """As counting every window that begins at a start finds it; its end is not part of it."""
    times.sort()
    most = max(sum(at <= other < at + span for other in times) for at in times)
    assert pacing.most_within(times, span) == most


def test_a_run_that_is_too_short_to_fill_a_window_does_not_meet_its_goal():
    """It is said not to be measured, and how many starts would fill one."""
    even = [k / 100 for k in range(1_000)]
    starts = pacing.Starts(even, even)
    found = pacing.figures({pacing.BATCHFLOW: starts, pacing.CALLS: starts}, 6_000, 1_000)
    by_window = {each.what: each for each in found if "any window" in each.what}
    minute, second = by_window.values()
    assert minute.verdict == "not measured"
    assert "--starts 6600" in minute.beside
    assert second.verdict == "met"


def test_a_window_is_held_against_what_the_limit_let_in_and_what_nodes_saw_is_told():
    """One that is let in in time and held up by the machine breaks no limit."""
    even = [k / 100 for k in range(1_000)]
    late = [*even[:500], even[500] + 0.005, *even[501:]]
    starts = pacing.Starts(late, even)
    found = pacing.figures({pacing.BATCHFLOW: starts, pacing.CALLS: starts}, 6_000, 1_000)
    assert found[-1].verdict == "met"
    assert found[-1].beside == "100 let in, 101 seen by the nodes"
    bunched = pacing.Starts(even, late)
    found = pacing.figures({pacing.BATCHFLOW: starts, pacing.CALLS: bunched}, 6_000, 1_000)
    assert found[-1].verdict == "missed"


@virtual
async def test_a_run_and_a_call_limit_are_paced_as_the_benchmark_says(monkeypatch):
    """In virtual time, where nothing is held up, nodes see what was let in, evenly spread."""
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr(pacing.CallLimit, "_clock", staticmethod(clock))
    for way in (pacing._run, pacing._calls):
        starts = await way(6_000, 300, 100)
        assert len(starts.seen) == 300
        assert [at - starts.seen[0] for at in starts.seen] == pytest.approx(
            [at - starts.noted[0] for at in starts.noted]
        )
        assert pacing.most_within(starts.noted, pacing.WINDOW) == 100
        assert pacing.pace(starts.seen, 6_000) == pytest.approx(1)


def test_a_journaled_run_that_ends_between_two_ticks_has_a_lag_too():
    """So it is on a busy machine; the tick that was under way when the run ended is its own."""
    taken = asyncio.run(journal._timed(0, None))
    assert taken.lag >= 0


# Every goal has its figure


def test_each_benchmark_judges_at_the_setting_of_its_goals_only():
    """With the default options the verdict is plain; with others it says so."""
    for load in lag.loads(10_000, 100_000, 100, 1_000):
        results = dict.fromkeys(
            (contestants.BATCHFLOW, contestants.SEMAPHORE, contestants.NOTHING),
            lag.Taken([load.ideal], [0.001]),
        )
        assert [each.verdict for each in lag.figures(load, results)] == ["met"]
    for limits, mark in (((100, 200), False), ((5, 10), True)):
        seconds = {contestants.BATCHFLOW: [1.0], threads.MAP: [1.0]}
        found = threads.figures(seconds, seconds, *limits)
        assert [each.verdict for each in found] == [f"met{' (other setting)' * mark}"] * 2
    names = (
        contestants.BATCHFLOW,
        contestants.UNTRACKED,
        contestants.FLOOR,
        contestants.SEMAPHORE,
    )
    column = {name: [1.0] for name in names}
    columns = dict.fromkeys(overhead.FLOWS, column)
    for limit, mark in ((100, False), (5, True)):
        found = overhead.figures(columns, limit)
        assert len(found) == 14
        measured = [each for each in found if each.measured is not None]
        assert all(("(other setting)" in each.verdict) == mark for each in measured)


def test_the_limits_of_the_benchmark_are_gone_when_it_has_ended():
    """They are the process's own, and somebody else's name may be the same next time."""
    calls.taken(20, 2, 1)
    assert calls.NAME not in named_limits()
