"""The table of cascades: what each cut kept, and how well that can still be ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from judge_rerank.evaluation.report import figures
from judge_rerank.evaluation.summary import Summary

CASCADE_NOTE = (
    "Recall is the share of the relevant candidates that is left after the cut. The value at best is that of the ideal "
    "order of these, which no later stage can exceed."
)


def cascade_headings(summary: Summary) -> tuple[str, ...]:
    """Of the columns."""
    return ("Variant", "Cut", "Kept", "Recall", f"{summary.metric} at best", "Reached")


def cascade_lines(summary: Summary) -> Iterator[Sequence[str]]:
    """A line for each cut of each variant, in the order of the run; none where nothing is cut."""
    for row in summary.rows:
        for ceiling in row.ceilings:
            yield (
                row.variant.name,
                ceiling.stage,
                figures.count(ceiling.kept),
                "–" if ceiling.recall is None else figures.shown_quality(ceiling.recall),
                figures.shown_quality(ceiling.metrics.get(summary.metric)),
                figures.shown_quality(row.metrics.get(summary.metric)),
            )
