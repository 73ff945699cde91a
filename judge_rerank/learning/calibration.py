"""Scores that mean what they say: of documents with 0.8, about 80 % are relevant. Fitted from relevance judgments.

A `Calibration` maps a score to the share of relevant documents among those with about that score. It is monotone (it
changes no order), and holds for the model, prompt and strategy whose scores it was fitted on.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from judge_rerank.core import DataError, InputError, Ranking
from judge_rerank.learning.answering import Answering, fitted_answering
from judge_rerank.learning.completeness import complete
from judge_rerank.learning.fit import Fit, Sample, errors_of, held_out

Unjudged = Literal["skip", "irrelevant"]
"""What becomes of documents that the relevance judgments do not name."""

_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A monotone map from scores to probabilities, with a description of the data that it was fitted on.

    Attributes:
        points: (score, probability), rising; between them it is linear, beyond them constant.
        model, strategy: whose scores they were.
        prompts: hashes of the prompts that gave them, sorted.
        min_grade: the lowest grade that counted as relevant.
        queries, documents, relevant: how many there were.
        held_out: the errors on queries that it was not fitted on, by cross-validation.
        left_out: how many rankings were partial, and so not fitted on.
        answering: what makes a probability of `ranking.answerable`; None where it was not fitted.
    """

    points: tuple[tuple[float, float], ...]
    model: str
    strategy: str
    prompts: tuple[str, ...]
    min_grade: float
    queries: int
    documents: int
    relevant: int
    held_out: Fit
    left_out: int = 0
    answering: Answering | None = None

    def __post_init__(self) -> None:
        scores, probabilities = [p[0] for p in self.points], [p[1] for p in self.points]
        in_range = all(0 <= value <= 1 for point in self.points for value in point)
        if not scores or not in_range or scores != sorted(set(scores)) or probabilities != sorted(probabilities):
            msg = "points must be at least one pair of a score and a probability from 0 to 1, both in rising order."
            raise InputError(msg)

    def apply(self, score: float) -> float:
        """The probability that a document with this score is relevant."""
        return _interpolated(self.points, score)

    def differences(self, *, model: str, strategy: str, prompts: Iterable[str]) -> list[str]:
        """In what the use differs from what it was fitted on; empty where it does not."""
        found = [
            f"{what} is {now!r}, but it was fitted on {fitted!r}"
            for what, now, fitted in (("the model", model, self.model), ("the strategy", strategy, self.strategy))
            if now != fitted
        ]
        unknown = sorted(set(prompts) - set(self.prompts))
        return found + (["the prompt is another one, or has changed since"] if unknown else [])

    def save(self, path: str | Path) -> None:
        """Write it as JSON.

        Raises:
            DataError: the file cannot be written.
        """
        text = json.dumps({"format": _FORMAT} | asdict(self), indent=2) + "\n"
        try:
            Path(path).expanduser().write_text(text, encoding="utf-8")
        except OSError as error:
            raise DataError(f"The calibration cannot be written: {error.strerror}.", path=path) from error

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            DataError: the file cannot be read, or is not a calibration.
        """
        try:
            record: dict[str, Any] = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
            if record.pop("format") != _FORMAT:
                raise KeyError("format")  # noqa: TRY301
            points = tuple((float(score), float(probability)) for score, probability in record.pop("points"))
            errors, prompts = Fit(**record.pop("held_out")), tuple(record.pop("prompts"))
            answering = _answering(record.pop("answering", None))
            return cls(points=points, held_out=errors, prompts=prompts, answering=answering, **record)
        except OSError as error:
            raise DataError(f"The calibration cannot be read: {error.strerror}.", path=path) from error
        except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            msg = "This is not a calibration of this version; make one with judge-rerank calibrate."
            raise DataError(msg, path=path) from error


def calibrate(
    rankings: Iterable[Ranking],
    qrels: Mapping[str, Mapping[str, float]],
    *,
    min_grade: float = 1.0,
    unjudged: Unjudged = "skip",
    twins: Iterable[Ranking] = (),
) -> Calibration:
    """Fit a calibration by isotonic regression (pool adjacent violators).

    `ranking.answerable` is calibrated too where there are rankings of both kinds: with a relevant document and without.

    Args:
        rankings: made by one model and one strategy that has scores, without a calibration; queries and documents need
            ids. Partial rankings are left out, and documents without a score.
        qrels: grades by query id and document id.
        min_grade: the lowest grade that counts as relevant.
        unjudged: whether documents that `qrels` does not name are left out, or count as irrelevant.
        twins: rankings of the same queries without their relevant documents, by the same strategy; only
            `ranking.answerable` is fitted on them.

    Raises:
        InputError: there are fewer than two queries with scored documents whose grades are known, or all documents are
            relevant, or none is.
        IncompleteRankings: more than a fifth of the rankings are partial.
    """
    given = list(rankings)
    made = complete(given)
    by_query = {ranking.query.id: _samples(ranking, qrels, min_grade, unjudged) for ranking in made}
    groups = [samples for samples in by_query.values() if samples]
    everything = [sample for samples in groups for sample in samples]
    relevant = sum(label for _, label in everything)
    if len(groups) < 2:
        msg = (
            f"{len(groups)} of {len(made)} queries have documents with a score and a grade; at least two are needed, "
            "one to fit on and one to check on. Do the ids of the relevance judgments match those of the run?"
        )
        raise InputError(msg)
    if relevant in (0, len(everything)):
        msg = (
            f"{'All' if relevant else 'None'} of the {len(everything)} documents with a grade are relevant, so there "
            "is nothing to fit. Choose another lowest grade, or count documents without a grade as irrelevant."
        )
        raise InputError(msg)
    judgments = [j for ranking in made for result in ranking for j in result.judgments if j.score is not None]
    return Calibration(
        points=isotonic(everything),
        model=made[0].model or "",
        strategy=made[0].strategy,
        prompts=tuple(sorted({j.prompt_hash for j in judgments if j.prompt_hash})),
        min_grade=min_grade,
        queries=len(groups),
        documents=len(everything),
        relevant=relevant,
        held_out=errors_of(*held_out(groups, _fit, float)),
        left_out=len(given) - len(made),
        answering=fitted_answering([*made, *complete(list(twins))], qrels, min_grade=min_grade),
    )


def isotonic(samples: Sequence[Sample]) -> tuple[tuple[float, float], ...]:
    """The rising (score, probability) steps with the least squared error, each by its first and last score."""
    labels: dict[float, list[bool]] = {}
    for score, label in sorted(samples):
        labels.setdefault(score, []).append(label)
    blocks: list[tuple[float, float, float, int]] = []  # first and last score, relevant, documents
    for score, found in labels.items():
        block = (score, score, float(sum(found)), len(found))
        while blocks and blocks[-1][2] * block[3] >= block[2] * blocks[-1][3]:
            first, _, relevant, count = blocks.pop()
            block = (first, block[1], relevant + block[2], count + block[3])
        blocks.append(block)
    points = [(score, relevant / count) for first, last, relevant, count in blocks for score in (first, last)]
    return tuple(dict.fromkeys(points))


def _answering(stored: dict[str, Any] | None) -> Answering | None:
    if stored is None:
        return None
    values: dict[str, Any] = stored | {"held_out": Fit(**stored["held_out"])}
    return Answering(**values)


def _samples(
    ranking: Ranking, qrels: Mapping[str, Mapping[str, float]], min_grade: float, unjudged: Unjudged
) -> list[Sample]:
    grades = qrels.get(ranking.query.id or "", {})
    return [
        (result.relevance_score, grades.get(result.document.id or "", -math.inf) >= min_grade)
        for result in ranking
        if result.relevance_score is not None
        # A query without any grade was not judged at all.
        and (result.document.id in grades or (unjudged == "irrelevant" and grades))
    ]


def _fit(samples: Sequence[Sample]) -> Callable[[float], float]:
    points = isotonic(samples)
    return lambda score: _interpolated(points, score)


def _interpolated(points: Sequence[tuple[float, float]], score: float) -> float:
    above = bisect_right(points, score, key=lambda point: point[0])
    if above == 0:
        return points[0][1]
    if above == len(points):
        return points[-1][1]
    (low, p_low), (high, p_high) = points[above - 1], points[above]
    return p_low + (p_high - p_low) * (score - low) / (high - low)
