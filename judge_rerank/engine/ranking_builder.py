"""From answers to a ranking: who was judged, what had to be repaired, what it took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from judge_rerank.core import (
    ENOUGH,
    BudgetExceeded,
    Candidate,
    Candidates,
    Finding,
    Integrity,
    Judgment,
    LedgerError,
    Ordering,
    Outcome,
    RankedDocument,
    Ranking,
    Round,
    ScorerError,
    Usage,
    added,
    judgments_of,
    redact,
    total_usd,
)
from judge_rerank.engine.job import Job
from judge_rerank.engine.result import CallResult

_WORDS = {
    "refused": "was refused by the model",
    "unreadable": "could not be read",
    "truncated": "was cut off",
    "oversized": "was larger than the provider accepts",
    "provider": "did not come",
    "budget": "was not requested: the budget is used up",
    "ledger": "was not requested: the spending could not be recorded",
    "deadline": "did not come in time",
    "cancelled": "was cancelled",
    "scorer": "was not a number",
}


_RANK_NOTE = "scores: the strategy gives only an order, so the scores are derived from the ranks, as was asked for"


class RankingBuilder:
    """What happened in one ranking, call by call."""

    def __init__(self) -> None:
        self.rounds = 0
        self.exhausted: BudgetExceeded | None = None
        self._broken: ScorerError | LedgerError | None = None
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

    @property
    def cost_usd(self) -> Decimal | None:
        """Spent so far; None when a price is not known."""
        return total_usd(usage.cost_usd for usage in self._usages)

    def begin_round(self, effects: Round) -> int:
        """Note that a round begins; returns how many calls there were in earlier ones."""
        self.rounds += bool(effects)
        return self.calls

    def add_round(self, results: Sequence[CallResult]) -> list[Outcome]:
        """Note the answered (and failed) calls of the current round; returns their outcomes."""
        for result in results:
            self._add(result)
        return [result.outcome for result in results]

    def _add(self, result: CallResult) -> None:
        self._outcomes.append(result.outcome)
        if isinstance(result.error, BudgetExceeded):
            self.exhausted = self.exhausted or result.error
        if isinstance(result.error, (ScorerError, LedgerError)):
            self._broken = self._broken or result.error
        if result.prepared is not None:
            self._truncated.update(result.prepared.truncated)
        self._usages.append(result.usage)
        if result.call.content_free:
            return
        for candidate, judgment in zip(result.call.candidates, self._read(result), strict=True):
            self._judgments[candidate.index].append(judgment)
            if candidate.passage is not None:
                self._passages[candidate.index] = max(candidate.passage.end, self._passages.get(candidate.index, 0))

    def _read(self, result: CallResult) -> Sequence[Judgment]:
        call, reply, prepared, usage = result.call, result.reply, result.prepared, result.usage
        shared = Judgment(
            stage=call.stage or call.task,
            round=self.rounds,
            window=tuple(each.index for each in call.candidates),
            prompt=prepared.prompt if prepared else None,
            prompt_hash=prepared.prompt_hash if prepared else None,
            model=reply.model if reply else result.model,
            reply=reply.text if reply else None,
            input_tokens=usage.input_tokens + usage.saved_input_tokens,
            output_tokens=usage.output_tokens + usage.saved_output_tokens,
            cost_usd=usage.cost_usd,
            latency_s=usage.latency_s,
            cached=result.cached,
        )
        passages = [candidate.passage for candidate in call.candidates]
        return judgments_of(result.outcome, shared, passages, one_by_one=call.one_by_one)

    def usage(self, latency_s: float) -> Usage:
        """The whole ranking's usage."""
        return replace(added(*self._usages), rounds=self.rounds, latency_s=latency_s)

    @property
    def prompts(self) -> set[str]:
        """Hashes of the prompts that gave scores."""
        scored = (j for judgments in self._judgments.values() for j in judgments if j.score is not None)
        return {judgment.prompt_hash for judgment in scored if judgment.prompt_hash}

    def integrity(
        self, candidates: Candidates, cut: Sequence[int] = (), suspicious: Sequence[Finding] = ()
    ) -> Integrity:
        """How the replies were read, which documents were left out, and which are suspicious."""
        read = [o for o in self._outcomes if o.failure is None]
        failed = Counter(str(o.failure) for o in self._outcomes if o.failure is not None)
        return Integrity(
            parsed=sum([not o.repairs for o in read]),
            repaired=sum([bool(o.repairs) for o in read]),
            failed=dict(failed),
            missing=sum([o.missing for o in read]),
            duplicate=sum([o.duplicate for o in read]),
            invented=sum([o.invented for o in read]),
            unjudged=tuple([c.index for c in candidates if not self._was_judged(c.index)]),
            truncated=tuple([c.index for c in candidates if c.index in self._truncated or self._has_unread(c)]),
            cut=tuple(cut),
            suspicious=tuple(suspicious),
        )

    def _was_judged(self, index: int) -> bool:
        return any(j.failure is None for j in self._judgments[index])

    def _by_rank(self, ordering: Ordering) -> Ordering:
        """The same order with scores in equal steps from 1 for the first to 1/n for the last."""
        order = ordering.order
        scores = {index: (len(order) - place) / len(order) for place, index in enumerate(order)}
        known = {index: score for index, score in scores.items() if not self._asked_in_vain(index)}
        return replace(ordering, scores=known, notes=(*ordering.notes, _RANK_NOTE))

    def _asked_in_vain(self, index: int) -> bool:
        """Whether it was asked about, and no judgment came of it: a failure is no score, not even by rank."""
        return bool(self._judgments.get(index)) and not self._was_judged(index)

    def _has_unread(self, candidate: Candidate) -> bool:
        """Whether only the first of its passages were asked about."""
        end = self._passages.get(candidate.index)
        return end is not None and bool(candidate.document.text[end:].strip())

    def reasons(self) -> list[str]:
        """Why the ranking is partial: documents whose last question, of any passage, went without an result."""
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
        job: Job,
        ordering: Ordering,
        candidates: Candidates,
        *,
        model: str,
        latency_s: float,
        answerable: float | None = None,
    ) -> Ranking:
        """The finished ranking, without the documents that `min_score` and `keep` leave out.

        Raises:
            ScorerError, LedgerError: nothing was judged at all, for this reason.
        """
        if self._broken is not None and not self.judged:
            raise self._broken
        documents = [candidate.document for candidate in candidates]
        options, reasons = job.options, self.reasons()
        cut = _below(options.min_score, ordering) if options.min_score is not None else set[int]()
        if options.keep == "relevant":
            cut |= _irrelevant(ordering, answerable)
            ordering = ordering if len(cut) < len(documents) else _with_note(ordering, answerable)
        if job.on_suspicious == "drop":
            cut |= {finding.index for finding in ordering.suspicious}
        kept = [index for index in ordering.order if index not in cut]
        if options.scores == "rank" and not ordering.scores:
            ordering = self._by_rank(ordering)
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
                    warnings=tuple(each for each in ordering.suspicious if each.index == index),
                )
                for rank, index in enumerate(kept[: options.top_n], start=1)
            ],
            query=job.query,
            strategy=job.spec,
            model=model,
            status="partial" if reasons else "complete",
            reasons=reasons,
            usage=self.usage(latency_s),
            integrity=self.integrity(candidates, sorted(cut), ordering.suspicious),
            notes=ordering.notes,
            kept=ordering.kept,
            tiers=ordering.tiers,
            answerable=answerable,
        )


def _below(min_score: float, ordering: Ordering) -> set[int]:
    """What scores below, or was cut before it had a score. A failure to score is no low score, so the rest stays."""
    return {index for index, score in ordering.scores.items() if score < min_score} | set(ordering.cut)


def _irrelevant(ordering: Ordering, answerable: float | None) -> set[int]:
    """What is not relevant with a probability of a half: everything, where nothing answers."""
    if answerable is not None and answerable < ENOUGH:
        return set(ordering.order)
    return {index for index in ordering.order if ordering.scores.get(index, 0.0) < ENOUGH}


def _with_note(ordering: Ordering, answerable: float | None) -> Ordering:
    """The ordering, which says why none of its documents is kept."""
    said = "no document is relevant" if answerable is None or answerable >= ENOUGH else "nothing here answers"
    known = "" if answerable is None else f" (answerable is {answerable:.2f})"
    return replace(ordering, notes=(*ordering.notes, f"keep: {said}{known}, so no document is kept"))
