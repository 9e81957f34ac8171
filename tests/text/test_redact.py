"""Secrets that stand in a source."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowmagic.text.redact import MASK, fields_of, is_secret, masked, masked_source, secrets_of

from .secretvalues import KEY, Client, Model, Pair


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
    assert found == {secret}


@pytest.mark.parametrize(
    "key",
    [
        "api_key", "apiKey", "APIKEY", "OPENAI_API_KEY", "x-api-key",
        "token", "accessToken", "auth_token",
        "password", "db_passwd", "pwd", "client_secret", "Authorization", "cookie",
        "private_key", "credentials",
        "api_keys", "apikeys", "passwords", "cookies", "access_keys", "PGPASSWORD", "dbpassword",
    ],
)  # fmt: skip
def test_keys_that_name_a_secret_are_known(key):
    """By the words of the name, however they are joined."""
    assert is_secret(key, KEY)


@pytest.mark.parametrize(
    "key", ["max_tokens", "tokenizer", "keyboard", "author", "secretary", "key", "user_id", 3, None]
)
def test_other_keys_are_not_taken_for_secrets(key):
    """A mask where none is needed hides what one came to see."""
    assert not is_secret(key, KEY)


def test_numbers_are_shown_except_as_passwords():
    """`token_limit=100` is no secret; a PIN under `password` is one; None never is."""
    assert not is_secret("token_limit", 100)
    assert not is_secret("token", True)
    assert is_secret("password", 1234)
    assert is_secret("secret", 0.5)
    assert not is_secret("password", None)


def test_secrets_are_found_for_masking_other_texts():
    """The whole value and, of "Bearer sk-…", the part that others quote alone."""
    found = secrets_of(
        {"headers": {"Authorization": f"Bearer {KEY}"}, "n": 1, "client": Client("abcde")}
    )
    assert found == {f"Bearer {KEY}", KEY, "abcde"}
    assert secrets_of({"m": Model(api_key=KEY), "p": Pair("a", "abcde")}) == {KEY, "abcde"}
    assert KEY in secrets_of({"credentials": {"user": "me", "keys": [KEY]}})
    assert "me" not in secrets_of({"credentials": {"user": "me", "keys": [KEY]}})
    assert secrets_of({"password": "abc"}) == set()  # too short to look for in other texts
    assert secrets_of({"a": {"b": {"c": {"d": {"e": {"token": KEY}}}}}}) == set()  # too deep


def test_a_secret_beside_the_declared_fields_of_a_model_is_found():
    """Pydantic keeps such a field elsewhere."""
    pydantic = pytest.importorskip("pydantic")

    class Open(pydantic.BaseModel, extra="allow"):
        name: str

    value = Open(name="x", api_key=KEY)
    assert fields_of(value) == [("name", "x"), ("api_key", KEY)]
    assert KEY in secrets_of(value)


def test_a_secret_is_masked_in_its_repr_too():
    """A value with a line break stands differently in a repr."""
    secret = "line one\nline two"
    assert masked(f"{secret} and {secret!r}", {secret}) == f"{MASK} and '{MASK}'"


def test_the_longest_secret_goes_first():
    """A shorter one inside it must not leave its rest behind."""
    assert masked("abcd-efgh", {"abcd", "abcd-efgh"}) == MASK
