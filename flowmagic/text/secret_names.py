"""Which names are names of secrets. The rule is in the docstring of `redact`.

A name is read as words: `OPENAI_API_KEY`, `openaiApiKey` and `x-api-key2` hold the words "api key".
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from enum import Enum

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_JOINED = re.compile(r"(?<=[a-z])(?:key|token|secret|password|passwd)s?$|(?<=sess|sion)id$")
"""The end of a word such as `apikey` or `PGPASSWORD`, which is read as two words."""

_PLURALS = {
    f"{each}s": each
    for each in ("key", "token", "password", "secret", "credential", "cred", "cookie")
}


_TELLING = re.compile(
    "(?i)pass|pwd|secret|token|key|auth|cred|cookie|jwt|dsn|bearer|otp|sess|si[dg]"
)
"""One of these is in every name of a secret; most names have none of them."""


class NamedSecret(Enum):
    """What the name of a value says about it."""

    NO = "no secret"
    BY_VALUE = "a secret if the value looks like one"
    YES = "a secret, unless it is a number"
    ALSO_NUMBERS = "a secret, even if it is a number"


_PASSWORDS = frozenset(["otp", "passcode", "passphrase", "passwd", "password", "pwd", "secret"])
_SECRETS = _PASSWORDS | {
    "authorization", "cookie", "cred", "credential", "dsn", "jwt",
}  # fmt: skip
"""A name with one of these words is that of a secret."""

_LAST = frozenset(["auth", "bearer", "oauth"])
"""The same, if it is the last word: `basic_auth`, but not `auth_mode`."""

_PROVIDERS = (
    "anthropic", "aws", "azure", "cohere", "discord", "gemini", "github", "gitlab", "google", "groq",
    "hf", "huggingface", "mistral", "npm", "openai", "pypi", "slack", "stripe", "telegram",
)  # fmt: skip

_BEFORE = {
    "key": frozenset(
        [
            "access", "account", "admin", "aes", "api", "app", "auth", "client", "consumer", "crypto",
            "decryption", "deploy", "encryption", "hmac", "license", "master", "pgp", "private", "rsa",
            "secret", "service", "session", "signing", "ssh", "subscription",
            *_PROVIDERS,
        ]
    ),
    "token": frozenset(
        [
            "access", "api", "auth", "bearer", "bot", "csrf", "oauth", "personal", "refresh", "secret",
            "security", "session", "xsrf", *_PROVIDERS,
        ]
    ),
    "pass": frozenset(["admin", "db", "ftp", "login", "mail", "mysql", "root", "smtp", "user"]),
}  # fmt: skip
"""Words that make a name that of a secret together with the word after them."""

_BY_VALUE = frozenset(["session", "sid", "sig", "signature", "token"])
_TEXT_TOKENS = frozenset(
    [
        "begin", "bos", "cls", "continuation", "cursor", "end", "eos", "eot", "mask", "next", "pad",
        "page", "prev", "previous", "sep", "special", "start", "stop", "unk",
    ]
)  # fmt: skip
"""Before "token": that of a tokenizer, or of the next page of a list."""

_ABOUT = frozenset(
    [
        "age", "algorithm", "at", "attempts", "budget", "class", "consent", "cost", "count", "counts",
        "date", "domain", "duration", "enabled", "endpoint", "env", "error", "exists", "expired", "expires",
        "expiry", "field", "fields", "file", "filename", "format", "hint", "index", "kind", "label",
        "length", "len", "level", "limit", "limits", "manager", "max", "method", "min", "mode", "model",
        "name", "names", "number", "owner", "param", "params", "path", "policy", "position", "prefix",
        "price", "provider", "rate", "reason", "ref", "region", "required", "role", "rules", "scheme",
        "scope", "scopes", "seconds", "size", "source", "status", "strategy", "strength", "style",
        "template", "timeout", "ttl", "type", "types", "uri", "url", "usage", "valid", "validator",
        "variable", "vendor", "version",
    ]
)  # fmt: skip
"""As the last word, these name a fact about a secret: `password_length`, `api_key_env`."""

_QUESTIONS = frozenset(
    [
        "allow", "disable", "enable", "forgot", "has", "hide", "is", "max", "min", "n", "needs", "num",
        "require", "requires", "show", "total", "use",
    ]
)  # fmt: skip
"""As the first word, these begin the name of a flag or of a count: `has_password`, `max_tokens`."""


@functools.lru_cache(maxsize=4_096)  # the rows of a batch have the same keys
def named_secret(name: str) -> NamedSecret:
    """Return what a name says about its value.

    >>> named_secret("dbPassword"), named_secret("mask_token"), named_secret("token")
    (<NamedSecret.ALSO_NUMBERS: ...>, <NamedSecret.NO: ...>, <NamedSecret.BY_VALUE: ...>)
    """
    words = _words_of(name) if _TELLING.search(name) else ()
    if not words or words[0] in _QUESTIONS or words[-1] in _ABOUT:
        return NamedSecret.NO
    if not _PASSWORDS.isdisjoint(words):
        return NamedSecret.ALSO_NUMBERS
    if not _SECRETS.isdisjoint(words) or words[-1] in _LAST or words == ["pass"]:
        return NamedSecret.YES
    pairs = list(itertools.pairwise(words))
    if any(before in _BEFORE.get(word, ()) for before, word in pairs):
        return NamedSecret.YES
    is_session = words[-1] == "id" and len(words) > 1 and words[-2].endswith(("session", "sess"))
    by_value = is_session or "token" in words or words[-1] in _BY_VALUE
    if by_value and _TEXT_TOKENS.isdisjoint(words):
        return NamedSecret.BY_VALUE
    return NamedSecret.NO


def _words_of(name: str) -> Sequence[str]:
    words: list[str] = []
    for each in _WORDS.findall(name[:_LONGEST]):
        word = each.lower()
        end = _JOINED.search(word)
        words += [word] if end is None else [word[: end.start()], end[0]]
    return [_PLURALS.get(word, word) for word in words]


_LONGEST = 200  # characters of a name; of a longer one, the beginning counts
