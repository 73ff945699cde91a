"""The table of what each variant knew of queries that nothing answers, and the reliability curve of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judge_rerank.evaluation.answering import RECALL, Answers, Figure
from judge_rerank.evaluation.report import figures

ANSWERS_NOTE = (
    "Each query has its list and, where something is left, a twin: the list without the relevant documents. AUROC is "
    "the probability that a list with a relevant document has the higher value of answerable (0.5 is chance). False "
    f"accepts are the lists without one that are accepted when {RECALL:.0%} of the others are. ECE is the expected "
    "calibration error over ten bins. In brackets: 95 % intervals by a bootstrap over queries."
)
_SIZE, _EDGE = 220.0, 34.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A bin of the curve, in pixels from the top left, with what it says in words."""

    x: float
    y: float
    radius: float
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """The reliability curve of a variant: what was said, to the right, and how often it was so, upwards."""

    variant: str
    told: str
    points: Sequence[Point]
    size: float = _SIZE
    edge: float = _EDGE

    @property
    def line(self) -> str:
        """The points joined, as an SVG path."""
        return "M" + "L".join(f"{point.x:.1f} {point.y:.1f}" for point in self.points)


def answer_headings() -> tuple[str, ...]:
    """Of the columns."""
    return ("Variant", "Answered", "Unanswered", "AUROC", f"False accepts at {RECALL:.0%} recall", "ECE")


def answer_lines(found: Sequence[Answers]) -> Iterator[Sequence[str]]:
    """A line for each variant, in the order of the run."""
    for row in found:
        counts = (f"{row.answered:,}", f"{row.unanswered:,}")
        yield (row.variant, *counts, _written(row.auroc), _share(row.false_accepts), _written(row.ece))


def curves(found: Sequence[Answers]) -> list[Curve]:
    """The curve of each variant."""
    return [_curve(row) for row in found]


def _curve(row: Answers) -> Curve:
    scale = _SIZE - 2 * _EDGE
    most = max((point.lists for point in row.bins), default=1)
    points = [
        Point(
            x=_EDGE + point.said * scale,
            y=_SIZE - _EDGE - point.so * scale,
            radius=2.5 + 4 * (point.lists / most) ** 0.5,
            told=f"said {point.said:.2f}, so in {point.so:.0%} of {point.lists:,} lists",
        )
        for point in row.bins
    ]
    told = f"Reliability of {row.variant}: {'; '.join(point.told for point in points)}."
    return Curve(variant=row.variant, told=told, points=points)


def _written(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _share(figure: Figure) -> str:
    return f"{figures.share(figure.value)} ({figures.share(figure.low)} to {figures.share(figure.high)})"
