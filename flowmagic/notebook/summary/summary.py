"""The summary of a run: counts, failures and the first rows, as HTML without scripts and as text.

A saved notebook keeps it, a terminal prints it, and it is how `run` is displayed.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...records.instances import Instance
from ...records.row_secrets import secrets_of_row, secrets_of_run
from ...records.status import FAILED
from ...run.batchrun import BatchRun
from ...text.formatting import params_text, traceback_text, truncate
from ...text.redact import masked
from ..output_text import outcome_text
from ..pictures import THUMBNAIL, is_quick, render
from ..shell import name_of
from . import timeline
from .notices import crossing_lines, engine_lines, reuse_line

if TYPE_CHECKING:
    from ...journal.recorder import Recorder

FIRST_ROWS = 10
MOST_FAILURES_AS_TEXT = 50
UNFOLDED_FAILURES = 20
MOST_HOLDS, MOST_REMARKS = 3, 10
_REMARK, _OUTPUT = 500, 200  # characters
MOST_AUDITED = 20_000
"""Rows up to which the summary includes the audit, which blocks the event loop."""

MOST_BYTES = 200_000
"""The most that the HTML may weigh, in bytes of UTF-8."""

MOST_BRIEF_BYTES = 30_000

MOST_PICTURES = 100_000
"""The most that the pictures in it may weigh."""

_RENDERING = 0.3  # seconds after which no further picture is rendered: the event loop waits

_COLUMNS = ("#", "status", "params", "last node", "seconds", "output")
_ICONS = {"pending": "○", "running": "◐", "succeeded": "✓", "failed": "✗", "cancelled": "⊘"}


def headline(run: BatchRun) -> str:
    """Return the run in one line: `flow: 97 of 100 succeeded, 3 failed (12.3 s, limit 5)`."""
    counts = run.counts
    known = "" if run.total is None else f" of {run.total}"
    text = f"{run.name}: {counts.succeeded}{known} succeeded"
    for word in ("failed", "cancelled", "running", "pending"):
        if number := getattr(counts, word):
            text += f", {number} {word}"
    if run.records.restored:
        text += f", {len(run.records.restored)} of them restored from the journal"
    if run.status not in ("finished", "running"):
        text += f"; run {run.status}"
    if run.reason:
        stopped = run.status in ("stopping", "stopped")
        text += f", because {run.reason}" if stopped else f"; before that, {run.reason}"
    if run.cooling and not run.ended:
        text += f"; {cooling_text(run)}"
    return f"{text} ({run.elapsed:.1f} s, {limit_text(run)})"


def limit_text(run: BatchRun) -> str:
    """Return the current limit, and the bounds of an adaptive one."""
    text = f"limit {run.limit}"
    if run.adaptive is not None:
        bounds = run.adaptive.adaptive
        text += f", adapting {bounds.minimum}-{bounds.maximum}"
    return text


def cooling_text(run: BatchRun) -> str:
    """Return how long the run still waits because a provider asked it to; empty if it does not."""
    return f"waiting {math.ceil(run.cooling)} s, as the provider asked" if run.cooling else ""


def journal_text(journal: Recorder) -> str:
    """Return what the user must know about the journal of a run; empty if all is well."""
    if error := journal.write_error:
        return f"The journal cannot be written at the moment: {error}. The run continues."
    if journal.lost:
        return (
            f"{journal.lost} instances could not be written to the journal: {journal.loss_reason}."
        )
    return masked(" ".join(journal.warnings))


def remarks(run: BatchRun) -> list[str]:
    """Return what is worth a look apart from failures, in one or two sentences each."""
    journal = "" if run.journal is None else journal_text(run.journal)
    lines = [journal]
    lines += [hold.text(name_of) for hold in run.holds[:MOST_HOLDS]]
    if len(run) > MOST_AUDITED:
        lines.append("run.audit() looks for problems that raised no error.")
    else:
        found = [each for each in run.audit() if each.what not in journal]
        lines += [each.text(name_of) for each in found[:MOST_REMARKS]]
    secrets = secrets_of_run(run.records)
    return [truncate(masked(line, secrets), _REMARK) for line in lines if line]


def notes(run: BatchRun) -> list[str]:
    """Return what is good to know of a run."""
    lines = [reuse_line(run), *engine_lines(run.options.engine)]
    return [masked(line, secrets_of_run(run.records)) for line in lines if line]


def failures(run: BatchRun) -> Iterator[Instance]:
    """Give the failed instances one by one."""
    return (run[index] for index in run.records.with_status(FAILED))


def row(instance: Instance) -> tuple[str, ...]:
    """Return the table row of an instance, as text, with the columns `_COLUMNS`."""
    secrets = secrets_of_row(instance._records, instance.index)
    seconds = instance.seconds
    status = str(instance.status)
    return (
        str(instance.index),
        f"{_ICONS[status]} {status}{_attempts_text(instance)}",
        params_text(instance.params, 160),
        truncate(instance.node or "", 60),
        "" if seconds is None else f"{seconds:.3f}",
        outcome_text(instance._records, instance.index, _OUTPUT, secrets),
    )


def _attempts_text(instance: Instance) -> str:
    return f" ({instance.attempts} attempts)" if instance.attempts > 1 else ""


def broke(run: BatchRun) -> str:
    """Return the traceback of the error that broke the run itself; empty if there is none."""
    if run.error is None:
        return ""
    return traceback_text(run.error, secrets_of_run(run.records), name_of)


def as_text(run: BatchRun, *, brief: bool = False) -> str:
    """Return the summary as plain text; `brief` leaves out what takes long to make."""
    lines = [headline(run)]
    if text := broke(run):
        lines += ["The run broke:", *(f"  {line}" for line in text.splitlines())]
    lines += [f"  ⚠ {line}" for line in crossing_lines(run)]
    for shown, instance in enumerate(failures(run)):
        if shown == MOST_FAILURES_AS_TEXT:
            left = run.counts.failed - shown
            lines.append(f"  … and {left} more failures, all in run.failures")
            break
        index, _, params, node, _, error = row(instance)
        lines.append(f"  ✗ {index}  {params}  {node}: {error}{_attempts_text(instance)}")
    lines += [f"  ⚠ {line}" for line in ([] if brief else remarks(run))]
    lines += [f"  {line}" for line in notes(run)]
    if len({change.limit for change in run.limit_history}) > 1:
        lines.append(f"  {timeline.limit_words(run)}")
    table = [row(each) for each in run.instances[:FIRST_ROWS]]
    if table:
        widths = [max(map(len, column)) for column in zip(*table, _COLUMNS, strict=True)]
        for cells in (_COLUMNS, *table):
            padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            lines.append("  " + "  ".join(padded).rstrip())
        if (left := len(run) - len(table)) > 0:
            lines.append(f"  … and {left} more rows")
    if run.counts.failed:
        lines.append("  run.retry_failed() runs the failed instances again.")
    return "\n".join(lines)


def as_html(run: BatchRun, *, brief: bool = False) -> str:
    """Return the summary as HTML: no scripts, untrusted text escaped. A live panel folds it.

    Args:
        brief: leave out what takes long to make, and mark it, so that a live panel hides it.
    """
    head = [
        f"<details open class='{_classes(brief)}' style='{_FONT}'>",
        f"<summary style='cursor:pointer'>{escape(headline(run))}</summary>",
    ]
    if text := broke(run):
        head.append(f"<p>The run broke:</p><pre style='{_PRE}'>{escape(text)}</pre>")
    if crossings := crossing_lines(run):
        headline_of_crossings, *lines, advice = map(escape, crossings)
        listed = "".join(f"<li>{line}</li>" for line in lines)
        head.append(f"<p><b>⚠ {headline_of_crossings}</b></p><ul>{listed}</ul><p>{advice}</p>")
    first_rows = run.instances[:FIRST_ROWS]
    first = _table("First rows", map(row, first_rows), images={} if brief else _images(first_rows))
    if (left := len(run) - FIRST_ROWS) > 0:
        first.append(f"<p>… and {left} more rows.</p>")
    rest: list[str] = []
    if remark_lines := [] if brief else remarks(run):
        items = "".join(f"<li>{escape(line)}</li>" for line in remark_lines)
        rest.append(f"<p>Worth a look:</p><ul>{items}</ul>")
    rest += [f"<p>{escape(line)}</p>" for line in notes(run)]
    rest += ["" if brief else timeline.as_html(run), *first, "</details>"]
    most = MOST_BRIEF_BYTES if brief else MOST_BYTES
    failed = _failures(run, most - _weight([*head, *rest]) - 2_000)
    return "".join([*head, *failed, *rest])


def _failures(run: BatchRun, most_bytes: int) -> list[str]:
    """Return the failures as HTML: the first ones, then the others, folded."""
    if not run.counts.failed:
        return []
    rows = map(row, failures(run))
    parts = _table("Failures", islice(rows, UNFOLDED_FAILURES))
    if (left := run.counts.failed - UNFOLDED_FAILURES) > 0:
        others = _table("Further failures", rows, most_bytes - _weight(parts), left)
        title = f"<summary style='cursor:pointer'>{left:,} more failed</summary>"
        parts += ["<details>", title, *others, "</details>"]
    return [*parts, "<p><code>run.retry_failed()</code> runs the failed instances again.</p>"]


def _classes(brief: bool) -> str:  # noqa: FBT001
    return f"{_NO_MATH} fm-summary{' fm-brief' if brief else ''}"


def _images(instances: Sequence[Instance]) -> dict[str, str]:
    """Return the outputs that are pictures as HTML, by the index of the row as text."""
    images: dict[str, str] = {}
    end, left = time.perf_counter() + _RENDERING, MOST_PICTURES
    for each in instances:
        output = each.output
        if not is_quick(output) or time.perf_counter() > end:
            continue
        if (picture := render(output, THUMBNAIL)) is None:
            continue
        data = base64.b64encode(picture.data).decode()
        image = f"<img style='{_IMAGE}' alt='' src='data:{picture.media};base64,{data}'>"
        if len(image) <= left:
            left -= len(image)
            images[str(each.index)] = image
    return images


def _table(
    caption: str,
    rows: Iterable[tuple[str, ...]],
    most_bytes: float = float("inf"),
    total: int = 0,
    images: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    styles = [f"style='{_CELL};{_WRAP if name in _LONG else _KEEP}'" for name in _COLUMNS]
    names = "".join(
        f"<th {style}>{escape(name)}</th>" for style, name in zip(styles, _COLUMNS, strict=True)
    )
    parts = [
        f"<table style='{_TABLE}'><caption style='text-align:left'>{escape(caption)}</caption>",
        f"<thead><tr>{names}</tr></thead><tbody>",
    ]
    weight = 0
    for number, cells in enumerate(rows):
        texts = [escape(text) for text in cells]
        texts[-1] = images.get(cells[0], "") + texts[-1]
        line = "".join(
            f"<td {style}>{text}</td>" for style, text in zip(styles, texts, strict=True)
        )
        line = f"<tr>{line}</tr>"
        weight += len(line.encode())
        if weight > most_bytes:
            parts.append("</tbody></table>")
            parts.append(f"<p>… and {total - number} more, all in <code>run.failures</code>.</p>")
            return parts
        parts.append(line)
    parts.append("</tbody></table>")
    return parts


def _weight(parts: list[str]) -> int:
    return sum(len(part.encode()) for part in parts)


# Front ends render text between two dollar signs as a formula, also in HTML. These classes turn that
# off, in MathJax 3 and in MathJax 2.
_NO_MATH = "mathjax_ignore tex2jax_ignore"
# What JupyterLab writes in place of a panel whose kernel has gone: "Loading widget...", without an element.
_NO_EMPTY_PANEL = (
    "<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child .fm-summary)"
    ">.jp-OutputArea-output:not(:has(*)){display:none}</style>"
)
_FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px"
_IMAGE = "max-height:80px;max-width:160px;vertical-align:top;margin-right:6px"
_PRE = "overflow:auto;font-size:12px"
_TABLE = "border-collapse:collapse;margin:8px 0;font-size:12px;font-variant-numeric:tabular-nums"
_CELL = "text-align:left;padding:2px 10px 2px 0;vertical-align:top"
_WRAP, _KEEP = "overflow-wrap:anywhere;min-width:10em", "white-space:nowrap"
_LONG = ("params", "output")


def bundle(run: BatchRun, *, brief: bool = False) -> dict[str, str]:
    """Return the summary in both forms, as Jupyter takes them."""
    return {
        "text/html": as_html(run, brief=brief) + _NO_EMPTY_PANEL,
        "text/plain": as_text(run, brief=brief),
    }
