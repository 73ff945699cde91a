"""`judge-rerank batch`, and the commands that take --mode."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from judge_rerank.cli import run
from tests.engine import test_batch
from tests.engine.test_batch import GRADES, PAIRS, judging
from tests.provider import QrelsJudge
from tests.provider.batches import BatchProvider

MODEL = "openai/gpt-4.1-mini"


def interrupted(provider: BatchProvider, folder: Path) -> None:
    with judging(MODEL, provider.url, folder) as judge:
        test_batch.interrupted(provider, judge, PAIRS, "score(batch_size=3)")


def test_an_interrupted_run_is_waited_for_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        interrupted(provider, tmp_path)
        assert run(["batch", "list", "--dir", str(tmp_path)]) == 0
        assert "batch_0" in (listed := capsys.readouterr().out)
        assert "running" in listed
        assert run(["batch", "status", "--dir", str(tmp_path), "--format", "json"]) == 0
        (job,) = json.loads(capsys.readouterr().out)
        assert (job["id"], job["state"], job["requests"]) == ("batch_0", "running", 9)
        provider.held = False
        assert run(["batch", "status", "batch_0", "--dir", str(tmp_path)]) == 0
        assert "it has ended" in capsys.readouterr().err
        assert run(["batch", "resume", "--dir", str(tmp_path)]) == 0
        assert "ended" in capsys.readouterr().out
        assert run(["batch", "resume", "--dir", str(tmp_path)]) == 0
        assert "No job is open" in capsys.readouterr().err
        assert run(["batch", "status", "--dir", str(tmp_path)]) == 0
        said = capsys.readouterr()
        assert (said.out, "No job is open" in said.err) == ("", True)
        with judging(MODEL, provider.url, tmp_path) as judge:
            rankings = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert [ranking.status for ranking in rankings] == ["complete"] * 3
        assert len(provider.jobs) == 1


def test_a_cancelled_job_keeps_what_was_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        interrupted(provider, tmp_path)
        assert run(["batch", "cancel", "batch_0", "--dir", str(tmp_path)]) == 0
        assert "cancelled" in capsys.readouterr().err
        provider.held = False
        with judging(MODEL, provider.url, tmp_path) as judge:
            rankings = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert [ranking.status for ranking in rankings] == ["complete"] * 3
        done = provider.jobs[0].fates.count("ok")
        assert 0 < done < 9
        assert sum(len(job.requests) for job in provider.jobs[1:]) == 9 - done
        assert run(["batch", "cancel", "batch_0", "--dir", str(tmp_path)]) == 0
        assert "over already" in capsys.readouterr().err


def test_jobs_that_there_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["batch", "list", "--dir", str(tmp_path)]) == 0
    assert "No batch jobs are recorded" in capsys.readouterr().err
    assert run(["batch", "cancel", "batch_7", "--dir", str(tmp_path)]) == 2
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        interrupted(provider, tmp_path)
    capsys.readouterr()
    for command in ("status", "resume", "cancel"):
        assert run(["batch", command, "batch_7", "--dir", str(tmp_path)]) == 2
        assert "Unknown batch job 'batch_7'" in capsys.readouterr().err
    assert run(["batch", "resume", "--dir", str(tmp_path)]) == 2  # there is no key
    assert "OPENAI_API_KEY" in capsys.readouterr().err


def test_a_record_of_another_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(tmp_path / "batches.db") as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    assert run(["batch", "list", "--dir", str(tmp_path)]) == 2
    assert "another program" in capsys.readouterr().err


def test_modes_of_other_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs = tmp_path / "docs.jsonl"
    docs.write_text("".join(json.dumps({"text": text}) + "\n" for text in GRADES), encoding="utf-8")
    estimate = ["estimate", "-q", "what is matter 1?", str(docs), "-m", MODEL, "-f", "json"]
    costs: list[float] = []
    for mode in ("direct", "batch"):
        assert run([*estimate, "--mode", mode]) == 0
        found = json.loads(capsys.readouterr().out)
        costs.append(float(found["cost_usd"]))
        assert found["longest_wait_s"] == (86400 if mode == "batch" else 0)
    assert costs[1] == pytest.approx(costs[0] / 2, rel=0.05)
    assert run([*estimate[:-4], "-m", "typesafe/jev-latest", "--mode", "batch"]) == 2
    assert "decision endpoints have no batch jobs" in capsys.readouterr().err
    assert run(["plan", "20", "-m", MODEL, "--mode", "batch", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["best"]["rounds"] == 1


def test_what_a_job_leaves_is_asked_directly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    docs = tmp_path / "docs.jsonl"
    docs.write_text("".join(json.dumps({"text": text}) + "\n" for text in GRADES), encoding="utf-8")
    with BatchProvider(QrelsJudge(GRADES), fate=test_batch.fated("500", "expired")) as provider:
        command = ["rerank", "-q", "what is matter 1?", str(docs), "-m", MODEL, "-s", "score(batch_size=3)"]
        options = ["--api-base", f"{provider.url}/v1", "--mode", "batch", "--batch-fallback", "direct", "-f", "json"]
        assert run([*command, *options, "--cache-dir", str(tmp_path)]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == "complete"
        assert (len(provider.jobs), provider.direct.requests) == (1, 2)


def test_files_by_batch_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    rows = [
        {"query_id": f"q{n}", "query": query, "doc_id": f"d{place}", "text": text}
        for n, (query, docs) in enumerate(PAIRS)
        for place, text in enumerate(docs)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with BatchProvider(QrelsJudge(GRADES), fate=test_batch.fated("500", "expired")) as provider:
        command = ["bulk", str(tmp_path / "rows.jsonl"), "-m", MODEL, "-s", "score(batch_size=3)"]
        where = ["--api-base", f"{provider.url}/v1", "--cache-dir", str(tmp_path), "-o", str(tmp_path / "ranked")]
        assert run([*command, *where, "--mode", "batch", "--batch-fallback", "direct"]) == 0
        assert (len(provider.jobs), provider.direct.requests) == (1, 2)


@pytest.mark.parametrize("by_file", [True, False])
def test_an_experiment_by_batch_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_file: bool) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    folder = tmp_path / "data"
    folder.mkdir()
    texts = list(GRADES)
    corpus = [json.dumps({"_id": f"d{n}", "text": text}) for n, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(corpus), encoding="utf-8")
    queries = [json.dumps({"_id": f"q{n}", "text": query}) for n, (query, _) in enumerate(PAIRS)]
    (folder / "queries.jsonl").write_text("\n".join(queries), encoding="utf-8")
    run_lines = [f"q{q} Q0 d{n} {n + 1} {9 - n} x" for q in range(len(PAIRS)) for n in range(len(texts))]
    (folder / "candidates.trec").write_text("\n".join(run_lines) + "\n", encoding="utf-8")
    qrels = [f"q{q}\td{n}\t{round(GRADES[text])}" for q in range(len(PAIRS)) for n, text in enumerate(texts)]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(qrels) + "\n", encoding="utf-8")
    with BatchProvider(QrelsJudge(GRADES), fate=test_batch.fated("500", "expired")) as provider:
        experiment = {
            "name": "batch",
            "datasets": [{"path": str(folder)}],
            "models": [{"name": MODEL, "api_base": f"{provider.url}/v1", "price": {"input_usd_per_mtok": 0.1}}],
            "strategies": ["score(batch_size=3)", "listwise(window_size=4, stride=2)"],
            "budget_usd": 1,
            "batch_fallback": "direct",
        } | ({"mode": "batch"} if by_file else {})
        file = tmp_path / "experiment.yaml"
        file.write_text(json.dumps(experiment), encoding="utf-8")
        command = ["eval", str(file), "-o", str(tmp_path / "run"), "--cache-dir", str(tmp_path / "cache")]
        assert run(command + ([] if by_file else ["--mode", "batch"])) == 0
        assert provider.direct.requests == 2
        assert provider.bill.requests > 0
        assert run([*command, "--mode", "batch", "--race"]) == 2
