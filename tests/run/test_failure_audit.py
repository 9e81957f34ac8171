"""Why instances failed, as run.audit() and the summary say it."""

from __future__ import annotations

import httpx
import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.summary.summary import as_text
from flowmagic.run.failure_audit import MOST_READ

REQUEST = httpx.Request("GET", "https://example.com")


class Ask(AsyncNode):
    async def exec_async(self, _):
        if error := self.params["error"]:
            raise error


def refused(status=429, body=None):
    response = httpx.Response(status, json=body, request=REQUEST)
    return httpx.HTTPStatusError("refused", request=REQUEST, response=response)


def run(*errors, **options):
    return flowmagic.run_batch(Ask(), [{"error": error} for error in errors], **options)


def said(ended) -> str:
    return "\n".join(map(str, ended.audit()))


def test_rows_that_a_rate_limit_refused_are_named_with_the_option_that_would_have_helped():
    """In the audit and in the summary, with bounds that fit the limit of the run."""
    ended = run(refused(), None, refused(), limit=10)
    text = said(ended)
    assert "Instances 0 and 2 failed with HTTPStatusError. The provider asked to slow down" in text
    assert 'With --adaptive 2-10-50 (adaptive="2-10-50")' in text
    assert "--retries 3 (retries=3)" in text
    assert "--adaptive 2-10-50" in as_text(ended)
    flowmagic.run_batch(Ask(), [{"error": None}], adaptive="2-10-50")  # what is advised is accepted
    assert "--adaptive 1-1-5" in said(run(refused(), limit=1))


@pytest.mark.parametrize(
    "options", [{"retries": flowmagic.Retries(1, wait=0.001)}, {"adaptive": "1-1-1"}]
)
def test_a_run_that_tries_again_needs_no_advice(options):
    """Rows that failed all the same have had their chance."""
    if "adaptive" in options:
        options["retries"] = flowmagic.Retries(refusals=0)
    assert "slow down" not in said(run(refused(), **options))


def test_a_quota_and_a_wrong_key_are_named_and_what_would_have_stopped_the_run():
    """Neither is helped by another attempt; an adaptive run stops by itself."""
    quota = {"error": {"code": "insufficient_quota"}}
    errors = refused(429, quota), refused(429, quota), refused(401)
    text = said(run(*errors))
    stop = '--max-errors 20% (max_errors="20%") stops such a run early.'
    assert (
        f"Instances 0 and 1 failed with HTTPStatusError. The provider's quota is used up. {stop}"
        in text
    )
    assert f"Instance 2 failed with HTTPStatusError. The provider refused the key. {stop}" in text
    assert "slow down" not in text
    assert "max_errors" not in said(run(*errors, max_errors=10))
    assert "max_errors" not in said(run(*errors, adaptive="1-1-1"))


def test_an_ordinary_failure_is_not_explained():
    """Nor is a request that is too large told to slow down."""
    large = {"error": {"message": "Request too large: Limit 30000, Requested 30601."}}
    assert said(run(refused(500), refused(404), ValueError("wrong"), refused(429, large))) == ""


def test_a_full_connection_pool_is_named_where_the_error_only_says_pool_timeout():
    """In the audit, in the summary, and in the traceback of the row."""
    ended = run(httpx.PoolTimeout(""), httpx.PoolTimeout(""))
    pool = "All connections of the HTTP client's own pool were in use"
    assert f"Instances 0 and 1 failed with PoolTimeout. {pool}" in said(ended)
    assert pool in as_text(ended)
    assert ended[0].traceback.splitlines()[-1].startswith(f"Hint: {pool}")


def test_of_many_failures_the_first_are_read():
    """So that a summary never takes long; it says so."""
    ended = run(*[refused() for _ in range(MOST_READ + 1)])
    assert f"of the first {MOST_READ} failures" in said(ended)
    assert ended.audit()[0].count == MOST_READ
