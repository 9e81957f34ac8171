"""Secrets that stand in a text or in a source."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowmagic.text.redact import MASK, masked, masked_data, masked_source
from flowmagic.text.secret_values import is_distinctive

from .secretvalues import KEY


@pytest.mark.parametrize(
    "source",
    [
        'api_key = "sk-é-12345678"  # it is sk-é-12345678',
        'self.api_key: str = "sk-é-12345678"',
        'headers = {"Authorization": "sk-é-12345678", "x": 1}',
        'headers["Authorization"] = "sk-é-12345678"',
        'client = Client("é", api_key="sk-é-12345678")',
        'def ask(url="é", api_key="sk-é-12345678"): ...',
        'def ask(url, *, token="sk-é-12345678", other=1): ...',
        'secret = b"sk-12345678"',
        'token = os.environ.get("TOKEN", "sk-é-12345678")',
        'token = given or "sk-é-" + "12345678"',
        'token = f"sk-é-12345678 {more}"',
        'token = """sk-é-12345678\nand more"""; after = 1',
        'if (password := "sk-é-12345678"): ...',
    ],
)
def test_a_secret_of_a_source_is_masked(source):
    """Wherever its name stands, in comments too; what is left is Python."""
    found: set[str] = set()
    text = masked_source(source, found)
    assert "12345678" not in text
    assert MASK in text
    compile(text, "source", "exec")


@pytest.mark.parametrize(
    "source",
    [
        'token = self.params["token"]',
        'mask_token = "[MASK]"; pad_token = "<pad>"; token = "Paris"',
        'api_key_env = "OPENAI_API_KEY_2"',
        'token = self.params.get("token")',
        'api_key = getpass("API key: ")',
        'api_key = os.environ["OPENAI_API_KEY"]',
        "password = None",
        'password = ""',
        'prompt = "sk-12345678 is not named like one"',
        "max_tokens = 12345678",
        'def ask(token, secret=None): return "token"',
    ],
)
def test_the_rest_of_a_source_stays_as_it_is(source):
    """How a secret is looked up is none."""
    found: set[str] = set()
    assert masked_source(source, found) == source
    assert not found


def test_what_was_found_is_masked_elsewhere():
    """In the source of another node, and in whatever is written later."""
    found: set[str] = set()
    masked_source('api_key = "sk-12345678"', found)
    assert found == {"sk-12345678"}
    assert masked_source('url = "http://x?k=sk-12345678"', found) == f'url = "http://x?k={MASK}"'


def test_what_is_no_python_is_left_out():
    """Nobody knows what stands in it."""
    assert masked_source('api_key = "sk-12345678" it is', set()) == ""


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=8, max_size=20))
def test_any_secret_is_masked(secret):
    """Whatever characters it is made of, and whatever follows it."""
    assume(secret not in "key = 1; password = ''; after = 'é'")  # else masked there, too
    found: set[str] = set()
    text = masked_source(f"key = 1; password = {secret!r}; after = 'é'", found)
    assert text == f"key = 1; password = {MASK!r}; after = 'é'"
    assert found == ({secret} if is_distinctive(secret) else set())


def test_an_ordinary_word_of_a_source_is_masked_only_where_it_is_assigned():
    """Else `password = "text"` would mask every "text"."""
    found: set[str] = set()
    assert masked_source('password = "text"; kind = "text"', found) == (
        f'password = {MASK!r}; kind = "text"'
    )
    assert found == set()


def test_a_secret_is_masked_in_its_repr_too():
    """A value with a line break stands differently in a repr."""
    secret = "line one\nline two"
    assert masked(f"{secret} and {secret!r}", {secret}) == f"{MASK} and '{MASK}'"


def test_the_longest_secret_goes_first():
    """A shorter one inside it must not leave its rest behind."""
    assert masked("abcd-efgh", {"abcd", "abcd-efgh"}) == MASK


WAYS = {
    "as it is": str,
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON without escapes": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"a": text})),
    "JSON in a repr": lambda text: repr(json.dumps([text])),
    "a path of a URL": urllib.parse.quote,
    "a query of a URL": urllib.parse.quote_plus,
    "a part of a URL": lambda text: urllib.parse.quote(text, safe=""),
    "a URL in lower case": lambda text: urllib.parse.quote("~", safe="") + _lower(text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in a URL": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}
SECRETS = [
    KEY, "hunter22", "p@ss word/1", "it's \"7\"", "back\\slash 9", "pä55wörd", "two\nlines 12", "a+b/c=d1",
    "Tr0ub4dor&3", "correct horse battery staple", "\U0001f511 key 12",
]  # fmt: skip


def _lower(text):
    """Return a text as some write it in URLs: `%c3%a4` instead of `%C3%A4`."""
    escaped = urllib.parse.quote(text, safe="")
    parts = escaped.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("u:", "@h"), ("user:", "!"), ("é", "x")])
def test_a_secret_is_masked_however_it_is_written(secret, way, before, after):
    """Where others quote, escape or encode it, alone or among other text."""
    written = WAYS[way](f"{before}{secret}{after}")
    text = masked(written, {secret})
    assert MASK in text
    assert len(text) < len(written)
    # At most the characters at its ends remain, which base64 shares with what is around it.
    assert len(text.replace(MASK, "")) <= len(WAYS[way](before + after)) + 8


@given(
    st.text("abcdefABCDEF0123456789-_+/=.!?&%ä'\"\\ ", min_size=8, max_size=40).filter(
        lambda text: is_distinctive(text) and text.strip() == text
    ),
    st.text("xyzé: \n", max_size=5),
    st.sampled_from(sorted(WAYS)),
)
def test_any_distinctive_secret_is_masked_however_it_is_written(secret, around, way):
    """Whatever it is made of."""
    written = WAYS[way](f"{around}{secret}{around}")
    assert MASK in masked(written, {secret})
    assert secret not in masked(f"{around}{secret}{around}", {secret})


def test_a_value_keeps_what_only_follows_the_name_of_a_secret():
    """A model's answer may be code with `password="..."`: masked, it could not be restored."""
    answer = 'client = Client(password="secret", token="abc12345")'
    assert masked_data(answer) == answer
    assert masked(answer) == f'client = Client(password="{MASK}", token="{MASK}")'
    assert masked_data(f"use {KEY} or hunter22", {"hunter22"}) == f"use {MASK} or {MASK}"


def test_many_secrets_and_a_long_text_are_soon_masked():
    """Each row may have its own, and an instance may print 64 kB."""
    secrets = {f"sk-of-row-{n:06}" for n in range(1_000)}
    text = "sk-of-row-000999 " + "a line of a log with key: value, and so on\n" * 1_500
    began = time.process_time()
    assert masked(text, secrets).startswith(MASK)
    assert time.process_time() - began < 5  # some 0.1 s


UNITS = [
    "a", "@", "sk-", "sk-1", "-----BEGIN RSA PRIVATE KEY-----", "eyJ", "eyJa.", "://", "://a:", "a:b@",
    "password=", "password='", "token:", "?a=", "&key=", "Bearer ", "ghp_", "xoxb-", "AKIA", "SG.a", "\\",
    'key\\"', "a-", "1", "=", "a.b+c%d", "hooks.slack.com/services/",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_takes_long_to_mask(unit):
    """What an instance prints may be anything; no pattern goes over the rest of it again and again."""
    text = (unit * 60_000)[:60_000]
    began = time.process_time()
    masked(text, {KEY})
    assert time.process_time() - began < 3  # at most some 0.05 s; 5 s, if it did
