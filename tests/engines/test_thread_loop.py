"""One event loop per thread, kept from one run to the next."""

from __future__ import annotations

import asyncio
import gc
import http.server
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.engines import thread_loop


class Ok(http.server.BaseHTTPRequestHandler):
    """Keeps its connections open, as providers do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"object": "list", "data": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def url():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ok) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def this_loop():
    return asyncio.get_running_loop()


@pytest.mark.parametrize("library", ["httpx", "openai"])
def test_a_client_that_is_kept_serves_several_runs(url, library):
    """Its open connections belong to the loop of the first run, which is that of the second, too."""
    if library == "httpx":
        client = httpx.AsyncClient()
        ask = lambda: client.get(url)
    else:
        client = openai.AsyncOpenAI(api_key="x", base_url=url, max_retries=0)
        ask = client.models.list

    class Ask(AsyncNode):
        async def exec_async(self, _):
            await ask()
            return "asked"

    for _ in range(3):
        run = flowmagic.run_batch(Ask(), [{"n": n} for n in range(4)], limit=2)
        run.raise_for_failures()
        assert run.outputs == ["asked"] * 4
    close = client.aclose if library == "httpx" else client.close
    thread_loop.run(close())


def test_each_thread_has_a_loop_of_its_own_and_closes_it_when_it_ends():
    """Two threads may run batches at once."""
    mine = thread_loop.run(this_loop())
    with ThreadPoolExecutor(1) as thread:
        others = [thread.submit(lambda: thread_loop.run(this_loop())).result() for _ in range(2)]
    assert others[0] is others[1] is not mine
    gc.collect()
    assert others[0].is_closed()
    assert not mine.is_closed()
    assert thread_loop.run(this_loop()) is mine


def test_a_loop_that_was_closed_is_replaced():
    """As by a user's own `asyncio.get_running_loop()`, kept and closed."""
    thread_loop.run(this_loop()).close()
    assert not thread_loop.run(this_loop()).is_closed()


def test_tasks_that_are_left_are_cancelled():
    """As by asyncio.run: the next run does not go on with them."""
    done = []

    async def linger():
        try:
            await asyncio.sleep(60)
        finally:
            done.append("cleaned up")

    async def main():
        main.task = asyncio.ensure_future(linger())
        await asyncio.sleep(0)

    thread_loop.run(main())
    assert main.task.cancelled()
    assert done == ["cleaned up"]


def test_an_error_of_a_task_that_is_left_is_reported_and_not_raised():
    """To the loop's exception handler, as asyncio.run does it."""
    reported = []

    async def linger():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("on the way out") from None

    async def main():
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reported.append(context)
        )
        main.task = asyncio.ensure_future(linger())
        await asyncio.sleep(0)

    thread_loop.run(main())
    thread_loop.run(this_loop()).set_exception_handler(None)
    assert [str(each["exception"]) for each in reported] == ["on the way out"]


def test_what_the_coroutine_raises_is_raised_and_the_loop_goes_on():
    """Whatever it is."""

    async def fail():
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        thread_loop.run(fail())
    assert thread_loop.run(asyncio.sleep(0, "again")) == "again"


def test_ctrl_c_ends_the_run_and_the_next_one_works():
    """In the main thread, where Python delivers it."""
    reached = []
    # A shell that started the tests in the background may have had them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    async def main():
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            await asyncio.sleep(60)
        finally:
            reached.append("cleaned up")

    try:
        with pytest.raises(KeyboardInterrupt):
            thread_loop.run(main())
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached == ["cleaned up"]
    assert thread_loop.run(asyncio.sleep(0, "again")) == "again"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_loop_of_its_own():
    """The parent's selector is shared with the child: both would wake each other."""
    mine = thread_loop.run(this_loop())
    pid = os.fork()
    if pid == 0:
        try:
            other = thread_loop.run(this_loop()) is not mine and not mine.is_closed()
            os._exit(0 if other else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert thread_loop.run(this_loop()) is mine


def test_nothing_is_said_when_the_program_ends():
    """The loop is closed by then, and asynchronous generators that were left are ended."""
    code = """
import asyncio
from pocketflow import AsyncNode
import flowmagic

async def numbers():
    try:
        yield 1
    finally:
        print("ended")

kept = numbers()

class First(AsyncNode):
    async def exec_async(self, _):
        return await kept.__anext__()

print(flowmagic.run_batch(First(), [{}]).outputs)
"""
    options = ["-X", "dev", "-W", "error::ResourceWarning"]
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[1]\nended\n"
    assert done.stderr == ""


def test_a_run_keeps_nothing_alive():
    """The loop that is kept has no reference to what ran on it."""

    class Answer:
        pass

    async def main():
        return Answer()

    answer = thread_loop.run(main())
    gone = weakref.ref(answer)
    del answer
    gc.collect()
    assert gone() is None
