"""The arguments of `%%batchflow`, as its help and its completion show them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from IPython.core.magic_arguments import argument, magic_arguments

from ..limits.adaptive import Adaptive
from ..limits.limits import check_burst, check_concurrency, check_per_minute, check_seconds
from ..run.failures import ErrorBudget, Retries
from ..run.options import OPTIONS, Options


def _converter(convert: Callable[[str], Any], expected: str) -> Callable[[str], Any]:
    """Return a converter for argparse whose error says what was expected."""

    def converter(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None

    return converter


def _run_option(name: str, note: str = "", **settings: Any) -> Any:
    """Return the argument for an option of a run. It has no default: `Options.of` knows that.

    Args:
        name: the field of `RunArguments`, whose description is the help.
        note: what the help adds for the magic.
        settings: further arguments of `add_argument`.
    """
    doc = OPTIONS[name].metadata["doc"]
    return argument(
        f"--{name.replace('_', '-')}",
        default=argparse.SUPPRESS,
        help=f"{doc} {note}".rstrip().replace("%", "%%"),
        **settings,
    )


_ARGUMENTS = (
    argument("flow", nargs="?", help="Name of a PocketFlow flow or node: flow, or my.flow."),
    _run_option(
        "limit",
        "The panel's slider changes it during the run.",
        metavar="N",
        type=_converter(lambda text: check_concurrency(int(text)), "a positive integer, like 5"),
    ),
    _run_option(
        "per_minute",
        metavar="N",
        type=_converter(lambda text: check_per_minute(float(text)), "a positive number, like 5"),
    ),
    _run_option(
        "burst",
        metavar="N",
        type=_converter(lambda text: check_burst(int(text)), "a positive integer, like 5"),
    ),
    _run_option(
        "adaptive",
        metavar="MIN-START-MAX",
        type=_converter(Adaptive.parse, "MIN-START-MAX, like 2-10-50"),
    ),
    _run_option(
        "timeout",
        metavar="SECONDS",
        type=_converter(
            lambda text: check_seconds(float(text), "timeout"),
            "a positive number of seconds, like 5",
        ),
    ),
    _run_option(
        "retries",
        metavar="N",
        type=_converter(lambda text: Retries(int(text)), "a number of further attempts, like 2"),
    ),
    _run_option(
        "max_errors",
        metavar="N|P%",
        type=_converter(ErrorBudget.of, "a count or a share of failures, like 10 or 20%"),
    ),
    _run_option(
        "keep",
        metavar="N",
        type=_converter(
            lambda text: Options.of(keep=int(text)).keep, "a number of rows, like 1000"
        ),
    ),
    _run_option(
        "keep_bytes",
        metavar="N",
        type=_converter(
            lambda text: Options.of(keep_bytes=int(text)).keep_bytes,
            "a number of bytes, like 2_000_000_000",
        ),
    ),
    argument(
        "--shared",
        metavar="NAME",
        help="Name of the dict to use as the shared store. Without it: a new dict, at run.shared.",
    ),
    _run_option("isolate", action="store_true"),
    _run_option("fill_shared", metavar="NAME", nargs="?", const=True),
    _run_option(
        "allow_shared",
        "Give the option once for each key.",
        metavar="KEY",
        action="append",
    ),
    argument(
        "--no-track",
        dest="track_shared",
        action="store_false",
        default=argparse.SUPPRESS,
        help="Do not look for instances that cross in the shared store; nodes get it as it is.",
    ),
    argument(
        "-f",
        "--file",
        metavar="FILE",
        help="Read the param list from a .csv or .jsonl file instead of the cell's body.",
    ),
    _run_option("journal", metavar="PATH"),
    _run_option("resume", action="store_true"),
    argument(
        "--resume-anyway",
        action="store_true",
        help="Like --resume, also if the flow has changed since.",
    ),
    _run_option("in_doubt", choices=["run", "skip"]),
    _run_option("reuse", action="store_true"),
    _run_option("sync", choices=["normal", "full"]),
    _run_option("journal_secrets", action="store_true"),
    argument("-o", "--output", metavar="NAME", help="Bind the run to this variable, at once."),
    argument("-h", "--help", action="store_true", help="Run nothing: print this manual."),
    argument(
        "--check",
        action="store_true",
        help="Run nothing: list what is likely to go wrong, before it costs anything.",
    ),
    argument(
        "--compact", action="store_true", help="Fold the panel to one line; a click unfolds it."
    ),
    argument(
        "--wait", action="store_true", default=None, help="Wait in this cell until the run ends."
    ),
    argument(
        "--no-wait",
        dest="wait",
        action="store_false",
        help="Return at once; the run continues in the background.",
    ),
    _run_option(
        "engine",
        'Write its variable: cluster, after cluster = flowmagic.DaskEngine("tcp://host:8786").',
        metavar="NAME",
    ),
    argument(
        "--no-threads",
        dest="threads",
        action="store_false",
        default=argparse.SUPPRESS,
        help="Run the exec of sync nodes on the event loop, as PocketFlow does, not in threads.",
    ),
    argument(
        "--no-capture",
        dest="capture",
        action="store_false",
        help="Let the instances print and log into the cell, interleaved. Without it, what they print "
        "goes to run[i].printed: the first 16 kB and the last 48 kB of each instance, 64 MB in all; "
        "beyond that, the texts of successful instances are dropped first.",
    ),
)


def line_arguments(method: Any) -> Any:
    """Decorate the method of a magic with the arguments, so that `%%batchflow?` shows them."""
    for each in reversed(_ARGUMENTS):
        method = each(method)
    return magic_arguments()(method)
