"""`"auto"`: the query and the circumstances choose the strategy; `"cascade"`: what is sensible with what is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from judge_rerank.core import Candidates, InputError, Ordering, Plan, Query, Strategy
from judge_rerank.routing.classifier import QueryClass, QueryClassifier
from judge_rerank.routing.routes import JudgeKind, Route, Routes
from judge_rerank.routing.trained import TrainedClassifier
from judge_rerank.strategies import Composable, resolve, strategy_names

if TYPE_CHECKING:
    from judge_rerank.core import ModelInfo

CASCADES: dict[JudgeKind, str] = {
    "hosted": "{prefilter} % 20 >> listwise",
    "local": "{prefilter} % 10 >> stage(binary, fuse=0.5)",
    "none": "{prefilter}",
}
"""The default cascade by who judges."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a strategy that chooses has to know of the ranking.

    Attributes:
        judge: who would judge.
        fits: whether a strategy stays within the caps and the deadline; says what it would exceed, "" for nothing.
    """

    judge: JudgeKind = "hosted"
    fits: Callable[[Strategy], str] = field(default=lambda _strategy: "", compare=False)


def judge_kind(info: ModelInfo | None) -> JudgeKind:
    """Who judges: nobody, a model that runs here, or one that is paid for."""
    return "none" if info is None else "local" if info.local else "hosted"


def prefilter() -> str:
    """The best scorer that is installed, as a spec string; "none" where there is none."""
    from judge_rerank.models import installed_models

    embedding = "embedding" in strategy_names() and "all-minilm-l6-v2" in installed_models()
    if embedding and (find_spec("onnxruntime") or find_spec("sentence_transformers")):
        return "embedding"
    return "bm25" if find_spec("bm25s") else "none"


@dataclass(frozen=True)
class Auto(Composable):
    """Chooses a strategy for each query: its class, the number of candidates, who judges, and what caps and deadline
    leave room for, looked up in a table (`judge-rerank routes` prints it). `ranking.notes` says which, and why.

    Calls and rounds are those of the strategy chosen. A strategy that would exceed a cap or the deadline gives way to
    the next of its row, down to a scorer that costs nothing.

    Attributes:
        routes: the table, or the YAML file of one.
        classifier: what tells the class of a query; by default the trained one that comes with the package.
        situation: as the judge finds it.
    """

    routes: Routes | str = field(default_factory=Routes)
    classifier: QueryClassifier = field(default_factory=TrainedClassifier, kw_only=True)
    situation: Situation = field(default_factory=Situation, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.routes, str):
            object.__setattr__(self, "routes", Routes.load(self.routes))
        for row in self.table.rows:
            for text in row.strategies:
                resolved(text)

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        return "auto"

    @property
    def table(self) -> Routes:
        """The routes."""
        return cast("Routes", self.routes)

    def at(self, situation: Situation) -> Auto:
        """The same for the ranking at hand."""
        return replace(self, situation=situation)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of the strategy that the query is routed to."""
        found = self.classifier.classify(query.text)
        route = self.table.choose(found.label, self.situation.judge, len(candidates))
        strategy, passed_over = self._first_that_fits(route)
        ordering: Ordering = yield from strategy.plan(query, candidates)
        return replace(ordering, notes=(_told(found, route, strategy, passed_over), *ordering.notes))

    def _first_that_fits(self, route: Route) -> tuple[Strategy, list[str]]:
        passed_over: list[str] = []
        strategies = [resolved(text) for text in route.strategies]
        for strategy in strategies:
            exceeded = self.situation.fits(strategy)
            if not exceeded:
                return strategy, passed_over
            passed_over.append(f"{strategy.name} would exceed {exceeded}")
        return strategies[-1], passed_over


@dataclass(frozen=True)
class DefaultCascade(Composable):
    """The best scorer that is installed, then the judge on what it keeps: listwise for a hosted model, yes or no, fused
    with the scorer, for one that runs here. `ranking.notes` says what it was.

    Attributes:
        situation: as the judge finds it.
    """

    situation: Situation = field(default_factory=Situation, kw_only=True, repr=False)

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        return "cascade"

    def at(self, situation: Situation) -> DefaultCascade:
        """The same for the ranking at hand."""
        return replace(self, situation=situation)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of the cascade."""
        strategy = resolved(CASCADES[self.situation.judge])
        ordering: Ordering = yield from strategy.plan(query, candidates)
        return replace(ordering, notes=(f"cascade: {strategy.name}", *ordering.notes))


def default_cascade(info: ModelInfo | None) -> Strategy:
    """What "cascade" means with this model as the judge, and the scorers that are here."""
    return resolved(CASCADES[judge_kind(info)])


def resolved(text: str) -> Strategy:
    """The strategy of a row, with the best scorer in the place of `{prefilter}`.

    Raises:
        InputError: the row cannot be read, or chooses again.
    """
    strategy = resolve(text.replace("{prefilter}", prefilter()))
    if isinstance(strategy, (Auto, DefaultCascade)):
        raise InputError(f"A route cannot lead to {text!r}, which chooses again.")
    return strategy


def _told(found: QueryClass, route: Route, strategy: Strategy, passed_over: list[str]) -> str:
    sure = "" if found.confidence is None else f" ({found.confidence:.0%})"
    because = f": {route.why}" if route.why else ""
    instead = f"; {', '.join(passed_over)}" if passed_over else ""
    return f"auto: a {found.label} query{sure}, so {strategy.name}{because}{instead}"


@dataclass(frozen=True)
class ClassIs:
    """A condition for a stage of a cascade: the query is of this class.

    Attributes:
        label: the class.
        classifier: what tells it.
    """

    label: str
    classifier: QueryClassifier = field(default_factory=TrainedClassifier, kw_only=True)

    def __call__(self, query: Query, candidates: Candidates) -> bool:  # noqa: ARG002
        """Whether it is."""
        return self.classifier.classify(query.text).label == self.label

    def __str__(self) -> str:
        return f"a {self.label} query"
