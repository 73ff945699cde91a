"""What a judge works with: the jobs that it makes of what a caller asks for, and what it holds open."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, Unpack

from judge_rerank.cache import ReplyCache, opened_cache
from judge_rerank.core import (
    Backend,
    Document,
    DocumentsLike,
    InputError,
    Pair,
    Query,
    RerankError,
    Strategy,
    as_documents,
    as_pair,
    as_pairs,
    as_query,
    judge_kind,
    secrets_in,
    with_wishes,
)
from judge_rerank.engine import Engine, Job, ModelChannels, RankOptions, Ways, gives_scores, in_thread, run
from judge_rerank.guarding import OnSuspicious
from judge_rerank.learning import Calibration
from judge_rerank.scorers import asks_only_a_scorer
from judge_rerank.spending import Budget, Cap, Ledger, LimitKeywords, OpenLimits
from judge_rerank.storage import cache_dir as user_cache_dir
from judge_rerank.storage import store_of_environment
from judge_rerank.strategies import Untrusted, fewest_kept, parse
from judge_rerank.tracing import Trace, opened_trace

_SCORED_AHEAD = 64
"""How many queries are open at once where a scorer is all that is asked: they share its batches."""


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
        usual: the judge's own options, which count where a ranking (and, for what is judged, its query) does not say.
        calibrated: whether scores are made probabilities.
    """

    def __init__(
        self,
        channels: ModelChannels,
        *,
        strategy: Strategy | None,
        limits: OpenLimits,
        usual: RankOptions,
        calibrated: bool = False,
    ) -> None:
        self._channels, self._strategy, self._limits = channels, strategy, limits
        self._usual, self._calibrated = usual, calibrated

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
            query=with_wishes(as_query(query), options.wishes, self._usual.wishes),
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
            on_exhausted=options.on_exhausted or self._usual.on_exhausted or "partial",
            on_suspicious=options.on_suspicious or self._usual.on_suspicious or _usual(trusting),
        )

    def _trusting(self, strategy: Strategy, options: RankOptions) -> Strategy:
        """The strategy, one document a question where the documents are not trusted."""
        if (options.trust or self._usual.trust or "trusted") == "trusted" or isinstance(strategy, Untrusted):
            return strategy
        return Untrusted(strategy=strategy)


def _usual(strategy: Strategy) -> OnSuspicious:
    """What happens with suspicious documents where nobody said: those that are not trusted are asked about again."""
    return "recheck" if isinstance(strategy, Untrusted) else "flag"


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """What a judge writes down: what was spent, the replies that were paid for, and what happened."""

    ledger: Ledger
    cache: ReplyCache | None
    trace: Trace | None

    @classmethod
    def opened(
        cls,
        *,
        budget: Budget | None,
        cache_dir: str | Path | ReplyCache | None,
        trace: str | Path | Trace | None,
        store: str | None,
        models: Sequence[str | Backend | None],
        secrets: Sequence[str],
    ) -> Records:
        """Each in the place that is named for it, else in the store, else where the environment says.

        Args:
            budget, cache_dir, trace, store: as in `Judge`.
            models: who answers.
            secrets: what must not be written to the trace.
        """
        everything = store or store_of_environment()
        return cls(
            ledger=Ledger.of(Budget.from_environment() if budget is None else budget, store=everything),
            cache=opened_cache(cache_dir, models, store=store),
            trace=opened_trace(trace, [*secrets, *secrets_in({}, everything)], store=everything),
        )

    @property
    def folder(self) -> Path:
        """The folder of the replies, or the user's own for such files where they are in none."""
        place = None if self.cache is None else self.cache.folder
        return place if isinstance(place, Path) else user_cache_dir()

    def close(self) -> None:
        """Write what is left, and close the files."""
        for keeper in (self.ledger, self.cache, self.trace):
            if keeper is not None:
                keeper.close()


class JudgeResources:
    """The base class of `Judge`: what it holds open, loaded in advance and released, and the caps of `with` blocks.

    Args:
        channels: the judge's models.
        records: where it writes.
        strategy: its own; None for that of its model.
        usual: its own options, as in `JobMaker`.
        calibration: as in `Judge`.

    Attributes:
        trace: where every call is written; None where there is no trace.
    """

    def __init__(
        self,
        channels: ModelChannels,
        records: Records,
        *,
        strategy: Strategy | None,
        usual: RankOptions,
        calibration: Calibration | str | Path | None,
    ) -> None:
        self.trace = records.trace
        self._channels, self._records, self._limits = channels, records, OpenLimits()
        self._jobs = JobMaker(
            channels, strategy=strategy, limits=self._limits, usual=usual, calibrated=calibration is not None
        )
        self._engine = Engine(
            channels,
            ledger=records.ledger,
            trace=records.trace,
            calibration=Calibration.load(calibration) if isinstance(calibration, (str, Path)) else calibration,
        )
        self._ways = Ways(self._engine, channels, folder=records.folder)

    @property
    def model(self) -> str:
        """The name of the judge's model.

        Raises:
            ModelUnavailable: it has none; it can only run scorers.
        """
        return self._channels.own[0].info.name

    @contextmanager
    def limit(self, **capped: Unpack[LimitKeywords]) -> Generator[Cap]:
        """Cap the cost of all rankings that begin inside a `with` block: `with judge.limit(usd="0.10"):`.

        Blocks nest, and the tightest cap applies. A block applies to this thread or task and to the tasks that it
        starts, and to threads without a block of their own (those of a pool look alike). Yields the cap, whose
        `spent` is the amount used.

        Example:
            ```python
            from judge_rerank import Judge

            judge = Judge("openai/gpt-6-luna")
            docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
            with judge.limit(usd="0.10", calls=20) as cap:
                judge.rerank("why do my brakes squeal?", docs, "listwise")
            print(cap.spent.calls)  # 1
            ```

        Args:
            **capped: one or more of `usd` (dollars; a model whose price is not known is then an error), `calls` (the
                number of attempts that are sent) and `tokens` (input and output together; each call reserves its worst
                case). Or `ledger`, whose budget these rankings are charged to as well as to the judge's own.

        Raises:
            InputError: nothing is capped, or a cap is not a positive number.
        """
        with self._limits.opened(**capped) as cap:
            yield cap

    def warm_up(self, *strategies: str | Strategy) -> None:
        """Load all that the first ranking would, so that it takes no longer than the next. Nothing is sent.

        That is LiteLLM (about 4 s) or the model that runs here, the tokenizer, and the models of scorers.

        Args:
            strategies: as in `rerank`; none for the one that it uses when it is not told. Of "auto" and "cascade", all
                that they may choose is loaded.

        Raises:
            InputError: a strategy or a model cannot be used.
            SetupError: an extra or a model is missing.
        """
        from judge_rerank.routing import parts

        for each in strategies or (None,):
            for part in parts(self._jobs.chosen(each), judge_kind(self._channels.info)):
                self._engine.warm_up(part)

    async def awarm_up(self, *strategies: str | Strategy) -> None:
        """`warm_up` for asynchronous code: the event loop goes on meanwhile."""
        await in_thread(self.warm_up, *strategies)

    def __reduce__(self) -> NoReturn:
        """A judge holds connections, threads and open files, which no other process can have.

        Raises:
            InputError: what to do instead.
        """
        raise InputError(
            "A Judge cannot be pickled: it holds connections and open files. Send its arguments to the other process, "
            "and build it there: once a worker, as in an initializer. Judges share their cache and ledger by the files "
            "that they name."
        )

    def close(self) -> None:
        """Release connections and memory. The judge can be used again; it opens what it needs."""
        run(self._channels.close())
        self._engine.close()
        self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ahead(self, job: Job) -> int:
        """How many queries are open at once with such a job under way."""
        return _SCORED_AHEAD if asks_only_a_scorer(job.strategy) else 2 * self._channels.concurrency
