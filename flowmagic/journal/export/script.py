"""A run of a journal as a Python script, for where there is no notebook."""

from __future__ import annotations

import json
import keyword
import textwrap
from typing import Any, Protocol

from ...text.redact import MASK
from ..codec import decoded
from ..fingerprint import Part
from ..shared_snapshot import Written
from .definitions import Literals


class _Run(Protocol):
    number: int
    flow: str
    parts: list[Part]
    imports: list[str]
    definitions: list[str]
    options: dict[str, Any]
    written: dict[str, Written]
    shared: list[tuple[str, str]]
    drawn_by: str
    limit_history: list[list[Any]]

    @property
    def base(self) -> dict[Any, Any]: ...

    @property
    def params(self) -> list[Any]: ...


def script_of(run: _Run) -> str:
    """Return the script."""
    literals = Literals()
    body = [
        "def _node(kind, /, **attributes):",
        '    """Make a node with the attributes that it had."""',
        "    made = object.__new__(kind)",
        "    vars(made).update(params={}, successors={}, **attributes)",
        "    return made",
        "",
        "",
        *_wiring(run.parts, literals),
        "",
        *_shared(run, literals),
        *_params(run, literals),
        "",
        'if __name__ == "__main__":',
        *_call(run, literals),
        "    print(run)",
        "    for instance in run.failures:",
        "        print(instance.index, instance.error)",
        "",
    ]
    imports = sorted({*run.imports, *literals.imports, "import flowmagic"})
    definitions = [each.rstrip("\n") for each in run.definitions]
    head = [
        f'"""Run {run.number} of {run.flow} once more, as a journal of flowmagic holds it."""',
        "",
        # An annotation may name what nothing else needs.
        "from __future__ import annotations",
        "",
        *[line for line in imports if line != "from __future__ import annotations"],
        "",
        "",
    ]
    for each in definitions:
        head += [each, "", ""] if "\n" in each else [each]
    if definitions and "\n" not in definitions[-1]:
        head += ["", ""]
    if any(MASK in line for line in (*head, *body)):
        head.insert(
            2, f"# Secrets were masked in the journal: put them in where it says {MASK!r}.\n"
        )
    return "\n".join([*head, *body])


def _wiring(parts: list[Part], literals: Literals) -> list[str]:
    made, wired = [], []
    for number, part in enumerate(parts):
        successors, start, attributes = json.loads(part.wiring)
        kind = part.name.rpartition(".")[2]
        unknown = []
        given = []
        for name, text in attributes.items():
            value, known = _value(text, literals)
            plain = name.isidentifier() and not keyword.iskeyword(name)
            given.append(f", {name}={value}" if plain else f", **{{{name!r}: {value}}}")
            if not known:
                unknown.append(f"{name}, a {text}" if text.isidentifier() else name)
        remark = f"  # to be defined: {'; '.join(unknown)}" if unknown else ""
        made.append(f"node{number} = _node({kind}{''.join(given)}){remark}")
        if start is not None:
            wired.append(f"node{number}.start_node = node{start}")
        wired += [
            f"node{number}.successors[{action!r}] = node{to}"
            for action, to in successors.items()
            if to is not None
        ]
    return [*made, *wired]


def _value(text: str, literals: Literals) -> tuple[str, bool]:
    """Return what is kept of a value as Python, and whether that is all of it."""
    before = literals.unknown
    try:
        written = literals.of(decoded(text))
    except Exception:  # noqa: BLE001 - the name of its class stands there
        return "...", False
    return written, literals.unknown == before


def _shared(run: _Run, literals: Literals) -> list[str]:
    if not run.shared:
        return []
    lines = ["shared = {"]
    for text, kind in run.shared:
        ((key, value),) = decoded(text).items()
        written = "..." if kind else literals.of(value)
        remark = f"  # to be defined: it was a {kind}" if kind else ""
        lines.append(f"    {literals.of(key)}: {written},{remark}")
    return [*lines, "}", ""]


def _params(run: _Run, literals: Literals) -> list[str]:
    lines = []
    if run.drawn_by == "prep":
        lines.append("# The flow's own prep gave these; it does so again, and they are not used.")
        if run.base:
            lines.append(f"node0.params = {literals.of(run.base)}")
    elif run.drawn_by == "generator":
        lines.append("# From a generator: the rows that were drawn before the run ended.")
    lines.append("params = [")
    for index, row in enumerate(run.params):
        if isinstance(row, dict):
            lines.append(f"    {literals.of(row)},")
        else:
            lines.append(f"    ...,  # to be defined: row {index} has no form in a journal")
    return [*lines, "]", ""]


def _call(run: _Run, literals: Literals) -> list[str]:
    lines = ["node0,"] if run.drawn_by == "prep" else ["node0,", "params,"]
    if run.shared:
        lines.append("shared=shared,")
    for name, value in _tuned(run).items():
        written = run.written.get(name)
        if written is None:
            if value is not None:
                lines.append(f"{name}={literals.of(value)},")
            continue
        if written.expression:
            lines.append(f"{name}={written.expression},")
        if written.left:
            lines.append(
                f"# {name} is left out{' in part' * bool(written.expression)}: {written.left}"
            )
    lines.append('# journal="runs.journal" is left out: written there, it would be one more run')
    call = textwrap.indent("\n".join(lines), " " * 8)
    return ["    run = flowmagic.run_batch(", call, "    )"]


def _tuned(run: _Run) -> dict[str, Any]:
    """Return the options, with the limits that the run ended with."""
    options = dict(run.options)
    if run.limit_history:
        _, options["limit"], options["per_minute"], _ = run.limit_history[-1]
    if options.get("adaptive") is None:
        return options
    low, start, high = map(int, options["adaptive"].split("-"))
    now = max(low, min(options.pop("limit"), high)) if run.limit_history else start
    options["adaptive"] = f"{low}-{now}-{high}"
    if "adaptive" in run.written:
        expression, left = run.written["adaptive"]
        run.written["adaptive"] = Written(
            expression.replace(f"start={start},", f"start={now},"), left
        )
    options.pop("limit", None)
    return options
