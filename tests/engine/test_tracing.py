"""Every attempt through the judge can be followed to its request, its reply and its price; and no key is written."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, Judge, Price, Query
from judge_rerank.core.backend import ChatReply, prompt_text
from judge_rerank.core.errors import AuthenticationError, ProviderTimeout, RateLimited
from judge_rerank.core.redaction import public_url, secrets_in
from judge_rerank.providers.litellm import LiteLLMBackend
from judge_rerank.spending.ledger import Ledger
from judge_rerank.testing import FakeBackend
from judge_rerank.tracing.trace import Trace, TracedCall
from tests.provider import Fault, Provider, QrelsJudge

YES = '{"relevant": true}'
DOCS = [{"id": f"d{n}", "text": f"document number {n}"} for n in range(4)]
PRICES = {"fake": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}
KEY = "loopback-secret-4711-0815"
"""A key that does not look like one."""
SECRETS = (KEY, "header-secret-4711", "anything-but-a-password", "query-secret-4711")
"""With those of a header and of an address."""


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUDGE_RERANK_BUDGET_USD", "JUDGE_RERANK_TRACE"):
        monkeypatch.delenv(name, raising=False)


def traced(folder: Path, replies: Any, docs: Any = DOCS, **options: Any) -> tuple[list[TracedCall], Any, FakeBackend]:
    """The calls in the trace, the ranking, and the backend."""
    backend = FakeBackend(replies, local=False, concurrency=1)
    chosen = {"prices": PRICES, "strategy": "binary", "cache_dir": folder / "cache", **options}
    with Judge(backend, trace=folder / "trace.db", **chosen) as judge:
        ranking = judge.rerank(Query(text="who?", id="q1"), docs)
    return Trace(folder / "trace.db").calls(), ranking, backend


def test_a_call_can_be_followed_to_its_request_reply_and_price(tmp_path: Path) -> None:
    calls, ranking, backend = traced(tmp_path, YES)
    assert [call.call for call in calls] == [1, 2, 3, 4]
    for call, request in zip(calls, backend.requests, strict=True):
        judgment = next(r.judgments[0] for r in ranking if r.index == call.window[0])
        assert call.messages == request.messages
        assert (call.query.id, call.strategy, call.stage, call.round, call.attempt) == ("q1", "binary", "binary", 1, 1)
        assert (call.prompt, call.prompt_hash) == (judgment.prompt, judgment.prompt_hash)
        assert (call.model, call.reply, call.finish_reason, call.error) == ("fake", YES, "stop", None)
        assert call.input_tokens == backend.count_tokens(prompt_text(request.messages))
        assert call.cost_usd == judgment.cost_usd == Decimal(call.input_tokens + (call.output_tokens or 0)).scaleb(-6)
        assert call.latency_s >= 0
    assert sum(call.cost_usd or 0 for call in calls) == ranking.usage.cost_usd


def test_failed_attempts_are_there_with_what_they_may_have_cost(tmp_path: Path) -> None:
    failures = [RateLimited("slow down", status=429, retry_after_s=0.001), ProviderTimeout("late", retry_after_s=0.001)]
    calls, ranking, _ = traced(tmp_path, [*failures, "what?", YES], DOCS[:1], budget=Budget(usd=1, path=tmp_path / "s"))
    assert [call.attempt for call in calls] == [1, 2, 3, 4]
    assert {call.call for call in calls} == {1}
    limited, late, unread, good = calls
    assert (limited.error, limited.cost_usd) == ("RateLimited: slow down", 0)
    assert late.error == "ProviderTimeout: late"
    assert late.cost_usd is not None
    assert late.cost_usd > (good.cost_usd or 0)
    assert (unread.error, unread.reply) == (None, "what?")
    assert type(unread.outcome).__name__ == "Failed"
    assert good.reply == YES
    assert len(good.messages) == len(unread.messages) + 2, "the reply and what is wrong with it were added"
    spent = sum(call.cost_usd or 0 for call in calls)
    assert spent == ranking.usage.cost_usd
    with Ledger(tmp_path / "s") as ledger:
        assert ledger.spend()[0].cost_usd == spent


def test_what_a_deadline_cuts_off_is_there(tmp_path: Path) -> None:
    backend = FakeBackend(YES, local=False, concurrency=2, latency_s=30)
    with Judge(backend, prices=PRICES, trace=tmp_path / "trace.db") as judge:
        ranking = judge.rerank("q", DOCS, "binary", deadline_s=0.7)
    calls = Trace(tmp_path / "trace.db").calls(failed=True)
    # As many as were sent by then: two, unless the machine was busy.
    sent = len(backend.requests)
    assert sent <= 2
    assert [call.error for call in calls] == [
        "Cut off before the answer came. The deadline of 0.7 seconds passed."
    ] * sent
    assert sum(call.cost_usd or 0 for call in calls) == ranking.usage.cost_usd
    assert (ranking.usage.cost_usd or 0) > 0 or not sent


def test_what_is_never_sent_is_not_there(tmp_path: Path) -> None:
    calls, ranking, backend = traced(tmp_path, YES, budget=Budget(usd="0.000001"))
    assert (calls, backend.requests, ranking.status) == ([], [], "partial")


def test_cache_hits_are_there_at_no_cost(tmp_path: Path) -> None:
    bought, _, _ = traced(tmp_path, YES)
    calls, ranking, _ = traced(tmp_path, YES)
    hits = calls[len(bought) :]
    assert [call.cached for call in calls] == [False] * 4 + [True] * 4
    assert {call.cost_usd for call in hits} == {0}
    assert [call.input_tokens for call in hits] == [call.input_tokens for call in bought]
    assert (ranking.usage.cached_calls, ranking.usage.cost_usd) == (4, 0)
    (spend,) = Trace(tmp_path / "trace.db").spend()
    assert (spend.calls, spend.cached_calls) == (4, 4)


def test_a_ranking_can_be_explained_from_its_trace(tmp_path: Path) -> None:
    def reply(request: Any) -> str:
        return '{"relevant": true}' if "number 2" in request.messages[-1].content else '{"relevant": false}'

    _, ranking, _ = traced(tmp_path, reply)
    held = Trace(tmp_path / "trace.db").ranking("last", "q1")
    assert held.order == ranking.order == (2, 0, 1, 3)
    assert held.usage.cost_usd == ranking.usage.cost_usd
    told = Trace(tmp_path / "trace.db").path("last", "q1", "d2")
    assert told.path == ranking.explain(index=2).path
    assert "binary" in told.path


def test_the_environment_names_a_trace_and_none_writes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Judge(FakeBackend(YES)) as judge:
        judge.rerank("q", DOCS, "binary")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("JUDGE_RERANK_TRACE", str(tmp_path / "named.db"))
    with Judge(FakeBackend(YES)) as judge:
        judge.rerank("q", DOCS, "binary")
    assert len(Trace(tmp_path / "named.db").calls()) == 4


def test_a_trace_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING), Judge(FakeBackend(YES), trace=tmp_path / "file" / "trace.db") as judge:
        assert judge.rerank("q", DOCS, "binary").status == "complete"
    assert "cannot be written" in caplog.text


def test_no_key_is_in_any_file_log_or_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = [document["text"] for document in DOCS]
    caplog.set_level(logging.DEBUG)
    messages: list[str] = []
    with Provider(QrelsJudge(dict.fromkeys(texts, 1.0)), keys=frozenset({KEY})) as provider:
        for key in (KEY, f"{KEY}-that-is-wrong"):
            provider.misbehave(None, Fault(kind="status", status=400, message=f"Bad request with {key} in it."))
            with Judge(
                "openai/gpt-4o-mini",
                api_base=f"{provider.url}/v1",
                api_key=key,
                params={"extra_headers": {"x-api-key": key}, "user": f"somebody with {key}"},
                budget=Budget(usd=1, path=tmp_path / "spend.db"),
                cache_dir=tmp_path / "cache",
                trace=tmp_path / "trace.db",
                concurrency=1,
            ) as judge:
                try:
                    ranking = judge.rerank("q", texts, "score")
                    messages += [*ranking.reasons, ranking.to_json()]
                except AuthenticationError as error:
                    messages.append(str(error))
        assert all(KEY in str(received.headers) for received in provider.received)
    assert len(messages) >= 3
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"spend.db", "trace.db", "cache.db"} <= {path.name for path in written}
    assert [path for path, content in written.items() if KEY.encode() in content] == []
    assert KEY not in "".join(messages)
    ours = [record for record in caplog.records if record.name.startswith("judge_rerank")]
    assert KEY not in "".join(record.getMessage() for record in ours)
    assert len(Trace(tmp_path / "trace.db").calls(failed=True)) >= 2


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
def test_no_secret_of_a_header_or_an_address_is_in_any_file_log_or_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], model: str
) -> None:
    texts = [document["text"] for document in DOCS]
    caplog.set_level(logging.DEBUG)
    key, header, password, _ = SECRETS
    path = "/v1" if model.startswith("openai") else ""
    with Provider(QrelsJudge(dict.fromkeys(texts, 1.0))) as provider:
        provider.misbehave(None, Fault(kind="status", status=400, message=f"You sent {', '.join(SECRETS[:3])}."))
        address = provider.url.replace("//", f"//somebody:{password}@") + path
        with Judge(
            model,
            api_base=address,
            api_key=key,
            params={"extra_headers": {"x-service-token": header}, "user": f"somebody with {header}"},
            cache_dir=tmp_path / "cache",
            trace=Trace(tmp_path / "trace.db"),
            concurrency=1,
        ) as judge:
            ranking = judge.rerank("q", texts, "score")
            told = f"{ranking.reasons} {ranking.to_json()} {judge!r}"
        assert provider.received[0].headers["x-service-token"] == header
        assert provider.received[0].headers["authorization"].startswith("Basic ")
    assert ranking.usage.calls >= 1
    assert "rejected" in told
    told += "".join(record.getMessage() for record in caplog.records) + "".join(capfd.readouterr())
    told += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert [secret for secret in (*SECRETS, "somebody:any") if secret in told] == []


def test_an_address_is_public_without_its_user_and_its_keys() -> None:
    address = f"https://me:{SECRETS[2]}@proxy.example/v1?api-version=2&api_key={SECRETS[3]}"
    assert public_url(address) == "https://proxy.example/v1?api-version=2"
    assert {SECRETS[2], SECRETS[3]} <= set(secrets_in({}, address))
    assert secrets_in({"extra_headers": {"Authorization": "Bearer abcdefg"}, "seed": 3, "stop_tokens": "x"}) in (
        ("Bearer abcdefg", "abcdefg"),
        ("abcdefg", "Bearer abcdefg"),
    )
    with Judge("openai/gpt-4o-mini", api_base=address) as judge:
        assert judge.model == "openai/gpt-4o-mini"
    assert LiteLLMBackend("openai/gpt-4o-mini", api_base=address).info.endpoint == public_url(address)


def test_prices_of_the_backend_are_traced_where_nobody_else_knows_them(tmp_path: Path) -> None:
    own = ChatReply(text=YES, cost_usd=Decimal("0.0000125"))
    calls, ranking, _ = traced(tmp_path, own, prices=None)
    assert {call.cost_usd for call in calls} == {Decimal("0.000013")}, "rounded up"
    assert ranking.usage.cost_usd == sum(call.cost_usd or 0 for call in calls)
