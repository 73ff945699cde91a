"""The loopback provider itself: its bill, its schedule, its wires."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.provider import Answer, Asked, Fault, Faults, Price, Provider, QrelsJudge, Script, ScriptedJudge
from tests.provider.judging import spoilt_order
from tests.provider.meter import Bill, Tokens, quarter_of_bytes

CHAT = "/v1/chat/completions"
TEXTS = {"the moon is made of rock": 1, "dune was written by frank herbert": 3, "sand is small": 0}


def post(provider: Provider, path: str, body: dict[str, Any], *, key: str = "k") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=300)
    try:
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def chat(text: str, **options: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 100, **options}


def said(body: Any) -> str:
    return body["choices"][0]["message"]["content"]


def test_the_bill_is_exact_in_whole_numbers():
    bill = Bill()
    price = Price(input=150_000, output=600_000, cached_input=75_000, request=2)
    assert (
        bill.charge(price, Tokens(input=10, output=3, cached=4)) == 6 * 150_000 + 4 * 75_000 + 3 * 600_000 + 2_000_000
    )
    assert (bill.requests, bill.microusd, bill.usd) == (1, 5, Decimal("0.000005"))


def test_it_bills_what_it_says_it_used():
    with Provider(ScriptedJudge("12345678"), price={"m": Price(input=1_000_000, output=2_000_000)}) as provider:
        status, body = post(provider, CHAT, chat("x" * 40))
        assert status == 200
        assert body["usage"]["completion_tokens"] == 2
        used = body["usage"]["prompt_tokens"] + 2 * body["usage"]["completion_tokens"]
        assert provider.bill.microusd == used
        assert provider.bill.usd == Decimal(used) / 1_000_000


def test_what_is_turned_away_costs_nothing():
    with Provider(keys=frozenset({"good"}), rejects={"seed": "no seeds here"}) as provider:
        provider.misbehave(Fault(kind="status", status=503), Fault.too_many("3"))
        statuses = [post(provider, CHAT, chat("hi"), key="good")[0] for _ in range(2)]
        statuses.append(post(provider, CHAT, chat("hi"), key="bad")[0])
        statuses.append(post(provider, CHAT, chat("hi", seed=1), key="good")[0])
        statuses.append(post(provider, "/nowhere", {}, key="good")[0])
        assert statuses == [503, 429, 401, 400, 404]
        assert (provider.requests, provider.bill.requests) == (5, 0)


def test_a_reply_never_passes_its_limit():
    with Provider(ScriptedJudge("word " * 100)) as provider:
        _, body = post(provider, CHAT, chat("hi", max_tokens=3))
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] <= 3


def test_a_seed_decides_all_faults():
    rates = {"status": 0.2, "hang": 0.1, "truncated": 0.1}
    first, second, other = (Faults(seed, rates, latency_s=(0.1, 0.2)) for seed in (1, 1, 2))
    assert [first.at(n) for n in range(200)] == [second.at(n) for n in reversed(range(200))][::-1]
    assert [first.at(n) for n in range(200)] != [other.at(n) for n in range(200)]
    kinds = Counter(first.at(n).kind for n in range(2000))
    assert 340 < kinds["status"] < 460
    assert 140 < kinds["hang"] < 260
    assert all(0.1 <= first.at(n).delay_s <= 0.2 for n in range(50))


def test_rates_beyond_certainty_are_refused():
    with pytest.raises(ValueError, match="more than 1"):
        Faults(1, {"hang": 0.6, "reset": 0.6})


def test_a_script_ends_in_good_behaviour():
    script = Script([Fault(kind="hang"), None])
    assert [script.at(n).kind for n in range(4)] == ["hang", None, None, None]


def test_listwise_order_follows_the_grades():
    judge = QrelsJudge(TEXTS)
    prompt = "Rank:\n" + "\n".join(f"[{n}] {text}" for n, text in enumerate(TEXTS, 1))
    assert judge(Asked(wire="openai", model="m", system="", prompt=prompt)).text == "[2] > [1] > [3]"
    schema = {"type": "object", "properties": {"ranking": {"type": "array", "items": {"type": "integer"}}}}
    answer = judge(Asked(wire="openai", model="m", system="", prompt=prompt, schema=schema))
    assert json.loads(answer.text) == {"ranking": [2, 1, 3]}


def test_a_document_that_was_cut_is_still_known():
    judge = QrelsJudge({"x" * 500: 3})
    assert judge(Asked(wire="openai", model="m", system="", prompt="yes or no? " + "x" * 200)).text == "yes"


def test_one_word_replies_come_with_a_distribution():
    judge = QrelsJudge(TEXTS)
    answer = judge(Asked(wire="openai", model="m", system="", prompt="From 1 to 10: dune was written by frank herbert"))
    assert answer.text == "10"
    assert max(answer.steps[0].top, key=lambda token: answer.steps[0].top[token]) == "10"


def test_noise_depends_on_the_seed_and_the_prompt_alone():
    asked = [Asked(wire="openai", model="m", system="", prompt=f"{n} " + " ".join(TEXTS)) for n in range(30)]

    def replies(seed: int) -> list[str]:
        return [QrelsJudge(TEXTS, seed=seed, noise=2)(one).text for one in asked]

    assert replies(1) == replies(1)
    assert len(set(replies(1))) > 1
    assert replies(1) != replies(2)


def test_spoilt_orders_repeat_leave_out_and_invent():
    assert spoilt_order("[2] > [1] > [3]") == "[2] > [2] > [3] > [999]"


@pytest.mark.parametrize(("path", "version"), [("/v1/rerank", "1"), ("/v2/rerank", "2"), ("/rerank", "1")])
def test_rerank_scores_best_first(path: str, version: str):
    with Provider(QrelsJudge(TEXTS), price={"r": Price(input=0, output=0, request=2000)}) as provider:
        body = {"model": "r", "query": "dune?", "documents": list(TEXTS), "top_n": 2, "return_documents": True}
        status, answer = post(provider, path, body)
        assert status == 200
        assert [result["index"] for result in answer["results"]] == [1, 0]
        assert answer["results"][0]["relevance_score"] == 1
        assert answer["results"][0]["document"]["text"] == "dune was written by frank herbert"
        assert answer["meta"] == {"api_version": {"version": version}, "billed_units": {"search_units": 1}}
        assert provider.bill.microusd == 2000


def test_rerank_charges_for_every_hundred_documents():
    with Provider(price={"r": Price(request=2000)}) as provider:
        _, answer = post(provider, "/v2/rerank", {"model": "r", "query": "q", "documents": ["d"] * 101})
        assert answer["meta"]["billed_units"]["search_units"] == 2
        assert provider.bill.microusd == 4000


def test_requests_are_recorded_as_they_came():
    with Provider(ScriptedJudge("ok")) as provider:
        post(provider, CHAT, chat("first"), key="secret")
        post(provider, CHAT, chat("second"))
        first, second = provider.received
        assert first.headers["authorization"] == "Bearer secret"
        assert (first.number, second.number) == (0, 1)
        assert first.at <= second.at
        assert second.asked is not None
        assert second.asked.prompt == "second"


def test_many_at_once_are_all_counted():
    with Provider(lambda asked: Answer(text=asked.prompt), faults=Faults(1, {}, latency_s=(0.02, 0.04))) as provider:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: said(post(provider, CHAT, chat(f"call {n}"))[1]), range(64)))
        assert answers == [f"call {n}" for n in range(64)]
        assert (provider.requests, provider.bill.requests) == (64, 64)
        assert provider.peak > 1


def test_it_is_gone_afterwards_even_while_it_hangs():
    with Provider() as provider:
        provider.misbehave(Fault(kind="hang"))
        hanging = socket.create_connection(("127.0.0.1", provider.port))
        body = json.dumps(chat("hi")).encode()
        hanging.sendall(f"POST {CHAT} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        while not provider.requests:
            time.sleep(0.005)
    with hanging:
        hanging.settimeout(300)
        with contextlib.suppress(ConnectionResetError):
            assert hanging.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", provider.port), timeout=1).close()


def test_tokens_are_never_more_than_bytes():
    for text in ("", "a", "héllo", "沙丘", "x" * 1001):
        assert quarter_of_bytes(text) <= len(text.encode())
