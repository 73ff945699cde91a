"""From answers to a ranking: who was judged, what had to be repaired, what it took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from judge_rerank.core import (
    BudgetExceeded,
    Candidate,
    Candidates,
    Integrity,
    Judgment,
    Ordering,
    Outcome,
    Query,
    RankedDocument,
    Ranking,
    ScorerError,
    StrategyError,
    Usage,
    added,
    judgments_of,
    redact,
)
from judge_rerank.engine.call import CallResult

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


class RankingBuilder:
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

    def add(self, answer: CallResult) -> None:
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

    def _read(self, answer: CallResult) -> Sequence[Judgment]:
        call, reply, prepared, usage = answer.call, answer.reply, answer.prepared, answer.usage
        shared = Judgment(
            stage=call.stage or call.task,
            round=self.rounds,
            window=tuple(each.index for each in call.candidates),
            prompt=prepared.prompt if prepared else None,
            prompt_hash=prepared.prompt_hash if prepared else None,
            model=reply.model if reply else answer.model,
            reply=reply.text if reply else None,
            input_tokens=usage.input_tokens + usage.saved_input_tokens,
            output_tokens=usage.output_tokens + usage.saved_output_tokens,
            cost_usd=usage.cost_usd,
            latency_s=usage.latency_s,
            cached=answer.cached,
        )
        return judgments_of(answer.outcome, shared, [candidate.passage for candidate in call.candidates])

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
        read = [o for o in self._outcomes if o.failure is None]
        failed = Counter(str(o.failure) for o in self._outcomes if o.failure is not None)
        return Integrity(
            parsed=sum(not o.repairs for o in read),
            repaired=sum(bool(o.repairs) for o in read),
            failed=dict(failed),
            missing=sum(o.missing for o in read),
            duplicate=sum(o.duplicate for o in read),
            invented=sum(o.invented for o in read),
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
        messages = {o.failure: o.message for o in self._outcomes if o.failure is not None}
        sentences: list[str] = []
        for reason, count in last.items():
            documents = "1 document" if count == 1 else f"{count} documents"
            detail = f" ({redact(messages[reason])})" if reason in messages else ""
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
