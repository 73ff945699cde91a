"""Grades by a model: asked through the judge, never made up, and compared with people's."""

from __future__ import annotations

import pytest

from judge_rerank import Budget, Document, InputError, Judge, Price, Query, UnknownName
from judge_rerank.core import ChatRequest
from judge_rerank.evaluation.agreement import cohens_kappa, kendalls_tau, measure_agreement, shared, system_scores
from judge_rerank.evaluation.grading import Grade, Grader, qrels_lines
from judge_rerank.testing import FakeBackend, SimulatedJudge, check_strategy

QRELS = {"q1": {"a": 3.0, "b": 0.0, "c": 1.0}, "q2": {"a": 0.0, "b": 2.0, "c": 1.0}}
PAIRS = [
    (Query(text=f"query {query}", id=query), [Document(text=f"text {name}", id=name) for name in "abc"])
    for query in QRELS
]


def test_conformance() -> None:
    check_strategy(Grade())
    check_strategy(Grade(batch_size=3))


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("prompt", [None, "terse"])
def test_the_grades_of_the_judge(logprobs: bool, batch_size: int, prompt: str | None) -> None:
    backend = SimulatedJudge(QRELS, top_grade=3, logprobs=logprobs)
    grades = Grader(Judge(backend), prompt=prompt, batch_size=batch_size).grade(PAIRS)
    assert grades.qrels == QRELS
    assert grades.missing == {}
    assert len(backend.requests) == (6 if batch_size == 1 else 4)


def test_what_is_known_is_not_asked() -> None:
    backend = SimulatedJudge(QRELS, top_grade=3)
    grades = Grader(Judge(backend)).grade(PAIRS, known={"q1": {"a": 0.0, "b": 0.0, "c": 0.0}, "q2": {"b": 1.0}})
    assert grades.qrels == {"q1": {}, "q2": {"a": 0, "c": 1}}
    assert len(backend.requests) == 2


def test_a_refusal_is_no_zero() -> None:
    replies = ['{"grade": 2}', "I'm sorry, but I cannot help with that.", '{"grade": 7}', '{"grade": 7}']
    grades = Grader(Judge(FakeBackend(replies, concurrency=1), concurrency=1)).grade(PAIRS[:1])
    assert grades.qrels == {"q1": {"a": 2}}
    assert grades.missing == {"q1": ("b", "c")}


def test_the_budget_and_the_cache(tmp_path: object) -> None:
    backend = SimulatedJudge(QRELS, top_grade=3)
    judge = Judge(backend, cache_dir=str(tmp_path))
    Grader(judge).grade(PAIRS)
    Grader(judge).grade(PAIRS)
    assert len(backend.requests) == 6
    paid = FakeBackend('{"grade": 1}', local=False)
    capped = Judge(
        paid,
        budget=Budget(usd="0.0012"),
        prices={"fake": Price(input_usd_per_mtok="1", output_usd_per_mtok="1")},
        concurrency=1,
    )
    grades = Grader(capped).grade(PAIRS)
    graded = sum(map(len, grades.qrels.values()))
    assert 0 < graded == len(paid.requests) < 6
    assert sum(map(len, grades.missing.values())) == 6 - graded
    assert any("budget" in reason for ranking in grades.rankings for reason in ranking.reasons)


def many(queries: int, documents: int) -> list[tuple[Query, list[Document]]]:
    return [
        (
            Query(text=f"query {q}", id=f"q{q}"),
            [Document(text=f"text {d} of {q}", id=f"d{d}") for d in range(documents)],
        )
        for q in range(queries)
    ]


@pytest.mark.parametrize(("queries", "documents"), [(1, 200), (40, 5)])
def test_a_model_that_gives_no_grades_is_not_asked_to_the_end(queries: int, documents: int) -> None:
    """Every unreadable reply is asked for twice, so 20 calls are 40 requests."""
    backend = FakeBackend("I would rather not say.", concurrency=2)
    grades = Grader(Judge(backend)).grade(many(queries, documents))
    assert len(backend.requests) <= 80
    assert "gave no grade" in grades.stopped
    assert sum(map(len, grades.missing.values())) == 200
    assert not any(grades.qrels.values())


def test_a_model_that_gives_some_grades_is_asked_to_the_end() -> None:
    def reply(request: ChatRequest) -> str:
        return '{"grade": 7}' if any("text 3 of" in m.content for m in request.messages) else '{"grade": 2}'

    backend = FakeBackend(reply, concurrency=2)
    grades = Grader(Judge(backend)).grade(many(3, 30))
    assert (sum(map(len, grades.qrels.values())), grades.stopped) == (87, "")
    assert set(grades.missing.values()) == {("d3",)}


def test_reasons() -> None:
    grades = Grader(Judge(SimulatedJudge(QRELS, top_grade=3)), explain=True).grade(PAIRS[:1])
    assert {j.reason for place in grades.rankings[0] for j in place.judgments} == {"by its grade"}


@pytest.mark.parametrize(
    "pairs",
    [
        [(Query(text="no id"), [Document(text="x", id="x")])],
        [(Query(text="q", id="q"), [Document(text="x")])],
        [(Query(text="q", id="q"), [Document(text="x", id="x"), Document(text="y", id="x")])],
        [(Query(text="q", id="q"), []), (Query(text="again", id="q"), [])],
    ],
)
def test_what_cannot_be_graded(pairs: list[tuple[Query, list[Document]]]) -> None:
    backend = FakeBackend('{"grade": 1}')
    with pytest.raises(InputError, match="needs an id"):
        Grader(Judge(backend)).grade(pairs)
    assert backend.requests == []


def test_lines() -> None:
    assert qrels_lines({"q": {"a": 1, "b": 0.0}}) == "q 0 a 1\nq 0 b 0\n"
    with pytest.raises(InputError, match="'a b' is empty or has white space"):
        qrels_lines({"q": {"a b": 1}})


def test_kappa() -> None:
    # Cohen's example in Wikipedia's article: 50 proposals, two readers, 20 and 15 agreed on.
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([(1, 1)] * 3) is None
    assert cohens_kappa([(1, 1), (2, 2)]) == 1
    assert cohens_kappa([(0, 1), (1, 0)]) == -1
    assert cohens_kappa([(1, 1)]) is None


def test_the_agreement_on_one_document_is_undefined() -> None:
    found = measure_agreement({"q": {"a": 3}}, {"q": {"a": 3}})
    assert (found.documents, found.kappa, found.kappa_binary) == (1, None, None)


def test_agreement() -> None:
    human = {"q": {"a": 3, "b": 2, "c": 0, "d": 1, "only": 1}, "other": {"x": 0}}
    model = {"q": {"a": 2, "b": 2, "c": 0, "d": 2}}
    found = measure_agreement(human, model)
    assert (found.documents, found.only_human, found.only_model, found.same) == (4, 2, 0, 0.5)
    assert found.levels == (0, 1, 2, 3)
    assert found.confusion == ((1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 1, 0))
    assert found.kappa_binary == pytest.approx(0.5)
    assert (found.mean_human, found.mean_model) == (1.5, 1.5)
    assert measure_agreement(human, model, min_grade=3).kappa_binary == 0
    with pytest.raises(InputError, match="No document is graded by both"):
        measure_agreement(human, {"q": {"z": 1}})


def test_tau() -> None:
    a = {"w": 1.0, "x": 2.0, "y": 3.0, "z": 4.0}
    assert kendalls_tau(a, a) == 1
    assert kendalls_tau(a, {name: -value for name, value in a.items()}) == -1
    assert kendalls_tau(a, a | {"y": 5.0}) == pytest.approx(2 / 3)
    assert kendalls_tau(a, a | {"x": 1.0}) == pytest.approx(5 / 30**0.5)  # scipy.stats.kendalltau agrees
    with pytest.raises(InputError, match="at least two that differ"):
        kendalls_tau(a, dict.fromkeys(a, 1.0))


def test_systems_are_compared_on_what_both_sides_graded() -> None:
    """People graded three queries, the model one: over all three, the orders of the systems seem opposed."""
    human = {"q1": {"a": 3.0, "b": 0.0}, "q2": {"a": 3.0, "b": 0.0, "c": 2.0}, "q3": {"a": 3.0, "b": 0.0}}
    model = {"q1": {"a": 3.0, "b": 0.0, "z": 3.0}, "q4": {"a": 1.0}}
    runs = {
        "good on q1": {"q1": ["a", "b"], "q2": ["b", "a"], "q3": ["b", "a"]},
        "good elsewhere": {"q1": ["b", "a"], "q2": ["a", "c", "b"], "q3": ["a", "b"]},
    }
    assert kendalls_tau(*(system_scores(runs, grades) for grades in (human, model))) == -1
    people, by_model = shared(human, model)
    assert (people, by_model) == ({"q1": {"a": 3.0, "b": 0.0}}, {"q1": {"a": 3.0, "b": 0.0}})
    assert kendalls_tau(*(system_scores(runs, grades) for grades in (people, by_model))) == 1
    assert measure_agreement(human, model).queries == 1


def test_scores_of_systems() -> None:
    runs = {
        "good": {"q1": ["a", "c", "b"], "q2": ["b", "c", "a"]},
        "bad": {"q1": ["b", "c", "a"], "q2": ["a", "c", "b"]},
    }
    scores = system_scores(runs, QRELS)
    assert scores["good"] == pytest.approx(1)
    assert scores["bad"] < 0.7
    assert system_scores(runs, QRELS, "P(rel=2)@1") == {"good": 1, "bad": 0}
    assert system_scores({"half": {"q1": ["a", "c", "b"]}}, QRELS)["half"] == pytest.approx(0.5)
    with pytest.raises(UnknownName, match="metric 'quality'"):
        system_scores(runs, QRELS, "quality")


def test_a_metric_that_knows_only_relevant_takes_the_lowest_grade_that_is() -> None:
    runs = {"good": {"q": ["b", "a"]}, "bad": {"q": ["c", "a"]}}
    grades = {"q": {"a": 1.0, "b": 2.0, "c": 0.0}}
    assert system_scores(runs, grades, "RR@10") == {"good": 1.0, "bad": 0.5}
    assert system_scores(runs, grades, "RR@10", min_grade=2) == {"good": 1.0, "bad": 0.0}
