"""Why instances failed, where that is known: refusals by a rate limit, and errors of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flow.finding import Finding, concerned, subject_text
from ..limits.refusals import RefusalKind, classify_refusal
from ..records.status import FAILED
from ..records.store import RecordStore
from ..text.hints import hint_for

if TYPE_CHECKING:
    from .options import Options

MOST_READ = 300
"""Failed instances whose errors are read; each takes some 0.1 ms."""


def explain_failures(records: RecordStore, options: Options) -> list[Finding]:
    """Return a finding for each known cause of failures, of the first `MOST_READ` failed instances."""
    refused: dict[str, list[int]] = {}
    hinted: dict[tuple[str, str], list[int]] = {}
    failed = records.with_status(FAILED)
    for index in failed[:MOST_READ]:
        error = records.results[index]
        name = type(error).__name__
        refusal = classify_refusal(error)
        if refusal is not None and refusal.kind is RefusalKind.RATE_LIMIT:
            refused.setdefault(name, []).append(index)
        elif refusal is None and (hint := hint_for(error)):
            hinted.setdefault((name, hint), []).append(index)
    of_first = f", of the first {MOST_READ} failures" if len(failed) > MOST_READ else ""
    findings = [
        Finding(f"{subject_text(each)} failed with {name}{of_first}.", hint, **concerned(each))
        for (name, hint), each in hinted.items()
    ]
    if options.adaptive is not None or options.retries.times:
        return findings
    limit = options.limits.concurrency
    bounds = f"{max(1, limit // 5)}-{limit}-{5 * limit}"
    findings += [
        Finding(
            f"{subject_text(each)} failed with {name}{of_first}.",
            "The provider asked to slow down, and this run does not try again.",
            f'With --adaptive {bounds} (adaptive="{bounds}") it finds the limit that the provider '
            "allows, and refused instances run again; with --retries 3 (retries=3) they only run again.",
            **concerned(each),
        )
        for name, each in refused.items()
    ]
    return findings
