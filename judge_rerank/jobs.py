"""From what a caller asks for to a job: the query, the documents and the strategy, checked before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from dataclasses import dataclass

from judge_rerank.core import (
    Document,
    DocumentsLike,
    InputError,
    Pair,
    Query,
    RerankError,
    Strategy,
    Trust,
    Wishes,
    as_documents,
    as_pair,
    as_pairs,
    as_query,
    judge_kind,
    with_wishes,
)
from judge_rerank.engine import Job, ModelChannels, OnExhausted, RankOptions, gives_scores, in_thread
from judge_rerank.guarding import OnSuspicious
from judge_rerank.spending import Cap, OpenLimits
from judge_rerank.strategies import Untrusted, fewest_kept, parse


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What is known of a ranking without loading anything, and where it was asked for: the caps that hold there."""

    query: Query
    documents: Sequence[Document]
    options: RankOptions
    caps: Sequence[Cap]


class JobMaker:
    """Makes the jobs of a judge.

    What a job needs is loaded when the first is made: LiteLLM, to know the model; the modules of a strategy; what
    tells which scorers are installed. That takes seconds, so in asynchronous code a job is made in another thread.

    Args:
        channels: the judge's models.
        strategy: the judge's own; None for that of its model.
        limits: the caps of `with` blocks.
        on_exhausted: what happens when a cap is reached and the ranking does not say.
        on_suspicious: what happens with suspicious documents where the ranking does not say.
        calibrated: whether scores are made probabilities.
        wishes: the judge's instruction, criteria and fields, where the ranking and its query have none.
        trust: the judge's own, where the ranking does not say.
    """

    def __init__(
        self,
        channels: ModelChannels,
        *,
        strategy: Strategy | None,
        limits: OpenLimits,
        on_exhausted: OnExhausted,
        on_suspicious: OnSuspicious | None = None,
        calibrated: bool = False,
        wishes: Wishes | None = None,
        trust: Trust = "trusted",
    ) -> None:
        self._channels, self._strategy, self._limits = channels, strategy, limits
        self._on_exhausted: OnExhausted = on_exhausted
        self._on_suspicious: OnSuspicious | None = on_suspicious
        self._calibrated = calibrated
        self._wishes = wishes or Wishes()
        self._trust: Trust = trust

    def job(
        self, query: str | Query, docs: DocumentsLike, strategy: str | Strategy | None, options: RankOptions
    ) -> Job:
        """The ranking that is asked for, checked as far as that can be done without a call."""
        return self._made(self._asked(query, docs, options), strategy)

    async def ajob(
        self, query: str | Query, docs: DocumentsLike, strategy: str | Strategy | None, options: RankOptions
    ) -> Job:
        """`job` without holding up the event loop."""
        return await in_thread(self._made, self._asked(query, docs, options), strategy)

    def jobs(
        self, pairs: Iterable[Pair], strategy: str | Strategy | None, options: RankOptions
    ) -> Generator[Job | RerankError]:
        """The rankings that are asked for, one at a time; the error of a pair stands in its place."""
        for place, pair in enumerate(as_pairs(pairs)):
            try:
                yield self.job(*as_pair(pair, place), strategy, options)
            except RerankError as error:
                yield error

    async def ajobs(
        self, pairs: Iterable[Pair], strategy: str | Strategy | None, options: RankOptions
    ) -> AsyncGenerator[Job | RerankError]:
        """`jobs` without holding up the event loop."""
        for place, pair in enumerate(as_pairs(pairs)):
            try:
                yield await self.ajob(*as_pair(pair, place), strategy, options)
            except RerankError as error:
                yield error

    def chosen(self, strategy: str | Strategy | None, *, empty: bool = False) -> Strategy:
        """The strategy that was given, the judge's own, or the one for its model.

        Without documents (`empty`) no model is needed.
        """
        if strategy is not None:
            return parse(strategy)
        if self._strategy is not None:
            return self._strategy
        if self._channels.info is None and empty:
            return parse("none")
        return parse(self._channels.own[0].info.strategy)

    def _asked(self, query: str | Query, docs: DocumentsLike, options: RankOptions) -> _Asked:
        """In the caller's own thread, to which its documents and its open limits belong."""
        return _Asked(
            query=with_wishes(as_query(query), options.wishes, self._wishes),
            documents=as_documents(docs),
            options=options,
            caps=self._limits.here() + options.own_caps(),
        )

    def _made(self, asked: _Asked, strategy: str | Strategy | None) -> Job:
        options, info = asked.options, self._channels.info
        resolved = self.chosen(strategy, empty=not asked.documents)
        if (options.min_score is not None or options.keep) and not gives_scores(resolved, judge_kind(info)):
            cut = "keep" if options.min_score is None else "min_score"
            reason = f"has no scores to cut by ({cut}) or to calibrate; use 'score' or 'binary'."
            raise InputError(f"Strategy {resolved.name!r} {reason}")
        if options.keep and not self._calibrated:
            raise InputError(
                "keep='relevant' needs a calibration, which makes probabilities of scores: fit one with "
                "judge-rerank calibrate, and name its file with calibration= (--calibration). "
                "To cut by the scores as they are, use min_score."
            )
        kept = fewest_kept(resolved)
        if options.top_n is not None and kept is not None and options.top_n > kept:
            raise InputError(
                f"top_n is {options.top_n}, but {resolved.name!r} keeps only {kept}; "
                f"keep more, or ask for at most {kept}."
            )
        return Job(
            query=asked.query,
            documents=asked.documents,
            strategy=(trusting := self._trusting(resolved, options)),
            options=options,
            caps=tuple(asked.caps),
            on_exhausted=options.on_exhausted or self._on_exhausted,
            on_suspicious=options.on_suspicious or self._on_suspicious or _usual(trusting),
        )

    def _trusting(self, strategy: Strategy, options: RankOptions) -> Strategy:
        """The strategy, one document a question where the documents are not trusted."""
        if (options.trust or self._trust) == "trusted" or isinstance(strategy, Untrusted):
            return strategy
        return Untrusted(strategy=strategy)


def _usual(strategy: Strategy) -> OnSuspicious:
    """What happens with suspicious documents where nobody said: those that are not trusted are asked about again."""
    return "recheck" if isinstance(strategy, Untrusted) else "flag"
