"""A run of a journal as a Python script, for where there is no notebook."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import textwrap
import types
from collections.abc import Iterable
from typing import Any, Protocol

from ..showing import MASK, is_secret
from .encoding import decoded
from .fingerprint import Part
from .written import JournalInstance

_LONGEST = 500  # characters of a constant that is taken along
_MOST = 200  # names
_GIVEN = frozenset(dir(builtins))


class _Run(Protocol):
    number: int
    flow: str
    parts: list[Part]
    needs: list[str]
    options: dict[str, Any]
    retunes: list[list[Any]]

    @property
    def instances(self) -> list[JournalInstance]: ...


def needs_of(kinds: Iterable[type]) -> list[str]:
    """Return lines of Python that define what classes use of their modules, as far as can be told.

    Imports, functions and classes as they were written, and short constants; a secret is no constant
    to be taken along.
    """
    lines: dict[str, str] = {}
    todo: list[tuple[str, dict[str, Any]]] = []
    for kind in kinds:
        for each in kind.__mro__:
            module = inspect.getmodule(each)
            if module is not None and each.__module__.partition(".")[0] not in _OTHERS:
                todo.append((_source(each), vars(module)))
    seen = {each.__name__ for kind in kinds for each in kind.__mro__}
    while todo and len(seen) < _MOST:
        source, scope = todo.pop()
        for name in sorted(_names(source) - seen):
            if name in scope:
                seen.add(name)
                value = scope[name]
                lines[name] = _line(name, value)
                if isinstance(value, (types.FunctionType, type)) and _is_here(value):
                    todo.append((_source(value), scope))
    return sorted(lines.values(), key=lambda line: not line.startswith(("import ", "from ")))


_OTHERS = ("pocketflow", "builtins", "flowmagic")


def _names(source: str) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError):
        return set()
    loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return loaded - _GIVEN


def _source(value: Any) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return ""


def _is_here(value: Any) -> bool:
    """Whether something was defined where the run was started, so that it cannot be imported."""
    return getattr(value, "__module__", "") == "__main__"


def _line(name: str, value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
        if _is_here(value):
            return _source(value) or f"# {name}: its source is not known"
        origin = f"from {value.__module__} import {value.__name__}"
        return origin + ("" if value.__name__ == name else f" as {name}")
    if isinstance(value, (str, int, float, bool, type(None), list, tuple, dict)):
        text = repr(value)
        try:
            literal = ast.literal_eval(text) == value
        except (SyntaxError, ValueError):
            literal = False
        if literal and len(text) <= _LONGEST and not is_secret(name, value) and MASK not in text:
            return f"{name} = {text}"
    return f"{name} = ...  # to be defined: it was a {type(value).__name__}"


def script_of(run: _Run) -> str:
    """Return the script."""
    classes = [part.source for part in run.parts if part.source]
    params = [each.params for each in run.instances]
    options = dict(run.options)
    if run.retunes and options.get("adaptive") is None:
        _, options["limit"], options["per_minute"], _ = run.retunes[-1]
    if options.get("adaptive") is not None:
        del options["limit"]
    if isinstance(options.get("max_errors"), list):
        options["max_errors"] = tuple(options["max_errors"])
    given = ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)
    masked = ["# Secrets were masked in the journal: put them in where it says " + repr(MASK) + "."]
    rows = [f"    {row!r}," for row in params]
    return "\n".join(
        [
            f'"""Run {run.number} of {run.flow} once more, as a journal of flowmagic holds it."""',
            "",
            "import datetime",
            "import decimal",
            "import pathlib",
            "import uuid",
            "",
            "from pocketflow import *",
            "",
            "import flowmagic",
            *run.needs,
            "",
            "",
            *dict.fromkeys(textwrap.dedent(source) for source in classes),
            "",
            "def node(kind, **attributes):",
            '    """Make a node with the attributes that it had."""',
            "    made = object.__new__(kind)",
            "    vars(made).update(params={}, successors={}, **attributes)",
            "    return made",
            "",
            "",
            *_wiring(run.parts),
            "",
            *(masked if any(MASK in row for row in rows) else []),
            "params = [",
            *rows,
            "]",
            "",
            'if __name__ == "__main__":',
            f"    run = flowmagic.run_batch(node0, params, {given})",
            "    print(run)",
            "    for instance in run.failures:",
            "        print(instance.index, instance.error)",
            "",
        ]
    )


def _wiring(parts: list[Part]) -> list[str]:
    made, wired = [], []
    for number, part in enumerate(parts):
        successors, start, attributes = json.loads(part.wiring)
        given = [f", {name}={_literal(text)}" for name, text in attributes.items()]
        made.append(f"node{number} = node({part.name.rpartition('.')[2]}{''.join(given)})")
        if start is not None:
            wired.append(f"node{number}.start_node = node{start}")
        wired += [
            f"node{number}.successors[{action!r}] = node{to}"
            for action, to in successors.items()
            if to is not None
        ]
    return [*made, *wired]


def _literal(text: str) -> str:
    try:
        return repr(decoded(text))
    except Exception:  # noqa: BLE001 - of a class that could not be written
        return f"...  # to be defined: it was a {text}"
