"""The line of `%%batchflow`, parsed into the options of a run, and the objects that it names."""

from __future__ import annotations

import builtins
import keyword
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from IPython.core.error import UsageError
from IPython.utils.process import arg_split  # type: ignore[attr-defined] # as magic_arguments does
from pocketflow import BaseNode

from ..engines.base import Engine
from ..engines.registry import NAMES, engine_of
from ..errors import EngineError, FlowmagicError, JournalError, MissingExtraError, describe
from ..flow.graph import check_flow
from ..run.options import OPTIONS, Options
from ..text.python_names import path_of
from ..text.suggestions import did_you_mean

_CREATE_STORE = "Create one in an earlier cell, shared = {}, and write its name: shared."


@dataclass(frozen=True)
class MagicArguments:
    """The parsed line of a `%%batchflow` cell.

    Attributes:
        flow: the name of the flow; None: the line is empty.
        options: the options of the run.
        shared: the name of the shared store.
        file: the path of the file that holds the params.
        output: the variable that the run is bound to.
        wait: whether the cell waits for the run; None: the line does not say.
        compact: whether the panel is folded to one line at first.
        check: whether the flow is only checked, not run.
        rerun_line: the same line for running one row again, without `--output` and `--file`.
        engine: the name of the user's engine; None: the engine in `options`.
        manual: the text to print instead of anything else, if the line asks for it; else empty.
    """

    flow: str | None
    options: Options
    shared: str | None = None
    file: str | None = None
    output: str | None = None
    wait: bool | None = None
    compact: bool = False
    check: bool = False
    rerun_line: str = ""
    engine: str | None = None
    manual: str = ""


def read_line(
    method: Any,
    text: str,
    namespace: Mapping[str, Any],
    *,
    limit: int,
    per_minute: float | None,
    capture: bool,
    journal: str | None = None,
) -> MagicArguments:
    """Parse the line of a magic.

    Args:
        method: the magic's method, decorated with `line_arguments`.
        text: what follows the magic's name; a comment at its end is ignored.
        namespace: has the variables whose values stand for `$name` and `{name}`.
        limit, per_minute, capture, journal: the values for a line that does not give them.

    Raises:
        UsageError: the line is wrong; the message is one line.
    """
    text = _without_comment(text)
    values = _parsed(method.parser, text, namespace)
    options = {name: values[name] for name in OPTIONS if name in values}
    users_engine = None if options.get("engine", "local") in NAMES else options.pop("engine")
    check_output(values["output"], values["flow"], values["shared"], users_engine)
    if values["resume_anyway"]:
        options["resume"] = "anyway"
    if "adaptive" not in options:
        options.setdefault("limit", limit)
    options.setdefault("per_minute", per_minute)
    options["journal"] = options.get("journal") or journal or None
    return MagicArguments(
        flow=values["flow"],
        options=replace(_checked(options), capture=capture and values["capture"]),
        shared=values["shared"],
        file=values["file"],
        output=values["output"],
        wait=values["wait"],
        compact=values["compact"],
        check=values["check"],
        rerun_line=_rerun_line(text),
        engine=users_engine,
        manual=method.parser.format_help().lstrip(":\n") if values["help"] else "",
    )


def check_output(output: str | None, *used: str | None) -> None:
    """Check the name that a run is to be bound to.

    Args:
        used: names that the run itself uses, which may be dotted: its flow, its shared store.

    Raises:
        UsageError: it is no name for a variable, one of the used names, or a built-in one.
    """
    if output is None:
        return
    if not output.isidentifier() or keyword.iskeyword(output):
        raise UsageError(f"-o takes a variable name, not {output!r}. Write for example -o run.")
    own = hasattr(builtins, output)
    if own or output in {re.split(r"[.\[]", name)[0] for name in used if name is not None}:
        what = f"Python's own {output}" if own else f"{output}, which this run uses"
        raise UsageError(f"-o {output} would replace {what}. Write for example -o {output}_run.")


def _checked(options: dict[str, Any]) -> Options:
    """Return the options of the run; errors name them as they are written in a cell."""
    limit, adaptive, burst = (options.get(name) for name in ("limit", "adaptive", "burst"))
    if limit is not None and adaptive is not None:
        raise UsageError(
            f"--limit {limit} and --adaptive {adaptive} both set how many instances run at once. "
            f"Write only one of them: --adaptive {adaptive} begins with {adaptive.start}."
        )
    if burst is not None and options["per_minute"] is None:
        raise UsageError(
            f"--burst {burst} needs --per-minute. Write for example --per-minute 60 --burst {burst}."
        )
    try:
        return Options.of(**options)
    except (MissingExtraError, JournalError) as error:
        raise UsageError(as_written_in_a_cell(str(error))) from None


_IN_A_CELL = {
    'engine="dask"': "--engine dask",
    "journal='runs.journal'": "--journal runs.journal",
    "resume='anyway'": "--resume-anyway",
    "leave resume out": "leave --resume out",
    'fill_shared="question"': "--fill-shared question",
    "fill_shared=True": "--fill-shared",
}


def as_written_in_a_cell(message: str) -> str:
    """Return an error message with the options as they are written in a cell, not in Python."""
    for python, cell in _IN_A_CELL.items():
        message = message.replace(python, cell)
    return message


def _without_comment(text: str) -> str:
    for found in re.finditer(r"\"[^\"]*\"|'[^']*'|(?:^|\s)#", text):
        if found[0].endswith("#"):
            return text[: found.start()]
    return text


def _words(text: str, namespace: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of a line, without quotes around values, and with variables replaced."""
    for word in arg_split(text):
        name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        elif variable := re.fullmatch(r"\$([\w.]+)|\{(.+)\}", value):
            hint = "Assign it in an earlier cell, n = 5, and write {n}."
            value = str(_find(namespace, variable[1] or variable[2], "variable", hint))
        yield f"{name}{equals}{value}"


def _parsed(parser: Any, text: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in a line; raise UsageError with a suggestion for an unknown option."""
    words = list(_words(text, namespace))
    if {"--wait", "--no-wait"} <= set(words):
        raise UsageError(
            "--wait and --no-wait contradict each other. Write only one of them: --wait"
        )
    parsed, unknown = parser.parse_known_args(words)
    values: dict[str, Any] = vars(parsed)
    if not unknown:
        return values
    first = unknown[0]
    if not first.startswith("-"):
        raise UsageError(
            f"{first!r} is not an option. Only options may follow the flow's name, like --limit 5."
        )
    options = sorted(name for name in parser._option_string_actions if name.startswith("--"))
    hint = did_you_mean(first.partition("=")[0], options) or "%%batchflow? lists all options."
    raise UsageError(f"There is no option {first}. {hint}")


def _rerun_line(text: str) -> str:
    """Return a line without `--output` and `--file`, which may be abbreviated, and their values."""
    kept: list[str] = []
    tokens = shlex.shlex(text, posix=False)  # as IPython splits it: quotes are left on
    tokens.whitespace_split, tokens.commenters = True, ""
    for token in tokens:
        name, has_value, _ = token.partition("=")
        short = token[:2] in {"-o", "-f"}
        long = len(name) > len("--") and ("--output".startswith(name) or "--file".startswith(name))
        if not (short or long):
            kept.append(token)
        elif token in {"-o", "-f"} or (long and not has_value):
            next(tokens, None)
    return " ".join(kept)


def flow_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names that hold a flow or a node."""
    return sorted(
        name
        for name, value in namespace.items()
        if isinstance(value, BaseNode) and not name.startswith("_")
    )


def find_flow(namespace: Mapping[str, Any], name: str | None) -> Any:
    """Return the flow of a name.

    Raises:
        UsageError: there is no such name, or it holds no flow.
    """
    if name is None:
        raise UsageError("The line names no flow. Write for example %%batchflow flow --limit 5.")
    flow = _find(
        namespace,
        name,
        "flow",
        "Create one in an earlier cell, flow = AsyncFlow(start=node), and write its name: flow.",
        flow_names(namespace),
    )
    try:
        check_flow(flow)
    except FlowmagicError as error:
        raise UsageError(str(error).replace("The flow", name, 1)) from None
    return flow


def find_shared_store(namespace: Mapping[str, Any], name: str | None) -> Any:
    """Return the shared store of a name, which may be any object that nodes can write to.

    Raises:
        UsageError: there is no such name, or nodes could not write to what it holds.
    """
    if name is None:
        return None
    shared = _find(namespace, name, "shared store", _CREATE_STORE)
    writable = hasattr(shared, "__setitem__") or hasattr(shared, "__dict__")
    if isinstance(shared, list) or not writable:
        raise UsageError(f"--shared {name} is {describe(shared)}, not a dict. {_CREATE_STORE}")
    return shared


def find_engine(namespace: Mapping[str, Any], name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        UsageError: there is no such name, or it holds no engine.
    """
    engine = _find(
        namespace,
        name,
        "engine",
        "Write local, dask, or the name of an engine that you created, such as "
        'cluster = flowmagic.DaskEngine("tcp://…").',
        NAMES,
    )
    try:
        return engine_of(engine)
    except EngineError as error:
        raise UsageError(str(error).replace("engine", f"--engine {name}", 1)) from None


def _find(
    namespace: Mapping[str, Any], name: str, kind: str, hint: str, known: Iterable[str] = ()
) -> Any:
    """Look up a name, which may be `my.flow` or `flows["a"]`. It is never evaluated."""
    first, steps = path_of(name) or ("", [])
    try:
        value = namespace[first]
        for get, key in steps:
            value = get(value, key)
    except (LookupError, AttributeError, TypeError):
        hint = did_you_mean(name, known) or hint
        raise UsageError(f"There is no {kind} named {name!r}. {hint}") from None
    return value
