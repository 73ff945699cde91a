"""Relevant or not, for each document by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.pointwise import Pointwise


@strategy("binary")
@dataclass(frozen=True, kw_only=True)
class Binary(Pointwise):
    """Asks of each document whether it is relevant; the score is P(yes).

    The probability comes from the log-probabilities of the first token, summed over the surface forms of "yes" and
    "no" and normalised over the two (as in arXiv:2211.09110 and arXiv:2310.14122); if the backend has none, it comes
    from the word: 1 for yes, 0 for no. Scores are in [0, 1]; ties keep first-stage order.

    ⌈n / batch_size⌉ calls in one round.

    Example:
        ```python
        from judge_rerank import Binary, Judge

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        judge = Judge("openai/gpt-6-luna")
        ranking = judge.rerank("why do my brakes squeal?", docs, Binary())
        print([(result.index, round(result.relevance_score)) for result in ranking])  # [(1, 1), (0, 0)]
        ```
    """

    task: ClassVar[str] = "binary"
