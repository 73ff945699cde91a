"""One document that is refused costs the others nothing: it is found, and the call is asked without it.

A content filter refuses a whole request for one of the documents in it. Which one is found by halving, with about
2 log2(n) further requests; no later call of the ranking shows it again. Where more is refused than a few documents, it
is the query or the prompt, and the call counts as refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from judge_rerank.core import Failed, JudgeCall, Usage, added
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.recording import record_outcome
from judge_rerank.engine.result import CallResult
from judge_rerank.prompting import compares

_ALONE = "binary"
"""The task that asks about a document by itself, for tasks that compare."""


async def without_refused(
    ask: Callable[[JudgeCall], Awaitable[CallResult]],
    call: JudgeCall,
    context: RankingContext,
    *,
    number: int,
    round_: int,
    refused: CallResult | None = None,
) -> CallResult:
    """The judgment of a call without the candidates that are refused.

    Args:
        ask: asks the model once, about whatever candidates a call shows.
        call: what is asked; of several candidates.
        context: the ranking, which remembers what was refused.
        number, round_: the call's place in the ranking.
        refused: what came of the whole call, where that was asked.
    """
    return await _Search(ask, call, context, number=number, round_=round_).perform(refused)


class _Search:
    """One call that shows several candidates, and the requests that it takes."""

    def __init__(
        self,
        ask: Callable[[JudgeCall], Awaitable[CallResult]],
        call: JudgeCall,
        context: RankingContext,
        *,
        number: int,
        round_: int,
    ) -> None:
        self._ask, self._call, self._context = ask, call, context
        self._number, self._round = number, round_
        self._usages: list[Usage] = []
        self._left = 2 * len(call.candidates).bit_length() + 2
        self._least = 2 if compares(call) else 1

    async def perform(self, refused: CallResult | None) -> CallResult:
        context, call = self._context, self._call
        everyone = range(len(call.candidates))
        shown = [place for place in everyone if call.candidates[place].index not in context.filtered]
        if refused is not None:
            self._usages.append(refused.usage)
        result = refused or await self._asked(shown)
        if result.outcome.failure == "refused" and len(shown) > 1 and not context.refuses_all:
            found = await self._refused(shown)
            if found is None:
                context.refuses_all = True
            else:
                context.filtered.update(call.candidates[place].index for place in found)
                shown = [place for place in shown if place not in found]
                result = await self._asked(shown)
        if len(self._usages) == 1 and len(shown) == len(everyone):
            return result
        usage = replace(added(*self._usages), latency_s=sum(usage.latency_s for usage in self._usages))
        result = replace(result, call=call, outcome=result.outcome.widened(call, shown), usage=usage)
        record_outcome(result, context, number=self._number, round_=self._round)
        return result

    async def _refused(self, places: Sequence[int]) -> list[int] | None:
        """Which of these candidates, of which some are refused; None where it is more than halving can find."""
        if len(places) == 1:
            return list(places)
        halves = places[: len(places) // 2], places[len(places) // 2 :]
        found: list[int] = []
        for half in halves:
            # What is not in the first half has to be in the second.
            certain = half is halves[1] and not found
            if not certain:
                if self._left == 0:
                    return None
                self._left -= 1
                if (await self._asked(half, probing=True)).outcome.failure != "refused":
                    continue
            refused = await self._refused(half)
            if refused is None:
                return None
            found += refused
        return found

    async def _asked(self, places: Sequence[int], *, probing: bool = False) -> CallResult:
        """What comes of the call with only these candidates; of one alone, whether it is refused."""
        call = self._call
        candidates = tuple(call.candidates[place] for place in places)
        part = replace(call, candidates=candidates, options=call.options[: len(places)] if call.options else ())
        if len(places) < self._least:
            if not probing:
                outcome = Failed(reason="refused", message="Too few documents are left that are not refused.")
                self._usages.append(Usage())
                return CallResult(call=call, outcome=outcome, model=call.model)
            part = replace(part, task=_ALONE, prompt=None, options=(), explain=False)
        whole = len(places) == len(call.candidates)
        asked = call if whole else part
        result = await self._ask(asked)
        self._usages.append(result.usage)
        return result
