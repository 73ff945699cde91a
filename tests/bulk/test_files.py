"""Files in, files out: every candidate once, whatever the input is made of, and clear words for what cannot be used."""

from __future__ import annotations

import csv
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from judge_rerank import Budget, DataError, InputError, Judge, UnknownName
from judge_rerank.bulk import Local, estimate_files, rerank_files
from judge_rerank.core import AuthenticationError, CancelToken
from tests.bulk import wire
from tests.bulk.conftest import DOCS, PRICES, keys, results, rows, write_jsonl, write_parquet
from tests.provider import Answer, Fault, Provider


def test_every_candidate_stands_in_the_results_once_and_in_the_judges_order(
    judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    given = rows(25)
    run = rerank_files(write_parquet(tmp_path / "in.parquet", given), tmp_path / "out", queries_per_part=10, **judge)
    found = results(tmp_path / "out")
    assert keys(found) == keys(given)
    assert (run.status, run.parts, run.queries, run.rows) == ("complete", 3, 25, 150)
    with Judge(wire.NamedWire(provider.port, {}), prices=PRICES, strategy="score") as alone:
        ranking = alone.rerank("what lives in sand number 7?", DOCS)
    of_seven = sorted((row for row in found if row["query_id"] == "q7"), key=lambda row: row["rank"])
    assert [row["doc_id"] for row in of_seven] == [f"d{index}" for index in ranking.order]
    assert [row["score"] for row in of_seven] == [each.relevance_score for each in ranking]
    assert all(row["judged"] and row["stage"] == "score" for row in found)
    assert sum(row["cost_usd"] for row in found) == pytest.approx(float(run.totals.cost_usd))
    # The one ranking alone was paid for as well.
    assert provider.bill.microusd == int((Decimal(run.totals.cost_usd) + ranking.usage.cost_usd) * 1_000_000)
    assert run.prompts.keys() == {"score/default"} or run.prompts
    assert not (tmp_path / "out" / "_input").exists()


def nested(path: Path) -> Path:
    listed = [
        {
            "query_id": f"q{n}",
            "query": f"what lives in sand number {n}?",
            "documents": [{"id": f"d{place}", "text": text, "title": None} for place, text in enumerate(DOCS)],
        }
        for n in range(3)
    ]
    return write_jsonl(path / "nested.jsonl", listed)


def nested_parquet(path: Path) -> Path:
    listed = [{**json.loads(line)} for line in nested(path).read_text().splitlines()]
    return write_parquet(path / "nested.parquet", listed)


def table(path: Path) -> Path:
    with (path / "in.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows(1)[0]))
        writer.writeheader()
        writer.writerows(rows(3))
    return path / "in.csv"


def shuffled(path: Path) -> Path:
    listed = rows(3)
    random.Random(1).shuffle(listed)
    return write_jsonl(path / "shuffled.jsonl", listed)


def trec(path: Path) -> Path:
    folder = path / "trec"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": f"d{place}", "text": text}) + "\n" for place, text in enumerate(DOCS))
    )
    queries = ({"_id": f"q{n}", "text": f"what lives in sand number {n}?"} for n in range(3))
    (folder / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    (folder / "candidates.trec").write_text(
        "".join(f"q{n} Q0 d{place} {place + 1} {9 - place} bm25\n" for n in range(3) for place in range(len(DOCS)))
    )
    return folder


def folder(path: Path) -> Path:
    inside = path / "several"
    inside.mkdir()
    write_parquet(inside / "a.parquet", rows(1))
    write_jsonl(inside / "b.jsonl", rows(2, first=1))
    write_jsonl(inside / "_left_out.jsonl", rows(9))
    return inside


@pytest.mark.parametrize(
    "make", [nested, nested_parquet, table, shuffled, trec, folder], ids=lambda make: make.__name__
)
def test_inputs_of_every_kind_give_the_same_results(make: Any, judge: dict[str, Any], tmp_path: Path) -> None:
    rerank_files(make(tmp_path), tmp_path / "out", **judge)
    expected = rerank_files(write_parquet(tmp_path / "plain.parquet", rows(3)), tmp_path / "plain", **judge)
    assert expected.totals.calls == 0  # the same questions
    found = {(row["query_id"], row["doc_id"]): row["score"] for row in results(tmp_path / "out")}
    assert found == {(row["query_id"], row["doc_id"]): row["score"] for row in results(tmp_path / "plain")}


def test_a_resumed_run_ranks_what_is_missing_and_pays_for_nothing_twice(
    judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    given, out = write_parquet(tmp_path / "in.parquet", rows(30)), tmp_path / "out"
    cancel = CancelToken()
    done: list[int] = []

    def watch(progress: Any) -> None:
        done.append(progress.done.parts)
        cancel.cancel()

    stopped = rerank_files(given, out, queries_per_part=5, watch=watch, cancel=cancel, **judge)
    assert (stopped.status, stopped.reasons[0]) == ("stopped", "cancelled")
    assert 0 < stopped.totals.queries < 30
    with pytest.raises(InputError, match="has a run in it"):
        rerank_files(given, out, queries_per_part=5, **judge)
    with pytest.raises(InputError, match=r'strategy was "score", and now it is "binary"'):
        rerank_files(given, out, queries_per_part=5, resume=True, **{**judge, "strategy": "binary"})
    run = rerank_files(given, out, queries_per_part=5, resume=True, **judge)
    assert (run.status, run.totals.queries) == ("complete", 30)
    assert keys(results(out)) == keys(rows(30))
    sent = provider.requests
    assert sent <= 30 * len(DOCS) + 16  # what was under way when it was cancelled
    assert rerank_files(given, out, queries_per_part=5, resume=True, **judge) == run
    assert provider.requests == sent
    write_parquet(given, rows(31))
    with pytest.raises(InputError, match=r"input .*in.parquet was"):
        rerank_files(given, out, queries_per_part=5, resume=True, **judge)


def test_a_cap_ends_the_run_and_a_higher_one_goes_on(judge: dict[str, Any], provider: Provider, tmp_path: Path) -> None:
    given, out = write_parquet(tmp_path / "in.parquet", rows(40)), tmp_path / "out"
    run = rerank_files(given, out, budget=Budget(usd="0.003"), queries_per_part=5, **judge)
    assert run.status == "stopped"
    assert "budget is used up" in run.reasons[0]
    assert provider.bill.microusd <= Decimal(run.totals.ledger_usd) * 1_000_000 <= 3_000
    run = rerank_files(given, out, budget=Budget(usd="1"), queries_per_part=5, resume=True, **judge)
    assert run.status == "complete"
    assert keys(results(out)) == keys(rows(40))
    assert provider.requests == 40 * len(DOCS)
    assert provider.bill.microusd == int(Decimal(run.totals.ledger_usd) * 1_000_000)
    assert not list((out / "_errors").iterdir())


def test_what_one_query_lacks_is_written_down_and_costs_the_others_nothing(
    judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    usual = provider.judge
    provider.judge = lambda asked: Answer(text="no comment") if "number 3?" in asked.text else usual(asked)
    run = rerank_files(write_parquet(tmp_path / "in.parquet", rows(6)), tmp_path / "out", **judge)
    assert (run.status, run.totals.statuses) == ("partial", {"complete": 5, "partial": 1})
    (line,) = (tmp_path / "out" / "_errors" / "part-000000.jsonl").read_text().splitlines()
    assert (json.loads(line)["query_id"], json.loads(line)["status"]) == ("q3", "partial")
    found = results(tmp_path / "out")
    assert keys(found) == keys(rows(6))
    assert {row["query_id"] for row in found if not row["judged"]} == {"q3"}


@pytest.mark.slow
def test_several_processes_give_what_one_gives(judge: dict[str, Any], provider: Provider, tmp_path: Path) -> None:
    given = write_parquet(tmp_path / "in.parquet", rows(20))
    run = rerank_files(given, tmp_path / "out", engine=Local(workers=2), queries_per_part=3, **judge)
    assert run.status == "complete"
    assert keys(results(tmp_path / "out")) == keys(rows(20))
    assert provider.requests == 20 * len(DOCS)


def test_a_dry_run_says_what_it_takes_and_sends_nothing(
    judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    given = write_parquet(tmp_path / "in.parquet", rows(300))
    found = estimate_files(given, rpm=60, **judge)
    assert (found.queries, found.rows, found.sampled) == (300, 1800, 200)
    assert found.estimate.calls == 1800
    assert (found.hours, found.bound) == (pytest.approx(1800 / 60 / 60), "requests per minute")
    assert found.estimate.expected_cost_usd is not None
    assert provider.requests == 0


BAD: dict[str, tuple[Any, str]] = {
    "other columns": ([{"qid": "1", "text": "a"}], r"The columns are qid, text; expected were query_id, query, doc_id"),
    "a candidate twice": (
        [*rows(1), rows(1)[2]],
        r"in.jsonl:7: Document 'd2' is a candidate of query 'q0' already",
    ),
    "another text of a query": ([*rows(1), {**rows(1)[0], "doc_id": "x", "query": "else"}], r"is 'else' here, and was"),
    "no query": ([{**rows(1)[0], "query": " "}], r"in.jsonl:1: query is ' '"),
    "no id": ([{**rows(1)[0], "doc_id": None}], r"in.jsonl:1: doc_id is missing"),
    "nothing": ([], r"This file is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_input_that_cannot_be_used_is_named_before_anything_is_spent(
    name: str, judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    listed, message = BAD[name]
    with pytest.raises(DataError, match=message):
        rerank_files(write_jsonl(tmp_path / "in.jsonl", listed), tmp_path / "out", **judge)
    assert provider.requests == 0


def test_options_and_places_that_cannot_be_used(
    judge: dict[str, Any], provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, out = write_parquet(tmp_path / "in.parquet", rows(2)), tmp_path / "out"
    with pytest.raises(UnknownName, match="Did you mean 'score'"):
        rerank_files(given, out, **{**judge, "strategy": "scor"})
    with pytest.raises(InputError, match="query 'q0' alone can cost up to"):
        rerank_files(given, out, budget=Budget(usd="0.000001"), **judge)
    with pytest.raises(InputError, match="Unknown option of rerank_files 'depth'"):
        rerank_files(given, tmp_path / "out2", depth=3, **judge)  # pyright: ignore[reportCallIssue]
    with pytest.raises(DataError, match="no such file or folder"):
        rerank_files(tmp_path / "missing.parquet", out, **judge)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot be written"):
        rerank_files(given, tmp_path / "file" / "out", **judge)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    with pytest.raises(InputError, match=r"is not empty \(mine.txt\)"):
        rerank_files(given, tmp_path / "other", **judge)
    with pytest.raises(InputError, match="cannot be opened"):
        rerank_files("nowhere://bucket/in.parquet", out, **judge)
    monkeypatch.delenv(wire.KEY)
    with pytest.raises(AuthenticationError, match=f"Set the environment variable {wire.KEY}"):
        rerank_files(given, tmp_path / "out3", **judge)
    with pytest.raises(UnknownName, match="no-such-model"):
        rerank_files(given, tmp_path / "out4", **{**judge, "model": "local/no-such-model"})
    assert provider.requests == 0


def test_a_document_without_text_is_ranked_and_counted(judge: dict[str, Any], tmp_path: Path) -> None:
    given = [{**row, "text": None} if row["doc_id"] == "d1" else row for row in rows(2)]
    run = rerank_files(write_jsonl(tmp_path / "in.jsonl", given), tmp_path / "out", **judge)
    assert run.empty_texts == 2
    assert keys(results(tmp_path / "out")) == keys(given)


def test_a_provider_that_is_down_stops_the_run_and_a_resumed_one_finishes_it(
    judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    given, out = write_parquet(tmp_path / "in.parquet", rows(12)), tmp_path / "out"
    provider.misbehave(*[Fault(kind="status", status=401)] * 1000)
    run = rerank_files(given, out, queries_per_part=4, max_attempts=1, **judge)
    assert run.status == "stopped"
    lines = [json.loads(line) for path in sorted((out / "_errors").iterdir()) for line in path.read_text().splitlines()]
    assert {line["status"] for line in lines} == {"unfinished"}
    provider.misbehave()
    run = rerank_files(given, out, queries_per_part=4, max_attempts=1, resume=True, **judge)
    assert (run.status, keys(results(out))) == ("complete", keys(rows(12)))
    assert pq.read_schema(out / "part-000000.parquet").names == [
        "query_id", "doc_id", "rank", "score", "judged", "stage", "cost_usd",
    ]  # fmt: skip


def test_no_key_is_written_down(judge: dict[str, Any], tmp_path: Path) -> None:
    out, params = tmp_path / "out", {"extra_headers": {"Authorization": "Bearer hush-0123456789"}}
    rerank_files(write_parquet(tmp_path / "in.parquet", rows(1)), out, params=params, **judge)
    assert "extra_headers" in (out / "_run.json").read_text()
    assert not any(b"hush-0123456789" in path.read_bytes() for path in out.rglob("*") if path.is_file())
