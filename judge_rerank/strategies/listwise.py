"""Documents compared with each other, a window at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from judge_rerank.core import (
    Candidate,
    Candidates,
    InputError,
    JudgeCall,
    Order,
    Ordering,
    Plan,
    Query,
    check_number,
    require,
)
from judge_rerank.strategies.algorithms.combinators import shuffled
from judge_rerank.strategies.algorithms.windows import replaced, shrunk, sliding
from judge_rerank.strategies.cascade import Composable


@dataclass(frozen=True, kw_only=True)
class Listwise(Composable):
    """Shows a window of documents and asks for their order (RankGPT, arXiv:2304.09542).

    One call where everything fits in a window. Else windows slide from the end of the list to its top, each carrying
    its best documents into the next: 1 + ⌈max(0, n − w) / s⌉ calls a pass, one a round. It brings the best
    w − s documents to the top from anywhere in the list; below them the order is only as good as the first stage.

    The window shrinks, and the stride with it, where the longest documents would not fit the model's context. An
    order has no scores: `relevance_score` is None. A window without a readable reply stays as it was.

    Attributes:
        window_size: documents a call, at least 2.
        stride: how far the window moves, from 1 to `window_size`.
        passes: how often to go over the whole list.
        prompt: a template's name or path; None for the task's default.
        explain: ask for a reason with each order.
        model: judge with another model than the `Judge`'s own.
        shuffle: a seed: each window is shown in an order that it draws, so that a judge's liking for some positions
            favours no document. None shows it in its present order.
    """

    name = "listwise"

    window_size: int = 20
    stride: int = 10
    passes: int = 1
    prompt: str | None = None
    explain: bool = False
    model: str | None = None
    shuffle: int | None = None

    def __post_init__(self) -> None:
        for name in ("window_size", "stride", "passes"):
            check_number(name, getattr(self, name), whole=True)
        if self.window_size < 2:
            msg = f"window_size is {self.window_size}; a comparison needs at least 2 documents."
            raise InputError(msg)
        if not 1 <= self.stride <= self.window_size:
            msg = (
                f"stride is {self.stride}; it has to be from 1 to window_size ({self.window_size}), "
                "or documents between two windows would never be read."
            )
            raise InputError(msg)
        require("passes", self.passes, at_least=1)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round a window."""
        return (yield from shuffled(self._slid(query, candidates), self.shuffle))

    def _slid(self, query: Query, candidates: Candidates) -> Plan:
        order = list(candidates)
        if len(order) > 1:
            fits = candidates.limits.largest(self._call(query, order), self.window_size)
            size, stride = shrunk(self.window_size, self.stride, max(2, fits))
            for start, end in sliding(len(order), size, stride) * self.passes:
                window = order[start:end]
                (outcome,) = yield [self._call(query, window)]
                if isinstance(outcome, Order):
                    order = replaced(order, start, [window[place] for place in outcome.order])
        return Ordering(order=tuple(candidate.index for candidate in order))

    def _call(self, query: Query, candidates: Sequence[Candidate]) -> JudgeCall:
        return JudgeCall(
            task=self.name,
            query=query,
            candidates=tuple(candidates),
            prompt=self.prompt,
            explain=self.explain,
            model=self.model,
            stage=self.name,
        )
