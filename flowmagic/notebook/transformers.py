"""What becomes of the text of a `%%batchflow` cell before it runs.

IPython does not await what a magic returns. So a transformer puts an `await` before the call into
which IPython turns the cell. What IPython would refuse with a message that does not help, or run as
something else than was meant, is put right or refused here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import NamedTuple

from IPython.core.error import UsageError

from ..run.end_waiters import running_loop
from .shell import awaits_cells

NAME = "batchflow"

_SECOND = re.compile(rf"get_ipython\(\)\.run_line_magic\('%{NAME}', (.*)\)")
"""What IPython makes of a `%%batchflow` line that is not the first line of a cell."""


def header_first(lines: list[str]) -> list[str]:
    """Move the comments above a `%%batchflow` line below it; all other lines keep their numbers."""
    for at, line in enumerate(lines):
        if at and line.startswith(f"%%{NAME}"):
            return [line if line.endswith("\n") else f"{line}\n", *lines[:at], *lines[at + 1 :]]
        if line.strip() and not line.startswith("#"):
            break
    return lines


def await_batchflow(lines: list[str]) -> list[str]:
    """Put `await` before a `%%batchflow` cell; refuse one that could not run as it was meant.

    Another magic above it would execute the cell in its own way, in which the `await` is a syntax
    error or is silently skipped. A cell that only asks for the manual becomes a line.
    """
    text = "".join(lines)
    if NAME not in text:
        return lines
    if second := _SECOND.search(text):
        return _refusal(refuse_second, _literal(second[1]))
    call = _magic_call(text) if text.startswith("get_ipython().run_") else None
    if call is None:
        return lines
    if call.method == "run_line_magic":
        single = call.name == NAME and call.line.strip() and _ends_in_list(text)
        return _refusal(refuse_single, call.line) if single else lines
    if call.name == NAME:
        return _awaited(lines, call)
    stacked = call.body.lstrip().startswith(f"%%{NAME}")
    return _refusal(refuse_stacked, call.name) if stacked else lines


class _Call(NamedTuple):
    """A call of a magic: the method of the shell, and its arguments."""

    method: str
    name: str
    line: str
    body: str = ""


def _magic_call(text: str) -> _Call | None:
    """Return the call if a text begins with one of a line magic, or is one of a cell magic."""
    try:
        statements = ast.parse(text).body
        call = statements[0].value  # type: ignore[attr-defined]
        found = _Call(call.func.attr, *map(ast.literal_eval, call.args))
    except (SyntaxError, ValueError, AttributeError, TypeError):
        return None
    return None if found.method == "run_cell_magic" and len(statements) > 1 else found


def _awaited(lines: list[str], call: _Call) -> list[str]:
    if not call.body:
        if {"-h", "--help"} & set(call.line.split()):
            return [f"get_ipython().run_line_magic({NAME!r}, {call.line!r})\n"]
        # IPython refuses a cell magic without a body.
        lines = [f"get_ipython().run_cell_magic({NAME!r}, {call.line!r}, '#\\n')\n"]
    if awaits_cells():
        return [f"await {lines[0]}", *lines[1:]]
    return lines if running_loop() is None else ["".join(lines).rstrip() + ".run_now()\n"]


def _ends_in_list(text: str) -> bool:
    last = ast.parse(text).body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, (ast.List, ast.ListComp))


def _literal(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return ""


def _refusal(refuse: Callable[[str], None], argument: str) -> list[str]:
    """Return a cell that calls a function of this module instead."""
    name = refuse.__name__
    return [f"__import__({__name__!r}, fromlist=[{name!r}]).{name}({argument!r})\n"]


def refuse_stacked(name: str) -> None:
    """Raise UsageError: another cell magic cannot come before `%%batchflow`."""
    hint = {
        "time": " The summary shows how long the run took; so does run.elapsed.",
        "timeit": " The summary shows how long the run took; so does run.elapsed.",
        "capture": " Name the run with -o run; run.results has its results.",
    }.get(name, "")
    raise UsageError(
        f"%%{name} cannot come before %%{NAME}, so nothing was started. "
        f"Make %%{NAME} the first line of the cell.{hint}"
    )


def refuse_second(line: str) -> None:
    """Raise UsageError: code, or another `%%batchflow`, comes before a `%%batchflow` line."""
    raise UsageError(
        f"%%{NAME} must be the first line of its cell, so nothing was started. "
        f"Begin a new cell with this line: %%{NAME} {line}"
    )


def refuse_single(line: str) -> None:
    """Raise UsageError: a param list follows `%batchflow`, which takes none."""
    raise UsageError(
        f"A line with one % takes no param list, so nothing was started. Write two: %%{NAME} {line}"
    )
