"""`judge-rerank rerank` and `estimate`, end to end over a loopback socket."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cli.conftest import BEST_FIRST, GRADES, Command
from tests.provider import Fault, Provider, QrelsJudge

QUERY = ["-q", "who wrote Dune?"]


@pytest.mark.parametrize("strategy", ["listwise", "score", "binary", "listwise(window_size=3, stride=1)"])
def test_the_judge_decides_the_order(command: Command, judge: list[str], documents: Path, strategy: str) -> None:
    ran = command("rerank", *QUERY, documents, *judge, "-s", strategy, "-f", "jsonl")
    ids = [record["id"] for record in ran.records]
    assert ran.code == 0, ran.err
    assert sorted(ids) == sorted(BEST_FIRST)
    assert tuple(ids[:2]) == BEST_FIRST[:2]
    assert f"{strategy} by openai/test · " in ran.err


def test_the_table_shows_places_before_and_after(command: Command, judge: list[str], documents: Path) -> None:
    ran = command("rerank", *QUERY, documents, *judge, "-s", "listwise", "-k", 2)
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["#", "index", "document", "judgment"]
    assert lines[2] == ["1", "1", "↑1", "d1", "1", "of", "4"]
    assert lines[4] == ["2", "3", "↑2", "d3", "2", "of", "4"]
    assert len(lines) == 6
    assert ran.err.splitlines()[-1].startswith("listwise by openai/test · 1 call in 1 round · ")
    assert "price unknown" in ran.err


def test_a_table_has_ten_rows_whatever_a_cascade_keeps(command: Command, judge: list[str]) -> None:
    many = "\n".join(json.dumps({"id": f"d{n}", "text": f"Dune {n}"}) for n in range(15))
    ran = command("rerank", *QUERY, "-", *judge, "-s", "bm25 % 5 >> score", stdin=many)
    assert ran.code == 0, ran.err
    places = [line.split()[0] for line in ran.out.splitlines() if line.strip() and line.split()[0].isdecimal()]
    assert places == [str(rank) for rank in range(1, 11)]


def test_reasons_are_shown_when_asked_for(command: Command, judge: list[str], documents: Path) -> None:
    assert "→" not in command("rerank", *QUERY, documents, *judge, "-s", "score").out
    assert command("rerank", *QUERY, documents, *judge, "-s", "score", "--explain").out.count("→") == 4
    assert command("rerank", *QUERY, documents, *judge, "-s", "listwise", "--explain").out.count("→ round 1: ") == 1


def test_json_has_everything(command: Command, judge: list[str], documents: Path) -> None:
    ran = command("rerank", *QUERY, documents, *judge, "-f", "json")
    ranking = json.loads(ran.out)
    assert [result["document"]["id"] for result in ranking["results"]] == list(BEST_FIRST)
    assert ranking["status"] == "complete"
    assert ranking["results"][0]["judgments"][0]["reply"]


def test_jsonl_can_be_piped_into_the_next_command(command: Command, judge: list[str], documents: Path) -> None:
    first = command("rerank", *QUERY, documents, *judge, "-s", "listwise", "-k", 3, "-f", "jsonl")
    second = command("rerank", *QUERY, *judge, "-s", "none", "-f", "jsonl", stdin=first.out)
    assert [(r["id"], r["rank"], r["page"]) for r in second.records] == [("d1", 1, 1), ("d3", 2, 3), ("d2", 3, 2)]


@pytest.mark.parametrize("name", ["documents.csv", "documents.tsv"])
def test_rows_of_a_table_are_documents(
    command: Command, judge: list[str], documents: Path, tmp_path: Path, name: str
) -> None:
    rows = [json.loads(line) for line in documents.read_text().splitlines()]
    with (tmp_path / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="," if name.endswith("csv") else "\t")
        writer.writeheader()
        writer.writerows(rows)
    ran = command("rerank", *QUERY, tmp_path / name, *judge, "-f", "trec")
    assert [line.split()[2] for line in ran.out.splitlines()] == list(BEST_FIRST)


def test_a_dash_is_standard_input(command: Command, judge: list[str], documents: Path) -> None:
    ran = command("rerank", *QUERY, "-", *judge, "-f", "trec", stdin=documents.read_text())
    assert [line.split()[2] for line in ran.out.splitlines()] == list(BEST_FIRST)


def test_a_run_is_ranked_query_by_query(command: Command, judge: list[str], run_files: list[object]) -> None:
    ran = command("rerank", *run_files, *judge, "-f", "trec")
    lines = [line.split() for line in ran.out.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [(q, d) for q in ("q1", "q2") for d in BEST_FIRST]
    assert "2 queries" in ran.err
    ran = command("rerank", *run_files, *judge, "--limit", 1, "--candidates", 2, "-f", "jsonl")
    assert [(r["query_id"], r["id"], r["score"]) for r in ran.records] == [("q1", "d1", 8.0), ("q1", "d0", 9.0)]
    ran = command("rerank", *run_files, *judge, "-f", "json")
    assert [ranking["query"]["id"] for ranking in json.loads(ran.out)] == ["q1", "q2"]
    ran = command("rerank", *run_files, *judge, "--query-id", "q2")
    assert ran.out.startswith("q2: novel Dune")


def test_shuffling_is_repeatable_and_by_query(command: Command, judge: list[str], run_files: list[object]) -> None:
    def order(*more: object) -> list[object]:
        ran = command("rerank", *run_files, *judge, "-s", "none", "-f", "jsonl", *more)
        return [(r["query_id"], r["id"]) for r in ran.records]

    assert order("--shuffle", 1) == order("--shuffle", 1)
    assert order("--shuffle", 1)[4:] == order("--shuffle", 1, "--query-id", "q2")
    assert len({tuple(order("--shuffle", seed)) for seed in range(8)}) > 1
    assert sorted(order("--shuffle", 1)) == sorted(order())


def test_text_is_cut_into_passages_and_picked_by_bm25(
    command: Command, judge: list[str], tmp_path: Path, provider: Provider
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    texts = list(GRADES)
    (folder / "books.md").write_text(f"# Books\n\n## Author\n\n{texts[1]}\n\n## Place\n\n{texts[3]}\n")
    (folder / "sand.txt").write_text(texts[0])
    (folder / "again.txt").write_text(texts[0])
    (folder / "weather.rst").write_text("It rains.\n")
    (folder / "program.txt").write_bytes(b"\0\1")
    ran = command("rerank", "-q", "novel Dune", folder, *judge, "--candidates", 3, "-f", "jsonl")
    assert ran.code == 0, ran.err
    assert [record["text"] for record in ran.records] == [texts[1], texts[3], texts[0]]
    assert ran.records[0]["title"] == "books.md › Books › Author"
    assert ran.records[0]["id"] == f"{folder}/books.md:5"
    assert "note: 4 passages (1 repeat left out); BM25 picked 3 of them for the judge" in ran.err
    assert "program.txt: This is a binary file" in ran.err
    assert "Traceback" not in ran.err


def test_no_shared_word_is_said(command: Command, judge: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Nothing here.")
    assert "No passage shares a word" in command("rerank", "-q", "zebra", tmp_path / "a.txt", *judge, "-s", "none").err


def test_no_documents_make_an_empty_ranking_without_a_call(
    command: Command, judge: list[str], provider: Provider
) -> None:
    for style, out in (("table", ""), ("jsonl", ""), ("trec", "")):
        ran = command("rerank", *QUERY, *judge, "-f", style, stdin="\n")
        assert (ran.code, ran.out) == (0, out)
        assert "holds no documents" in ran.err
    assert json.loads(command("rerank", *QUERY, *judge, "-f", "json").out)["results"] == []
    assert provider.requests == 0


def test_a_refusal_makes_a_partial_ranking(
    command: Command, judge: list[str], documents: Path, provider: Provider
) -> None:
    provider.misbehave(*[Fault(kind="refusal")] * 16)  # of the four, of each half, and of each document
    ran = command("rerank", *QUERY, documents, *judge, "-s", "listwise")
    assert ran.code == 3
    assert "warning: partial: " in ran.err
    assert "4 documents not judged" in ran.err
    assert ran.out.count("refused") + ran.out.count("unreadable") == 4


def test_an_account_without_credit_is_the_providers_error(
    command: Command, judge: list[str], documents: Path, provider: Provider
) -> None:
    provider.misbehave(*[Fault.too_many(code="insufficient_quota")] * 4)
    ran = command("rerank", *QUERY, documents, *judge)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert "sk-loopback" not in ran.err


def test_a_refused_key_is_a_matter_of_setup(
    command: Command, judge: list[str], documents: Path, provider: Provider
) -> None:
    provider.keys = frozenset({"another"})
    ran = command("rerank", *QUERY, documents, *judge)
    assert (ran.code, ran.out) == (2, "")
    assert "sk-loopback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-q", " ", "D"], "The query is empty"),
        (["D"], "There is no query"),
        ([*QUERY, "D", "-s", "listwize"], "Did you mean 'listwise'"),
        ([*QUERY, "D", "-s", "score", "--prompt", "rubrik"], "Did you mean 'rubric'"),
        ([*QUERY, "D", "-s", "none", "--explain"], "--explain cannot be used with the strategy 'none'"),
        ([*QUERY, "D", "--prompts", "nowhere"], "nowhere: "),
        ([*QUERY, "nowhere.jsonl"], "nowhere.jsonl: There is no such file"),
        ([*QUERY, "nowhere"], "nowhere: There is no such file"),
        ([*QUERY, "old.trec"], "Name a run with --run"),
        ([*QUERY, "D", "--corpus", "c"], "--corpus needs --run"),
        ([*QUERY, "D", "--limit", "3"], "--limit needs --run"),
        ([*QUERY, "D", "--run", "r"], "leave out -q and FILES"),
        (["--run", "r", "--corpus", "c"], "--queries is missing"),
        ([*QUERY, "D", "--deadline", "0"], "deadline_s is 0"),
        ([*QUERY, "D", "--instruction", " "], "instruction is only white space"),
        ([*QUERY, "D", "--fields", "date"], "No document has the field 'date' in its metadata. The fields are: page"),
        ([*QUERY, "D", "--criteria", "recency"], "In criteria, 'recency' has no weight"),
        ([*QUERY, "D", "--criteria", "a=0,b=0"], "The weights of criteria sum to nothing"),
    ],
)
def test_bad_input_costs_nothing(
    command: Command, judge: list[str], documents: Path, provider: Provider, arguments: list[str], message: str
) -> None:
    given = [str(documents) if argument == "D" else argument for argument in arguments]
    ran = command("rerank", *given, *judge)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert message in ran.err
    assert provider.requests == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "<stdin>:1: This line is only"),
        ('{"text": 5}', '<stdin>:1: "text" is the number 5'),
        ('{"id": "a"}', '"text" is missing'),
    ],
)
def test_bad_lines_on_standard_input(command: Command, judge: list[str], line: str, message: str) -> None:
    ran = command("rerank", *QUERY, *judge, stdin=line)
    assert ran.code == 2
    assert message.replace("<stdin>", "input") in ran.err


def test_trec_output_needs_ids_that_can_stand_in_it(command: Command, judge: list[str], provider: Provider) -> None:
    for records, message in (
        ([{"text": "a", "id": "one two"}, {"text": "b"}], "'one two' contains a space"),
        ([{"text": "a", "id": "x"}, {"text": "b", "id": "x"}], "Two documents have the id 'x'"),
    ):
        text = "".join(json.dumps(record) + "\n" for record in records)
        ran = command("rerank", *QUERY, *judge, "-f", "trec", stdin=text)
        assert ran.code == 2
        assert message in ran.err
    assert provider.requests == 0


def test_no_model_and_unknown_models(command: Command, documents: Path) -> None:
    ran = command("rerank", *QUERY, documents)
    assert ran.code == 2
    assert "JUDGE_RERANK_MODEL" in ran.err
    assert "judge-rerank models pull" in ran.err
    ran = command("rerank", *QUERY, documents, "-m", "openai/gpt-4.1-minni")
    assert ran.code == 2 or "gpt-4.1-minni" in ran.err


def test_no_key(command: Command, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ran = command("rerank", *QUERY, documents, "-m", "openai/gpt-4.1-mini")
    assert (ran.code, ran.out) == (2, "")
    assert "OPENAI_API_KEY" in ran.err


def test_ten_thousand_documents(command: Command, judge: list[str]) -> None:
    text = "".join(json.dumps({"text": f"text {n}", "id": str(n)}) + "\n" for n in range(10_000))
    ran = command("rerank", *QUERY, *judge, "-s", "none", "-f", "trec", stdin=text)
    assert ran.code == 0
    assert ran.out.count("\n") == 10_000


def test_five_megabytes_in_one_document(
    command: Command, judge: list[str], documents: Path, provider: Provider
) -> None:
    long = "word " * 1_000_000
    provider.judge = QrelsJudge(GRADES | {long: 0})
    text = json.dumps({"text": long, "id": "long"}) + "\n" + documents.read_text()
    ran = command("rerank", *QUERY, *judge, "-s", "listwise", stdin=text)
    assert ran.code == 0, ran.err
    assert "1 document cut to fit" in ran.err
    assert len(ran.out) < 10_000


def test_progress_goes_to_standard_error_and_only_to_a_terminal(
    command: Command, judge: list[str], documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "judging" not in command("rerank", *QUERY, documents, *judge, "-s", "score").err
    monkeypatch.setenv("FORCE_COLOR", "1")
    ran = command("rerank", *QUERY, documents, *judge, "-s", "score", "-f", "trec")
    assert "judging" in ran.err
    assert "/4" in ran.err
    assert "\x1b" not in ran.out


def test_an_error_on_the_way_keeps_what_was_printed(
    command: Command, judge: list[str], run_files: list[object], provider: Provider, tmp_path: Path
) -> None:
    # A single document needs no call, so the first query is always ranked before the second one fails.
    (tmp_path / "run.trec").write_text("q1 Q0 d0 1 9 t\nq2 Q0 d0 1 9 t\nq2 Q0 d1 2 8 t\n")
    provider.misbehave(*[Fault.too_many(code="insufficient_quota")] * 4)
    ran = command("rerank", *run_files, *judge, "-s", "listwise", "-f", "json")
    assert ran.code == 4
    assert [ranking["query"]["id"] for ranking in json.loads(ran.out)] == ["q1"]
    assert "listwise · 0 calls" in ran.err, "no model was asked for the one document"
    assert ran.err.splitlines()[-1].startswith("error: ")


def test_estimate_makes_no_call_and_is_right(
    command: Command, judge: list[str], documents: Path, provider: Provider, run_files: list[object]
) -> None:
    ran = command("estimate", *QUERY, documents, *judge, "-s", "listwise(window_size=2, stride=1)", "-f", "json")
    forecast = json.loads(ran.out)
    assert provider.requests == 0
    assert (forecast["queries"], forecast["documents"], forecast["calls"], forecast["rounds"]) == (1, 4, 3, 3)
    command("rerank", *QUERY, documents, *judge, "-s", "listwise(window_size=2, stride=1)")
    assert provider.requests == forecast["calls"]
    ran = command("estimate", *run_files, *judge, "-s", "score")
    assert ["calls", "8"] in [line.split() for line in ran.out.splitlines()]
    assert provider.requests == forecast["calls"]


def test_parameters_reach_the_provider(command: Command, judge: list[str], documents: Path, provider: Provider) -> None:
    more = ["--param", "temperature=0.5", "--param", "context_tokens=4000"]
    ran = command("rerank", *QUERY, documents, *judge, *more)
    assert ran.code == 0, ran.err
    assert provider.received[0].body["temperature"] == 0.5
    ran = command("rerank", *QUERY, documents, *judge, "--param", "temperature")
    assert ran.code == 2
    assert "has no '='" in ran.err


def test_estimate_reports_bad_input_too(command: Command, judge: list[str]) -> None:
    ran = command("estimate", "-q", "", "-", *judge)
    assert (ran.code, ran.out) == (2, "")


def test_what_the_judge_is_to_heed(command: Command, judge: list[str], documents: Path) -> None:
    wishes = ["--instruction", "prefer primary sources", "--criteria", "relevance=0.7,recency=0.3", "--fields", "page"]
    ran = command("rerank", *QUERY, documents, *judge, "-s", "listwise", *wishes, "-f", "json")
    asked = json.loads(ran.out)["query"]
    assert asked["instruction"] == "prefer primary sources"
    assert [each["name"] for each in asked["criteria"]] == ["relevance", "recency"]
    (call,) = command("logs", "-f", "jsonl").records
    (said,) = (message["content"] for message in cast("Any", call["messages"]) if message["role"] == "user")
    assert "prefer primary sources\nWeigh by these criteria: relevance 70% and recency 30%.\n" in said
    assert "[1] page: 0\nSand dunes" in said


def test_long_documents_in_passages(command: Command, judge: list[str]) -> None:
    long = "Sand is grey. " * 30 + "Frank Herbert wrote the novel Dune, published in 1965."
    stdin = json.dumps({"id": "long", "text": long}) + "\n" + json.dumps({"id": "short", "text": "Sand."}) + "\n"
    asked = ["rerank", *judge, "-q", "who?", "-s", "score", "--max-tokens-per-doc", 48, "--passages", "max"]
    ran = command(*asked, "-f", "jsonl", stdin=stdin)
    assert ran.code == 0, ran.err
    (record,) = [record for record in ran.records if record["id"] == "long"]
    assert set(record["evidence"]) == {"start", "end"}
    assert "cut to fit" not in ran.err
    assert "passages by openai/test" in ran.err
    table = command(*asked, stdin=stdin)
    assert table.code == 0, table.err


def test_quiet_leaves_results_and_warnings(
    command: Command, judge: list[str], documents: Path, provider: Provider
) -> None:
    quiet = command("--quiet", "rerank", *QUERY, documents, *judge, "-s", "listwise")
    assert (quiet.code, quiet.err) == (0, "")
    assert "d1" in quiet.out
    provider.misbehave(*[Fault(kind="refusal")] * 16)
    partial = command("--quiet", "rerank", *QUERY, documents, *judge, "-s", "score", "--no-cache")
    assert partial.code == 3
    assert partial.err.startswith("warning: partial: ")
    loud = command("--verbose", "rerank", *QUERY, documents, *judge, "-s", "listwise")
    assert "calls" in loud.err or "call " in loud.err


def test_a_price_that_is_not_known_names_the_option(command: Command, judge: list[str], documents: Path) -> None:
    ran = command("rerank", *QUERY, documents, *judge, "-s", "listwise", "--budget", "1")
    assert ran.code == 2
    assert "--prices FILE: openai/test: {input_usd_per_mtok:" in ran.err
    assert "prices={" not in ran.err


def test_a_provider_out_of_reach_is_the_providers_failure(
    command: Command, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    nowhere = ["-m", "openai/test", "--api-base", "http://127.0.0.1:9/v1"]
    ran = command("rerank", *QUERY, documents, *nowhere, "-s", "listwise")
    assert ran.code == 4, ran.err
    assert "partial: provider" in ran.err


def test_whether_anything_answers_and_which_places_are_certain(
    command: Command, judge: list[str], documents: Path
) -> None:
    """What nobody judged is asked for; the strategy's certainty is told; both are in the JSON."""
    asked = ("rerank", *judge, "-q", "who?", documents, "-s", "blitz")
    plain = command(*asked)
    assert plain.code == 0, plain.err
    assert "answerable" not in plain.err
    assert "certainty: place" in plain.err
    ran = command(*asked, "--answerable", "-f", "json")
    assert ran.code == 0, ran.err
    ranking = json.loads(ran.out)
    assert 0 <= ranking["answerable"] <= 1
    assert [i for tier in ranking["tiers"] for i in tier["indices"]] == [r["index"] for r in ranking["results"]]
    assert f"answerable: {ranking['answerable']:.2f}" in ran.err
    estimates = [
        json.loads(command("estimate", *asked[1:], *more, "-f", "json").out) for more in ((), ("--answerable",))
    ]
    assert estimates[1]["calls"] == estimates[0]["calls"] + 1


def test_what_is_wrong_is_said_in_the_words_of_the_command_line(
    command: Command, judge: list[str], documents: Path
) -> None:
    ran = command("rerank", *QUERY, documents, *judge, "--fields", "colour")
    assert ran.code == 2
    assert "error: No document has the field 'colour'" in ran.err
