"""A run of a journal as a Python script, for where there is no notebook.

A journal is a file that anyone may have written: all that the script takes from it is a literal, or
a name that was checked to be one.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ...engines.registry import NAMES as ENGINES
from ...text.redact import MASK
from ..codec import decoded
from .literals import Literals
from .names import Names, is_name

if TYPE_CHECKING:
    from ..journal_run import JournalRun
    from ..snapshot import Entry

_RESERVED = {"flowmagic", "instance", "params", "run", "shared", "_node"}
_NODE = '''\
def _node(kind, /, **attributes):
    """Make a node with the attributes that it had."""
    made = object.__new__(kind)
    vars(made).update(params={}, successors={}, **attributes)
    return made
'''


def script_of(run: JournalRun) -> str:
    """Return the script."""
    return _Script(run).text()


class _Script:
    """Writes the parts of a script, and collects the imports and names that they need."""

    def __init__(self, run: JournalRun) -> None:
        self._run = run
        self._literals = Literals()
        nodes = {f"node{number}" for number in range(len(run.nodes))}
        modules = {f"_{name}" for name in ("datetime", "decimal", "numpy", "pathlib", "uuid")}
        self._names = Names(_RESERVED | nodes | modules)

    def text(self) -> str:
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
            head += [
                "",
                "# Not in the journal. Import or paste it here, with what it uses:",
                *(
                    f"# {line}"
                    for line in textwrap.wrap(", ".join(missing), break_long_words=False)
                ),
            ]
        return "\n".join([*head, "", "", *body])

    def _nodes(self) -> list[str]:
        made, linked = [], []
        parts = zip(self._run.nodes, self._run.parts, strict=True)
        for number, (node, part) in enumerate(parts):
            kind = self._names.of(node.location, version=part.source)
            arguments, missing = [kind or "..."], [] if kind else ["its class"]
            for entry in node.attributes:
                name, text, lacks = self._entry(entry)
                arguments.append(f"{name}={text}" if is_name(name) else f"**{{{name!r}: {text}}}")
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

    def _entry(self, entry: Entry) -> tuple[Any, str, str]:
        """Return the key of an entry, its value as Python, and the class of what is left out of it."""
        text, left_out = entry
        ((key, value),) = decoded(text).items()
        if left_out:
            return key, "...", left_out
        before = self._literals.unknown
        written = self._literals.of(value)
        return key, written, "" if self._literals.unknown == before else type(value).__name__

    def _shared(self) -> list[str]:
        lines = []
        for entry in self._run.shared:
            key, text, lacks = self._entry(entry)
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
            if value is not None and is_name(name):
                lines += self._option(name, value)
        return [*lines, '# journal="runs.journal" is left out: this would be one more run there']

    def _option(self, name: str, value: Any) -> list[str]:
        if name == "merge":
            function = self._names.of(str(value))
            return [f"merge={function},"] if function else [_left_out(name, value)]
        # Other texts say in words what could not be kept.
        if name == "engine" and str(value) not in ENGINES:
            return [_left_out(name, value)]
        if name == "allow_shared" and isinstance(value, str):
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
                arguments.append(f"on=({', '.join(names)},)" if several else f"on={names[0]}")
            elif is_name(name):
                arguments.append(f"{name}={self._literals.of(value)}")
        return [f"{option}=flowmagic.{_CLASSES[option]}({', '.join(arguments)}),", *remarks]


_CLASSES = {"adaptive": "Adaptive", "retries": "Retries"}


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
    """Return a comment at the end of a line, of printable characters only."""
    return "  # " + "".join(each if each.isprintable() else " " for each in text)
