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
    causes: dict[tuple[str, str, str], list[int]] = {}
    advice = _advice(options)
    failed = records.with_status(FAILED)
    for index in failed[:MOST_READ]:
        error = records.results[index]
        refusal = classify_refusal(error)
        why, instead = (hint_for(error), "") if refusal is None else advice[refusal.kind]
        if why:
            causes.setdefault((type(error).__name__, why, instead), []).append(index)
    of_first = f", of the first {MOST_READ} failures" if len(failed) > MOST_READ else ""
    return [
        Finding(
            f"{subject_text(indices)} failed with {name}{of_first}.",
            why,
            instead,
            **concerned(indices),
        )
        for (name, why, instead), indices in causes.items()
    ]


def _advice(options: Options) -> dict[RefusalKind, tuple[str, str]]:
    """Return why refusals fail rows and what would have helped; empty if the run has it already."""
    limit = options.limits.concurrency
    bounds = f"{max(1, limit // 5)}-{limit}-{5 * limit}"
    why = "The provider asked to slow down, and this run does not try again."
    instead = (
        f'With --adaptive {bounds} (adaptive="{bounds}") it finds the limit that the provider allows, '
        "and refused instances run again; with --retries 3 (retries=3) they only run again."
    )
    stop = '--max-errors 20% (max_errors="20%") stops such a run early.'
    tries_again = options.adaptive is not None or options.retries.times > 0
    stops = options.adaptive is not None or options.max_errors is not None
    return {
        RefusalKind.RATE_LIMIT: ("", "") if tries_again else (why, instead),
        RefusalKind.QUOTA: ("The provider's quota is used up.", "" if stops else stop),
        RefusalKind.AUTHENTICATION: ("The provider refused the key.", "" if stops else stop),
    }
