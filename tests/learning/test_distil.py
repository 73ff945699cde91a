"""Judgments turned into a prefilter: what is learnt, what is refused, and the folder that comes of it."""

import json
import random
from pathlib import Path
from typing import Literal

import pytest

from judge_rerank import BM25, DataError, Distilled, Document, Embedding, InputError, Judge, Query, Score, Trace
from judge_rerank.learning import sign_flip
from judge_rerank.learning.distil import distill, examples, kinds_for, traced
from judge_rerank.learning.finetune import lists, triplets
from judge_rerank.strategies.spec import parse
from judge_rerank.testing import FakeBackend, check_strategy
from tests.cli.conftest import Command
from tests.cli.conftest import command as command  # noqa: PLC0414  a fixture
from tests.scorers import tiny

WORDS = tiny.WORDS[:13]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.onnx(tmp_path_factory.mktemp("encoder") / "model.onnx", None))


def collection(queries: int) -> tuple[list[tuple[Query, list[Document]]], dict[str, dict[str, float]]]:
    """Queries of three words; a document is as relevant as it has words of the query."""
    draw = random.Random(3)
    pairs: list[tuple[Query, list[Document]]] = []
    grades: dict[str, dict[str, float]] = {}
    for number in range(queries):
        asked = draw.sample(WORDS, 3)
        texts = [" ".join(draw.choices(WORDS, k=6)) for _ in range(12)]
        pairs.append(
            (Query(text=" ".join(asked), id=f"q{number}"), [Document(text=t, id=f"d{n}") for n, t in enumerate(texts)])
        )
        grades[f"q{number}"] = {f"d{n}": float(len(set(asked) & set(t.split()))) for n, t in enumerate(texts[:10])}
    return pairs, grades


@pytest.fixture(scope="session")
def folder(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs, grades = collection(24)
    home = tmp_path_factory.mktemp("distilled")
    distill(examples(pairs, grades, model=model), model=model).save(home)
    return home


def test_what_judgments_say_is_learnt(model: str, tmp_path: Path) -> None:
    pairs, grades = collection(24)
    result = distill(examples(pairs, grades, model=model), model=model)
    assert (result.queries, result.judged) == (24, 240)
    assert result.after > result.before + 0.1
    assert result.better
    recipe = result.save(tmp_path)
    assert all(weight >= 0 for weight in recipe.weights.values())
    assert recipe.weights["coverage"] > 0
    assert set(result.held_out) == {f"q{number}" for number in range(24)}


def test_what_does_not_beat_the_prefilter_is_not_better(model: str) -> None:
    pairs, grades = collection(12)
    best = [(query, sorted(docs, key=lambda d, q=query: -grades[str(q.id)].get(str(d.id), 0))) for query, docs in pairs]
    result = distill(examples(best, grades, model=model), model=model)
    assert result.before == pytest.approx(1)
    assert not result.better


def test_it_is_a_scorer_like_any_other(folder: Path) -> None:
    scorer = parse(f"distilled('{folder}')")
    assert scorer == Distilled(str(folder))
    check_strategy(scorer)
    pairs, grades = collection(30)
    rankings = Judge().rerank_many(pairs[24:], scorer)
    assert all(ranking.status == "complete" for ranking in rankings)
    first = [grades[str(r.query.id)].get(str(r[0].document.id)) for r in rankings]
    assert sum(grade is None or grade >= 2 for grade in first) >= 4
    alone = Judge().rerank(*pairs[25], scorer)
    assert [r.index for r in alone] == [r.index for r in rankings[1]]
    one = Judge().rerank("flea", ["a flea"], scorer)
    assert one[0].relevance_score == 0.5
    assert Judge().rerank("flea", [], scorer).order == ()


def test_the_folder_is_plain_json(folder: Path, tmp_path: Path) -> None:
    assert [file.name for file in folder.iterdir()] == ["distilled.json"]
    assert json.loads((folder / "distilled.json").read_text())["report"]["queries"] == 24
    with pytest.raises(DataError, match="cannot be read"):
        Distilled(str(tmp_path / "nothing"))
    told = json.loads((folder / "distilled.json").read_text())
    changed = ({"format": 2}, {"kind": "magic"}, {"weights": {"a": "b"}})
    for wrong in ("", "[]", *(json.dumps(told | each) for each in changed)):
        (tmp_path / "distilled.json").write_text(wrong)
        with pytest.raises(DataError, match="not a distilled scorer of this version"):
            Distilled(str(tmp_path))


def test_too_few_judgments(model: str) -> None:
    pairs, grades = collection(12)
    with pytest.raises(InputError, match="9 of 12 queries have candidates of different grades"):
        examples(pairs, {query: grades[query] for query in list(grades)[:9]}, model=model)


def test_a_sign_flip_is_as_probable_as_chance() -> None:
    assert sign_flip([0.1] * 12, alternative="greater") == pytest.approx(2**-12)
    assert sign_flip([0.1] * 12) == pytest.approx(2**-11)
    assert sign_flip([-0.1] * 12, alternative="greater") == 1
    assert sign_flip([0.1, -0.1] * 6, alternative="greater") > 0.3
    assert sign_flip([0.1] * 30, alternative="greater") < 0.01
    assert sign_flip([0.0] * 5, alternative="greater") == 1


def test_judgments_from_a_trace(model: str, tmp_path: Path) -> None:
    pairs, _ = collection(11)
    with Judge(
        FakeBackend(['{"score": 9}', '{"score": 2}'] * 100), trace=tmp_path / "trace.db", cache_dir=None
    ) as judge:
        judge.rerank_many(pairs, BM25() % 4 >> Score())
    found, grades = traced(Trace(tmp_path / "trace.db"))
    assert [query.id for query, _ in found] == [query.id for query, _ in pairs]
    assert all(len(known) == 4 for known in grades.values())
    assert {score for known in grades.values() for score in known.values()} == {(9 - 1) / 9, (2 - 1) / 9}
    assert distill(examples(found, grades, model=model), model=model).queries > 9


def test_more_judgments_bear_more() -> None:
    assert kinds_for(43) == ("weights",)
    assert kinds_for(43, checkpoint=True) == ("weights", "cross-encoder")
    assert kinds_for(300) == ("weights", "bi-encoder")
    assert kinds_for(5000) == ("weights", "bi-encoder", "cross-encoder")


def test_what_models_are_trained_on(model: str) -> None:
    pairs, grades = collection(24)
    seen = examples(pairs, grades, model=model)
    by_text = {query.text: (grades[str(query.id)], {d.text: d.id for d in docs}) for query, docs in pairs}
    rows = triplets(seen)
    assert len(rows) > 24
    for row in rows:
        graded, ids = by_text[row["anchor"]]
        positive = graded[str(ids[row["positive"]])]
        negatives = [graded.get(str(ids[row[f"negative_{n}"]]), 0.0) for n in range(4)]
        assert positive > 0
        assert all(grade < positive / 2 for grade in negatives)
    for row in lists(seen):
        graded, ids = by_text[row["query"]]
        assert len(row["docs"]) == len(row["labels"]) <= 16
        assert row["labels"] == [graded.get(str(ids[text]), 0.0) for text in row["docs"]]
        assert min(row["labels"]) == 0 < max(row["labels"]) <= 3


@pytest.mark.parametrize("kind", ["bi-encoder", "cross-encoder"])
def test_a_model_is_trained_and_scores(kind: Literal["bi-encoder", "cross-encoder"], tmp_path: Path) -> None:
    base = str(tiny.bi_encoder(tmp_path / "base"))
    pairs, grades = collection(16)
    result = distill(examples(pairs, grades, model=base), model=base, kinds=("weights", kind))
    assert set(result.tried) == {"weights", kind}
    only = distill(examples(pairs, grades, model=base), model=base, kinds=(kind,))
    recipe = only.save(tmp_path / "mine")
    assert (recipe.kind, recipe.weights) == (kind, {})
    scorer = Distilled(str(tmp_path / "mine"))
    check_strategy(scorer)
    before = Embedding(base).score([only.seen[0].group])
    assert scorer.score([only.seen[0].group]) != before
    assert all(0 <= r.relevance_score <= 1 for r in Judge().rerank(*pairs[0], scorer) if r.relevance_score is not None)


def written(folder: Path, queries: int) -> list[object]:
    pairs, grades = collection(queries)
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": q.id, "text": q.text}) + "\n" for q, _ in pairs))
    docs = [{"_id": f"{q.id}-{d.id}", "text": d.text} for q, documents in pairs for d in documents]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    run = [f"{q.id} Q0 {q.id}-{d.id} {n + 1} {-n} x\n" for q, ds in pairs for n, d in enumerate(ds)]
    (folder / "run.trec").write_text("".join(run))
    qrels = [f"{q} 0 {q}-{d} {grade}\n" for q, known in grades.items() for d, grade in known.items()]
    (folder / "qrels").write_text("".join(qrels))
    files = {"--run": "run.trec", "--corpus": "corpus.jsonl", "--queries": "queries.jsonl", "--qrels": "qrels"}
    return [part for option, name in files.items() for part in (option, folder / name)]


def test_the_command(command: Command, model: str, tmp_path: Path) -> None:
    files = written(tmp_path, 24)
    ran = command("distill", *files, "--model", model, "--prefilter", "none", "-o", tmp_path / "mine")
    assert ran.code == 0, ran.err
    assert "240 judgments of 24 queries" in ran.out
    assert Distilled(str(tmp_path / "mine")).name == "distilled"
    again = ("distill", *files, "--model", model, "-o", tmp_path / "other")
    refused = command(*again, "--prefilter", f"distilled('{tmp_path / 'mine'}')")
    assert refused.code == 2
    assert "does not beat" in refused.err
    assert not (tmp_path / "other").exists()
    assert command(*again, "--prefilter", "listwise").code == 2
    assert "Give the judgments" in command("distill", "-o", tmp_path / "x").err
