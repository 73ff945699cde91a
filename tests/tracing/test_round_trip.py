"""A ranking read back from its trace is the ranking that was returned: every strategy, failure, cut and cached call."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, Document, InputError, Judge, Price, Query, Ranking
from judge_rerank.core import CancelToken, ChatReply, DataError, Strategy
from judge_rerank.core.backend import ChatRequest
from judge_rerank.core.errors import ProviderUnavailable, RateLimited
from judge_rerank.strategies import EmbeddingAPI, Hybrid, Passages, RerankAPI, SelfConsistent, strategy_names
from judge_rerank.testing import FakeBackend, SimulatedJudge
from judge_rerank.tracing.trace import Trace
from tests.provider import Provider, QrelsJudge

QUERY = Query(text="how do bees find their way home?", id="q1")
WORDS = ("bees", "way", "home", "sun", "light", "honey", "polarised", "landmarks")
DOCS = [
    Document(
        id=f"d{n}" if n % 3 else None,
        title=f"Title {n}" if n % 2 else None,
        text=f"Number {n}: " + " ".join(WORDS[(n * k + k) % len(WORDS)] for k in range(1, 25)) + ".\n\n" * (n == 4),
        score=None if n == 5 else (9 - n) / 3,
        metadata={"url": f"https://host/{n}", "pages": [n, {"deep": None}], "when": {n}, 7: n / 3, "text": "hidden"},
    )
    for n in range(8)
]
GRADES = {"q1": {DOCS[n].id or str(n): float(grade) for n, grade in enumerate((0, 1, 0, 3, 2, 0, 1, 3))}}
PRICES = {"fake": Price(input_usd_per_mtok="0.15", output_usd_per_mtok="0.6"), "simulated": Price.free()}

# Those that need a model file, and those that ask an API, which have a test of their own.
_ELSEWHERE = {"api", "embedding-api", "colbert", "cross-encoder", "distilled", "embedding", "flashrank"}
PASSAGES = Passages(max_tokens=16, overlap_tokens=3)
_MADE: Mapping[str, Any] = {
    "cascade": "bm25 % 6 >> score % 3 >> listwise",
    "hybrid": Hybrid({"first-stage": 0.2, "bm25": 0.3, "score": 0.5}),
    "passages": PASSAGES,
    "self-consistent": SelfConsistent(n=3, head=4),
    "stage": "stage(score, fuse=0.5) % 4 >> listwise(window_size=3, stride=1)",
}


def same(trace: Path, ranking: Ranking) -> None:
    """That the trace gives the ranking, and the explanation of each of its documents."""
    read = Trace(trace).ranking("last", ranking.query.id or ranking.query.text)
    assert read.to_dict() == ranking.to_dict()
    assert json.loads(read.to_json()) == json.loads(ranking.to_json())
    assert [r.judgments for r in read] == [r.judgments for r in ranking]
    assert (read.usage, read.integrity, read.kept, read.notes) == (
        (ranking.usage, ranking.integrity, ranking.kept, ranking.notes)
    )
    for result in ranking:
        assert str(read.explain(result.index)) == str(ranking.explain(result.index))


def ranked(folder: Path, backend: FakeBackend, strategy: Any = "score", docs: Any = DOCS, **options: Any) -> Ranking:
    at_once = {name: options.pop(name) for name in ("top_n", "min_score", "deadline_s", "cancel") if name in options}
    with Judge(backend, prices=PRICES, trace=folder / "trace.db", **options) as judge:
        return judge.rerank(QUERY, docs, strategy, **at_once)


@pytest.mark.parametrize("options", [{}, {"top_n": 3}, {"min_score": 0.4}], ids=str)
@pytest.mark.parametrize("name", sorted(set(strategy_names()) - _ELSEWHERE))
def test_every_strategy(tmp_path: Path, name: str, options: Mapping[str, Any]) -> None:
    judge = SimulatedJudge(GRADES, noise=0.5)
    try:
        ranking = ranked(tmp_path, judge, _MADE.get(name, name), **options)
    except InputError:
        if "min_score" in options:
            pytest.skip("it has no scores")
        raise
    same(tmp_path / "trace.db", ranking)


@pytest.mark.parametrize("strategy", [RerankAPI, EmbeddingAPI])
def test_apis(tmp_path: Path, strategy: Callable[..., Strategy]) -> None:
    with Provider(QrelsJudge({document.text: float(n) for n, document in enumerate(DOCS)})) as provider:
        api = strategy("infinity/some", api_base=provider.url, api_key="k", batch_size=3)
        with Judge(trace=tmp_path / "trace.db", prices={"infinity/some": Price.free()}) as judge:
            ranking = judge.rerank(QUERY, DOCS, api)
    assert any(judgment.raw is not None for result in ranking for judgment in result.judgments)
    same(tmp_path / "trace.db", ranking)


def scores(*more: Any) -> Callable[[ChatRequest], Any]:
    """Replies that are a score for each text, always the same; those in `more` come first."""
    first = list(more)

    def reply(request: ChatRequest) -> Any:
        return first.pop(0) if first else json.dumps({"score": 1 + len(request.messages[-1].content) % 10})

    return reply


SLOW = RateLimited("slow down", status=429, retry_after_s=0.001)
FAULTS: Mapping[str, Sequence[Any]] = {
    "unreadable, asked again": ["hm"],
    "unreadable twice": ["hm", "still not"],
    "truncated": [ChatReply(text='{"sco', finish_reason="length", output_tokens=9, input_tokens=9)],
    "refused": [ChatReply(text="I cannot.", finish_reason="refusal", input_tokens=90, output_tokens=3)],
    "repaired": ['Sure! ```json\n{"score": 7,}```'],
    "retried": [SLOW, SLOW, "hm"],
    "down": [ProviderUnavailable("HTTP 503 of https://me:secret@host", status=503)] * 3,
    "no tokens": [ChatReply(text='{"score": 7}')],
    "odd text": ['{"score": 7} \ud800 \U0001f41d', '\udfff {"score": 6}'],
}


@pytest.mark.parametrize("strategy", ["score", PASSAGES], ids=["score", "passages"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault(tmp_path: Path, fault: str, strategy: Any) -> None:
    backend = FakeBackend(scores(*FAULTS[fault]), local=False, concurrency=1)
    ranking = ranked(tmp_path, backend, strategy, max_attempts=3)
    same(tmp_path / "trace.db", ranking)
    assert "secret" not in ranking.to_json()


def test_failures_before_anything_was_sent(tmp_path: Path) -> None:
    paid: dict[str, Any] = {"local": False, "concurrency": 1}
    broke = ranked(tmp_path, FakeBackend(scores(), **paid), budget=Budget(usd="0.00012"))
    assert broke.integrity.failed.keys() == {"budget"}
    same(tmp_path / "trace.db", broke)
    late = ranked(tmp_path, FakeBackend(scores(), latency_s=9, **paid), deadline_s=0.2)
    assert late.integrity.failed.keys() == {"deadline"}
    same(tmp_path / "trace.db", late)
    token = CancelToken()
    token.cancel()
    cancelled = ranked(tmp_path, FakeBackend(scores(), **paid), cancel=token)
    assert cancelled.integrity.failed.keys() <= {"cancelled"}
    same(tmp_path / "trace.db", cancelled)


def test_cached_calls(tmp_path: Path) -> None:
    backend = FakeBackend(scores(), local=False)
    first = ranked(tmp_path, backend, cache_dir=tmp_path / "cache")
    again = ranked(tmp_path, backend, cache_dir=tmp_path / "cache")
    assert (first.usage.cached_calls, again.usage.cached_calls) == (0, 8)
    assert again.usage.saved_usd == first.usage.cost_usd
    same(tmp_path / "trace.db", again)


def test_prices_finer_than_a_micro_dollar_and_odd_texts(tmp_path: Path) -> None:
    reply = ChatReply(text='{"score": 3}', cost_usd=Decimal("0.0000001"), input_tokens=3, output_tokens=1)
    docs = [Document(text="lone \ud800 surrogate " * 9, id="\udfff", title="\ud801"), Document(text="", id="\x00")]
    with Judge(FakeBackend(reply, local=False), trace=tmp_path / "trace.db") as judge:
        ranking = judge.rerank(Query(text="where \udc00?"), docs, "score")
    same(tmp_path / "trace.db", ranking)


def test_the_last_of_several_rankings_of_a_query_is_the_one(tmp_path: Path) -> None:
    with Judge(SimulatedJudge(GRADES), trace=tmp_path / "trace.db") as judge:
        first = judge.rerank(QUERY, DOCS, "score")
        other = judge.rerank(Query(text="another", id="q2"), DOCS[:2], "score")
        last = judge.rerank(QUERY, DOCS[:5], "listwise")
    assert first.to_dict() != last.to_dict()
    same(tmp_path / "trace.db", last)
    same(tmp_path / "trace.db", other)
    assert Trace(tmp_path / "trace.db").ranking("last", QUERY.text).to_dict() == last.to_dict()


def test_an_explanation_counts_the_passage_that_decided(tmp_path: Path) -> None:
    """Each document's place is by the score of its deciding passage, not by the last one that was judged."""
    texts = ["good " * 12 + "\n\n" + "poor " * 12, "fair " * 12 + "\n\n" + "fair " * 12, "poor " * 24]
    points = {"good": 9, "fair": 5, "poor": 1}

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        return json.dumps({"score": points[request.subject.candidates[0].document.text.split()[0]]})

    passages = Passages(max_tokens=16, overlap_tokens=0)
    ranking = ranked(tmp_path, FakeBackend(reply), passages, texts)
    assert ranking.order[:2] == (0, 1)
    assert ranking[0].judgments[-1].label == "1", "a poor passage is judged after the one that decides"
    for explanation in (ranking.explain(0), Trace(tmp_path / "trace.db").path("last", "q1", 0)):
        assert [step.place for step in explanation.steps] == [1]
    assert [step.place for step in ranking.explain(1).steps] == [2]
    same(tmp_path / "trace.db", ranking)


def test_a_ranking_that_was_cut_short_has_the_judgments_that_its_calls_made(tmp_path: Path) -> None:
    ranking = ranked(tmp_path, FakeBackend(scores("hm"), local=False, concurrency=1), PASSAGES)
    with closing(sqlite3.connect(tmp_path / "trace.db")) as connection, connection:
        connection.execute("UPDATE rankings SET status = NULL, reasons = NULL, results = NULL, details = NULL")
    read = Trace(tmp_path / "trace.db").ranking("last", "q1")
    assert (read.status, read.order) == ("partial", tuple(range(8)))
    returned = {r.index: [(*said(j), j.input_tokens, j.cost_usd) for j in r.judgments] for r in ranking}
    assert {r.index: [(*said(j), j.input_tokens, j.cost_usd) for j in r.judgments] for r in read} == returned


def said(judgment: Any) -> tuple[Any, ...]:
    return (judgment.stage, judgment.score, judgment.label, judgment.passage, judgment.window, judgment.reply)


OLD = """
CREATE TABLE IF NOT EXISTS texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rankings (
    id TEXT PRIMARY KEY, run TEXT NOT NULL, started REAL NOT NULL, query_id TEXT, query TEXT NOT NULL,
    strategy TEXT NOT NULL, model TEXT, documents TEXT NOT NULL,
    status TEXT, reasons TEXT, results TEXT, usage TEXT);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, ranking TEXT NOT NULL, call INTEGER NOT NULL, attempt INTEGER NOT NULL, time REAL NOT NULL,
    task TEXT NOT NULL, stage TEXT NOT NULL, round INTEGER NOT NULL, window TEXT NOT NULL,
    prompt TEXT, prompt_hash TEXT, model TEXT, params TEXT NOT NULL, messages TEXT NOT NULL,
    latency_s REAL NOT NULL, input_tokens INTEGER, output_tokens INTEGER, cached_input_tokens INTEGER,
    cost_micro_usd INTEGER, cached INTEGER NOT NULL, reply TEXT, finish_reason TEXT, outcome TEXT, error TEXT);
INSERT INTO texts VALUES ('h', 'a text');
INSERT INTO rankings VALUES ('r', 'old', 1.5, 'q0', 'what?', 'score', 'm',
    '[{"text":"h","title":null,"id":"a","score":"0.5"}]', 'complete', '[]', '[[0,0.7]]',
    '{"calls":1,"cost_usd":"0.000021","saved_usd":"0"}');
INSERT INTO calls VALUES (1, 'r', 1, 1, 1.6, 'score', 'score', 1, '[0]', NULL, NULL, 'm', '{}', '[]', 0.25, 10, 1,
    NULL, 21, 0, '7', 'stop', '{"kind":"Scores","values":[0.7],"raw":[],"labels":["7"],"reasons":[null],"repairs":[]}',
    NULL);
"""


def test_a_file_from_before_versions_is_read_as_it_is_and_added_to(tmp_path: Path) -> None:
    file = tmp_path / "trace.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(OLD)
    before = file.read_bytes()
    read = Trace(file).ranking("old", "q0")
    assert (read[0].relevance_score, read[0].judgments[0].label, read[0].document.score) == (0.7, "7", 0.5)
    assert (read.usage.cost_usd, read.status, Trace(file).calls()[0].passages) == (
        Decimal("0.000021"),
        "complete",
        (None,),
    )
    assert file.read_bytes() == before, "reading changes nothing"
    same(file, ranked(tmp_path, SimulatedJudge(GRADES)))
    assert Trace(file).ranking("old", "q0").to_dict() == read.to_dict()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


def test_files_of_later_versions_and_of_others_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ranked(tmp_path, SimulatedJudge(GRADES))
    with closing(sqlite3.connect(tmp_path / "trace.db")) as connection:
        connection.execute("PRAGMA user_version = 4")
    with pytest.raises(DataError, match="written by a newer version"):
        Trace(tmp_path / "trace.db").runs()
    ranked(tmp_path, SimulatedJudge(GRADES))
    assert "written by a newer version" in caplog.text
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(DataError, match="of another program"):
        Trace(tmp_path / "other.db").runs()


def test_nobody_else_may_read_a_trace(tmp_path: Path) -> None:
    ranked(tmp_path, SimulatedJudge(GRADES), budget=Budget(usd=1, path=tmp_path / "spend.db"))
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.is_file()} == dict.fromkeys(
        (path.name for path in tmp_path.iterdir()), 0
    )
