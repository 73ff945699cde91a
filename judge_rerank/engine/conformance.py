"""The conformance suite: what every strategy has to keep, checked without a model. Public in `judge_rerank.testing`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from judge_rerank.core import (
    Candidate,
    Candidates,
    Circumstances,
    Document,
    Failed,
    FailureReason,
    JudgeCall,
    Order,
    Outcome,
    Query,
    Strategy,
    StrategyRunner,
    Tier,
    as_documents,
    as_query,
)
from judge_rerank.prompting import stating


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a strategy did under `drive`.

    Attributes:
        order: `index` values, best first.
        scores: relevance by `index`, where the strategy gives one.
        rounds: the calls of each round.
        confidence, tiers: as in `Ordering`.
    """

    order: tuple[int, ...]
    scores: Mapping[int, float]
    rounds: tuple[tuple[JudgeCall, ...], ...]
    confidence: Mapping[int, float] = field(default_factory=dict[int, float])
    tiers: tuple[Tier, ...] | None = None
    calls: tuple[JudgeCall, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", tuple(call for calls in self.rounds for call in calls))

    @property
    def documents_read(self) -> int:
        """Documents shown to the judge, each counted every time."""
        return sum(len(call.candidates) for call in self.calls)


def drive(
    strategy: Strategy,
    docs: Sequence[str | Document],
    answer: Callable[[JudgeCall], Outcome],
    *,
    query: str | Query = "query",
    circumstances: Circumstances | None = None,
) -> Run:
    """Run a strategy against a function that answers calls: no engine, no prompts, no parsing.

    `circumstances` are for strategies that choose among others; None for those of a hosted judge without a cap.

    Raises:
        AssertionError: it yields a round without a call, or asks about a document that it was not given.
    """
    documents = as_documents(docs)
    candidates = Candidates(
        (Candidate(index=index, document=document) for index, document in enumerate(documents)),
        circumstances=circumstances,
    )
    runner = StrategyRunner(strategy, as_query(query), candidates)
    rounds: list[tuple[JudgeCall, ...]] = []
    while not runner.done:
        effects = tuple(runner.round)
        assert effects, f"{strategy.name}: a round without a call"
        for call in effects:
            shown = [(candidate.index, candidate.passage) for candidate in call.candidates]
            assert len(set(shown)) == len(shown), f"{strategy.name}: a document twice in one call"
            indices = {index for index, _ in shown}
            assert indices <= set(range(len(documents))), f"{strategy.name}: a document it was not given"
        rounds.append(effects)
        runner.send([answer(call) for call in effects])
    ordering = runner.result
    return Run(
        order=ordering.order,
        scores=ordering.scores,
        rounds=tuple(rounds),
        confidence=ordering.confidence,
        tiers=ordering.tiers,
    )


def perfect(relevance: Sequence[float]) -> Callable[[JudgeCall], Outcome]:
    """Answers for `drive` from a judge that makes no mistake: `relevance` in [0, 1] by `index`.

    Where it knows no difference it names the document that comes first in the first stage.
    """

    def answer(call: JudgeCall) -> Outcome:
        values = [relevance[candidate.index] for candidate in call.candidates]
        best_first = sorted(range(len(values)), key=lambda place: (-values[place], call.candidates[place].index))
        return stating(call, best_first, values)

    return answer


def failing(reason: FailureReason = "unreadable") -> Callable[[JudgeCall], Outcome]:
    """Answers for `drive` from a judge that never gives a judgment."""
    return lambda _call: Failed(reason=reason, message="no judgment")


def check_strategy(
    strategy: Strategy, *, ideal_top: int = 10, judges: bool = True, circumstances: Circumstances | None = None
) -> None:
    """The conformance suite: what every strategy has to keep, whatever the judge says.

    A permutation for every number of documents and every kind of answer; first-stage order where the judge knows no
    difference, and where it never answers; every document read; the same run for the same answers; two runs of one
    object that do not disturb each other; the ideal top from a judge that makes no mistake; and tiers, where there are
    any, that hold the order from its first document on.

    Args:
        strategy: the strategy under test.
        ideal_top: how many of the best documents a perfect judge must bring to the top.
        judges: whether it reads the documents at all.
        circumstances: as in `drive`.

    Raises:
        AssertionError: with what was broken.
    """
    assert strategy.name, "a strategy needs a name"
    for n in (0, 1, 2, 3, 7, 10, 20, 21, 45):
        docs = [f"document {i}" for i in range(n)]
        rng = random.Random(n)  # noqa: S311
        relevance = [rng.random() for _ in range(n)]
        runs = {
            judge: drive(strategy, docs, answer, circumstances=circumstances)
            for judge, answer in {
                "equal relevance": perfect([0.5] * n),
                "failures": failing(),
                "a perfect judge": perfect(relevance),
                "an arbitrary judge": _arbitrary(n),
            }.items()
        }
        for judge, run in runs.items():
            assert sorted(run.order) == list(range(n)), f"{strategy.name}: not a permutation of {n} under {judge}"
            assert all(0 <= score <= 1 for score in run.scores.values()), f"{strategy.name}: a score outside [0, 1]"
            held = [index for tier in run.tiers or () for index in tier.indices]
            assert held == list(run.order[: len(held)]), f"{strategy.name}: tiers that are not in the order"
        for judge in ("equal relevance", "failures"):
            assert runs[judge].order == tuple(range(n)), f"{strategy.name}: {judge} must leave {n} documents in place"
        if judges and n > 1:
            _check_reading(strategy, runs["a perfect judge"], relevance, ideal_top)
        again = drive(strategy, docs, perfect(relevance), circumstances=circumstances)
        assert again == runs["a perfect judge"], f"{strategy.name}: two equal runs of {n} documents differ"


def _check_reading(strategy: Strategy, run: Run, relevance: Sequence[float], ideal_top: int) -> None:
    n = len(relevance)
    read = {candidate.index for call in run.calls for candidate in call.candidates}
    assert read == set(range(n)), f"{strategy.name}: {n - len(read)} of {n} documents were never read"
    ideal = sorted(range(n), key=lambda index: -relevance[index])
    top = min(ideal_top, n)
    assert list(run.order[:top]) == ideal[:top], (
        f"{strategy.name}: a perfect judge must give the ideal top {top} of {n}"
    )


def _arbitrary(seed: int) -> Callable[[JudgeCall], Outcome]:
    rng = random.Random(seed)  # noqa: S311

    def answer(call: JudgeCall) -> Outcome:
        n = len(call.candidates)
        if rng.random() < 0.2:
            return Failed(reason="unreadable", message="no judgment")
        values = [None if rng.random() < 0.1 else rng.random() for _ in range(n)]
        outcome = stating(call, rng.sample(range(n), n), values)
        return replace(outcome, stated=rng.randint(1, n)) if isinstance(outcome, Order) else outcome

    return answer
