"""The conformance suite for strategies: it passes what keeps the rules, and says which rule is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from judge_rerank import Score
from judge_rerank.core import Candidate, Candidates, Document, JudgeCall, Ordering, Outcome, Plan, Query
from judge_rerank.testing import check_strategy, drive


class Broken:
    """Scores every document, best first, with one thing changed."""

    name = "broken"

    def __init__(
        self,
        *,
        calls: Callable[[list[JudgeCall]], list[JudgeCall]] = lambda calls: calls,
        order: Callable[[list[int], list[Outcome]], list[int]] = lambda order, _: order,
        scale: float = 1.0,
    ) -> None:
        self._calls, self._order, self._scale = calls, order, scale

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        asking = Score()
        calls = self._calls([asking.call(query, [candidate]) for candidate in candidates])
        outcomes = list((yield calls)) if calls else []
        scores: dict[int, float] = {}
        for call, outcome in zip(calls, outcomes, strict=True):
            scores |= outcome.scores(call)
        order = sorted((c.index for c in candidates), key=lambda index: -scores.get(index, -1.0))
        return Ordering(
            order=tuple(self._order(order, outcomes)), scores={i: self._scale * s for i, s in scores.items()}
        )


def test_what_keeps_the_rules_passes() -> None:
    check_strategy(Broken())


def some_failed(outcomes: list[Outcome]) -> bool:
    return len({outcome.failure for outcome in outcomes}) > 1


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Broken(order=lambda order, _: order[:-1] if len(order) > 7 else order), "not a permutation of 10"),
        (Broken(order=lambda order, said: order[1:] if some_failed(said) else order), "under an arbitrary judge"),
        (Broken(order=lambda order, said: sorted(order) if len(order) > 1 else order), "must give the ideal top"),
        (Broken(order=lambda order, said: order[::-1]), "must leave 2 documents in place"),
        (Broken(scale=1.5), r"a score outside \[0, 1\]"),
        (Broken(scale=-1), r"a score outside \[0, 1\]"),
        (Broken(calls=lambda calls: calls[:-1] if len(calls) > 1 else calls), "1 of 2 documents were never read"),
    ],
    ids=["loses one", "loses one where some fail", "does not read", "turns round", "above 1", "below 0", "skips one"],
)
def test_what_breaks_one_is_named(strategy: Broken, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_strategy(strategy)


def test_a_run_that_depends_on_the_time_is_found() -> None:
    class Impatient(Score):
        runs = 0

        def plan(self, query: Query, candidates: Candidates) -> Plan:
            Impatient.runs += 1
            calls = [self.call(query, [candidate]) for candidate in candidates]
            if Impatient.runs % 4 < 2 and calls:
                yield calls
            return (yield from super().plan(query, candidates))

    with pytest.raises(AssertionError, match=r"two equal runs of \d documents differ"):
        check_strategy(Impatient())


STRANGER = Candidate(index=9, document=Document(text="from elsewhere"))


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (lambda candidates: [], "a round without a call"),
        (lambda candidates: [[*candidates, candidates[0]]], "a document twice in one call"),
        (lambda candidates: [[*candidates, STRANGER]], "a document it was not given"),
    ],
)
def test_what_a_round_may_hold(shown: Callable[[Candidates], list[list[Candidate]]], message: str) -> None:
    class Odd(Score):
        def plan(self, query: Query, candidates: Candidates) -> Plan:
            yield [self.call(query, window) for window in shown(candidates)]
            return Ordering(order=tuple(range(len(candidates))))

    def never(call: JudgeCall) -> Outcome:
        raise AssertionError(f"{call} was asked")

    with pytest.raises(AssertionError, match=message):
        drive(Odd(), ["a", "b"], never)
