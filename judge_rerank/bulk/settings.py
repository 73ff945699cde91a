"""What a worker needs to make its judge: plain values, which go to other processes and other machines."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from judge_rerank.cache import DEFAULT_CACHE, ReplyCache
from judge_rerank.core import (
    Backend,
    CriteriaLike,
    InputError,
    Strategy,
    public_url,
    redact_params,
    spec_of,
)
from judge_rerank.engine import RankKeywords
from judge_rerank.judge import Judge
from judge_rerank.providers import Api, Transport, listed, open_models
from judge_rerank.providers import open_backend as open_by_name
from judge_rerank.spending import Budget, Ledger, Price
from judge_rerank.strategies import parse


class JudgeKeywords(TypedDict, total=False):
    """The options of the judge, as in `Judge`; `store` is one for many machines."""

    api: Api | None
    transport: Transport | None
    api_base: str | None
    api_key: str | None
    params: Mapping[str, Any] | None
    prompts: str | Path | Sequence[str | Path] | None
    concurrency: int | None
    max_tokens_per_doc: int | None
    timeout_s: float | None
    max_attempts: int
    budget: Budget | None
    prices: Mapping[str, Price] | str | Path | None
    cache_dir: str | Path | ReplyCache | None
    calibration: str | Path | None
    instruction: str | None
    criteria: CriteriaLike | None
    store: str | None
    trace: str | Path | None


class RankingKeywords(TypedDict, total=False):
    """What is asked of every ranking, as in `RankOptions`."""

    top_n: int | None
    min_score: float | None
    deadline_s: float | None
    max_usd: str | None
    mode: str | None
    batch_fallback: str | None


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """A judge that is not open yet.

    Attributes:
        model: as in `Judge`; a `Backend` only where everything is done in this process.
        strategy: what ranks; None for the model's own.
        judge: the other options of the judge.
        ranking: what is asked of every ranking.
    """

    model: str | Backend | Sequence[str | Backend] | None
    strategy: Strategy | None
    judge: JudgeKeywords
    ranking: RankingKeywords

    @classmethod
    def of(
        cls,
        model: str | Backend | Sequence[str | Backend] | None,
        strategy: str | Strategy | None,
        judge: JudgeKeywords,
        ranking: RankingKeywords,
    ) -> JudgeSettings:
        """The settings, with the strategy checked.

        Raises:
            InputError: there is no such strategy.
        """
        return cls(model=model, strategy=None if strategy is None else parse(strategy), judge=judge, ranking=ranking)

    @property
    def spec(self) -> str:
        """The strategy's spec; "" for the model's own."""
        return "" if self.strategy is None else spec_of(self.strategy)

    @property
    def store(self) -> str | None:
        """The database that machines share, of the judge or of its budget; None where there is none."""
        budget = self.judge.get("budget")
        return self.judge.get("store") or (None if budget is None else budget.store)

    def asked(self) -> RankKeywords:
        """What is asked of every ranking, as keywords."""
        return {name: value for name, value in self.ranking.items() if value is not None}  # pyright: ignore[reportReturnType]

    def backends(self) -> list[Backend]:
        """The models, opened; none where no model is named and none is there.

        Raises:
            SetupError: a model that is named is not there.
        """
        given = {name: self.judge.get(name) for name in ("api", "transport", "api_base", "api_key", "params")}

        def opened(name: str | Backend | None) -> Backend:
            return open_by_name(name, **given)  # pyright: ignore[reportArgumentType]

        backends, unavailable = open_models(listed(self.model), opened)
        if unavailable is not None and self.model is not None:
            raise unavailable
        return list(backends)

    def open(self, *, backends: Sequence[Backend] | None = None) -> Judge:
        """The judge, on its own models or on these."""
        keywords: dict[str, Any] = {name: value for name, value in self.judge.items() if name != "store" or value}
        return Judge(list(backends) if backends else self.model, strategy=self.strategy, **keywords)

    def check(self) -> None:
        """Raise what keeps a worker from ranking, before anything is spent: a missing model, key, extra or file.

        Raises:
            RerankError: the first that is missing.
        """
        for backend in self.backends():
            _ = backend.info
            getattr(backend, "check_ready", lambda: None)()
        with self.open() as judge:
            judge.warm_up()

    def changed(self, **judge: Any) -> JudgeSettings:
        """The same with some options of the judge changed."""
        return replace(self, judge={**self.judge, **judge})

    def configuration(self) -> dict[str, Any]:
        """What has to be the same where a run goes on: all that decides what the judge is asked, as JSON has it."""
        names = [one if isinstance(one, str) else one.info.name for one in listed(self.model) if one is not None]
        decides = ("api", "api_base", "params", "max_tokens_per_doc", "instruction", "criteria", "calibration")
        judge: dict[str, Any] = {name: self.judge.get(name) for name in decides}
        # What is written down has no key in it.
        judge["api_base"] = judge["api_base"] and public_url(judge["api_base"])
        judge["params"] = redact_params(judge["params"] or {})
        return {"model": names, "strategy": self.spec, **judge, **self.asked()}

    def plain(self) -> JudgeSettings:
        """The settings, if they can go to another process.

        Raises:
            InputError: a model or the cache is an object of this process.
        """
        if any(one is not None and not isinstance(one, str) for one in listed(self.model)):
            raise InputError("Only a model that is named can be opened in other processes: model='openai/…'.")
        if isinstance(self.judge.get("cache_dir"), ReplyCache):
            raise InputError("Name the folder of replies for other processes: cache_dir='replies'.")
        return self


@contextmanager
def paid_from(judge: Judge, ledger: Ledger | None) -> Generator[None]:
    """Charge what is ranked inside the block to a ledger as well, if there is one."""
    with ExitStack() as stack:
        if ledger is not None:
            stack.enter_context(judge.limit(ledger=ledger))
        yield


DEFAULTS: JudgeKeywords = {"cache_dir": DEFAULT_CACHE}
