"""Rules about what all rows share because they run in one process, such as the working directory.

A finding is a note where nothing may be wrong: if one row runs at a time, or if no other row gets its
turn in between.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from typing import NamedTuple

from pocketflow import AsyncNode

from ..finding import Finding
from .executed_code import Executed, executed_code
from .node_source import hooks_in_threads, hooks_of
from .reachable_nodes import ReachableNode, fans_out


class _Use(NamedTuple):
    """What a method does with something that all rows share.

    Attributes:
        verb: what it does, to end a sentence.
        note: whether the finding is a note; None: unless another row may run meanwhile.
    """

    verb: str
    why: str
    instead: str = ""
    note: bool | None = None


_REDIRECT = _Use(
    "redirects",
    "That applies to this row alone, with the tasks and threads that inherit its context. What "
    "subprocesses, C code and other threads print is not captured.",
    note=True,
)
_CHDIR = _Use(
    "changes the working directory",
    "The whole process has one: rows that run at the same time, and the notebook, resolve relative paths "
    "in it. It is put back when the run ends.",
    "Use absolute paths, and cwd= for a subprocess.",
)
_ENVIRON = _Use(
    "changes os.environ",
    "The whole process has one, which rows that run at the same time, and the notebook, read. It is put "
    "back when the run ends.",
    "Pass values as arguments, and to a subprocess with env=.",
)
_SEED = _Use(
    "seeds",
    "The whole process has one such generator, so rows that run at the same time change each other's "
    "numbers.",
)
_CALLS = {
    "contextlib.redirect_stdout": _REDIRECT._replace(verb="uses redirect_stdout()"),
    "contextlib.redirect_stderr": _REDIRECT._replace(verb="uses redirect_stderr()"),
    **dict.fromkeys(
        ("os.chdir", "os.fchdir", "posix.chdir", "posix.fchdir", "contextlib.chdir"), _CHDIR
    ),
    **dict.fromkeys(("os.putenv", "os.unsetenv", "posix.putenv", "posix.unsetenv"), _ENVIRON),
    **{
        f"os.environ.{method}": _ENVIRON
        for method in ("clear", "pop", "popitem", "setdefault", "update")
    },
    "random.seed": _SEED._replace(
        verb="calls random.seed()", instead="Make one for the row: rng = random.Random(...)."
    ),
    "numpy.random.seed": _SEED._replace(
        verb="calls numpy.random.seed()",
        instead="Make one for the row: rng = numpy.random.default_rng(...).",
    ),
}
"""By the dotted name of the function."""

_STREAMS = {"sys.stdin", "sys.stdout", "sys.stderr"}
_INPUTS = {
    "builtins.input": "input",
    "getpass.getpass": "getpass",
    "getpass.unix_getpass": "getpass",
}
_RUNS_LOOP = {"asyncio.run", "asyncio.runners.run"}
_PYPLOT = "matplotlib.pyplot."
_DRAWS = {
    "annotate", "axes", "axhline", "axis", "axvline", "bar", "barh", "boxplot", "cla", "clf", "colorbar",
    "contour", "contourf", "errorbar", "figtext", "fill", "fill_between", "gca", "gcf", "grid", "hexbin",
    "hist", "hist2d", "imshow", "legend", "loglog", "matshow", "pcolormesh", "pie", "plot", "quiver",
    "savefig", "sca", "scatter", "semilogx", "semilogy", "show", "stackplot", "stairs", "stem", "step",
    "subplot", "suptitle", "text", "tight_layout", "title", "violinplot", "xlabel", "xlim", "xscale",
    "xticks", "ylabel", "ylim", "yscale", "yticks",
}  # fmt: skip
"""The functions of pyplot that use its current figure."""


class _Hook(NamedTuple):
    """A method of a node, and where a run calls it."""

    is_async: bool
    in_thread: bool
    threads: bool
    """Whether the run uses threads at all."""


def shared_process(reached: ReachableNode, limit: int, *, threads: bool) -> Iterator[Finding]:
    """Find what a node changes or uses of the process, and thereby of all rows."""
    in_threads = hooks_in_threads(reached.node) if threads else ()
    several = limit > 1 or fans_out(reached.node)
    for name in hooks_of(reached.node):
        method = reached.source.get(name)
        if method is None:
            continue
        hook = _Hook(isinstance(reached.node, AsyncNode), name in in_threads, threads)
        found: dict[str, Finding] = {}
        for each in executed_code(reached.source, name):
            use = _use_of(each, hook)
            if use is None:
                continue
            # What a coroutine calls, and does not await, runs to its end before other rows do.
            meanwhile = several and (hook.in_thread or each.in_coroutine)
            note = not meanwhile if use.note is None else use.note
            if use.why not in found or (found[use.why].note and not note):
                found[use.why] = Finding(
                    f"{each.subject(name)} {use.verb}.",
                    use.why,
                    use.instead,
                    reached.name,
                    reached.source.place(name, each.call),
                    note=note,
                )
        yield from found.values()


def _use_of(each: Executed, hook: _Hook) -> _Use | None:
    node, scope = each.node, each.scope
    if isinstance(node, ast.Call):
        passed = next((each for each in map(scope.name_of, node.args) if each in _INPUTS), "")
        if passed:  # such as `asyncio.to_thread(input)`
            return _use_of_input(_INPUTS[passed], hook._replace(in_thread=True))
        return _use_of_call(scope.name_of(node.func), node, hook)
    for target in _targets(node):
        name = scope.name_of(target)
        if name in _STREAMS:
            return _REDIRECT._replace(verb=f"assigns {name}")
        if isinstance(target, ast.Subscript):
            name = scope.name_of(target.value)
        if name == "os.environ":
            constant = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            return _ENVIRON._replace(note=True) if constant else _ENVIRON
    return None


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a statement assigns to or deletes."""
    waiting: list[ast.expr] = []
    if isinstance(node, (ast.Assign, ast.Delete)):
        waiting = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        waiting = [node.target]
    for target in waiting:
        if isinstance(target, (ast.Tuple, ast.List)):
            waiting.extend(target.elts)
        else:
            yield target


def _use_of_call(name: str, call: ast.Call, hook: _Hook) -> _Use | None:
    if name == "os.environ.setdefault" and all(
        isinstance(each, ast.Constant) for each in call.args
    ):
        return _ENVIRON._replace(note=True)  # the same for each row
    if name in _CALLS:
        return _CALLS[name]
    if name == "signal.signal":
        return _use_of_signal(hook)
    if name in _INPUTS:
        return _use_of_input(_INPUTS[name], hook)
    if name.startswith(_PYPLOT):
        return _use_of_pyplot(name.removeprefix(_PYPLOT), call)
    return _use_of_loop(name, call, hook)


def _use_of_signal(hook: _Hook) -> _Use:
    instead = "Set the handler in a cell. To limit the time of a row, use timeout=."
    if hook.in_thread:
        why = "Python allows that in the main thread only; here it raises a ValueError."
        return _Use("calls signal.signal() in a thread", why, instead, note=False)
    why = "The whole process has one handler for each signal, and the notebook needs that for interrupts."
    return _Use("calls signal.signal()", why, instead)


def _use_of_input(name: str, hook: _Hook) -> _Use:
    why = "In a notebook it raises an InputError, unless a cell waits for the run; then rows take turns"
    return _Use(
        f"calls {name}()",
        f"{why}." if hook.in_thread else f"{why}; and no other row runs until it is answered.",
        "Add --wait --limit 1; or ask in a cell, and pass the answer as a param.",
        note=False,
    )


def _use_of_pyplot(function: str, call: ast.Call) -> _Use | None:
    # `plt.close(figure)` is for one figure; without arguments or with "all", it may be another row's.
    closes = function == "close" and all(isinstance(each, ast.Constant) for each in call.args)
    if function not in _DRAWS and not closes:
        return None
    return _Use(
        f"uses pyplot's current figure in plt.{function}()",
        "The whole process has one, so rows that run at the same time draw into the same figure.",
        "Make one for the row: fig = matplotlib.figure.Figure(), then ax = fig.subplots().",
    )


def _use_of_loop(name: str, call: ast.Call, hook: _Hook) -> _Use | None:
    completes = isinstance(call.func, ast.Attribute) and call.func.attr == "run_until_complete"
    if hook.in_thread or not (completes or name in _RUNS_LOOP):
        return None
    if hasattr(asyncio, "_nest_patched"):  # nest_asyncio allows it
        return None
    if hook.is_async:
        instead = "Await the coroutine instead."
    elif hook.threads:
        instead = "Move the call to exec, which runs in a thread."
    else:
        instead = "Make the node an AsyncNode, and await the coroutine."
    return _Use(
        f"calls {'run_until_complete' if completes else 'asyncio.run'}()",
        "An event loop runs there already, so this raises a RuntimeError.",
        instead,
        note=False,
    )
