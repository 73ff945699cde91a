"""The trace: every number can be followed back to the prompt, the reply, the price and the window it came from."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core import (
    Candidate,
    Choice,
    Document,
    Failed,
    Judgment,
    Order,
    Query,
    RankedDocument,
    Ranking,
    Scores,
    Usage,
)
from judge_rerank.core.backend import Message
from judge_rerank.core.errors import DataError, InputError, UnknownName
from judge_rerank.core.redaction import REDACTED
from judge_rerank.tracing.trace import CallRecord, Trace, explain

SYSTEM = "You judge how relevant documents are to a query. Answer with a number from 0 to 10 and nothing else."
DOCUMENTS = [
    Document(text=f"Document number {n}. " + f"It says a few things about topic {n}. " * 5, id=f"d{n}")
    for n in range(5)
]
QUERY = Query(text="what is topic 3?", id="q1")
CANDIDATES = tuple(Candidate(index=n, document=document) for n, document in enumerate(DOCUMENTS))
NOW = 1_790_000_000.0


def message(*candidates: Candidate) -> str:
    shown = "\n\n".join(f"[{place}] {c.document.text}" for place, c in enumerate(candidates, 1))
    return (
        f"Query: {QUERY.text}\n\n{shown}\n\nGive one number that says how relevant it is, and nothing but this number."
    )


def record(ranking: str, call: int, *candidates: Candidate, **changed: Any) -> CallRecord:
    values: dict[str, Any] = {
        "time": NOW + call,
        "task": "score",
        "stage": "score",
        "round": 1,
        "prompt": "score/default",
        "prompt_hash": "ab" * 32,
        "messages": (Message(role="system", content=SYSTEM), Message(role="user", content=message(*candidates))),
        "model": "openai/m",
        "latency_s": 0.25,
        "input_tokens": 100,
        "output_tokens": 1,
        "cost_usd": Decimal("0.000021"),
        "reply": "7",
        "finish_reason": "stop",
    }
    return CallRecord(ranking=ranking, call=call, candidates=candidates, **(values | changed))


def judgment(call: CallRecord, **said: Any) -> Judgment:
    return Judgment(
        stage=call.stage,
        round=call.round,
        window=tuple(c.index for c in call.candidates),
        prompt=call.prompt,
        prompt_hash=call.prompt_hash,
        model=call.model,
        reply=call.reply,
        input_tokens=call.input_tokens or 0,
        output_tokens=call.output_tokens or 0,
        cost_usd=call.cost_usd,
        latency_s=call.latency_s,
        cached=call.cached,
        **said,
    )


def cascade(trace: Trace) -> Ranking:
    """A ranking of five documents: a score for each, then one listwise window over the best three."""
    ranking = trace.begin(QUERY, DOCUMENTS, strategy="score >> listwise", model="openai/m")
    judgments: dict[int, list[Judgment]] = {n: [] for n in range(5)}
    for n, candidate in enumerate(CANDIDATES):
        score = (2, 9, 4, 7, 4)[n] / 10
        outcome = Scores(values=(score,), labels=(str(round(score * 10)),), reasons=(None,))
        call = record(ranking, n + 1, candidate, outcome=outcome, reply=str(round(score * 10)), cached=n == 0)
        call = replace(call, cost_usd=Decimal(0)) if n == 0 else call
        trace.record(call)
        judgments[n].append(judgment(call, score=score, label=outcome.labels[0]))
    window = (CANDIDATES[1], CANDIDATES[3], CANDIDATES[2])
    order = Order(order=(1, 0, 2), stated=2, missing=1, repairs=("added [3], which was left out",))
    call = record(ranking, 6, *window, task="listwise", stage="listwise", round=2, outcome=order, reply="[2] > [1]")
    trace.record(call)
    for shown, candidate in enumerate(window):
        place = order.order.index(shown) + 1
        said: dict[str, Any] = {"position": place} if place <= 2 else {"failure": "unreadable"}
        judgments[candidate.index].append(judgment(call, repairs=order.repairs, **said))
    scores = {3: 0.7, 1: 0.9, 2: 0.4, 4: 0.4, 0: 0.2}
    result = Ranking(
        [
            RankedDocument(rank=rank, index=i, relevance_score=s, document=DOCUMENTS[i], judgments=tuple(judgments[i]))
            for rank, (i, s) in enumerate(scores.items(), 1)
        ],
        query=QUERY,
        strategy="score >> listwise",
        model="openai/m",
        usage=Usage(calls=5, cached_calls=1, rounds=2, input_tokens=500, cost_usd=Decimal("0.000105")),
    )
    trace.finish(ranking, result)
    return result


def test_a_ranking_comes_back_with_every_judgment(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        made = cascade(trace)
        again = trace.ranking(trace.run, "q1")
    assert again.results == made.results
    assert (again.query, again.strategy, again.model, again.status, again.usage) == (
        (made.query, made.strategy, made.model, made.status, made.usage)
    )


def test_of_several_rankings_the_last_comes_back(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        for model in ("openai/first", "openai/second"):
            ranking = trace.begin(QUERY, DOCUMENTS, strategy="score", model=model)
            order = range(5) if model == "openai/first" else reversed(range(5))
            results = [
                RankedDocument(rank=rank, index=index, relevance_score=None, document=DOCUMENTS[index])
                for rank, index in enumerate(order, 1)
            ]
            trace.finish(ranking, Ranking(results, query=QUERY, strategy="score", model=model))
        again = trace.ranking("last", "q1")
        assert (again.model, again.order) == ("openai/second", (4, 3, 2, 1, 0))
        assert trace.path("last", "q1", "d4").result.rank == 1


def test_every_call_holds_all_that_its_number_came_from(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        cascade(trace)
        calls = trace.calls(run="last", query="q1", stage="listwise")
    [call] = calls
    assert [m.content for m in call.messages] == [SYSTEM, message(CANDIDATES[1], CANDIDATES[3], CANDIDATES[2])]
    assert (call.prompt, call.prompt_hash, call.reply, call.window) == (
        "score/default",
        "ab" * 32,
        "[2] > [1]",
        (1, 3, 2),
    )
    assert isinstance(call.outcome, Order)
    assert (call.outcome.repairs, call.cost_usd, call.time) == (
        (("added [3], which was left out",), Decimal("0.000021"), NOW + 6)
    )


def test_texts_are_stored_once(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        for _ in range(20):
            cascade(trace)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for text in (SYSTEM, *(document.text for document in DOCUMENTS)):
        assert content.count(text.encode()) == 1


def test_the_path_of_a_document_reads_like_a_sentence(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        made = cascade(trace)
        from_trace = trace.path("last", "what is topic 3?", "d3")
    assert from_trace == explain(made, index=3)
    assert from_trace.path == "first stage 4 → score 7 (0.7) (place 2) → listwise 1st of 3 → rank 1 of 5"
    text = str(from_trace)
    for part in ("score/default (abababababab)", "openai/m", "$0.000021", "[2] > [1]", "1, 3, 2", "d3", "left out"):
        assert part in text


def test_ties_and_failures_in_an_explanation() -> None:
    def result(rank: int, index: int, *judgments: Judgment) -> RankedDocument:
        document = Document(text=f"text {index}")
        return RankedDocument(rank=rank, index=index, relevance_score=None, document=document, judgments=judgments)

    tied = Judgment(stage="binary", round=1, score=0.5, label="yes")
    failed = Judgment(stage="listwise", round=2, failure="refused")
    ranking = Ranking(
        [result(1, 2, tied), result(2, 0, tied, failed), result(3, 1)], query=Query(text="q"), strategy="s"
    )
    assert explain(ranking, index=2).path == "first stage 3 → binary yes (0.5) (place 2) → rank 1 of 3"
    assert explain(ranking, index=0).path == (
        "first stage 1 → binary yes (0.5) (place 1) → listwise no judgment (refused) → rank 2 of 3"
    )
    assert "price unknown" in str(explain(ranking, index=0))
    assert "no judgment covers it" in str(explain(ranking, index=1))
    with pytest.raises(InputError, match="No document with index 7"):
        explain(ranking, index=7)


def test_attempts_and_reasks_make_one_judgment(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        ranking = trace.begin(QUERY, DOCUMENTS, strategy="score")
        nothing = {"reply": None, "finish_reason": None, "input_tokens": None, "output_tokens": None, "cost_usd": None}
        first = record(ranking, 1, CANDIDATES[0], error="429 Too Many Requests", **nothing)
        trace.record(first)
        unread = Failed(reason="unreadable", message="no number")
        trace.record(record(ranking, 1, CANDIDATES[0], attempt=2, reply="hm", outcome=unread))
        trace.record(record(ranking, 1, CANDIDATES[0], attempt=3, outcome=Scores(values=(0.7,), labels=("7",))))
        trace.record(record(ranking, 2, CANDIDATES[1], outcome=Failed(reason="refused", message="I cannot.")))
        found = trace.ranking("last", "q1")
        assert [call.attempt for call in trace.calls(failed=True)] == [1, 2, 1]
        assert [call.attempt for call in trace.calls(failed=False)] == [3]
    assert found.status == "partial"
    [seven] = found[0].judgments
    assert (seven.score, seven.reply, seven.input_tokens, seven.cost_usd) == (0.7, "7", 200, Decimal("0.000042"))
    [refused] = found[1].judgments
    assert (refused.failure, refused.reason) == ("refused", "I cannot.")


def test_filters(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db", run="one") as trace:
        cascade(trace)
    with Trace(tmp_path / "t.db", run="other") as trace:
        cascade(trace)
        ranking = trace.begin(Query(text="100% else"), [Document(text="x")], strategy="classify")
        trace.record(
            record(ranking, 1, Candidate(index=0, document=Document(text="x")), model="n", outcome=Choice(label="a"))
        )
        assert [run.id for run in trace.runs()] == ["one", "other"]
        assert (trace.runs()[1].calls, trace.runs()[1].models) == (6, ("n", "openai/m"))
        assert len(trace.calls()) == 13
        assert len(trace.calls(run="one")) == 6
        assert len(trace.calls(query="%")) == 1
        assert len(trace.calls(query="topic 3", doc="d3", run="oth")) == 2
        assert len(trace.calls(doc=0)) == 1
        assert len(trace.calls(model="n", stage="score")) == 1
        assert [call.call for call in trace.calls(limit=2)] == [6, 1]
        with pytest.raises(InputError, match="2 runs begin"):
            trace.calls(run="o")
        with pytest.raises(UnknownName, match="Unknown run 'x'"):
            trace.calls(run="x")
        with pytest.raises(UnknownName, match="query in run"):
            trace.ranking("one", "nothing")
        with pytest.raises(UnknownName, match="Unknown document"):
            trace.path("one", "q1", "dd")


def test_spend_adds_up(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db", run="r") as trace:
        cascade(trace)
        ranking = trace.begin(QUERY, DOCUMENTS, strategy="binary")
        trace.record(record(ranking, 1, CANDIDATES[0], model="local", cost_usd=None, prompt="binary/default"))
        [paid, unknown] = trace.spend("model")
        assert (paid.key, paid.calls, paid.cached_calls, paid.cost_usd) == ("openai/m", 5, 1, Decimal("0.000105"))
        assert (unknown.key, unknown.calls, unknown.cost_usd, unknown.unpriced_calls) == ("local", 1, 0, 1)
        assert [row.key for row in trace.spend("strategy")] == ["score >> listwise", "binary"]
        assert [row.key for row in trace.spend("prompt")] == ["score/default", "binary/default"]
        assert [row.key for row in trace.spend("day")] == ["2026-09-21"]
        [run] = trace.spend("run")
        assert (run.key, run.calls, run.input_tokens) == ("r", 6, 600)
        with pytest.raises(UnknownName):
            trace.spend("moon")  # type: ignore[arg-type]


@given(st.text(), st.lists(st.text(min_size=40, alphabet="ab \n\u00e9"), max_size=4), st.integers(0, 60))
def test_messages_are_put_together_again_exactly(around: str, texts: list[str], kept: int) -> None:
    from judge_rerank.storage import SqliteSql, open_database
    from judge_rerank.tracing.rows import Texts
    from judge_rerank.tracing.schema import TRACE
    from judge_rerank.tracing.store import Writer

    content = around + "".join(f"\n[{n}] {text[: 50 + kept]}{around}" for n, text in enumerate(texts))
    with closing(SqliteSql(open_database(TRACE, None))) as connection:
        writer = Writer(connection, (), most_known=2)
        for _ in range(2):
            parts = writer._parts(content, texts)
            writer.flush()
        assert len(writer._stored) <= 2
        parts = json.loads(json.dumps(parts))
        assert Texts(connection).message("user", parts).content == content


def test_no_secret_is_written(tmp_path: Path) -> None:
    key, shaped = "my-own-key-31337", "sk-proj-abcdefghijklmnop1234"
    with Trace(tmp_path / "t.db", secrets=[key]) as trace:
        ranking = trace.begin(Query(text=f"about {key}"), [Document(text=f"has {key}" * 9)], strategy="score")
        shown = Candidate(index=0, document=Document(text=f"has {key}" * 9))
        trace.record(
            record(
                ranking,
                1,
                shown,
                reply=f"it is {key}",
                error=f"401: {key}, Bearer {shaped}",
                params={"api_key": "short", "extra_headers": {"Authorization": "x" * 9}, "n": [f"?key={key}"], "t": 1},
                messages=(Message(role="user", content=f"read {key} " + shown.document.text),),
            )
        )
        [call] = trace.calls()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() not in content
    assert shaped.encode() not in content
    assert call.params == {
        "api_key": REDACTED,
        "extra_headers": {"Authorization": REDACTED},
        "n": [f"?key={REDACTED}"],
        "t": 1,
    }


def test_without_a_file_nothing_happens() -> None:
    trace = Trace(None)
    cascade(trace)
    trace.flush()
    trace.close()
    with pytest.raises(DataError, match="no trace"):
        trace.runs()


def test_what_cannot_be_written_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with Trace(tmp_path / "file" / "t.db") as trace:
        for _ in range(5):
            cascade(trace)
            asyncio.run(trace.aflush())
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]


def test_one_odd_record_does_not_take_others_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Trace(tmp_path / "t.db") as trace:
        ranking = trace.begin(QUERY, DOCUMENTS, strategy="score")
        trace.record(record(ranking, 1, CANDIDATES[0], reply=7))
        trace.record(record(ranking, 1, CANDIDATES[0], finish_reason=object()))
        trace.record(record(ranking, 2, CANDIDATES[1], reply="\ud83d half of it"))
        assert [call.call for call in trace.calls()] == [2]
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]


def test_a_file_that_is_no_trace_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"something else" * 1000)
    with pytest.raises(DataError, match=r"t\.db: The trace is damaged \(file is not a database\)"):
        Trace(tmp_path / "t.db").runs()


def test_threads_write_to_one_trace(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        threads = [threading.Thread(target=cascade, args=(trace,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(trace.calls()) == 48
    assert trace.runs()[0].rankings == 8


@pytest.mark.skipif(os.name == "nt", reason="the system has no such file rights")
def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as trace:
        cascade(trace)
    assert (tmp_path / "t.db").stat().st_mode & 0o077 == 0


def test_what_was_flushed_survives_a_kill(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from judge_rerank.tracing.trace import Trace
        from judge_rerank.core import Document, Query
        trace = Trace(sys.argv[1], run="killed")
        trace.begin(Query(text="q"), [Document(text="d")], strategy="score")
        trace.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    file = tmp_path / "t.db"
    subprocess.run([sys.executable, "-c", dedent(script), str(file)], check=False, timeout=300)
    assert [run.id for run in Trace(file).runs()] == ["killed"]
    assert Trace(file).ranking("killed", "q").reasons == ("the run ended before this ranking did",)
