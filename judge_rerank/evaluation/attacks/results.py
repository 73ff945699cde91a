"""What an audit found: how often each family lifts its document, with intervals; and two audits side by side."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

from judge_rerank.core import InputError, total_usd
from judge_rerank.evaluation.attacks.family import CONTROL, Family
from judge_rerank.evaluation.attacks.record import ADAPTIVE, AttackInfo, Clean, Cost, Trial
from judge_rerank.evaluation.power import share_interval
from judge_rerank.evaluation.significance import bootstrap_interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """How many of some trials had something.

    Attributes:
        hits, n: counts.
        interval: 95 %, by Wilson. Trials of one query are taken for independent.
    """

    hits: int
    n: int
    interval: tuple[float, float]

    @property
    def rate(self) -> float | None:
        """The share; None of no trials."""
        return self.hits / self.n if self.n else None

    @classmethod
    def of(cls, found: Iterable[bool]) -> Share:
        """The share of those that are true."""
        listed = list(found)
        return cls(hits=sum(listed), n=len(listed), interval=share_interval(sum(listed), len(listed)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What one family did to the judge.

    Attributes:
        family: which.
        trials: attacked rankings.
        lifted: by k, of the documents that stood below the top k, those that the attack lifted into it.
        by_position, by_relevance: the same for the middle cutoff, by where the payload stood and by true relevance.
        lift: by how many ranks the document rose, in the mean.
        broken: rankings with more replies than before that were refused, cut off or could not be read.
        unjudged: rankings in which no judgment covers the attacked document.
        flagged: rankings in which the guard flagged a changed document; None without a guard.
        ndcg_lost: nDCG@10 of the clean rankings minus that of the attacked ones; None without grades.
        cost: what the rankings took together.
    """

    family: Family
    trials: int
    lifted: Mapping[int, Share]
    by_position: Mapping[str, Share]
    by_relevance: Mapping[str, Share]
    lift: float
    broken: Share
    unjudged: Share
    flagged: Share | None
    ndcg_lost: float | None
    cost: Cost

    @property
    def worst(self) -> float:
        """The highest of the rates of `lifted`."""
        return max((share.rate or 0.0 for share in self.lifted.values()), default=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanFigures:
    """The rankings without an attack.

    Attributes:
        queries: how many.
        ndcg: the mean of nDCG@10; None without grades.
        flagged: documents that the guard flagged, of all; None without a guard.
        broken: queries with a reply that was refused, cut off or could not be read.
        cost: what they took together.
    """

    queries: int
    ndcg: float | None
    flagged: Share | None
    broken: Share
    cost: Cost


def clean_figures(clean: Iterable[Clean]) -> CleanFigures:
    """The figures of the rankings without an attack."""
    listed = list(clean)
    known = [each for each in listed if each.suspicious is not None]
    marks = (place in (each.suspicious or ()) for each in known for place in each.order)
    return CleanFigures(
        queries=len(listed),
        ndcg=_mean(each.ndcg for each in listed),
        flagged=Share.of(marks) if known else None,
        broken=Share.of(each.broken > 0 for each in listed),
        cost=total_cost(each.cost for each in listed),
    )


def figures(info: AttackInfo, clean: Mapping[str, Clean], trials: Iterable[Trial]) -> tuple[Figures, ...]:
    """The figures of each family with trials: the control first, the search last, the most harmful of the others first.

    The order is that of the rate at the middle cutoff, then of the mean lift.
    """
    by_family: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_family[trial.family].append(trial)
    known = {family.name: family for family in info.families}
    search = Family(name=ADAPTIVE, sentence=f"The best of {info.adaptive} rounds of search against the judge.")
    known[ADAPTIVE] = search
    found = [
        _figures(known.get(name, Family(name=name, sentence="")), info.cutoffs, clean, listed)
        for name, listed in by_family.items()
    ]
    k = middle(info.cutoffs)
    place = {CONTROL: 0, ADAPTIVE: 2}
    return tuple(
        sorted(
            found,
            key=lambda each: (
                place.get(each.family.name, 1),
                -(each.lifted[k].rate or 0.0),
                -each.lift,
                each.family.name,
            ),
        )
    )


def middle(cutoffs: Sequence[int]) -> int:
    """The cutoff in the middle: 3 of 1, 3 and 5."""
    return cutoffs[len(cutoffs) // 2]


def _figures(family: Family, cutoffs: Sequence[int], clean: Mapping[str, Clean], trials: Sequence[Trial]) -> Figures:
    k = middle(cutoffs)
    guarded = [trial.flagged for trial in trials if trial.flagged is not None]
    losses = (
        before.ndcg - trial.ndcg
        for trial in trials
        if (before := clean.get(trial.query_id)) is not None and before.ndcg is not None and trial.ndcg is not None
    )
    return Figures(
        family=family,
        trials=len(trials),
        lifted={each: _lifted(trials, each) for each in cutoffs},
        by_position=_by(trials, k, lambda trial: trial.position),
        by_relevance=_by(trials, k, lambda trial: trial.relevance),
        lift=fmean(trial.clean_rank - trial.rank for trial in trials),
        broken=Share.of(trial.broken > 0 for trial in trials),
        unjudged=Share.of(trial.unjudged for trial in trials),
        flagged=Share.of(guarded) if guarded else None,
        ndcg_lost=_mean(losses),
        cost=total_cost(trial.cost for trial in trials),
    )


def _lifted(trials: Iterable[Trial], k: int) -> Share:
    return Share.of(trial.rose(k) for trial in trials if trial.could_rise(k))


def _by(trials: Sequence[Trial], k: int, key: Callable[[Trial], str]) -> dict[str, Share]:
    names = sorted({name for trial in trials if (name := key(trial))})
    return {name: _lifted((trial for trial in trials if key(trial) == name), k) for name in names}


def total_cost(costs: Iterable[Cost]) -> Cost:
    """Several costs together; dollars are unknown where one of them is."""
    listed = list(costs)
    return Cost(
        calls=sum(each.calls for each in listed),
        cached_calls=sum(each.cached_calls for each in listed),
        tokens=sum(each.tokens for each in listed),
        cost_usd=_together(each.cost_usd for each in listed),
        uncached_tokens=sum(each.uncached_tokens for each in listed),
        uncached_usd=_together(each.uncached_usd for each in listed),
        seconds=math.fsum(each.seconds for each in listed),
    )


def _together(amounts: Iterable[str | None]) -> str | None:
    usd = total_usd(None if amount is None else Decimal(amount) for amount in amounts)
    return None if usd is None else str(usd)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """One figure of two audits.

    Attributes:
        name: the family; "" for all rankings without an attack.
        measure: what is compared: "top 3", "broken", "nDCG@10".
        n: trials, or queries, that both have.
        before, after: the mean in each, over queries.
        interval: 95 % of `after` minus `before`, by a paired bootstrap over queries; None for a single query.
    """

    name: str
    measure: str
    n: int
    before: float
    after: float
    interval: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """How much greater it is after."""
        return self.after - self.before


Results = tuple[AttackInfo, Mapping[str, Clean], Mapping[tuple[str, str, int], Trial]]
"""An audit: its description, its clean rankings, its trials."""


def beside(before: Results, after: Results) -> tuple[Beside, ...]:
    """Two audits side by side, in pairs: the same attack on the same document of the same query in both.

    A rate is over the documents that stood below the top k in both.

    Raises:
        InputError: they have no attack in common.
        MissingExtra: numpy is not installed.
    """
    (info, clean, trials), (other, other_clean, other_trials) = before, after
    shared = [
        (trials[key], other_trials[key])
        for key in trials
        if key in other_trials and _same(trials[key], other_trials[key])
    ]
    if not shared:
        raise InputError(
            f"The audits of {info.name!r} and {other.name!r} have no attack in common. Compare audits of the same "
            "data with the same seed and candidates."
        )
    rows = _clean_rows(clean, other_clean)
    cutoffs = [k for k in info.cutoffs if k in other.cutoffs]
    for name in dict.fromkeys(one.family for one, _ in shared):
        pairs = [pair for pair in shared if pair[0].family == name]
        for k in cutoffs:
            could = [(one, two) for one, two in pairs if one.could_rise(k) and two.could_rise(k)]
            rows += _row(name, f"top {k}", [(a.query_id, float(a.rose(k)), float(b.rose(k))) for a, b in could])
        rows += _row(name, "broken", [(a.query_id, float(a.broken > 0), float(b.broken > 0)) for a, b in pairs])
    return tuple(rows)


def _same(one: Trial, other: Trial) -> bool:
    if one.family == ADAPTIVE:  # what a search plants depends on the judge
        return one.document == other.document
    return (one.document, one.position, one.payload) == (other.document, other.position, other.payload)


def _clean_rows(clean: Mapping[str, Clean], other: Mapping[str, Clean]) -> list[Beside]:
    both = [(query, one.ndcg, other[query].ndcg) for query, one in clean.items() if query in other]
    return _row("", "nDCG@10", [(query, a, b) for query, a, b in both if a is not None and b is not None])


def _row(name: str, measure: str, values: Sequence[tuple[str, float, float]]) -> list[Beside]:
    """A row; none where there is nothing to compare."""
    if not values:
        return []
    queries: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for query, one, two in values:
        queries[query].append((one, two))
    means = {query: tuple(map(fmean, zip(*pairs, strict=True))) for query, pairs in queries.items()}
    interval = None
    if len(means) > 1:
        interval = bootstrap_interval(
            {query: two for query, (_, two) in means.items()}, {query: one for query, (one, _) in means.items()}
        )
    return [
        Beside(
            name=name,
            measure=measure,
            n=len(values),
            before=fmean(one for one, _ in means.values()),
            after=fmean(two for _, two in means.values()),
            interval=interval,
        )
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
