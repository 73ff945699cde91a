"""The page over loopback: its files and their headers, rankings in events, links to stored rankings, limits."""

from __future__ import annotations

import json
import random
import re
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from judge_rerank import Judge, Price, RateLimited
from judge_rerank.testing import FakeBackend
from tests.provider import Provider
from tests.server.hostile import hostile
from tests.server.running import DOCS, ORDER, QUERY, Running, fake, simulated
from tests.server.test_keys import APP, OTHER, bearer, hashed
from tests.server.test_processes import served

HOSTILE = "</script><script>alert(1)</script>\u2028data: {}\n\nevent: result\ndata: {}"
Event = tuple[str, Any]


def rank(server: Running, key: str = "", **body: Any) -> list[Event]:
    """The events of a ranking."""
    reply = server.post("/page/rank", {"query": QUERY, "documents": DOCS, **body}, headers=bearer(key) if key else {})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    return events(reply.text)


def events(text: str) -> list[Event]:
    found: list[Event] = []
    for block in text.split("\n\n")[:-1]:
        if block != ":":
            event, data = block.split("\n")
            found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def result(server: Running, **body: Any) -> dict[str, Any]:
    event, data = rank(server, **body)[-1]
    assert event == "result", data
    return data


def test_the_page_is_three_files_that_run_nothing_else(server: Running) -> None:
    reply = httpx.get(f"{server.url}/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", reply.text) == []
    for page, root in ((reply.text, "/"), (httpx.get(f"{server.url}/r/any").text, "/r/")):
        links = re.findall(r'(?:src|href)="([^"#]+)"', page)
        assert [link for link in links if ":" in link] == ["data:,"]
        for link in links:
            if link != "data:,":
                found = httpx.get(str(httpx.URL(f"{server.url}{root}").join(link)))
                assert found.status_code == 200
                assert "default-src 'none'" in found.headers["content-security-policy"]
    again = httpx.get(f"{server.url}/", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")


def test_there_is_none_where_it_is_off() -> None:
    with Running(page=False) as server:
        for path in ("/", "/r/x", "/page/script.js", "/page/about", "/page/shared/x"):
            assert httpx.get(f"{server.url}{path}").status_code == 404
        assert server.post("/page/rank", {}).status_code == 404
        assert server.ask().status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(("option", "status"), [("--no-page", 404), ("--page", 200)])
def test_the_command_has_an_option_for_it(tmp_path: Path, option: str, status: int) -> None:
    with Provider() as provider, served(tmp_path, provider, "-s", "bm25", "--workers", "2", option) as (_, url):
        assert httpx.get(f"{url}/").status_code == status


def test_a_ranking_comes_in_events() -> None:
    reply = '{"score": 5, "reason": "It says so."}'
    judge = fake(reply, latency_s=0.15, strategy="bm25 % 3 >> score(batch_size=1, explain=True)")
    with Running(judge) as server:
        found = rank(server)
    assert {event for event, _ in found[:-1]} <= {"progress"}
    progress = found[-2][1]
    assert (progress["stage"], progress["round_calls"], progress["cost_usd"]) == ("score", 3, "0")
    last = found[-1][1]
    assert found[-1][0] == "result"
    assert (last["status"], last["calls"], float(last["cost_usd"]), last["link"]) == ("complete", 3, 0, None)
    assert [each["rank"] for each in last["results"]] == [1, 2, 3, 4]
    assert sorted(each["index"] for each in last["results"]) == [0, 1, 2, 3]
    best, cut = last["results"][0], last["results"][-1]
    assert (best["text"], best["reason"]) == (DOCS[best["index"]], "It says so.")
    assert [stage["stage"] for stage in best["stages"]] == ["bm25", "score"]
    assert best["stages"][1]["said"].startswith("5 (")
    assert (cut["cut_by"], cut["judged"], best["cut_by"]) == ("bm25 % 3", True, None)


def test_the_same_order_as_over_the_api(server: Running) -> None:
    found = result(server)
    assert [each["index"] for each in found["results"]] == ORDER
    api = server.ask().json()
    assert [each["index"] for each in api["results"]] == ORDER
    assert found["strategy"] == api["meta"]["strategy"]


def test_what_was_not_judged_is_told_in_words() -> None:
    replies = iter(['{"score": 5}', "no idea", "no idea", '{"score": 2}', '{"score": 1}'])
    judge = Judge(FakeBackend(lambda _: next(replies), local=True, concurrency=1), strategy="score(batch_size=1)")
    with Running(judge) as server:
        found = result(server)
    assert found["status"] == "partial"
    assert "call without a judgment (unreadable)" in " ".join(found["integrity"])
    assert [each["judged"] for each in found["results"]].count(False) == 1
    assert next(each for each in found["results"] if not each["judged"])["index"] in found["unjudged"]


def test_hostile_texts_stay_inside_their_event(server: Running) -> None:
    found = rank(server, documents=[HOSTILE, *DOCS[1:]], query=f"{QUERY} {HOSTILE}")
    assert [event for event, _ in found if event != "progress"] == ["result"]
    assert HOSTILE in [each["text"] for each in found[-1][1]["results"]]


def test_hostile_bodies_are_no_fault_of_the_server(server: Running) -> None:
    chance, found = random.Random(5), set[int]()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for _ in range(150):
            reply = client.post("/page/rank", content=hostile(chance)[1])
            found.add(reply.status_code)
            if reply.status_code == 200:
                event, data = events(reply.text)[-1]
                assert event == "result" or data["code"] < 500
    assert found <= {200, 400, 404, 413, 422}
    assert {200, 422} <= found


def test_the_limits_of_the_api_hold(tmp_path: Path) -> None:
    keys = {"app": hashed(APP, rate=6), "other": hashed(OTHER, routes=["fast"], budget="0.015")}
    prices = {"fake": Price(per_call_usd="0.01")}
    judges = {"default": simulated(), "fast": fake(local=False, prices=prices, strategy="score(batch_size=1)")}
    limits = {"documents": 4, "body_bytes": 5000}
    with Running(judges, keys=keys, limits=limits, ledgers=str(tmp_path)) as server:

        def refused(key: str = APP, **body: Any) -> tuple[int, str]:
            whole = {"query": QUERY, "documents": DOCS, **body}
            reply = server.post("/page/rank", whole, headers=bearer(key) if key else {})
            return reply.status_code, reply.json()["message"]

        assert refused(key="")[0] == 401
        assert refused(documents=[*DOCS, "one more"]) == (
            422,
            "There are too many documents: 5. At most 4 are allowed.",
        )
        assert refused(documents=["x" * 6000])[0] == 413
        assert refused(query=" ")[0] == 422
        assert refused(model="nope")[0] == 404
        assert refused(key=OTHER, model="default")[0] == 403
        about = httpx.get(f"{server.url}/page/about", headers=bearer(OTHER)).json()
        assert (about["routes"], about["specs"], about["limits"]["documents"]) == (["fast"], False, 4)
        assert httpx.get(f"{server.url}/page/about").status_code == 401
        assert rank(server, key=APP)[-1][0] == "result"
        limited = server.post("/page/rank", {"query": QUERY, "documents": DOCS}, headers=bearer(APP))
        while limited.status_code == 200:
            limited = server.post("/page/rank", {"query": QUERY, "documents": DOCS}, headers=bearer(APP))
        assert limited.status_code == 429
        assert int(limited.headers["retry-after"]) >= 1
        partial = rank(server, key=OTHER, model="fast")[-1]
        assert (partial[0], partial[1]["status"], partial[1]["cost_usd"]) == ("result", "partial", "0.010000")
        event, data = rank(server, key=OTHER, model="fast", query="another")[-1]
        assert (event, data["code"], data["type"]) == ("problem", 402, "budget_exceeded")


def test_what_goes_wrong_later_is_an_event() -> None:
    with Running(Judge(FakeBackend(RateLimited("sk-secret of the operator")), max_attempts=1)) as server:
        event, data = rank(server)[-1]
    assert event == "problem"
    assert data["code"] in (502, 503)
    assert "sk-secret" not in json.dumps(data)


def test_a_strategy_by_name_where_that_is_allowed() -> None:
    with Running(specs=True) as server:
        assert result(server, model="bm25 % 2 >> score")["strategy"] == "bm25 % 2 >> score"
        body = {"query": QUERY, "documents": DOCS, "model": "score(prompt='/etc/passwd')"}
        assert server.post("/page/rank", body).status_code == 404


def test_a_client_that_leaves_stops_its_spending() -> None:
    backend = FakeBackend('{"score": 5}', latency_s=0.2, concurrency=1)
    with Running(Judge(backend, strategy="score(batch_size=1)")) as server:
        body = {"query": QUERY, "documents": [f"document {n}" for n in range(50)]}
        with httpx.stream("POST", f"{server.url}/page/rank", json=body, timeout=30) as reply:
            assert next(reply.iter_lines()) == "event: progress"
        time.sleep(0.5)
        asked = len(backend.requests)
        time.sleep(0.6)
        assert len(backend.requests) == asked
        assert asked <= 6


def test_only_programs_here_and_this_page_are_answered_without_keys(server: Running) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        assert server.post("/page/rank", {"query": "q", "documents": ["a"]}, headers=headers).status_code == 403
        assert httpx.get(f"{server.url}/page/about", headers=headers).status_code == 403
        assert httpx.get(f"{server.url}/page/shared/x", headers=headers).status_code == 403


def knowing(request: object) -> str:
    return '{"score": 9}' if "Herbert" in str(request) else '{"score": 2}'


def test_a_link_shows_the_ranking_of_the_trace(tmp_path: Path) -> None:
    judge = fake(knowing, strategy="score(batch_size=1)", trace=tmp_path / "trace.db")
    with Running(judge) as server:
        made = result(server)
        assert made["results"][0]["index"] == 1
        link = made["link"]
        found = httpx.get(f"{server.url}/page/shared/{link}")
        assert found.headers["cache-control"] == "no-store"
        assert found.json() == made
        for wrong in (link[:-1], f"{link[:-2]}00", f"other~{link.partition('~')[2]}", f"default~last~{QUERY}"):
            reply = httpx.get(f"{server.url}/page/shared/{wrong}")
            assert reply.status_code == 404
            assert QUERY not in reply.text
    assert judge.trace is not None
    assert judge.trace.ranking("last", QUERY).order == tuple(each["index"] for each in made["results"])


def test_without_a_trace_there_is_no_link(server: Running) -> None:
    assert result(server)["link"] is None


def test_a_link_shows_no_text_without_a_key(tmp_path: Path) -> None:
    trace = tmp_path / "trace.db"
    judge = fake('{"score": 5, "reason": "Herbert."}', strategy="score(explain=True, batch_size=1)", trace=trace)
    keys = {"app": hashed(APP), "other": hashed(OTHER, routes=["fast"])}
    with Running({"default": judge, "fast": simulated(trace=trace)}, keys=keys) as server:
        link = rank(server, key=APP)[-1][1]["link"]
        address = f"{server.url}/page/shared/{link}"
        whole = httpx.get(address, headers=bearer(APP)).json()
        assert whole["results"][0]["text"] in DOCS
        assert (whole["query"], whole["results"][0]["reason"]) == (QUERY, "Herbert.")
        for headers in ({}, bearer(OTHER)):
            bare = httpx.get(address, headers=headers)
            assert bare.status_code == 200
            assert [r["index"] for r in bare.json()["results"]] == [r["index"] for r in whole["results"]]
            assert not any(text in bare.text for text in (*DOCS, QUERY, "Herbert"))
        assert httpx.get(address, headers=bearer("nobody-knows-this-one")).status_code == 401
        moved = f"fast~{link.partition('~')[2]}"
        assert httpx.get(f"{server.url}/page/shared/{moved}", headers=bearer(OTHER)).status_code == 404


# --- colours

STYLE = (files("judge_rerank.server.page") / "assets" / "style.css").read_text(encoding="utf-8")
_VARIABLE = re.compile(r"--([a-z]+): (#[0-9a-f]{3,6});")


def palettes() -> dict[str, dict[str, str]]:
    """The colours, light and dark; the two ways to dark have the same."""
    blocks = [dict(_VARIABLE.findall(block)) for block in re.findall(r":root[^{]*\{([^}]*)\}", STYLE)]
    light, system, chosen = (block for block in blocks if "paper" in block)
    assert system == chosen
    assert set(light) == set(system)
    return {"light": light, "dark": system}


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_edges_stand_out(scheme: str) -> None:
    colours = palettes()[scheme]
    told = 0
    for rule in re.findall(r"\{([^{}]*)\}", STYLE):
        text = re.search(r"(?:^|[;\s])color: var\(--(\w+)\)", rule)
        if text is None:
            continue
        ground = re.search(r"background: var\(--(\w+)\)", rule)
        for back in [ground[1]] if ground else ["paper", "raised", "wash"]:
            found = contrast(colours[text[1]], colours[back])
            assert found >= 4.5, f"{text[1]} on {back}: {found:.2f}"
            told += 1
    assert told >= 20
    for edge in ("edge", "a", "b", "warn"):  # of what can be used, and the mark of focus
        assert contrast(colours[edge], colours["paper"]) >= 3, edge
