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
from judge_rerank.strategies import (
    EMBEDDERS,
    Composable,
    Fitting,
    condition,
    first_fitting,
    nested,
    parse,
    strategy,
)

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
    return _scorer().spec


def _scorer(candidates: Candidates | None = None) -> Fitting:
    """The best scorer that is installed and knows the candidates' languages; it is never nothing."""
    return first_fitting((*EMBEDDERS, "bm25", "none"), candidates)


@strategy("auto")
@dataclass(frozen=True)
class Auto(Composable):
    """Chooses a strategy for each query.

    The choice depends on the query's class, the number of candidates, the kind of judge, and what caps and deadline
    allow. The choices are in a table (`judge-rerank routes` prints it). `ranking.notes` reports the choice and its
    reason.

    Calls and rounds are those of the strategy chosen. A strategy that would exceed a cap or the deadline is replaced by
    the next of its row, down to a free scorer.

    Attributes:
        routes: the table, or the YAML file of one.
        classifier: the classifier of queries; by default the trained one that comes with the package.
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
        scorer = _scorer(candidates)
        chosen, passed_over = _first_that_fits(route, candidates, scorer.spec)
        ordering: Ordering = yield from chosen.plan(query, candidates)
        notes = (_note(found, route, chosen, passed_over), *_left_out("auto", scorer, chosen))
        return replace(ordering, notes=(*notes, *ordering.notes))


@strategy("cascade")
@dataclass(frozen=True)
class DefaultCascade(Composable):
    """The best scorer that is installed, then the judge on what it keeps: listwise for a hosted model, yes or no, fused
    with the scorer, for one that runs here. `ranking.notes` reports it.
    """

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of the cascade."""
        scorer = _scorer(candidates)
        chosen = resolved(CASCADES[candidates.circumstances.judge], scorer.spec)
        ordering: Ordering = yield from chosen.plan(query, candidates)
        notes = (f"cascade: {spec_of(chosen)}", *_left_out("cascade", scorer, chosen))
        return replace(ordering, notes=(*notes, *ordering.notes))


def default_cascade(info: ModelInfo | None) -> Strategy:
    """What "cascade" means with this model as the judge, and the scorers that are here."""
    return resolved(CASCADES[judge_kind(info)])


def _left_out(name: str, scorer: Fitting, chosen: Strategy) -> tuple[str, ...]:
    """A note on the scorers that do not know the languages, where the one that does is part of what was chosen."""
    used = scorer.left_out and any(spec_of(each) == scorer.spec for each in nested(chosen))
    return (f"{name}: {scorer.left_out}",) if used else ()


def resolved(text: str, scorer: str | None = None) -> Strategy:
    """The strategy of a row, with a scorer in the place of `{prefilter}`, by default the best that is installed.

    Raises:
        InputError: the row cannot be read, or chooses again.
    """
    found = parse(text.replace("{prefilter}", prefilter() if scorer is None else scorer))
    if any(isinstance(each, (Auto, DefaultCascade)) for each in nested(found)):
        raise InputError(f"A route cannot use {text!r}, which chooses again.")
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


def _first_that_fits(route: Route, candidates: Candidates, scorer: str) -> tuple[Strategy, list[str]]:
    """The strategy of a row that the caps and the deadline leave room for, and why those before it were not taken."""
    passed_over: list[str] = []
    strategies = [resolved(text, scorer) for text in route.strategies]
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
