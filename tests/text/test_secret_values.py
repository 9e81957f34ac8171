"""What a secret looks like."""

from __future__ import annotations

import datetime as dt
import decimal

import pytest

from flowmagic.text.secret_values import (
    MASK,
    is_distinctive,
    is_secret,
    looks_random,
    mask_named,
    mask_shapes,
    secrets_in,
)

from .secretvalues import KEY

RANDOM = [
    "f3b0c44298fc1c149afbf4c8996fb924", "123e4567-e89b-12d3-a456-426614174000", "tk-12345678",
    "abc123def", "12345678", "Zm9vYmFyYmF6MTIz", "1//0gdE-abc_def-123", "sk-of-a-node", "Bearer abc12345",
    b"tk-12345678", ["tk-12345678", "tk-87654321"],
]  # fmt: skip
NOT_RANDOM = [
    "[MASK]", "<pad>", "</s>", "<|endoftext|>", "Paris", "New York", "step-10", "page_2", "utf-8", "2024",
    "2026-01-31T12:00:00", "2026-01-31", "https://example.com/a/123456", "gpt-4o", "covid-19",
    "a b c d 1 2 3 4", "", 12345678, 0.5, None, True, ["Paris", "tk-12345678"], [], {"a": 1}, object(),
]  # fmt: skip


@pytest.mark.parametrize("value", RANDOM)
def test_a_value_that_looks_generated_is_a_secret_under_a_name_that_may_be_one(value):
    """A token that gives access is long, and has digits."""
    assert looks_random(value)
    assert is_secret("token", value)
    assert not is_secret("mask_token", value)
    assert not is_secret("name", value)


@pytest.mark.parametrize("value", NOT_RANDOM)
def test_a_word_a_number_or_a_date_is_not(value):
    """A row of a text's tokens is data."""
    assert not looks_random(value)
    assert not is_secret("token", value)


@pytest.mark.parametrize(
    "value", ["abc", "yes", "[MASK]", b"abc", ["a"], {"user": "me"}, object(), dt.date(2026, 1, 1)]
)
def test_anything_is_a_secret_under_the_name_of_one(value):
    """Worse than a mask on the screen is a secret there."""
    assert is_secret("api_key", value)
    assert is_secret("password", value)


@pytest.mark.parametrize("value", [None, True, False, "", b"", [], {}, ()])
def test_nothing_and_a_flag_are_no_secrets(value):
    """One sees that the key is missing."""
    assert not is_secret("password", value)


def test_numbers_are_shown_except_as_passwords():
    """`token_limit=100` is no secret; a PIN under `password` is one; None never is."""
    assert not is_secret("token_limit", 100)
    assert not is_secret("token", True)
    assert not is_secret("api_key", 5)
    assert is_secret("password", 1234)
    assert is_secret("secret", 0.5)
    assert is_secret("password", decimal.Decimal(5))
    assert not is_secret("password", None)


def test_what_is_no_text_names_nothing():
    """Keys of params may be anything."""
    assert not is_secret(3, KEY)
    assert not is_secret(None, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "hunter22", "p@ssword", "sk-abc", "12345678", "2026-01-31", "not-needed", "CorrectHorse",
        "correct horse battery staple", "a1b2c3", "\x00\x01\x02\x03\x04\x05",
    ],
)  # fmt: skip
def test_a_distinctive_secret_is_looked_for_in_other_texts(text):
    """It is no word that stands there anyway."""
    assert is_distinctive(text)


@pytest.mark.parametrize(
    "text",
    ["", "yes", "abc", "2024", "1234567", "secret", "EMPTY", "password", "Paris", "New York", "x"],
)
def test_an_ordinary_word_is_not_looked_for(text):
    """`{"secret": "yes"}` must not mask each "yes"."""
    assert not is_distinctive(text)


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "MIIEpAIBAAKCAQEAx\nyZ0123456789abcdef==\n"
SHAPES = [
    ("sk-proj-abcdefghij0123456789", ""),
    ("sk-ant-api03-abcdefghij0123456789-AA", ""),
    ("ghp_abcdefghijklmnop0123456789", ""),
    ("github_pat_11ABCDEFG0123456789_abc", ""),
    ("glpat-abcdefghij0123456789", ""),
    ("xoxb-123456789012-abcdefABCDEF", ""),
    ("sk_live_abcdefghij0123456789", ""),
    ("hf_abcdefghijklmnop0123456789", ""),
    ("gsk_abcdefghijklmnop0123456789", ""),
    ("npm_abcdefghijklmnop0123456789", ""),
    ("AKIAIOSFODNN7EXAMPLE", ""),
    ("AIzaSyA0123456789abcdefghijklmnopqrstuv", ""),
    ("ya29.a0AfH6SMBx0123456789abcdefghijklmnopq", ""),
    ("SG.abcdefghijklmnop1234.abcdefghijklmnop1234", ""),
    (JWT, ""),
    ("abcdef0123456789", "Bearer "),
    ("abcdef0123456789", "bearer "),
    ("dXNlcjpwYXNzd29yZA==", "Basic "),
    ("T0123456789/B0123456789/abcdefghijkl", "https://hooks.slack.com/services/"),
]


@pytest.mark.parametrize(("secret", "before"), SHAPES)
@pytest.mark.parametrize(
    ("start", "end"), [("", ""), ("see ", "."), ('{"a": "', '"}'), ("(", ")\n")]
)
def test_the_key_of_a_provider_is_known_by_its_form(secret, before, start, end):
    """In any text, whatever it is called."""
    text = f"{start}{before}{secret}{end}"
    assert mask_shapes(text).rstrip(".") == f"{start}{before}{MASK}{end}".rstrip(".")
    assert secrets_in(f"{before}{secret}") == [secret]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db:5432/x", f"postgresql://me:{MASK}@db:5432/x"),
        ("redis://:p4ss@cache", f"redis://:{MASK}@cache"),
        ("https://a:p@ss@host/x?y=z", f"https://a:{MASK}@host/x?y=z"),
        ("https://0123456789abcdef@o1.ingest.sentry.io/1", f"https://{MASK}@o1.ingest.sentry.io/1"),
        ("cannot connect to me:hunter2@db:5432", f"cannot connect to me:{MASK}@db:5432"),
    ],
)
def test_the_password_in_an_address_is_masked(text, shown):
    """User and host stay, which one wants to see."""
    assert mask_shapes(text) == shown


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_masked(kind):
    """Also where its line breaks are escaped, or its end is missing."""
    begin, end = f"-----BEGIN {kind}PRIVATE KEY-----", f"-----END {kind}PRIVATE KEY-----"
    text = f"key {begin}\n{PEM}{end} in file"
    assert mask_shapes(text) == f"key {begin}{MASK}{end} in file"
    assert "MIIE" not in mask_shapes(repr(text))
    assert "MIIE" not in mask_shapes(text[:60])
    assert mask_shapes(f"no {begin} in this file") == f"no {begin} in this file"


@pytest.mark.parametrize(
    "text",
    [
        "task-0123456789abcdefghij", "risk-averse-investors-2024-annual", "sk-learn-based-classification",
        "a bearer of good news", "Basic authentication is required", "basic understanding",
        "mail to bob@example.com, or email:bob42@example.com", "https://example.com/@user/12345",
        "git@github.com:user/repo.git", "see https://example.com:8080/a@b", "MAKIAIOSFODNN7EXAMPLEx",
        "commit 4f5a0c1d2e3b4a5968778695a4b3c2d1e0f9a8b7", "id 123e4567-e89b-12d3-a456-426614174000",
        "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA0123456789\n-----END CERTIFICATE-----",
        "eyJ is how JSON begins in base64", "price: 12.50 at 10:30, ratio 3:1", "short",
    ],
)  # fmt: skip
def test_other_texts_stay_as_they_are(text):
    """Also those that look a little like it."""
    assert mask_shapes(text) == text
    assert mask_named(text) == text
    assert secrets_in(text) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login(password='swordfish')", f"login(password='{MASK}')"),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": "{MASK}", "n": 1}}'),
        (r'"{\"password\": \"hunter2\"}"', rf'"{{\"password\": \"{MASK}\"}}"'),
        ("d['secret'] = b'abc'", f"d['secret'] = b'{MASK}'"),
        ("DB_PASSWORD=hunter22 make", f"DB_PASSWORD={MASK} make"),
        ("host=db password=hunter22 dbname=x", f"host=db password={MASK} dbname=x"),
        ("Server=x;Pwd=hunter22;Uid=me", f"Server=x;Pwd={MASK};Uid=me"),
        ("X-API-Key: abc12345", f"X-API-Key: {MASK}"),
        ("Set-Cookie: sid=abc12345; Path=/", f"Set-Cookie: {MASK}; Path=/"),
        ("token: tk-12345678", f"token: {MASK}"),
        ("keyword: token=tk-12345678", f"keyword: token={MASK}"),
        ("password=12345678", f"password={MASK}"),
        ("https://x.com/?key=abc12345&q=a", f"https://x.com/?key={MASK}&q=a"),
        ("https://x.com/?q=a&access_token=x", f"https://x.com/?q=a&access_token={MASK}"),
        ("https://x.com/?a=b&amp;sig=abc%2B123", f"https://x.com/?a=b&amp;sig={MASK}"),
    ],
)
def test_what_follows_the_name_of_a_secret_is_masked(text, shown):
    """As Python, JSON, environments, headers, connection strings and URLs write it."""
    assert mask_named(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "password = os.environ['DB_PASSWORD']", "api_key=self.api_key", "token = self.params.get('token')",
        "def login(password: str, token: Token) -> None", "f(api_key=key)", "the secret: never give up",
        "max_tokens=4096, mask_token='[MASK]', token='Paris'", "prompt_tokens: 12345678",
        "password: None", "password = ''", "?key=created_at&sort=up", "?page=2&token=", "pass: 3, fail: 1",
        "author: Bob Smith 123", "key: 12345678", "sorted(key='abc12345')", "==", "a=b:c", "::1",
    ],
)  # fmt: skip
def test_code_and_words_after_such_a_name_stay(text):
    """A source line of a traceback shows where the value came from."""
    assert mask_named(text) == text
