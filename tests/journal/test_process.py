"""The process that a run names: found again, told from a later one with its pid, or not to be seen."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import EngineError, JournalError
from flowmagic.journal import process
from flowmagic.journal.process import SILENCE, Process
from flowmagic.journal.resume import ResumeIndex

from ..virtualtime import virtual

SAY = (
    "from flowmagic.journal.process import Process; print(Process.current().written(), flush=True)"
)


@pytest.fixture
def other():
    """Another process, which waits; and what it says of itself."""
    command = [sys.executable, "-c", f"{SAY}; input()"]
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    assert running.stdout
    yield running, Process.read(running.stdout.readline())
    running.kill()
    running.communicate()


def test_a_process_knows_itself_and_is_alive():
    """Whatever program it is called by."""
    here = Process.current()
    assert (here.pid, here.is_this(), here.is_alive()) == (os.getpid(), True, True)
    assert here._replace(program="other.ipynb").is_this()
    assert Process.read(here.written()) == here


def test_a_kernel_is_named_by_its_notebook(monkeypatch):
    """Which Jupyter puts into its environment; a script by its file."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/analysis.ipynb")
    assert Process.current().program == "analysis.ipynb"
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setattr(sys, "argv", ["/srv/nightly.py"])
    assert Process.current().program == "nightly.py"


def test_another_process_is_alive_until_it_is_killed(other):
    """Also before its parent has noticed: a zombie runs nothing."""
    running, named = other
    assert (named.is_this(), named.is_alive()) == (False, True)
    running.kill()
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    assert named.is_alive() is False
    running.wait()
    assert named.is_alive() is False


def test_a_stopped_process_is_alive(other):
    """It goes on as soon as it is continued."""
    running, named = other
    os.kill(running.pid, signal.SIGSTOP)
    assert named.is_alive() is True


def test_a_reused_pid_is_not_taken_for_the_process(other):
    """The one that had it before started at another time."""
    _, named = other
    assert named._replace(started="1").is_alive() is False
    assert Process.current()._replace(started="1").is_this() is False


def test_a_forked_child_is_another_process():
    """It inherits all that is open, but not the runs of its parent."""
    parent, (reading, writing) = Process.current(), os.pipe()
    child = os.fork()
    if not child:
        seen = (parent.is_this(), parent.is_alive(), Process.current().is_this())
        os.write(writing, repr(seen).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "(False, True, True)"
    os.waitpid(child, 0)


def test_a_process_that_cannot_be_looked_for_is_judged_by_its_heartbeat():
    """On another computer, in another container, before a restart; or if its start is not known."""
    here = Process.current()
    for named in (here._replace(scope="elsewhere"), here._replace(pid=here.pid + 1, started="")):
        assert named.is_alive() is None
        assert named.runs("a", time.time() - SILENCE / 2)
        assert not named.runs("a", time.time() - SILENCE - 1)


def test_a_process_that_is_seen_is_judged_by_that_alone(other):
    """A heartbeat is late where the disk, or the computer, was suspended."""
    running, named = other
    assert named.runs("a", time.time() - 10 * SILENCE)
    running.kill()
    running.wait()
    assert not named.runs("a", time.time())


def test_this_process_knows_which_runs_it_has(monkeypatch):
    """Not all that name it: the end of one may not have reached the file."""
    monkeypatch.setattr(process, "recorded_here", {object(): "a"})
    assert Process.current().runs("a", 0)
    assert not Process.current().runs("b", time.time())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "7", '{"pid": 1}', "[" * 100_000])
def test_a_text_that_names_no_process_is_refused(text):
    """By errors of which the reader makes its own."""
    with pytest.raises((ValueError, TypeError, RecursionError)):
        Process.read(text)
    damaged = Process.current()._replace(pid="1")
    with pytest.raises(ValueError, match="something else"):
        Process.read(damaged.written())


def test_elsewhere_than_on_linux_the_start_is_asked_of_psutil(other, monkeypatch):
    """Which every notebook has; without it, the heartbeat has to do."""
    running, named = other
    pytest.importorskip("psutil")
    monkeypatch.setattr(sys, "platform", "darwin")
    here = Process.current()
    assert here.started
    assert here.is_alive() is True
    named = named._replace(started=process._start_of(running.pid))
    assert named.is_alive() is True
    running.kill()
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    assert named.is_alive() is False
    running.wait()
    assert named.is_alive() is False
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert (Process.current().started, Process.current().is_alive()) == ("", None)


def test_a_system_without_proc_is_named_by_its_host(monkeypatch):
    """All processes with that host name are taken to see each other."""

    def missing(*_):
        raise OSError

    monkeypatch.setattr(process.os, "readlink", missing)
    monkeypatch.setattr(process.platform, "node", lambda: "my-mac")
    assert Process.current().scope == "my-mac"


CALLS = """
import asyncio, os, sys
from pathlib import Path
from pocketflow import AsyncFlow, AsyncNode
import flowmagic

class Call(AsyncNode):
    async def exec_async(self, prepared):
        with Path(sys.argv[2]).open("a") as calls:
            calls.write(f"{self.params['i']}\\n")
        await asyncio.sleep(float(sys.argv[3]))

flow, rows = AsyncFlow(start=Call()), [{"i": i} for i in range(12)]

def run():
    return flowmagic.run_batch(flow, rows, limit=2, journal=sys.argv[1], resume=True)
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The same program, here and in other processes: its module, how to start it, and its calls."""
    source, journal, made = tmp_path / "calls.py", tmp_path / "j", tmp_path / "made"
    source.write_text(CALLS)
    monkeypatch.setattr(sys, "argv", ["calls.py", str(journal), str(made), "0"])
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("calls", None)
    started = []

    def start(code, seconds):
        command = [sys.executable, "-c", f"import calls; {code}", journal, made, str(seconds)]
        environment = {**os.environ, "PYTHONPATH": f"{os.getcwd()}:{tmp_path}"}
        started.append(
            subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)
        )
        return started[-1]

    yield importlib.import_module("calls"), start, lambda: made.read_text().split()
    for each in started:
        each.kill()
        each.wait()


def until(condition):
    latest = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.01)


def ran_two(made):
    try:
        return len(made()) >= 2
    except FileNotFoundError:
        return False


def test_a_batch_that_another_kernel_is_running_is_refused_until_that_one_is_dead(calls, tmp_path):
    """Before anything runs; and from the moment of its death nothing stands in the way."""
    here, start, made = calls
    other = start("calls.run()", 1_000)
    until(lambda: ran_two(made))
    named = f"still running in process {other.pid} .* on "
    for resume in (
        here.run,
        lambda: flowmagic.run_batch(here.flow, journal=tmp_path / "j", resume=True),
    ):
        with pytest.raises(JournalError, match=f"Run 1 of this journal is {named}"):
            resume()
    with flowmagic.open_journal(tmp_path / "j") as journal:
        assert journal[1].is_running
        assert re.search(f"running in process {other.pid} ", repr(journal[1]))
        assert " running " in repr(journal)
        assert (len(journal), sorted(made())) == (1, ["0", "1"])
    other.kill()
    other.wait()
    with flowmagic.open_journal(tmp_path / "j") as journal:
        assert not journal[1].is_running
        assert " not ended " in repr(journal)
    assert here.run().counts.succeeded == 12
    assert sorted(made(), key=int) == [str(i) for i in sorted([0, 1, *range(12)])]


def test_of_two_kernels_that_resume_at_one_moment_one_runs_the_batch(calls):
    """The other one is refused, or takes over all of it if it comes late: no row runs twice."""
    _, start, made = calls
    several = [start("calls.run()", 0.05) for _ in range(3)]
    said = [each.communicate()[1] for each in several]
    assert sorted(map(int, made())) == list(range(12)), said
    assert all(not text or "still running in process" in text for text in said)


def test_of_two_threads_that_resume_at_one_moment_one_runs_the_batch(calls):
    """One kernel may run several loops."""
    here, _, made = calls
    together, said = threading.Barrier(4), []

    def resume():
        together.wait()
        try:
            here.run()
        except JournalError as error:
            said.append(str(error))

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(int, made())) == list(range(12))
    assert all("still running in this kernel" in text for text in said)


def test_a_kernel_that_resumes_waits_until_another_one_has_said_that_it_does(tmp_path, monkeypatch):
    """Not only while it writes that: also while it looks for what has been done."""
    flow, began = AsyncFlow(start=Wait()), threading.Semaphore(0)

    def index(*options, **more):
        found = ResumeIndex(*options, **more)
        began.release()
        if not said:
            said.append("")
            thread.start()
            began.acquire()
            began.acquire(timeout=0.5)  # in vain: the other one cannot look yet
        return found

    def resume():
        with pytest.raises(JournalError) as refused:
            flowmagic.run_batch(flow, [{"i": 1}], journal=tmp_path / "j", resume=True)
        said.append(str(refused.value))

    said = []
    thread = threading.Thread(target=resume)
    monkeypatch.setattr("flowmagic.journal.recorder.ResumeIndex", index)
    flowmagic.run_batch(flow, [{"i": 1}], journal=tmp_path / "j", resume=True)
    thread.join()
    assert "still running in this kernel" in said[1]


class Wait(AsyncNode):
    seconds = 1

    async def exec_async(self, prepared):
        await asyncio.sleep(self.seconds)


@virtual
async def test_a_kernel_does_not_resume_a_run_that_it_is_still_running_itself(tmp_path):
    """Nor one that it has paused. When that has ended, it may be resumed, and retried."""
    flow, rows, path = AsyncFlow(start=Wait()), [{"i": i} for i in range(4)], tmp_path / "j"
    first = flowmagic.batchflow(flow, rows, limit=1, journal=path, resume=True)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"Run 1 .* in this kernel.*run\.stop\(\)"):
            flowmagic.batchflow(flow, rows, journal=path, resume=True)
        while not first.counts.running:
            await asyncio.sleep(0)
        first.pause()
    first.stop()
    await first
    assert first.counts.succeeded == 1
    second = await flowmagic.batchflow(flow, rows, journal=path, resume=True)
    assert [each.restored for each in second.instances] == [1, None, None, None]
    # Runs of another flow, and of a changed one, do not stand in the way.
    third = flowmagic.batchflow(Wait(), rows, journal=path)
    await flowmagic.batchflow(flow, rows, journal=path, resume=True)
    await third


@virtual
async def test_a_run_that_could_not_begin_does_not_stand_in_the_way(tmp_path):
    """Its engine could not be reached: it is not in the journal. Nor is an engine left open."""

    class Away:
        name, isolates = "away", False

        def begin(self, work):
            raise EngineError("The cluster cannot be reached.")

    path = tmp_path / "j"
    flow = AsyncFlow(start=Wait())
    with pytest.raises(EngineError):
        flowmagic.batchflow(flow, [{"i": 1}], engine=Away(), journal=path, resume=True)
    await flowmagic.batchflow(flow, [{"i": 1}], journal=path, resume=True)
    assert [each.status for each in flowmagic.open_journal(path)] == ["finished"]
    closed = []

    class Begun(Away):
        def begin(self, work):
            return SimpleNamespace(close=lambda: closed.append(work))

    with pytest.raises(JournalError, match="is a folder"):
        flowmagic.batchflow(flow, [{"i": 1}], engine=Begun(), journal=tmp_path)
    assert len(closed) == 1


@pytest.mark.parametrize("steps", [0, 1])
def test_a_run_that_was_cancelled_at_once_does_not_stand_in_the_way(tmp_path, monkeypatch, steps):
    """As by a loop that is closed, before the first step of its main task or in it."""
    monkeypatch.setattr(Wait, "seconds", 0)
    flow, path = AsyncFlow(start=Wait()), tmp_path / "j"

    async def leave():
        run = flowmagic.batchflow(flow, [{"i": 1}], journal=path, resume=True)
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        while not run.ended:
            await asyncio.sleep(0)
        run.journal.join(20)

    asyncio.run(leave())
    assert flowmagic.open_journal(path)[1].status == "cancelled"
    assert flowmagic.run_batch(flow, [{"i": 1}], journal=path, resume=True).ok
