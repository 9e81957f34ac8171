"""Checks that a cluster has what a run needs: this Python, this flowmagic, the packages of the flow."""

from __future__ import annotations

import asyncio
import contextlib
import io
import pickle
import sys
from importlib import metadata
from typing import Any

from ...errors import EngineError
from .serialization import dump_by_value, node_classes_of

# Sent as text and evaluated there, so that a process needs nothing but Python to answer.
_PROBE = """{
    "python": __import__("sys").version_info[:2],
    "flowmagic": getattr(__import__("flowmagic"), "__version__", "")
    if __import__("importlib.util").util.find_spec("flowmagic") else None,
    "missing": [
        each for each in MODULES if each not in __import__("sys").modules
        and not __import__("importlib.util").util.find_spec(each)
    ],
}"""
_RPC_TIMEOUT = 10.0  # seconds


async def check(client: Any, flow: Any) -> None:
    """Check that the scheduler and each worker have what a run of the flow needs.

    A cluster that does not answer passes: `ClusterMonitor` finds out whether it is there.

    Raises:
        EngineError: something is missing; the message says what, and on which of them.
    """
    try:
        scheduler, workers = await asyncio.wait_for(
            asyncio.gather(
                client.run_on_scheduler(eval, _probe([])),
                client.run(eval, _probe(modules_of(flow)), on_error="return"),
            ),
            _RPC_TIMEOUT,
        )
    except (OSError, asyncio.TimeoutError):
        return
    problems: dict[str, list[str]] = {}
    for name, answer in [("the scheduler", scheduler), *workers.items()]:
        if problem := _problem(answer):
            problems.setdefault(problem, []).append(name)
    if problems:
        problem, names = next(iter(problems.items()))
        first = f"{names[0]} (and {len(names) - 1} more)" if len(names) > 1 else names[0]
        raise EngineError(f"The Dask cluster does not fit this run: {first} {problem}")


def runtime() -> str:
    """Return the versions of Python and flowmagic, which all processes of a run must share."""
    return f"Python {_dotted(sys.version_info[:2])}, flowmagic {_version()}"


def modules_of(flow: Any) -> list[str]:
    """Return the top-level modules that a process imports to unpickle a flow, without Python's own."""
    finder = _ModuleFinder(io.BytesIO(dump_by_value((flow, node_classes_of(flow)))))
    with contextlib.suppress(Exception):  # raised by the user's objects, as it will be on a worker
        finder.load()
    return sorted(
        finder.modules - set(sys.stdlib_module_names) - {"__main__", "cloudpickle", "flowmagic"}
    )


class _ModuleFinder(pickle.Unpickler):
    """Unpickles a flow, and notes the top-level modules that this imports."""

    def __init__(self, content: Any) -> None:
        super().__init__(content)
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self._note(module)
        value = super().find_class(module, name)
        return self._module if name == "subimport" else value

    def _module(self, name: str) -> Any:
        """Replace cloudpickle's `subimport`, which is called to unpickle a module."""
        self._note(name)
        return sys.modules[name]

    def _note(self, module: str) -> None:
        self.modules.add(module.partition(".")[0])


def _probe(modules: list[str]) -> str:
    return _PROBE.replace("MODULES", repr(modules))


def _problem(answer: Any) -> str:
    """Return what is wrong with a process and what to do about it; "" if nothing is."""
    if not isinstance(answer, dict):
        return f"did not answer the check ({type(answer).__name__}: {answer})."
    here, there = sys.version_info[:2], tuple(answer["python"])
    if there != here:
        return (
            f"has Python {_dotted(there)}, not {_dotted(here)} as this process, and code from a "
            "notebook cannot be sent from one to the other. Start it with the same Python."
        )
    if (version := answer["flowmagic"]) != (needed := _version()):
        has = "lacks flowmagic" if version is None else f"has flowmagic {version}, not {needed}"
        return f'{has}. Install it there: pip install "jupyter-flowmagic[dask]=={needed}".'
    if answer["missing"]:
        return f"lacks what the flow imports: {', '.join(answer['missing'])}. Install it there."
    return ""


def _version() -> str:
    return metadata.version("jupyter-flowmagic")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
