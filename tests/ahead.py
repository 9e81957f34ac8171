"""Programs that tests judge, run one after the other beside the tests that come before.

Whoever runs all tests would wait a minute for them: they wait themselves, or compute on a core that
the tests leave idle. A process of its own starts them, so that no test that changes something of this
one, the environment or the working directory, changes it for them. A module names its own in a function
`programs`, which is given its tests that will run and a folder to write to; the fixture `program` waits
for one of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


class Ahead:
    """Runs commands by their names, in their order.

    Args:
        folder: where it notes them, and how they ended.
        commands: what is run.
    """

    def __init__(self, folder: Path, commands: dict[str, list[str]]) -> None:
        self._folder = folder
        (folder / "commands.json").write_text(json.dumps(commands))
        self._runner = subprocess.Popen(
            [sys.executable, __file__, str(folder)], start_new_session=True
        )

    def done(self, name: str) -> subprocess.CompletedProcess[str]:
        """Return how a command ended, once it has."""
        noted = self._folder / f"{name}.json"
        while not noted.exists():
            assert self._runner.poll() is None or noted.exists(), f"{name} was never run"
            time.sleep(0.02)
        return subprocess.CompletedProcess(**json.loads(noted.read_text()))

    def close(self) -> None:
        """End whatever is still run."""
        if self._runner.poll() is None:
            os.killpg(self._runner.pid, signal.SIGKILL)
        self._runner.wait()


@pytest.fixture(scope="session")
def _ahead(request, tmp_path_factory):
    """All that is run ahead, of the modules whose tests will run."""
    tests: dict = {}
    for item in request.session.items:
        if hasattr(getattr(item, "module", None), "programs"):
            tests.setdefault(item.module, []).append(item)
    folder = tmp_path_factory.mktemp("ahead")
    commands = {
        f"{module.__name__}-{name}": command
        for module, items in tests.items()
        for name, command in module.programs(items, folder).items()
    }
    made = Ahead(folder, commands)
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def _begun(request):
    """Begin with the first test, if there is anything."""
    if any(hasattr(getattr(item, "module", None), "programs") for item in request.session.items):
        request.getfixturevalue("_ahead")


@pytest.fixture(scope="module")
def program(request, _ahead):
    """Return a function that gives how a program of this module has ended."""
    return lambda name: _ahead.done(f"{request.module.__name__}-{name}")


def main(folder: Path) -> None:
    """Run what is noted in a folder, and note how it ended."""
    for name, command in json.loads((folder / "commands.json").read_text()).items():
        done = subprocess.run(
            command,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        noted = folder / "noted"
        noted.write_text(json.dumps(vars(done)))
        noted.rename(folder / f"{name}.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
