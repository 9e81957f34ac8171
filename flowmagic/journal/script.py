"""A run of a journal as a Python script, for where there is no notebook.

A journal is a file that anyone may have written: all that the script takes from it is a literal, or
a name that was checked to be one.
"""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import math
import pathlib
import sys
import textwrap
import uuid
from typing import TYPE_CHECKING, Any

from ..engines.registry import NAMES as ENGINES
from ..records.cells import LARGE
from ..text.python_names import is_name, one_line
from ..text.redact import MASK
from .codec import decoded
from .snapshot import OF_POCKETFLOW, is_importable

if TYPE_CHECKING:
    from .journal_run import JournalRun
    from .snapshot import Entry

_CLASSES = {"adaptive": "Adaptive", "retries": "Retries"}  # options that are objects of flowmagic's
_ARGUMENTS = ("flow", "params", "shared")  # of `run_batch`, besides the options
_RESERVED = {"flowmagic", "instance", "params", "run", "shared", "_node"}
_NODE = '''\
def _node(kind, /, **attributes):
    """Make a node with the attributes that it had."""
    made = object.__new__(kind)
    vars(made).update(params={}, successors={}, **attributes)
    return made
'''


class Script:
    """Writes the parts of a script, and collects the imports and names that they need."""

    def __init__(self, run: JournalRun) -> None:
        self._run = run
        self._literals = Literals()
        nodes = {f"node{number}" for number in range(len(run.nodes))}
        modules = {f"_{name}" for name in ("datetime", "decimal", "numpy", "pathlib", "uuid")}
        self._names = Names(_RESERVED | nodes | modules)

    def text(self) -> str:
        """Return the script."""
        run = self._run
        body = [
            *_NODE.splitlines(),
            "",
            "",
            *self._nodes(),
            "",
            *self._shared(),
            *self._params(),
            "",
            'if __name__ == "__main__":',
            "    run = flowmagic.run_batch(",
            *textwrap.indent("\n".join(self._call()), " " * 8).splitlines(),
            "    )",
            "    print(run)",
            "    for instance in run.failures:",
            "        print(instance.index, instance.error)",
            "",
        ]
        head = [f'"""Run {run.number} of a journal of flowmagic, to run again."""', ""]
        if any(MASK in line for line in body):
            head += [f"# The journal masks secrets: replace each {MASK!r} by the real value.", ""]
        head += sorted({"import flowmagic", *self._literals.imports, *self._names.imports})
        missing = dict.fromkeys([*self._names.missing, *filter(is_name, run.notebook_names)])
        if missing:
            head += ["", "# Not in the journal. Import or paste it here, with what it uses:"]
            wrapped = textwrap.wrap(", ".join(missing), break_long_words=False)
            head += [f"# {line}" for line in wrapped]
        return "\n".join([*head, "", "", *body])

    def _nodes(self) -> list[str]:
        made, linked = [], []
        for number, node in enumerate(self._run.nodes):
            kind = self._names.of(node.location, version=str(node.version))
            arguments, missing = [kind or "..."], [] if kind else ["its class"]
            for name, (text, lacks) in dict(map(self._entry, node.attributes)).items():
                if name in OF_POCKETFLOW:
                    continue
                arguments.append(
                    f"{name}={text}"
                    if is_name(name)
                    else f"**{{{self._literals.of(name)}: {text}}}"
                )
                missing += [f"{name}, {lacks}"] if lacks else []
            remark = _remark(f"to be defined: {'; '.join(missing)}") if missing else ""
            made.append(f"node{number} = _node({', '.join(arguments)}){remark}")
            if node.start is not None:
                linked.append(f"node{number}.start_node = node{int(node.start)}")
            linked += [
                f"node{number}.successors[{action!r}] = node{int(to)}"
                for action, to in node.successors.items()
                if to is not None
            ]
        return [*made, *linked]

    def _entry(self, entry: Entry) -> tuple[Any, tuple[str, str]]:
        """Return the key of an entry; and its value as Python, with the class of what it lacks."""
        text, left_out = entry
        ((key, value),) = decoded(text).items()
        if left_out:
            return key, ("...", left_out)
        before = self._literals.unknown
        written = self._literals.of(value)
        lacks = "" if self._literals.unknown == before else type(value).__name__
        return key, (written, lacks)

    def _shared(self) -> list[str]:
        lines = []
        for entry in self._run.shared:
            key, (text, lacks) = self._entry(entry)
            remark = _remark(f"to be defined: {lacks}") if lacks else ""
            lines.append(f"    {self._literals.of(key)}: {text},{remark}")
        return ["shared = {", *lines, "}", ""] if lines else []

    def _params(self) -> list[str]:
        run, lines = self._run, []
        if run.drawn_by == "prep":
            lines.append("# The flow's own prep returned these rows, and does so again: not used.")
            if run.base:
                lines.append(f"node0.params = {self._literals.of(run.base)}")
        elif run.drawn_by == "generator":
            lines.append("# From a generator: the rows that it had given when the run ended.")
        lines.append("params = [")
        for index, row in enumerate(run.params):
            if isinstance(row, dict):
                lines.append(f"    {self._literals.of(row)},")
            else:
                lines.append(f"    ...,  # to be defined: row {index} could not be stored")
        return [*lines, "]", ""]

    def _call(self) -> list[str]:
        lines = ["node0,"] if self._run.drawn_by == "prep" else ["node0,", "params,"]
        if self._run.shared:
            lines.append("shared=shared,")
        for name, value in _latest_options(self._run).items():
            if value is not None and is_name(name) and name not in _ARGUMENTS:
                lines += self._option(name, value)
        return [*lines, '# journal="runs.journal" is left out: this would be one more run there']

    def _option(self, name: str, value: Any) -> list[str]:
        if name == "merge":
            function = self._names.of(str(value))
            return [f"merge={function},"] if function else [_left_out(name, value)]
        # Other texts say in words what could not be kept.
        unknown_engine = name == "engine" and str(value) not in ENGINES
        if unknown_engine or (name == "allow_shared" and isinstance(value, str)):
            return [_left_out(name, value)]
        if name in _CLASSES and isinstance(value, dict):
            return self._object(name, value)
        return [f"{name}={self._literals.of(value)},"]

    def _object(self, option: str, fields: dict[str, Any]) -> list[str]:
        """Return an option that is an object of flowmagic's, made from its fields."""
        arguments, remarks = [], []
        for name, value in fields.items():
            if name == "on":  # classes and functions
                several = isinstance(value, list)
                names = [self._names.of(str(each)) for each in (value if several else [value])]
                if not all(names):
                    remarks.append(_left_out(f"on of {option}", value))
                    continue
                several_names = f"({', '.join(names)}{',' * (len(names) == 1)})"
                arguments.append(f"on={several_names if several else names[0]}")
            elif is_name(name):
                arguments.append(f"{name}={self._literals.of(value)}")
        return [f"{option}=flowmagic.{_CLASSES[option]}({', '.join(arguments)}),", *remarks]


def _latest_options(run: JournalRun) -> dict[str, Any]:
    """Return the options of a run, with the limits that it ended with."""
    options = dict(run.options)
    if run.limit_history:
        _, options["limit"], options["per_minute"], _ = run.limit_history[-1]
    if adaptive := options.get("adaptive"):
        start = max(adaptive["minimum"], min(options.pop("limit"), adaptive["maximum"]))
        options["adaptive"] = {**adaptive, "start": start}
    return options


def _left_out(name: str, value: Any) -> str:
    return _remark(f"{name} is left out ({value})").lstrip()


def _remark(text: str) -> str:
    """Return a comment at the end of a line."""
    return f"  # {one_line(text)}"


_MAX_DEPTH = 60  # Python reads no more than 200 brackets within each other


class Literals:
    """Writes values as Python expressions.

    Attributes:
        imports: the import lines that the expressions need; their names begin with an underscore.
        unknown: how many values could not be written; `...` stands in their place.
    """

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.unknown = 0

    def of(self, value: Any, depth: int = 0) -> str:  # noqa: PLR0911 - one return per kind
        """Return an expression for a value that was read from a journal."""
        kind = type(value)
        if value is None or kind in (str, int, bool, bytes):
            return hex(value) if kind is int and abs(value) >= LARGE else repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if kind in (dict, list, tuple, set, frozenset) and depth < _MAX_DEPTH:
            return self._container(value, kind, depth + 1)
        if kind is complex:
            return f"complex({self.of(value.real)}, {self.of(value.imag)})"
        if kind in (dt.datetime, dt.date, dt.time, dt.timedelta):
            return self._using("datetime", repr(value).replace("datetime.", "_datetime."))
        if kind is decimal.Decimal:
            return self._using("decimal", f"_decimal.{value!r}")
        if kind is uuid.UUID:
            return self._using("uuid", f"_uuid.{value!r}")
        if isinstance(value, pathlib.PurePath):
            return self._using("pathlib", f"_pathlib.Path({str(value)!r})")
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
            return self._numpy(numpy, value)
        self.unknown += 1
        return "..."

    def _using(self, module: str, text: str) -> str:
        self.imports.add(f"import {module} as _{module}")
        return text

    def _container(self, value: Any, kind: type, depth: int) -> str:
        if kind is dict:
            items = [
                f"{self.of(key, depth)}: {self.of(each, depth)}" for key, each in value.items()
            ]
            return f"{{{', '.join(items)}}}"
        items = [self.of(each, depth) for each in value]
        inner = ", ".join(items)
        if kind is list:
            return f"[{inner}]"
        if kind is tuple:
            return f"({inner}{',' * (len(items) == 1)})"
        if kind is set and items:
            return f"{{{inner}}}"
        return f"{kind.__name__}([{inner}])" if items else f"{kind.__name__}()"

    def _numpy(self, numpy: Any, value: Any) -> str:
        plain = numpy.asarray(value)
        if value.dtype.kind in "mM":
            plain = plain.astype("int64")
        text = self._using(
            "numpy", f"_numpy.array({self.of(plain.tolist())}, dtype={value.dtype.str!r})"
        )
        if not plain.shape:
            return f"{text}[()]"
        return text if plain.size else f"{text}.reshape({plain.shape!r})"


class Names:
    """Gives each class and function of a script a name of its own.

    Args:
        reserved: names that the script uses itself.

    Attributes:
        imports: the lines that import what can be imported.
        missing: what the user has to import or paste: names, and `Ask as Ask_` for one that is taken.
    """

    def __init__(self, reserved: set[str]) -> None:
        self.imports: list[str] = []
        self.missing: list[str] = []
        self._taken = {*reserved, *dir(builtins)}
        self._names: dict[tuple[str, str], str] = {}

    def of(self, location: str, version: str = "") -> str:
        """Return the name for a location; empty if it is none (a lambda, say).

        `version` tells apart two classes at one location, as a cell that is run again makes them.
        """
        module, _, path = location.partition(":")
        if module == "builtins" and path in dir(builtins) and is_name(path):
            return path
        importable = is_importable(location)
        wanted, *inner = path.split(".") if importable else [path.rpartition(".")[2]]
        if not is_name(wanted):
            return ""
        # Classes within one class are found through it.
        key = (f"{module}:{wanted}", "") if importable else (location, version)
        if key not in self._names:
            self._names[key] = name = self._free(wanted)
            written = wanted if name == wanted else f"{wanted} as {name}"
            if importable:
                self.imports.append(f"from {module} import {written}")
            else:
                self.missing.append(written)
        return ".".join([self._names[key], *inner])

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name
