"""The routes of a server: a judge each, found by the names that clients call them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from judge_rerank.core import RerankError, Strategy
from judge_rerank.judge import Judge
from judge_rerank.server.config import DEFAULT, RouteSpec, ServerConfig, budget_place, from_environment
from judge_rerank.server.keys import Client
from judge_rerank.server.problems import Problem
from judge_rerank.spending import Amount, Budget
from judge_rerank.strategies import parse

_LONGEST_SPEC = 500
_NAMED_THING = re.compile(r"[\"'\\]")
"""What a text in a strategy begins with. Without texts a strategy names no file, address, model or template."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Route:
    """A way to rank.

    Attributes:
        name: as clients call it.
        judge: what ranks.
        strategy: instead of the judge's own, for clients that name one.
        deadline_s: how long a ranking may take.
        max_usd: how much it may cost.
    """

    name: str
    judge: Judge
    strategy: Strategy | None = None
    deadline_s: float = 60.0
    max_usd: Amount | None = None


class RouteTable:
    """The routes of a server.

    Args:
        config: what they are.
        ledgers: the folder for budgets, or the database.
        judges: by route, instead of opening one.
        shared: the folder for what worker processes share; None for one worker.

    Raises:
        RerankError: a judge cannot be opened.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        ledgers: Path | str,
        judges: Mapping[str, Judge] | None = None,
        shared: Path | None = None,
    ) -> None:
        self._specs, self._given = config.specs, judges or {}
        self._routes = {
            name: Route(
                name=name,
                judge=self._given.get(name)
                or _judge(name, spec, config, _budget(name, spec, ledgers, shared), ledgers),
                deadline_s=spec.deadline_s,
                max_usd=spec.max_usd,
            )
            for name, spec in config.rerankers.items()
        }
        self._aliases = {alias: name for name, spec in config.rerankers.items() for alias in spec.aliases}

    def find(self, model: str | None, client: Client) -> Route:
        """The route that a client means by a model.

        Raises:
            Problem: there is none, or it is not open to the client.
        """
        name = model if model is not None else DEFAULT
        if model is None and DEFAULT not in self._routes and len(self._routes) == 1:
            name = next(iter(self._routes))
        known = name if name in self._routes else self._aliases.get(name)
        if known is None and self._specs and model is not None and (named := self._named(model, client)) is not None:
            return named
        known = known or self._aliases.get("*")
        if known is None:
            raise Problem(404, f"Unknown model {_short(name)!r}. There are: {', '.join(self.names(client))}.")
        if not client.may_use(known):
            raise Problem(403, f"This key may not use the model {_short(name)!r}.")
        return self._routes[known]

    def names(self, client: Client) -> list[str]:
        """The routes that are open to a client."""
        return [name for name in self._routes if client.may_use(name)]

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def close(self) -> None:
        """Close the judges that were opened here."""
        for route in self:
            if route.name not in self._given:
                route.judge.close()

    def _named(self, spec: str, client: Client) -> Route | None:
        """The default route with the strategy that a client names; None where it names none."""
        base = self._routes.get(DEFAULT) or next(iter(self._routes.values()))
        if _NAMED_THING.search(spec) or len(spec) > _LONGEST_SPEC or not client.may_use(base.name):
            return None
        try:
            return replace(base, strategy=parse(spec))
        except RerankError:
            return None


def _budget(name: str, spec: RouteSpec, ledgers: Path | str, shared: Path | None) -> Budget | None:
    """The budget of a route; of worker processes, the environment's is one budget and not one each."""
    if spec.budget is not None:
        place, source = budget_place(ledgers, f"route-{name}"), f"budget of the route {name!r}"
        return Budget(usd=spec.budget, period=spec.period, source=source, **place)
    around = Budget.from_environment()
    if isinstance(ledgers, str):
        return around  # the store holds it
    return replace(around, path=shared / "spending" / "environment.db") if around and shared else around


def _judge(name: str, spec: RouteSpec, config: ServerConfig, budget: Budget | None, ledgers: Path | str) -> Judge:
    options: dict[str, Any] = (
        {} if spec.cache is True else {"cache_dir": config.path(spec.cache) if spec.cache else None}
    )
    paths = {each: getattr(spec, each) for each in ("prompts", "prices", "calibration", "trace")}
    return Judge(
        spec.model,
        api=spec.api,
        transport=spec.transport,
        api_base=spec.api_base,
        api_key=from_environment(spec.api_key, f"The key of the route {name!r}") if spec.api_key else None,
        params=spec.params,
        strategy=spec.strategy,
        concurrency=spec.concurrency,
        max_tokens_per_doc=spec.max_tokens_per_doc,
        timeout_s=spec.timeout_s,
        on_suspicious=spec.on_suspicious,
        instruction=spec.instruction,
        criteria=spec.criteria,
        trust=spec.trust,
        budget=budget,
        store=ledgers if isinstance(ledgers, str) else None,
        **{each: config.path(path) for each, path in paths.items() if path is not None},
        **options,
    )


def _short(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:80]}…"
