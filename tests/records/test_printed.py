"""Where an instance's output is kept: apart, bounded, and with what is missing said."""

import asyncio
import contextvars
import gc
import os
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode, Flow, Node

import flowmagic
from flowmagic.records.printed import HEAD, TAIL, PrintedTexts, enter, is_kept, keep, key
from flowmagic.records.status import FAILED, PENDING, RUNNING, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.records.trace import MOST_ATTEMPTS
from flowmagic.run.api import start
from flowmagic.run.options import Options

from ..virtualtime import virtual

LINE = "x" * 99 + "\n"


def say(*words):
    """Print as a node does: by `keep` of the text; fail if nobody keeps it."""
    assert keep(" ".join(map(str, words)) + "\n")


class Say(AsyncNode):
    async def exec_async(self, _):
        say("hello from", self.params["n"])
        await asyncio.sleep(self.params["n"])
        say("goodbye from", self.params["n"])


def captured(flow, rows, **options):
    options = replace(Options.of(**options), capture=True)
    return start(flow, rows, shared={}, options=options)


def rows_up_to(n):
    return [{"n": index} for index in range(n)]


# What a text becomes


@given(st.lists(st.text()))
def test_a_text_that_fits_comes_back_as_it_was_written(texts):
    """Whatever the text is, and in however many pieces it comes."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    for text in texts:
        assert outputs.write(0, text)
    assert outputs.text(0, 0) == "".join(texts)


def test_characters_that_cannot_be_encoded_are_escaped():
    """As Python itself does on stderr: a file name may have lone surrogates."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    outputs.write(0, "a\udc80b")
    assert outputs.text(0, 0) == r"a\udc80b"


@given(
    st.lists(st.tuples(st.text(min_size=1), st.integers(1, 9_000)), min_size=1, max_size=8),
)
def test_of_a_long_text_the_beginning_and_the_end_are_kept(texts):
    """However it was written; the gap says how many bytes are missing."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    for text, times in texts:
        outputs.write(0, text * times)
    written = "".join(text * times for text, times in texts).encode()
    assert outputs._size == len(outputs._texts[0]) + 300
    got = outputs.text(0, 0)
    if len(written) <= HEAD + TAIL:
        assert got == written.decode()
        return
    before, _, after = got.rpartition(" bytes of what it printed are not kept.]\n")
    before, _, number = before.rpartition("[")
    begins, ends = before.encode(), after.encode()
    if not written.startswith(begins):
        begins = begins.removesuffix(b"\n")  # the gap has a line of its own
    assert written.startswith(begins)
    assert written.endswith(ends)
    missing = len(written) - len(begins) - len(ends)
    # A character that was cut through is not shown, and not counted.
    assert 0 <= missing - int(number.replace(",", "")) <= 6
    assert HEAD + TAIL - 2 * 1024 - 6 <= len(begins) + len(ends) <= HEAD + TAIL


def test_a_long_text_is_cut_between_its_lines():
    """No half line is beside the gap: half a secret, for example, would not be masked."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    for number in range(20_000):
        outputs.write(0, f"line {number}\n")
    lines = outputs.text(0, 0).splitlines()
    [gap] = [at for at, line in enumerate(lines) if line.startswith("[")]
    assert lines[:gap] == [f"line {number}" for number in range(gap)]
    left = len(lines) - gap - 1
    assert lines[gap + 1 :] == [f"line {number}" for number in range(20_000 - left, 20_000)]
    missing = sum(len(f"line {number}\n") for number in range(gap, 20_000 - left))
    assert lines[gap] == f"[{missing:,} bytes of what it printed are not kept.]"
    assert HEAD - 20 < len("\n".join(lines[:gap])) <= HEAD


def test_a_single_long_line_is_cut_anywhere():
    """The first 16 kB and the last 48 kB of it."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    outputs.write(0, "a" * HEAD + "b" * 1_234 + "c" * TAIL)
    gap = "\n[1,234 bytes of what it printed are not kept.]\n"
    assert outputs.text(0, 0) == "a" * HEAD + gap + "c" * TAIL


def test_a_character_that_was_cut_in_two_is_left_out():
    """No replacement characters beside the gap."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    outputs.write(0, "." + "€" * 30_000)
    text = outputs.text(0, 0)
    assert set(text[: text.index("\n")]) == {".", "€"}
    assert set(text[text.rindex("\n") + 1 :]) == {"€"}


# The bound of a run


def full(codes, most):
    """PrintedTexts of rows in these statuses, each of which has printed ten lines, in their order."""
    outputs = PrintedTexts(bytearray(codes), most)
    for index in range(len(codes)):
        for _ in range(10):
            outputs.write(key(index, 0), LINE)
    return outputs


def kept(outputs, n):
    return [index for index in range(n) if outputs.text(index, 0) == LINE * 10]


def test_beyond_the_limit_of_a_run_the_oldest_successful_instances_are_dropped():
    """Failed and running ones stay, and a dropped text says that it was dropped."""
    codes = [FAILED, SUCCEEDED, RUNNING, SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED]
    outputs = full(codes, 8_000)  # each weighs 1,300: one too many, and some room
    assert kept(outputs, 8) == [0, 2, 4, 5, 6, 7]
    assert outputs.text(1, 0) == "[What this instance printed is no longer kept.]\n"
    assert outputs.text(8, 0) == ""


def test_an_instance_that_prints_much_takes_the_room_of_several():
    """As many of the oldest as it needs, and no more."""
    outputs = full([SUCCEEDED] * 5 + [RUNNING], 8_000)
    outputs.write(key(5, 0), LINE * 20)
    assert kept(outputs, 5) == [2, 3, 4]
    assert outputs.text(5, 0) == LINE * 30


def test_with_nothing_to_drop_not_every_print_looks_for_room():
    """Only one for each sixty-fourth part of the limit does."""
    looks = []

    class Status(bytearray):
        def __getitem__(self, index):
            looks.append(index)
            return super().__getitem__(index)

    outputs = PrintedTexts(Status([RUNNING]), most=32_000)
    for _ in range(600):  # 60,300 bytes; a step is 500
        outputs.write(0, LINE)
    looked = len(looks) // 2  # for successful ones, and for others
    assert looked == 1 + (60_300 - 32_100) // 600


def test_printing_after_a_text_was_dropped_begins_a_new_one():
    """A task that has outlived its instance."""
    outputs = PrintedTexts(bytearray([SUCCEEDED]))
    outputs.write(0, LINE * 1_000)
    outputs.forget(0, 0)
    outputs.write(0, "again\n")
    assert outputs.text(0, 0) == "again\n"


def test_an_instance_that_printed_nothing_has_an_empty_text():
    """It does not say that something was dropped."""
    outputs = PrintedTexts(bytearray([SUCCEEDED]))
    outputs.forget(0, 0)
    assert outputs.text(0, 0) == ""


def test_without_successful_instances_the_oldest_failed_ones_are_dropped():
    """The limit holds whatever fails; running instances are limited one by one."""
    assert kept(full([FAILED] * 4 + [RUNNING] * 4, 8_000), 8) == [2, 3, 4, 5, 6, 7]
    assert kept(full([RUNNING] * 8, 8_000), 8) == list(range(8))


def test_a_dropped_text_makes_room():
    """However much is printed, the kept texts stay within the limit."""
    n, most = 500, 20_000
    outputs = full([SUCCEEDED] * n, most)
    there = kept(outputs, n)
    assert there == list(range(n - len(there), n))
    assert most * 6 // 8 < len(there) * 1_300 <= most


# To whom a text belongs


def test_outside_any_instance_nothing_is_kept():
    """The caller prints it as usual."""
    assert not keep("text")
    assert not is_kept()


@virtual
async def test_each_instance_has_its_own_text():
    """However their steps alternate; the code around them has none."""
    run = await captured(AsyncFlow(start=Say()), rows_up_to(5), limit=5)
    assert [each.printed for each in run.instances] == [
        f"hello from {n}\ngoodbye from {n}\n" for n in range(5)
    ]
    assert not is_kept()


@virtual
async def test_a_text_can_be_read_while_the_instance_runs():
    """What it has printed so far."""
    run = captured(AsyncFlow(start=Say()), [{"n": 5}])
    assert run[0].printed == ""
    await asyncio.sleep(1)
    assert run[0].printed == "hello from 5\n"
    await run


@virtual
async def test_without_capture_nothing_is_kept():
    """In scripts, an instance prints as usual."""
    seen = []

    class Asks(AsyncNode):
        async def exec_async(self, _):
            seen.append(keep("text"))

    run = await flowmagic.batchflow(AsyncFlow(start=Asks()), rows_up_to(2))
    assert seen == [False, False]
    assert run[0].printed == ""


@virtual
async def test_tasks_and_threads_of_an_instance_print_to_it():
    """Tasks it spawns, `asyncio.to_thread`, and a task that outlives it."""
    late = []
    has_ended = asyncio.Event()

    class Spawns(AsyncNode):
        async def exec_async(self, _):
            n = self.params["n"]

            async def later():
                await has_ended.wait()
                say("late", n)

            await asyncio.create_task(asyncio.sleep(0))
            late.append(asyncio.create_task(later()))
            await asyncio.to_thread(say, "thread", n)

    run = await captured(AsyncFlow(start=Spawns()), rows_up_to(3))
    assert [each.printed for each in run.instances] == [f"thread {n}\n" for n in range(3)]
    has_ended.set()
    await asyncio.gather(*late)
    assert [each.printed for each in run.instances] == [f"thread {n}\nlate {n}\n" for n in range(3)]


@virtual
async def test_run_in_executor_and_plain_threads_print_to_no_instance():
    """Python gives them no context: what they print goes where it always went."""
    seen = []

    class Spawns(AsyncNode):
        async def exec_async(self, _):
            seen.append(is_kept())
            seen.append(await asyncio.get_running_loop().run_in_executor(None, is_kept))
            thread = threading.Thread(target=lambda: seen.append(is_kept()))
            thread.start()
            thread.join()

    await captured(AsyncFlow(start=Spawns()), rows_up_to(1))
    inherits = getattr(__import__("sys").flags, "thread_inherit_context", 0)
    assert seen == [True, False, bool(inherits)]


@pytest.mark.parametrize("threads", [True, False])
def test_sync_nodes_print_to_their_instance(threads):
    """In a worker thread or on the loop, in each of prep, exec and post."""

    class Sync(Node):
        def prep(self, shared):
            say("prep", self.params["n"])

        def exec(self, _):
            say("exec", self.params["n"], threading.current_thread() is threading.main_thread())

        def post(self, shared, prep_res, exec_res):
            say("post", self.params["n"])

    async def main():
        return await captured(Flow(start=Sync()), rows_up_to(3), threads=threads)

    run = asyncio.run(main())
    assert [each.printed for each in run.instances] == [
        f"prep {n}\nexec {n} {not threads}\npost {n}\n" for n in range(3)
    ]


@virtual
async def test_the_runs_prep_post_and_source_print_to_no_instance():
    """What they print belongs to the cell."""
    seen = []

    class Own(AsyncBatchFlow):
        async def prep_async(self, shared):
            seen.append(is_kept())
            return self.rows()

        def rows(self):
            for row in rows_up_to(3):
                seen.append(is_kept())
                yield row

        async def post_async(self, shared, prep_res, exec_res):
            seen.append(is_kept())

    run = await captured(Own(start=Say()), None, limit=1)
    assert run.ok
    assert seen == [False] * 5


class Inner(AsyncNode):
    async def exec_async(self, _):
        say("inner", self.params["n"])


class Outer(AsyncNode):
    capture = True

    async def exec_async(self, _):
        say("outer", self.params["n"])
        rows = [{"n": 10 * self.params["n"] + index} for index in range(2)]
        begin = captured if self.capture else flowmagic.batchflow
        run = await begin(AsyncFlow(start=Inner()), rows)
        say("outer again", self.params["n"])
        return [each.printed for each in run.instances]

    async def post_async(self, shared, prep_res, exec_res):
        shared[self.params["n"]] = exec_res


@virtual
async def test_in_nested_runs_the_innermost_instance_gets_the_text():
    """After the inner run, the outer instance continues with its own."""
    run = await captured(AsyncFlow(start=Outer()), rows_up_to(2))
    assert [each.printed for each in run.instances] == [
        f"outer {n}\nouter again {n}\n" for n in (0, 1)
    ]
    assert run.shared[1] == ["inner 10\n", "inner 11\n"]


@virtual
async def test_a_nested_run_without_capture_prints_to_the_instance_around_it():
    """As the code of that instance does."""

    class Plain(Outer):
        capture = False

    run = await captured(AsyncFlow(start=Plain()), rows_up_to(1))
    assert run[0].printed == "outer 0\ninner 0\ninner 1\nouter again 0\n"
    assert run.shared[0] == ["", ""]


# Attempts


@virtual
async def test_each_attempt_has_its_own_text():
    """The text of the last one is the instance's; a thread of an earlier one continues with its own."""
    tries = []

    class Flaky(AsyncNode):
        async def exec_async(self, _):
            tries.append(contextvars.copy_context())
            say("attempt", len(tries))
            if len(tries) < 3:
                raise ValueError

    run = await captured(AsyncFlow(start=Flaky()), rows_up_to(1), retries=2)
    tries[0].run(say, "still here")
    assert [each.printed for each in run[0].history] == ["attempt 1\nstill here\n", "attempt 2\n"]
    assert run[0].printed == "attempt 3\n"


@virtual
async def test_of_many_attempts_the_latest_texts_are_kept():
    """As many as there are attempts in the records."""
    tries = []

    class Fails(AsyncNode):
        async def exec_async(self, _):
            tries.append(contextvars.copy_context())
            say("attempt", len(tries))
            raise ValueError

    run = await captured(AsyncFlow(start=Fails()), rows_up_to(1))
    for _ in range(300):
        run.retry_failed()
        await run
    assert run[0].printed == "attempt 301\n"
    earlier = [each.printed for each in run[0].history]
    assert earlier == [f"attempt {n}\n" for n in range(301 - MOST_ATTEMPTS, 301)]
    assert len(run.records.printed._texts) == MOST_ATTEMPTS + 1


@virtual
async def test_a_retry_that_never_began_leaves_the_text_of_the_last_attempt():
    """As it leaves its result."""

    class Fails(AsyncNode):
        async def exec_async(self, _):
            say("once")
            raise ValueError

    run = await captured(AsyncFlow(start=Fails()), rows_up_to(1))
    run.records.requeue(0)
    assert (run[0].status, run[0].printed) == ("pending", "")
    run.records.cancel(0)
    assert (run[0].status, run[0].printed) == ("failed", "once\n")


@virtual
async def test_dropped_rows_of_a_generator_keep_no_text():
    """It is dropped with the params and the node copies, of all attempts, and says so."""
    run = await captured(AsyncFlow(start=Say()), iter(rows_up_to(4)), keep=2, limit=1)
    gone = "[What this instance printed is no longer kept.]\n"
    assert [each.printed == gone for each in run.instances] == [True, True, False, False]

    records = RecordStore({}, 0.0, 0)
    records.printed = outputs = PrintedTexts(records.status)
    records.add({})
    for code, number in ((FAILED, 0), (SUCCEEDED, 1)):
        records.start(0, 0.0)
        outputs.write(key(0, number), LINE)
        if code == SUCCEEDED:
            assert len(outputs._texts) == 2
        records.finish(0, None, 1.0, code)
        if code == FAILED:
            records.requeue(0)
            assert records.status[0] == PENDING
    assert not outputs._texts
    assert outputs._size == 0


# Odd times


def test_a_context_that_outlives_its_run_does_not_keep_the_run_alive():
    """A connection opened by an instance may live as long as the kernel."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    context = outputs.context(contextvars.copy_context())
    context.run(enter, 0)
    assert context.run(keep, "text")
    assert outputs.text(0, 0) == "text"
    del outputs
    gc.collect()
    assert not context.run(keep, "more")


def test_a_forked_process_keeps_nothing(monkeypatch):
    """Nobody could read it there, so the process prints as usual."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    context = outputs.context(contextvars.copy_context())
    context.run(enter, 0)
    child = os.fork()
    if not child:
        os._exit(7 if context.run(keep, "text") else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert context.run(keep, "text")
    monkeypatch.setattr(os, "getpid", lambda: child)
    assert not context.run(keep, "text")


def test_a_finaliser_may_print_while_something_is_being_written():
    """The garbage collector may run one in the middle of it: no deadlock, nothing lost."""
    outputs = PrintedTexts(bytearray([RUNNING]), most=10)
    finalisers = ["first", "second"]

    class Status(bytearray):
        """Stands for the moments within the lock at which a finaliser happens to run."""

        def __getitem__(self, index):
            if finalisers:
                outputs.write(key(0, len(finalisers)), finalisers.pop())
                outputs.write(0, "from within ")
            return super().__getitem__(index)

    outputs._status = Status([RUNNING])
    done = threading.Thread(target=outputs.write, args=(0, "text, "), daemon=True)
    done.start()
    done.join(20)
    assert not done.is_alive()
    assert outputs.text(0, 0) == "text, from within from within "
    assert (outputs.text(0, 1), outputs.text(0, 2)) == ("first", "second")
    assert outputs._size == sum(len(each) + 300 for each in outputs._texts.values())


def test_concurrent_prints_of_several_threads_are_all_kept():
    """Each text is there once, and whole."""
    outputs = PrintedTexts(bytearray([RUNNING]))
    began = threading.Barrier(4)

    def write(name):
        began.wait()
        for number in range(1_000):
            outputs.write(0, f"{name}{number}\n")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = outputs.text(0, 0).splitlines()
    assert sorted(lines) == sorted(f"{name}{number}" for name in "abcd" for number in range(1_000))


def test_a_context_belongs_to_a_row_of_the_run_that_made_it():
    """Whatever the attempt; not to another run, nor where no instance runs."""
    outputs, other = (PrintedTexts(bytearray([RUNNING] * 9)) for _ in range(2))
    base = outputs.context(contextvars.copy_context())
    inside = base.copy()
    inside.run(enter, key(7, 3))
    assert outputs.row_in(inside) == 7
    assert other.row_in(inside) is outputs.row_in(base) is None
    assert outputs.row_in(contextvars.Context()) is None
