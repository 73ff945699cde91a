"""From answers to a ranking: who was judged, what had to be repaired, what it took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from judge_rerank.core.errors import BudgetExceeded, ScorerError, StrategyError
from judge_rerank.core.strategy import Candidates, Failed, Order, Ordering, Outcome, Scores
from judge_rerank.core.types import (
    Candidate,
    FailureReason,
    Integrity,
    Judgment,
    Query,
    RankedDocument,
    Ranking,
    Usage,
    added,
)
from judge_rerank.engine.call import Answer

_WORDS = {
    "refused": "was refused by the model",
    "unreadable": "could not be read",
    "truncated": "was cut off",
    "provider": "did not come",
    "budget": "was not asked for: the budget is used up",
    "deadline": "did not come in time",
    "cancelled": "was cancelled",
    "scorer": "was not a number",
}


class Record:
    """What happened in one ranking, call by call."""

    def __init__(self) -> None:
        self.rounds = 0
        self.exhausted: BudgetExceeded | None = None
        self.scorer_failed: ScorerError | None = None
        self._judgments: dict[int, list[Judgment]] = defaultdict(list)
        self._outcomes: list[Outcome] = []
        self._truncated: set[int] = set()
        self._passages: dict[int, int] = {}  # how far the passages asked about reach into the text, by index
        self._usages: list[Usage] = []

    @property
    def judged(self) -> bool:
        """Whether any document has a judgment yet."""
        return any(j.failure is None for judgments in self._judgments.values() for j in judgments)

    @property
    def calls(self) -> int:
        """Calls finished in earlier rounds."""
        return len(self._outcomes)

    def latest(self, n: int) -> list[Outcome]:
        """The outcomes of the last `n` calls, in the order in which they were added."""
        return self._outcomes[len(self._outcomes) - n :]

    @property
    def cost_usd(self) -> Decimal | None:
        """Spent so far; None when a price is not known."""
        return self.usage(0.0).cost_usd

    def add(self, answer: Answer) -> None:
        """Note one answered (or failed) call of the current round."""
        self._outcomes.append(answer.outcome)
        if isinstance(answer.error, BudgetExceeded):
            self.exhausted = self.exhausted or answer.error
        if isinstance(answer.error, ScorerError):
            self.scorer_failed = self.scorer_failed or answer.error
        if answer.prepared is not None:
            self._truncated.update(answer.prepared.truncated)
        self._usages.append(answer.usage)
        for candidate, judgment in zip(answer.call.candidates, self._read(answer), strict=True):
            self._judgments[candidate.index].append(judgment)
            if candidate.passage is not None:
                self._passages[candidate.index] = max(candidate.passage.end, self._passages.get(candidate.index, 0))

    def _read(self, answer: Answer) -> list[Judgment]:
        call, reply = answer.call, answer.reply
        prepared = answer.prepared

        def judgment(
            shown: int,
            *,
            failure: FailureReason | None = None,
            score: float | None = None,
            raw: float | None = None,
            label: str | None = None,
            position: int | None = None,
            reason: str | None = None,
        ) -> Judgment:
            return Judgment(
                stage=call.stage or call.task,
                round=self.rounds,
                score=score,
                raw=raw,
                label=label,
                position=position,
                window=tuple(candidate.index for candidate in call.candidates),
                passage=call.candidates[shown].passage,
                reason=reason,
                prompt=prepared.prompt if prepared else None,
                prompt_hash=prepared.prompt_hash if prepared else None,
                model=reply.model if reply else answer.model,
                reply=reply.text if reply else None,
                repairs=() if isinstance(answer.outcome, Failed) else answer.outcome.repairs,
                failure=failure,
                input_tokens=reply.input_tokens or 0 if reply else 0,
                output_tokens=reply.output_tokens or 0 if reply else 0,
                cost_usd=answer.usage.cost_usd,
                latency_s=answer.usage.latency_s,
                cached=answer.cached,
            )

        n, outcome = len(call.candidates), answer.outcome
        if isinstance(outcome, Failed):
            return [judgment(shown, failure=outcome.reason, reason=outcome.message) for shown in range(n)]
        if isinstance(outcome, Scores):
            labels = outcome.labels or (None,) * n
            reasons, raws = outcome.reasons or (None,) * n, outcome.raw or (None,) * n
            missing: FailureReason = "scorer" if outcome.raw else "unreadable"
            return [
                judgment(shown, failure=missing)
                if value is None
                else judgment(shown, score=value, raw=raw, label=label, reason=reason)
                for shown, (value, raw, label, reason) in enumerate(
                    zip(outcome.values, raws, labels, reasons, strict=True)
                )
            ]
        if isinstance(outcome, Order):
            place = {shown: rank for rank, shown in enumerate(outcome.order[: outcome.stated], start=1)}
            return [
                judgment(shown, position=place[shown], reason=outcome.reason)
                if shown in place
                else judgment(shown, failure="unreadable")
                for shown in range(n)
            ]
        return [judgment(shown, label=outcome.label, reason=outcome.reason) for shown in range(n)]

    def usage(self, latency_s: float) -> Usage:
        """The whole ranking's usage."""
        return replace(added(*self._usages), rounds=self.rounds, latency_s=latency_s)

    @property
    def prompts(self) -> set[str]:
        """Hashes of the prompts that gave scores."""
        scored = (j for judgments in self._judgments.values() for j in judgments if j.score is not None)
        return {judgment.prompt_hash for judgment in scored if judgment.prompt_hash}

    def integrity(self, candidates: Candidates, cut: Sequence[int] = ()) -> Integrity:
        """How the replies were read, and which documents were left out."""
        read = [o for o in self._outcomes if not isinstance(o, Failed)]
        orders = [o for o in read if isinstance(o, Order)]
        failed = Counter(o.reason for o in self._outcomes if isinstance(o, Failed))
        return Integrity(
            parsed=sum(not o.repairs for o in read),
            repaired=sum(bool(o.repairs) for o in read),
            failed=dict(failed),
            missing=sum(o.missing for o in orders),
            duplicate=sum(o.duplicate for o in orders),
            invented=sum(o.invented for o in orders),
            unjudged=tuple(c.index for c in candidates if not self._was_judged(c.index)),
            truncated=tuple(c.index for c in candidates if c.index in self._truncated or self._has_unread(c)),
            cut=tuple(cut),
        )

    def _was_judged(self, index: int) -> bool:
        return any(j.failure is None for j in self._judgments[index])

    def _has_unread(self, candidate: Candidate) -> bool:
        """Whether only the first of its passages were asked about."""
        end = self._passages.get(candidate.index)
        return end is not None and bool(candidate.document.text[end:].strip())

    def reasons(self) -> list[str]:
        """Why the ranking is partial: documents whose last question, of any passage, went without an answer."""
        asked_last = {(index, j.passage): j.failure for index, js in self._judgments.items() for j in js}
        failed = {(index, failure) for (index, _), failure in asked_last.items() if failure is not None}
        last = Counter(failure for _, failure in sorted(failed))
        messages = {o.reason: o.message for o in self._outcomes if isinstance(o, Failed)}
        sentences: list[str] = []
        for reason, count in last.items():
            documents = "1 document" if count == 1 else f"{count} documents"
            detail = f" ({messages[reason]})" if reason in messages else ""
            sentences.append(f"{reason}: the last judgment of {documents} {_WORDS[str(reason)]}{detail}")
        return sentences

    def ranking(
        self,
        ordering: Ordering,
        *,
        query: Query,
        candidates: Candidates,
        strategy: str,
        model: str,
        top_n: int | None,
        min_score: float | None = None,
        latency_s: float,
    ) -> Ranking:
        """The finished ranking, without the documents whose score is below `min_score`."""
        documents = {c.index: c.document for c in candidates}
        reasons = self.reasons()
        cut = _below(min_score, ordering) if min_score is not None else set[int]()
        kept = [index for index in ordering.order if index not in cut]
        return Ranking(
            [
                RankedDocument(
                    rank=rank,
                    index=index,
                    relevance_score=ordering.scores.get(index),
                    document=documents[index],
                    judgments=tuple(self._judgments.get(index, ())),
                    confidence=ordering.confidence.get(index),
                    evidence=ordering.passages.get(index),
                )
                for rank, index in enumerate(kept[:top_n], start=1)
            ],
            query=query,
            strategy=strategy,
            model=model,
            status="partial" if reasons else "complete",
            reasons=reasons,
            usage=self.usage(latency_s),
            integrity=self.integrity(candidates, sorted(cut)),
            notes=ordering.notes,
            kept=ordering.kept,
        )


def _below(min_score: float, ordering: Ordering) -> set[int]:
    """What scores below, or was cut before it had a score. A failure to score is no low score, so the rest stays."""
    return {index for index, score in ordering.scores.items() if score < min_score} | set(ordering.cut)


def checked(ordering: Ordering, candidates: Candidates, strategy: str) -> Ordering:
    """The ordering, if it holds every candidate exactly once.

    Raises:
        StrategyError: it does not; no ranking is better than one that lost a document.
    """
    if sorted(ordering.order) != sorted(candidate.index for candidate in candidates):
        msg = (
            f"Strategy {strategy!r} returned an order that is not a permutation of its {len(candidates)} candidates. "
            "It has to return the index of each exactly once."
        )
        raise StrategyError(msg)
    return ordering
