"""Secrets that stand in a source."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowmagic.journal.secrecy import veiled
from flowmagic.showing import MASK


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
    text = veiled(source, found)
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
    assert veiled(source, found) == source
    assert not found


def test_what_was_found_is_masked_elsewhere():
    """In the source of another node, and in whatever is written later."""
    found: set[str] = set()
    veiled('api_key = "sk-12345678"', found)
    assert found == {"sk-12345678"}
    assert veiled('url = "http://x?k=sk-12345678"', found) == f'url = "http://x?k={MASK}"'


def test_what_is_no_python_is_left_out():
    """Nobody knows what stands in it."""
    assert veiled('api_key = "sk-12345678" it is', set()) == ""


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=8, max_size=20))
def test_any_secret_is_masked(secret):
    """Whatever characters it is made of, and whatever follows it."""
    assume(secret not in "key = 1; password = ''; after = 'é'")  # else masked there, too
    found: set[str] = set()
    text = veiled(f"key = 1; password = {secret!r}; after = 'é'", found)
    assert text == f"key = 1; password = {MASK!r}; after = 'é'"
    assert found == {secret}
