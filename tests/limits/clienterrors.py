"""Errors as the libraries of providers raise them, and what providers write into them."""

from __future__ import annotations

import io
import json
import urllib.error
from email.message import Message
from http import HTTPStatus
from unittest.mock import Mock

import aiohttp
import anthropic
import httpx
import openai
import pytest
import requests
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

URI = "https://api.example.com/v1/chat"
REQUEST = httpx.Request("POST", URI)


def of_httpx(status, headers=None, body=None):
    response = httpx.Response(status, headers=headers, json=body, request=REQUEST)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    return caught.value


def of_requests(status, headers=None, body=None):
    response = requests.Response()
    response.status_code, response.url, response.reason = status, URI, HTTPStatus(status).phrase
    response.headers.update(headers or {})
    response.raw = io.BytesIO(json.dumps(body).encode())
    response.content  # as after a request without stream=True
    with pytest.raises(requests.HTTPError) as caught:
        response.raise_for_status()
    return caught.value


def of_aiohttp(status, headers=None, body=None):
    headers = CIMultiDictProxy(CIMultiDict(headers or {}))
    info = aiohttp.RequestInfo(URL(URI), "POST", headers, URL(URI))
    return aiohttp.ClientResponseError(
        info, (), status=status, message=HTTPStatus(status).phrase, headers=headers
    )


def of_urllib(status, headers=None, body=None):
    message = Message()
    for name, value in (headers or {}).items():
        message[name] = value
    return urllib.error.HTTPError(URI, status, HTTPStatus(status).phrase, message, None)


def of_openai(status, headers=None, body=None):
    response = httpx.Response(status, headers=headers, json=body, request=REQUEST)
    return openai.OpenAI(api_key="x")._make_status_error_from_response(response)


def of_anthropic(status, headers=None, body=None):
    response = httpx.Response(status, headers=headers, json=body, request=REQUEST)
    return anthropic.Anthropic(api_key="x")._make_status_error_from_response(response)


class GoogleError(Exception):
    """As google-genai's: an int in `code`, a name in `status`, the parsed body in `details`."""

    def __init__(self, status, headers=None, body=None):
        error = (body or {}).get("error", {})
        self.code, self.status, self.details = status, error.get("status"), body
        self.response = Mock(spec=["headers"], headers=headers or {})
        super().__init__(f"{status} {self.status}. {body}")


class ClientError(Exception):
    """As botocore's: the parsed answer is a dict in `response`."""

    def __init__(self, status, headers=None, body=None):
        self.response = {
            "Error": body or {"Code": str(status), "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
        }
        super().__init__(f"An error occurred when calling the Converse operation: {body}")


LIBRARIES = [
    of_httpx,
    of_requests,
    of_aiohttp,
    of_urllib,
    of_openai,
    of_anthropic,
    GoogleError,
    ClientError,
]
"""Each makes an error of one library, from a status, headers and a body."""


class Bare(Exception):
    """An error with the given attributes."""

    def __init__(self, *args, **attributes):
        super().__init__(*args)
        self.__dict__.update(attributes)


TPM = (
    "Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Used "
    "29937, Requested 385. Please try again in 644ms. Visit "
    "https://platform.openai.com/account/billing_per_day/daily to add a payment method."
)
TPD = (
    "Rate limit reached for model `m` in organization `o` on tokens per day (TPD): Limit 200000, Used "
    "199708, Requested 1214. Please try again in 6m38.304s. Need more? https://x.com/billing"
)
PLAN = "You exceeded your current quota, please check your plan and billing details."
LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
REACHED = "You have reached your specified API usage limits. You will regain access on 2026-08-01."


def openais(message, code=None, kind=None):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropics(message, kind):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def geminis(*quota_ids, delay="26s"):
    violations = [{"quotaMetric": "generate_content_requests", "quotaId": one} for one in quota_ids]
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    error = {"code": 429, "message": PLAN, "status": "RESOURCE_EXHAUSTED", "details": details}
    return {"error": error}


PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
PER_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"
