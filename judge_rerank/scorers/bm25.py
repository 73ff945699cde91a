"""BM25: words in common, weighted by how rare they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from judge_rerank.errors import InputError, MissingExtra
from judge_rerank.scorers.base import LocalScorer
from judge_rerank.strategies.base import Group

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class BM25(LocalScorer):
    """Scores by BM25 (Robertson and Zaragoza, doi:10.1561/1500000019) with statistics of the candidates themselves.

    Words are runs of letters and digits in lower case, of title and text, without stemming or stop words. Raw scores
    are 0 without a word in common and have no bound; as relevance, s / (s + 8). One round, no calls.

    Attributes:
        k1: how soon a repeated word stops counting.
        b: how much long documents are held back, from 0 to 1.
        method: the variant of bm25s; "lucene" has no negative scores.
    """

    k1: float = 1.2
    b: float = 0.75
    method: Literal["lucene", "robertson", "atire", "bm25l", "bm25+"] = "lucene"

    def __post_init__(self) -> None:
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise InputError(f"BM25 has k1={self.k1}, b={self.b}; k1 has to be at least 0, b from 0 to 1.")

    @property
    def name(self) -> str:
        """Its name in spec strings."""
        return "bm25"

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Each group's scores with the group's own statistics."""
        return [
            self.index([f"{c.document.title or ''} {c.document.text}" for c in candidates])(query.text)
            for query, candidates in groups
        ]

    def unit(self, raw: float) -> float:
        """s / (s + 8)."""
        return max(0.0, raw) / (max(0.0, raw) + 8)

    def index(self, texts: Sequence[str]) -> Callable[[str], Sequence[float]]:
        """A collection made searchable: a function from a query to the score of each text.

        Raises:
            MissingExtra: bm25s is not installed.
        """
        bm25s: Any = _bm25s()
        words = [_words(text) for text in texts]
        if not any(words):
            return lambda _query: [0.0] * len(texts)
        index: Any = bm25s.BM25(k1=self.k1, b=self.b, method=self.method)
        index.index(words, show_progress=False)

        def scores(query: str) -> Sequence[float]:
            asked = _words(query)
            return [float(score) for score in index.get_scores(asked)] if asked else [0.0] * len(texts)

        return scores


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise MissingExtra("Ranking by BM25", "bm25", error.name or "bm25s") from None
    return bm25s
