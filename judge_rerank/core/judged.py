"""From what came of a call to what it said of each document: the one place where judgments are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core.documents import Passage
from judge_rerank.core.judgments import Judgment
from judge_rerank.core.outcomes import Outcome, Statement


def judgments_of(outcome: Outcome, call: Judgment, passages: Sequence[Passage | None]) -> tuple[Judgment, ...]:
    """The judgment of each candidate that a call showed, in the order shown.

    Args:
        outcome: what came of the call.
        call: what is the same for all of them: who was asked, what was shown, what it took.
        passages: for each candidate, the part of it that was shown; None where it was shown as a whole.
    """
    return tuple(
        replace(
            call,
            passage=passage,
            repairs=outcome.repairs,
            **{name: getattr(said, name) for name in Statement.__dataclass_fields__},
        )
        for said, passage in zip(outcome.statements(len(passages)), passages, strict=True)
    )
