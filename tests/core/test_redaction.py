"""What looks like a secret is taken out of whatever is written down, and what does not stays."""

from __future__ import annotations

import logging

import pytest

from judge_rerank import InputError, RateLimited
from judge_rerank.core import Endpoint, ModelInfo, RerankError, public_repr, redact, redact_params, secrets_in
from judge_rerank.core.redaction import REDACTED
from judge_rerank.providers.log_redaction import keep_out_of_logs
from judge_rerank.strategies import EmbeddingAPI, RerankAPI
from tests.timing import soon

TAIL = "A1b2C3d4E5f6G7h8J9k0"
SHAPES = [
    *("sk-abcdefghijklmnopqrstuvwx", "sk-ant-api03-AbCd_ef-1234567890", f"sk-proj-{TAIL}", f"sk-or-v1-{TAIL}"),
    *("AIzaSyA1234567890abcdefghijklmnopqrstu", "xai-1234567890abcdefABCD", "gsk_1234567890abcdefABCD"),
    *(f"r8_{TAIL}{TAIL[:17]}", f"csk-{TAIL.lower()}{TAIL.lower()}", f"ghp_{TAIL}{TAIL[:16]}", f"gho_{TAIL}"),
    *(f"github_pat_11ABC_{TAIL}", f"tgp_v1_{TAIL}{TAIL}", "AKIAABCDEFGHIJKLMNOP", "ASIAABCDEFGHIJKLMNOP"),
    *(f"hf_{TAIL}", f"pplx-{TAIL}{TAIL}", f"nvapi-{TAIL}-{TAIL}", f"jina_{TAIL}{TAIL}", f"pa-{TAIL}-{TAIL}_x"),
    *("pa-abcdefghijklmnopqrstuvwxyzabcdefghij", f"fw_{TAIL}", f"lsv2_pt_{TAIL}", f"glpat-{TAIL}", "dapi" + "0af9" * 8),
    *(f"ABSK{TAIL}{TAIL}==", f"AQ.Ab8{TAIL}", f"ya29.a0{TAIL}-{TAIL}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    f"{TAIL}{TAIL}{TAIL}JQQJ99{TAIL}AAABACOG{TAIL[:4]}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{TAIL}\n{TAIL}\n-----END RSA PRIVATE KEY-----",
    *("sk-pr********************6789", "Bearer abc.def-ghi", "bearer  abc.def-ghi"),
]
# How a secret without a shape of its own stands in a text, and the secret.
ANNOUNCED = [
    ("api_key=abcdef123", "abcdef123"),
    ("https://host/v1?key=abcdef123", "abcdef123"),
    ("https://host/v1?api-version=2&subscription-key=abcdef&x=1", "abcdef"),
    ("https://host/v1?access_token=abcdef123", "abcdef123"),
    ("https://host/f?sig=abc%2Fdef%3D", "abc%2Fdef%3D"),
    ("https://host/f?X-Amz-Signature=deadbeef01", "deadbeef01"),
    ("https://somebody:swordfish@host:8000/v1", "swordfish"),
    ("http://token-only@host/v1", "token-only"),
    ("{'api-key': '0123456789abcdef0123456789abcdef'}", "0123456789abcdef0123456789abcdef"),
    ("Ocp-Apim-Subscription-Key: 0123456789abcdef", "0123456789abcdef"),
    ("x-goog-api-key: abcdefgh", "abcdefgh"),
    ('{"Authorization": "Bearer abcdefgh"}', "abcdefgh"),
    ('{"Authorization":"Basic c29tZWJvZHk6c3dvcmRmaXNo"}', "c29tZWJvZHk6c3dvcmRmaXNo"),
    ("Authorization: 0123456789abcdef", "0123456789abcdef"),
    ("aws_secret_access_key=abc/def+ghi", "abc/def+ghi"),
    ("AWS_SECRET_ACCESS_KEY: abc/def+ghi", "abc/def+ghi"),
    ("client_secret='abc~def.ghi'", "abc~def.ghi"),
    ("password: swordfish", "swordfish"),
    ("Cookie: session=abcdef", "abcdef"),
]


@pytest.mark.parametrize("secret", SHAPES)
def test_key_shaped_strings_are_redacted(secret: str) -> None:
    last = secret.rsplit(maxsplit=1)[-1]
    for text in (f"error: <{secret}> was refused", f'{{"message":"{secret}"}}', secret):
        shown = redact(text)
        assert REDACTED in shown
        assert last not in shown
        assert TAIL[4:] not in shown


@pytest.mark.parametrize(("text", "secret"), ANNOUNCED)
def test_what_stands_where_a_secret_stands_is_redacted(text: str, secret: str) -> None:
    shown = redact(f"400: {text} was refused")
    assert secret not in shown
    assert shown.endswith("refused")
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("task-management-of-large-systems", "max_tokens=128", "ask-a-long-question-here-ok"),
        *("pa-rt-of-a-hyphenated-sentence", "the key-value-stores-that-we-use", "a basic understanding of it"),
        *("No API key: missing or invalid.", "the bearer token is expired", "https://host/v1?api-version=2026-01-01"),
        *("models/gemini-2.5-flash-lite-preview-09-2025", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        *("/home/somebody/projects/Retrieval2/data/x.jsonl:1: no text", "openai/gpt-6-luna: too many requests"),
        *("prices={'m': Price(input_usd_per_mtok=...)}", "keyboard_interrupt_handler", "monkey=banana-split-2026"),
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert redact(text, ["", "no", "EMPTY"]) == text


def test_parameters_lose_what_stands_under_the_name_of_a_secret() -> None:
    harmless = {"max_tokens": 5, "token_limit": 3, "top_k": 1, "stop_tokens": ["x"], "seed": None, "monkey": "b"}
    assert redact_params(harmless) == harmless
    for name in ("api_key", "apiKey", "openaiApiKey", "X-Service-Token", "hf_token", "vertex_credentials", "pwd"):
        assert redact_params({name: "abc", "nested": {name: {"a": "b"}}}) == {
            name: REDACTED,
            "nested": {name: REDACTED},
        }
    pairs = {"default_headers": [("Authorization", "short"), ("X-Route", "eu")], "proxy": "http://me:abc@host"}
    assert redact_params(pairs) == {
        "default_headers": [["Authorization", REDACTED], ["X-Route", "eu"]],
        "proxy": f"http://{REDACTED}@host",
    }
    assert {"short", "me", "abc"} <= set(secrets_in(pairs))


def test_the_keys_of_the_environment_are_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "no-shape-of-its-own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nor-this-one")
    assert redact("no-shape-of-its-own, nor-this-one") == f"{REDACTED}, {REDACTED}"


def test_no_error_of_ours_carries_a_key() -> None:
    for error in (RerankError, InputError, RateLimited):
        assert str(error(f"it was xai-{TAIL}")) == f"it was {REDACTED}"


def test_no_repr_shows_the_secrets_of_parameters_and_addresses() -> None:
    params = {"extra_headers": {"Authorization": "Basic abc"}, "top_k": 3, "base": "https://me:abc@host/?key=abcdefg"}
    address = "https://me:swordfish@host/v1"
    for shown in (
        repr(RerankAPI("cohere/rerank-v3.5", api_base=address, params=params)),
        repr(EmbeddingAPI("openai/text-embedding-3-small", api_base=address, params=params)),
        repr(RerankAPI("cohere/rerank-v3.5", api_base=address, params=params) % 5),
        repr(Endpoint(model="m", api_base=address, params=tuple(params.items()), api_key="abc")),
        repr(ModelInfo(name="m", context_tokens=1, endpoint=address, params=params)),
    ):
        assert "'top_k'" in shown
        assert not any(secret in shown for secret in ("abc", "swordfish", "api_key"))
    assert "public_repr" not in public_repr(RerankAPI("m"))


def test_log_records_lose_secrets_with_their_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    keep_out_of_logs(["known-to-the-caller"])
    caplog.set_level(logging.DEBUG, "LiteLLM")
    message = f"known-to-the-caller and r8_{TAIL}{TAIL}"
    try:
        raise ValueError(message)  # noqa: TRY301
    except ValueError:
        logging.getLogger("LiteLLM").exception("with %s", f"csk-{TAIL}{TAIL}")
    assert TAIL not in caplog.text
    assert "known-to" not in caplog.text
    assert caplog.text.count(REDACTED) >= 2, "LiteLLM may have put its own mark in the place of one"


@pytest.mark.parametrize(
    "piece", ["-eyJ", "a-", "://", "?a-", "sk-", "pa-a", "api_key: ", "bearer ", "Aa1", "-----BEGIN "]
)
def test_hostile_texts_take_no_time(piece: str) -> None:
    with soon():
        redact(piece * (100_000 // len(piece)))
