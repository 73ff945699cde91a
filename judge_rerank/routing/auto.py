"""`"auto"`: the query and the circumstances choose the strategy; `"cascade"`: what is sensible with what is here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from judge_rerank.core import Candidates, InputError, JudgeKind, Ordering, Plan, Query, Strategy, judge_kind, spec_of
from judge_rerank.routing.classifier import QueryClass, QueryClassifier
from judge_rerank.routing.routes import Route, Routes
from judge_rerank.routing.trained import TrainedClassifier
from judge_rerank.strategies import Composable, condition, is_here, nested, parse, strategy

if TYPE_CHECKING:
    from judge_rerank.core import ModelInfo

CASCADES: dict[JudgeKind, str] = {
    "hosted": "{prefilter} % 20 >> listwise",
    "local": "{prefilter} % 10 >> stage(binary, fuse=0.5)",
    "none": "{prefilter}",
}
"""The default cascade by who judges."""


def prefilter() -> str:
    """The best scorer that is installed, as a spec string; "none" where there is none."""
    return next(name for name in ("embedding", "bm25", "none") if is_here(parse(name)))


@strategy("auto")
@dataclass(frozen=True)
class Auto(Composable):
    """Chooses a strategy for each query: its class, the number of candidates, who judges, and what caps and deadline
    leave room for, looked up in a table (`judge-rerank routes` prints it). `ranking.notes` says which, and why.

    Calls and rounds are those of the strategy chosen. A strategy that would exceed a cap or the deadline gives way to
    the next of its row, down to a scorer that costs nothing.

    Attributes:
        routes: the table, or the YAML file of one.
        classifier: what tells the class of a query; by default the trained one that comes with the package.
    """

    routes: Routes | str = field(default_factory=Routes)
    classifier: QueryClassifier = field(default_factory=TrainedClassifier, kw_only=True)

    def __post_init__(self) -> None:
        for row in self.table.rows:
            for text in row.strategies:
                resolved(text)

    @cached_property
    def table(self) -> Routes:
        """The routes."""
        return Routes.load(self.routes) if isinstance(self.routes, str) else self.routes

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of the strategy that the query is routed to."""
        found = self.classifier.classify(query.text)
        route = self.table.choose(found.label, candidates.circumstances.judge, len(candidates))
        chosen, passed_over = _first_that_fits(route, candidates)
        ordering: Ordering = yield from chosen.plan(query, candidates)
        return replace(ordering, notes=(_note(found, route, chosen, passed_over), *ordering.notes))


@strategy("cascade")
@dataclass(frozen=True)
class DefaultCascade(Composable):
    """The best scorer that is installed, then the judge on what it keeps: listwise for a hosted model, yes or no, fused
    with the scorer, for one that runs here. `ranking.notes` says what it was.
    """

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of the cascade."""
        chosen = resolved(CASCADES[candidates.circumstances.judge])
        ordering: Ordering = yield from chosen.plan(query, candidates)
        return replace(ordering, notes=(f"cascade: {spec_of(chosen)}", *ordering.notes))


def default_cascade(info: ModelInfo | None) -> Strategy:
    """What "cascade" means with this model as the judge, and the scorers that are here."""
    return resolved(CASCADES[judge_kind(info)])


def resolved(text: str) -> Strategy:
    """The strategy of a row, with the best scorer in the place of `{prefilter}`.

    Raises:
        InputError: the row cannot be read, or chooses again.
    """
    found = parse(text.replace("{prefilter}", prefilter()))
    if any(isinstance(each, (Auto, DefaultCascade)) for each in nested(found)):
        raise InputError(f"A route cannot lead to {text!r}, which chooses again.")
    return found


def parts(strategy: Strategy, kind: JudgeKind) -> Iterator[Strategy]:
    """The strategies that ask for themselves when this one ranks with such a judge: of `auto` and `cascade`, all that
    they may choose.
    """
    for each in nested(strategy):
        if isinstance(each, DefaultCascade):
            yield from parts(resolved(CASCADES[kind]), kind)
        elif isinstance(each, Auto):
            for text in each.table.of_judge(kind):
                yield from parts(resolved(text), kind)
        elif not any(True for inner in nested(each) if inner is not each):
            yield each


def _first_that_fits(route: Route, candidates: Candidates) -> tuple[Strategy, list[str]]:
    """The strategy of a row that the caps and the deadline leave room for, and why those before it were not taken."""
    passed_over: list[str] = []
    strategies = [resolved(text) for text in route.strategies]
    for each in strategies:
        exceeded = candidates.circumstances.exceeded(each, candidates)
        if not exceeded:
            return each, passed_over
        passed_over.append(f"{spec_of(each)} would exceed {exceeded}")
    return strategies[-1], passed_over


def _note(found: QueryClass, route: Route, chosen: Strategy, passed_over: list[str]) -> str:
    sure = "" if found.confidence is None else f" ({found.confidence:.0%})"
    because = f": {route.why}" if route.why else ""
    instead = f"; {', '.join(passed_over)}" if passed_over else ""
    return f"auto: a {found.label} query{sure}, so {spec_of(chosen)}{because}{instead}"


@condition("class-is")
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
