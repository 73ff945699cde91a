"""Datasets from folders, TREC files, logs and the catalogue: what is read, what is refused, what is drawn."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from judge_rerank import DataError, InputError, MissingExtra
from judge_rerank.evaluation.datasets import Dataset, checked, overview, selected
from judge_rerank.evaluation.sources import Files, load, read_topics

QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\tc\t1\nq3\tx\t1\n"


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Three queries: two with a relevant candidate, one judged and never found."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    corpus = [{"_id": name, "text": f"text of {name}", "title": name.upper()} for name in "abcd"]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in corpus))
    queries = [{"_id": f"q{n}", "text": f"query {n}"} for n in (1, 2, 3)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    (folder / "qrels.tsv").write_text(QRELS)
    order = {"q1": "bad", "q2": "cd"}
    lines = (f"{q} Q0 {d} {n} {9 - n} bm25\n" for q, names in order.items() for n, d in enumerate(names, 1))
    (folder / "candidates.trec").write_text("".join(lines))
    return folder


def ids(dataset: Dataset) -> dict[str, list[str | None]]:
    return {topic.id: [document.id for document in topic.candidates] for topic in dataset.topics}


def test_a_beir_folder(beir: Path) -> None:
    dataset = load(beir)
    assert dataset.name == "tiny"
    assert ids(dataset) == {"q1": ["b", "a", "d"], "q2": ["c", "d"], "q3": []}
    assert dataset.grades["q1"] == {"a": 2, "b": 0}
    assert dataset.topics[0].candidates[0].title == "B"
    assert load(beir, name="mine").name == "mine"


def test_trec_topics_and_qrels(beir: Path) -> None:
    (beir / "topics.txt").write_text(
        "<top>\n<num> Number: q1\n<title> query\n one\n<desc> Description:\nlong\n</top>\n"
        "<top><num>q2</num><title>query two</title></top>\n"
    )
    (beir / "judged").write_text("q1 0 a 2\nq2 0 c 1\n")
    dataset = load(beir, files=Files(topics="topics.txt", qrels="judged"))
    assert [topic.query.text for topic in dataset.topics] == ["query one", "query two"]
    (beir / "topics.txt").write_text("\n<top><num>q1\n</top>")
    with pytest.raises(DataError, match=r"topics\.txt:2: .*<title>"):
        read_topics(beir / "topics.txt")


def test_unknown_ids(beir: Path) -> None:
    (beir / "qrels.tsv").write_text("1 0 a 1\n2 0 b 1\n")
    with pytest.raises(DataError, match=r"None of the judgments is about one of the queries: .*'q1'.*'1', '2'"):
        load(beir)
    (beir / "qrels.tsv").write_text("q1 0 msmarco-7 1\n")
    with pytest.raises(DataError, match=r"one of the candidates: .*'a', 'b', 'c', ….*'msmarco-7'"):
        load(beir)
    (beir / "qrels.tsv").write_text(QRELS)
    with (beir / "candidates.trec").open("a") as run:
        run.write("q2 Q0 nowhere 9 0.1 bm25\n")
    with pytest.raises(DataError, match=r"candidates\.trec:6: Document 'nowhere' is not in"):
        load(beir)


def test_missing_files_and_empty_documents(beir: Path) -> None:
    (beir / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": name, "text": "" if name == "d" else name}) + "\n" for name in "abcd")
    )
    with pytest.raises(DataError, match="Document 'd', a candidate of query 'q1', has no text"):
        load(beir)
    (beir / "candidates.trec").unlink()
    with pytest.raises(DataError, match=r"There is no candidates\.trec in this folder.*'run:'"):
        load(beir)
    with pytest.raises(DataError, match="no such file"):
        load(beir / "nothing.jsonl")


def test_queries_without_relevant_candidates_need_a_decision(beir: Path) -> None:
    dataset = load(beir)
    with pytest.raises(DataError, match=r"1 of 3 queries .*1 have no candidates at all.*'q3'.*no_relevant: skip"):
        selected(dataset)
    kept, skipped = selected(dataset, no_relevant="skip")
    assert (list(ids(kept)), skipped) == (["q1", "q2"], 1)
    kept, skipped = selected(dataset, no_relevant="zero")
    assert (list(ids(kept)), skipped) == (["q1", "q2", "q3"], 0)
    kept, skipped = selected(dataset, no_relevant="skip", min_grade=2)
    assert (list(ids(kept)), skipped) == (["q1"], 2)
    # At depth 1 the only relevant candidate of q1 is out of reach.
    kept, skipped = selected(dataset, no_relevant="skip", depth=1)
    assert (ids(kept), skipped) == ({"q2": ["c"]}, 2)
    with pytest.raises(DataError, match="nothing can be measured"):
        selected(dataset, no_relevant="skip", min_grade=9)


def test_queries_without_any_judgment_are_never_zero(beir: Path) -> None:
    (beir / "qrels.tsv").write_text("q1 0 a 1\n")
    kept, skipped = selected(load(beir), no_relevant="zero")
    assert (list(ids(kept)), skipped) == (["q1"], 1)


def test_the_seed_decides_which_queries_and_in_which_order() -> None:
    log = Dataset(name="d", topics=(), grades={})
    one = load_topics(40)
    log = replace(log, topics=one.topics, grades=one.grades)
    first, again, other = (list(ids(selected(log, queries=10, seed=seed)[0])) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(set(first)) == 10
    topic = one.topics[0]
    assert topic.shown(None) == (0, 1, 2, 3, 4, 5)
    assert topic.shown(1) == topic.shown(1)
    assert sorted(topic.shown(1)) == list(topic.shown(None))
    assert len({topic.shown(seed) for seed in range(20)}) > 10
    assert len({each.shown(1) for each in one.topics}) > 10


def load_topics(n: int) -> Dataset:
    from judge_rerank.core import Document, Query
    from judge_rerank.evaluation.datasets import Topic

    topics = tuple(
        Topic(
            query=Query(text=f"query {q}", id=f"q{q}"),
            candidates=tuple(Document(id=f"q{q}-{d}", text=f"text {q} {d}") for d in range(6)),
        )
        for q in range(n)
    )
    return Dataset(name="d", topics=topics, grades={t.id: {f"{t.id}-3": 1.0} for t in topics})


def write_log(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_ones_own_log(tmp_path: Path) -> None:
    file = write_log(
        tmp_path / "log.jsonl",
        {"query": "one", "candidates": [{"text": "a", "clicks": 0}, {"text": "b", "clicks": 7}, {"text": "c"}]},
        {"id": 7, "query": "two", "candidates": [{"id": "x", "text": "d", "rating": 4}, {"text": "e", "grade": 0}]},
        {"query": "three", "candidates": ["just text"]},
    )
    dataset = load(file)
    assert dataset.name == "log"
    assert ids(dataset) == {"q1": ["q1-1", "q1-2", "q1-3"], "7": ["x", "7-2"], "q3": ["q3-1"]}
    assert dataset.grades == {"q1": {"q1-1": 0.0, "q1-2": 1.0}, "7": {"x": 4.0, "7-2": 0.0}}
    found = overview(dataset)
    assert (found.queries, found.documents, found.candidates) == (3, 6, (1, 2, 3))
    assert found.grades == {0.0: 2, 1.0: 1, 4.0: 1, None: 2}
    assert (found.no_judgment, found.no_candidates, found.no_relevant, found.words) == (1, 0, 1, 7 / 6)


GOOD = {"query": "q", "candidates": [{"text": "a", "grade": 1}]}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"query": "q"}, 'a list of "candidates" was expected'),
        ({"query": " ", "candidates": []}, 'An object with a "query"'),
        ([1], 'An object with a "query"'),
        ({"query": "q", "candidates": [3]}, "A candidate is neither"),
        ({"query": "q", "candidates": [{"grade": 1}]}, '"text" is missing'),
        ({"query": "q", "candidates": [{"text": "a", "grade": 0.5}]}, "'grade' is 0.5; expected a whole number"),
        ({"query": "q", "candidates": [{"text": "a", "clicks": True}]}, "'clicks' is True"),
        ({"query": "q", "candidates": [{"text": "a", "clicks": 1, "rating": 2}]}, "both 'rating' and 'clicks'"),
        ({"query": "q", "candidates": [{"id": "x", "text": "a"}, {"id": "x", "text": "a"}]}, "listed twice"),
        ({"id": "q1", "query": "q", "candidates": []}, "Query 'q1' appears in this file twice"),
    ],
)
def test_lines_of_a_log_that_cannot_be_used(tmp_path: Path, record: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(write_log(tmp_path / "log.jsonl", GOOD, record))
    assert caught.value.line == 2


def test_a_log_that_says_nothing_or_contradicts_itself(tmp_path: Path) -> None:
    file = write_log(tmp_path / "log.jsonl", {"query": "q", "candidates": [{"text": "a"}]})
    with pytest.raises(DataError, match="No candidate has any of 'grade', 'rating', 'clicks'"):
        load(file)
    with pytest.raises(DataError, match="no queries"):
        load(write_log(tmp_path / "empty.jsonl"))
    twice = [{"query": q, "candidates": [{"id": "x", "text": q, "grade": 1}]} for q in ("one", "two")]
    with pytest.raises(DataError, match=r"log\.jsonl:2: Document 'x' had another text"):
        load(write_log(file, *twice))


def test_grades_are_whole() -> None:
    dataset = load_topics(1)
    with pytest.raises(DataError, match=r"The grade of 'q0-3' for 'q0' is 0\.5"):
        checked(replace(dataset, grades={"q0": {"q0-3": 0.5}}))


CATALOGUE = """
from collections import namedtuple

Query = namedtuple("Query", "query_id text")
Doc = namedtuple("Doc", "doc_id text title")
Qrel = namedtuple("Qrel", "query_id doc_id relevance")
Scored = namedtuple("Scored", "query_id doc_id score")


class Store:
    def get_many_iter(self, ids):
        return (Doc(i, f"text of {i}", "") for i in ids if i != "gone")


class Set:
    def __init__(self, scored):
        self.scored = scored
    def queries_iter(self):
        return iter([Query("q1", "one"), Query("q2", "two")])
    def qrels_iter(self):
        return iter([Qrel("q1", "a", 1), Qrel("q2", "b", 2)])
    def has_scoreddocs(self):
        return self.scored
    def scoreddocs_iter(self):
        return iter([Scored("q1", "b", 1.0), Scored("q1", "a", 2.0), Scored("q9", "a", 1.0)])
    def docs_store(self):
        return Store()


def load(name):
    return {"with/first-stage": Set(True), "without": Set(False)}[name]
"""


@pytest.fixture
def catalogue_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a package that stands for the catalogue is written."""
    sys.modules.pop("ir_datasets", None)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "ir_datasets.py"
    sys.modules.pop("ir_datasets", None)


def test_the_catalogue(tmp_path: Path, catalogue_module: Path) -> None:
    catalogue_module.write_text(CATALOGUE)
    dataset = load("ir_datasets:with/first-stage")
    assert dataset.name == "with/first-stage"
    assert ids(dataset) == {"q1": ["a", "b"], "q2": []}
    assert dataset.topics[0].candidates[0].text == "text of a"
    run = tmp_path / "run.trec"
    run.write_text("q2 Q0 b 1 3.0 mine\n")
    assert ids(load("ir_datasets:without", files=Files(run=str(run)))) == {"q2": ["b"], "q1": []}
    with pytest.raises(InputError, match="has no first stage; name one with 'run: FILE'"):
        load("ir_datasets:without")
    run.write_text("q2 Q0 gone 1 3.0 mine\n")
    with pytest.raises(DataError, match="Document 'gone' is not in the collection"):
        load("ir_datasets:without", files=Files(run=str(run)))
    with pytest.raises(InputError, match="There is no dataset 'nothing' in ir_datasets"):
        load("ir_datasets:nothing")


def test_without_the_catalogue_the_extra_is_named(catalogue_module: Path) -> None:
    catalogue_module.write_text("raise ImportError")
    with pytest.raises(MissingExtra, match=r"pip install 'judge-rerank\[ir-datasets\]'"):
        load("ir_datasets:beir/scifact/test")
