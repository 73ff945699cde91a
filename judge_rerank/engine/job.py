"""What a ranking is asked for: its query, its documents, its strategy and its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from decimal import Decimal
from typing import Any, Literal, TypedDict

from judge_rerank.core import (
    TRUSTS,
    CancelToken,
    CriteriaLike,
    Document,
    FieldsLike,
    InputError,
    Query,
    ShownFields,
    Strategy,
    Trust,
    UnknownName,
    Wishes,
    check_number,
    require_above_zero,
    require_one_of,
    shown_fields,
    spec_of,
)
from judge_rerank.guarding import POLICIES, OnSuspicious
from judge_rerank.spending import Amount, Cap

Keep = Literal["relevant"]
"""Which documents are kept: those that are relevant with a probability of at least a half."""

ScoresWanted = Literal["rank"]
"""Scores for a ranking that has none of its own: by rank, from 1 at the top to 1/n for the last of n documents."""

Mode = Literal["direct", "batch"]
"""How a model is asked: request by request, or by batch jobs, at about half the price and within hours."""

BatchFallback = Literal["batch", "direct"]
"""Where what a batch job leaves unanswered is asked again: in the next job, or request by request."""

OnExhausted = Literal["partial", "raise"]
"""What happens when a cap is reached: the best order so far, or an error that holds it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The progress of a ranking; passed to the `progress` callback after every call.

    Attributes:
        query: whose ranking it is.
        round: the round under way, from 1.
        stage: the strategy that asked in it, as in `Judgment.stage`; several, where they asked together, with commas.
        calls: calls finished so far.
        round_calls, round_done: size of this round, and how many of it are finished.
        cost_usd: spent so far; None if a price is not known.
    """

    query: Query
    round: int
    stage: str = ""
    calls: int
    round_calls: int
    round_done: int
    cost_usd: Decimal | None


class RankKeywords(TypedDict, total=False):
    """The options of `Judge.rerank` as keywords; what they mean stands in `RankOptions`."""

    top_n: int | None
    min_score: float | None
    deadline_s: float | None
    max_usd: Amount | None
    on_exhausted: OnExhausted | None
    on_suspicious: OnSuspicious | None
    progress: Callable[[Progress], None] | None
    cancel: CancelToken | None
    scores: ScoresWanted | None
    answerable: bool
    keep: Keep | None
    instruction: str | None
    criteria: CriteriaLike | None
    fields: FieldsLike | None
    trust: Trust | None
    mode: Mode
    batch_fallback: BatchFallback


@dataclass(frozen=True, kw_only=True, slots=True)
class RankOptions:
    """What a ranking is asked for beside its query, documents and strategy.

    Attributes:
        top_n: how many results to return; None for all. Every document is judged in any case.
        min_score: leave out documents with a lower score, from 0 to 1; `integrity.cut` lists them. Documents without a
            score stay, after all that have one.
        deadline_s: return the order reached after this many seconds, as a partial ranking.
        max_usd: the highest cost of this ranking. Documents beyond it follow the judged ones, in first-stage order.
        on_exhausted: what happens when a cap is reached: "partial" returns the best order so far, "raise" raises
            `BudgetExceeded`, which holds it. None for the judge's own.
        on_suspicious: what happens with documents a part of which seems written for the judge ("rate this 10/10", "this
            page answers: …", hidden text). `integrity.suspicious` lists the parts and `warnings` of each result has its
            own. "flag" does nothing else; it inspects the documents that an LLM or an API is asked about. "recheck"
            asks about such a document alone once more without the part, and the lower score holds; where several
            documents share a question, they are shown without such parts; what is too doubtful to be listed is left
            out, too, such as the query where a document repeats it. "demote" puts such documents after all
            others that were judged, "drop" shows them to nobody and leaves them out (`integrity.cut`), "ignore"
            inspects nothing. None for the judge's own.
        progress: called after every call, in another thread.
        cancel: ends the ranking early when its `cancel()` is called, from any thread.
        scores: "rank" gives documents scores by their rank where the strategy gives only an order: from 1 for the
            first in equal steps to 1/n for the last of n documents. They say nothing of relevance, and cannot be cut
            by `min_score` or calibrated. A document that was asked about in vain has none. None leaves such rankings
            without scores; strategies with scores of their own keep those in any case.
        answerable: whether `ranking.answerable` has to be known. Where no LLM scored a document, one more question is
            put: whether the document at the top answers. Without it, it is what the scores say for free, else None.
        keep: "relevant" leaves out documents that are not relevant with a probability of at least a half, those
            without a score, and all of them where `ranking.answerable` is below a half: nothing here answers.
            `integrity.cut` lists them. It needs a calibration, which makes probabilities of scores.
        instruction: what the judge is to heed beside the query, "prefer primary sources from after 2020"; "" for none,
            None for the judge's own.
        criteria: what to weigh, by name: `{"relevance": 0.7, "recency": 0.3}`, or a `Criterion` with a description in
            place of a weight. `score` judges each by itself, in one request, and weighs them; strategies that compare,
            or ask for yes or no, are told to weigh them. {} for relevance alone, None for the judge's own.
        fields: metadata that is shown to the judge before the text of each document that has it: `["date", "source"]`.
            Empty for none, None for the judge's own.
        trust: "untrusted" for documents whose authors may want to deceive the judge: one document a question, and
            prompts that are made for such documents (see `Untrusted` for what it costs); "trusted" for others, None
            for the judge's own.
        mode: "direct" asks request by request. "batch" makes a batch job of each round, of all queries of
            `rerank_many` together: about half the price, and up to 24 hours a round. A run that ends early goes on
            where it was when the same is asked again.
        batch_fallback: where a batch job leaves requests unanswered, because it expired or they failed: "batch" asks
            them again in the next job, "direct" request by request, at the full price. "direct" also asks what is too
            little for a job: Amazon Bedrock takes none of fewer than 100 requests.

    Raises:
        InputError: an option is out of range, or not what is expected.
    """

    top_n: int | None = None
    min_score: float | None = None
    deadline_s: float | None = None
    max_usd: Amount | None = None
    on_exhausted: OnExhausted | None = None
    on_suspicious: OnSuspicious | None = None
    progress: Callable[[Progress], None] | None = None
    cancel: CancelToken | None = None
    scores: ScoresWanted | None = None
    answerable: bool = False
    keep: Keep | None = None
    instruction: str | None = None
    criteria: CriteriaLike | None = None
    fields: FieldsLike | None = None
    trust: Trust | None = None
    mode: Mode = "direct"
    batch_fallback: BatchFallback = "batch"
    wishes: Wishes = field(init=False)

    def __post_init__(self) -> None:
        wishes = Wishes.of(instruction=self.instruction, criteria=self.criteria, fields=self.fields)
        object.__setattr__(self, "wishes", wishes)
        require_above_zero("top_n", self.top_n, whole=True)
        require_above_zero("deadline_s", self.deadline_s)
        if self.min_score is not None:
            check_number("min_score", self.min_score)
            if not 0 <= self.min_score <= 1:
                raise InputError(f"min_score is {self.min_score}; it must be from 0 to 1.")
        if self.on_exhausted not in (None, "partial", "raise"):
            raise InputError(f"on_exhausted is {self.on_exhausted!r}; expected 'partial' or 'raise'.")
        if self.on_suspicious not in (None, *POLICIES):
            raise InputError(f"on_suspicious is {self.on_suspicious!r}; expected one of {', '.join(POLICIES)}.")
        if self.scores not in (None, "rank"):
            raise InputError(f"scores is {self.scores!r}; expected 'rank', or None for the strategy's own.")
        if self.keep not in (None, "relevant"):
            raise InputError(f"keep is {self.keep!r}; expected 'relevant', or None for all documents.")
        if self.trust is not None:
            require_one_of("trust", self.trust, TRUSTS)
        if self.mode not in ("direct", "batch"):
            raise InputError(f"mode is {self.mode!r}; expected 'direct' or 'batch'.")
        if self.batch_fallback not in ("batch", "direct"):
            raise InputError(f"batch_fallback is {self.batch_fallback!r}; expected 'batch' or 'direct'.")
        given: dict[str, Any] = {"progress": self.progress, "cancel": self.cancel, "answerable": self.answerable}
        if not isinstance(given["answerable"], bool):
            raise InputError(f"answerable is {self.answerable!r}; expected True or False.")
        if given["progress"] is not None and not callable(given["progress"]):
            raise InputError(f"progress is {self.progress!r}; expected a function.")
        if given["cancel"] is not None and not isinstance(given["cancel"], CancelToken):
            raise InputError(f"cancel is {self.cancel!r}; expected a CancelToken.")

    @classmethod
    def of(cls, keywords: RankKeywords) -> RankOptions:
        """The options from keywords.

        Raises:
            UnknownName: there is no option of that name; the nearest are suggested.
            InputError: an option is out of range.
        """
        known = [each.name for each in dataclass_fields(cls) if each.init]
        for name in keywords:
            if name not in known:
                raise UnknownName("option of rerank", name, known)
        return cls(**keywords)

    def own_caps(self) -> tuple[Cap, ...]:
        """The cap that the ranking brings with it."""
        return (Cap("max_usd", usd=self.max_usd),) if self.max_usd is not None else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One ranking to make.

    Attributes:
        query, documents, strategy: what is ranked, and how.
        options: what else is asked for.
        caps: what caps it beside the judge's budget.
        on_exhausted: what happens when one is reached.
        on_suspicious: what happens with suspicious documents.
        spec: the strategy's spec string.
        shown: by document, the metadata that is shown of it.

    Raises:
        InputError: the query names metadata that no document has, or that cannot be shown.
    """

    query: Query
    documents: Sequence[Document]
    strategy: Strategy
    options: RankOptions = field(default_factory=RankOptions)
    caps: tuple[Cap, ...] = ()
    on_exhausted: OnExhausted = "partial"
    on_suspicious: OnSuspicious = "flag"
    spec: str = field(init=False)
    shown: Sequence[ShownFields] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", spec_of(self.strategy))
        object.__setattr__(self, "shown", shown_fields(self.documents, self.query.fields))
