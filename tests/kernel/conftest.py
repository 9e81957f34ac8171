"""A real kernel to run cells in, and a mark for every test of this folder."""

from __future__ import annotations

import queue
import time
from pathlib import Path

import pytest

from ..notebook.conftest import FLOW


def pytest_collection_modifyitems(items):
    """Mark every test of this folder, so that one can leave them out."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.kernel)


class Kernel:
    """A real kernel, spoken to as a front end does."""

    def __init__(self):
        from jupyter_client.manager import start_new_kernel

        self.updates = []  # every update_display_data heard so far
        self.pressed = 0  # the commands of a page are numbered
        self.manager, self.client = start_new_kernel(kernel_name="python3", startup_timeout=60)

    def send(self, code, *, live=True):
        """Send a cell; `live` as from a person's front end, which answers input()."""
        return self.client.execute(code, allow_stdin=live)

    def hear(self, message, text, timeout=30):
        """Wait until a running cell has printed a text."""
        deadline = time.monotonic() + timeout
        heard = ""
        while text not in heard:
            reply = self.client.get_iopub_msg(timeout=max(0.01, deadline - time.monotonic()))
            mine = reply["parent_header"].get("msg_id") == message
            if mine and reply["msg_type"] == "stream":
                heard += reply["content"]["text"]

    def finish(self, message, timeout=30):
        """Collect what a cell answers until the kernel is idle after it."""
        answer = Answer(self.client, message, timeout)
        self.updates += answer.updates
        return answer

    def run(self, code, *, live=True, timeout=30):
        """Run a cell; again if it was aborted, as an old kernel does for a moment after an error."""
        while (answer := self.finish(self.send(code, live=live), timeout)).status == "aborted":
            pass
        return answer

    def value(self, expression):
        """Evaluate an expression that has a literal value."""
        import ast

        answer = self.run(f"print(repr(({expression})))")
        assert answer.status == "ok", answer.error
        return ast.literal_eval(answer.stdout.strip().splitlines()[-1])

    def until(self, expression, timeout=20):
        """Wait until an expression is true in the kernel."""
        deadline = time.monotonic() + timeout
        while not (value := self.value(expression)):
            assert time.monotonic() < deadline, f"{expression} was still {value!r}"

    def press(self, answer, *, subshell=None, **command):
        """Send a command as the panel that a cell showed does: a custom message on its comm.

        JupyterLab sends it to a subshell, if the kernel supports that.
        """
        models = [w for w in answer.widgets if "header" in w["data"]["state"]]
        assert len(models) == 1, answer.widgets
        self.pressed += 1
        command |= {"client": "page", "n": self.pressed}
        data = {"method": "custom", "content": command}
        content = {"comm_id": models[0]["comm_id"], "data": data}
        message = self.client.session.msg("comm_msg", content)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def subshell(self):
        """Create a subshell and return its id; None if the kernel has none."""
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        try:
            while True:
                reply = self.client.get_control_msg(timeout=5)
                if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                    return reply["content"].get("subshell_id")
        except queue.Empty:
            return None

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Answer:
    """What came back for one cell."""

    def __init__(self, client, message, timeout):
        self.outputs = []
        self.updates = []
        self.own_updates = []
        self.widgets = []
        self.stdout = ""
        self.error = None
        kinds = {
            "display_data": self.outputs,
            "update_display_data": self.own_updates,
            "execute_result": self.outputs,
            "comm_open": self.widgets,
        }
        deadline = time.monotonic() + timeout
        while True:
            try:
                reply = client.get_iopub_msg(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no idle within {timeout} s; got {self.outputs}") from None
            kind, content = reply["msg_type"], reply["content"]
            if kind == "update_display_data":
                # Of whatever cell: a background run fills its summary while another one is running.
                self.updates.append(content)
            if reply["parent_header"].get("msg_id") != message:
                continue
            if kind == "stream":
                self.stdout += content["text"]
            elif kind == "error":
                self.error = content
            elif kind in kinds:
                kinds[kind].append(content)
            elif kind == "status" and content["execution_state"] == "idle":
                break
        shell_reply = client.get_shell_msg(timeout=timeout)
        while shell_reply["parent_header"].get("msg_id") != message:
            shell_reply = client.get_shell_msg(timeout=timeout)
        self.status = shell_reply["content"]["status"]


@pytest.fixture(scope="module")
def _kernel():
    made = Kernel()
    yield made
    made.close()


@pytest.fixture
def kernel(_kernel):
    """A kernel with the extension loaded and `flow` defined, as good as new."""
    _kernel.run("%reset -f")
    answer = _kernel.run("%load_ext flowmagic\n%reload_ext flowmagic\n" + FLOW)
    assert answer.status == "ok", answer.error
    return _kernel
