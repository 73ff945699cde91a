"""Rankings of many queries, watched as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from judge_rerank.core import Document, Query, Ranking, Strategy

if TYPE_CHECKING:
    from judge_rerank.engine import Progress
    from judge_rerank.judge import Judge


def ranked_until(
    judge: Judge,
    pairs: Iterable[tuple[Query, Sequence[Document]]],
    strategy: str | Strategy | None,
    enough: Callable[[Ranking], bool],
    *,
    min_score: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Ranking]:
    """Rankings in the order of the pairs, up to the first after which it is enough; calls under way are abandoned.

    A cap that is reached makes rankings partial, whatever the judge does otherwise.

    Args:
        judge: who ranks.
        pairs: queries with their candidates.
        strategy: None for the judge's own.
        enough: whether to stop after this ranking; what it raises ends the rankings too.
        min_score, progress: as in `Judge.rerank`.
    """
    from judge_rerank.engine import run

    async def collect() -> list[Ranking]:
        found: list[Ranking] = []
        many = judge.arerank_many(pairs, strategy, min_score=min_score, on_exhausted="partial", progress=progress)
        async with aclosing(cast("AsyncGenerator[Ranking]", many)) as rankings:
            async for ranking in rankings:
                found.append(ranking)
                if enough(ranking):
                    break
        return found

    return run(collect())
