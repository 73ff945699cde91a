"""The facade: one object with a model, its prompts and its limits, which reranks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Unpack, cast

from judge_rerank.cache import DEFAULT_CACHE, ReplyCache
from judge_rerank.core import (
    Backend,
    CriteriaLike,
    DocumentsLike,
    Estimate,
    FieldsLike,
    Pair,
    Query,
    Ranking,
    Recommendation,
    RerankError,
    Strategy,
    Trust,
    require_above_zero,
    secrets_in,
)
from judge_rerank.engine import (
    ChannelSettings,
    Mode,
    ModelChannels,
    OnError,
    OnExhausted,
    RankKeywords,
    RankOptions,
    known_on_error,
    one_by_one,
    run,
    submit,
    usual_latency_s,
)
from judge_rerank.guarding import OnSuspicious
from judge_rerank.jobs import JudgeResources, Records
from judge_rerank.learning import Calibration
from judge_rerank.prompting import Library, prompt_folders
from judge_rerank.providers import WINDOW_S, Api, Retrier, Transport, listed, open_backend, open_models
from judge_rerank.spending import Amount, Budget, Price, Pricing
from judge_rerank.strategies import parse
from judge_rerank.tracing import Trace


class Judge(JudgeResources):
    """An LLM that puts documents in order.

    `model` may be a list. The later models answer when the provider of the earlier ones fails. Each answer has the
    price, the cache key and the trace of the model that gave it.

    A `Judge` may be used from many threads and many event loops at once. Close it, or use it as a context manager, to
    release connections and memory.

    Example:
        ```python
        from judge_rerank import Judge

        docs = ["A bell is required by law.", "Squealing brakes need clean rotors."]
        judge = Judge("openai/gpt-6-luna")
        ranking = judge.rerank("why do my brakes squeal?", docs)
        print(ranking.results[0].document.text)  # Squealing brakes need clean rotors.
        ```

    Args:
        model: a LiteLLM model name ("openai/gpt-6-luna", "anthropic/claude-haiku-5-5", "ollama/qwen3"), "local" or
            "local/NAME" for a model that runs in this process, "local:/path/to/model.gguf", or any object that
            satisfies `judge_rerank.Backend`. None means the environment variable JUDGE_RERANK_MODEL, else
            the local model if it has been downloaded. Without a model, only scorers can rank.
        api: how a hosted model is asked: "chat", or "decisions" (typed questions, answered in probabilities). None is
            "decisions" for models that do nothing else (typesafe/jev-latest), else "chat"; openai/gpt-6-luna does both.
        transport: what carries a chat model's requests: "litellm", or "direct", which costs a fraction of the time and
            is for APIs of OpenAI's shape. None is "direct" for servers of one's own (hosted_vllm/), else "litellm".
        api_base: another endpoint of the same shape, such as a company proxy or a vLLM server.
        api_key: the provider's key; by default LiteLLM reads the provider's environment variable.
        params: further parameters sent with every request (LiteLLM's names), such as {"reasoning_effort": "low"}.
        prompts: a folder of templates, or several; searched before the built-in ones.
        strategy: the default strategy of `rerank`; None for the one of the model, as `rerank` describes.
        concurrency: the highest number of simultaneous requests to one provider, over all queries; None for the
            backend's own limit. It halves when the provider reports too many requests, and recovers.
        max_tokens_per_doc: the length at which a document is cut before it is judged; None for the backend's own limit.
        timeout_s: the time limit of one attempt; None for 60 seconds, or ten minutes for a local model.
        max_attempts: how often one request is tried after failures that may pass.
        budget: the highest total cost, `Budget(usd="2.00", path="spend.db", period="day")`; None means the environment
            variable JUDGE_RERANK_BUDGET_USD, else no cap.
        on_exhausted: what `rerank` does when a cap is reached: "partial" returns the best order so far, "raise" raises
            `BudgetExceeded`, which holds it.
        on_suspicious: what `rerank` does with documents that seem written for the judge, as in `RankOptions`; None for
            "flag", and with `trust="untrusted"` for "recheck".
        prices: the prices of models by name, or a YAML file with them; they come before the prices that LiteLLM knows.
        cache_dir: the folder for replies, so that no request is paid for twice; several processes may share it. The
            default is the user's cache folder for models given by name, unless JUDGE_RERANK_STORE=off, and no cache for
            a `Backend`. None turns the cache off; a `ReplyCache(folder, size_limit_bytes=..., expire_s=...)` limits it.
        trace: an SQLite file for every attempt at every call, with the documents, or a `Trace`; None means the
            environment variable JUDGE_RERANK_TRACE, else no trace. The attribute `trace` has it.
        store: a PostgreSQL database ("postgresql://user@host/database") that machines share. What is spent, the replies
            and the trace are kept there, unless a budget's file, `cache_dir` or `trace` names another place. None means
            the environment variable JUDGE_RERANK_STORE, where that is an address, else no database.
        calibration: a `Calibration`, or the file of one (`judge-rerank calibrate`), which turns scores into the
            probability that a document is relevant. The order stays the same. A warning is logged if it was fitted on
            another model, prompt or strategy.
        instruction: what the judge is to heed, as in `RankOptions`, unless the call or its `Query` has its own.
        criteria: what the judge is to weigh, as in `RankOptions`, unless the call or its `Query` has its own.
        fields: which metadata the judge is shown, as in `RankOptions`, unless the call or its `Query` has its own.
        trust: "untrusted" where the authors of documents may want to deceive the judge, as in `RankOptions`.

    Raises:
        ModelUnavailable: the weights of the model that is named are not on this machine.
        InputError: an option is out of range.
    """

    def __init__(
        self,
        model: str | Backend | Sequence[str | Backend] | None = None,
        *,
        api: Api | None = None,
        transport: Transport | None = None,
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
        on_suspicious: OnSuspicious | None = None,
        prices: Mapping[str, Price] | str | Path | None = None,
        cache_dir: str | Path | ReplyCache | None = DEFAULT_CACHE,
        trace: str | Path | Trace | None = None,
        store: str | None = None,
        calibration: Calibration | str | Path | None = None,
        instruction: str | None = None,
        criteria: CriteriaLike | None = None,
        fields: FieldsLike | None = None,
        trust: Trust = "trusted",
    ) -> None:
        own = None if strategy is None else parse(strategy)
        usual = RankOptions(
            on_exhausted=on_exhausted,
            on_suspicious=on_suspicious,
            instruction=instruction,
            criteria=criteria,
            fields=fields,
            trust=trust,
        )
        way: Any = {"api": api, "transport": transport}
        opened = partial(open_backend, **way, api_base=api_base, api_key=api_key, params=params)
        secrets = [*secrets_in(params or {}, api_base), *([api_key] if api_key else [])]
        records = Records.opened(
            budget=budget, cache_dir=cache_dir, trace=trace, store=store, models=listed(model), secrets=secrets
        )
        settings = ChannelSettings(
            library=Library(prompt_folders(prompts)),
            retrier=Retrier(max_attempts=max_attempts),
            pricing=Pricing(prices),
            cache=records.cache,
            concurrency=concurrency,
            max_tokens_per_doc=max_tokens_per_doc,
            timeout_s=timeout_s,
        )
        backends, unavailable = open_models(listed(model), opened)
        channels = ModelChannels(backends, unavailable=unavailable, open_model=opened, settings=settings)
        super().__init__(channels, records, strategy=own, usual=usual, calibration=calibration)

    def rerank(
        self,
        query: str | Query,
        docs: DocumentsLike,
        strategy: str | Strategy | None = None,
        **options: Unpack[RankKeywords],
    ) -> Ranking:
        """Put documents in order, best first.

        Example:
            ```python
            from judge_rerank import Judge

            judge = Judge("openai/gpt-6-luna")
            docs = ["A bell is loud.", {"id": "oil", "text": "Squealing brakes need clean rotors."}]
            ranking = judge.rerank("why do my brakes squeal?", docs, "listwise", top_n=1)
            print(ranking.results[0].document.id, ranking.results[0].index, ranking.usage.calls)  # oil 1 1
            ```

        Args:
            query: the query that the documents are judged against.
            docs: strings, mappings (`text`; optional `title`, `id`, `score`; the rest is metadata) or `Document`s, in
                first-stage order; a list, a table, or a generator, which is read once. No documents make an empty
                ranking without a call.
            strategy: a name ("binary", "score", "listwise", "none"), a spec string ("listwise(window_size=10)") or an
                object; None for the judge's own, else the model's, which gives scores: "score(batch_size=12)" for a
                hosted model (each document read once, all calls at once), "binary" for one that runs here.
            **options: those of `RankOptions`, such as `top_n`, `min_score`, `keep`, `instruction` and `deadline_s`.

        Returns:
            Every document exactly once, or the first `top_n`, or those that `min_score` or `keep` leaves. Ties keep
            first-stage order. Calls and rounds are those of the strategy; `estimate` reports them in advance.

        Raises:
            InputError: the query is empty, a document has no text, or an option is out of range. Nothing was sent.
            UnknownName: no strategy, prompt, model or option has that name.
            SetupError: an extra or a model is missing.
            PricingUnknown: there is a cap in dollars, and the price of the model is unknown. Nothing was sent.
            BudgetExceeded: a cap was reached, and `on_exhausted` is "raise".
            ProviderError: there is no judgment, and no retry can help.
        """
        return run(self._ways.run(self._jobs.job(query, docs, strategy, RankOptions.of(options))))

    async def arerank(
        self,
        query: str | Query,
        docs: DocumentsLike,
        strategy: str | Strategy | None = None,
        **options: Unpack[RankKeywords],
    ) -> Ranking:
        """`rerank` for asynchronous code. Cancelling the task abandons the open calls and raises.

        The first ranking loads what it needs in other threads; `awarm_up` loads it in advance.

        Example:
            ```python
            import asyncio

            from judge_rerank import Judge

            async def best(docs: list[str]) -> int:
                ranking = await Judge("openai/gpt-6-luna").arerank("why do my brakes squeal?", docs)
                return ranking.results[0].index

            print(asyncio.run(best(["A bell is loud.", "Squealing brakes need clean rotors."])))  # 1
            ```
        """
        job = await self._jobs.ajob(query, docs, strategy, RankOptions.of(options))
        return await asyncio.wrap_future(submit(self._ways.run(job)))

    def rerank_many(
        self,
        pairs: Iterable[Pair],
        strategy: str | Strategy | None = None,
        *,
        on_error: OnError = "raise",
        **options: Unpack[RankKeywords],
    ) -> list[Ranking]:
        """Rerank for many queries side by side, under the judge's one concurrency limit; rankings in input order.

        All pairs are checked before anything is sent, so a pair that cannot be ranked costs nothing.

        Example:
            ```python
            from judge_rerank import Judge

            docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
            pairs = [("why do my brakes squeal?", docs), ("what do noisy brakes need?", docs)]
            rankings = Judge("openai/gpt-6-luna").rerank_many(pairs, "score")
            print([ranking.results[0].index for ranking in rankings])  # [1, 1]
            ```

        Args:
            pairs: queries with their documents.
            strategy: as in `rerank`.
            on_error: what happens when a pair cannot be ranked: "raise" raises its error, which names the pair and
                holds the rankings made (`error.pair`, `error.rankings_made`); "return" puts the error in its place.
            **options: as in `rerank`; `deadline_s` counts for each query from its own start.
        """
        chosen = RankOptions.of(options)
        jobs = list(self._jobs.jobs(pairs, strategy, chosen))
        if known_on_error(on_error) == "raise":
            for place, job in enumerate(jobs):
                if isinstance(job, RerankError):
                    job.at_pair(place, {})
                    raise job

        async def collect() -> list[Ranking | RerankError]:
            made = self._ways.many(one_by_one(jobs), chosen, ahead=self._ahead, on_error=on_error)
            return [ranking async for ranking in made]

        return cast("list[Ranking]", run(collect()))

    async def arerank_many(
        self,
        pairs: Iterable[Pair],
        strategy: str | Strategy | None = None,
        *,
        on_error: OnError = "raise",
        **options: Unpack[RankKeywords],
    ) -> AsyncIterator[Ranking]:
        """Rankings in input order, each as soon as it and the ones before it are finished; errors as in `rerank_many`.

        `pairs` may be a generator: only enough queries are open at once to use the concurrency limit or, for a scorer,
        to fill a batch. A pair is therefore checked when its turn comes.

        Example:
            ```python
            import asyncio

            from judge_rerank import Judge

            async def show(pairs: list[tuple[str, list[str]]]) -> None:
                async for ranking in Judge("openai/gpt-6-luna").arerank_many(pairs):
                    print(ranking.results[0].index)

            docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
            asyncio.run(show([("why do my brakes squeal?", docs), ("what do noisy brakes need?", docs)]))
            ```
        """
        chosen = RankOptions.of(options)
        jobs = self._jobs.ajobs(pairs, strategy, chosen)
        many = self._ways.many(jobs, chosen, ahead=self._ahead, on_error=known_on_error(on_error))
        async with aclosing(jobs), aclosing(many):
            async for made in many:
                yield cast("Ranking", made)

    def estimate(
        self,
        query: str | Query,
        docs: DocumentsLike,
        strategy: str | Strategy | None = None,
        **options: Unpack[RankKeywords],
    ) -> Estimate:
        """Calls, rounds and tokens of a ranking, its probable cost and its highest cost, without sending anything.

        The strategy itself runs against neutral replies on the real prompts. The arguments are those of `rerank`.

        Example:
            ```python
            from judge_rerank import Judge

            docs = [f"chapter {number} is about bicycles" for number in range(40)]
            cost = Judge("openai/gpt-6-luna").estimate("why do my brakes squeal?", docs, "listwise")
            print(cost.calls, cost.rounds, cost.expected_cost_usd < cost.cost_usd)  # 3 3 True
            ```

        Raises:
            InputError: as in `rerank`.
            UnknownName: as in `rerank`.
            SetupError: as in `rerank`.
        """
        return self._ways.estimate(self._jobs.job(query, docs, strategy, RankOptions.of(options)))

    def plan(
        self,
        n_docs: int,
        tokens_per_doc: int = 100,
        *,
        usd: Amount | None = None,
        latency_s: float | None = None,
        call_latency_s: float | None = None,
        mode: Mode = "direct",
    ) -> Recommendation:
        """The recommended strategy for rankings of this size, and its cost. Nothing is sent.

        The expected nDCG@10 was measured with simulated judges that can compare documents (`eval/bench/fit_plan.py`):
        it orders the strategies. Each forecast has the ranks that it is likely to reach, because the order on other
        collections was different (Kendall's tau .33). Small models are better at judging documents one at a time
        ("score", "binary").

        Example:
            ```python
            from judge_rerank import Judge

            plan = Judge("openai/gpt-6-luna").plan(n_docs=100, usd="0.02", latency_s=20)
            print(plan.strategy, plan.best.calls, plan.best.cost_usd)
            ```

        Args:
            n_docs: documents a ranking, at least 1.
            tokens_per_doc: their length, at least 1.
            usd: the highest expected cost of a ranking. A cap reserves the worst case, so it may need to be higher.
            latency_s: the longest time of a ranking, with the judge's concurrency.
            call_latency_s: the duration of a call; None for two seconds, or one second with a local model.
            mode: "batch" plans for batch jobs: their prices, up to 24 hours a round, and fewer rounds first.

        Returns:
            The strategy with the highest expected nDCG@10 (of equals, the one with the fewest tokens); all that fit.

        Raises:
            InputError: an option is out of range, or nothing fits: the message has the quickest and the cheapest.
            PricingUnknown: `usd` is given, and the price of the model is unknown.
        """
        from judge_rerank.routing import Limits, recommend

        require_above_zero("call_latency_s", call_latency_s)
        info, batch = self._channels.own[0].info, RankOptions(mode=mode).mode == "batch"
        call_latency_s = call_latency_s or (WINDOW_S if batch else usual_latency_s(info))
        limits = Limits(usd=usd, latency_s=latency_s, call_latency_s=call_latency_s, batch=batch)
        return recommend(self._ways.counting(mode), info, n_docs, tokens_per_doc, limits)
