"""What is fitted to judged queries: weights of a hybrid, and routes; never from judgments that did not happen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from judge_rerank import Budget, IncompleteRankings, InputError, Judge, Price, ProviderUnavailable, Route, Routes
from judge_rerank.core import ChatReply, ChatRequest, DataError, Document, Query
from judge_rerank.evaluation.complete_runs import CompleteRuns
from judge_rerank.evaluation.datasets import Dataset, Topic
from judge_rerank.evaluation.route_fitting import fit_routes
from judge_rerank.evaluation.tuning import tune
from judge_rerank.learning import calibrate
from judge_rerank.routing import TrainedClassifier
from judge_rerank.testing import FakeBackend, SimulatedJudge

PRICES = {"fake": Price(input_usd_per_mtok="1", output_usd_per_mtok="1")}
BLIND = Routes((Route(strategies=("none",)),))


def collection(n: int = 24) -> Dataset:
    """Half the answers share words with their query; the others are known to the judge alone."""
    topics, grades = [], {}
    for number in range(n):
        query = f"who made thing{number}?" if number % 2 else f"explain in detail why thing{number} works as it does"
        words = query if number % 3 else "something else"
        docs = [Document(id=f"d{number}-{i}", text=words if i == 2 else f"filler {i} thing{number}") for i in range(6)]
        topics.append(Topic(query=Query(id=f"q{number}", text=query), candidates=tuple(docs)))
        grades[f"q{number}"] = {f"d{number}-2": 1.0}
    return Dataset(name="made up", topics=tuple(topics), grades=grades)


def test_tuned_weights_find_the_signal_that_knows() -> None:
    data = collection()
    found = tune(Judge(SimulatedJudge(data.grades)), data, ["bm25", "score"], metric="nDCG@10")
    assert found.alone["score"] == pytest.approx(1.0)
    assert found.alone["bm25"] < 1
    assert found.held_out == pytest.approx(found.fitted) == pytest.approx(1.0)
    assert found.weights["score"] >= 0.5
    assert sum(found.weights.values()) == pytest.approx(1)
    with pytest.raises(InputError, match="two to 4"):
        tune(Judge(SimulatedJudge(data.grades)), data, ["bm25"])
    with pytest.raises(DataError, match="too few"):
        tune(Judge(SimulatedJudge(data.grades)), collection(4), ["bm25", "first-stage"])


def test_a_class_departs_from_its_route_only_where_the_data_prove_it() -> None:
    data = collection(48)
    found = fit_routes(
        Judge(SimulatedJudge(data.grades)), data, ["bm25", "score"], TrainedClassifier(), routes=BLIND, kind="local"
    )
    taken = {each.label: row.strategy for each in found.classes for row in each.tried if row.chosen}
    assert set(taken.values()) <= {"bm25", "score"}
    assert len(taken) == 2
    assert found.routes.choose("factual", "local", 6).strategies[0] == taken["factual"]
    assert "fitted on" in found.routes.choose("factual", "local", 6).why
    best = Routes((Route(strategies=("score",)),))
    same = fit_routes(
        Judge(SimulatedJudge(data.grades)), data, ["bm25"], TrainedClassifier(), routes=best, kind="local"
    )
    assert same.routes == best
    assert {row.strategy for each in same.classes for row in each.tried if row.chosen} == {"score"}


class Failing(SimulatedJudge):
    """A judge from grades whose provider cannot be reached for some requests: number from 1, and prompt."""

    def __init__(self, data: Dataset, fails: Callable[[int, str], bool]) -> None:
        super().__init__(data.grades)
        self._fails = fails

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply, unless the request fails."""
        reply = await super().complete(request)
        if self._fails(len(self.requests), "".join(message.content for message in request.messages)):
            raise ProviderUnavailable("The provider cannot be reached.")
        return reply


@pytest.mark.parametrize("replies", [0, 60])
def test_nothing_is_fitted_to_judgments_that_never_happened(replies: int) -> None:
    data = collection(48)
    for fit in (
        lambda judge: tune(judge, data, ["bm25", "score"]),
        lambda judge: fit_routes(judge, data, ["score"], TrainedClassifier(), routes=BLIND, kind="hosted"),
        lambda judge: calibrate(
            judge.rerank_many([(t.query, t.candidates) for t in data.topics], "score"),
            data.grades,
            unjudged="irrelevant",
        ),
    ):
        backend = Failing(data, lambda number, _: number > replies)
        with (
            Judge(backend, max_attempts=1, concurrency=1) as judge,
            pytest.raises(IncompleteRankings, match="partial rankings so far; at most 20% may") as refused,
        ):
            fit(judge)
        assert any(ranking.status == "partial" for ranking in refused.value.rankings)


def test_it_stops_asking_once_too_many_are_partial() -> None:
    data = collection(48)
    backend = Failing(data, lambda _number, _prompt: True)
    with Judge(backend, max_attempts=1, concurrency=1) as judge, pytest.raises(IncompleteRankings):
        tune(judge, data, ["score", "bm25"])
    assert len(backend.requests) < 6 * 48 / 2


def test_a_partial_ranking_is_left_out_of_every_strategy_and_counted() -> None:
    data = collection(48)
    backend = Failing(data, lambda _, prompt: "thing7 " in prompt or "thing7?" in prompt)
    with Judge(backend, max_attempts=1) as judge:
        found = tune(judge, data, ["bm25", "score"])
        routed = fit_routes(judge, data, ["score"], TrainedClassifier(), routes=BLIND, kind="hosted")
        runs = CompleteRuns(judge, [(topic.query, topic.candidates) for topic in data.topics])
        assert set(runs.run("score")) == set(range(48)) - {7}
        assert set(runs.run("none")) == set(range(48)) - {7}
        fitted = calibrate(runs.rankings[:48], data.grades, unjudged="irrelevant")
    assert (found.left_out, found.comparison.queries) == (1, 47)
    assert (routed.left_out, sum(each.queries for each in routed.classes)) == (1, 47)
    assert (fitted.left_out, fitted.queries) == (1, 47)
    assert runs.kept([6, 7, 8]) == [6, 8]


def test_a_budget_that_runs_out_in_the_middle_fits_nothing() -> None:
    backend = FakeBackend('{"score": 5}', local=False)
    budget = Budget(usd="0.02")
    capped = Judge(backend, budget=budget, prices=PRICES, on_exhausted="raise")
    with capped as judge, pytest.raises(IncompleteRankings):
        tune(judge, collection(48), ["bm25", "score"])
    assert backend.requests


def test_a_hybrid_that_is_no_better_than_its_best_signal_is_not_recommended() -> None:
    data = collection()
    found = tune(Judge(SimulatedJudge(data.grades)), data, ["bm25", "score"])
    assert (found.strongest, found.better) == ("score", False)


def test_a_class_with_few_queries_keeps_its_route_and_is_not_run() -> None:
    many, few = collection(40), collection(8)
    kept = (*many.topics[1::2], *(t for t in few.topics if t.query.text.startswith("explain")))
    data = Dataset(name="uneven", topics=tuple({t.id: t for t in kept}.values()), grades=many.grades)
    backend = SimulatedJudge(data.grades)
    found = fit_routes(Judge(backend), data, ["score"], TrainedClassifier(), routes=BLIND, kind="hosted")
    assert [(each.queries, bool(each.tried)) for each in found.classes if each.queries < 10] == [(4, False)]
    assert len(backend.requests) == 6 * 20
    small = Dataset(name="small", topics=few.topics, grades=few.grades)
    with pytest.raises(DataError, match="No class has enough queries"):
        fit_routes(Judge(backend), small, ["score"], TrainedClassifier(), routes=BLIND, kind="hosted")


def test_a_strategy_keeps_its_options() -> None:
    """A route is measured, and kept, as it was written."""
    data = collection(24)
    spec = "listwise(window_size=3, stride=1)"
    backend = SimulatedJudge(data.grades)
    found = fit_routes(Judge(backend), data, [spec], TrainedClassifier(), routes=BLIND, kind="local")
    assert {row.strategy for each in found.classes for row in each.tried} == {"none", spec}
    assert len(backend.requests) == 24 * 4
