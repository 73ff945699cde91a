"""Judgments turned into a free prefilter: what they can bear is trained, and checked on unseen queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from judge_rerank.core import Candidate, Document, Group, InputError, Query
from judge_rerank.learning.finetune import cross_fitted, fine_tune
from judge_rerank.learning.listnet import cross_weighed, ndcg, weighed
from judge_rerank.learning.randomization import sign_flip
from judge_rerank.scorers import MODEL, Embedding, Kind, LocalScorer, Recipe, signals_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from judge_rerank.tracing import Trace

Grades = Mapping[str, Mapping[str, float]]

FEWEST_QUERIES = 10
ENOUGH: Mapping[Kind, int] = {"bi-encoder": 100, "cross-encoder": 1000}
"""How many judged queries a kind needs; it learns by heart what is fewer."""
_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Example:
    """A query with what is known of its candidates.

    Attributes:
        group: the query and its candidates.
        signals: a row a candidate.
        grades: by place; None for candidates that nobody judged.
        before: the scores of the prefilter in use.
    """

    group: Group
    signals: NDArray[np.float64]
    grades: tuple[float | None, ...]
    before: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """What came of it.

    Attributes:
        kind: what did best.
        base: the model behind it.
        seen: what it was trained on.
        tried: by kind, mean nDCG@10 on queries that the training has not seen (cross-validation), by the grades that it
            was trained on.
        before: that of the prefilter in use.
        p_value: of a paired sign-flip test over the queries, one-sided.
        held_out: the scores by query, each by a training that has not seen the query.
    """

    kind: Kind
    base: str
    seen: Sequence[Example]
    tried: Mapping[Kind, float]
    before: float
    p_value: float
    held_out: Mapping[str, tuple[float, ...]]

    @property
    def queries(self) -> int:
        """How many it was trained on."""
        return len(self.seen)

    @property
    def judged(self) -> int:
        """How many judgments it was trained on."""
        return sum(grade is not None for one in self.seen for grade in one.grades)

    @property
    def after(self) -> float:
        """Mean nDCG@10 of the kind that did best."""
        return self.tried[self.kind]

    @property
    def better(self) -> bool:
        """Whether it beats the prefilter in use, with significance."""
        return self.after > self.before and self.p_value < _LEVEL

    def save(self, folder: Path | str) -> Recipe:
        """Train on all queries, and write the folder of a `Distilled`."""
        home = Path(folder).expanduser()
        weights: dict[str, float] = {}
        if self.kind == "weights":
            names, _ = signals_of(self.base, [])
            weights = {name: round(w, 6) for name, w in zip(names, weighed(self.seen), strict=True)}
        else:
            home.mkdir(parents=True, exist_ok=True)
            fine_tune(self.seen, self.kind, self.base, home / MODEL)
        recipe = Recipe(kind=self.kind, model=self.base, weights=weights, report=self.report())
        recipe.save(home)
        return recipe

    def report(self) -> dict[str, Any]:
        """What it was trained on and what it is worth on unseen queries."""
        return {
            "queries": self.queries,
            "judged": self.judged,
            "ndcg_before": round(self.before, 4),
            "ndcg_after": round(self.after, 4),
            "tried": {kind: round(value, 4) for kind, value in self.tried.items()},
            "p_value": round(self.p_value, 4),
        }


def examples(
    pairs: Sequence[tuple[Query, Sequence[Document]]],
    grades: Grades,
    *,
    model: str = "all-minilm-l6-v2",
    prefilter: LocalScorer | None = None,
) -> list[Example]:
    """Queries with their candidates' signals. Costs no calls.

    Args:
        pairs: queries, with ids, and their candidates in the first stage's order.
        grades: by query id and document id; candidates without a grade are weak negatives.
        model: the bi-encoder that the signals come from.
        prefilter: the scorer in use; None for the order given.

    Raises:
        InputError: fewer than ten queries have candidates of different grades.
    """
    groups: list[Group] = []
    known: list[tuple[float | None, ...]] = []
    for query, documents in pairs:
        graded = grades.get(query.id or "", {})
        found = tuple(graded.get(document.id or "") for document in documents)
        if len({0.0 if grade is None else grade for grade in found}) > 1:
            groups.append((query, tuple(Candidate(index=i, document=d) for i, d in enumerate(documents))))
            known.append(found)
    if len(groups) < FEWEST_QUERIES:
        raise InputError(
            f"{len(groups)} of {len(pairs)} queries have candidates of different grades; at least {FEWEST_QUERIES} "
            "are needed, some to fit on and others to check on. Do the ids of the judgments match those of the run?"
        )
    names, signals = signals_of(model, groups)
    if prefilter == Embedding(model):  # its scores are among the signals
        before = [one[:, names.index("cosine")].tolist() for one in signals]
    else:
        before = prefilter.score(groups) if prefilter else [[-float(c.index) for c in group] for _, group in groups]
    return [
        Example(group=group, signals=one, grades=found, before=tuple(scores))
        for group, one, found, scores in zip(groups, signals, known, before, strict=True)
    ]


def traced(trace: Trace, run: str | None = None) -> tuple[list[tuple[Query, list[Document]]], Grades]:
    """The queries of a trace with their documents, and as grades the mean of the scores that the judge gave.

    Args:
        trace: what was asked so far.
        run: only this run; None for all, where the last ranking of a query counts.

    Raises:
        InputError: there is no such run.
    """
    pairs: dict[str, tuple[Query, list[Document]]] = {}
    grades: dict[str, dict[str, float]] = {}
    for name in [run] if run is not None else [known.id for known in trace.runs()]:
        for text in dict.fromkeys(call.query.id or call.query.text for call in trace.calls(run=name, failed=False)):
            results = sorted(trace.ranking(name, text), key=lambda result: result.index)
            named = [replace(r.document, id=r.document.id or str(r.index)) for r in results]
            said = [[j.score for j in r.judgments if j.score is not None and j.prompt is not None] for r in results]
            pairs[text] = (Query(text=trace.ranking(name, text).query.text, id=text), named)
            grades[text] = {str(d.id): fmean(scores) for d, scores in zip(named, said, strict=True) if scores}
    return list(pairs.values()), grades


def kinds_for(queries: int, *, checkpoint: bool = False) -> tuple[Kind, ...]:
    """What judgments of so many queries can bear: tens, a few weights; hundreds, a bi-encoder; thousands, or a ready
    cross-encoder to start from, a cross-encoder too."""
    kinds: list[Kind] = ["weights"]
    if queries >= ENOUGH["bi-encoder"]:
        kinds.append("bi-encoder")
    if checkpoint or queries >= ENOUGH["cross-encoder"]:
        kinds.append("cross-encoder")
    return tuple(kinds)


def distill(
    seen: Sequence[Example],
    *,
    model: str = "all-minilm-l6-v2",
    checkpoint: str | None = None,
    kinds: Sequence[Kind] = ("weights",),
) -> Distillation:
    """Train each kind, measure it on queries that its training has not seen, and take the best.

    Training costs no calls. The p-value is that of the best, times the number of kinds that it was chosen from.

    Args:
        seen: at least ten queries, of `examples`.
        model: the bi-encoder whose vectors are signals, and which a bi-encoder starts from.
        checkpoint: the model which a cross-encoder starts from; None for the bi-encoder's encoder, with a new head.
        kinds: what is tried.

    Raises:
        SetupError: a model, or the extra that trains it, is not here.
    """
    before = [ndcg(one, one.before) for one in seen]
    bases: dict[Kind, str] = {kind: (checkpoint if kind == "cross-encoder" else None) or model for kind in kinds}
    found: dict[Kind, list[list[float]]] = {kind: _cross_fitted(seen, kind, base) for kind, base in bases.items()}
    scored: dict[Kind, list[float]] = {
        kind: [ndcg(one, scores) for one, scores in zip(seen, held_out, strict=True)]
        for kind, held_out in found.items()
    }
    best = max(kinds, key=lambda kind: fmean(scored[kind]))
    gains = [a - b for a, b in zip(scored[best], before, strict=True)]
    p_value = sign_flip(gains, alternative="greater")
    return Distillation(
        kind=best,
        base=bases[best],
        seen=seen,
        tried={kind: fmean(values) for kind, values in scored.items()},
        before=fmean(before),
        p_value=min(1.0, p_value * len(kinds)),
        held_out={
            one.group[0].id or one.group[0].text: tuple(scores) for one, scores in zip(seen, found[best], strict=True)
        },
    )


def _cross_fitted(seen: Sequence[Example], kind: Kind, base: str) -> list[list[float]]:
    return cross_weighed(seen) if kind == "weights" else cross_fitted(seen, kind, base)
