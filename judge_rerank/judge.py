"""The facade: one object that holds a model, its prompts and its limits, and reranks."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from judge_rerank.cache import DEFAULT_CACHE, ReplyCache, opened_cache
from judge_rerank.core import (
    Backend,
    CancelToken,
    Document,
    Endpoint,
    Estimate,
    InputError,
    JudgeKind,
    ModelInfo,
    Query,
    Ranking,
    Recommendation,
    SetupError,
    Strategy,
    as_documents,
    as_query,
    check_number,
    require_above_zero,
    secrets_in,
)
from judge_rerank.engine import (
    CallExecutor,
    Engine,
    FallbackExecutor,
    Job,
    ModelChannel,
    Progress,
    gives_scores,
    run,
    submit,
    usual_latency_s,
)
from judge_rerank.learning import Calibration
from judge_rerank.prompting import ApiRenderer, Library, Renderer, prompt_folders
from judge_rerank.providers import ConcurrencyLimiter, Retrier, listed, named_by_environment, open_api, open_backend
from judge_rerank.routing import judge_kind
from judge_rerank.scorers import LocalScorer
from judge_rerank.spending import Amount, Budget, Cap, Ledger, Price, Pricing, to_micro_usd
from judge_rerank.strategies import Stage, fewest_kept, parse
from judge_rerank.tracing import Trace, opened_trace

T = TypeVar("T")

_SCORED_AHEAD = 64
"""How many queries are open at once where a scorer is all that is asked: they share its batches."""

OnExhausted = Literal["partial", "raise"]
"""What happens when a cap is reached: the best order so far, or an error that holds it."""

DocumentLike = str | Mapping[str, Any] | Document
"""What counts as a document: a text, a mapping with a `text`, or a `Document`."""


class Judge:
    """An LLM that puts documents in order.

    Args:
        model: a LiteLLM model name ("openai/gpt-4.1-mini", "anthropic/claude-haiku-4-5", "ollama/qwen3"), "local" or
            "local/NAME" for a model that runs in this process, "local:/path/to/model.gguf", or any object that
            satisfies `judge_rerank.core.backend.Backend`. None takes the environment variable JUDGE_RERANK_MODEL, else
            the embedded model if it has been downloaded, else there is none, and only scorers can rank.
        api_base: another endpoint of the same shape, such as a company proxy or a vLLM server.
        api_key: the provider's key; by default LiteLLM reads the provider's environment variable.
        params: further parameters sent with every request (LiteLLM's names), such as {"reasoning_effort": "low"}.
        prompts: a folder of templates, or several; searched before the built-in ones.
        strategy: what `rerank` uses when it is not told; None for the one that measured best with this kind of model.
        concurrency: the most requests at once to one provider, over all queries; None for the backend's own limit. It
            halves when the provider says that there are too many, and recovers.
        max_tokens_per_doc: where a document is cut before it is judged; None for the backend's own limit.
        timeout_s: the most one attempt may take; None for 60 seconds, or ten minutes for a model that runs here.
        max_attempts: how often one request is tried when the provider fails in a way that passes.
        budget: the most that may be spent, `Budget(usd="2.00", path="spend.db", period="day")`; None takes the
            environment variable JUDGE_RERANK_BUDGET_USD, else nothing caps the judge.
        on_exhausted: what `rerank` does when a cap is reached: "partial" returns the best order so far, "raise" raises
            `BudgetExceeded`, which holds it.
        prices: what models cost, by name, or a YAML file of it; it comes before what LiteLLM knows.
        cache_dir: where replies are kept, so that no request is paid for twice; several processes may share it. By
            default the user's cache folder for models given by name, and no cache for a `Backend`. None keeps none. A
            `ReplyCache(folder, size_limit_bytes=..., expire_s=...)` says how much is kept, and for how long.
        trace: a SQLite file that every attempt at every call is written to, with the documents, or a `Trace`; None
            takes the environment variable JUDGE_RERANK_TRACE, else writes none.
        calibration: a `Calibration`, or the file of one (`judge-rerank calibrate`), which turns scores into the
            probability that a document is relevant. The order stays; a warning is logged where it was fitted on
            another model, prompt or strategy.

    `model` may be a list: the models after the first answer what those before them cannot, because their provider
    fails. Their answers are priced, cached and traced as their own.

    A `Judge` may be used from many threads and many event loops at once. Close it, or use it as a context manager, to
    release connections and memory.

    Raises:
        ModelUnavailable: the weights of the model that is named are not on this machine.
        InputError: an option is out of range.
    """

    def __init__(
        self,
        model: str | Backend | Sequence[str | Backend] | None = None,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        params: Mapping[str, Any] | None = None,
        prompts: str | Path | Sequence[str | Path] | None = None,
        strategy: str | Strategy | None = None,
        concurrency: int | None = None,
        max_tokens_per_doc: int | None = None,
        timeout_s: float | None = None,
        max_attempts: int = 5,
        budget: Budget | None = None,
        on_exhausted: OnExhausted = "partial",
        prices: Mapping[str, Price] | str | Path | None = None,
        cache_dir: str | Path | ReplyCache | None = DEFAULT_CACHE,
        trace: str | Path | Trace | None = None,
        calibration: Calibration | str | Path | None = None,
    ) -> None:
        require_above_zero("concurrency", concurrency, whole=True)
        require_above_zero("max_tokens_per_doc", max_tokens_per_doc, whole=True)
        require_above_zero("timeout_s", timeout_s)
        require_above_zero("max_attempts", max_attempts, whole=True)
        if budget is not None and not isinstance(budget, Budget):  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"budget is {budget!r}; expected a Budget: Budget(usd='2.00')."
            raise InputError(msg)
        self._open = partial(open_backend, api_base=api_base, api_key=api_key, params=params)
        self._concurrency, self._max_tokens_per_doc, self._timeout_s = concurrency, max_tokens_per_doc, timeout_s
        self._retrier = Retrier(max_attempts=max_attempts)
        self._library = Library(prompt_folders(prompts))
        self._strategy = parse(strategy) if strategy is not None else None
        self._on_exhausted: OnExhausted = _known_choice(on_exhausted)
        self._pricing = Pricing(prices)
        self._ledger = Ledger.of(budget or Budget.from_environment())
        self._cache = opened_cache(cache_dir, listed(model))
        self._trace = opened_trace(trace, [*secrets_in(params or {}, api_base), *([api_key] if api_key else [])])
        self._caps: ContextVar[tuple[Cap, ...]] = ContextVar("caps", default=())
        self._limits: dict[Cap, int] = {}
        self._backends, self._unavailable = self._opened(listed(model))
        self._executors: dict[str | Endpoint | None, CallExecutor | FallbackExecutor] = {}
        self._limiters: dict[tuple[str, str | None, int], ConcurrencyLimiter] = {}
        self._engine = Engine(
            self._executor,
            model=lambda: self._backends[0].info.name if self._backends else "",
            kind=judge_kind(self._backends[0].info if self._backends else None),
            ledger=self._ledger,
            trace=self._trace,
            calibration=Calibration.load(calibration) if isinstance(calibration, (str, Path)) else calibration,
        )

    @property
    def model(self) -> str:
        """The name of the judge's model.

        Raises:
            ModelUnavailable: it has none; it can only run scorers.
        """
        return self._own_backends()[0].info.name

    def rerank(
        self,
        query: str | Query,
        docs: Iterable[DocumentLike],
        strategy: str | Strategy | None = None,
        *,
        top_n: int | None = None,
        min_score: float | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
        on_exhausted: OnExhausted | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Ranking:
        """Put documents in order, best first.

        Args:
            query: what the documents are judged for.
            docs: strings, mappings (`text`; optional `title`, `id`, `score`; the rest is metadata) or `Document`s, in
                first-stage order. No documents make an empty ranking without a call.
            strategy: a name ("binary", "score", "listwise", "none"), a spec string ("listwise(window_size=10)") or an
                object; None for the judge's own.
            top_n: how many results to return; all of them by default. Every document is judged all the same.
            min_score: leave out documents whose score is below it, from 0 to 1; they are in `integrity.cut`. Documents
                without a score stay, after all that have one.
            deadline_s: return what there is after this many seconds, as a partial ranking.
            max_usd: the most that this ranking may cost. Documents that it does not reach follow those that were
                judged, in first-stage order.
            on_exhausted: as in `Judge`; None for the judge's own.
            progress: called after every call, in another thread.
            cancel: ends the ranking early when its `cancel()` is called, from any thread.

        Returns:
            Every document exactly once (or the first `top_n`, or those that `min_score` leaves); ties stand in
            first-stage order. Calls and rounds are
            those of the strategy; `estimate` tells them beforehand.

        Raises:
            InputError: the query is empty, a document is not one, an option is out of range. Nothing was sent.
            UnknownName: no strategy, prompt or model has that name.
            SetupError: an extra or a model is missing.
            PricingUnknown: a cap in dollars holds, and nobody says what the model costs. Nothing was sent.
            BudgetExceeded: a cap was reached, and `on_exhausted` is "raise".
            ProviderError: no judgment could be had, and no retry can help.
        """
        job = self._job(query, docs, strategy, top_n, min_score, deadline_s, max_usd, on_exhausted, progress, cancel)
        return run(self._engine.run(job))

    async def arerank(
        self,
        query: str | Query,
        docs: Iterable[DocumentLike],
        strategy: str | Strategy | None = None,
        *,
        top_n: int | None = None,
        min_score: float | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
        on_exhausted: OnExhausted | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Ranking:
        """`rerank` for asynchronous code. Cancelling the task abandons the calls that are under way and raises."""
        job = self._job(query, docs, strategy, top_n, min_score, deadline_s, max_usd, on_exhausted, progress, cancel)
        return await asyncio.wrap_future(submit(self._engine.run(job)))

    def rerank_many(
        self,
        pairs: Iterable[tuple[str | Query, Iterable[DocumentLike]]],
        strategy: str | Strategy | None = None,
        *,
        top_n: int | None = None,
        min_score: float | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
        on_exhausted: OnExhausted | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> list[Ranking]:
        """Rerank for many queries side by side, under the judge's one concurrency limit; rankings in input order.

        Arguments are those of `rerank`; `deadline_s` counts for each query from its own start.
        """

        async def collect() -> list[Ranking]:
            many = self.arerank_many(
                pairs,
                strategy,
                top_n=top_n,
                min_score=min_score,
                deadline_s=deadline_s,
                max_usd=max_usd,
                on_exhausted=on_exhausted,
                progress=progress,
                cancel=cancel,
            )
            return [ranking async for ranking in many]

        return run(collect())

    async def arerank_many(
        self,
        pairs: Iterable[tuple[str | Query, Iterable[DocumentLike]]],
        strategy: str | Strategy | None = None,
        *,
        top_n: int | None = None,
        min_score: float | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
        on_exhausted: OnExhausted | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> AsyncIterator[Ranking]:
        """Rankings in input order, each as soon as it and those before it are made.

        `pairs` may be a generator: only as many queries are open at once as keep the concurrency limit busy, or, for a
        scorer, as make a good batch.
        """
        waiting: deque[Future[Ranking]] = deque()
        ahead = 2 * (self._concurrency or (self._backends[0].info.concurrency if self._backends else 8))
        try:
            for query, docs in _paired(pairs):
                job = self._job(
                    query, docs, strategy, top_n, min_score, deadline_s, max_usd, on_exhausted, progress, cancel
                )
                waiting.append(submit(self._engine.run(job)))
                if len(waiting) > (_SCORED_AHEAD if _only_scored(job.strategy) else ahead):
                    yield await asyncio.wrap_future(waiting.popleft())
            while waiting:
                yield await asyncio.wrap_future(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    @contextmanager
    def limit(
        self, *, usd: Amount | None = None, calls: int | None = None, tokens: int | None = None
    ) -> Generator[Cap]:
        """Cap what is spent inside a `with` block, over all rankings that begin in it: `with judge.limit(usd="0.10"):`.

        Blocks nest, and the tightest cap holds. A block counts for this thread or task and the tasks it starts. It also
        counts for threads without a block of their own, since a pool's threads cannot be told from others. Yields the
        cap, whose `spent` says what was used.

        Args:
            usd: dollars. A model whose price is not known is then an error.
            calls: attempts that are sent.
            tokens: input and output together; each call sets aside the most it can take.

        Raises:
            InputError: nothing is capped, or a cap is not a positive number.
        """
        cap, opened_by = Cap("limit", usd=usd, calls=calls, tokens=tokens), threading.get_ident()
        before = self._caps.set((*self._caps.get(), cap))
        self._limits[cap] = opened_by
        try:
            yield cap
        finally:
            del self._limits[cap]
            self._caps.reset(before)

    def estimate(
        self, query: str | Query, docs: Iterable[DocumentLike], strategy: str | Strategy | None = None
    ) -> Estimate:
        """Calls, rounds and tokens of a ranking, and the most it can cost, found without a call.

        It is the strategy itself, run against neutral replies on the real prompts.
        """
        return self._engine.estimate(self._job(query, docs, strategy))

    def plan(
        self,
        n_docs: int,
        tokens_per_doc: int = 100,
        *,
        usd: Amount | None = None,
        latency_s: float | None = None,
        call_latency_s: float | None = None,
    ) -> Recommendation:
        """Which strategy to use for rankings of this size, and what it will take. Nothing is sent.

        The expected nDCG@10 was measured with simulated judges that can compare documents (`eval/bench/fit_plan.py`):
        it tells strategies apart, and is no promise for a model. Small models are better at judging documents one at
        a time ("score", "binary").

        Args:
            n_docs: documents a ranking, at least 1.
            tokens_per_doc: their length, at least 1.
            usd: the most that a ranking may cost, retries aside.
            latency_s: the most that it may take, with the judge's concurrency.
            call_latency_s: how long a call lasts; None for two seconds, or one with a model that runs here.

        Returns:
            The strategy with the highest expected nDCG@10; of those as good as that, the one with fewest tokens. And
            all others that fit.

        Raises:
            InputError: an option is out of range, or nothing fits: the message has the quickest and the cheapest.
            PricingUnknown: `usd` is given, and nobody says what the model costs.
        """
        from judge_rerank.routing import Limits, recommend

        require_above_zero("n_docs", n_docs, whole=True)
        require_above_zero("tokens_per_doc", tokens_per_doc, whole=True)
        require_above_zero("latency_s", latency_s)
        require_above_zero("call_latency_s", call_latency_s)
        if usd is not None:
            to_micro_usd(usd, "usd")  # says what is wrong with it
        info = self._own_backends()[0].info
        limits = Limits(usd=usd, latency_s=latency_s, call_latency_s=call_latency_s or usual_latency_s(info))
        return recommend(self._engine, info, n_docs, tokens_per_doc, limits)

    def close(self) -> None:
        """Release connections and memory. The judge can be used again; it opens what it needs."""
        executors, self._executors = self._executors, {}
        opened = [backend for executor in executors.values() for backend in executor.backends]
        for backend in {id(backend): backend for backend in (*self._backends, *opened)}.values():
            run(_closed(backend))
        self._engine.close()
        for keeper in (self._ledger, self._cache, self._trace):
            if keeper is not None:
                keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _job(
        self,
        query: str | Query,
        docs: Iterable[DocumentLike],
        strategy: str | Strategy | None = None,
        top_n: int | None = None,
        min_score: float | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
        on_exhausted: OnExhausted | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Job:
        require_above_zero("top_n", top_n, whole=True)
        require_above_zero("deadline_s", deadline_s)
        if progress is not None and not callable(progress):
            msg = f"progress is {progress!r}; expected a function."
            raise InputError(msg)
        if cancel is not None and not isinstance(cancel, CancelToken):  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"cancel is {cancel!r}; expected a CancelToken."
            raise InputError(msg)
        asked, documents = as_query(query), as_documents(docs)
        resolved = self._chosen(strategy, documents)
        if min_score is not None:
            _check_cut(min_score, resolved, self._engine.kind)
        kept = fewest_kept(resolved)
        if top_n is not None and kept is not None and top_n > kept:
            msg = f"top_n is {top_n}, but {resolved.name!r} keeps only {kept}; keep more, or ask for at most {kept}."
            raise InputError(msg)
        return Job(
            query=asked,
            documents=documents,
            strategy=resolved,
            top_n=top_n,
            min_score=min_score,
            deadline_s=deadline_s,
            progress=progress,
            cancel=cancel,
            caps=self._caps_here() + ((Cap("max_usd", usd=max_usd),) if max_usd is not None else ()),
            on_exhausted=_known_choice(on_exhausted or self._on_exhausted),
        )

    def _chosen(self, strategy: str | Strategy | None, documents: Sequence[Document]) -> Strategy:
        """The strategy that was given, the judge's own, or the one for its model, which no documents do not need."""
        if strategy is not None:
            return parse(strategy)
        if self._strategy is not None:
            return self._strategy
        if self._unavailable is not None and not documents:
            return parse("none")
        return parse(self._own_backends()[0].info.strategy)

    def _caps_here(self) -> tuple[Cap, ...]:
        """The blocks of `limit` that a ranking begins in; in a thread that is in none, those of other threads."""
        here = threading.get_ident()
        return self._caps.get() or tuple(cap for cap, opened_by in self._limits.copy().items() if opened_by != here)

    def _opened(self, models: Sequence[str | Backend | None]) -> tuple[Sequence[Backend], SetupError | None]:
        """The judge's models. That none is named and none is here is an error only once one is needed."""
        try:
            return [self._open(each) if each is None or isinstance(each, str) else each for each in models], None
        except SetupError as unavailable:
            if list(models) != [None] or named_by_environment():
                raise
            return [], unavailable

    def _own_backends(self) -> Sequence[Backend]:
        if self._unavailable is not None:
            raise self._unavailable
        return self._backends

    def _executor(self, model: str | Endpoint | None) -> CallExecutor | FallbackExecutor:
        """Where calls to a model or an API are answered; None is the judge's own model."""
        if model not in self._executors:
            if isinstance(model, Endpoint):
                executors = [self._executor_of_api(open_api(model))]
            else:
                backends = self._own_backends() if model is None else [self._open(model)]
                executors = [self._executor_of(backend) for backend in backends]
            self._executors[model] = executors[0] if len(executors) == 1 else FallbackExecutor(executors)
        return self._executors[model]

    def _executor_of(self, backend: Backend) -> CallExecutor:
        renderer = Renderer(
            backend, self._library, max_tokens_per_doc=self._max_tokens_per_doc, timeout_s=self._timeout_s
        )
        return CallExecutor(self._channel(backend), renderer, self._retrier, self._cache)

    def _executor_of_api(self, backend: Backend) -> CallExecutor:
        renderer = ApiRenderer(backend, max_tokens_per_doc=self._max_tokens_per_doc, timeout_s=self._timeout_s)
        return CallExecutor(self._channel(backend), renderer, self._retrier, self._cache)

    def _channel(self, backend: Backend) -> ModelChannel:
        info = backend.info
        return ModelChannel(
            backend=backend,
            limiter=self._limiter_of(info),
            price=Price.free() if info.local else self._pricing.price(info.name),
        )

    def _limiter_of(self, info: ModelInfo) -> ConcurrencyLimiter:
        """One limiter for all models of a provider: they share its limits."""
        limit = self._concurrency or info.concurrency
        return self._limiters.setdefault((info.name.partition("/")[0], info.endpoint, limit), ConcurrencyLimiter(limit))


def _only_scored(strategy: Strategy) -> bool:
    """Whether a local scorer is all there is to ask, so that queries need not be kept from each other's calls."""
    return isinstance(strategy.strategy if isinstance(strategy, Stage) else strategy, LocalScorer)


def _paired(
    pairs: Iterable[tuple[str | Query, Iterable[DocumentLike]]],
) -> Generator[tuple[str | Query, Iterable[DocumentLike]]]:
    """The pairs, one at a time, each checked to be one."""
    form = "a list of pairs was expected: [(query, [doc, ...]), ...]."
    given: object = pairs
    if isinstance(given, str) or hasattr(given, "keys") or not hasattr(given, "__iter__"):
        msg = f"pairs is {type(given).__name__}; {form}"
        raise InputError(msg)
    for place, pair in enumerate(pairs):
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"pairs[{place}] is not a query with its documents; {form}"
            raise InputError(msg)
        yield pair


def _check_cut(min_score: float, strategy: Strategy, kind: JudgeKind) -> None:
    check_number("min_score", min_score)
    if not 0 <= min_score <= 1:
        msg = f"min_score is {min_score}; it has to be from 0 to 1."
        raise InputError(msg)
    if not gives_scores(strategy, kind):
        msg = (
            f"Strategy {strategy.name!r} has no scores to cut by (min_score) or to calibrate; use 'score' or 'binary'."
        )
        raise InputError(msg)


def _known_choice(on_exhausted: OnExhausted) -> OnExhausted:
    if on_exhausted not in ("partial", "raise"):
        msg = f"on_exhausted is {on_exhausted!r}; expected 'partial' or 'raise'."
        raise InputError(msg)
    return on_exhausted


async def _closed(backend: Backend) -> None:
    await backend.aclose()
