"""The line of `%%batchflow`: its options, and what they come to."""

from __future__ import annotations

import argparse
import difflib
import keyword
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.utils.process import arg_split  # type: ignore[attr-defined] # as magic_arguments does

from ..engines.registry import NAMES
from ..errors import JournalError, MissingExtraError
from ..limits.adaptive import Adaptive
from ..limits.limits import Limits, check_burst, check_concurrency, check_per_minute, check_seconds
from ..run.failures import ErrorBudget, Retries
from ..run.options import KEEP, Options


@dataclass(frozen=True)
class MagicArguments:
    """The line of a `%%batchflow` cell, understood.

    Attributes:
        again: the same line for one more run: its params stand in the cell, and it has no name.
        engine: the name of an engine of the user's, on which it is to run; None: `run` says where.
    """

    flow: str | None
    run: Options
    shared: str | None
    file: str | None
    output: str | None
    wait: bool | None
    check: bool
    again: str
    engine: str | None = None


def _number(check: Callable[[Any], Any], kind: Callable[[str], Any], what: str) -> Any:
    """Make a converter for argparse out of a check of the core."""

    def convert(text: str) -> Any:
        try:
            return check(kind(text))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive {what}, like 5") from None

    return convert


def _read(reader: Callable[[str], Any], what: str) -> Any:
    """Make a converter for argparse that says what it expected."""

    def convert(text: str) -> Any:
        try:
            return reader(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None

    return convert


def _rows(text: str) -> int:
    return Options.of(keep=int(text)).keep


_ARGUMENTS = (
    argument("flow", nargs="?", help="Name of a PocketFlow flow or node: flow, or my.flow."),
    argument(
        "--limit",
        metavar="N",
        type=_number(check_concurrency, int, "integer"),
        help="How many instances run at once. The panel's slider changes it while they run.",
    ),
    argument(
        "--per-minute",
        metavar="N",
        type=_number(check_per_minute, float, "number"),
        help="How many instances may start within any 60 seconds.",
    ),
    argument(
        "--burst",
        metavar="N",
        type=_number(check_burst, int, "integer"),
        help="With --per-minute: how many may start at once before the others are spread evenly.",
    ),
    argument(
        "--adaptive",
        metavar="MIN-START-MAX",
        type=_read(Adaptive.parse, "MIN-START-MAX, like 2-10-50"),
        help="Instead of --limit: let the run find its limit by what the provider refuses.",
    ),
    argument(
        "--timeout",
        metavar="SECONDS",
        type=_number(partial(check_seconds, name="--timeout"), float, "number of seconds"),
        help="How long one attempt of an instance may take; it then fails.",
    ),
    argument(
        "--retries",
        metavar="N",
        type=_read(lambda text: Retries(int(text)), "a number of further attempts, like 2"),
        default=Retries(),
        help="How many more attempts an instance gets that has failed.",
    ),
    argument(
        "--max-errors",
        metavar="N|P%",
        type=_read(ErrorBudget.of, "a count or a share of failures, like 10 or 20%"),
        help="Stop the run when more instances than that have failed: 10, 20%%, or 20%%/50 for a "
        "share of at least 50 that have ended.",
    ),
    argument(
        "--keep",
        metavar="N",
        type=_read(_rows, "a number of rows, like 1000"),
        default=KEEP,
        help="Of rows drawn from a generator, how many successful ones are kept in full.",
    ),
    argument(
        "--shared",
        metavar="NAME",
        help="Name of the shared store, a dict of yours. A new dict otherwise, at run.shared.",
    ),
    argument(
        "--isolate",
        action="store_true",
        help="Give each instance its own view of the shared store. What it wrote is run[i].writes, "
        "and run.shared[i] at the end.",
    ),
    argument(
        "--allow-shared",
        metavar="KEY",
        action="append",
        default=[],
        help="A key of the shared store at which instances are meant to meet, so that it is not "
        "reported. May be given again.",
    ),
    argument(
        "--no-track",
        dest="track_shared",
        action="store_false",
        help="Do not look for instances that meet in the shared store; nodes get it as it stands.",
    ),
    argument(
        "-f",
        "--file",
        metavar="FILE",
        help="Take the param list from a .csv or .jsonl file instead of the cell's body.",
    ),
    argument(
        "--journal",
        metavar="PATH",
        help="Write each instance to this file the moment it ends; a file holds many runs.",
    ),
    argument(
        "--resume",
        action="store_true",
        help="Do not run again what has succeeded, with the same params, in an earlier run of this "
        "flow in the journal. With an empty body (#), the param list is that of the latest such run.",
    ),
    argument(
        "--resume-anyway",
        action="store_true",
        help="As --resume, also if the flow has changed since.",
    ),
    argument(
        "--sync",
        choices=["normal", "full"],
        default="normal",
        help="With --journal: 'full' has each write outlive a loss of power, not only a dead kernel.",
    ),
    argument(
        "--journal-secrets",
        action="store_true",
        help="Write secrets to the journal as they are. Otherwise they are masked there.",
    ),
    argument("-o", "--output", metavar="NAME", help="Give the run this name, at once."),
    argument(
        "--check",
        action="store_true",
        help="Start nothing: say what is likely to go wrong, before anything is spent.",
    ),
    argument(
        "--wait", action="store_true", default=None, help="Wait in this cell for the run's end."
    ),
    argument(
        "--no-wait", dest="wait", action="store_false", help="Return at once; the run goes on."
    ),
    argument(
        "--engine",
        metavar="NAME",
        help="Where the instances run: local, in this kernel; dask, in processes on this machine; or "
        'the name of an engine of yours, like cluster = flowmagic.DaskEngine("tcp://host:8786"). On '
        "Dask each instance has a snapshot of the shared store, as with --isolate.",
    ),
    argument(
        "--no-threads",
        dest="threads",
        action="store_false",
        help="Run the exec of sync nodes on the event loop, as PocketFlow does, not in threads.",
    ),
    argument(
        "--no-capture",
        dest="capture",
        action="store_false",
        help="Let the instances print and log into the cell, mixed as it comes. Otherwise that goes "
        "to run[i].printed: of each the first 16 kB and the last 48 kB, of all 64 MB, successful "
        "ones dropped first.",
    ),
)


def line_arguments(method: Any) -> Any:
    """Decorate the method of a magic with the options, so that `%%batchflow?` shows them."""
    for each in reversed(_ARGUMENTS):
        method = each(method)
    return magic_arguments()(method)


def read_line(
    method: Any,
    text: str,
    *,
    limit: int,
    per_minute: float | None,
    capture: bool,
    journal: str | None = None,
) -> MagicArguments:
    """Understand the line of a magic.

    Args:
        method: the magic's, with the `line_arguments`.
        text: what stands behind the magic's name.
        limit, per_minute, capture, journal: what holds where the line says nothing of it.

    Raises:
        UsageError: what is wrong with it, in one line.
    """
    given = _parsed(method.parser, text)
    output = given.output
    if output is not None and (not output.isidentifier() or keyword.iskeyword(output)):
        raise UsageError(f"-o takes a name for the run, and {output!r} is none: -o run")
    if given.adaptive is not None and given.limit is not None:
        raise UsageError(
            f"--limit {given.limit} and --adaptive {given.adaptive} both say how many instances "
            f"run at once. Write one of them: --adaptive {given.adaptive} begins with "
            f"{given.adaptive.start}."
        )
    per_minute = per_minute if given.per_minute is None else given.per_minute
    if given.burst is not None and per_minute is None:
        raise UsageError(
            f"--burst {given.burst} says how many of the starts of a minute may come at once, and no "
            f"--per-minute says how many that are. Write --per-minute 60 --burst {given.burst}."
        )
    fixed = limit if given.limit is None else given.limit
    path = _unquoted(given.journal) if given.journal else journal or None
    try:
        run = Options.of(
            limit=fixed if given.adaptive is None else None,
            per_minute=per_minute,
            burst=Limits.burst if given.burst is None else given.burst,
            adaptive=given.adaptive,
            timeout=given.timeout,
            max_errors=given.max_errors,
            retries=given.retries,
            threads=given.threads,
            keep=given.keep,
            journal=path,
            resume="anyway" if given.resume_anyway else given.resume,
            sync=given.sync,
            journal_secrets=given.journal_secrets,
            isolate=given.isolate,
            allow_shared=[_unquoted(key) for key in given.allow_shared],
            track_shared=given.track_shared,
            engine=given.engine if given.engine in NAMES else None,
        )
    except MissingExtraError as error:
        raise UsageError(str(error).replace('engine="dask"', "--engine dask")) from None
    except JournalError as error:
        hint = str(error).replace("journal='runs.journal'", "--journal runs.journal")
        raise UsageError(hint) from None
    return MagicArguments(
        flow=given.flow,
        run=replace(run, capture=capture and given.capture),
        shared=given.shared,
        file=given.file and _unquoted(given.file),
        output=output,
        wait=given.wait,
        check=given.check,
        again=_again(text),
        engine=None if given.engine in NAMES else given.engine,
    )


def _parsed(parser: Any, text: str) -> argparse.Namespace:
    """Return what the options are; of one that is none, what was perhaps meant."""
    given, unknown = parser.parse_known_args(arg_split(text))
    if not unknown:
        return cast("argparse.Namespace", given)
    first = unknown[0]
    if not first.startswith("-"):
        raise UsageError(
            f"{first!r} is no option. Behind the name of the flow stand options only, like --limit 5."
        )
    options = sorted(name for name in parser._option_string_actions if name.startswith("--"))
    near = difflib.get_close_matches(first.partition("=")[0], options, n=1)
    hint = f"Did you mean {near[0]}?" if near else "%%batchflow? shows those there are."
    raise UsageError(f"There is no option {first}. {hint}")


def _again(text: str) -> str:
    kept: list[str] = []
    tokens = shlex.shlex(text, posix=False)  # as IPython splits it: quotes are left on
    tokens.whitespace_split, tokens.commenters = True, ""
    for token in tokens:
        name, given, _ = token.partition("=")
        short = token[:2] in {"-o", "-f"}
        # Long ones may be abbreviated.
        long = len(name) > len("--") and ("--output".startswith(name) or "--file".startswith(name))
        if not (short or long):
            kept.append(token)
        elif token in {"-o", "-f"} or (long and not given):
            next(tokens, None)
    return " ".join(kept)


def _unquoted(text: str) -> str:
    # IPython's splitting leaves the quotes on.
    quotes = "'\""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in quotes else text
