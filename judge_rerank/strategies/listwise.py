"""Documents compared with each other, a window at a time."""

from __future__ import annotations

from dataclasses import dataclass

from judge_rerank.core import Candidates, InputError, Ordering, Plan, Query, check_number, require
from judge_rerank.strategies.algorithms.first_stage import with_first_stage_scores
from judge_rerank.strategies.algorithms.windows import replaced, shrunk, sliding
from judge_rerank.strategies.asking import Comparing
from judge_rerank.strategies.decorators import strategy


@strategy("listwise")
@dataclass(frozen=True, kw_only=True)
class Listwise(Comparing):
    """Shows a window of documents and asks for their order (RankGPT, arXiv:2304.09542).

    One call where everything fits in a window. Else windows slide from the end of the list to its top, each carrying
    its best documents into the next: 1 + ⌈max(0, n − w) / s⌉ calls per pass, one per round. It brings the best
    w − s documents to the top from anywhere in the list; below them the order is only as good as the first stage.

    A few long documents are cut to fit the model's context; where most are long, the window shrinks, and the stride
    with it. An order has no scores: `relevance_score` is None. A window without a readable reply stays as it was, and
    documents that a reply leaves out keep their order behind those that it names.

    Example:
        ```python
        from judge_rerank import Judge, Listwise

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        judge = Judge("openai/gpt-6-luna")
        ranking = judge.rerank("why do my brakes squeal?", docs, Listwise(window_size=10, stride=5))
        print([(result.index, result.relevance_score) for result in ranking])  # [(1, None), (0, None)]
        ```

    Attributes:
        window_size: documents per call, at least 2.
        stride: how far the window moves, from 1 to `window_size`.
        passes: how often to go over the whole list, at least 1.
        first_stage_scores: show the judge the score that each document has from the stage before, else the document's
            own, from 0 for the lowest to 100 for the highest (InsertRank, arXiv:2506.14086). Every document needs one.

    Raises:
        InputError: an option is out of range.
    """

    window_size: int = 20
    stride: int = 10
    passes: int = 1
    first_stage_scores: bool = False

    def __post_init__(self) -> None:
        for name in ("window_size", "stride", "passes"):
            check_number(name, getattr(self, name), whole=True)
        if self.window_size < 2:
            msg = f"window_size is {self.window_size}; a comparison needs at least 2 documents."
            raise InputError(msg)
        if not 1 <= self.stride <= self.window_size:
            msg = (
                f"stride is {self.stride}; it must be from 1 to window_size ({self.window_size}), "
                "or documents between two windows would never be read."
            )
            raise InputError(msg)
        require("passes", self.passes, at_least=1)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """One round a window."""
        if self.first_stage_scores:
            candidates = with_first_stage_scores(candidates)
        order = list(candidates)
        size, stride = shrunk(self.window_size, self.stride, self.fitting(query, candidates, self.window_size))
        for start, end in sliding(len(order), size, stride) * self.passes:
            window = order[start:end]
            call = self.call(query, window)
            (outcome,) = yield [call]
            named = [index for tier in outcome.preferences(call) for index in tier]
            best_first = {index: place for place, index in enumerate(named)}
            order = replaced(order, start, sorted(window, key=lambda c: best_first.get(c.index, len(window))))
        return Ordering(order=tuple(candidate.index for candidate in order))
