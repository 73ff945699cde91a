"""Long documents: how they are cut, and how the judgments of their passages become one place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Document, InputError, Judge, Listwise, Passage, Passages, Score
from judge_rerank.core import Failed, JudgeCall, Outcome, Scores
from judge_rerank.core.backend import ChatRequest
from judge_rerank.strategies.algorithms.chunking import passages
from judge_rerank.strategies.spec import parse
from judge_rerank.testing import FakeBackend, check_strategy, drive, stating


def words(text: str) -> int:
    return len(text.split())


def letters(text: str) -> int:
    return len(text)


TEXT = st.text(alphabet="ab .!\n。é", max_size=300) | st.text(max_size=100)


@given(text=TEXT, limit=st.integers(1, 40), overlap=st.integers(0, 40), count=st.sampled_from([words, letters]))
def test_passages_cover_the_text_within_the_bound(text: str, limit: int, overlap: int, count: object) -> None:
    found = passages(text, limit, min(overlap, limit // 2), count)
    assert found
    covered: set[int] = set()
    for passage in found:
        assert 0 <= passage.start <= passage.end <= len(text)
        assert len(found) == 1 or count(text[passage.start : passage.end]) <= limit
        covered.update(range(passage.start, passage.end))
    assert all(char.isspace() for place, char in enumerate(text) if place not in covered)
    starts, ends = [p.start for p in found], [p.end for p in found]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))


def test_a_blank_text_is_one_empty_passage() -> None:
    assert passages(" \n" * 50, 1, 0, letters) == (Passage(start=0, end=0),)
    judge = Judge(FakeBackend(['{"score": 1}'] * 9))
    ranking = judge.rerank("q", [" " * 5000, "flea"], Passages(strategy=Score(), max_tokens=16))
    assert sorted(ranking.order) == [0, 1]


def shown(text: str, limit: int, overlap: int = 0) -> list[str]:
    return [text[p.start : p.end] for p in passages(text, limit, overlap, words)]


def test_cuts_follow_paragraphs_then_sentences_then_words() -> None:
    assert shown("One two. Three four.\n\nFive six. Seven eight.", 6) == [
        "One two. Three four.",
        "Five six. Seven eight.",
    ]
    assert shown("One two three. Four five six. Seven.", 4) == ["One two three.", "Four five six. Seven."]
    assert shown("One two three. Four five six. Seven.", 6, 3) == [
        "One two three. Four five six.",
        "Four five six. Seven.",
    ]
    assert all(words(piece) <= 3 for piece in shown("word " * 20, 3))
    assert shown("short", 3) == ["short"]


def text_of(*sentences: str) -> str:
    """Sentences of 60 characters: 15 tokens where four characters are one."""
    return " ".join(f"{sentence} ".ljust(58, "x") + "." for sentence in sentences)


LONG = text_of("bad", "bad", "best", "bad")
MIDDLING = text_of("good", "good", "bad")
DOCS = [text_of("fair"), LONG, MIDDLING]
GRADES = {"best": 1.0, "good": 0.8, "fair": 0.5, "bad": 0.1}


def by_words(call: JudgeCall) -> Outcome:
    values = [max(grade for word, grade in GRADES.items() if word in c.document.text) for c in call.candidates]
    return stating(call, sorted(range(len(values)), key=lambda place: -values[place]), values)


@pytest.mark.parametrize(
    ("aggregate", "order", "scores"),
    [
        ("max", (1, 2, 0), {0: 0.5, 1: 1.0, 2: 0.8}),
        ("top2", (2, 1, 0), {0: 0.5, 1: 0.55, 2: 0.8}),
        ("first", (2, 0, 1), {0: 0.5, 1: 0.1, 2: 0.8}),
    ],
)
def test_scores_of_passages_become_one(aggregate: str, order: tuple[int, ...], scores: dict[int, float]) -> None:
    strategy = Passages(strategy=Score(), aggregate=aggregate, max_tokens=16, overlap_tokens=0)
    run = drive(strategy, DOCS, by_words)
    assert run.order == order
    assert run.scores == pytest.approx(scores)
    assert len(run.calls) == (3 if aggregate == "first" else 8)
    assert len(run.rounds) == 1


def test_the_best_placed_passage_decides_an_order() -> None:
    run = drive(Passages(strategy=Listwise(), max_tokens=16), DOCS, by_words)
    assert run.order == (1, 2, 0)
    assert not run.scores
    (call,) = run.calls
    assert [candidate.index for candidate in call.candidates] == [0, 1, 1, 1, 1, 2, 2, 2]


def test_a_passage_without_a_judgment_is_no_evidence() -> None:
    def refusing(call: JudgeCall) -> Outcome:
        refused = "best" in call.candidates[0].document.text
        return Failed(reason="refused", message="no") if refused else by_words(call)

    run = drive(Passages(max_tokens=16), DOCS, refusing)
    assert run.order == (2, 0, 1)
    assert run.scores[1] == 0.1
    nothing = drive(Passages(max_tokens=16), DOCS, lambda _call: Scores(values=(None,)))
    assert nothing.order == (0, 1, 2)


@pytest.mark.parametrize("inner", ["score", "score(batch_size=4)", "listwise", "joint", "blitz", "setwise"])
def test_conformance(inner: str) -> None:
    check_strategy(Passages(strategy=parse(inner)))


@pytest.mark.parametrize("inner", ["score", "listwise", "joint", "blitz", "adaptive", "setwise", "pairwise"])
def test_no_long_document_is_lost(inner: str) -> None:
    run = drive(Passages(strategy=parse(inner), max_tokens=16), DOCS * 5, by_words)
    assert sorted(run.order) == list(range(15))
    assert set(run.order[:5]) == {1, 4, 7, 10, 13}


def scoring(request: ChatRequest) -> str:
    assert request.subject is not None
    (candidate,) = request.subject.candidates
    return json.dumps({"score": 10 if "best" in candidate.document.text else 2})


def test_in_a_ranking() -> None:
    with Judge(FakeBackend(scoring), max_tokens_per_doc=32) as judge:
        docs = [Document(text="short"), Document(text=LONG, title="Title", id="long")]
        whole = judge.rerank("q", docs, "score")
        ranking = judge.rerank("q", docs, "passages(strategy='score')")
        first = judge.rerank("q", docs, "passages(aggregate='first')")
        estimate = judge.estimate("q", docs, "passages")
    assert whole.integrity.truncated == (1,)
    assert ranking.integrity.truncated == ranking.integrity.unjudged == ()
    assert first.integrity.truncated == (1,)
    best, other = ranking
    assert best.index == 1
    assert best.document == docs[1]
    assert best.evidence is not None
    assert "best" in LONG[best.evidence.start : best.evidence.end]
    assert other.evidence is None
    assert len(best.judgments) == ranking.usage.calls - 1 == estimate.calls - 1 > 1
    assert best.evidence in [judgment.passage for judgment in best.judgments]
    assert ranking.strategy == "passages"
    held = ranking.to_dict()["results"][0]
    assert held["evidence"] == {"start": best.evidence.start, "end": best.evidence.end}
    assert held["judgments"][0]["passage"]["start"] == 0
    assert "passage characters" in str(ranking.explain(index=1))
    assert "place 1" in ranking.explain(index=1).path


def test_an_explanation_places_a_document_by_the_passage_that_decided() -> None:
    def graded(request: ChatRequest) -> str:
        assert request.subject is not None
        (candidate,) = request.subject.candidates
        return json.dumps({"score": {"best": 10, "fair": 5}.get(candidate.document.text[:4], 2)})

    with Judge(FakeBackend(graded)) as judge:
        docs = [text_of("fair"), text_of("best", "bad", "bad"), text_of("bad", "best", "bad")]
        ranking = judge.rerank("q", docs, "passages(max_tokens=16, overlap_tokens=0)")
    assert ranking.order == (1, 2, 0)
    # A grade of 2 from 1 to 10 counts as 1/9; what it is out of is not to be guessed from that.
    assert ranking.explain(index=1).path.startswith("first stage 2 → score 10 (1), 2 (0.111), 2 (0.111) (place 1)")
    for place, index in enumerate(ranking.order, start=1):
        assert f"(place {place}) → rank {place} of 3" in ranking.explain(index=index).path


def test_a_passage_that_was_not_judged_makes_the_ranking_partial() -> None:
    def failing(request: ChatRequest) -> str:
        return "no idea" if any("best x" in message.content for message in request.messages) else '{"score": 5}'

    with Judge(FakeBackend(failing), max_tokens_per_doc=32) as judge:
        ranking = judge.rerank("q", [LONG, "short"], "passages")
    assert ranking.status == "partial"
    assert len(ranking.reasons) == 1
    assert "1 document" in ranking.reasons[0]
    assert ranking.integrity.unjudged == ()


def test_options() -> None:
    assert parse("passages(strategy='listwise', aggregate='top2', max_tokens=200)") == Passages(
        strategy=Listwise(), aggregate="top2", max_tokens=200
    )
    assert Passage(start=1, end=2) == Passage(start=1, end=2)
    for options in ({"aggregate": "mean"}, {"max_tokens": 3}, {"overlap_tokens": -1}):
        with pytest.raises(InputError, match="has to be"):
            Passages(**options)
