"""Which names are names of secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.text.secret_names import NamedSecret, named_secret

_YES = """
password passwords passwd pwd PWD passphrase passcode otp userPassword db_password dbpassword
PGPASSWORD MYSQL_ROOT_PASSWORD password2 new_password password_hash reset_password smtp_pass db_pass
pass secret secrets client_secret clientSecret CLIENT_SECRET clientsecret jwt_secret secret_value
app_secret webhook_secret secret_key SECRET_KEY secret_key_base aws_secret_access_key api_secret
api_key apiKey APIKEY apikey api_keys apikeys OPENAI_API_KEY openaiApiKey x-api-key X-API-Key
api-key my.api.key api_key_2 anthropic_api_key openai_key AZURE_KEY hf_key access_key accessKey
AWS_ACCESS_KEY_ID private_key privateKey ssh_private_key signing_key encryption_key master_key
account_key subscription_key deploy_key hmac_key rsa_key session_key service_key auth_key
access_token accessToken access_tokens auth_token authtoken bearer_token refresh_token api_token
session_token csrf_token oauth_token security_token secret_token personal_access_token
page_access_token github_token GITHUB_TOKEN slack_token HF_TOKEN bot_token authorization
Authorization proxy-authorization bearer auth basic_auth http_auth oauth credential credentials
aws_credentials creds cookie cookies Cookie set-cookie jwt JWT dsn SENTRY_DSN
"""

_BY_VALUE = """
token Token tokens token_2 my_token user_token id_token sas_token reset_token verification_token
csrfmiddlewaretoken session session_id sessionId JSESSIONID PHPSESSID user_session sid sig signature
X-Amz-Signature
"""

_NO = """
mask_token pad_token eos_token bos_token unk_token sep_token cls_token stop_token start_token
end_token special_tokens begin_token next_page_token nextPageToken page_token continuation_token
cursor_token max_tokens maxTokens max_new_tokens min_tokens n_tokens num_tokens total_tokens
token_count token_limit token_type token_usage token_budget token_url token_price token_index
token_name tokenizer tokenize tokenized detokenizer key keys keyboard keyword primary_key
foreign_key sort_key cache_key public_key partition_key key_name monkey turkey hotkey row_key s3_key
object_key shared_key idempotency_key author authors authority auth_method auth_url oauth_url
secretary is_secret has_password use_cookies num_secrets require_password forgot_password
password_length password_policy password_field secret_name secret_version api_key_env api_key_name
api_key_file private_key_path cookie_policy cookie_consent credential_type jwt_algorithm otp_length
passport compass bypass passenger passing passed pass_at pass_rate passage first_pass session_name
session_count session_type signature_algorithm signal design side sign user_id name prompt text url
model temperature question answer path file index id language content role messages system_prompt
top_p seed stop credit certificate description company spin i n
"""

YES, BY_VALUE, NO = _YES.split(), _BY_VALUE.split(), _NO.split()


def test_there_are_a_hundred_names_of_both_kinds():
    """A rule is as good as the names it was tried on."""
    assert len(set(YES)) > 100
    assert len(set(NO)) > 100


@pytest.mark.parametrize("name", YES)
def test_a_name_of_credentials_tells_a_secret(name):
    """By its words, however they are joined, and with whatever is before and after them."""
    assert named_secret(name) in (NamedSecret.YES, NamedSecret.ALSO_NUMBERS)


@pytest.mark.parametrize("name", BY_VALUE)
def test_a_name_that_may_be_that_of_credentials_leaves_it_to_the_value(name):
    """A token may be a word of a text, and a session one of a course."""
    assert named_secret(name) is NamedSecret.BY_VALUE


@pytest.mark.parametrize("name", NO)
def test_any_other_name_tells_nothing(name):
    """A mask where none is needed hides what one came to see, and it may come back as data."""
    assert named_secret(name) is NamedSecret.NO


@pytest.mark.parametrize("name", ["password", "db_passwd", "pwd", "secret", "client_secret", "otp"])
def test_only_a_password_or_a_secret_may_be_a_number(name):
    """A PIN; but `cookies=3` is a count."""
    assert named_secret(name) is NamedSecret.ALSO_NUMBERS
    assert named_secret("api_key") is named_secret("cookies") is NamedSecret.YES


@given(st.text(max_size=300))
def test_any_text_may_be_a_name(name):
    """Keys of params come from anywhere."""
    assert isinstance(named_secret(name), NamedSecret)
