"""How far two sets of relevance grades agree: on each document, and on which system is better.

Both questions are asked of the same queries and documents on both sides: those that both graded. People grade more
queries and other documents than a model does, and a mean over other queries says nothing about the agreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from judge_rerank.core import InputError
from judge_rerank.evaluation.grading import Qrels
from judge_rerank.evaluation.metrics import Metrics

Run = Mapping[str, Sequence[str]]
"""What a system retrieved: document ids by query id, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far a model's grades agree with people's, on the documents that both graded.

    Attributes:
        queries, documents: how many these are.
        only_human, only_model: documents that only one of them graded.
        levels: the grades there are, rising.
        confusion: how many documents have the human grade `levels[row]` and the model's `levels[column]`.
        same: the share of documents with the same grade.
        kappa: Cohen's κ over the grades: agreement beyond chance, 1 if complete, 0 for chance; None where it is not
            defined: for a single document, or where all grades are the same.
        min_grade: from where on a document counts as relevant.
        kappa_binary: Cohen's κ over relevant or not.
        mean_human, mean_model: the mean grade; the difference says who is stricter.
    """

    queries: int
    documents: int
    only_human: int
    only_model: int
    levels: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    same: float
    kappa: float | None
    min_grade: float
    kappa_binary: float | None
    mean_human: float
    mean_model: float


def measure_agreement(human: Qrels, model: Qrels, *, min_grade: float = 2.0) -> Agreement:
    """Compare the grades of the documents that both have.

    Args:
        human: grades by query id and document id.
        model: the same, by the model that is compared.
        min_grade: the lowest grade that counts as relevant; 2 in TREC's Deep Learning tracks.

    Raises:
        InputError: no document is graded by both.
    """
    people, by_model = shared(human, model)
    pairs = [(grade, by_model[query][name]) for query, grades in people.items() for name, grade in grades.items()]
    counts = Counter(pairs)
    levels = tuple(sorted({grade for pair in pairs for grade in pair}))
    return Agreement(
        queries=len(people),
        documents=len(pairs),
        only_human=sum(map(len, human.values())) - len(pairs),
        only_model=sum(map(len, model.values())) - len(pairs),
        levels=levels,
        confusion=tuple(tuple(counts[row, column] for column in levels) for row in levels),
        same=sum(a == b for a, b in pairs) / len(pairs),
        kappa=cohens_kappa(pairs),
        min_grade=min_grade,
        kappa_binary=cohens_kappa([(a >= min_grade, b >= min_grade) for a, b in pairs]),
        mean_human=sum(a for a, _ in pairs) / len(pairs),
        mean_model=sum(b for _, b in pairs) / len(pairs),
    )


def shared(human: Qrels, model: Qrels) -> tuple[Qrels, Qrels]:
    """The grades of the documents that both have, of either side; queries without such a document are left out.

    Raises:
        InputError: no document is graded by both.
    """
    both = {
        query: [name for name in grades if name in model[query]] for query, grades in human.items() if query in model
    }
    kept = {query: names for query, names in both.items() if names}
    if not kept:
        raise InputError("No document is graded by both; do the files have the same query and document ids?")
    people, by_model = (
        {query: {name: side[query][name] for name in names} for query, names in kept.items()} for side in (human, model)
    )
    return people, by_model


def cohens_kappa(pairs: Sequence[tuple[object, object]]) -> float | None:
    """Agreement beyond what the two would reach by chance (Cohen, 1960).

    None, as undefined, for fewer than two pairs, and where both always give the same one label: they agree whatever
    they think, and a 1 would say that they had been told apart.
    """
    n = len(pairs)
    if n < 2 or len({label for pair in pairs for label in pair}) < 2:
        return None
    left, right = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(count * right[label] for label, count in left.items()) / n**2
    observed = sum(a == b for a, b in pairs) / n
    return (observed - chance) / (1 - chance)


def kendalls_tau(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """How far two sets of scores put the same systems in the same order: τ-b, from -1 to 1; ties are allowed for.

    Raises:
        InputError: they share fewer than two systems, or one of them gives all the same score.
    """
    signs = [(_sign(a[x] - a[y]), _sign(b[x] - b[y])) for x, y in combinations([name for name in a if name in b], 2)]
    decided_a, decided_b = sum(s != 0 for s, _ in signs), sum(s != 0 for _, s in signs)
    if not decided_a or not decided_b:
        raise InputError("An order of systems needs at least two that differ in their scores.")
    return sum(s * t for s, t in signs) / (decided_a * decided_b) ** 0.5


def system_scores(
    runs: Mapping[str, Run], qrels: Qrels, metric: str = "nDCG@10", *, min_grade: float = 1
) -> dict[str, float]:
    """The mean of a metric for each system over all queries that have grades; 0 for one that a system did not answer.

    To compare two sets of grades, give either its half of `shared`. `min_grade` is the lowest grade that is relevant
    to a metric that knows only that.

    Raises:
        UnknownName: there is no such metric.
        InputError: the metric cannot be read, or a grade is not a whole number.
        MissingExtra: ir-measures is not installed.
    """
    measure = Metrics([metric], min_grades=[min_grade])
    (name,) = measure.names
    return {
        system: fmean(measure.of(run.get(query, ()), grades)[name] for query, grades in qrels.items())
        for system, run in runs.items()
    }


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
