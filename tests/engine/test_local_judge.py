"""The embedded model through the facade and the command line: real weights, real replies."""

import io
import json
import sys
from decimal import Decimal

import pytest

from judge_rerank import Judge, ModelUnavailable, UnknownName
from judge_rerank.cli import run
from judge_rerank.models import locations as models

SMALL = "local/smollm2-135m"
DOCS = [
    "A dune is a hill of loose sand built by wind.",
    "Frank Herbert wrote the novel Dune, published in 1965.",
    "Bananas are yellow.",
    "Paris is the capital of France.",
]

needs_the_model = pytest.mark.skipif(
    "smollm2-135m" not in models.installed_models(), reason="no model here; run: judge-rerank models pull smollm2-135m"
)


@pytest.mark.slow
@needs_the_model
@pytest.mark.parametrize("strategy", ["score", "listwise", "binary(explain=True)"])
def test_every_document_comes_back_whatever_a_tiny_model_says(strategy: str) -> None:
    ranking = Judge(SMALL).rerank("who wrote Dune?", DOCS[:2], strategy)
    assert sorted(ranking.order) == [0, 1]
    assert ranking.usage.calls >= 1
    assert ranking.usage.cost_usd == Decimal(0)
    assert ranking.usage.input_tokens > 50
    assert all(r.judgments[0].model for r in ranking)


@needs_the_model
def test_probabilities_tell_documents_apart_and_are_kept() -> None:
    with Judge(SMALL) as judge:
        first = judge.rerank("who wrote Dune?", DOCS, "binary")
        again = judge.rerank("who wrote Dune?", DOCS, "binary")
    assert len({r.relevance_score for r in first}) == 4
    assert all(0 < r.relevance_score < 1 for r in first)
    assert again.order == first.order
    # A reply that had to be asked for again is not kept; the others are.
    assert again.usage.calls < first.usage.calls
    assert again.usage.cached_calls > 0


@needs_the_model
def test_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in DOCS)
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(lines.encode()))
    try:
        code = run(["rerank", "-q", "who wrote Dune?", "-m", SMALL, "-s", "binary", "-f", "jsonl", "-"])
    finally:
        sys.stdin = stdin
    out, err = capsys.readouterr()
    assert code == 0
    assert [json.loads(line)["rank"] for line in out.splitlines()] == [1, 2, 3, 4]
    assert "binary by local/smollm2-135m" in err


def test_a_model_that_is_not_here_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    with pytest.raises(ModelUnavailable, match=r"judge-rerank models pull qwen2\.5-coder-1\.5b"):
        Judge("local")
    judge = Judge()  # which can still run scorers
    for needs_a_model in (
        lambda: judge.model,
        lambda: judge.rerank("q", ["a", "b"]),
        lambda: judge.rerank("q", ["a"], "score"),
    ):
        with pytest.raises(ModelUnavailable, match="JUDGE_RERANK_MODEL"):
            needs_a_model()
    with pytest.raises(UnknownName, match=r"qwen2\.5"):
        Judge("local/qwen2.5")
