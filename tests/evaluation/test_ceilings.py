"""What each cut of a cascade leaves to be gained, from the ranking's own record to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import BM25, Judge, Listwise, Score
from judge_rerank.core import Document, Kept, Query, RankedDocument, Ranking
from judge_rerank.evaluation import RunFolder, evaluate
from judge_rerank.evaluation.ceilings import ceilings, cuts
from judge_rerank.evaluation.metrics import Metrics
from judge_rerank.evaluation.record import Cut, Result
from judge_rerank.evaluation.report import texts
from judge_rerank.evaluation.report.page import page
from judge_rerank.evaluation.report.scope import scopes
from judge_rerank.testing import SimulatedJudge
from tests.evaluation.conftest import Written


def ranking(order: str, *kept: str) -> Ranking:
    """Documents called by one letter each, in this order; each cut by the letters that it kept."""
    return Ranking(
        [
            RankedDocument(
                rank=rank, index=ord(name) - ord("a"), relevance_score=None, document=Document(id=name, text=name)
            )
            for rank, name in enumerate(order, start=1)
        ],
        query=Query(text="?"),
        strategy="cascade",
        kept=[
            Kept(stage=f"score % {len(each)}", indices=tuple(ord(name) - ord("a") for name in each)) for each in kept
        ],
    )


def test_by_hand() -> None:
    metrics = Metrics(["P@1", "RR@10", "AP"])
    found = cuts(metrics, ranking("bacfde", "abcf", "ba"), {"c": 2, "d": 1, "f": 1, "elsewhere": 1})
    assert [(cut.stage, cut.kept, cut.recall) for cut in found] == [("score % 4", 4, 2 / 3), ("score % 2", 2, 0.0)]
    # c f a b | d e, and then b a | c f d e: what is cut stays where it was put.
    assert found[0].metrics == pytest.approx({"P@1": 1, "RR@10": 1, "AP": (1 + 1 + 3 / 5) / 4})
    assert found[1].metrics == pytest.approx({"P@1": 0, "RR@10": 1 / 3, "AP": (1 / 3 + 2 / 4 + 3 / 5) / 4})
    strict = cuts(metrics, ranking("bacfde", "abcf"), {"c": 2, "d": 1}, min_grade=2)
    assert strict[0].recall == 1.0
    assert cuts(metrics, ranking("ab", "a"), {"elsewhere": 1})[0].recall is None
    assert cuts(metrics, ranking("ab"), {"a": 1}) == []


@given(
    grades=st.lists(st.integers(0, 3), min_size=2, max_size=14),
    noise=st.integers(0, 9),
    keeps=st.tuples(*[st.integers(1, 14)] * 2),
)
def test_no_ranking_is_better_than_its_cuts_allow(grades: list[int], noise: int, keeps: tuple[int, int]) -> None:
    docs = [{"id": f"d{place}", "text": f"text {place}"} for place in range(len(grades))]
    known = {f"d{place}": float(grade) for place, grade in enumerate(grades)}
    judge = Judge(SimulatedJudge({"q": known}, noise=float(noise), seed=noise))
    many, few = max(keeps), min(keeps)
    found = judge.rerank(Query(id="q", text="query"), docs, BM25() % many >> Score() % few >> Listwise())
    metrics = Metrics(["nDCG@5"])
    value = metrics.of([place.document.id or "" for place in found], known)["nDCG@5"]
    made = cuts(metrics, found, known)
    bounds = [cut.metrics["nDCG@5"] for cut in made]
    assert [cut.kept for cut in made] == [min(many, len(grades)), min(few, len(grades))]
    assert value <= bounds[1] + 1e-12
    assert bounds[1] <= bounds[0] + 1e-12
    recalls = [cut.recall for cut in made if cut.recall is not None]
    assert recalls == sorted(recalls, reverse=True)


def test_each_dataset_counts_alike_and_queries_without_relevant_documents_have_no_recall() -> None:
    def result(dataset: str, query: str, *found: Cut) -> Result:
        return Result(variant="v", dataset=dataset, seed=0, query_id=query, query=query, metrics={}, cuts=found)

    def cut(stage: str, kept: int, recall: float | None, value: float) -> Cut:
        return Cut(stage=stage, kept=kept, recall=recall, metrics={"AP": value})

    first, second = ceilings(
        [
            result("a", "1", cut("bm25 % 3", 3, 1.0, 0.9), cut("score % 2", 2, 0.5, 0.5)),
            result("a", "2", cut("bm25 % 3", 2, None, 0.0), cut("score % 2", 2, None, 0.0)),
            result("b", "1", cut("bm25 % 3", 1, 0.5, 0.25)),
        ]
    )
    assert (first.stage, first.results, first.kept, first.recall) == ("bm25 % 3", 3, 2.0, 0.75)
    assert first.metrics == pytest.approx({"AP": (0.45 + 0.25) / 2})
    assert (second.stage, second.results, second.recall) == ("score % 2", 2, 0.5)
    assert ceilings([result("a", "1")]) == ()


def test_reports_say_what_a_cascade_can_reach(written: Written, log: Path, tmp_path: Path) -> None:
    from judge_rerank.evaluation.sources import load

    file = written(strategies=["none % 2 >> listwise", "listwise"], prompts=None)
    found = evaluate(file, output=tmp_path / "run", backends={"fake": SimulatedJudge(load(log).grades)})
    row = found.summary.row("none % 2 >> listwise")
    (ceiling,) = row.ceilings
    assert (ceiling.stage, ceiling.kept) == ("none % 2", 2.0)
    assert ceiling.recall is not None
    assert 0 < ceiling.recall < 1
    assert ceiling.metrics == row.metrics, "a judge that does not err reaches what the cut left"
    assert found.summary.row("listwise").ceilings == ()
    info, results = RunFolder(tmp_path / "run").info(), RunFolder(tmp_path / "run").results()
    shown = scopes(info, results)
    line = f"| none % 2 \\>\\> listwise | none % 2 | 2 | {ceiling.recall:.3f} | {ceiling.metrics['nDCG@3']:.3f} |"
    assert "| nDCG@3 at best | Reached |" in texts.run_as_markdown(shown)
    assert line in texts.run_as_markdown(shown)
    variants = json.loads(texts.run_as_json(shown))["scopes"][0]["variants"]
    assert [v["ceilings"][0]["recall"] for v in variants if v["ceilings"]] == [ceiling.recall]
    assert "ceilings" not in texts.run_as_csv(shown).splitlines()[0]
    drawn = page(shown, results, RunFolder(tmp_path / "run").documents())
    assert '<table class="cuts">' in drawn
    assert f"<td>{ceiling.recall:.3f}</td>" in drawn
