"""What the processes of a cluster need for a run: this Python, this flowmagic, the modules of its flow.

They are asked before anything is sent. What they are asked is text, for which they need nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import pickle
import sys
from importlib import metadata
from typing import Any

from ...errors import EngineError
from .serialization import by_value, classes_of

_ASKED = """{
    "python": __import__("sys").version_info[:2],
    "flowmagic": getattr(__import__("flowmagic"), "__version__", "")
    if __import__("importlib.util").util.find_spec("flowmagic") else None,
    "lacking": [
        each for each in MODULES if each not in __import__("sys").modules
        and not __import__("importlib.util").util.find_spec(each)
    ],
}"""
_RPC_TIMEOUT = 10.0  # seconds


async def check(client: Any, flow: Any) -> None:
    """See that the scheduler and each worker have what a run of the flow needs.

    Raises:
        EngineError: one lacks something, which is named with where it is missing.
    """
    question = _ASKED.replace("MODULES", repr(modules_of(flow)))
    try:
        scheduler, workers = await asyncio.wait_for(
            asyncio.gather(
                client.run_on_scheduler(eval, _ASKED.replace("MODULES", "[]")),
                client.run(eval, question, on_error="return"),
            ),
            _RPC_TIMEOUT,
        )
    except (OSError, asyncio.TimeoutError):
        return  # whether they are there is the watch's to find out
    lacking: dict[str, list[str]] = {}
    for where, answer in [("the scheduler", scheduler), *workers.items()]:
        if what := _lack(answer):
            lacking.setdefault(what, []).append(where)
    if lacking:
        what, where = next(iter(lacking.items()))
        first = f"{where[0]} (and {len(where) - 1} more)" if len(where) > 1 else where[0]
        raise EngineError(f"The Dask cluster does not fit this run: {first} {what}")


def runtime() -> str:
    """Return what two processes must have in common for things to travel between them."""
    return f"Python {_dotted(sys.version_info[:2])}, flowmagic {_version()}"


def _version() -> str:
    return metadata.version("jupyter-flowmagic")


def modules_of(flow: Any) -> list[str]:
    """Return the names of the packages that a flow is to be read with, other than Python's own."""
    reader = _Reader(io.BytesIO(by_value((flow, classes_of(flow)))))
    with contextlib.suppress(Exception):  # of its own code, which will say so on the worker
        reader.load()
    return sorted(
        reader.found - set(sys.stdlib_module_names) - {"__main__", "cloudpickle", "flowmagic"}
    )


class _Reader(pickle.Unpickler):
    """Reads what can be read here, and notes of which packages it needs something."""

    def __init__(self, content: Any) -> None:
        super().__init__(content)
        self.found: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self._note(module)
        value = super().find_class(module, name)
        return self._module if name == "subimport" else value

    def _module(self, name: str) -> Any:
        self._note(name)
        return sys.modules[name]

    def _note(self, module: str) -> None:
        self.found.add(module.partition(".")[0])


def _lack(answer: Any) -> str:
    """Say what a process lacks, and what to do about it; empty if nothing."""
    if not isinstance(answer, dict):
        return f"cannot be asked ({type(answer).__name__}: {answer})."
    here, there = sys.version_info[:2], tuple(answer["python"])
    if there != here:
        return (
            f"has Python {_dotted(there)}, and this process {_dotted(here)}: what is defined in a "
            "notebook cannot travel between the two. Start it with the same Python."
        )
    if (found := answer["flowmagic"]) != (needed := _version()):
        has = "lacks flowmagic" if found is None else f"has flowmagic {found}, not {needed}"
        return f'{has}. Install it there: pip install "jupyter-flowmagic[dask]=={needed}".'
    if answer["lacking"]:
        return f"lacks what the flow needs: {', '.join(answer['lacking'])}. Install it there."
    return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
