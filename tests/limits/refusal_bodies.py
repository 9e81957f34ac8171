"""Refusals as providers really answer them: add a row whenever one is met that is read wrongly.

Each row has its public source. The texts are shortened and in our own words, except for the words,
numbers and keys by which they are recognised.
"""

# ruff: noqa: E501 - a table reads better with a row in a few lines

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .clienterrors import Bare, ClientError, GoogleError, of_httpx

RATE, QUOTA, KEY, LARGE, BUSY = "rate limit", "quota", "credentials", "too large", "overloaded"

GH = "https://github.com/"


class Refused(NamedTuple):
    """One answer of a provider.

    Attributes:
        headers: those that matter.
        body: the JSON body, or the message of an error without one.
        meaning: what it asks for; "too large" is an ordinary failure, "overloaded" a rate limit.
        wait: the seconds that it asks to wait; None if it names none.
        source: where it was reported or is documented.
        error: makes the error from status, headers and body, as a client library does.
    """

    provider: str
    status: int
    headers: Mapping[str, str]
    body: Any
    meaning: str
    wait: float | None
    source: str
    error: Callable[..., BaseException] = of_httpx


def says(message, code=None, kind=None):
    """Return a body as OpenAI and those who follow it write it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def typed(kind, message, **more):
    """Return a body as Anthropic writes it."""
    return {"type": "error", "error": {"type": kind, "message": message, **more}}


def google(code, status, message, *details):
    """Return a body as Google writes it."""
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def in_text(status, headers, body):
    """Return an error that has its body in its message only, as one that was wrapped."""
    return Bare(body, status_code=status, headers=headers)


def without_status(status, headers, body):
    """Return an error that has no status, as one within a stream."""
    return Bare("An error in the stream", body=body)


class _Rpc(Exception):
    """As grpc's: the code and the message are methods."""

    __module__ = "grpc._channel"

    def __init__(self, code, details):
        self._code, self._details = code, details
        super().__init__(f'<_InactiveRpcError of RPC: status = {code}, details = "{details}">')

    def code(self):
        return type("StatusCode", (), {"name": self._code})()

    def details(self):
        return self._details


def of_grpc(status, headers, body):
    return _Rpc(*body)


def quota_failure(quota_id):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": quota_id}],
    }


def retry_info(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def reason(name):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name}


ROWS = [
    # OpenAI and Azure
    Refused(
        "openai", 429, {},
        says("Rate limit reached for m on tokens per min (TPM): Limit 10000, Used 8554, "
             "Requested 3082. Please try again in 9.816s. Visit https://x.com/account/rate-limits.",
             "rate_limit_exceeded", "tokens"),
        RATE, 9.816, GH + "FoundationAgents/MetaGPT/issues/523",
    ),
    Refused(
        "openai", 429, {},
        says("Rate limit reached on tokens per min (TPM): Limit 30000, Used 29937, Requested 385. "
             "Please try again in 644ms.", "rate_limit_exceeded", "tokens"),
        RATE, 0.644, GH + "BuilderIO/micro-agent/issues/86",
    ),
    Refused(
        "openai", 429, {"retry-after-ms": "1500", "retry-after": "2"},
        says("Rate limit reached. Please try again in 1.5s.", "rate_limit_exceeded", "requests"),
        RATE, 1.5, GH + "openai/openai-python/blob/main/src/openai/_base_client.py",
    ),
    Refused(
        "openai", 200, {},
        {"type": "tokens", "code": "rate_limit_exceeded",
         "message": "Rate limit reached: Limit 200000, Used 162960, Requested 42288. "
                    "Please try again in 1.574s."},
        RATE, 1.574, GH + "openai/codex/issues/88", without_status,
    ),
    Refused(
        "openai", 429, {},
        says("Request too large for m on tokens per min (TPM): Limit 30000, Requested 30601. The "
             "input or output tokens must be reduced in order to run.", "rate_limit_exceeded", "tokens"),
        LARGE, None, GH + "vanderschaarlab/climb/issues/1",
    ),
    Refused(
        "openai", 429, {"retry-after": "60"},
        says("Request too large for m on tokens per min (TPM): Limit 30000, Requested 342389.",
             "rate_limit_exceeded", "tokens"),
        LARGE, None, GH + "vanna-ai/vanna-flask/issues/11",
    ),
    Refused(
        "openai", 429, {},
        says("You exceeded your current quota, check your plan and billing details.",
             "insufficient_quota", "insufficient_quota"),
        QUOTA, None, GH + "ChatGPTNextWeb/NextChat/issues/3664",
    ),
    Refused(
        "openai", 429, {},
        says("You exceeded your current quota, check your plan.", None, "insufficient_quota"),
        QUOTA, None, GH + "ChatGPTNextWeb/NextChat/issues/453",
    ),
    Refused(
        "openai", 401, {},
        says("Incorrect API key provided: sk-•••.", "invalid_api_key", "invalid_request_error"),
        KEY, None, GH + "continuedev/continue/issues/9634",
    ),
    Refused(
        "azure", 429, {},
        says("Requests to the operation have exceeded call rate limit of your current pricing tier. "
             "Please retry after 54 seconds. Go to https://x.com/oai/quotaincrease for more.", "429"),
        RATE, 54.0, GH + "microsoft/PubSec-Info-Assistant/issues/479",
    ),
    Refused(
        "azure", 429, {},
        says("Requests have exceeded token rate limit of your current pricing tier. "
             "Please retry after 86400 seconds.", "429"),
        RATE, 86400.0, GH + "alex-wolf-ps/dbchatprov2/issues/2",
    ),
    Refused(
        "azure", 429, {}, {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 30 seconds."},
        RATE, 30.0, GH + "Azure-Samples/azure-search-openai-demo/issues/177",
    ),
    Refused(
        "azure", 429, {},
        says("High demand: your request exceeds the maximum usage size allowed during peak load. "
             "Please retry after 20 seconds.", "RATE_LIMITED"),
        BUSY, 20.0, GH + "pollinations/pollinations/issues/6260",
    ),
    # Anthropic
    Refused(
        "anthropic", 429, {"retry-after": "14"},
        typed("rate_limit_error", "This request would exceed the rate limit for your organization of "
              "20,000 input tokens per minute. Please reduce the prompt length or the maximum tokens "
              "requested, or try again later."),
        RATE, 14.0, GH + "OpenHands/OpenHands/issues/9259",
    ),
    Refused(
        "anthropic", 429, {},
        typed("rate_limit_error", "This request would exceed your account's rate limit."),
        RATE, None, GH + "anthropics/claude-code/issues/71634",
    ),
    Refused(
        "anthropic", 429, {},
        typed("rate_limit_error", "Extra usage is required for long context requests."),
        LARGE, None, GH + "anthropics/claude-code/issues/50784",
    ),
    Refused(
        "anthropic", 429, {},
        typed("rate_limit_error", "Your organization is at its limit.",
              details={"error_code": "enforced_spend_limit_reached"}),
        QUOTA, None,
        "https://learn.microsoft.com/en-us/microsoft-cloud/dev/dev-proxy/concepts/anthropic-529-overloaded-error",
    ),
    Refused(
        "anthropic", 400, {},
        typed("invalid_request_error", "Your credit balance is too low to access the API."),
        QUOTA, None, GH + "anthropics/claude-code/issues/4207",
    ),
    Refused(
        "anthropic", 529, {}, typed("overloaded_error", "Overloaded"),
        BUSY, None, "https://docs.llmgateway.io/troubleshooting/anthropic-529-overloaded",
    ),
    Refused(
        "anthropic", 500, {}, typed("api_error", "Overloaded"),
        BUSY, None, GH + "anthropics/claude-code/issues/4248",
    ),
    Refused(
        "anthropic", 500, {}, typed("api_error", "Internal server error"),
        "broken", None, "https://docs.claude.com/en/api/errors",
    ),
    Refused(
        "litellm", 500, {},
        'litellm.InternalServerError: AnthropicError - {"error": {"type": "overloaded_error"}}',
        BUSY, None, GH + "BerriAI/litellm/blob/main/litellm/litellm_core_utils/exception_mapping_utils.py",
        in_text,
    ),
    Refused(
        "anthropic", 200, {}, typed("overloaded_error", "Overloaded"),
        BUSY, None, GH + "anthropics/anthropic-sdk-python/blob/main/src/anthropic/_streaming.py",
        without_status,
    ),
    Refused(
        "anthropic", 401, {}, typed("authentication_error", "invalid x-api-key"),
        KEY, None, "https://www.developersdigest.tech/errors/api/anthropic-api/529-overloaded-error",
    ),
    # Google
    Refused(
        "gemini", 429, {},
        google(429, "RESOURCE_EXHAUSTED", "You exceeded your quota. Please retry in 58.934310785s.",
               retry_info("58s")),
        RATE, 58.0, GH + "googleapis/python-genai/pull/2114", GoogleError,
    ),
    Refused(
        "gemini", 429, {},
        google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, check your plan.",
               quota_failure("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry_info("34s")),
        QUOTA, 34.0, GH + "glidea/one-balance/pull/12", GoogleError,
    ),
    Refused(
        "gemini", 429, {},
        "429 You exceeded your current quota. [violations {\n}\n, links {\n  url: https://x.com\n}\n"
        ", retry_delay {\n  seconds: 34\n}\n]",
        RATE, 34.0, GH + "langchain-ai/langchain-google/issues/945", in_text,
    ),
    Refused(
        "gemini", 503, {}, google(503, "UNAVAILABLE", "The model is overloaded. Try again later."),
        BUSY, None, GH + "lobehub/lobehub/issues/9728", GoogleError,
    ),
    Refused(
        "gemini", 503, {},
        google(503, "UNAVAILABLE", "No capacity available.", reason("MODEL_CAPACITY_EXHAUSTED")),
        BUSY, None, GH + "google-gemini/gemini-cli/issues/23520", GoogleError,
    ),
    Refused(
        "gemini", 429, {},
        google(429, "RESOURCE_EXHAUSTED", "No capacity.", reason("MODEL_CAPACITY_EXHAUSTED")),
        BUSY, None, GH + "google-gemini/gemini-cli/issues/26633", GoogleError,
    ),
    Refused(
        "gemini", 400, {},
        google(400, "INVALID_ARGUMENT", "API key expired. Renew it.", reason("API_KEY_INVALID")),
        KEY, None, GH + "google-gemini/gemini-cli/issues/4430", GoogleError,
    ),
    Refused(
        "gemini", 400, {}, "400 API key not valid. Please pass a valid API key.",
        KEY, None, GH + "continuedev/continue/issues/10530", in_text,
    ),
    Refused(
        "vertex", 429, {},
        {"error": {"code": 429, "message": "Resource exhausted.", "status": "RESOURCE_EXHAUSTED",
                   "errors": [{"message": "Resource exhausted.", "reason": "rateLimitExceeded"}]}},
        RATE, None, GH + "google-gemini/gemini-cli/issues/14831",
    ),
    Refused(
        "google", 429, {},
        google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Read requests' and limit "
               "'Read requests per minute per user' of service 'sheets'.", reason("RATE_LIMIT_EXCEEDED")),
        RATE, None, GH + "AutomaApp/automa/issues/1844",
    ),
    Refused(
        "google", 429, {},
        google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota group 'ReadGroup' and limit 'Read "
               "requests per user per 100 seconds'."),
        RATE, None, GH + "asweigart/ezsheets/pull/8",
    ),
    Refused(
        "google", 429, {},
        google(429, "RESOURCE_EXHAUSTED", "Insufficient tokens for quota 'ReadGroup' and limit 'USER-100s'."),
        RATE, None, GH + "maybelinot/df2gspread/issues/34",
    ),
    Refused(
        "youtube", 403, {},
        {"error": {"code": 403, "message": "You have exceeded your quota.",
                   "errors": [{"domain": "youtube.quota", "reason": "quotaExceeded"}]}},
        QUOTA, None, GH + "tokland/youtube-upload/issues/268",
    ),
    Refused(
        "youtube", 403, {},
        {"error": {"code": 403, "message": "Requests to this method are blocked.",
                   "status": "PERMISSION_DENIED", "details": [reason("API_KEY_SERVICE_BLOCKED")]}},
        "forbidden", None, GH + "dmunozv04/iSponsorBlockTV/pull/34",
    ),
    Refused(
        "grpc", 8, {}, ("RESOURCE_EXHAUSTED", "Resource has been exhausted (check quota)."),
        RATE, None, GH + "googleapis/google-cloud-cpp/issues/11866", of_grpc,
    ),
    Refused(
        "grpc", 8, {}, ("RESOURCE_EXHAUSTED", "Received message larger than max (17777780 vs. 4194304)"),
        LARGE, None, GH + "grpc/grpc.io/issues/1254", of_grpc,
    ),
    Refused(
        "grpc", 16, {}, ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        KEY, None, "https://grpc.io/docs/guides/status-codes/", of_grpc,
    ),
    Refused(
        "grpc", 14, {}, ("UNAVAILABLE", "failed to connect to all addresses"),
        "unreachable", None, "https://grpc.io/docs/guides/status-codes/", of_grpc,
    ),
    # GitHub
    Refused(
        "github", 403,
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1655120964",
         "Date": "Mon, 13 Jun 2022 11:48:53 GMT"},
        {"message": "API rate limit exceeded for installation ID 1."},
        RATE, 31.0, GH + "KnpLabs/php-github-api/issues/1070",
    ),
    Refused(
        "github", 403, {"retry-after": "60"},
        {"message": "You have exceeded a secondary rate limit. Wait a few minutes before you try again."},
        RATE, 60.0, GH + "EnricoMi/publish-unit-test-result-action/issues/419",
    ),
    Refused(
        "github", 403, {"x-ratelimit-remaining": "14", "x-ratelimit-reset": "1655120964"},
        {"message": "You have exceeded a secondary rate limit. Wait a few minutes before you try again."},
        RATE, None, GH + "KnpLabs/php-github-api/pull/1072",
    ),
    Refused(
        "github", 403, {"x-ratelimit-remaining": "4999"}, {"message": "Resource not accessible by integration"},
        "forbidden", None, "https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api",
    ),
    Refused(
        "github copilot", 429, {}, {"message": "You've hit a rate limit. Please try again in 58 hours."},
        RATE, 208800.0, GH + "github/copilot-cli/issues/2696",
    ),
    Refused(
        "github copilot", 429, {},
        {"message": "Your request is rate-limited. Please wait 8 hours 24 minutes and try again"},
        RATE, 30240.0, GH + "microsoft/vscode-copilot-release/issues/3210",
    ),
    # AWS
    Refused(
        "bedrock", 400, {},
        {"Code": "ThrottlingException", "Message": "Too many tokens, wait before trying again."},
        RATE, None, GH + "anthropics/claude-code/issues/1466", ClientError,
    ),
    Refused(
        "bedrock", 429, {},
        {"Code": "ThrottlingException", "Message": "Too many tokens per day, wait before trying again."},
        QUOTA, None, GH + "minorun365/agent-book/issues/29", ClientError,
    ),
    # Groq
    Refused(
        "groq", 429, {},
        says("Rate limit reached for m on tokens per minute (TPM): Limit 12000, Used 4437, Requested "
             "9854. Please try again in 11.455s. Need more? https://x.com/billing",
             "rate_limit_exceeded", "tokens"),
        RATE, 11.455, GH + "ago19800/HomeMind/issues/29",
    ),
    Refused(
        "groq", 429, {},
        says("Rate limit reached for m on tokens per day (TPD): Limit 100000, Used 97050, Requested "
             "3619. Please try again in 9m38.016s.", "rate_limit_exceeded", "tokens"),
        QUOTA, 578.016, GH + "continuedev/continue/issues/10920",
    ),
    Refused(
        "groq", 429, {},
        says("Rate limit reached for m on tokens per minute (TPM): Limit 7000, Used 0, Requested "
             "~12903. Please try again in 50.597142857s.", "rate_limit_exceeded", "tokens"),
        LARGE, None, GH + "danielmiessler/Fabric/issues/364",
    ),
    Refused(
        "groq", 413, {},
        says("Request too large for m on tokens per minute (TPM): Limit 6000, Requested 12328, reduce "
             "your message size and try again.", "rate_limit_exceeded", "tokens"),
        LARGE, None, GH + "HunorLaczko/ha-groq-cloud-api/issues/27",
    ),
    Refused(
        "groq", 429, {}, says("Limit 500000, Used 500370, Requested 252. Please try again in 1m47.5854s."),
        RATE, 107.5854, GH + "bklieger-groq/stockbot-on-groq/issues/46",
    ),
    # OpenRouter and others who pass on to several providers
    Refused(
        "openrouter", 429, {},
        {"error": {"message": "Rate limit exceeded: free-models-per-day. Add 10 credits for more.",
                   "code": 429, "metadata": {"headers": {"X-RateLimit-Remaining": "0"}}}},
        QUOTA, None, GH + "Gitlawb/openclaude/issues/936",
    ),
    Refused(
        "openrouter", 402, {},
        {"error": {"message": "This request requires more credits, or fewer max_tokens. You requested "
                   "up to 64000 tokens, but can only afford 2666.", "code": 402}},
        QUOTA, None, GH + "astrio-labs/forall/issues/76",
    ),
    Refused(
        "openrouter", 402, {}, {"error": {"message": "Insufficient credits. Add more.", "code": 402}},
        QUOTA, None, GH + "open-assistant-org/open-assistant/issues/80",
    ),
    Refused(
        "openrouter", 429, {}, {"error": {"message": "Provider returned error", "code": 429}},
        RATE, None, GH + "continuedev/continue/issues/10442",
    ),
    Refused(
        "litellm", 429, {},
        "litellm.RateLimitError: OpenAIException - Request too large for m on tokens per min (TPM): "
        "Limit 30000, Requested 36055. The input or output tokens must be reduced.",
        LARGE, None, GH + "agent0ai/agent-zero/issues/711", in_text,
    ),
    Refused(
        "litellm", 429, {},
        "litellm.RateLimitError: AzureException - Requests have exceeded token rate limit. "
        "Please retry after 86400 seconds.",
        RATE, 86400.0, GH + "jasonacox/TinyLLM/issues/17", in_text,
    ),
    # Other providers of models
    Refused("deepseek", 402, {}, says("Insufficient Balance", "invalid_request_error", "unknown_error"),
            QUOTA, None, GH + "danilofalcao/jarvis/issues/62"),
    Refused(
        "xai", 429, {},
        {"code": "429", "error": "Your team has either used all available credits or reached its monthly "
         "spending limit. Buy more credits."},
        QUOTA, None, GH + "continuedev/continue/issues/10373",
    ),
    Refused("mistral", 429, {}, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited",
                                 "code": "1300", "raw_status_code": 429},
            RATE, None, GH + "raycast/extensions/issues/31107"),
    Refused("mistral", 429, {}, {"object": "error", "message": "Service tier capacity exceeded for this model.",
                                 "type": "invalid_request_error", "code": None},
            BUSY, None, GH + "continuedev/continue/issues/6185"),
    Refused("mistral", 503, {}, {"message": "Service tier capacity exceeded."},
            BUSY, None, GH + "BerriAI/litellm/pull/25078"),
    Refused("hugging face", 503, {}, {"error": "Model m is currently loading", "estimated_time": 20.0},
            BUSY, 20.0, GH + "huggingface/transformers/issues/32665"),
    Refused("hugging face", 402, {}, {"error": "You have exceeded your monthly included credits."},
            QUOTA, None, GH + "huggingface/agents-course/issues/386"),
    Refused("hugging face", 429, {}, "429 Client Error. We had to rate limit you, you hit the quota of 1000 "
            "api requests per 5 minutes period.",
            RATE, None, GH + "alan-turing-institute/t0-1/pull/169", in_text),
    Refused("moonshot", 429, {}, says("Your account reached organization max RPM: 20, please try again after "
                                      "1 seconds", None, "rate_limit_reached_error"),
            RATE, 1.0, GH + "MoonshotAI/Kimi-K2/issues/34"),
    Refused("moonshot", 429, {}, says("Your account reached organization TPD rate limit, current: 1526210, "
                                      "limit: 1500000", None, "rate_limit_reached_error"),
            QUOTA, None, GH + "MoonshotAI/kimi-cli/issues/1599"),
    Refused("moonshot", 429, {}, says("Your account is suspended.", None, "exceeded_current_quota_error"),
            QUOTA, None, GH + "Alishahryar1/free-claude-code/issues/1223"),
    Refused("zhipu", 429, {}, {"error": {"code": "1113", "message": "余额不足或无可用资源包"}},
            QUOTA, None, GH + "agentscope-ai/QwenPaw/issues/202"),
    Refused("zhipu", 429, {}, {"error": {"code": "1113", "message": "Insufficient balance. Please recharge."}},
            QUOTA, None, GH + "7836246/cursor2api/issues/30"),
    Refused("siliconflow", 429, {}, {"message": "Request was rejected due to rate limiting: TPM limit reached.",
                                     "data": None},
            RATE, None, GH + "AIDotNet/OpenDeepWiki/issues/269"),
    Refused("siliconflow", 403, {}, {"code": 30011, "message": "Your paid balance is insufficient. Top up."},
            QUOTA, None, GH + "FoundationAgents/OpenManus/issues/438"),
    Refused("dashscope", 400, {}, {"code": "Arrearage", "message": "Access denied: is your account in good "
                                   "standing?"},
            QUOTA, None, GH + "tencentmusic/supersonic/issues/1572"),
    Refused("together", 429, {}, says("You have reached the rate limit specific to this model: 9.0 queries per "
                                      "minute."),
            RATE, None, GH + "xtekky/gpt4free/issues/3032"),
    Refused("fireworks", 412, {}, says("Account a is suspended, possibly due to reaching the monthly spending "
                                       "limit.", "PRECONDITION_FAILED", "error"),
            QUOTA, None, GH + "pollinations/pollinations/issues/12136"),
    Refused("cloudflare", 429, {}, {"errors": [{"code": 4006, "message": "You have used up your daily free "
                                                "allocation of 10,000 neurons"}]},
            QUOTA, None, GH + "diegosouzapw/OmniRoute/issues/6980"),
    Refused("cerebras", 429, {}, {"message": "Tokens per minute limit exceeded - too many tokens processed.",
                                  "type": "too_many_tokens_error", "code": "token_quota_exceeded"},
            RATE, None, GH + "continuedev/continue/issues/9800"),
    Refused("nvidia", 429, {}, {"status": 429, "title": "Too Many Requests"},
            RATE, None, GH + "Alishahryar1/free-claude-code/issues/690"),
    Refused("voyage", 429, {}, {"detail": "You have not yet added your payment method in the billing page and "
                                "have reduced rate limits of 3 RPM and 10K TPM."},
            RATE, None, GH + "assafelovic/gpt-researcher/issues/1148"),
    Refused("elevenlabs", 401, {}, {"detail": {"status": "quota_exceeded", "message": "This request exceeds your "
                                               "quota of 10000. You have 0 credits remaining."}},
            QUOTA, None, GH + "home-assistant/core/issues/160414"),
    Refused("replicate", 429, {}, {"detail": "Request was throttled. Your rate limit resets in ~5s.",
                                   "status": 429, "retry_after": 5},
            RATE, 5.0, GH + "nodetool-ai/nodetool/issues/5196"),
    Refused("replicate", 429, {}, {"detail": "Request was throttled. Your rate limit resets in ~5s."},
            RATE, 5.0, GH + "nodetool-ai/nodetool/issues/5196"),
    # Services that flows call beside models
    Refused("firecrawl", 429, {}, {"error": "Rate limit exceeded. Consumed (req/min): 20, Remaining (req/min): 0. "
                                   "Upgrade your plan or please retry after 1s, resets at Sat Feb 08 2025"},
            RATE, 1.0, GH + "dzhng/deep-research/issues/30"),
    Refused("serpapi", 429, {}, {"error": "Your account has run out of searches."},
            QUOTA, None, GH + "serpapi/serpapi-python/issues/16"),
    Refused("databricks", 429, {}, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Token bucket limit has "
                                    "been exceeded."},
            RATE, None, GH + "ssc-sp/datahub-portal/issues/362"),
    Refused("databricks", 429, {}, {"error_code": "RESOURCE_EXHAUSTED", "message": "Too many requests. Wait a "
                                    "moment."},
            RATE, None, GH + "ecmwf/WeatherGenerator/issues/1482"),
    Refused("shopify", 429, {"retry-after": "2.0"}, {"errors": "Exceeded 2 calls per second for api client."},
            RATE, 2.0, GH + "MONEI/Shopify-api-node/issues/135"),
    Refused("telegram", 429, {}, {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after "
                                  "134"},
            RATE, 134.0, GH + "yagop/node-telegram-bot-api/issues/199"),
    Refused("telegram", 429, {}, {"ok": False, "error_code": 429, "description": "Too Many Requests",
                                  "parameters": {"retry_after": 10072}},
            RATE, 10072.0, GH + "tdlib/td/issues/1331"),
    Refused("discord", 429, {}, {"message": "You are being rate limited.", "retry_after": 64.57, "global": False},
            RATE, 64.57, "https://discord.com/developers/docs/topics/rate-limits"),
]  # fmt: skip
